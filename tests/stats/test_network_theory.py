"""Theory of networks: closed forms, the theory of one layer, what is refused, what is assumed."""

import math

import numpy as np
import pytest
from scipy import special

from fanin.engine.activation_spec import BUILT_IN, OwnActivation
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.stats.correlations import _by_series
from fanin.stats.flat_share import flat_share
from fanin.stats.gaussian_layer import GaussianLayer, gaussian_layer
from fanin.stats.gaussian_moments import pair_moments
from fanin.stats.log_norm import log_norm
from fanin.stats.mean_field import propagate
from fanin.stats.network_theory import NetworkTheory, assumed
from fanin.stats.predictions import Theory

SIGMOID = Ensemble((1000,) * 6, "standard", "sigmoid", cost="linear")


def value(ensemble, layer, name):
    return NetworkTheory(ensemble).predict(layer, name).value


# --- Forward


def test_reference_numbers():
    """The numbers of the sigmoid network: layer 3 at width 1000 is not the infinite-width value."""
    theory = NetworkTheory(SIGMOID)
    found = [theory.predict(layer, "z.variance") for layer in (1, 2, 3, 4)]
    assert [one.value for one in found[:3]] == pytest.approx([501.0, 483.2346937, 482.9065005], abs=1e-6)
    assert [one.label for one in found] == ["exact", "exact", "exact", "asymptotic"]
    assert found[3].next_term == "1/n^2"
    assert theory.predict(1, "z.tail[5]").value == pytest.approx(0.8232370249, abs=1e-10)
    assert theory.predict(1, "phi.saturated").value == pytest.approx(0.8373417950, abs=1e-9)
    assert theory.predict(1, "slope.below[0.01]").value == pytest.approx(0.8376998003, abs=1e-9)
    assert theory.predict(1, "slope.mean").value == pytest.approx(0.0177653063, abs=1e-10)
    assert theory.predict(1, "slope.meansquare").value == pytest.approx(0.0029667559, abs=1e-10)
    assert theory.predict(1, "slope.median").value == pytest.approx(2.776e-7, rel=1e-3)


@pytest.mark.parametrize("activation", BUILT_IN)
def test_limits_are_those_of_mean_field(activation):
    ensemble = Ensemble((400,) * 6, "normal:1.4/fan_in+normal:0.3", activation, cost="linear")
    theory = NetworkTheory(ensemble)
    layers = propagate(activation, math.sqrt(1.4), 0.3, depth=5, input_square=0.5)
    for layer, one in zip(theory.layers, layers, strict=True):
        assert layer.gaussian.q == pytest.approx(one.q.value, rel=1e-13)
    last = gaussian_layer(activation, theory.layers[-1].gaussian.q).mean(0, 2)
    for number, one in enumerate(layers, 1):  # equal widths: chi is the factor of E delta^2
        assert theory.predict(number, "delta.meansquare").value == pytest.approx(last * one.gradient.value, rel=1e-9)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize(
    ("scheme", "inputs"),
    [("scaled", "half-on"), ("glorot_uniform", "half-on"), ("he_normal", "gaussian"), ("scaled", "bernoulli:0.5")],
)
def test_first_layer_is_that_of_one_neuron(activation, scheme, inputs):
    """All that the theory of one layer says, whatever the laws; tolerances of quantiles are those of wider bins."""
    one = Theory(Ensemble((20, 1), scheme, activation, inputs))
    network = NetworkTheory(Ensemble((20, 1), scheme, activation, inputs, cost="linear"))
    for name in ("z.variance", "z.kurtosis", "z.tail[1]", "z.quantile[0.9]", "phi.mean", "phi.variance", "phi.saturated"):
        assert network.predict(1, name).value == pytest.approx(one.predict(name).value, rel=1e-9, abs=1e-9), name
        assert network.predict(1, name).label == "exact"
    for name in ("slope.mean", "slope.meansquare", "slope.median", "slope.below[0.01]", "z.skewness", "z.mean"):
        assert network.predict(1, name).value == pytest.approx(one.predict(name).value, rel=1e-9, abs=1e-9), name


