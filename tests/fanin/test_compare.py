"""Comparison: equal laws are never called different, unequal ones are told apart, and what cannot be compared is refused."""

import dataclasses
import json
import math

import pytest

from fanin import Ensemble, compare, load_inputs, simulate, verify
from fanin.comparison import DIFFERENT, EQUAL
from fanin.comparison_table import in_words, plain_text, print_comparison, telling
from fanin.engine.errors import SpecificationError
from fanin.output import print_view
from fanin.stats.verdict import UNDECIDED
from fanin.studies import Study

SMALL = ("--widths", "10,1", "--networks", "1.2e6")
NETWORK = {"widths": (8, 6, 4), "activation": "tanh", "inputs": "gaussian:1", "cost": "quadratic"}


def words(comparison):
    return {one.verdict for one in comparison.found}


def by_name(comparison, layer=1):
    return {one.quantity: one for one in comparison.found if one.layer == layer}


def test_one_law_under_several_seeds_is_never_different(false_failure):
    """20 pairs of runs of 17 quantities; alpha is such that one false "different" in all has probability 1e-6."""
    ensemble = Ensemble((20, 1), "scaled")
    runs = [simulate(ensemble, 100_000, seed=seed) for seed in range(40)]
    for one, other in zip(runs[::2], runs[1::2], strict=True):
        found = compare(one, other, alpha=false_failure / 20)
        assert words(found) <= {EQUAL, UNDECIDED}
        assert found.exit_code == 3


def test_one_law_is_equal_where_networks_are_many():
    ensemble = Ensemble((20, 1), "scaled")
    found = compare(ensemble, ensemble, networks=8_000_000, tolerance=1.5)
    assert (found.a.seed, found.b.seed) == (501, 502)
    assert words(found) == {EQUAL}
    assert found.exit_code == 0
    assert in_words(found) == "A and B are equal within the tolerance in all 17 quantities."


def test_two_schemes_are_different():
    found = compare(Ensemble((100, 50), "he_normal"), Ensemble((100, 50), "glorot_uniform"), networks=200_000)
    assert found.exit_code == 1
    variance = by_name(found)["z.variance"]
    assert variance.verdict == DIFFERENT
    assert 1.0 + variance.judged.interval.estimate == pytest.approx(1.5, rel=0.02)
    assert variance.effect == pytest.approx(0.5 / math.hypot(1.0, 1.5), rel=0.05)  # Var z^2 = 2 (Var z)^2
    assert in_words(found).startswith("A and B differ, most in z.variance: that of A is 1.")


def test_a_variance_off_by_one_and_a_half_percent_is_caught(false_failure):
    """At 6e6 networks with probability 1 - 1e-6, and a right one is not refuted, each at an error rate of 1e-6."""
    right, wrong = Ensemble((4, 1), "normal:1/fan_in"), Ensemble((4, 1), "normal:1.015/fan_in")
    runs = [simulate(ensemble, 6_000_000, seed=seed) for ensemble, seed in ((right, 1), (right, 2), (wrong, 1))]
    assert by_name(compare(runs[0], runs[2], alpha=false_failure))["z.variance"].verdict == DIFFERENT
    assert by_name(compare(runs[0], runs[1], alpha=false_failure))["z.variance"].verdict != DIFFERENT
    other_way = by_name(compare(runs[2], runs[0], alpha=false_failure))["z.variance"]
    assert other_way.judged.interval.estimate == pytest.approx(0.015, abs=0.005)


def test_two_samplers_of_one_law(false_failure):
    """Networks: nothing differs. A neuron: pooled over networks and counted one by one, the same quantities."""
    ensemble = Ensemble(scheme="he_normal", **NETWORK)
    one, other = (simulate(ensemble, 20_000, method=method) for method in ("direct", "conditional"))
    found = compare(one, other, alpha=false_failure, tolerance=4.0)
    assert words(found) <= {EQUAL, UNDECIDED}
    assert sum(one.verdict == EQUAL for one in found.found) > 0.7 * len(found.found)
    assert {one.layer for one in found.found} == {1, 2}
    assert {"delta.meansquare", "delta.median", "z.tail[1]", "grad.quantile[0.95]"} <= set(by_name(found, 2))
    assert not {"field.mean", "grad.median", "delta.quantile[0.05]", "independence.neurons"} & set(by_name(found, 2))
    neuron = Ensemble((10, 1), "he_normal")
    found = compare(simulate(neuron, 100_000), simulate(neuron, 100_000, method="conditional"), alpha=false_failure, tolerance=5.0)
    assert words(found) <= {EQUAL, UNDECIDED}
    assert {"z.variance", "phi.saturated", "z.quantile[0.05]", "slope.below[0.01]"} <= set(by_name(found))


