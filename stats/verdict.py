"""Claims and verdicts: one simultaneous interval decides, with one error rate for all claims of a run.

Each of the m claims of a run gets an interval at level 1 - alpha / m (Bonferroni), so that with probability 1 - alpha all intervals
hold their true values at once. A claim is `confirmed` when its interval lies wholly within the tolerance of the predicted value,
`refuted` when it lies wholly outside, `undecided` otherwise. So alpha bounds the probability of any wrong word in a run. Where the
run is watched, the intervals are those of confidence sequences, and alpha bounds the probability of a wrong word at any size.
A claim that the sampler assumes is `assumed`: it is not judged, and does not count in m.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from fanin.engine.errors import SpecificationError
from fanin.stats.evidence import Evidence
from fanin.stats.intervals import Interval
from fanin.stats.planning import POWER, networks_for

CONFIRMED, REFUTED, UNDECIDED, ASSUMED = "confirmed", "refuted", "undecided", "assumed"


@dataclass(frozen=True)
class Claim:
    """A predicted value for one quantity of one layer of one ensemble.

    predicted, tolerance : in the units of the quantity; the claim holds of any value within the tolerance.
    error : bound of the numerical error of the prediction. label : "exact", "asymptotic" or "limit".
    expected : the verdict that is as it should be: "confirmed", or "refuted" for a claim known to be false.
    assumed : whether the sampler takes the claim for granted. against : label of another ensemble; then the claim is about the
    difference of the quantity between the two (`two_sample`), in the same layer of the other or in `against_layer`. The other may
    be the same ensemble in another layer.
    """

    id: str
    ensemble: str
    layer: int
    quantity: str
    predicted: float
    tolerance: float
    source: str
    error: float = 0.0
    label: str = "exact"
    expected: str = CONFIRMED
    assumed: bool = False
    against: str = ""
    against_layer: int = 0

    def __post_init__(self) -> None:
        if not math.isfinite(self.predicted):
            raise SpecificationError(f"the prediction of {self.id} is {self.predicted!r}; it must be a finite number")
        if not self.error >= 0.0:
            raise SpecificationError(f"the error of {self.id} is {self.error!r}; it must be a number, at least 0")
        if not 0.0 <= self.tolerance < math.inf:
            raise SpecificationError(f"the tolerance of {self.id} is {self.tolerance!r}; it must be a finite number, at least 0")
        if self.expected not in (CONFIRMED, REFUTED):
            raise SpecificationError(f"{self.id} expects {self.expected!r}; a claim is expected to be confirmed or refuted")
        if self.against and self.against == self.ensemble and self.against_layer in (0, self.layer):
            raise SpecificationError(f"{self.id} compares {self.against!r} with itself; name another ensemble or layer")

    def _repr_html_(self) -> str:
        return (
            f"<code>{escape(self.id)}</code>: {self.predicted:.6g} ± {self.tolerance:.2g}, expected to be {self.expected} "
            f"<i>({escape(self.source)})</i>"
        )


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a run says of a claim.

    interval : the one that decides. evidence : what it comes from. networks : of the ensemble. error : the probability with which
    the interval may miss. watched : whether it may at any size of the run, and not at this one only.
    """

    claim: Claim
    interval: Interval
    verdict: str
    evidence: Evidence
    networks: int
    error: float
    watched: bool = False

    @functools.cached_property
    def p_value(self) -> float:
        """The smallest error at which this claim's interval alone would exclude the predicted value. For information: the interval
        decides. Of a watched run it is valid at every size."""
        claim = self.claim
        return self.evidence.p_value(claim.predicted - claim.error, claim.predicted + claim.error, self.watched)

    @functools.cached_property
    def smallest_detectable(self) -> float:
        """The smallest difference between true and predicted value that a run like this one refutes with probability 0.9, in the
        units of the quantity; infinite where none is."""
        slack = self.claim.tolerance + self.claim.error
        low, high = self.claim.predicted - slack, self.claim.predicted + slack
        size = slack + self.evidence.seen_beyond(low, high, self.error, self.watched, 1.0 - POWER)
        return math.inf if math.isnan(size) or size > self.evidence.range else size

    @functools.cached_property
    def networks_needed(self) -> int | None:
        """For an undecided claim the total of networks per ensemble that should decide it with probability 0.9, if the predicted
        value is the true one or, where the interval excludes it, the estimate; a truth nearer to the edge of the tolerance needs
        more. None when it is decided, or when no number seems to decide it: the estimate is known to a tenth of the tolerance and
        within two standard errors of its edge, or networks are lost."""
        if self.verdict != UNDECIDED or math.isnan(self.interval.estimate):
            return None
        claim, interval, error = self.claim, self.interval, self.evidence.standard_error
        from_edge = abs(abs(interval.estimate - claim.predicted) - claim.tolerance)
        if error <= 0.1 * claim.tolerance and from_edge <= 2.0 * error:
            return None
        may_be_true = interval.low <= claim.predicted <= interval.high
        room = (claim.tolerance if may_be_true else from_edge) - claim.error
        found = networks_for(self.evidence, self.networks, room, self.error, self.watched)
        return None if found is None or found > 1e6 * self.networks else max(found, math.ceil(1.5 * self.networks))

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that the claim expects. A claim that is assumed is no evidence either way."""
        return self.verdict in (self.claim.expected, ASSUMED)

    def _repr_html_(self) -> str:
        interval, sign = self.interval, {CONFIRMED: "✓", REFUTED: "✗", UNDECIDED: "?", ASSUMED: "="}[self.verdict]
        return (
            f"<code>{escape(self.claim.id)}</code>: predicted {self.claim.predicted:.6g} ± {self.claim.tolerance:.2g}, estimate "
            f"{interval.estimate:.6g} [{interval.low:.6g}, {interval.high:.6g}] <b>{sign} {self.verdict}</b>"
        )


def judged(claims: Iterable[Claim]) -> int:
    """How many claims are judged: the m of alpha / m, at least 1."""
    return max(sum(not claim.assumed for claim in claims), 1)


def judge(claim: Claim, evidence: Evidence, networks: int, error: float, watched: bool = False) -> Verdict:
    """Apply the one rule to a claim.

    networks : of the ensemble. error : the probability with which the interval may miss; watched, at any size of the run.

    >>> from fanin.stats.evidence_kinds import Studentised
    >>> claim = Claim("a", "standard", 1, "z.variance", predicted=501.0, tolerance=2.5, source="")
    >>> judge(claim, Studentised("variance", 500.9, 0.2, 10**7), 10**7, 0.001).verdict
    'confirmed'
    """
    interval = evidence.interval(error, watched)
    return Verdict(claim, interval, word_for(claim, interval), evidence, networks, error, watched)


def word_for(claim: Claim, interval: Interval) -> str:
    """Confirmed, refuted, undecided or assumed."""
    if claim.assumed:
        return ASSUMED
    inner, outer = claim.tolerance - claim.error, claim.tolerance + claim.error
    if abs(interval.low - claim.predicted) <= inner and abs(interval.high - claim.predicted) <= inner:
        return CONFIRMED
    if interval.low > claim.predicted + outer or interval.high < claim.predicted - outer:
        return REFUTED
    return UNDECIDED
