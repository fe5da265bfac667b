"""A quantity of one ensemble against the same quantity of another: what two runs say of their difference.

Where the two runs are independent and both estimates are studentised, their standard errors add in squares (`compared`), those of a
ratio on the scale of its logarithm. Where they are watched and each has an e-process, E and F, their product and their mean are
e-processes of the pair of values; so is E F / 2 + E / 4 + F / 4, and the sequence is of the pairs at which that is below 1/error.
Elsewhere each side has an interval at half the error probability, so that with the whole one both hold their true values at once;
the difference then lies between the two extreme differences, whatever the two are and however their runs depend on each other.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fanin.engine.accumulators import PARTS
from fanin.stats.evidence import Evidence, Mapped, WithProcess
from fanin.stats.evidence_kinds import BoundedMean, GaussianVariance, Studentised
from fanin.stats.intervals import Interval

SCALES = (
    "z.variance",
    *(f"z.variance.{part}" for part in PARTS),
    "phi.variance",
    "slope.variance",
    "slope.meansquare",
    "q",
    "q.lognorm.variance",
    "field.variance",
    "delta.meansquare",
    "delta.kurtosis",
    "delta.median",
    "delta.quantile",
    "delta.lognorm.variance",
    "grad.meansquare",
    "grad.median",
    "grad.quantile",
    "grad.lognorm.variance",
    "jacobian.norm",
    "jacobian.lognorm.variance",
    "slope.mean",
    "slope.median",
    "slope.quantile",
    "change.activation.meansquare",
    "change.activation.median",
    "change.cost.meansquare",
    "change.cost.median",
)
"""Quantities with a unit, or spread over orders of magnitude, and never negative: compared by their ratio, less 1."""

_TOLERANCES = {
    "z.skewness": 0.05,
    "z.kurtosis": 0.2,
    "field.kurtosis": 0.02,
    "delta.kurtosis": 0.1,
    "q.lognorm.mean": 0.03,
    "delta.lognorm.mean": 0.05,
    "grad.lognorm.mean": 0.05,
    "jacobian.lognorm.mean": 0.05,
    "q.lognorm.variance": 0.2,
    "delta.lognorm.variance": 0.2,
    "grad.lognorm.variance": 0.2,
    "jacobian.lognorm.variance": 0.2,
}


_NEURON_TOLERANCES = {
    "z.mean": 0.005,
    "z.variance": 0.005,
    **{f"z.variance.{part}": 0.01 for part in PARTS},
    "z.skewness": 0.01,
    "z.kurtosis": 0.02,
    "z.quantile": 0.05,
    "phi.mean": 0.005,
    "phi.variance": 0.005,
    "parameter.within": 0.0005,
    "z.tail": 0.002,
    "phi.saturated": 0.002,
    "slope.below": 0.002,
}

_LARGEST_LOGARITHM = 700.0

STEPS = 200
"""Steps of the staircase around the pairs of values of two watched runs: each adds less than 1 % to the width."""


@dataclass(frozen=True)
class Difference(Evidence):
    """one - other or, for a scale, one / other - 1.

    independent : as for `compared`.
    """

    one: Evidence
    other: Evidence
    scale: bool
    independent: bool = False

    @property
    def estimate(self) -> float:  # type: ignore[override]
        if not self.scale:
            return self.one.estimate - self.other.estimate
        return self.one.estimate / self.other.estimate - 1.0 if self.other.estimate > 0.0 else math.nan

    @property
    def is_lost(self) -> bool:
        return self.one.is_lost or self.other.is_lost

    def interval(self, error: float, watched: bool = False) -> Interval:
        if self.together is not None and not watched:
            return self.together.interval(error)
        if self.independent and watched and isinstance(self.one, WithProcess) and isinstance(self.other, WithProcess):
            return _joint_sequence(self.one, self.other, error, scale=self.scale)
        one, other = (side.interval(0.5 * error, watched) for side in (self.one, self.other))
        return difference(one, other, scale=self.scale)

    def grown(self, factor: float) -> Difference:
        return replace(self, one=self.one.grown(factor), other=self.other.grown(factor))

    @functools.cached_property
    def together(self) -> Evidence | None:
        """What stands for it at a fixed size, where the two runs are independent and both sides go by studentised estimates."""
        one, other = _studentised(self.one), _studentised(self.other)
        if not self.independent or one is None or other is None or one.kind != other.kind:
            return None
        return _ratio(one, other) if self.scale else _difference(one, other)

    @property
    def standard_error(self) -> float:
        errors = [self.one.standard_error, self.other.standard_error]
        if self.scale:
            sizes = (self.one.estimate, self.other.estimate)
            errors = [error / size if size > 0.0 else math.inf for error, size in zip(errors, sizes, strict=True)]
            errors = [error * abs(1.0 + self.estimate) for error in errors]
        return math.hypot(*errors)


def compared(one: Evidence, other: Evidence, *, scale: bool, independent: bool) -> Evidence:
    """What two runs say of one - other or, for a scale, of one / other - 1.

    independent : whether the runs drew different numbers and, where they are watched, grow together and stop together. Of runs
    that were watched one by one it must be False: a sequence of the difference has one size, not two.

    >>> one, other = Studentised("variance", 2.0, 0.003, 10**6), Studentised("variance", 2.0, 0.004, 10**6)
    >>> together = compared(one, other, scale=True, independent=True).interval(0.01)
    >>> apart = compared(one, other, scale=True, independent=False).interval(0.01)
    >>> f"{together.high:.5f} {apart.high:.5f}"
    '0.00646 0.00987'
    """
    found = Difference(one, other, scale, independent)
    both = isinstance(one, Studentised) and isinstance(other, Studentised)
    return found.together if both and found.together is not None else found


def _studentised(side: Evidence) -> Studentised | None:
    """The studentised estimate that a run of a fixed size goes by; None where it goes by another."""
    if isinstance(side, Studentised):
        return side
    if isinstance(side, BoundedMean):
        return side.settled
    return side.plain if isinstance(side, GaussianVariance) else None


def _difference(one: Studentised, other: Studentised) -> Studentised:
    kind = "mean" if one.kind == "variance" else one.kind  # of the same floor; a difference may be negative
    return _joint(one, other, kind, one.estimate - other.estimate, (1.0, 1.0))


def _ratio(one: Studentised, other: Studentised) -> Evidence | None:
    """By the logarithm, whose law is closer to Gaussian; None where there is none, or no such kind."""
    if one.kind not in ("mean", "variance") or not (0.0 < one.estimate < math.inf and 0.0 < other.estimate < math.inf):
        return None
    estimate = math.log(one.estimate) - math.log(other.estimate)
    return Mapped(_joint(one, other, "mean", estimate, (one.estimate, other.estimate)), _less_one)


def _joint(one: Studentised, other: Studentised, kind: str, estimate: float, units: tuple[float, float]) -> Studentised:
    """With the errors of both, each in its unit; as trustworthy as the weaker of the two."""
    error = math.hypot(one.error_of_estimate / units[0], other.error_of_estimate / units[1])
    mean_error = math.hypot(one.mean_error / math.sqrt(units[0]), other.mean_error / math.sqrt(units[1]))
    counted = [side.trials if side.counted is None else side.counted for side in (one, other)]
    trials, effective = min(one.trials, other.trials), min(one.effective, other.effective)
    return Studentised(kind, estimate, error, trials, effective, min(counted), mean_error=mean_error)


def _joint_sequence(one: WithProcess, other: WithProcess, error: float, *, scale: bool) -> Interval:
    """Of the difference at all pairs of values at which the e-process of the pair is below 1/error.

    The product sees best that both values are off; where one cannot be (of a count of 0), its process is far below 1, and the mean
    sees more. Each side reaches farthest where the other's process is least. Between the two, a staircase encloses the pairs: the
    sequence is wider than it must be by a step or two of `STEPS`, never narrower.
    """
    sides = (one, other)
    left = [float(_left_to_other(side.log_e(side.centre(True)), error)) for side in sides]
    ends = [side.interval(math.exp(-log_e), watched=True) for side, log_e in zip(sides, reversed(left), strict=True)]
    whole = difference(*ends, scale=scale)
    if math.isinf(ends[0].high) or math.isinf(ends[1].high):
        return whole
    low, high = (_corners(sides, pair, error) for pair in ((ends[0].low, ends[1].high), (ends[0].high, ends[1].low)))
    if not scale:
        return replace(whole, low=float((low[0] - low[1]).min()), high=float((high[0] - high[1]).max()))
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest = float((low[0] / low[1]).min()) - 1.0
        highest = float(np.where(high[1] > 0.0, high[0] / high[1], np.inf).max()) - 1.0
    return replace(whole, low=max(whole.low, lowest), high=min(whole.high, highest))  # the whole where that is 0 / 0


def _left_to_other(log_e: Any, error: float) -> Any:
    """ln of what F must stay below at a value of E: of the F at which E F / 2 + E / 4 + F / 4 = 1/error."""
    own = np.exp(np.minimum(log_e, math.log(4.0 / error)))
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(1.0 / error - 0.25 * own, 0.0)) - np.log(0.5 * own + 0.25)


def _corners(sides: tuple[WithProcess, WithProcess], ends: tuple[float, float], error: float) -> tuple[Any, Any]:
    """Where the staircase between the centres of both sides and an end of each has its outer corners."""
    grids = [np.linspace(side.centre(True), end, STEPS + 1) for side, end in zip(sides, ends, strict=True)]
    logs = [np.minimum.accumulate(side.log_e(grid)[::-1])[::-1] for side, grid in zip(sides, grids, strict=True)]
    reached = np.searchsorted(logs[1], _left_to_other(logs[0], error))  # for each inner corner of one, the first of other's beyond
    steps = np.flatnonzero(reached)
    return grids[0][np.minimum(steps + 1, STEPS)], grids[1][np.minimum(reached[steps], STEPS)]


def _less_one(logarithm: Any) -> Any:
    """exp(x) - 1; infinite where the ratio is beyond the range of float64."""
    return np.where(logarithm > _LARGEST_LOGARITHM, np.inf, np.expm1(np.minimum(logarithm, _LARGEST_LOGARITHM)))


def is_scale(name: str) -> bool:
    """Whether a quantity is compared by its ratio.

    >>> is_scale("delta.quantile[0.95]"), is_scale("z.tail[5]")
    (True, False)
    """
    return name.partition("[")[0] in SCALES


def difference(one: Interval, other: Interval, *, scale: bool) -> Interval:
    """The interval of one - other or, for a scale, of one / other - 1.

    one, other : each at half the error probability.

    >>> difference(Interval(2.0, 1.5, 2.5, "exact"), Interval(1.0, 0.5, 1.25, "exact"), scale=False)
    Interval(estimate=1.0, low=0.25, high=2.0, coverage='exact')
    >>> difference(Interval(2.0, 1.5, 2.5, "exact"), Interval(1.0, 0.5, 1.25, "exact"), scale=True).high
    4.0
    """
    coverage = min((one.coverage, other.coverage), key=("asymptotic", "bounded", "gaussian", "exact").index)
    if not scale:
        return Interval(one.estimate - other.estimate, one.low - other.high, one.high - other.low, coverage)
    estimate = one.estimate / other.estimate - 1.0 if other.estimate > 0.0 else math.nan
    low = _over(max(one.low, 0.0), other.high) - 1.0
    high = one.high / other.low - 1.0 if other.low > 0.0 else math.inf
    return Interval(estimate, low, max(high, low), coverage)


def _over(least: float, most: float) -> float:
    """The least ratio: infinite where the other is 0 for certain, and this one is not."""
    if most > 0.0:
        return least / most
    return math.inf if least > 0.0 else 0.0


def difference_tolerance(name: str, std: float = 1.0, neuron: bool = False) -> float:
    """The default tolerance of a difference that should be 0: relative for a scale, else absolute.

    std : standard deviation of z, the unit of means and quantiles of z. neuron : whether it is about single neurons, which are
    sampled by the million; their tolerances are those of the claims of theory.

    >>> difference_tolerance("z.variance"), difference_tolerance("z.variance", neuron=True)
    (0.02, 0.005)
    """
    base = name.partition("[")[0]
    unit = std if base in ("z.mean", "z.quantile") else 1.0
    if neuron and base in _NEURON_TOLERANCES:
        return _NEURON_TOLERANCES[base] * unit
    if base in _TOLERANCES:
        return _TOLERANCES[base]
    if base in ("z.mean", "z.quantile"):
        return (0.02 if base == "z.mean" else 0.1) * unit
    if base.endswith((".quantile", ".median")) or base == "change.cost.meansquare":
        return 0.15
    if base.startswith(("delta.mean", "grad.mean", "jacobian")):
        return 0.05
    return 0.02 if base in SCALES else 0.01
