"""What theory says of one neuron, against a table: values, errors and tolerances for all kinds of laws and inputs.

`python -m tests.stats.test_bounds_neurons` writes the table again. `test_preactivation`, `test_predictions` and `test_parameter`
hold its values against convolved moments, enumeration and integrals; the parts of the error bounds are held here.
"""

import math

import numpy as np
import pytest

from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.schemes import Law, Scheme, parse_law
from fanin.engine.spec import Ensemble
from fanin.stats.parameter import parameter_law
from fanin.stats.preactivation import preactivation
from fanin.stats.predictions import Theory
from fanin.stats.symmetric_law import SymmetricLaw
from tests.stats.bounds_table import differences, read, row, write

ROWS = np.array([[0.5, -1.5, 1.5, 0.0], [0.0, 2.0, 1.0, 0.25], [3.0, 0.0, 0.0, 0.0]], np.float32)
X = np.array([0.5, -1.5, 1.5, 0.0, 2.25], np.float32)
NAMES = (
    *("z.mean", "z.variance", "z.variance.given.weights", "z.variance.given.input", "z.skewness", "z.kurtosis", "z.law"),
    *("z.tail[1]", "z.tail[5]", "z.quantile[0.003]", "z.quantile[0.3]", "z.quantile[0.95]", "z.quantile[0.998]"),
    *("phi.mean", "phi.variance", "phi.saturated", "phi.quantile[0.2]", "slope.mean", "slope.variance", "slope.meansquare"),
    *("slope.median", "slope.quantile[0.9]", "slope.below[0.01]", "parameter.within[3]", "independence.neighbours"),
    *("independence.lanes", "independence.neurons", "independence.neurons.squares", "independence.lanes.squares"),
    *("independence.blockmeans", "independence.lane.sign", "independence.lane.size"),
)

