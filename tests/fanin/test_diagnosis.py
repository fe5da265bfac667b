"""Diagnoses: networks with a planted mistake, or claims of a wrong value, and the mistake that must be found.

Each sample has one mistake of the list and is judged as if it had none. The mistake is struck out with probability at most `ALPHA`
(the level of the report), and any other near miss that can be told apart is 14 standard errors away or more, where one is struck
out at 7: so each case would fail with probability 1e-8 if its seed were drawn anew, and all of them together with less than
1e-6. The smallest discrepancy that must be told apart is 2 % of a variance and 0.06 of a kurtosis.
"""

import dataclasses
import io
import json
from fractions import Fraction

import pytest
from rich.console import Console

from fanin import Claim, Ensemble, Inputs, Scheme, Study, simulate
from fanin import trials as trials_module
from fanin.diagnosis import CLAIM, DEPENDENCE, DIFFERENCE, SAMPLE, diagnose
from fanin.diagnosis_table import diagnosis_lines, print_diagnoses
from fanin.engine.recipes import parse_scheme
from fanin.engine.schemes import Law
from fanin.near_misses import law_key, near_misses
from fanin.verification import judge_all

ALPHA = 1e-9
NETWORKS = 1 << 20
COUNT = 3


def neuron(scheme, inputs=f"on:{COUNT}", widths=(6, 9), activation="sigmoid"):
    return Ensemble(widths, scheme, activation, inputs)


def wide(scheme):
    """A neuron of more inputs, where the law of z costs little for laws of weights that are not normal."""
    return neuron(scheme, "on:8", (12, 18))


def report_of(right, wrong, claims=(), quantities=None, networks=NETWORKS, method="direct", seed=501):
    study = Study("planted", "", {"own": right}, tuple(claims), quantities=quantities)
    result = simulate(wrong, networks=networks, seed=seed, method=method)
    return judge_all(study, {"own": result}, ALPHA)


def sampled(scheme, gain):
    """A scheme with another variance of its weights."""
    law = parse_scheme(scheme)
    return Scheme(dataclasses.replace(law.weights, gain=gain, over=None), law.bias)


