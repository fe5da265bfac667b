"""The table of a network, from sampled results and verdicts made by hand: rows, columns, claims, the line in plain words.

Networks are sampled with fixed seeds; words are checked on numbers that are many standard errors from where the words would change.
"""

import dataclasses
import io
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fanin import Ensemble, simulate
from fanin.html import report_html
from fanin.layer_profile import profile_of
from fanin.meaning import meaning
from fanin.network_story import fold, network_story, percent, trend
from fanin.network_table import described, shown_layers, tally
from fanin.report import Report
from fanin.stats.intervals import Interval
from fanin.stats.network_quantities import measure_network
from fanin.stats.verdict import ASSUMED, CONFIRMED, REFUTED, UNDECIDED, Claim, Verdict
from fanin.studies import Study
from fanin.table import plain_text, print_report
from fanin.verification import verify
from tests.stats.given import Given

ENSEMBLES = {
    "standard": Ensemble((1000,) * 6 + (10,), "standard", cost="quadratic"),
    "scaled": Ensemble((1000,) * 6 + (10,), "scaled", cost="quadratic"),
    "cross-entropy": Ensemble((1000,) * 6 + (10,), "standard", cost="cross-entropy"),
    "deep": Ensemble((20,) * 101, "normal:1.2/fan_in", "tanh", "gaussian", cost="linear"),
    "vanished": Ensemble((20,) * 601, "scaled", cost="quadratic"),
    "narrow": Ensemble((4,) * 21, "he_normal", "relu", "gaussian", cost="linear"),
    "pair": Ensemble((100,) * 9, "normal:1.5/fan_in+normal:0.1", "tanh", "pair:1:0.5"),
    "forward": Ensemble((50,) * 12, "he_normal", "relu", "gaussian"),
    "infinite": Ensemble((10,) * 7, "normal:1e10", "relu", "gaussian", cost="linear"),
    "mixed": Ensemble((20, 10, 5), ["he_normal", "lecun_normal"], ["relu", "sigmoid"], "gaussian", cost="cross-entropy"),
}
NETWORKS = {"narrow": 4096, "vanished": 64, "cross-entropy": 1024}


@pytest.fixture(scope="module")
def results():
    return {
        label: simulate(ensemble, networks=NETWORKS.get(label, 256), seed=7, method="conditional", threads=1)
        for label, ensemble in ENSEMBLES.items()
    }


def verdict(label, layer, quantity="z.variance", word=CONFIRMED, expected=CONFIRMED, needed=None, own=""):
    claim = Claim(f"{label}/{layer}/{quantity}{own}", label, layer, quantity, 1.0, 0.1, "by hand", expected=expected)
    claim = dataclasses.replace(claim, assumed=word == ASSUMED)
    found = Interval(1.0, 0.99, 1.01, "bounded")
    one = Verdict(claim, found, word, Given(found), 10**6, 0.01)
    one.__dict__["networks_needed"] = needed
    return one


def report(results, *labels, verdicts=()):
    chosen = {label: results[label] for label in labels}
    study = Study("trial", "", {label: result.ensemble for label, result in chosen.items()})
    found = Report(study, chosen, list(verdicts), alpha=0.01)
    found.__dict__["diagnoses"] = []  # which take seconds, and stand below the tables
    return found


def printed(one, width=80, encoding="utf-8", **options):
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding)
    print_report(one, Console(file=file, width=width, color_system=None, highlight=False), **options)
    file.flush()
    return buffer.getvalue().decode(encoding)


def rows(text):
    """The rows of layers, split into cells."""
    return [line.replace(" %", "%").split() for line in text.splitlines() if re.match(r" +(\d+|all) ", line)]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("label", ENSEMBLES)