def test_networks_that_differ(false_failure):
    schemes = ("he_normal", "lecun_normal")
    one, other = (simulate(Ensemble(scheme=scheme, **NETWORK), 20_000, method="conditional") for scheme in schemes)
    found = compare(one, other, alpha=false_failure)
    assert {by_name(found, layer)["z.variance"].verdict for layer in (1, 2)} == {DIFFERENT}
    shown = {one.quantity: one for one in telling(found.found)}
    assert len(shown) == len({one.quantity for one in found.found})
    strongest = shown["z.variance"]
    assert abs(strongest.effect) == max(abs(by_name(found, layer)["z.variance"].effect) for layer in (1, 2))
    same = compare(other, one, alpha=false_failure)
    for a, b in zip(found.found, same.found, strict=True):
        assert (a.quantity, a.layer, a.verdict) == (b.quantity, b.layer, b.verdict) or UNDECIDED in (a.verdict, b.verdict)
        assert a.effect == pytest.approx(-b.effect, nan_ok=True)


def test_different_depths_share_their_first_layers():
    short = Ensemble((8, 6, 4), "he_normal", "tanh", "gaussian:1")
    long = Ensemble((8, 6, 4, 2), "he_normal", "tanh", "gaussian:1", cost="quadratic")
    found = compare(short, long, networks=2000, method="conditional")
    assert {one.layer for one in found.found} == {1, 2}
    assert any("A has 2 layers and B has 3" in note for note in found.notes)
    assert not any(one.quantity.startswith("delta.") for one in found.found)


def test_studies_pair_by_label_else_in_order():
    one, two = Ensemble((4, 1), "standard"), Ensemble((4, 1), "scaled")
    a = Study("a", "", {"x": one, "y": two, "z": one}, networks=2000)
    found = compare(a, Study("b", "", {"y": one, "x": two}, networks=3000))
    assert [(pair.a, pair.b) for pair in found.pairs] == [("x", "x"), ("y", "y")]
    assert found.notes == ["only in A, and not compared: z"]
    assert (found.a.networks, found.b.networks) == (2000, 3000)
    found = compare(Study("a", "", {"x": one, "y": two}, networks=2000), Study("b", "", {"u": two, "v": one}, networks=2000))
    assert [pair.label for pair in found.pairs] == ["x against u", "y against v"]
    with pytest.raises(SpecificationError, match=r"A has 3 ensembles \(x, y, z\) and B has 2 \(u, v\), none of the same label"):
        compare(a, Study("b", "", {"u": two, "v": one}, networks=2000))


def test_what_draws_the_same_numbers_is_refused_or_sampled_anew():
    ensemble = Ensemble((4, 1))
    run = simulate(ensemble, 4096)
    with pytest.raises(SpecificationError, match=r"drew the same numbers .*; sample one of them with another seed"):
        compare(run, simulate(ensemble, 8192))
    for found in (compare(run, ensemble, networks=4096), compare(ensemble, run, networks=4096)):
        assert {found.a.seed, found.b.seed} == {501, 502}
        assert "so that they draw different numbers" in found.notes[-1]
    assert compare(run, simulate(Ensemble((4, 1), tails=(2.0,)), 4096, seed=7)).notes == []
    with pytest.raises(SpecificationError, match="drew the same numbers"):
        compare(run, simulate(Ensemble((4, 1), tails=(2.0,)), 4096))
    last = compare(ensemble, ensemble, networks=2000, seed=2**64 - 1)
    assert (last.a.seed, last.b.seed) == (2**64 - 1, 0)


def test_a_watched_run_has_wider_intervals_and_says_so():
    ensemble = Ensemble((10, 1), "scaled")
    watched = dataclasses.replace(verify(ensemble, networks=500_000), watched=True)
    other = simulate(ensemble, 500_000, seed=7)
    found, plain = compare(watched, other), compare(next(iter(watched.results.values())), other)
    assert (found.watched, plain.watched) == (True, False)
    for one, two in zip(found.found, plain.found, strict=True):
        assert one.judged.watched
        if one.quantity in ("z.mean", "z.variance", "z.tail[1]", "z.quantile[0.95]"):
            assert one.judged.interval.high - one.judged.interval.low > two.judged.interval.high - two.judged.interval.low
    assert "whenever the runs had stopped" in plain_text(found)
    assert found.to_dict()["watched"]


