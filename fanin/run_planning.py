"""`plan`: what a run will be able to see, before it is made: from a short measurement of the study on this machine.

The standard errors of a pilot run, of another seed, are carried over to other sizes (`stats.planning`). The true values are taken
to be those of theory. Where it says nothing, claims are taken to be true, and those that should be refuted to be as the pilot
estimates.
"""

from __future__ import annotations

import dataclasses
import math
from concurrent import futures
from dataclasses import dataclass
from typing import Any

import fanin
from fanin.claims import claims_of, methods_of
from fanin.engine.errors import SpecificationError
from fanin.engine.stream import MAX_NETWORKS, MAX_SEED
from fanin.judges import Judge, judge_of
from fanin.provenance import provenance
from fanin.result import Result
from fanin.sampling import check_method, extended, simulate, step_of, whole_number
from fanin.stats.planning import POWER, networks_for
from fanin.stats.verdict import ASSUMED, CONFIRMED, REFUTED, Claim, Verdict, judge
from fanin.studies import Study
from fanin.summing import Place
from fanin.verification import ALPHA, check_alpha, check_factor, check_until, judge_all, study_of

_PART = 32  # the pilot is this part of the study's default size
_LEAST, _LEAST_SECONDS = 2048, 0.2


@dataclass(frozen=True)
class PlannedClaim:
    """What is to be expected of one claim.

    word : the verdict that is to be expected, as the true value is taken to be `truth`. lost : whether networks are lost, so that
    nothing will be known. needed : networks per ensemble that decide it with probability 0.9; None where no number does.
    networks_of_all : the same with so high a probability that all claims of the study together are decided with 0.9.
    smallest_detectable : the smallest difference between true and predicted value that the planned run refutes with probability
    0.9, in the units of the quantity. seconds : for `needed`, on this machine.
    """

    claim: Claim
    word: str
    truth: float
    lost: bool
    needed: int | None
    networks_of_all: int | None
    smallest_detectable: float
    seconds: float | None


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run of a study will be able to see.

    networks : per ensemble, for which `smallest_detectable` holds. claims : those that are judged. rates : networks a second by
    ensemble, measured with `pilot` networks each. watched : whether the run is one until decided.
    """

    study: Study
    networks: int
    claims: list[PlannedClaim]
    rates: dict[str, float]
    pilot: int
    threads: int
    alpha: float
    tolerance: float
    watched: bool

    @property
    def needed(self) -> int | None:
        """Networks per ensemble that decide all claims with probability 0.9; None where no number does."""
        numbers = [planned.networks_of_all for planned in self.claims]
        known = [number for number in numbers if number is not None]
        return max(known) if len(known) == len(numbers) else None

    def seconds(self, networks: int) -> float:
        """Of a run of so many networks per ensemble."""
        return sum(networks / rate for rate in self.rates.values())

    def to_dict(self) -> dict[str, Any]:
        """In plain values, as `fanin plan --json` prints it."""
        return {
            "fanin": fanin.__version__,
            "study": self.study.name,
            "networks": self.networks,
            "seconds": self.seconds(self.networks),
            "needed": self.needed,
            "seconds_needed": None if self.needed is None else self.seconds(self.needed),
            "power": POWER,
            "alpha": float(self.alpha),
            "tolerance_factor": float(self.tolerance),
            "until": "decided" if self.watched else None,
            "pilot": self.pilot,
            "rates": self.rates,
            "claims": [_plain(planned) for planned in self.claims],
            "provenance": provenance(self.threads),
        }

    def __repr__(self) -> str:
        from fanin.plan_table import plain_text

        return plain_text(self)


def plan(
    subject: Any = "single-neuron",
    *,
    networks: int | float | None = None,
    seed: int = 501,
    method: str | None = None,
    threads: int | None = None,
    executor: futures.Executor | None = None,
    alpha: float = ALPHA,
    tolerance: float = 1.0,
    until: str | None = None,
) -> Plan:
    """How many networks decide each claim of a study, what a run sees, and how long it takes on this machine.

    Parameters
    ----------
    subject : Study, Ensemble or str
        As for `verify`, but nothing that is sampled already.
    networks : int, optional
        Networks per ensemble of the run that is planned; by default what the study says.
    until : str, optional
        "decided": for a run that is watched. Its intervals are wider, and it stops earlier than planned as a rule.
    seed, method, threads, executor, alpha, tolerance
        As for `verify`.

    Raises
    ------
    SpecificationError
        For a value that cannot be sampled or judged.

    Examples
    --------
    >>> from fanin import Ensemble
    >>> found = plan(Ensemble(widths=(10, 1)), tolerance=4)
    >>> found.needed < 10_000_000
    True
    """
    check_alpha(alpha)
    check_factor(tolerance)
    check_until(until, None, None)
    if method is not None:
        check_method(method)
    study = study_of(subject)
    size = whole_number(study.networks if networks is None else networks, "networks", 1, MAX_NETWORKS)
    seed = whole_number(seed, "seed", 0, MAX_SEED)
    methods = methods_of(study, method, seed, size)
    claims_of(study, methods, seed, size)  # what cannot be judged is refused before any work
    pilot = {
        label: _measured(ensemble, MAX_SEED - seed, methods[label], study.networks, threads, executor)
        for label, ensemble in study.ensembles.items()
    }
    report = judge_all(study, pilot, alpha, tolerance, until is not None)
    judges = {label: judge_of(label, one, methods[label], seed, size) for label, one in study.ensembles.items()}
    judged = [verdict for verdict in report.verdicts if verdict.verdict != ASSUMED]
    rates = {label: result.networks / max(result.seconds, 1e-9) for label, result in pilot.items()}
    return Plan(
        study=study,
        networks=size,
        claims=[_planned(verdict, judges, size, len(judged), rates) for verdict in judged],
        rates=rates,
        pilot=next(iter(pilot.values())).networks,
        threads=next(iter(pilot.values())).threads,
        alpha=alpha,
        tolerance=tolerance,
        watched=until is not None,
    )


def _measured(
    ensemble: Any, seed: int, method: str, networks: int, threads: int | None, executor: futures.Executor | None
) -> Result:
    """A pilot run, long enough to be timed; what is carried over to other sizes is its first part alone, of fixed size."""
    step = step_of(ensemble, method)
    size = max(step, -(-max(networks // _PART, _LEAST) // step) * step)
    result = longer = simulate(ensemble, size, seed, method, threads=threads, executor=executor)
    while longer.seconds < _LEAST_SECONDS and 2 * longer.networks <= MAX_NETWORKS:
        longer = extended(longer, 2 * longer.networks, Place(longer.threads, executor))
    return dataclasses.replace(result, seconds=longer.seconds * result.networks / longer.networks)


def _planned(verdict: Verdict, judges: dict[str, Judge], networks: int, claims: int, rates: dict[str, float]) -> PlannedClaim:
    claim, truth = verdict.claim, _truth(verdict, judges)
    evidence = verdict.evidence.supposing(truth)
    off = abs(truth - claim.predicted)
    room = abs(off - claim.tolerance) - claim.error
    sides = 1.0 if off < claim.tolerance else 2.0  # an estimate that errs away from the prediction refutes all the more
    found = [
        networks_for(evidence, verdict.networks, room, verdict.error, verdict.watched, 1.0 - sides * missed)
        for missed in (1.0 - POWER, (1.0 - POWER) / claims)
    ]
    at = judge(claim, evidence.grown(networks / verdict.networks), networks, verdict.error, verdict.watched)
    runs = [claim.ensemble, *([claim.against] if claim.against not in ("", claim.ensemble) else [])]
    return PlannedClaim(
        claim=claim,
        word=CONFIRMED if off < claim.tolerance else REFUTED,
        truth=truth,
        lost=evidence.is_lost,
        needed=found[0],
        networks_of_all=found[1],
        smallest_detectable=at.smallest_detectable,
        seconds=None if found[0] is None else sum(found[0] / rates[label] for label in runs),
    )


def _truth(verdict: Verdict, judges: dict[str, Judge]) -> float:
    """What the quantity of a claim is: by theory, or as it is claimed to be; if it should be refuted, as the pilot estimates it."""
    claim = verdict.claim
    if not claim.against:
        try:
            return judges[claim.ensemble].claim(claim.quantity, claim.layer).predicted
        except SpecificationError:
            pass
    return claim.predicted if claim.expected == CONFIRMED else verdict.interval.estimate


def _plain(planned: PlannedClaim) -> dict[str, Any]:
    claim, detectable = planned.claim, planned.smallest_detectable
    return {
        "id": claim.id,
        "ensemble": claim.ensemble,
        "layer": claim.layer,
        "quantity": claim.quantity,
        "predicted": claim.predicted,
        "tolerance": claim.tolerance,
        "expected": claim.expected,
        "verdict": planned.word,
        "truth": planned.truth if math.isfinite(planned.truth) else None,
        "needed": planned.needed,
        "needed_of_all": planned.networks_of_all,
        "seconds": planned.seconds,
        "smallest_detectable": detectable if math.isfinite(detectable) else None,
    }