def test_rays_are_exact_at_any_depth():
    theory = NetworkTheory(Ensemble((50,) * 7, "he_normal", "relu", inputs="on:50"))
    for layer in range(1, 7):
        found = theory.predict(layer, "z.kurtosis")
        assert (found.value, found.label) == (pytest.approx(3.0 * 1.1 ** (layer - 1)), "exact")
        assert theory.predict(layer, "q").value == pytest.approx(1.0)
    law = log_norm("relu", [50] * 4, math.sqrt(2.0))
    found = theory.predict(4, "q.lognorm.mean")  # ln q_4 = ln Q_5 - ln 2
    assert found.value == pytest.approx(law.mean.value + math.log(2.0) - math.log(2.0))
    assert theory.predict(4, "q.lognorm.variance").value == pytest.approx(law.variance.value)
    assert theory.predict(1, "share.dead").value == pytest.approx(2.0**-50)
    narrow = NetworkTheory(Ensemble((2, 2, 2, 2), "he_normal", "relu", inputs="on:2"))
    assert [narrow.predict(layer, "share.dead").value for layer in (1, 2, 3)] == pytest.approx([0.25, 0.4375, 0.578125])
    biased = NetworkTheory(Ensemble((2, 2, 2), "normal:2/fan_in+normal:1", "relu", inputs="on:2"))
    assert biased.predict(2, "share.dead").value == pytest.approx(0.25)


def test_a_random_input_is_a_factor_of_the_kurtosis():
    theory = NetworkTheory(Ensemble((20, 30, 40), "he_normal", "relu", inputs="gaussian"))
    assert theory.predict(2, "z.kurtosis").value == pytest.approx(3.0 * 22.0 / 20.0 * (1.0 + 5.0 / 30.0))
    assert theory.predict(2, "z.kurtosis").label == "exact"


def test_own_activations_are_those_they_copy():
    """A user's pair of float32 functions gives the built-in's numbers to float32 accuracy, and says how well."""
    own = OwnActivation(
        lambda z: np.float32(math.tanh(z)), lambda z: np.float32(1.0 - math.tanh(z) ** 2), low=-1.0, high=1.0, name="mine"
    )
    mine, plain = (
        NetworkTheory(Ensemble((60,) * 4, "lecun_normal", one, inputs="pair:1:0.4", cost="linear")) for one in (own, "tanh")
    )
    for layer in (1, 2, 3):
        names = set(mine.names(layer))
        assert {"z.variance", "phi.saturated", "q", "correlation", "delta.meansquare", "grad.median"} <= names
        for name in names:
            got, right = mine.predict(layer, name), plain.predict(layer, name)
            assert got.value == pytest.approx(right.value, rel=2e-5, abs=1e-6), (layer, name)
            assert abs(got.value - right.value) <= 10.0 * (got.error + right.error) + 2e-6 * abs(right.value) + 1e-7, (layer, name)


@pytest.mark.parametrize("activation", ["relu", "hard_tanh", "tanh"])
@pytest.mark.parametrize("c", [-0.9, 0.3, 0.99, 1.0])
def test_series_of_a_pair(activation, c):
    one, other = GaussianLayer(activation, 1.3), GaussianLayer(activation, 1.3 if c == 1.0 else 2.1)
    values, _ = pair_moments(one.function, one.q, other.q, c)
    assert _by_series(one, other, c, "value") == pytest.approx(values[0], abs=1e-6)
    assert _by_series(one, other, c, "slope") == pytest.approx(values[1], abs=3e-4)


def test_correlations():
    ensemble = Ensemble((500,) * 4, "normal:1.5/fan_in+normal:0.2", "tanh", inputs="pair:1:0.5", cost="linear")
    layers = propagate("tanh", math.sqrt(1.5), 0.2, depth=3, correlation=0.5)
    theory = NetworkTheory(ensemble)
    for number, layer in enumerate(layers, 1):
        assert layer.correlation is not None
        assert theory.predict(number, "correlation").value == pytest.approx(layer.correlation.value, abs=1e-7)
    same = NetworkTheory(Ensemble((500,) * 4, "scaled", "tanh", inputs="pair:1:1", cost="linear"))
    assert [same.predict(k, name).value for k in (1, 3) for name in ("correlation", "delta.correlation")] == pytest.approx(
        [1.0] * 4
    )
    for inputs, start in (("uniform:0:1", 0.75), ("bernoulli:0.3", 0.3), ("subset:100", 0.2), ("gaussian", 0.0), ("ar1:0.5", 0.0)):
        fresh = Ensemble((500, 500), "normal:1/fan_in", "relu", inputs, points=2)
        assert value(fresh, 1, "correlation") == pytest.approx(start, abs=1e-8), inputs
    unequal = Inputs.points([[1.0, 0.0, 1.0, 0.0], [2.0, 0.0, 0.0, 0.0]])
    found = value(Ensemble((4, 100, 100), "normal:1", "identity", inputs=unequal), 2, "correlation")
    assert found == pytest.approx(2.0 / (math.sqrt(2.0) * 2.0))