def test_bins_that_are_too_wide_decide_nothing():
    """With N(0,1) weights the median of phi' is exp(-|z|) at |z| near 15, where bins are 0.06 wide."""
    found = compare("standard", "standard", networks=100_000, tolerance=0.35)
    assert [one.quantity for one in found.coarse] == ["slope.median"]
    assert "slope.median" not in by_name(found)
    assert found.to_dict()["left_out"] == [{"pair": "standard", "layer": 1, "quantity": "slope.median"}]
    assert "left out, as bins are wider than the tolerance: slope.median" in plain_text(found)
    assert by_name(compare("standard", "scaled", networks=100_000, tolerance=0.35))["slope.median"].verdict == DIFFERENT


def test_nothing_is_known_of_few_or_lost_networks():
    assert words(compare("standard", "scaled", networks=2)) == {UNDECIDED}
    lost = Ensemble((4, 4, 4), "normal:1e30", "identity", "gaussian:1", cost="linear")
    found = compare(lost, Ensemble((4, 4, 4), "scaled", "identity", "gaussian:1", cost="linear"), networks=2000)
    assert {one.verdict for one in found.found if one.layer == 2} == {UNDECIDED}
    assert "2,000 of 2,000 networks of A are not finite" in plain_text(found)
    json.dumps(found.to_dict(), allow_nan=False)


def test_heavy_tails_and_constants_are_left_out():
    heavy = compare("student:1/fan_in,df=5", "lecun_normal", networks=2000)
    assert not {"z.kurtosis", "z.skewness"} & set(by_name(heavy))
    assert "z.variance" in by_name(heavy)
    flat = Ensemble((4, 4), "lecun_normal", "identity", "gaussian:1")
    assert "slope.variance" not in by_name(compare(flat, flat, networks=2000))


