"""`until="decided"`: the run grows in rounds, stops when all is decided, and its report is a function of its results alone."""

import dataclasses
import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

from fanin import Ensemble, Study, load_report, simulate, verify
from fanin.engine.errors import SpecificationError
from fanin.sampling import extended, step_of
from fanin.stats.verdict import CONFIRMED, REFUTED, UNDECIDED, Claim
from fanin.verification import judge_all
from fanin.watch_display import look_line, look_view
from fanin.watching import GROWTH, look_sizes

NEURON = Ensemble((6, 1), "scaled")
NETWORK = Ensemble((6, 5, 4), "scaled", "tanh", "on:6", cost="linear")
QUANTITIES = ("z.variance", "z.mean", "phi.saturated", "slope.median", "z.kurtosis", "z.law")


def claim(quantity="z.variance", predicted=1.5, tolerance=0.0075, **options):
    return Claim(f"own/1/{quantity}/mine", "own", 1, quantity, predicted, tolerance, "here", **options)


def study(*claims, ensemble=NEURON, networks=400_000, quantities=QUANTITIES):
    return Study("own", "", {"own": ensemble}, claims, networks, quantities)


@pytest.fixture(scope="module")
def watched():
    looks = []
    return verify(study(), until="decided", look=looks.append), looks


@pytest.mark.parametrize(("ensemble", "method"), [(NEURON, "direct"), (NETWORK, "direct"), (NETWORK, "conditional")])
def test_an_extended_run_has_the_bits_of_a_whole_one(ensemble, method):
    step = step_of(ensemble, method)
    grown = simulate(ensemble, 3 * step, seed=9, method=method, threads=1)
    for networks in (4 * step, 9 * step + 77):
        grown = extended(grown, networks)
        assert grown.digest == simulate(ensemble, networks, seed=9, method=method, threads=2).digest
    with pytest.raises(SpecificationError, match="cannot become"):
        extended(grown, 20 * step)


def test_it_ends_as_soon_as_all_is_decided(watched):
    report, looks = watched
    assert looks[-1] is report
    words = [{v.verdict for v in look.verdicts} for look in looks]
    assert words[-1] == {CONFIRMED}
    assert all(UNDECIDED in earlier for earlier in words[:-1])
    sizes = [look.results["own"].networks for look in looks]
    assert sizes == look_sizes(report.study, {"own": "direct"})[: len(sizes)]
    assert report.results["own"].digest == simulate(NEURON, sizes[-1]).digest
    again = verify(study(), until="decided", threads=1)
    assert (again.digest, [v.interval for v in again.verdicts]) == (report.digest, [v.interval for v in report.verdicts])


@pytest.mark.parametrize("last", [None, 4096, 5000, 10**6, 10**9])
def test_looks_are_at_most_a_quarter_apart(last):
    for one, method in ((study(), "direct"), (study(ensemble=NETWORK, networks=1000), "conditional")):
        sizes = np.array(look_sizes(one, {"own": method}, last))
        step = step_of(one.ensembles["own"], method)
        assert np.all(np.diff(sizes) > 0)
        assert np.all(sizes[1:] <= GROWTH * sizes[:-1])
        assert np.all(sizes[:-1] % step == 0)
        assert len(sizes) <= 400
        assert last in (None, sizes[-1])


def test_intervals_of_a_watched_run_are_wider_and_say_so(watched):
    report, _ = watched
    fixed = judge_all(report.study, report.results)
    for one, other in zip(report.verdicts, fixed.verdicts, strict=True):
        assert one.interval.high - one.interval.low > other.interval.high - other.interval.low
    assert {v.claim.quantity: v.interval.coverage for v in report.verdicts} == {
        "z.variance": "gaussian",
        "z.mean": "asymptotic",
        "phi.saturated": "exact",
        "slope.median": "exact",
        "z.kurtosis": "asymptotic",
        "z.law": "exact",
    }
    text = repr(report)
    assert "until decided" in text
    assert "confirmed ~" in text
    assert "~ 2 verdicts rest on sequences" in " ".join(text.split())
    assert "~" not in repr(fixed).replace("~/", "")


def test_a_random_input_has_no_gaussian_sequence():
    random = dataclasses.replace(NEURON, inputs="bernoulli:0.5")
    report = verify(study(ensemble=random, quantities=("z.variance",)), until="decided", tolerance=4)
    assert report.verdicts[0].interval.coverage == "asymptotic"


def test_a_wrong_claim_is_refuted_and_a_true_one_confirmed():
    """Variance 1.5 against 1.53: 0.02 is 2.7 tolerances; both words take some 1e6 networks."""
    wrong = claim(predicted=1.53)
    report = verify(study(wrong, quantities=("z.variance",)), until="decided")
    assert [v.verdict for v in report.verdicts] == [CONFIRMED, REFUTED]
    assert report.exit_code == 1
    assert report.verdicts[1].p_value < 1e-6
    expected = dataclasses.replace(wrong, expected=REFUTED)
    assert verify(study(expected, quantities=()), until="decided").exit_code == 0