def test_every_table_fits(results, label, width, encoding):
    layers = list(results[label].layers)
    words = (CONFIRMED, UNDECIDED, ASSUMED)
    verdicts = [verdict(label, layer, f"z.tail[{k}]", words[k % 3]) for layer in layers for k in range(90)]
    text = printed(report(results, label, verdicts=verdicts), width, encoding)
    assert max(map(len, text.splitlines())) <= width
    found = rows(text)
    assert len([row for row in found if row[0] != "all"]) == min(len(layers), 12)
    assert len({len(row) for row in found if row[0] != "all"}) == 1 or label == "mixed"
    cell = "30 ok 30 ?" if width == 60 else "30 ok 30 ? 30 assumed"
    assert all(" ".join(row).endswith(cell) for row in found if row[0] != "all")
    assert ("all" in [row[0] for row in found]) == (len(layers) > 12)


def test_columns_are_those_recorded(results):
    def head(label):
        return next(line for line in printed(report(results, label)).splitlines() if line.startswith("layer "))

    assert head("standard").split("  ")[1:] == [*head("scaled").split("  ")][1:]
    assert [word in head("standard") for word in ("saturated", "median |delta|", "rms delta", "dead", "corr")] == [True] * 3 + [
        False
    ] * 2
    assert [word in head("narrow") for word in ("dead", "typical delta", "saturated", "median")] == [True, True, False, False]
    assert [word in head("pair") for word in ("median phi'", "corr", "delta")] == [True, True, False]
    assert [word in head("forward") for word in ("typical q", "kurtosis z", "delta")] == [True, True, False]
    assert [word in head("mixed") for word in ("saturated", "dead")] == [True, True]


def test_cells_are_the_estimates(results):
    text = printed(report(results, "scaled", verdicts=[verdict("scaled", 3)]))
    row = next(row for row in rows(text) if row[0] == "3")
    kept, ensemble = results["scaled"].layers[3], results["scaled"].ensemble
    names = ("z.variance", "delta.median", "delta.meansquare")
    variance, median, square = (measure_network(name, kept, ensemble, 3, 0.01).estimate for name in names)
    assert [float(row[1]), float(row[3]), float(row[4])] == pytest.approx([variance, median, math.sqrt(square)], rel=0.01)
    assert row[-2:] == ["1", "ok"]


@given(st.integers(1, 300))
def test_shown_layers(depth):
    recorded = range(1, depth + 1)
    shown = shown_layers(recorded)
    assert shown == sorted(set(shown))
    assert len(shown) == min(depth, 12)
    assert {1, min(2, depth), min(3, depth), max(1, depth - 2), max(1, depth - 1), depth} <= set(shown)
    steps = np.diff(shown)
    assert steps[2:-2].max(initial=1) - steps[2:-2].min(initial=steps[2:-2].max(initial=1)) <= 1
    assert shown_layers(recorded, every=True) == list(recorded)


def test_both_stories_are_told(results):
    text = " ".join(meaning(report(results, "standard", "scaled")).split())
    standard, scaled = text.split("; scaled: ")
    shares = re.search(r"(\d+) % to (\d+) % of the neurons are saturated in every layer", standard)
    assert shares
    assert (int(shares[1]), int(shares[2])) == (83, 84)  # exactly 0.8373 in layer 1 and 0.834 beyond
    typical = re.search(r"the typical neuron's gradient is almost nothing \(the median of \|delta\| is (\S+) of", standard)
    assert typical
    assert float(typical[1]) < 1e-4
    growth = re.search(r", yet the mean-square gradient grows ([\d.]+)-fold per layer towards the input", standard)
    assert growth
    assert 2.7 < float(growth[1]) < 3.4  # chi = 3.02
    assert scaled.startswith("almost nothing saturates (at most 0.0")
    fall = re.search(r", yet the mean-square gradient falls (\d+)-fold per layer towards the input", scaled)
    assert fall
    assert 23 <= int(fall[1]) <= 25  # 1/chi = 23.8
    assert "almost nothing (" not in scaled