def test_rows_in_turn_need_as_many_networks(tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("1,0\n0,2\n")
    ensemble = Ensemble((2, 1), inputs=load_inputs(f"{rows},in-turn"))
    with pytest.raises(SpecificationError, match="takes rows in turn, and 2000 networks see other rows than 3001"):
        compare(simulate(ensemble, 2000), simulate(ensemble, 3001, seed=7))
    once = Ensemble((4, 1), inputs="gaussian:1,shared")
    assert "one input that was drawn for it" in compare(once, once, networks=2000).notes[0]


@pytest.mark.parametrize("width", [80, 50])
def test_tables_fit(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    found = compare(Ensemble(scheme="he_normal", **NETWORK), Ensemble(scheme="standard", **NETWORK), networks=2000)
    print_view(lambda console: print_comparison(found, console))
    short = capsys.readouterr().out
    assert max(map(len, short.splitlines())) <= width
    for word in ("different", "z.variance", "delta.quantile", "[0.95]", "effect"):
        assert word in short
    assert not {"\x1b", "…"} & set(short)
    print_view(lambda console: print_comparison(found, console, layers=True))
    long = capsys.readouterr().out
    assert long.count("z.variance") - short.count("z.variance") == 1
    assert max(map(len, long.splitlines())) <= width


def test_json_is_strict(fanin):
    code, out, err = fanin("compare", "he_normal", "lecun_normal", *SMALL, "--json", "--seed", 9)
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (code, err) == (1, "")
    assert set(found) >= {
        "fanin",
        "a",
        "b",
        "alpha",
        "tolerance_factor",
        "networks",
        "seconds",
        "digests",
        "comparisons",
        "provenance",
    }
    assert (found["a"], found["b"], found["networks"]) == ("he_normal", "lecun_normal", {"a": 1_200_000, "b": 1_200_000})
    assert found["seeds"] == {"a": 9, "b": 9}
    keys = {
        "pair",
        "layer",
        "quantity",
        "a",
        "b",
        "scale",
        "difference",
        "low",
        "high",
        "coverage",
        "effect",
        "tolerance",
        "verdict",
    }
    for one in found["comparisons"]:
        assert set(one) == keys | {"p_value", "needed"}
        low, high, tolerance = (-math.inf if one["low"] is None else one["low"], one["high"], one["tolerance"])
        high = math.inf if high is None else high
        if one["verdict"] == EQUAL:
            assert -tolerance <= low <= high <= tolerance
        elif one["verdict"] == DIFFERENT:
            assert low > tolerance or high < -tolerance
            assert one["p_value"] < 0.01 / len(found["comparisons"])
        else:
            assert one["verdict"] == UNDECIDED
    variance = next(one for one in found["comparisons"] if one["quantity"] == "z.variance")
    assert (variance["scale"], variance["verdict"]) == (True, DIFFERENT)
    again = json.loads(fanin("compare", "he_normal", "lecun_normal", *SMALL, "--json", "--seed", 9, "--threads", 1)[1])
    assert again["comparisons"] == found["comparisons"]
    assert again["digests"] == found["digests"]


def test_result_files(fanin, tmp_path):
    a, b, c = (tmp_path / name for name in ("a.json", "b.nc", "c.json"))
    run = ("verify", *SMALL, "--scheme")
    for scheme, seed, path in (("he_normal", 1, a), ("he_normal", 2, b), ("lecun_normal", 1, c)):
        fanin(*run, scheme, "--seed", seed, "--output", path)
    assert fanin("compare", a, b, "--tolerance", 10)[0] == 0
    assert fanin("compare", a, b)[0] == 3
    code, out, _ = fanin("compare", a, c)
    assert (code, "A and B differ, most in" in out) == (1, True)
    assert fanin("compare", a, "lecun_normal", *SMALL)[0] == 1
    code, out, _ = fanin("compare", a, "he_normal", *SMALL, "--seed", 1, "--tolerance", 10)
    assert code == 0
    assert "A is sampled with seed 1 and B with seed 2" in " ".join(out.split())
    text = a.read_text()
    c.write_text(text[:-200])
    for arguments, sentence in (
        ((a, a), "drew the same numbers"),
        ((a, b, "--networks", "1e4"), "--networks is about sampling, and A and B are results"),
        ((c, b), "c.json cannot be loaded"),
    ):
        code, out, err = fanin("compare", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert sentence in err


REFUSED = [
    (("compare", "he_normal"), "B"),
    (("compare", "he_norm", "he_uniform"), "A is 'he_norm', which is no study"),
    (("compare", "he_normal", "no-such.toml"), "no-such.toml does not exist"),
    (("compare", "he_normal", "no-such.json"), "no-such.json cannot be loaded: there is no such file"),
    (("compare", "all", "he_normal"), "A is 'all', which is several studies; compare takes one on each side"),
    (("compare", "he_normal", ""), "B is empty; it must be a result file, a study or a scheme"),
    (("compare", "he_normal", "."), "B is '.', which is several studies"),
    (("compare", "he_normal", "normal:x"), "normal:x"),
    (("compare", "he_normal", "he_uniform", "--scheme", "scaled"), "A and B are the schemes; leave --scheme out"),
    (("compare", "deep", "costs", "--widths", "10,1"), "--widths describes a network of your own, and neither A nor B is a scheme"),
    (("compare", "costs", "single-neuron"), "A has 4 ensembles"),
    (("compare", "he_normal", "scaled", "--alpha", "0"), "alpha is 0.0; it must lie between 0 and 1"),
    (("compare", "he_normal", "scaled", "--tolerance", "0"), "the tolerance factor is 0.0; it must be a positive finite number"),
    (("compare", "he_normal", "scaled", "--networks", "0"), "networks is 0; it must lie between 1 and"),
    (("compare", "he_normal", "scaled", "--seed", "-1"), "seed is -1; it must lie between 0 and"),
    (("compare", "he_normal", "scaled", "--method", "exact"), "method is 'exact'; known are direct, conditional, auto"),
    (("compare", "he_normal", "scaled", "--widths", "10"), "a network needs an input and an output size"),
    (("compare", "he_normal;scaled", "scaled", "--widths", "10,1"), "scheme has 2 values for 1 layers"),
    (("compare", "he_normal", "he_uniform", "--method", "conditional"), "conditional"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_bad_input_is_one_sentence(fanin, arguments, sentence):
    code, out, err = fanin(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.startswith("fanin: ")
    assert err.count("\n") == 1


def test_other_things_are_no_sides():
    with pytest.raises(SpecificationError, match="A is int; it must be a result, a report, a study, an ensemble or the name"):
        compare(7, "he_normal")