MISTAKES = {
    "no bias": (neuron("standard"), neuron("normal:1")),
    "bias N(0, 1)": (neuron("normal:1"), neuron("standard")),
    "bias like the weights": (neuron("normal:0.7"), neuron("normal:0.7+normal:0.7")),
    "bias, std doubled": (neuron("standard"), neuron("normal:1+normal:2")),
    "two biases": (neuron("standard"), neuron("normal:1+normal:1.4142135623730951")),
    "bias, variance as std": (neuron("normal:0.2+normal:0.6"), neuron("normal:0.2+normal:0.36")),
    "bias constant": (neuron("standard"), neuron("normal:1+constant:1")),
    "truncated, not rescaled": (wide("lecun_normal"), wide("haiku.linear")),
    "not cut": (neuron("jax.lecun_normal", "on:6", (12, 18)), neuron("lecun_normal", "on:6", (12, 18))),
    "rescaled after the cut": (wide("haiku.linear"), wide("jax.lecun_normal")),
    "rescaled, not cut": (wide("lecun_normal"), wide(sampled("lecun_normal", 1 / 12 / 0.7737413035499232))),
    "PyTorch's weights": (wide("he_normal"), wide(Scheme(Law("uniform", 1 / 3, "fan_in")))),
    "PyTorch's layer": (wide("lecun_normal"), wide("torch.linear")),
    "uniform up to the std": (wide("normal:0.9+normal:1"), wide(Scheme(Law("uniform", 0.27), Law("normal", 1.0)))),
    "uniform": (neuron("standard"), neuron("uniform:1+normal:1")),
    "limit as std": (wide("uniform:0.3"), wide("normal:0.5196152422706632")),
    "LeCun": (wide("glorot_uniform"), wide("lecun_uniform")),
    "fan_out": (neuron("lecun_normal"), neuron("normal:1/fan_out")),
    "fan less 1": (neuron("lecun_normal"), neuron(sampled("lecun_normal", 1 / 5))),
    "fan plus 1": (neuron("lecun_normal"), neuron(sampled("lecun_normal", 1 / 7))),
    "fan-out times 3": (wide("glorot_uniform"), wide(sampled("glorot_uniform", 2 / (12 + 54)))),
    "no gain": (neuron("he_normal"), neuron("lecun_normal")),
    "gain twice": (neuron("he_normal"), neuron("normal:4/fan_in")),
    "1/fan for 1/sqrt(fan)": (neuron("lecun_normal"), neuron(sampled("lecun_normal", 1 / 36))),
    "not scaled": (neuron("scaled"), neuron("standard")),
    "variance as std": (neuron("normal:0.6"), neuron("normal:0.36")),
    "std as variance": (neuron("normal:0.36"), neuron("normal:0.6")),
    "std as scale": (wide("laplace:1"), wide("laplace:1.4142135623730951")),
    "half of the weights zero": (neuron("standard"), neuron("normal:1,sparse=0.5,raw+normal:1")),
    "all inputs on": (neuron("lecun_normal"), neuron("lecun_normal", "on:6")),
    "one input more": (neuron("normal:1"), neuron("normal:1", "on:4")),
    "coin flips": (neuron("standard"), neuron("standard", "bernoulli:0.5")),
    "exactly as many on": (
        neuron("standard", "bernoulli:0.2", (10, 9)),
        neuron("standard", "subset:2", (10, 9)),
    ),
    "0 to 255": (neuron("standard"), neuron("standard", Inputs.fixed([255.0] * COUNT + [0.0] * COUNT))),
    "tanh for sigmoid": (neuron("standard"), neuron("standard", activation="tanh")),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found_and_no_other(name):
    right, wrong = MISTAKES[name]
    found = diagnose(report_of(right, wrong))
    assert [one.kind for one in found] == [SAMPLE]
    best = found[0].fitting[0]
    assert name in best.names
    assert best.likelihood == 1.0
    assert len(found[0].fitting) == 1, "what can be told apart by 14 standard errors does not fit"
    assert all(one.away > 7.0 for one in found[0].nearest)
    same = {miss.name for miss in near_misses(right) if miss.key == law_key(wrong)}
    assert same <= set(best.names)


@pytest.mark.parametrize(
    ("right", "quantity", "claimed", "tolerance", "name"),
    [
        (neuron("standard"), "z.variance", 3.0, 0.015, "no bias"),
        (neuron("scaled"), "z.variance", 0.5, 0.005, "no bias"),
        (neuron("scaled"), "z.variance", 1.0, 0.005, "no bias; all inputs on"),
        (neuron("lecun_normal"), "z.variance", 0.3869, 0.002, "truncated, not rescaled"),
        (wide("glorot_uniform"), "z.variance", 8 / 12, 0.002, "LeCun"),
        (neuron("standard", "bernoulli:0.5"), "z.kurtosis", 3.0, 0.05, "exactly as many on"),
        (neuron("standard"), "z.variance", 2.0, 0.01, "std"),
        (neuron("standard"), "z.kurtosis", 0.0, 0.05, "excess"),
        (neuron("standard"), "z.tail[1]", 0.3085375, 0.001, "one side"),
        (neuron("standard"), "z.tail[5]", 1.2419, 0.01, "percent"),
        (Ensemble((24, 1), inputs="on:12"), "z.quantile[0.95]", 7.06675, 0.005, "rank 0.975"),
    ],
)
def test_a_wrong_claim_is_told_from_a_wrong_sample(right, quantity, claimed, tolerance, name):
    claim = Claim("c", "own", 1, quantity, claimed, tolerance, "")
    found = diagnose(report_of(right, right, [claim]))
    assert [one.kind for one in found] == [CLAIM]
    assert name in found[0].fitting[0].names
    assert abs(found[0].fitting[0].predicted - claimed) <= tolerance
    assert all(abs(one.predicted - claimed) > tolerance for one in found[0].nearest)


def test_a_near_miss_that_explains_more_claims_comes_first():
    right = neuron("scaled", "on:4", (8, 1))
    variance = Claim("variance", "own", 1, "z.variance", 0.5, 0.003, "")
    tail = Claim("tail", "own", 1, "z.tail[1]", 0.157299, 0.001, "")
    found = diagnose(report_of(right, right, [variance, tail]))
    assert [(one.quantity, one.fitting[0].explains) for one in found] == [("z.variance", 2), ("z.tail[1]", 2)]
    assert all("no bias" in one.fitting[0].names for one in found)


def test_what_fits_nothing_says_so():
    right, wrong = neuron("lecun_normal"), neuron(sampled("lecun_normal", 0.075))
    (found,) = diagnose(report_of(right, wrong))
    assert (found.kind, found.fitting, len(found.nearest)) == (SAMPLE, (), 3)
    assert "None of" in diagnosis_lines(found)[1]
    assert "0.45" in diagnosis_lines(found)[1]
    assert min(one.away for one in found.nearest) > 7.0


def test_nothing_is_diagnosed_where_nothing_unexpected_is_refuted():
    right = neuron("standard")
    false = Claim("c", "own", 1, "z.variance", 3.0, 0.015, "", expected="refuted")
    assert diagnose(report_of(right, right, [false])) == []


def test_dependence_is_no_mistake_of_a_specification():
    report = report_of(neuron("standard"), neuron("standard"))
    result = report.results["own"]
    kept = result.layers[1]
    shared = dataclasses.replace(kept, sums=kept.sums | {"neighbours^1": kept.sums["z^2"] // 4})
    found = diagnose(judge_all(report.study, {"own": dataclasses.replace(result, layers={1: shared})}, ALPHA))
    assert [(one.kind, one.claims) for one in found] == [(DEPENDENCE, ("own/1/independence.neighbours",))]


def report_of_two(wrong, *factors):
    """Two specifications whose variance is the same, and a claim that says so. wrong : what the second sampled; factors : what the
    sampled variances become of the predicted one, with all z in proportion."""
    ones = Inputs.fixed([0.0] * COUNT + [1.0] * COUNT)
    study = Study(
        "planted",
        "",
        {"one": neuron("standard"), "other": neuron("standard", ones)},
        (Claim("equal", "one", 1, "z.variance", 0.0, 1e-4, "", against="other"),),
        quantities=("z.mean", "z.variance"),
    )
    results = {"one": simulate(neuron("standard"), networks=NETWORKS), "other": simulate(neuron(wrong, ones), networks=NETWORKS)}
    for (label, result), factor in zip(results.items(), factors, strict=False):
        scale = (factor * (COUNT + 1) * NETWORKS / result.layers[1].sum("z^2")) ** 0.5
        sums = result.layers[1].sums
        moved = {f"z^{k}": int(sums[f"z^{k}"] * Fraction(scale) ** k) for k in range(1, 9)}
        layer = dataclasses.replace(result.layers[1], sums=sums | moved)
        results[label] = dataclasses.replace(result, layers={1: layer})
    return judge_all(study, results, ALPHA)


def test_two_samples_that_differ_though_each_agrees_with_its_theory():
    """Variances 5.4 standard errors below and above what both should be: a claim of one is refuted at 6.3, of the ratio at 6.3
    of its own, which are 1.4 times as large."""
    (found,) = diagnose(report_of_two("standard", 0.9925, 1.0075))
    assert (found.kind, found.ensemble, found.against, found.claims) == (DIFFERENCE, "one", "other", ("equal",))
    assert (found.claimed, found.specified, found.fitting, found.nearest, found.tested) == (0.0, None, (), (), 0)
    assert found.estimate == pytest.approx(0.9925 / 1.0075 - 1.0, rel=1e-3)
    assert found.low < found.estimate < found.high < -1e-4
    (line,) = diagnosis_lines(found)
    assert line.startswith("z.variance differs between two ensembles (equal)")
    assert diagnose(report_of_two("standard", 0.9975, 1.0025)) == []


def test_of_two_samples_that_differ_the_one_that_contradicts_its_theory_is_wrong():
    (found,) = diagnose(report_of_two("normal:1"))
    assert (found.kind, found.ensemble) == (SAMPLE, "other")
    assert "no bias" in found.fitting[0].names
    assert set(found.claims) == {"equal", "other/1/z.variance"}


def test_large_data_are_tested_in_advance(monkeypatch):
    rows = Inputs.rows([[1.0, 0.5, 2.0, 0.5] * 3, [0.5, 1.0, 1.0, 0.5] * 3])
    right, wrong = Ensemble((12, 1), "lecun_normal", inputs=rows), Ensemble((12, 1), "haiku.linear", inputs=rows)
    report = report_of(right, wrong)
    whole = diagnose(report)[0]
    monkeypatch.setattr(trials_module, "_LARGE", 1)
    quick = diagnose(report)[0]
    assert quick.fitting[0].names == whole.fitting[0].names == ("truncated, not rescaled",)
    assert quick.fitting[0].predicted == pytest.approx(whole.fitting[0].predicted, rel=1e-12)


NETWORK = (30, 40, 20, 4)


@pytest.mark.parametrize(
    ("right", "wrong", "name"),
    [
        (
            Ensemble(NETWORK, "he_normal", "relu"),
            Ensemble(NETWORK, ("he_normal", "he_normal", "normal:2/fan_out"), "relu"),
            "fan_out, layer 3",
        ),
        (Ensemble(NETWORK, "he_normal", "relu"), Ensemble(NETWORK, "he_normal", "leaky_relu:0.2"), "leaky_relu:0.2 for relu"),
        (
            Ensemble((30, 200, 10), "scaled", "sigmoid", cost="quadratic"),
            Ensemble((30, 200, 10), "scaled", "sigmoid", cost="cross-entropy"),
            "cost cross-entropy",
        ),
    ],
)
def test_a_mistake_in_a_network_is_found(right, wrong, name):
    """A variance of one layer five times too large; a slope of 0.2; a factor phi' on the error of the output."""
    found = diagnose(report_of(right, wrong, networks=20_000, method="conditional"))
    assert [one.kind for one in found] == [SAMPLE]
    assert name in found[0].fitting[0].names


@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_text_and_plain_values(width):
    wrong = report_of(*MISTAKES["no bias"], [Claim("c", "own", 1, "z.variance", 3.0, 0.01, "")])
    claimed = report_of(neuron("standard"), neuron("standard"), [Claim("c", "own", 1, "z.variance", 3.0, 0.01, "")])
    for report, words in ((wrong, "sampled"), (claimed, "claimed")):
        found = diagnose(report)
        text = io.StringIO()
        print_diagnoses(found, Console(file=text, width=width, color_system=None))
        shown = " ".join(text.getvalue().split())
        assert "bias is missing" in shown
        assert words in shown
        assert all(len(line) <= width for line in text.getvalue().splitlines())
        json.dumps([one.to_dict() for one in found], allow_nan=False)


def test_every_near_miss_is_another_law_with_a_sentence():
    for ensemble in (
        neuron("standard"),
        neuron("torch.linear", "bernoulli:0.3"),
        neuron("student:1,df=9", "uniform:0:1"),
        neuron("truncated:1/fan_avg,sparse=0.2", "sparse:0.3:2"),
        neuron("orthogonal", "ar1:0.5:2"),
        Ensemble((4, 3, 2), ("he_normal", "constant:0.5"), ("selu", "softplus"), "pair:1:0.5", cost="quadratic"),
    ):
        found = near_misses(ensemble)
        assert len(found) > 30
        assert len({miss.sentence for miss in found}) == len(found)
        assert all(miss.key == law_key(miss.ensemble) != law_key(ensemble) for miss in found)