def test_costs_differ_in_what_the_output_sends_back(results):
    text = meaning(report(results, "standard", "cross-entropy"))
    quadratic, entropy = (float(number) for number in re.findall(r"the output's typical \|delta\| is (\S+?),", text))
    assert quadratic < 1e-6
    assert entropy > 0.1
    assert "output's typical" not in meaning(report(results, "standard", "scaled"))


def test_dead_networks_are_said(results):
    story = network_story(profile_of(results["narrow"]))
    dead = re.match(r"(\d+) % of the networks are dead \(layer 19 is all zeros\)", story)
    assert dead
    assert 65 < float(dead[1]) < 75  # 1 - (15/16)^19 = 0.707
    assert "in a typical network" in story
    assert "dead" not in network_story(profile_of(results["forward"]))


def test_networks_that_are_not_finite_are_counted(results):
    text = printed(report(results, "infinite"))
    assert re.search(r"\d+ of 256 networks are not finite from layer 4 on", text)
    assert re.search(r"(9\d|100) % of the networks are not finite in layer 4\.$", text.rstrip())
    assert "nan" not in text


def test_networks_whose_z_float32_has_no_room_for_are_said():
    """A layer of weights of 1e-30 leaves z near 1e-30, the next one zeros."""
    ensemble = Ensemble((5, 3, 3, 3), "normal:1e-30", "tanh", "on:3")
    found = verify(ensemble, networks=2000, method="direct")
    text = " ".join(printed(found).split())
    assert "2,000 of 2,000 networks have a z too small for float32 from layer 2 on: nothing is said of it there" in text
    assert not [v.claim.id for v in found.verdicts if v.verdict == REFUTED]


def test_gradients_beyond_the_range_of_sums_keep_their_size(results):
    text = printed(report(results, "vanished"))
    first = next(row for row in rows(text) if row[0] == "1")
    assert re.fullmatch(r"~1e-4\d\d", first[4])
    assert first[3].startswith("<")
    assert "|delta| is beyond 2**+-240" in text
    assert re.search(r"the typical network's mean-square gradient falls 2\d-fold per layer", " ".join(text.split()))


def test_correlations(results):
    story = network_story(profile_of(results["pair"]))
    assert re.search(r"the correlation of two inputs goes from 0\.[45]\d\d in layer 1 to 0\.4\d\d in layer 8", story)


def test_claims_not_as_expected_are_shown_in_full(results):
    verdicts = [verdict("scaled", layer) for layer in range(1, 7)]
    verdicts += [verdict("scaled", 2, "q", REFUTED), verdict("scaled", 3, "z.kurtosis", REFUTED, expected=REFUTED)]
    verdicts += [verdict("scaled", 4, "z.law", CONFIRMED, expected=REFUTED, own="/of someone")]
    verdicts += [verdict("scaled", 5, f"z.tail[{k}]", UNDECIDED, needed=12345) for k in range(13)]
    verdicts += [verdict("scaled", 1, f"field.{k}", ASSUMED) for k in ("mean", "law")]
    one = report(results, "scaled", verdicts=verdicts)
    text = printed(one)
    found = {row[0]: " ".join(row) for row in rows(text)}
    cells = ("1 ok 2 assumed", "1 REFUTED 1 ok", "2 ok", "1 CONFIRMED 1 ok", "1 ok 13 ?", "1 ok")
    for layer, cell in enumerate(cells, 1):
        assert re.search(rf"^ +{layer} .* {re.escape(cell)} *$", text, re.M)
    assert "scaled: not as expected" in text
    assert re.search(r"^ +2 q +1 +0.1 +1 +0.01 refuted", text, re.M)
    assert re.search(r"^ +4 z.law \(of someone\) +1 +0.1 +1 +0.01 confirmed", text, re.M)
    assert "z.kurtosis" not in text
    assert text.count("about 1.2e+04 networks per ensemble would decide it") == 10
    assert "and 3 more; --layers shows all" in text
    assert "7 of 22 claims as expected, 2 assumed by the sampler; the probability" in " ".join(text.split())
    assert one.exit_code == 1
    assert found


