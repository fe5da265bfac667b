"""Planted faults at the size that `plan` announces: each is refuted, or refused; without a fault the same runs are as expected.

A selection of the campaign "faults" (docs/trust.md): wrong specifications, predictions and users' mistakes of single neurons, which
need no changed copy of the engine. Sizes are those of the plan of the right study, and seeds are fixed: a right program fails only
where the stream itself changes (each right run is decided with probability 0.9, and refuted with 0.01 at most). What a study must
see is that plan's own smallest detectable difference; a tenth of it must not be refuted.
"""

import ast
import dataclasses

import pytest

from fanin.engine.spec import Ensemble
from fanin.run_planning import plan
from fanin.stats.verdict import REFUTED
from fanin.verification import verify
from tests.campaigns.engine_entries import FAULTS as ENGINE
from tests.campaigns.engine_faults import NAMES, build_copy
from tests.campaigns.fault_studies import STANDARD, one
from tests.campaigns.planted import Fault, control, trial
from tests.campaigns.prediction_faults import PREDICTIONS
from tests.campaigns.specification_faults import SPECIFICATIONS
from tests.campaigns.user_faults import USERS

CHOSEN = {
    "truncation not rescaled",
    "bias from the law of the weights",
    "uniform for normal",
    "biases of 0.1",
    "independent for orthogonal",
    "neurons start in the linear range",
    "the median of phi' is its mean",
    "data not scaled",
    "weights of three values",
    "own law, wrong variance",
    "own activation, wrong derivative",
    "one seed for both sides",
}
FAULTS = [fault for fault in (*SPECIFICATIONS, *PREDICTIONS, *USERS) if fault.name in CHOSEN]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_caught_at_the_announced_size(fault):
    found = trial(fault, "", watched=False)
    assert found.as_expected
    assert bool(found.caught_by) != bool(found.sentence)


def test_all_chosen_faults_are_there():
    assert {fault.name for fault in FAULTS} == CHOSEN


def test_faults_of_the_engine_still_find_their_place(tmp_path):
    """The campaign's copy of the engine is made and is Python; every switch in it has an entry, and every entry a switch."""
    build_copy(tmp_path)
    for source in (tmp_path / "engine").glob("*.py"):
        ast.parse(source.read_text())
    assert set(ENGINE) == set(NAMES)


@pytest.fixture(scope="module")
def planned():
    return plan(STANDARD)


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_right_study_is_as_expected_at_the_announced_size(seed, planned):
    report = verify(STANDARD, networks=planned.needed, seed=seed)
    assert report.exit_code == 0


def test_a_difference_as_small_as_announced_is_refuted_and_a_tenth_of_it_is_not(planned):
    """The variance of the weights is changed: by the smallest detectable difference at the announced size, and by a tenth of it."""
    sized = next(one for one in plan(STANDARD, networks=planned.needed).claims if one.claim.quantity == "z.variance")
    for part, is_refuted in ((1.0, True), (0.1, False)):
        std = (1.0 + part * sized.smallest_detectable / 10.0) ** 0.5
        other = Ensemble((20, 1), f"normal:{std!r}+normal:1", inputs="on:10")
        found = trial(Fault("variance", "", STANDARD, ("z.variance",), {"it": other}), "", watched=False)
        assert bool(found.caught_by) == is_refuted


def test_a_fault_that_no_study_is_about_is_not_caught():
    """The trial itself can fail: a fault that is none, and one that the named quantity does not show."""
    assert not trial(Fault("none", "", STANDARD, ("z.variance",)), "", watched=False).as_expected
    uniform = next(fault for fault in FAULTS if fault.name == "uniform for normal")
    assert not trial(dataclasses.replace(uniform, catches=("z.variance",)), "", watched=False).as_expected
    assert control(uniform).refuted == ()


def test_a_false_claim_stands_among_the_right_ones():
    study = one("a", Ensemble((4, 1), inputs="on:2"), quantities=("z.mean", "z.variance"), networks=2**16)
    wrong = Fault("wrong", "", study, ("z.variance",), wrong={"it/1/z.variance": 30.0})
    assert trial(wrong, "", watched=False, size=2**16).refuted == ("z.variance (layer 1)",)
    assert not any(verdict.verdict == REFUTED for verdict in verify(study, seed=11).verdicts)
    with pytest.raises(ValueError, match="a has no claim it/1/z"):
        trial(dataclasses.replace(wrong, wrong={"it/1/z.law": 1.0}), "", size=2**16)
