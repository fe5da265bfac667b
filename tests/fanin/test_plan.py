"""`plan`: what it announces is what runs of that size do."""

import json
import math

import pytest
from scipy import special, stats

from fanin import Ensemble, Study, plan, verify
from fanin.engine.errors import SpecificationError
from fanin.plan_table import duration
from fanin.stats.evidence import Unknown
from fanin.stats.evidence_kinds import Distance, GaussianVariance, Proportion, Studentised
from fanin.stats.planning import networks_for
from fanin.stats.verdict import CONFIRMED, REFUTED, Claim

NEURON = Ensemble((4, 1), "scaled")
ALPHA = 0.01


def claim(predicted=1.5, tolerance=0.03, quantity="z.variance", **options):
    return Claim(f"own/1/{quantity}/mine", "own", 1, quantity, predicted, tolerance, "here", **options)


def study(*claims, quantities=(), networks=200_000, ensemble=NEURON):
    return Study("own", "", {"own": ensemble}, claims, networks, quantities)


def test_a_variance_needs_what_the_formula_says():
    """(kurtosis - 1) ((z_alpha + z_beta/2) / tolerance)^2 networks: to 2.7 %, as the pilot of 8192 estimates the kurtosis."""
    found = plan(study(claim()), alpha=ALPHA).claims[0]
    quantiles = special.ndtri(1 - ALPHA / 2) + special.ndtri(0.95)
    assert found.needed == pytest.approx(2.0 * (quantiles / 0.02) ** 2, rel=0.14)
    watched = plan(study(claim()), alpha=ALPHA, until="decided").claims[0]
    assert 1.2 * found.needed < watched.needed < 2.5 * found.needed
    assert plan(study(claim()), alpha=ALPHA, tolerance=2.0).claims[0].needed == pytest.approx(found.needed / 4, rel=0.05)


