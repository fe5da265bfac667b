"""What fits when something is refuted: each near miss of an ensemble is tested on what was sampled, or on what was claimed.

Two questions are told apart. Where the sample does not agree with the theory of the ensemble as specified, the *sample* is that of
another ensemble: of which? Where it does agree, it is the *claim* that is wrong: of which ensemble, or of which other number, is
the claimed value?

A sample is tested on every quantity that theory predicts in the layer of the first refutation, the layers next to it, the first and
the last. Each gets an interval at the level of the report divided by the number of ensembles that are diagnosed and of quantities
(one of a sequence, where the run was watched): so the mistake that was made, if it is in the list, is struck out with probability
`alpha` at most. A near miss fits if no interval excludes what its theory predicts; limits and leading orders are given the
tolerance that covers what they neglect. One whose theory is silent about what was refuted explains nothing, and is not tested.

Those that fit are ranked by the Gaussian likelihood of the estimates that are nearly independent of each other: mean, variance and
kurtosis of z in each layer tested and, with a cost, the mean of ln |delta|. Half of the tolerance of a limit is added to the
standard error, in squares. What the theory of a near miss does not say counts as one standard error. Two mistakes at once are taken
to be 20 times less likely than one, before anything is sampled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fanin.claim_diagnosis import claim_candidates, explains, value_of
from fanin.engine.errors import SpecificationError
from fanin.judges import Judge, NeuronJudge, judge_of
from fanin.near_misses import NearMiss, near_misses
from fanin.report import Report
from fanin.stats.intervals import Interval
from fanin.stats.verdict import REFUTED, Verdict
from fanin.trials import SAMPLED, Candidate, Sample, Trial, is_design, ranked

SAMPLE, CLAIM, DEPENDENCE, DIFFERENCE = "sample", "claim", "dependence", "difference"
MOST_CLAIMS = 8
"""Claims that are diagnosed one by one for each ensemble."""

_BACKWARD = ("delta.", "grad.", "jacobian.", "change.cost.")


@dataclass(frozen=True)
class Diagnosis:
    """What fits a refutation.

    kind : "sample" (what was sampled is another ensemble), "claim" (the claimed value is that of something else), "dependence"
    (what should be independent is not) or "difference" (two ensembles differ where theory says that they do not, and each by itself
    agrees with its theory); no near miss explains the last two. claims : ids of the refuted claims that it is about.
    quantity, layer : of the first of them; claimed : its value; specified : what theory says of the ensemble as specified (None
    where it says nothing); estimate, low, high : what was sampled; against : the ensemble that the claim compares it with, if any,
    and then estimate, low and high are of the difference.
    fitting : near misses that fit, best first. nearest : those that fit least badly among the others. tested : near misses whose
    theory says something of it; silent : the others.
    """

    kind: str
    ensemble: str
    layer: int
    quantity: str
    claims: tuple[str, ...]
    claimed: float
    specified: float | None
    estimate: float
    low: float
    high: float
    against: str = ""
    fitting: tuple[Candidate, ...] = ()
    nearest: tuple[Candidate, ...] = ()
    tested: int = 0
    silent: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values; None where a number is not finite."""
        return {
            "kind": self.kind,
            "ensemble": self.ensemble,
            "layer": self.layer,
            "quantity": self.quantity,
            "claims": list(self.claims),
            "claimed": _finite(self.claimed),
            "specified": None if self.specified is None else _finite(self.specified),
            "estimate": _finite(self.estimate),
            "low": _finite(self.low),
            "high": _finite(self.high),
            "against": self.against,
            "fitting": [candidate.to_dict() for candidate in self.fitting],
            "nearest": [candidate.to_dict() for candidate in self.nearest],
            "tested": self.tested,
            "silent": self.silent,
        }


def diagnose(report: Report) -> list[Diagnosis]:
    """What fits the claims of a report that are refuted and were not expected to be; nothing where there are none.

    Examples
    --------
    >>> from fanin import Claim, Ensemble, Study, verify
    >>> forgotten = Claim("a", "neuron", 1, "z.variance", predicted=5.0, tolerance=0.3, source="5 inputs are on")
    >>> study = Study("bias", "", {"neuron": Ensemble((10, 1))}, (forgotten,), quantities=("z.variance",))
    >>> found = diagnose(verify(study, networks=2**17))[0]
    >>> found.kind, found.specified, found.fitting[0].sentences[0]
    ('claim', 6.0, 'the bias is missing')
    """
    refuted = [v for v in report.verdicts if v.verdict == REFUTED and v.claim.expected != REFUTED]
    about = {label: [v for v in refuted if label in (v.claim.ensemble, v.claim.against)] for label in report.study.ensembles}
    about = {label: verdicts for label, verdicts in about.items() if verdicts}
    found = [one for label, verdicts in about.items() for one in _of_ensemble(report, label, verdicts, len(about))]
    # Of two samples that differ, one that contradicts its own theory is to blame.
    blamed = {claim for one in found if one.kind == SAMPLE for claim in one.claims}
    return [one for one in found if one.kind != DIFFERENCE or not blamed.issuperset(one.claims)]