# --- Backward


@pytest.mark.parametrize(
    ("cost", "targets", "mean_square", "median"),
    [
        ("linear", "random", lambda a, s: s**2, None),
        ("quadratic", "random", lambda a, s: 0.5 * ((a - 1) ** 2 + a**2) * s**2, None),
        ("quadratic", "one-hot", lambda a, s: (0.25 * (a - 1) ** 2 + 0.75 * a**2) * s**2, None),
        ("cross-entropy", "random", lambda a, s: 0.5 * ((a - 1) ** 2 + a**2), 0.5),
        ("cross-entropy", (0.5, 0.5, 0.5, 0.5), lambda a, s: (a - 0.5) ** 2, None),
    ],
)
def test_output_delta_is_exact_without_hidden_layers(cost, targets, mean_square, median):
    """By NumPy quadrature over z, fresh; for sigma(z) and a fair bit |a - y| has the median 1/2."""
    ensemble = Ensemble((100, 4), "scaled", "sigmoid", cost=cost, targets=targets)
    theory = NetworkTheory(ensemble)
    z = np.linspace(-20, 20, 400_001)
    density = np.exp(-0.5 * z**2 / 1.5) / math.sqrt(2 * math.pi * 1.5)
    a = special.expit(z)
    found = theory.predict(1, "delta.meansquare")
    assert found.value == pytest.approx(np.trapezoid(mean_square(a, a * (1 - a)) * density, z), rel=1e-9)
    assert found.label == "exact"
    assert theory.predict(1, "grad.meansquare").value == pytest.approx(0.5 * found.value)
    if median is not None:
        assert theory.predict(1, "delta.median").value == pytest.approx(median, rel=1e-4)


def test_median_of_delta_by_sampling():
    """One hidden layer in the limit: delta = phi'(z) (A phi(z) + sigma g); 4e6 draws see a relative difference of 0.003."""
    theory = NetworkTheory(Ensemble((100, 1000, 1000), "scaled", "sigmoid", cost="quadratic"))
    rng = np.random.default_rng(51)
    z2 = rng.standard_normal(4_000_000) * math.sqrt(theory.layers[1].gaussian.q)
    a = special.expit(z2)
    top = (a - (rng.random(z2.size) < 0.5)) * a * (1 - a)
    z1 = rng.standard_normal(z2.size) * math.sqrt(1.5)
    b = special.expit(z1)
    along = (z2 * top).mean() / z2.var()
    delta = np.abs(b * (1 - b) * (along * b + math.sqrt((top**2).mean()) * rng.standard_normal(z1.size)))
    assert theory.predict(1, "delta.median").value == pytest.approx(np.median(delta), rel=0.003)
    assert theory.predict(1, "delta.quantile[0.9]").value == pytest.approx(np.quantile(delta, 0.9), rel=0.003)
    assert theory.predict(1, "delta.meansquare").value == pytest.approx((delta**2).mean(), rel=0.005)
    assert theory.predict(2, "grad.median").value == pytest.approx(np.median(np.abs(top * b)), rel=0.003)
    assert theory.predict(2, "grad.quantile[0.1]").value == pytest.approx(np.quantile(np.abs(top * b), 0.1), rel=0.005)
    below = theory.predict(1, "delta.below[0.001]").value
    assert below == pytest.approx((delta < 0.001).mean(), abs=0.001)