def test_tolerances_are_shown_where_there_is_room(results):
    name = "change.activation.meansquare"
    verdicts = [verdict("scaled", 1, name, own="[0.1]"), *(verdict("scaled", layer, "delta.meansquare") for layer in (2, 3))]
    one = report(results, "scaled", verdicts=verdicts)
    for width in (60, 79, 80, 120):
        text = printed(one, width, layers=True)
        assert ("tolerance" in text) is (width >= 80)
        assert bool(re.search(r"^delta.meansquare +1 +0.1 +1 +0.01 confirmed", text, re.M)) is (width >= 80)
        assert re.search(r"^delta.meansquare +1 +1 +(0.01 +)?confirmed", text, re.M) if width < 80 else name[:20] in text
    assert "…" not in printed(one, 80, layers=True)


def test_claims_that_say_little_are_counted(results):
    def said(*verdicts):
        found = re.search(
            r"\d+ confirmed claims? in.*?\(.*?\)", " ".join(printed(report(results, "scaled", verdicts=verdicts)).split())
        )
        return found[0] if found else ""

    def wide(layer, quantity, predicted, tolerance, word=CONFIRMED):
        one = verdict("scaled", layer, quantity, word)
        return dataclasses.replace(one, claim=dataclasses.replace(one.claim, predicted=predicted, tolerance=tolerance))

    assert said(wide(2, "z.variance", 2.0, 0.099), wide(2, "z.mean", 0.0, 0.5), wide(3, "z.quantile[0.95]", 1.0, 0.3)) == ""
    assert said(wide(2, "z.variance", 2.0, 0.69, UNDECIDED)) == ""
    one = wide(3, "z.variance", 2.0, 0.5)
    assert said(one) == "1 confirmed claim in layer 3 holds only within more than 5 % (z.variance in layer 3: 25 %)"
    three = [one, wide(4, "z.tail[5]", 1.7e-15, 0.068), wide(5, "delta.lognorm.mean", -30.0, 0.3)]
    assert (
        said(*three)
        == "3 confirmed claims in layers 3 to 5 hold only within more than 5 % (the widest: delta.lognorm.mean in layer 5: 30 %)"
    )
    assert "in layers 1 and 3 hold" in said(one, wide(1, "q", 1.0, 0.06))
    assert "<p>1 confirmed claim in layer 3 holds only within" in report_html(report(results, "scaled", verdicts=[one]))


def test_a_variance_carried_by_few_networks_is_that_of_theory():
    """He's variance is 2 in every layer; most samples of 30 layers of 10 show less in the last, and the words do not."""
    ensemble = Ensemble((10,) * 31, "he_normal", "relu", "on:10", cost="linear")
    profile = profile_of(simulate(ensemble, networks=4096, seed=5, method="conditional", threads=1))
    assert not profile.pinned["z.variance"].all()
    assert profile.exact["z.variance"] == pytest.approx(np.full(30, 2.0))
    assert "the variance of z is 2 in every layer by theory (these networks are too few to show that)" in network_story(profile)
    unknown = dataclasses.replace(profile, exact={name: np.full(30, np.nan) for name in profile.exact})
    assert re.search(r"the variance of z .* as far as these networks show and in a typical network", network_story(unknown))


def test_theory_that_the_networks_contradict_is_not_told():
    """Planted fault: the networks have weights 1.5 times as wide as their ensemble says."""
    said = Ensemble((100,) * 4, "he_normal", "relu", "gaussian")
    wrong = simulate(Ensemble((100,) * 4, "normal:4.5/fan_in", "relu", "gaussian"), networks=4096, seed=5, method="conditional")
    profile = profile_of(dataclasses.replace(wrong, ensemble=said))
    assert np.isnan(profile.exact["z.variance"]).all()
    assert "the variance of z goes from 4.5" in network_story(profile)


