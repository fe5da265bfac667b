"""Every law of weights and of inputs, sampled and judged: nothing that theory says is refuted, and another law's theory is."""

import numpy as np
import pytest

import fanin
import fanin.verification
from fanin.stats.verdict import REFUTED
from fanin.verification import judge_all

ROWS = np.random.default_rng(5).normal(size=(12, 6)).astype(np.float32)
COVARIANCE = np.array([[2.0, 1.0, 0.3], [1.0, 1.0, 0.0], [0.3, 0.0, 0.5]])
WEIGHTS = [
    "normal:1/fan_in+normal:1",
    "uniform:1/fan_in+uniform:1",
    "truncated:1/fan_in,cut=1+normal:0.1",
    "truncated:2/fan_avg,raw+laplace:1",
    "laplace:1/fan_in+uniform:0.3",
    "student:1/fan_in,df=9+normal:1",
    "student:1/fan_in,df=3",
    "rademacher:1/fan_in+normal:0.5",
    "normal:1,sparse=0.6+normal:1,sparse=0.2",
    "constant:0.5+normal:1",
    "orthogonal:1/fan_max+normal:0.5",
    "normal:2/fan_in+constant:0.25",
]
INPUTS = [
    "on:4",
    "subset:3",
    "bernoulli:0.4",
    "gaussian:1.5",
    "uniform:-1:2",
    "sparse:0.5:2",
    "ar1:0.8",
    "correlated",
    "rows",
    "turn",
]


def ensemble(scheme, inputs, activation="sigmoid"):
    widths = (3, 2) if inputs == "correlated" else (6, 2)
    laws = {
        "correlated": lambda: fanin.Inputs.correlated(COVARIANCE),
        "rows": lambda: fanin.Inputs.rows(ROWS),
        "turn": lambda: fanin.Inputs.rows(ROWS, in_turn=True),
    }
    return fanin.Ensemble(widths, scheme, activation, laws.get(inputs, lambda: inputs)())


PAIRS = [(scheme, "gaussian:1.5") for scheme in WEIGHTS] + [(scheme, "on:4") for scheme in WEIGHTS]
PAIRS += [(WEIGHTS[k % 5], inputs) for k, inputs in enumerate(INPUTS)] + [("orthogonal", inputs) for inputs in INPUTS]
PAIRS = list(dict.fromkeys(PAIRS))


@pytest.mark.parametrize(("scheme", "inputs"), PAIRS, ids=[" ".join(pair) for pair in PAIRS])
def test_nothing_true_is_refuted(scheme, inputs):
    """At 2**20 networks and alpha 1e-6, the probability of a wrong refutation; at five times the tolerance most is decided."""
    activation = "tanh" if "uniform" in scheme else "sigmoid"
    report = fanin.verify(ensemble(scheme, inputs, activation), networks=2**20, seed=3, alpha=1e-6, tolerance=5)
    words = [verdict.verdict for verdict in report.verdicts]
    assert REFUTED not in words, report
    assert words.count("confirmed") > 0.6 * len(words), report


@pytest.mark.parametrize(
    ("sampled", "claimed", "inputs"),
    [
        ("truncated:1/fan_in,raw", "truncated:1/fan_in", "on:4"),
        ("normal:1/fan_in", "student:1/fan_in,df=5", "on:4"),
        ("uniform:1/fan_in", "laplace:1/fan_in", "on:4"),
        ("rademacher:1/fan_in", "normal:1/fan_in", "gaussian"),
        ("orthogonal:1/fan_max", "normal:1/fan_in", "on:4"),
        ("normal:1,sparse=0.5", "normal:1", "on:4"),
        ("standard", "standard", "bernoulli:0.5"),
    ],
)
def test_the_theory_of_another_law_is_refuted(sampled, claimed, inputs):
    """Equal variances or not, at 2**20 networks; for the last pair the claimed input is exactly half on."""
    other = fanin.Ensemble((6, 2), claimed, inputs=inputs if sampled != claimed else "on:3")
    result = fanin.simulate(fanin.Ensemble((6, 2), sampled, inputs=inputs), networks=2**20, seed=8)
    study = fanin.Study("other", "", {"a": other}, quantities=("z.variance", "z.law", "z.tail[1]"))
    words = [verdict.verdict for verdict in judge_all(study, {"a": result}).verdicts]
    if sampled == claimed:  # the variance is the same; the law is not
        assert words[0] != REFUTED
    assert REFUTED in words