def test_gradients_multiply():
    ensemble = Ensemble((100, 300, 200, 50), "scaled", "tanh", cost="linear", inputs="on:100")
    theory = NetworkTheory(ensemble)
    for layer in (1, 2, 3):
        q = 1.0 if layer == 1 else theory.layers[layer - 2].gaussian.mean(2)
        square = theory.predict(layer, "delta.meansquare").value
        assert theory.predict(layer, "grad.meansquare").value == pytest.approx(q * square)
        mean = theory.predict(layer, "delta.lognorm.mean")
        assert mean.value < math.log(square) < mean.value + mean.tolerance < mean.value + 0.1
        widths = ensemble.widths
        jacobian = widths[layer] * square * widths[layer - 1] / widths[layer - 1] / widths[3]  # weights have variance 1/fan-in
        assert theory.predict(layer, "jacobian.norm").value == pytest.approx(jacobian)


@pytest.mark.parametrize(("n", "above"), [(80, 60), (60, 60), (60, 90)])
def test_orthogonal_weights_send_back_lengths(n, above):
    """W^T delta has the length of delta times that of a row or column, whole where W has no more rows than columns; where it has
    more, what is kept of the rest is the share n / n' of the dimensions. Independent weights add the part along z to that."""
    shared = {"cost": "quadratic", "targets": (0.0,) * above}
    haar = NetworkTheory(Ensemble((100, n, above), ["scaled", "orthogonal:2/fan_max"], "tanh", **shared))
    plain = NetworkTheory(Ensemble((100, n, above), ["scaled", f"normal:{math.sqrt(2 / max(n, above))}"], "tanh", **shared))
    whole = 2.0 / max(n, above) * n * above * haar.predict(2, "delta.meansquare").value
    found, larger = (theory.predict(2, "jacobian.norm").value for theory in (haar, plain))
    along = larger - whole
    assert along > 0.1 * whole
    assert found == pytest.approx(whole + along * (1.0 - min(1.0, n / above)), rel=1e-9)


def test_deep_networks_leave_float64_only_where_they_must():
    """1000 layers that shrink gradients 24-fold each: the logarithm is predicted, the mean square is refused."""
    theory = NetworkTheory(Ensemble((10**6,) * 1001, "scaled", "sigmoid", cost="linear"))
    last, first = (theory.predict(layer, "delta.lognorm.mean").value for layer in (1000, 1))
    assert first - last == pytest.approx(999 * math.log(0.0419597), rel=1e-3)
    with pytest.raises(SpecificationError, match="range of float64"):
        theory.predict(1, "delta.meansquare")


def test_relu_has_no_median_where_half_are_still():
    theory = NetworkTheory(Ensemble((300, 300, 300), "he_normal", "relu", cost="linear"))
    assert "delta.median" not in theory.names(1)
    with pytest.raises(SpecificationError, match="jump"):
        theory.predict(1, "delta.median")
    assert theory.predict(1, "delta.quantile[0.75]").value == pytest.approx(special.ndtri(0.75), rel=1e-3)


def test_small_changes():
    theory = NetworkTheory(Ensemble((100, 50, 10), "scaled", "sigmoid", cost="quadratic"))
    slope, delta = theory.predict(1, "slope.meansquare"), theory.predict(1, "delta.meansquare")
    assert theory.predict(1, "change.activation.meansquare[0.1]").value == pytest.approx(0.1 * math.sqrt(slope.value))
    assert theory.predict(1, "change.cost.meansquare[0.1]").value == pytest.approx(0.1 * math.sqrt(delta.value))
    assert theory.predict(1, "change.activation.median[0.1]").value == pytest.approx(
        0.1 * value(theory.ensemble, 1, "slope.median")
    )
    assert theory.predict(1, "change.activation.median[0.1]").label == "exact"
    half = Inputs.fixed([3.0, 0.0, 4.0, 0.0])
    found = value(Ensemble((4, 50), "scaled", "sigmoid", half, cost="linear"), 1, "change.activation.median[0.1]")
    plain = value(Ensemble((4, 50), "scaled", "sigmoid", half, cost="linear"), 1, "slope.median")
    assert found == pytest.approx(0.1 * math.sqrt(12.5) * plain)


# --- Tolerances, refusals, assumptions