def test_few_networks_are_said_to_be_few(results):
    assert network_story(profile_of(results["vanished"])).startswith("in only 64 networks: ")
    assert not network_story(profile_of(results["standard"])).startswith("in only")
    one = simulate(ENSEMBLES["standard"], networks=1, seed=3, method="conditional", threads=1)
    assert meaning(report({"one": one}, "one")).startswith("In only 1 network: ")


def test_the_ends_of_the_sketch_enclose_its_values(results):
    for label in ("standard", "narrow", "deep"):
        profile = profile_of(results[label])
        text = printed(report(results, label))
        low, high = (float(end) for end in re.findall(r"log scale (\S+) to (\S+)", text)[0])
        typical = profile.log_typical if profile.by_network else profile.log_median
        values = 10.0 ** np.concatenate([profile.log_rms, typical])
        assert 0.5 * values.min() < low <= values.min() * (1 + 1e-9)
        assert values.max() * (1 - 1e-9) <= high < 2.0 * values.max()


def test_all_claims_of_all_layers(results):
    verdicts = [verdict("deep", layer, f"z.tail[{k}]", UNDECIDED, needed=10**k) for layer in range(1, 101) for k in range(1, 4)]
    verdicts += [verdict("deep", 50, "field.law", ASSUMED)]
    text = printed(report(results, "deep", verdicts=verdicts), layers=True)
    assert [int(line.split()[-1]) for line in text.splitlines() if line.startswith("deep, layer ")] == list(range(1, 101))
    assert len(re.findall(r"^z.tail\[\d\] .* undecided", text, re.M)) == 300
    assert "field.law" in text
    assert "300 claims are undecided; at least about 1e+03 networks per ensemble would decide 300 of them" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_a_wall_of_refuted_claims_is_cut(results):
    verdicts = [verdict("deep", layer, word=REFUTED) for layer in range(1, 101)]
    text = printed(report(results, "deep", verdicts=verdicts))
    assert text.partition("why:")[0].count(" refuted") == 30
    assert "and 70 more; --layers shows all" in text
    assert "100 REFUTED" in text


def test_a_network_and_a_neuron_in_one_report(results):
    neuron = simulate(Ensemble((10, 1)), networks=4096, seed=1, threads=1)
    both = report(results | {"neuron": neuron}, "scaled", "neuron", verdicts=[verdict("neuron", 1), verdict("scaled", 1)])
    text = printed(both)
    assert "direct and conditional" in text or "conditional and direct" in text
    assert "conditional sampler" in text
    assert re.search(r"^z.variance +1 +1 ", text, re.M)
    assert re.search(r"neuron: [\d.]+ % of the neurons start saturated\.$", " ".join(text.split()))


def test_a_single_layer_of_the_conditional_sampler(results):
    one = simulate(Ensemble((10, 1)), networks=512, seed=1, method="conditional", threads=1)
    text = plain_text(report(results | {"one": one}, "one"))
    assert [row[0] for row in rows(text)] == ["1"]
    assert "of the neurons are saturated" in text


def test_many_ensembles_are_told_of_by_their_ends(results):
    text = meaning(report(results, *list(ENSEMBLES)[:8]))
    assert re.match(
        r"In the most saturated layer from .* \(\w+\) to 84 % \((standard|cross-entropy)\) of the neurons are saturated", text
    )
    assert "the mean-square gradient changes by a factor from 0.04" in text


def test_comparisons_of_samplers(results):
    one = report(results, "standard", "scaled")
    claims = [verdict("standard", 1, f"z.tail[{k}]", word) for k, word in enumerate((CONFIRMED, UNDECIDED, REFUTED))]
    claims = [dataclasses.replace(v, claim=dataclasses.replace(v.claim, against="scaled")) for v in claims]
    study = dataclasses.replace(one.study, compared=(("standard", "scaled"),))
    said = meaning(dataclasses.replace(one, study=study, verdicts=claims))
    assert said == "The samplers of each pair agree in 1 of 3 comparisons, differ in 1, and 1 are undecided."
    assert "agree in all 1 comparisons" in meaning(dataclasses.replace(one, study=study, verdicts=claims[:1]))


