"""A run that was looked at is judged as one, wherever its result goes; and what is promised of a run is what it can keep."""

import json
import time

import numpy as np
import pytest

import fanin as library
from fanin.engine import direct
from fanin.engine.errors import SpecificationError
from fanin.stats.binned import RankQuantile
from fanin.stats.evidence_kinds import GaussianVariance, Studentised
from fanin.stats.planning import networks_for
from fanin.stats.verdict import Claim, judge

ENSEMBLE = library.Ensemble((10, 1))


@pytest.fixture(scope="module")
def watched():
    return library.verify(ENSEMBLE, until="decided", tolerance=8)


def test_the_result_of_a_watched_run_stays_watched(watched, tmp_path):
    result = next(iter(watched.results.values()))
    again = library.verify(result, tolerance=8)
    assert again.watched
    assert [verdict.interval for verdict in again.verdicts] == [verdict.interval for verdict in watched.verdicts]
    watched.save(tmp_path / "run.json")
    loaded = next(iter(library.load_report(tmp_path / "run.json").results.values()))
    assert library.verify(loaded, tolerance=8).watched
    assert library.compare(result, library.simulate(ENSEMBLE, 100_000, seed=9)).watched


def test_what_a_store_holds_is_judged_as_watched(fanin, tmp_path):
    own = ("verify", "--widths", "10,1", "--networks", "1e5", "--store", tmp_path / "runs")
    assert json.loads(fanin(*own, "--json")[1])["until"] is None
    assert fanin("store", "export", tmp_path / "runs", "--output", tmp_path / "run.json")[0] == 0
    assert json.loads((tmp_path / "run.json").read_text())["until"] == "decided"


def test_an_undecided_report_says_how_to_go_on(fanin):
    out = fanin("verify", "--widths", "10,1", "--networks", "2e4")[1]
    assert "at least about" in out
    assert "--until decided goes on until they are, at the same error rate" in " ".join(out.split())


def test_until_decided_refuses_what_it_cannot_reach(fanin):
    code, out, err = fanin("verify", "--until", "decided", "--tolerance", "0")
    assert (code, out) == (2, "")
    assert "until decided would never end; give a small factor such as 0.1" in err
    claim = own_claim(tolerance=1e-9)
    with pytest.raises(SpecificationError, match=r"no number of networks confirms own/1/z.variance within 1e-09"):
        watch_one(claim)


def own_claim(tolerance):
    return library.Claim("own/1/z.variance", "own", 1, "z.variance", 6.0, tolerance, "")


def watch_one(claim):
    study = library.Study("one", "", {"own": ENSEMBLE}, networks=100_000, quantities=(), claims=(claim,))
    return library.verify(study, until="decided")


@pytest.mark.parametrize("mean", [0.0, 0.01, -0.03])
def test_the_plan_of_a_watched_variance_does_not_depend_on_the_mean_of_the_pilot(mean):
    """The sequence is about the known mean; what the pilot's mean adds to its sum of squares is no distance to go."""
    n, variance = 20_000, 0.5
    plain = Studentised("variance", variance, variance * (2.0 / n) ** 0.5, n)
    found = networks_for(GaussianVariance(plain, n, n * (variance + mean**2)), n, 2e-4, 0.01, watched=True)
    assert found == pytest.approx(networks_for(GaussianVariance(plain, n, n * variance), n, 2e-4, 0.01, watched=True), rel=0.01)


@pytest.mark.parametrize(("away", "known"), [(0.0, False), (1.9, False), (2.1, True), (3.5, True)])
def test_an_estimate_on_the_edge_promises_nothing(away, known):
    """In standard errors from the edge of a tolerance of 0.01, which is ten of them."""
    claim = Claim("a", "a", 1, "z.mean", 0.0, 0.01, "")
    verdict = judge(claim, Studentised("mean", 0.01 - away * 0.001, 0.001, 10**6), 10**6, 1e-9)
    assert verdict.verdict == "undecided"
    assert (verdict.networks_needed is not None) == known


def test_quantiles_detect_what_they_say_on_both_sides():
    """The law moved by the smallest detectable difference, in units of bins, to either side: 9 of 10 runs refute.

    1,000 runs each; with a true power of 0.9 fewer than 0.84 are seen with probability 1e-8.
    """
    rng = np.random.default_rng(1)
    edges = np.linspace(0.0, 1.0, 65)
    n, error = 20_000, 1e-3

    def verdict(shift, predicted):
        counts = np.histogram(np.clip(rng.random(n) + shift, 0.0, 1.0), edges)[0].cumsum()
        claim = Claim("a", "a", 1, "z.quantile[0.5]", predicted, 0.002, "")
        return judge(claim, RankQuantile(0.5, edges, counts), n, error)

    size = verdict(0.0, 0.503).smallest_detectable
    assert size < 0.06
    for sign in (-1.0, 1.0):
        for predicted in (0.493, 0.503):
            shift = predicted - 0.5 + sign * size
            assert np.mean([verdict(shift, predicted).verdict == "refuted" for _ in range(1000)]) > 0.84


def test_the_time_of_a_run_is_that_of_sampling(monkeypatch):
    compiled = direct.compile_kernels
    monkeypatch.setattr(direct, "compile_kernels", lambda plan: (time.sleep(0.5), compiled(plan)))
    start = time.perf_counter()
    result = library.simulate(ENSEMBLE, 4096)
    assert result.seconds < time.perf_counter() - start - 0.5