def test_tolerances_of_limits_shrink_with_the_width():
    names = ("phi.mean", "z.tail[1]", "z.quantile[0.9]", "delta.meansquare", "delta.median", "delta.kurtosis", "grad.lognorm.mean")
    for name in names:
        found = [
            NetworkTheory(Ensemble((n,) * 5, "scaled", "sigmoid", cost="linear")).predict(2, name).tolerance
            for n in (100, 400, 10**6)
        ]
        exact = NetworkTheory(Ensemble((100, 100), "scaled", "sigmoid", cost="linear")).predict(1, name)
        assert found[0] > found[1] > found[2], name
        assert exact.label == "exact" or name in ("grad.lognorm.mean", "delta.kurtosis")


def test_narrow_layers_have_no_limit():
    theory = NetworkTheory(Ensemble((4,) * 8, "scaled", "tanh", cost="linear"))
    with pytest.raises(SpecificationError, match=r"known to 1\.4 only, and is not judged"):
        theory.predict(3, "delta.median")
    assert not [name for name in theory.names(1) if name.startswith("grad.median")]


@pytest.mark.parametrize("activation", ["tanh", "hard_tanh", "elu", "selu", "erf"])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_leading_order_below_zero_is_refused(activation, width):
    """The shift of the variance of z outgrows the variance in deep networks of a few neurons."""
    ensemble = Ensemble((width,) * 31, "lecun_normal", activation, f"on:{width}", cost="linear")
    theory = NetworkTheory(ensemble)
    assert {layer for layer in range(1, 31) if "z.mean" in theory.names(layer)} == set(range(1, 31))
    assert "z.variance" in theory.names(2)
    with pytest.raises(SpecificationError, match="needs wider or fewer layers"):
        theory.predict(25, "z.variance")


WIDEST = {"below": 0.02, "tail": 0.02, "saturated": 0.02, "correlation": 0.1}


@pytest.mark.parametrize("activation", ["sigmoid", "selu", "silu", "softplus", "hard_tanh"])
@pytest.mark.parametrize("width", [8, 40, 300])
def test_no_limit_that_says_little_is_judged(activation, width):
    """Relative tolerances of scales, absolute ones of shares and of means of logarithms."""
    ensemble = Ensemble((width,) * 9, "normal:1.5/fan_in+normal:0.2", activation, "pair:1:0.5", cost="linear")
    theory, seen = NetworkTheory(ensemble), 0
    for layer in range(2, 9):
        for name in theory.names(layer):
            found, last = theory.predict(layer, name), name.partition("[")[0].rpartition(".")[2]
            if found.label == "exact" or last in ("quantile", "median") or name == "phi.mean":
                continue
            back = name.startswith(("delta", "grad", "jacobian"))
            if ".lognorm." in name:
                most = 0.25 if back else 0.1
            elif last in WIDEST:
                most = WIDEST[last] if name != "delta.correlation" else 0.25
            else:
                most = (0.25 if back else 0.1) * abs(found.value)
            assert found.tolerance <= most * (1.0 + 1e-9), (layer, name, found)
            seen += 1
    assert seen > 50 or width < 300


def test_a_network_may_be_dead():
    """ReLU without biases: the chance that a layer of four is dead, 1/16, is more than limits that say anything may neglect."""
    theory = NetworkTheory(Ensemble((4, 4, 4, 4), "he_normal", "relu", "on:4", cost="linear"))
    assert theory.layers[2].loss == pytest.approx(1.0 - (15.0 / 16.0) ** 3)
    assert not [name for name in theory.names(3) if name.startswith(("delta.below", "delta.lognorm"))]
    assert theory.predict(3, "delta.meansquare").tolerance > 0.5 * theory.layers[2].loss
    sparse = NetworkTheory(Ensemble((5, 3, 3), "normal:1,sparse=0.9", "relu", "gaussian", cost="linear"))
    assert sparse.layers[1].loss == pytest.approx(2.0 / 8.0)
    assert not [name for name in sparse.names(2) if name.startswith(("delta.", "phi.", "z.tail"))]
    alive = NetworkTheory(Ensemble((6, 300, 300), "he_uniform", "relu", "gaussian", cost="linear"))
    assert alive.layers[1].loss < 1e-80


