"""Of what a claimed value is the value: a near miss of the ensemble, or another number of the ensemble as specified.

A near miss explains a claim if what it predicts lies within the tolerance of the claimed value, or rounds to it (three digits).
First come those that explain most of the refuted claims of the ensemble, then those with one mistake, then the closest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from fanin.engine.accumulators import FLAT
from fanin.engine.errors import SpecificationError
from fanin.judges import Judge, NetworkJudge, judge_of
from fanin.near_misses import NearMiss, near_misses
from fanin.report import Report
from fanin.stats.intervals import Interval
from fanin.stats.two_sample import difference, is_scale
from fanin.stats.verdict import Claim, Verdict
from fanin.trials import NEAREST, Candidate

_ROUNDED = 5e-4
_LARGE = 1_000_000
_MOST_OF_LARGE = 6
_SHARES = ("z.tail", "phi.saturated", "slope.below", "share.dead", "delta.below", "parameter.within")

_AVERAGES = ("mean", "median", "meansquare", "variance")
_SATURATION = ("phi.saturated", f"slope.below[{FLAT:g}]")
_BASES = ("phi.saturated", "slope.below")

Found = tuple[str, str, float, int, bool]
"""Name, sentence, value, claims explained, whether it has two mistakes."""


def claim_candidates(report: Report, judge: Judge, verdict: Verdict, verdicts: list[Verdict]) -> dict[str, Any]:
    """What a claim could have meant: the fields `fitting`, `nearest`, `tested` and `silent` of a diagnosis.

    judge : of the ensemble as specified. verdicts : all refuted claims of the ensemble.
    """
    claim = verdict.claim
    misses = _worked_out(near_misses(judge.theory.ensemble, claim.layer), judge)
    found: list[Found] = [(name, sentence, value, 1, False) for name, sentence, value in _readings(judge, verdict)]
    readings = len(found)
    for miss in misses:
        mistaken = _judge(report, judge, miss)
        value = None if mistaken is None else value_of(report, mistaken, claim)
        if mistaken is None or value is None:
            continue
        explained = sum(explains(value_of(report, mistaken, v.claim), v.claim) for v in verdicts)
        found.append((miss.name, miss.sentence, value, explained, miss.double))
    tested = len(found) - readings
    fit = [one for one in found if explains(one[2], claim)]
    true = _predicted(judge, claim.quantity, claim.layer)
    unfit = [one for one in found if not explains(one[2], claim) and not _is_true(one[2], true, claim)]
    fit.sort(key=lambda one: (-one[3], one[4], round(_distance(one[2], claim), 1)))
    unfit.sort(key=lambda one: _distance(one[2], claim))
    return {
        "fitting": _candidates(fit, claim, None),
        "nearest": _candidates(unfit, claim, NEAREST),
        "tested": tested,
        "silent": len(misses) - tested,
    }


def _worked_out(misses: list[NearMiss], judge: Judge) -> list[NearMiss]:
    """All near misses or, where each takes long because data are large, the first ones."""
    data = judge.theory.ensemble.inputs.data
    return misses if data is None or data.size <= _LARGE else misses[:_MOST_OF_LARGE]


def _judge(report: Report, judge: Judge, miss: NearMiss) -> Judge | None:
    result = report.results[judge.label]
    try:
        return judge_of(judge.label, miss.ensemble, result.method, result.seed, result.networks)
    except SpecificationError:
        return None


def value_of(report: Report, judge: Judge, claim: Claim) -> float | None:
    """What an ensemble predicts of the quantity of a claim; of a comparison with another ensemble, as that one is specified."""
    try:
        value = judge.claim(claim.quantity, claim.layer).predicted
        if not claim.against:
            return float(value)
        other = judge
        if claim.against != judge.label:
            result = report.results[claim.against]
            ensemble = report.study.ensembles[claim.against]
            other = judge_of(claim.against, ensemble, result.method, result.seed, result.networks)
        second = other.claim(claim.quantity, claim.against_layer or claim.layer).predicted
    except SpecificationError:
        return None
    one, two = (Interval(number, number, number, "exact") for number in (value, second))
    apart = difference(one, two, scale=is_scale(claim.quantity)).estimate
    return None if math.isnan(apart) else float(apart)


def _distance(value: float, claim: Claim) -> float:
    """Between a value and the claimed one, in tolerances; infinite where the tolerance is 0."""
    room = max(claim.tolerance, _ROUNDED * abs(claim.predicted))
    apart = abs(value - claim.predicted)
    return apart / room if room > 0.0 else (math.inf if apart else 0.0)


def explains(value: float | None, claim: Claim) -> bool:
    """Whether a value could be the claimed one."""
    return value is not None and _distance(value, claim) <= 1.0


def _is_true(value: float, true: float | None, claim: Claim) -> bool:
    """Whether a near miss predicts what the ensemble as specified does: it is no explanation of another value."""
    return true is not None and not claim.against and abs(value - true) <= max(claim.tolerance, _ROUNDED * abs(true))


def _candidates(found: list[Found], claim: Claim, most: int | None) -> tuple[Candidate, ...]:
    """Those with one value and one number of explained claims together."""
    groups: dict[tuple[str, int], list[Found]] = {}
    for one in found:
        key = (f"{one[2]:.9g}", one[3])
        if key in groups or most is None or len(groups) < most:
            groups.setdefault(key, []).append(one)
    return tuple(
        Candidate(
            names=tuple(name for name, *_ in group),
            sentences=tuple(sentence for _, sentence, *_ in group),
            predicted=group[0][2],
            likelihood=None,
            away=_distance(group[0][2], claim),
            farthest=claim.quantity,
            explains=count,
        )
        for (_, count), group in groups.items()
    )


def _readings(judge: Judge, verdict: Verdict) -> Iterator[tuple[str, str, float]]:
    """Other numbers of the ensemble as specified that could be taken for the quantity: name, sentence, value."""
    claim = verdict.claim
    if claim.against:
        return
    base, _, argument = claim.quantity.partition("[")
    value = _predicted(judge, claim.quantity, claim.layer)
    value = verdict.interval.estimate if value is None else value
    if base.endswith(("variance", "meansquare")) or base == "q":
        kind = "standard deviation, not the variance" if base.endswith("variance") else "root mean square, not the mean square"
        yield "std", f"it is the {kind}", math.sqrt(max(value, 0.0))
        yield "squared", f"it is the square of {claim.quantity}", value**2
    elif base.endswith("kurtosis"):
        yield "excess", "it is the excess kurtosis: less 3", value - 3.0
        yield "gaussian", "it is the kurtosis of a Gaussian", 3.0
    elif base in _SHARES:
        yield "one side", "it is half the share: of one side only", 0.5 * value
        yield "complement", "it is the share of all others", 1.0 - value
        yield "percent", "it is a percentage", 100.0 * value
    elif ".lognorm." in base:
        yield "decimal logarithm", "it is the decimal logarithm", value / math.log(10.0)
        yield "half", "it is the logarithm of the root", 0.5 * value
        yield "double", "it is the logarithm of the square", 2.0 * value
    elif base.endswith("quantile"):
        rank = float(argument.rstrip("]"))
        one_side, two_sides = "the share in one tail, not in both", "the share in both tails, not in one"
        for other, words in ((1.0 - rank, "the other side"), (2.0 * rank - 1.0, one_side), (0.5 + 0.5 * rank, two_sides)):
            if 0.0 < other < 1.0 and (found := _predicted(judge, f"{base}[{other:.12g}]", claim.layer)) is not None:
                yield f"rank {other:g}", f"it is the quantile of rank {other:g}: {words}", found
    if value:
        yield "sign", "it has the other sign", -value
    yield from _elsewhere(judge, claim, base)


def _elsewhere(judge: Judge, claim: Claim, base: str) -> Iterator[tuple[str, str, float]]:
    """The quantity of other layers and at infinite width, and the quantities next to it."""
    for layer in judge.layers:
        if layer != claim.layer and (found := _predicted(judge, claim.quantity, layer)) is not None:
            yield f"layer {layer}", f"it is {claim.quantity} of layer {layer}", found
    if base == "z.variance" and isinstance(judge, NetworkJudge) and claim.layer <= len(judge.theory.layers):
        yield "limit", "it is the limit of infinite width", float(judge.theory.layers[claim.layer - 1].gaussian.q)
    variable, _, what = base.partition(".")
    siblings = [f"{variable}.{one}" for one in _AVERAGES] if what in _AVERAGES else list(_SATURATION) if base in _BASES else []
    for name in siblings:
        if name != claim.quantity and (found := _predicted(judge, name, claim.layer)):
            yield name, f"it is {name}", found


def _predicted(judge: Judge, quantity: str, layer: int) -> float | None:
    try:
        return float(judge.claim(quantity, layer).predicted)
    except SpecificationError:
        return None