@pytest.mark.parametrize(
    "one",
    [
        claim(),
        claim(0.5, 0.004, "phi.mean"),
        claim(0.0, 0.02, "z.law"),
        claim(2.0145, 0.08, "z.quantile[0.95]"),
        claim(0.4142, 0.01, "z.tail[1]"),
        claim(1.56, 0.03, expected=REFUTED),
    ],
    ids=lambda one: one.quantity + one.expected,
)
def test_runs_of_the_announced_size_decide(one, false_failure):
    """60 seeds at the announced size: power 0.9 gives fewer than the bound with the stated rate, power 0.5 nearly always.
    At a fifth of it nothing much is decided."""
    tested = study(one)
    needed = plan(tested, alpha=ALPHA).claims[0].needed

    def decided(networks, seeds):
        runs = (verify(tested, networks=networks, seed=seed, alpha=ALPHA) for seed in range(seeds))
        return sum(run.verdicts[0].verdict == one.expected for run in runs)

    least = int(stats.binom.ppf(false_failure, 60, 0.9))
    assert stats.binom.sf(least - 1, 60, 0.5) < 0.05
    assert decided(needed, 60) >= least
    assert decided(needed // 5, 10) <= 5


def test_the_smallest_detectable_deviation_is_detected(false_failure):
    """A claim that is off by as much is refuted in nine runs of ten; one off by the tolerance in none."""
    at = plan(study(claim()), networks=50_000, alpha=ALPHA).claims[0].smallest_detectable
    assert at > 0.03
    off = study(claim(1.5 + at))
    refuted = sum(verify(off, networks=50_000, seed=seed).verdicts[0].verdict == REFUTED for seed in range(60))
    least, most = (int(stats.binom.ppf(p, 60, power)) for p, power in ((false_failure, 0.9), (1 - false_failure, 0.9)))
    assert stats.binom.sf(least - 1, 60, 0.5) < 0.05
    assert least <= refuted <= most
    edge = study(claim(1.53))
    assert not any(verify(edge, networks=50_000, seed=seed).verdicts[0].verdict == REFUTED for seed in range(20))


def test_all_claims_together_need_more_than_each():
    found = plan(study(quantities=("z.variance", "z.mean", "z.kurtosis")), tolerance=4.0)
    assert found.needed >= max(one.needed for one in found.claims)
    assert {v.verdict for v in verify(found.study, networks=found.needed, tolerance=4.0).verdicts} == {CONFIRMED}


def test_what_no_number_decides():
    """A tolerance narrower than a bin; a tolerance of nothing; a claim whose edge is the truth. What theory knows is said."""
    narrow = claim(2.0145, 1e-4, "z.quantile[0.95]")
    edge, true, wrong = claim(1.53), claim(expected=REFUTED), claim(1.6)
    found = plan(study(narrow, claim(tolerance=0.0), edge, true, wrong))
    assert [one.needed for one in found.claims[:3]] == [None] * 3
    assert [(one.word, one.truth) for one in found.claims[3:]] == [(CONFIRMED, 1.5), (REFUTED, 1.5)]
    assert found.needed is None
    text = " ".join(repr(found).split())
    assert "No number of networks decides own/1/z.quantile[0.95]/mine, and 2 more, within the tolerance." in text
    assert text.count("own/1/z.variance/mine will be confirmed: theory says 1.5.") == 1
    assert text.count("own/1/z.variance/mine will be refuted: theory says 1.5.") == 1
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_plan_is_the_same_for_any_number_of_threads():
    one, two = (plan(study(claim()), threads=threads) for threads in (1, 2))
    assert [c.needed for c in one.claims] == [c.needed for c in two.claims]
    assert one.pilot == two.pilot == 8192
    assert one.rates["own"] > 0.0


def test_networks_are_planned():
    ensemble = Ensemble((20, 10, 5), "scaled", "tanh", "on:20", cost="linear")
    found = plan(ensemble, method="conditional", networks=10_000)
    assert {one.claim.layer for one in found.claims} == {1, 2}
    assert "layer quantity" in repr(found)
    assert all(one.smallest_detectable > one.claim.tolerance for one in found.claims)


def test_evidence_of_other_sizes():
    """Four times the networks halve what is random, and leave the estimate."""
    for one in (
        Studentised("mean", 1.0, 0.1, 10_000),
        GaussianVariance(Studentised("variance", 2.0, 0.1, 10_000), 10_000, 20_000.0),
        Proportion(300, 1000),
    ):
        grown = one.grown(4.0)
        assert grown.estimate == one.estimate
        assert grown.standard_error == pytest.approx(one.standard_error / 2, rel=1e-2)
        for watched in (False, True):
            narrow, wide = (e.interval(0.01, watched) for e in (grown, one))
            assert (narrow.high - narrow.low) / (wide.high - wide.low) == pytest.approx(0.5, rel=0.06)
    assert Distance(0.01, 0.012, 10_000).grown(4.0).estimate == 0.005
    assert networks_for(Unknown(), 100, 1.0, 0.01) is None
    assert networks_for(Proportion(0, 100), 100, 0.01, 0.01, power=0.0) == pytest.approx(math.log(200) / 0.01, rel=0.02)


def test_command_line(fanin):
    code, out, err = fanin("plan", "--widths", "6,1", "--tolerance", "4")
    assert (code, err) == (0, "")
    assert "quantity" in out
    assert "are decided with probability 0.9 by" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    code, out, err = fanin("plan", "--widths", "6,1", "--tolerance", "4", "--json", "--networks", "1e6")
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (code, err, found["networks"]) == (0, "", 1_000_000)
    assert found["needed"] >= max(one["needed"] for one in found["claims"])
    assert found["seconds"] > 0.0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing",), "study is 'nothing'"),
        (("all",), "plan takes one study that is to be sampled, not 'all'"),
        (("run.json",), "not 'run.json'"),
        (("--alpha", "0"), "alpha is 0"),
        (("--until", "tomorrow"), "until is 'tomorrow'"),
        (("deep", "--widths", "3,1"), "--widths describes a network of your own"),
        (("--networks", "-5"), "networks is -5"),
    ],
)
def test_bad_input_is_one_sentence(fanin, arguments, sentence):
    code, out, err = fanin("plan", *arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_results_are_not_planned():
    report = verify(study(claim()), networks=5000)
    for subject in (report, report.results["own"]):
        with pytest.raises(SpecificationError, match="takes a study"):
            plan(subject)


def test_durations():
    assert duration(59.6) == "60 s"
    assert duration(3600 * 30) == "1.2 days"


def test_a_plan_for_a_single_network(fanin):
    """Too few for a spread; what decides is announced all the same."""
    code, out, err = fanin("plan", "--widths", "6,4,3", "--scheme", "standard", "--networks", "1", "--json")
    found = json.loads(out)
    assert (code, err, found["networks"]) == (0, "", 1)
    assert all(one["needed"] > 1 for one in found["claims"])