def _of_ensemble(report: Report, label: str, verdicts: list[Verdict], ensembles: int) -> list[Diagnosis]:
    judge = _judge(report, label)
    own = [v for v in verdicts if v.claim.ensemble == label]
    design = [v for v in own if is_design(v.claim.quantity) and _contradicts(v, judge)]
    values = [v for v in verdicts if v not in design]
    found = [_diagnosis(DEPENDENCE, label, design, judge)] if design else []
    if not values:
        return found
    layer, first = _first(values, label)
    near = {1, layer - 1, layer, layer + 1, judge.layers[-1]}
    layers = [one for one in judge.layers if one in near]
    extra = {(v.claim.layer, v.claim.quantity) for v in own if not v.claim.against and v.claim.layer in layers}
    extra = {place for place in extra if not is_design(place[1])}
    sample = Sample(report.results[label], judge, layers, extra, report.alpha / ensembles, report.watched)
    specified = sample.trial(judge, full=True)
    if specified.excluded or any(_contradicts(v, judge) for v in own if v not in design):
        sampled, best = _sample(sample, specified.places, layer, first, values)
        unexplained = design if best is None else [v for v in design if _contradicts(v, best)]
        return [sampled, *([_diagnosis(DEPENDENCE, label, unexplained, judge)] if unexplained else [])]
    claims = [v for v in values if v.claim.ensemble == label]
    return [_claim(report, label, judge, v, claims) for v in claims[:MOST_CLAIMS]] + found


def _sample(
    sample: Sample, specified: set[tuple[int, str]], layer: int, first: Verdict, verdicts: list[Verdict]
) -> tuple[Diagnosis, Judge | None]:
    """The near misses that the sample fits, and the judge of the best. specified : places where the specified theory speaks."""
    judge, claim = sample.judge, first.claim
    places = [(layer, name) for name in (claim.quantity, *SAMPLED)]
    needed = [place for place in places if place in specified]
    trials: dict[str, Trial | None] = {}
    known = sample.in_advance(near_misses(judge.theory.ensemble, layer))
    for miss, in_advance in known:
        if miss.key not in trials:
            trials[miss.key] = in_advance or _trial(sample, miss, needed[:1])
    heard = [(miss, trial) for miss, _ in known if (trial := trials[miss.key]) is not None]
    fitting, nearest = ranked(heard, sample, (layer, claim.quantity))
    counts = {"tested": len(heard), "silent": len(known) - len(heard)}
    ordered = [first, *(v for v in verdicts if v is not first)]
    best = next((_mistaken(sample, miss) for miss, _ in heard if fitting and miss.name == fitting[0].names[0]), None)
    return _diagnosis(SAMPLE, judge.label, ordered, judge, fitting=fitting, nearest=nearest, **counts), best


def _mistaken(sample: Sample, miss: NearMiss) -> Judge | None:
    """The judge of a near miss; None where there is no theory of it, or it is of another kind."""
    result = sample.result
    try:
        judge = judge_of(sample.judge.label, miss.ensemble, result.method, result.seed, result.networks)
    except SpecificationError:
        return None
    return judge if isinstance(judge, NeuronJudge) == isinstance(sample.judge, NeuronJudge) else None


def _trial(sample: Sample, miss: NearMiss, needed: list[tuple[int, str]]) -> Trial | None:
    """How a near miss stands the tests; None where its theory says nothing of what is needed to explain the refutation."""
    judge = _mistaken(sample, miss)
    if judge is None:
        return None
    trial = sample.trial(judge)
    return trial if trial.comparisons and (trial.short or trial.places.issuperset(needed)) else None


def _claim(report: Report, label: str, judge: Judge, verdict: Verdict, verdicts: list[Verdict]) -> Diagnosis:
    """The near misses whose value is the claimed one; none where theory agrees with a claim about two ensembles."""
    if verdict.claim.against and explains(value_of(report, judge, verdict.claim), verdict.claim):
        return _diagnosis(DIFFERENCE, label, [verdict], judge)
    return _diagnosis(CLAIM, label, [verdict], judge, **claim_candidates(report, judge, verdict, verdicts))


def _diagnosis(kind: str, label: str, verdicts: list[Verdict], judge: Judge, **found: Any) -> Diagnosis:
    claim, interval = verdicts[0].claim, verdicts[0].interval
    return Diagnosis(
        kind=kind,
        ensemble=label,
        layer=claim.layer,
        quantity=claim.quantity,
        claims=tuple(v.claim.id for v in verdicts),
        claimed=claim.predicted,
        specified=None if claim.against else _specified(judge, claim.quantity, claim.layer),
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        against=claim.against,
        **found,
    )


def _specified(judge: Judge, quantity: str, layer: int) -> float | None:
    try:
        return float(judge.claim(quantity, layer).predicted)
    except SpecificationError:
        return None


def _contradicts(verdict: Verdict, judge: Judge) -> bool:
    """Whether the interval of a verdict excludes what theory says of the ensemble as specified."""
    claim = verdict.claim
    if claim.against:
        return False
    try:
        own = judge.claim(claim.quantity, claim.layer)
    except SpecificationError:
        return False
    slack = own.error if own.label == "exact" else own.tolerance
    interval: Interval = verdict.interval
    return not interval.low - slack <= own.predicted <= interval.high + slack


def _first(verdicts: list[Verdict], label: str) -> tuple[int, Verdict]:
    """Where the first refutation is on the way through the network (or on the way back), and its verdict."""

    def layer_of(verdict: Verdict) -> int:
        claim = verdict.claim
        return claim.layer if claim.ensemble == label else claim.against_layer or claim.layer

    forward = [v for v in verdicts if not v.claim.quantity.startswith(_BACKWARD)]
    order = min if forward else max
    layer = order(layer_of(v) for v in forward or verdicts)
    there = [v for v in forward or verdicts if layer_of(v) == layer]
    return layer, next((v for name in SAMPLED for v in there if v.claim.quantity == name), there[0])


def _judge(report: Report, label: str) -> Judge:
    result = report.results[label]
    return judge_of(label, report.study.ensembles[label], result.method, result.seed, result.networks)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