@pytest.mark.parametrize("size", ["4e37", "3e38", "1e20", "1e-30", "1e-44"])
def test_sizes_at_the_ends_of_float32(size):
    """A verdict or a sentence, no exception and no warning: overflow is counted and decides nothing, underflow is refused."""
    ensemble = fanin.Ensemble((4, 1), f"normal:{size}")
    if float(size) < 1e-40:
        with pytest.raises(fanin.SpecificationError, match="float32 keeps its law from"):
            fanin.verify(ensemble, networks=20_000)
        return
    report = fanin.verify(ensemble, networks=20_000, seed=2)
    overflows = report.results[f"normal:{float(size):g}"].layers[1].counts["nonfinite"] > 0
    assert overflows == (float(size) > 1e37)
    words = {verdict.verdict for verdict in report.verdicts}
    assert words == {"undecided"} if overflows else REFUTED not in words


def test_a_lattice_with_a_narrow_bias():
    """The characteristic function of 500 signs vanishes and comes back: the predicted law must not end before."""
    z = np.random.default_rng(1).binomial(500, 0.5, 400_000) * 6.0 - 1500.0 + 0.1 * np.random.default_rng(2).normal(size=400_000)
    for scheme in ("rademacher:3+normal:0.1", "rademacher:3+normal:1"):
        ensemble = fanin.Ensemble((1000, 1), scheme)
        theory = fanin.verification.theory_of(ensemble, 1, 1)
        if scheme.endswith(":0.1"):
            assert abs(theory.law.beyond(5.0) - (abs(z) > 5).mean()) < 2 * theory.law.error + 0.002
            assert theory.law.error > 0.01  # so fine a lattice is owned up to
        report = fanin.verify(ensemble, networks=200_000, seed=5)
        assert REFUTED not in [verdict.verdict for verdict in report.verdicts]


SPARSE = [
    ((1, 1), "normal:1,sparse=0.9999999", "on:1"),
    ((1, 1), "normal:1", "sparse:0.9999"),
    ((1, 1), "normal:1,sparse=0.99999", "on:1"),
    ((1, 2), "laplace:1", "sparse:0.99"),
    ((1, 2), "normal:1", "sparse:0.9"),
]


@pytest.mark.parametrize(("widths", "scheme", "inputs"), SPARSE, ids=[f"{s} {i}" for _, s, i in SPARSE])
def test_few_networks_that_are_not_zero_decide_nothing_wrongly(widths, scheme, inputs):
    """Moments that rest on a few networks are left undecided: no refutation in twelve seeds."""
    for seed in range(12):
        report = fanin.verify(fanin.Ensemble(widths, scheme, inputs=inputs), networks=2**20, seed=seed, alpha=1e-4)
        words = {verdict.claim.quantity: verdict.verdict for verdict in report.verdicts}
        assert REFUTED not in words.values(), (seed, words)


def test_rows_in_turn_that_are_not_symmetric():
    """Each lane sees the same row again and again: its sign is no sign of dependence."""
    inputs = fanin.Inputs.rows([[-1.0], [1.0]], in_turn=True)
    report = fanin.verify(fanin.Ensemble((1, 1), "constant:1+normal:1", inputs=inputs), networks=2**20, seed=1)
    words = {verdict.claim.quantity: verdict.verdict for verdict in report.verdicts}
    assert "independence.lane.sign" not in words
    assert REFUTED not in words.values()


def test_a_quantile_on_an_atom_is_decided():
    report = fanin.verify(fanin.Ensemble((1, 1), "normal:1,sparse=0.99", inputs="on:1"), networks=2**20, seed=1)
    words = {verdict.claim.quantity: verdict.verdict for verdict in report.verdicts}
    assert words["z.quantile[0.95]"] == "confirmed"


def test_narrow_uniform_inputs_far_from_zero():
    found = fanin.verify(fanin.Ensemble((1, 1), "normal:1", inputs="uniform:1e6:1000001"), networks=2**18, seed=1)
    predicted = {verdict.claim.quantity: verdict.claim.predicted for verdict in found.verdicts}
    assert predicted["z.variance.given.weights"] == pytest.approx(1 / 12)


def test_parts_of_the_variance_follow_the_law_of_total_variance():
    """Two-way: over inputs given weights, and over weights given the input; with constant weights all is over inputs."""
    report = fanin.verify(ensemble("standard", "uniform:-1:2"), networks=2**20, seed=4, tolerance=5)
    found = report.results["standard"].estimates()
    spread = 6 * 0.75  # six inputs of variance 9/12, weights of variance 1
    assert found["z.variance.given.weights"] == pytest.approx(spread, rel=0.02)
    assert found["z.variance.given.input"] == pytest.approx(6 * (0.75 + 0.25) + 1, rel=0.02)
    constant = fanin.simulate(fanin.Ensemble((6, 1), "constant:0.5", inputs="gaussian"), networks=2**18, seed=4).estimates()
    assert constant["z.variance.given.input"] == 0.0
    assert constant["z.variance.given.weights"] == pytest.approx(1.5, rel=0.02)