ENSEMBLES = {
    "standard": lambda: Ensemble((1000, 1), "standard", "sigmoid"),
    "scaled": lambda: Ensemble((1000, 3), "scaled", "tanh"),
    "on": lambda: Ensemble((5, 2), "normal:1.5+uniform:0.7", "tanh", "on:3"),
    "subset": lambda: Ensemble((7, 2), "uniform:1.2+uniform:0.4", "sigmoid", "subset:6"),
    "fixed": lambda: Ensemble((5, 4), "laplace:0.8+normal:0.3", "tanh", Inputs.fixed(X)),
    "bernoulli": lambda: Ensemble((6, 2), "normal:1.1", "sigmoid", "bernoulli:0.25"),
    "bernoulli, uniform": lambda: Ensemble((9, 2), "uniform:1.1+normal:0.2", "tanh", "bernoulli:0.7"),
    "gaussian": lambda: Ensemble((20, 2), "normal:1.1+laplace:0.5", "sigmoid", "gaussian:1.3"),
    "gaussian, uniform": lambda: Ensemble((6, 2), "uniform:0.7+normal:0.5", "tanh", "gaussian:0.8"),
    "gaussian, truncated": lambda: Ensemble((8, 1), "truncated:0.6,cut=1.5+normal:1.5", "sigmoid", "gaussian:0.8"),
    "gaussian, rademacher": lambda: Ensemble((6, 2), "rademacher:0.5", "sigmoid", "gaussian"),
    "uniform": lambda: Ensemble((5, 2), "normal:0.9+normal:0.2", "tanh", "uniform:-0.5:2"),
    "uniform, laplace": lambda: Ensemble((5, 2), "laplace:0.9+normal:0.2", "sigmoid", "uniform:-1:1"),
    "uniform, rademacher": lambda: Ensemble((9, 2), "rademacher:0.9+normal:0.4", "sigmoid", "uniform:0:1"),
    "sparse": lambda: Ensemble((6, 2), "normal:1.1+normal:0.3", "sigmoid", "sparse:0.75:2"),
    "sparse weights": lambda: Ensemble((6, 2), "normal:1.1,sparse=0.5+normal:0.3,sparse=0.25", "tanh", "on:6"),
    "ar1": lambda: Ensemble((6, 2), "normal:0.6+normal:0.3", "tanh", "ar1:0.7:1.2"),
    "ar1, uniform": lambda: Ensemble((6, 2), "uniform:0.6+normal:0.3", "tanh", "ar1:-0.4:1.2"),
    "correlated": lambda: Ensemble(
        (3, 2), "normal:0.6+normal:0.4", "sigmoid", Inputs.correlated(np.array([[2, 1, 0], [1, 2, 1], [0, 1, 2.0]]))
    ),
    "rows": lambda: Ensemble((4, 2), "normal:0.6+normal:0.5", "sigmoid", Inputs.rows(ROWS)),
    "rows, uniform": lambda: Ensemble((4, 2), "uniform:0.6+normal:0.5", "tanh", Inputs.rows(ROWS)),
    "in turn": lambda: Ensemble((4, 2), "normal:0.6+normal:0.5", "sigmoid", Inputs.rows(ROWS, in_turn=True)),
    "orthogonal": lambda: Ensemble((6, 3), "orthogonal:1.5+normal:0.7", "tanh", "on:4"),
    "orthogonal, bernoulli": lambda: Ensemble((5, 60), "orthogonal:1+normal:0.7", "sigmoid", "bernoulli:0.5"),
    "orthogonal, no bias": lambda: Ensemble((9, 30), "orthogonal:1", "sigmoid", "subset:2"),
    "orthogonal, gaussian": lambda: Ensemble((6, 3), "orthogonal:1+normal:0.7", "sigmoid", "gaussian"),
    "student": lambda: Ensemble((6, 2), "student:1,df=9.5+normal:0.4", "sigmoid", "on:6"),
    "student, heavy": lambda: Ensemble((6, 2), "student:1,df=4.5+student:0.5,df=5", "tanh", "on:6"),
    "student, 7": lambda: Ensemble((6, 2), "student:1,df=7+normal:0.4", "sigmoid", "bernoulli:0.5"),
    "constant bias": lambda: Ensemble((6, 2), "normal:1+constant:0.5", "sigmoid", "on:6"),
    "constant weights": lambda: Ensemble((6, 2), "constant:0.2+normal:1", "sigmoid", "bernoulli:0.3"),
    "constant weights, uniform": lambda: Ensemble((6, 2), "constant:0.2+normal:1", "sigmoid", "uniform:-1:2"),
    "rademacher": lambda: Ensemble((6, 2), "rademacher:1+rademacher:0.5", "tanh", "on:6"),
    "rademacher, bias": lambda: Ensemble((6, 2), "rademacher:1+normal:0.5", "tanh", "on:6"),
    "weights of 0": lambda: Ensemble((6, 2), "normal:0+normal:0.5", "tanh", "on:6"),
    "shared scale": lambda: Ensemble((40, 1), "torch.linear", "tanh", "half-on"),
    "no tails": lambda: Ensemble((40, 2), "scaled", "tanh", "half-on", tails=()),
    "in turn, mean": lambda: Ensemble((4, 2), "constant:0.6+normal:0.5", "sigmoid", Inputs.rows(ROWS, in_turn=True)),
}


def table(case):
    ensemble = ENSEMBLES[case]()
    theory = Theory(ensemble, 1001)
    found, sources, silent = {"names": " ".join(theory.names())}, {}, []
    for name in NAMES:
        try:
            one = theory.predict(name)
        except SpecificationError:
            silent.append(name)
            continue
        sources.setdefault(one.source, name)
        found[name] = row(one.value, one.error, one.tolerance)
    found["refused"] = " ".join(silent)
    found["sources"] = "; ".join(f"{name}: {source}" for source, name in sources.items())
    z = theory.preactivation
    words = ("mean", "variance", "centred", "symmetric", "given_weights", "given_input", "neurons_squares", "orders")
    found["z"] = row(*(float(getattr(z, word)) for word in words))
    found["moments"] = row(*z.moments)
    if z.law is not None:
        found |= of_law(z.law)
    return found


def of_law(law):
    places = law.std * np.array([-30.0, -2.2, -0.4, -1e-9, 0.0, 0.9, 4.0, 1e3])
    moments = [number for power, gain in ((1, 1.0), (2, 2.0), (3, 0.5)) for number in law.sigmoid_slope_moment(power, gain)]
    found = {"law": row(law.reach, law.tail, law.orders, law.atom, law.std, law.kurtosis), "cdf": row(*law.cdf(places))}
    found["law.error"] = row(0.0, law.error)
    found["quantiles"] = row(*(law.quantile(p) for p in (1e-5, 0.2, 0.5, 0.51, 0.9, 0.9999)), 0.0)
    for place in (0, 2, 4):
        found[f"slope moment {place // 2 + 1}"] = row(*moments[place : place + 2])
    return found


