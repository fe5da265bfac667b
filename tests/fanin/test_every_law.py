"""Every law of weights and of inputs, sampled and judged: nothing that theory says is refuted, and another law's theory is."""

import numpy as np
import pytest

import fanin
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
    """A verdict or a sentence, no exception and no warning: overflow is counted, underflow leaves nothing to judge."""
    report = fanin.verify(fanin.Ensemble((4, 1), f"normal:{size}"), networks=20_000, seed=2)
    layer = report.results[f"normal:{float(size):g}"].layers[1]
    assert (layer.counts["nonfinite"] > 0) == (float(size) > 1e37)
    assert report.exit_code in (1, 3)


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
