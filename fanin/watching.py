"""`--until decided`: a run that grows in rounds and stops as soon as every claim is confirmed or refuted.

Each round adds at most a quarter. Every look judges all claims anew from the sums so far, by intervals that hold at all looks at
once, so that stopping by what is seen costs nothing of the error rate. The report of the last look is a function of the results
alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

from fanin.claims import claims_of
from fanin.engine.errors import SpecificationError
from fanin.engine.stream import MAX_NETWORKS
from fanin.executors import available_threads
from fanin.judges import Judge, judge_of
from fanin.report import Report
from fanin.result import Result
from fanin.sampling import extended, sampled, step_of
from fanin.stats.planning import networks_for
from fanin.stats.sequences import LOOKS
from fanin.stats.verdict import CONFIRMED, UNDECIDED, Claim, Verdict
from fanin.studies import Study
from fanin.summing import Place
from fanin.verification import judge_all

GROWTH = 1.25
"""Most by which a run grows from one look to the next."""

LARGEST = 100
"""A watched run ends at this multiple of the study's default size, unless told otherwise."""


def watch(
    study: Study,
    methods: dict[str, str],
    seed: int,
    alpha: float,
    tolerance: float,
    max_networks: int | None = None,
    place: Place | None = None,
    look: Callable[[Report], object] | None = None,
) -> Report:
    """Sample a study until every claim is decided, or never will be as networks are lost, or up to `max_networks` per ensemble.

    methods : sampler by ensemble. place : where it is computed and kept. look : called with the report of every look. The rest as
    for `verify`.

    Raises
    ------
    SpecificationError
        Where the run could never end (a tolerance of zero), is too short to decide a claim, or has no sequence (rows in turn).
    """
    sizes = look_sizes(study, methods, max_networks)
    place = place or Place(available_threads())
    _check(study, methods, seed, sizes[0], tolerance)
    results: dict[str, Result] = {}
    report = None
    for number, size in enumerate(sizes):
        for label, ensemble in study.ensembles.items():
            if number == 0:
                results[label] = dataclasses.replace(sampled(ensemble, size, seed, methods[label], place), watched=True)
            else:
                results[label] = extended(results[label], size, place)
        report = judge_all(study, dict(results), alpha, tolerance, watched=True)
        if number == 0:
            _check_size(_pilot(study, report, methods, seed, place), sizes[-1])
        if look is not None:
            look(report)
        if all(verdict.verdict != UNDECIDED or verdict.evidence.is_lost for verdict in report.verdicts):
            break
    assert report is not None
    return report


def _pilot(study: Study, first: Report, methods: dict[str, str], seed: int, place: Place) -> list[Verdict]:
    """Verdicts at the usual first look, from which needs are foreseen: those of the run's own, or of a longer one."""
    usual = look_sizes(study, methods)[0]
    if next(iter(first.results.values())).networks >= usual:
        return first.verdicts
    results = {label: sampled(ensemble, usual, seed, methods[label], place) for label, ensemble in study.ensembles.items()}
    return judge_all(study, results, first.alpha, first.tolerance, watched=True).verdicts


def look_sizes(study: Study, methods: dict[str, str], max_networks: int | None = None) -> list[int]:
    """Networks per ensemble at each look: whole pieces, at most a quarter apart, from four pieces on to the maximum."""
    step = math.lcm(*(step_of(ensemble, methods[label]) for label, ensemble in study.ensembles.items()))
    last = min(LARGEST * study.networks, MAX_NETWORKS) if max_networks is None else max_networks
    sizes = list(_geometric(step, math.ceil(1.0 / (GROWTH - 1.0)) * step, last))
    assert len(sizes) <= LOOKS  # a quarter each reaches the largest run in 200
    return sizes


def _geometric(step: int, first: int, last: int) -> Iterator[int]:
    size = first
    while size < last:
        yield size
        size += max(step, int(size * (GROWTH - 1.0)) // step * step)
    yield last


def _check(study: Study, methods: dict[str, str], seed: int, networks: int, tolerance: float) -> None:
    """Refuse what no watched run could decide."""
    for label, ensemble in study.ensembles.items():
        if ensemble.inputs.in_turn:
            raise SpecificationError(
                f"{label} takes rows in turn, and its networks are not alike: until decided needs rows at random; leave in-turn out"
            )
    judges = {label: judge_of(label, one, methods[label], seed, networks) for label, one in study.ensembles.items()}
    for claim in claims_of(study, methods, seed, networks):
        allowed = claim.tolerance * tolerance
        if not claim.assumed and not allowed > claim.error:
            what = f"{allowed:g}" if allowed == 0.0 else f"{allowed:g}, below the error {claim.error:.2g} of its prediction"
            raise SpecificationError(
                f"the tolerance of {claim.id} is {what}: no run confirms it, and until decided would never end; "
                f"{_nearest(claim, judges[claim.ensemble])}, or run a fixed number of networks, which can refute it"
            )


def _nearest(claim: Claim, judge: Judge) -> str:
    """The tolerance that would end a run: theory's own, or a small part of the prediction."""
    try:
        usual = 0.0 if claim.against else judge.claim(claim.quantity, claim.layer).tolerance
    except SpecificationError:
        usual = 0.0
    usual = usual or 0.005 * abs(claim.predicted) or 0.005
    return f"give it one, such as {max(usual, 4.0 * claim.error):.3g}"


def _check_size(verdicts: list[Verdict], last: int) -> None:
    """Refuse a maximum at which not even an estimate that hits the prediction would be confirmed."""
    short = []
    for verdict in verdicts:
        if verdict.verdict == UNDECIDED and verdict.claim.expected == CONFIRMED:
            room = verdict.claim.tolerance - verdict.claim.error
            needed = networks_for(verdict.evidence, verdict.networks, room, verdict.error, watched=True, power=0.0)
            if needed is None and math.isfinite(verdict.interval.high - verdict.interval.low):
                raise SpecificationError(
                    f"no number of networks confirms {verdict.claim.id} within {verdict.claim.tolerance:.3g}: until decided would "
                    "never end; give it a larger tolerance"
                )
            if needed is not None and needed > last:
                short.append((needed, verdict.claim.id))
    if short:
        needed, name = max(short)
        others = f", nor are {len(short) - 1} more claims" if len(short) > 1 else ""
        raise SpecificationError(
            f"max_networks is {last}, and {name} is not confirmed below about {needed:.2g} networks{others}; give at least "
            f"{1.5 * needed:.2g}, or a larger tolerance"
        )