@pytest.mark.parametrize("case", ENSEMBLES)
def test_table(case):
    held = read(__file__)[case]
    wrong = differences(table(case), held, floor=1e-11)
    assert not wrong


LAWS = ("normal:0.7", "uniform:2", "truncated:1", "truncated:0.5,cut=0.3,raw", "laplace:1.5", "student:1,df=9.5", "student:2,df=3")
LAWS += ("normal:1,sparse=0.25", "laplace:1,sparse=0.5,raw", "rademacher:0.5", "constant:-0.5", "uniform:0.4,sparse=0.5")
T = np.array([0.0, 1e-7, 0.3, 2.0, 11.0, 400.0])


def parameters(text):
    law = parameter_law(parse_law(text), 3, 5)
    found = {"within": row(*(law.within(limit) for limit in (0.0, 0.2, 0.5, 1.0, 3.0))), "moments": row(*law.moments)}
    found |= {"characteristic": row(*law.characteristic(T)), "envelope": row(*law.envelope(T))}
    for std in (0.8, 0.0):
        found[f"gaussian {std}"] = row(*law.times_gaussian(std)(T))
        found[f"gaussian envelope {std}"] = row(*law.times_gaussian_envelope(std)(T))
    for low, high in ((-0.5, 2.0), (1.0, 1.5)):
        found[f"uniform {low}"] = row(*law.times_uniform(low, high)(T))
        found[f"uniform envelope {low}"] = row(*law.times_uniform_envelope(low, high)(T))
    return found


@pytest.mark.parametrize("text", LAWS)
def test_table_of_parameters(text):
    assert not differences(parameters(text), read(__file__)[text], floor=1e-13)


ORDERS = {"z.mean": 2, "z.tail[1]": 2, "phi.saturated": 2, "independence.neurons": 2, "independence.lane.size": 2}
ORDERS |= {"z.variance": 4, "z.variance.given.weights": 4, "z.variance.given.input": 4, "independence.blockmeans": 4}
ORDERS |= {"z.skewness": 6, "z.kurtosis": 8, "independence.neurons.squares": 8, "independence.lanes.squares": 8}


@pytest.mark.parametrize("order", [4, 6, 8])
def test_moments_that_an_interval_needs(order):
    """The variance of an estimate of order k needs the moment of order 2k; it exists for more degrees of freedom than that."""
    for freedom, laws in ((order, "student:1,df={0}+normal:1"), (order + 1e-6, "normal:1+student:1,df={0}")):
        theory = Theory(Ensemble((6, 2), laws.format(freedom), "sigmoid", "bernoulli:0.5"))
        named = theory.names()
        for name, needed in ORDERS.items():
            if freedom > needed:
                theory.check_moments(name)
            else:
                with pytest.raises(SpecificationError, match=f"needs the moment of order {needed} of z, which Student's law with"):
                    theory.check_moments(name)
            assert (name in named) == (freedom > needed), name


# --- The bounds of a symmetric law


def normal(std=1.0, orders=4, **changes):
    moments = tuple(std ** (2 * k) * math.prod(range(1, 2 * k, 2)) if k <= orders else math.nan for k in range(1, 5))
    given = {"characteristic": lambda t: np.exp(-0.5 * (std * t) ** 2), "envelope": lambda t: np.exp(-0.5 * (std * t) ** 2)}
    return SymmetricLaw(**(given | {"moments": moments} | changes))


@pytest.mark.parametrize("orders", [1, 2, 3, 4])
@pytest.mark.parametrize("std", [1e-3, 1.0, 50.0])
def test_reach_is_markovs_inequality(orders, std):
    """P(|z| > r) <= E z^2k / r^2k, with equality to the probability stated."""
    law = normal(std, orders)
    assert law.orders == orders
    assert law.tail == (1e-7, 1e-9, 1e-11, 1e-13)[orders - 1]
    assert law.moments[orders - 1] / law.reach ** (2 * orders) == pytest.approx(law.tail, rel=1e-9, abs=0.0)
    assert law.tail <= law.error <= law.tail + 1.01e-15 + 1e-16
    assert normal(std, orders, moments=(std**2, 3 * std**4, 0.0, 105 * std**8)).orders == 2
    assert normal(std, orders, moments=(std**2, math.inf, 15 * std**6, 105 * std**8)).orders == 1