@pytest.mark.parametrize("scale", [1e-6, 1e-10, 1e-12, 1e-15, 1e-25])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu:0.005"])
def test_kinks_are_exact_at_every_scale(activation, scale):
    found = value(Ensemble((5, 3, 3), f"normal:{scale}", activation, inputs="on:5"), 1, "slope.below[0.01]")
    assert found == pytest.approx(0.5, abs=1e-12)
    assert flat_share(activation, scale**2).value == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(
    ("ensemble", "layer", "name", "words"),
    [
        (Ensemble((50, 20, 20), "constant:0.1+normal:1", "tanh"), 2, "z.variance", "mean other than 0"),
        (Ensemble((50, 20, 20), "student:1/fan_in,df=5", "tanh"), 2, "z.variance", "fourth moment|tails too heavy"),
        (Ensemble((50, 20, 20), activation=["relu", "identity"], cost="softmax"), 2, "delta.meansquare", "softmax"),
        (Ensemble((50, 20, 20), activation="relu", cost="linear"), 1, "phi.saturated", "not bounded"),
        (Ensemble((50, 20, 20), activation="tanh"), 1, "q.lognorm.variance", "relu and identity"),
        (Ensemble((50, 20, 20), "scaled", "sigmoid", "pair:1:0.5", cost="quadratic"), 1, "delta.correlation", "cost linear"),
        (Ensemble((1000,) * 60, "standard", "relu"), 50, "z.variance", "out of range"),
        (Ensemble((50, 20, 20), activation="tanh"), 1, "z.skewnes", "nearest is z.skewness"),
    ],
)
def test_refused(ensemble, layer, name, words):
    theory = NetworkTheory(ensemble)
    with pytest.raises(SpecificationError, match=words):
        theory.predict(layer, name)
    assert name not in theory.names(layer)


@pytest.mark.parametrize(
    "ensemble",
    [
        Ensemble((1,) * 4, "standard", "relu", inputs="on:1", cost="linear"),
        Ensemble((3,) * 301, "standard", "tanh", inputs="on:1", cost="linear"),
        Ensemble((100,) * 4, "normal:1e20", "tanh", cost="linear"),
        Ensemble((100,) * 4, "normal:1e-25", "tanh", cost="linear"),
        Ensemble((20,) * 4, "normal:0+normal:1", "gelu", cost="quadratic"),
        Ensemble((20,) * 4, "standard", "softplus", inputs="pair:0:0.5", cost="linear"),
        Ensemble((30, 20, 1), "orthogonal:1/fan_max", ["elu:3", "sigmoid"], cost="cross-entropy", targets="one-hot"),
        Ensemble((20,) * 4, "torch.linear", "leaky_relu:-0.5", inputs="uniform:0:1", points=2, cost="linear"),
        Ensemble((20,) * 3, "he_normal", "relu", inputs=Inputs.rows(np.arange(60.0).reshape(3, 20)), cost="linear"),
    ],
    ids=str,
)
def test_every_name_has_a_number(ensemble):
    """Extremes: what is named is finite, with a positive tolerance that its own error leaves room for."""
    theory = NetworkTheory(ensemble)
    for layer in ensemble.recorded:
        for name in theory.names(layer):
            found = theory.predict(layer, name)
            assert math.isfinite(found.value), (layer, name)
            assert 0.0 <= found.error < found.tolerance < math.inf, (layer, name)
            assert found.label in ("exact", "asymptotic", "limit")
            assert bool(found.next_term) == (found.label != "exact"), (layer, name)
            assert found.source


def test_what_the_conditional_sampler_assumes():
    ensemble = Ensemble((50, 20, 20), "scaled", "tanh", "pair:1:0.5", cost="linear")
    for layer in (1, 2):
        for name in NetworkTheory(ensemble).names(layer):
            back = name.startswith(("delta", "grad", "jacobian"))
            field = name.startswith(("field", "independence"))
            assert assumed("conditional", name, layer, ensemble) == (field or (layer == 1 and not back)), name
            assert not assumed("direct", name, layer, ensemble)
    assert assumed("conditional", "change.activation.median[0.1]", 1, ensemble)
    assert not assumed("conditional", "change.cost.median[0.1]", 1, ensemble)