def test_on_the_edge_nothing_is_decided_up_to_the_maximum():
    edge = claim(tolerance=0.02, predicted=1.52)
    report = verify(study(edge, quantities=()), until="decided", max_networks=1_000_000)
    assert report.results["own"].networks == 1_000_000
    assert report.exit_code == 3


def test_a_saved_watched_run_stays_one(watched, tmp_path):
    report, _ = watched
    report.save(tmp_path / "run.json")
    loaded = load_report(tmp_path / "run.json")
    assert loaded.watched
    assert [v.interval for v in loaded.verdicts] == [v.interval for v in report.verdicts]
    assert verify(loaded, tolerance=2.0).watched
    assert json.loads((tmp_path / "run.json").read_text())["until"] == "decided"


def test_comparisons_and_deep_networks_are_watched():
    claims = [
        Claim(f"one/2/{quantity}/against two", "one", 2, quantity, 0.0, tolerance, "one law", against="two")
        for quantity, tolerance in (("z.variance", 0.04), ("delta.meansquare", 0.05), ("phi.mean", 0.02), ("z.quantile[0.95]", 0.2))
    ]
    methods = {"one": "direct", "two": "conditional"}
    two = Study("two", "", {"one": NETWORK, "two": NETWORK}, tuple(claims), 20_000, quantities=(), methods=methods)
    report = verify(two, until="decided")
    assert [v.verdict for v in report.verdicts] == [CONFIRMED] * 4
    assert [v.interval.coverage for v in report.verdicts] == ["asymptotic", "asymptotic", "bounded", "bounded"]


BAD = {
    "word": (dict(until="never"), "until is 'never'; the only word known is decided"),
    "networks": (dict(until="decided", networks=10), "networks is 10, and a run until decided chooses its size"),
    "maximum alone": (dict(max_networks=10), "max_networks is 10, which is for a run until decided"),
    "maximum of nothing": (dict(until="decided", max_networks=0), "max_networks is 0"),
    "short": (dict(until="decided", max_networks=50_000), r"max_networks is 50000, and own/1/.* is not confirmed below about"),
    "alpha": (dict(until="decided", alpha=1.0), "alpha is 1.0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_ends_are_refused(name):
    options, sentence = BAD[name]
    with pytest.raises(SpecificationError, match=sentence):
        verify(study(), **options)


def test_a_tolerance_of_zero_would_never_end():
    for tolerance, error in ((0.0, 0.0), (1e-9, 1e-6)):
        one = claim(tolerance=tolerance, error=error)
        with pytest.raises(
            SpecificationError, match=r"would never end; give it one, such as 0\.0075, or run a fixed number"
        ) as caught:
            verify(study(one, quantities=()), until="decided")
        assert "\n" not in str(caught.value)
    assert verify(study(claim(tolerance=0.0), quantities=()), networks=10_000).exit_code == 3


def test_rows_in_turn_have_no_sequence():
    ensemble = Ensemble((64, 1), inputs="bernoulli:0.5")
    from fanin import load_inputs

    turned = dataclasses.replace(ensemble, inputs=load_inputs("digits,in-turn"))
    with pytest.raises(SpecificationError, match="rows in turn"):
        verify(study(ensemble=turned), until="decided")


def test_results_are_not_sampled_again(watched, tmp_path):
    report, _ = watched
    for subject in (report, report.results["own"]):
        for option in (
            {"until": "decided"},
            {"networks": 1000},
            {"method": "direct"},
            {"threads": 1},
            {"store": tmp_path / "runs"},
        ):
            with pytest.raises(SpecificationError, match=f"^{next(iter(option))} is about sampling, and a .* only judged again"):
                verify(subject, **option)
    assert not list(tmp_path.iterdir())


OWN = ("verify", "--widths", "6,1", "--until", "decided", "--tolerance", "8")


def test_command_line_outside_a_terminal(fanin):
    """A line for each look on standard error, the table on standard output; with --json one object and nothing else."""
    code, out, err = fanin(*OWN)
    assert (code, "until decided" in out) == (0, True)
    lines = err.splitlines()
    assert len(lines) > 1
    assert all("networks per ensemble: " in line and "claims decided" in line for line in lines)
    code, out, err = fanin(*OWN, "--json")
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (code, err, found["until"]) == (0, "", "decided")
    for one in found["claims"]:
        assert one["coverage"] in ("exact", "bounded", "gaussian", "asymptotic")
        assert 0.0 <= one["p_value"] <= 1.0
        assert one["smallest_detectable"] is None or one["smallest_detectable"] > one["tolerance"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_what_is_shown_on_a_terminal(watched, width):
    _, looks = watched
    for encoding in ("utf-8", "ascii"):
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        console = Console(file=file, width=width, force_terminal=True, color_system=None, highlight=False)
        for look in looks[:3]:
            console.print(look_view(look, console, 1.0))
        file.flush()
        text = file.buffer.getvalue().decode(encoding)
        assert "claims decided" in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= width
        assert ("●" in text) == (encoding == "utf-8")
    assert look_line(looks[-1], 2.0).endswith(f"{len(looks[-1].verdicts)} of {len(looks[-1].verdicts)} claims decided, 2.0 s")
    assert math.isfinite(looks[0].verdicts[0].smallest_detectable)