def test_terms_that_are_left_out_are_counted():
    """An envelope that falls slowly: the sum ends at its last term, twice whose envelope over pi is what is left; where it does not
    fall at all, the law is not known."""
    slow = normal(envelope=lambda t: 1.0 / (1.0 + t))
    last = math.pi / slow.reach * ((1 << 15) - 0.5)
    assert slow.error == pytest.approx(slow.tail + 2.0 / (1.0 + last) / math.pi + 1e-15, rel=1e-9, abs=0.0)
    square_root = normal(envelope=lambda t: np.minimum(1.0, 1.0 / np.sqrt(np.maximum(t, 1.0))))
    assert square_root.error < 0.05
    assert normal(envelope=lambda t: np.maximum(t, 1.0) ** -0.4).error == 1.0
    assert normal(envelope=np.ones_like).error == 1.0
    quick = normal(envelope=lambda t: np.exp(-t))
    assert quick.error == pytest.approx(quick.tail + 1e-15, rel=1e-2, abs=0.0)
    assert quick._inversion[0].size == 1024


def test_slope_moments_whose_terms_are_left_out_are_the_range():
    """Scales so far apart that the sum does not end: the value is anywhere in the range of sigma'^k."""
    law = normal(1e9, envelope=np.ones_like)
    for power in (1, 2):
        value, error = law.sigmoid_slope_moment(power)
        assert error == 0.25**power
        assert 0.0 <= value <= 0.25**power
    value, error = normal().sigmoid_slope_moment(1)
    assert error == pytest.approx(2.0 * 0.25 * 1e-13 + 1e-15 * value, rel=1e-6, abs=0.0)
    short = normal(0.01, moments=(1e-4, 3e-8, 1.5e-11, 1.05e-14))
    assert short.sigmoid_slope_moment(1)[1] == pytest.approx(0.5e-13 + 0.25e-15 + 3.0 * math.exp(-40.0), rel=1e-3, abs=0.0)


def test_variances_that_are_judged():
    """From a standard deviation of 2^-110 on, and up to where float64 ends."""
    for std, words in ((7.6e-34, r"float32 keeps its law from 7\.7e-34 on"), (0.0, r"variance 0; it must be positive and finite")):
        with pytest.raises(SpecificationError, match=words):
            preactivation(Ensemble((3, 1), f"normal:{std}", inputs="on:1"))
    assert preactivation(Ensemble((3, 1), "normal:7.8e-34", inputs="on:1")).variance == pytest.approx(
        7.8e-34**2, abs=0.0, rel=1e-12
    )


def test_slope_moments_end_with_their_transform():
    """It falls like exp(-pi t), so that an envelope that falls slowly, or not at all, leaves out nothing."""
    for envelope in (np.ones_like, lambda t: 1.0 / (1.0 + t)):
        value, error = normal(envelope=envelope).sigmoid_slope_moment(2, 1.5)
        assert (value, error) == (pytest.approx(normal().sigmoid_slope_moment(2, 1.5)[0], rel=1e-13), pytest.approx(0.0, abs=1e-13))


def test_laws_of_ones_own_have_mean_variance_and_fourth_moment():
    made = Law.from_function(lambda one, two: np.float32(0.0), 0.25, 4.5)
    law = parameter_law(made, 3, 3)
    assert law.moments[:2] == pytest.approx([0.25, 4.5 / 16.0])
    assert np.isnan(law.moments[2:]).all()
    z = preactivation(Ensemble((4, 2), Scheme(made, parse_law("normal:0.3")), "sigmoid", "on:4"))
    assert (z.orders, z.law, z.symmetric, z.centred) == (2, None, False, True)
    assert z.kurtosis == pytest.approx(3.0 + 4 * (4.5 - 3.0) / 16.0 / (4 * 0.25 + 0.09) ** 2)


if __name__ == "__main__":
    tables = {case: table(case) for case in ENSEMBLES} | {text: parameters(text) for text in LAWS}
    write(__file__, tables)