def test_small_changes_are_shown_typical_and_mean_square(results):
    sizes = {"activation.median": 1e-8, "activation.meansquare": 5e-3, "cost.median": 1e-6}
    verdicts = [verdict("standard", 1, f"change.{name}[0.1]") for name in sizes]
    verdicts = [
        dataclasses.replace(v, interval=Interval(size, 0.0, 1.0, "bounded"))
        for v, size in zip(verdicts, sizes.values(), strict=True)
    ]
    text = " ".join(printed(report(results, "standard", verdicts=verdicts)).split())
    moved = "moves its neuron's activation by 1e-08 (median), 0.005 (root mean square) and the cost by 1e-06 (median)"
    assert f"a change of 0.1 in a weight of layer 1 {moved}" in text


def test_headings():
    assert described(Ensemble((784, 256, 10), "he_normal", "relu", "gaussian")) == (
        "784-256-10 neurons, he_normal, relu, inputs gaussian:1"
    )
    deep = Ensemble((1000,) * 5 + (1,), ["scaled"] * 4 + ["normal:1"], ["relu"] * 4 + ["identity"], cost="quadratic", targets=[1.0])
    assert described(deep) == (
        "1000 x 5, 1 neurons, scaled x 4; normal:1, relu x 4; identity, inputs on:500, cost quadratic with given targets"
    )
    several = Ensemble((4, 4, 2), inputs="gaussian", points=3)
    assert described(several).endswith("inputs gaussian:1 (3 through each network)")
    assert "..." in described(Ensemble(range(1, 40), inputs="gaussian"))


def test_trends_say_what_the_numbers_do():
    """Planted sequences: the words follow from the factor per layer, and a fall by 21 % is not one by 26 %."""
    layers = np.arange(1, 12)

    def said(factor: float, towards_input: bool = True, noise: float | np.ndarray = 1.0, count: int = 11) -> str:
        found = trend(layers[:count], (noise * factor ** np.arange(11.0))[:count], towards_input)
        assert found is not None
        return found.words(towards_input)

    assert said(3.0, False) == "grows 3.0-fold per layer"
    assert said(24.0) == "falls 24-fold per layer towards the input"
    assert said(1 / 0.79) == "falls by 21 % per layer towards the input, 11-fold over 10 layers"
    assert said(0.79) == "grows by 27 % per layer towards the input, 11-fold over 10 layers"
    assert said(1.002, False) == "keeps its size (within 2.0 %) over 10 layers"
    wave = np.where(layers % 2, 1.0, 50.0)
    assert (
        said(1.0, True, wave)
        == "ends about where it began towards the input, 50-fold between its smallest and largest over 10 layers"
    )
    assert said(3.0, False, wave) == "grows 3.0-fold per layer on average"
    assert said(5.0, count=2) == "falls 5.0-fold from layer 2 to layer 1"
    assert trend(layers, np.full(11, np.nan), True) is None
    assert trend(layers, np.zeros(11), True) is None
    assert fold(2000.0) == "1e+869-fold"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (1e-7, "0.000010 %"),
        (0.00018, "0.018 %"),
        (0.0999, "10 %"),
        (0.099, "9.9 %"),
        (0.8373, "84 %"),
        (1.0, "100 %"),
    ],
)
def test_percent(share, text):
    assert percent(share) == text


def test_tally_of_nothing_is_empty():
    assert str(tally([])) == ""
    assert str(tally([verdict("a", 1, word=UNDECIDED)])) == "1 ?"


def test_a_run_of_one_network(results):
    """Nothing has a spread; what cannot be estimated is a question mark, and nothing is NaN."""
    for label in ("standard", "narrow", "pair", "forward", "infinite"):
        one = simulate(ENSEMBLES[label], networks=1, seed=3, method="conditional", threads=1)
        text = printed(report({label: one}, label))
        assert "nan" not in text
        assert len(rows(text)) >= 6
