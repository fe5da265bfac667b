"""Evidence: what a run says of one quantity, reduced to the few numbers from which an interval at any level follows.

An interval is of a run of a size fixed in advance (`intervals`) or, where the run is watched, one of a confidence sequence that
holds at every size at once (`sequences`). Its coverage says what it rests on:

- "exact": valid at every size for every law (counts, order statistics, distribution functions);
- "gaussian": valid at every size where the observations are Gaussian with a known mean;
- "bounded": valid at every size for every law on a known range;
- "asymptotic": a studentised estimate, valid as the number of networks grows.

Here stands what all evidence has in common; the kinds of evidence are in `evidence_kinds`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from fanin.stats.intervals import Interval

_ONE_SIGMA = 0.31731050786291415
_ALMOST_SURE = 1.0 - 1e-9  # an error at which an interval is as narrow as it can be
_HARDLY = 1e-6  # one at which an interval holds the truth for practical purposes
_HALVINGS, _GRID = 24, 4097


class Evidence(ABC):
    """What a run says of one quantity. estimate : NaN where there is none."""

    estimate: float

    @abstractmethod
    def interval(self, error: float, watched: bool = False) -> Interval:
        """The interval that misses with probability `error` at most; watched, at any size of the run."""

    @abstractmethod
    def grown(self, factor: float) -> Evidence:
        """The same estimate from `factor` times as many networks."""

    def centre(self, watched: bool) -> float:
        """The value that the interval is about."""
        return self.estimate

    @property
    def range(self) -> float:
        """The largest difference that two values of the quantity can have."""
        return math.inf

    @property
    def is_lost(self) -> bool:
        """Whether nothing will ever be known, as networks are lost (to overflow, say)."""
        return False

    @property
    def grain(self) -> float:
        """By how much more an interval may reach to one side, as bins divide the line."""
        return 0.0

    @property
    def standard_error(self) -> float:
        """Of the estimate; by default half of the interval of one standard deviation."""
        found = self.interval(_ONE_SIGMA)
        return 0.5 * (found.high - found.low)

    def supposing(self, truth: float) -> Evidence:
        """What is to be expected of a run of this size if the true value is another one than the estimate."""
        return self

    def ends(self, error: float, watched: bool, missed: float) -> tuple[float, float]:
        """Between which the whole interval lies with probability 1 - missed, where the true value is the estimate.

        missed : 1 of an estimate that hits it.
        """
        found = self.interval(error, watched)
        away = -float(special.ndtri(0.5 * missed)) * self.standard_error if missed < 1.0 else 0.0
        return found.low - away, found.high + away

    def reach(self, error: float, watched: bool, missed: float) -> float:
        """How far from the true value these ends lie at most."""
        low, high = self.ends(error, watched, missed)
        return max(high - self.centre(watched), self.centre(watched) - low)

    def seen_beyond(self, low: float, high: float, error: float, watched: bool, missed: float) -> float:
        """How far outside [low, high] a true value lies that puts the whole interval there with probability 1 - missed; the larger
        one of both sides, infinite where there is none."""
        half = self.reach(error, watched, 1.0)
        return half - float(special.ndtri(missed)) * self.standard_error + self.grain

    def p_value(self, low: float, high: float, watched: bool = False) -> float:
        """The smallest error at which the interval lies outside [low, high]; 1 where none does. Watched: valid at every size."""

        def outside(log_error: float) -> bool:
            found = self.interval(math.exp(log_error), watched)
            return found.low > high or found.high < low

        least, most = -700.0, -1e-9
        if not outside(most):
            return 1.0
        if outside(least):
            return math.exp(least)
        for _ in range(_HALVINGS):
            middle = 0.5 * (least + most)
            least, most = (least, middle) if outside(middle) else (middle, most)
        return math.exp(most)


class WithProcess(Evidence):
    """Evidence with an e-process of its own: its sequence is the values at which that is below 1/error.

    The process is least at the centre of a watched run, and never falls on the way to either side.
    """

    @abstractmethod
    def log_e(self, value: Any) -> Any:
        """ln of the e-process at a value, or at each of an array."""

    def p_value(self, low: float, high: float, watched: bool = False) -> float:
        if not watched:
            return super().p_value(low, high)
        nearest = min(max(self.centre(watched), low), high)
        return math.exp(-max(float(self.log_e(nearest)), 0.0))


@dataclass(frozen=True)
class Unknown(Evidence):
    """Nothing can be said. lost : because networks are lost, so that a longer run will not change it."""

    estimate: float = math.nan
    coverage: str = "asymptotic"
    lost: bool = False

    @property
    def is_lost(self) -> bool:
        return self.lost

    def interval(self, error: float, watched: bool = False) -> Interval:
        return Interval(self.estimate, -math.inf, math.inf, self.coverage)

    def grown(self, factor: float) -> Unknown:
        return self


@dataclass(frozen=True)
class Mapped(Evidence):
    """A monotone function of another quantity, within [least, inf)."""

    inner: Evidence
    function: Callable[[Any], Any]
    least: float = -math.inf

    @property
    def estimate(self) -> float:  # type: ignore[override]
        return float(self.function(np.array(self.inner.estimate)))

    @property
    def is_lost(self) -> bool:
        return self.inner.is_lost

    def interval(self, error: float, watched: bool = False) -> Interval:
        found = self.inner.interval(error, watched)
        ends = [float(value) for value in self.function(np.maximum([found.low, found.high], self.least))]
        return Interval(self.estimate, min(ends), max(ends), found.coverage)

    @property
    def grain(self) -> float:
        found = self.interval(_ALMOST_SURE)
        return found.high - found.low if self.inner.grain else 0.0

    def grown(self, factor: float) -> Mapped:
        return replace(self, inner=self.inner.grown(factor))

    def supposing(self, truth: float) -> Mapped:
        low, high = self.inner.ends(_HARDLY, False, _HARDLY)
        if not math.isfinite(high - low):
            return self
        grid = np.linspace(low, high, _GRID)
        values = self.function(np.maximum(grid, self.least))
        nearest = float(grid[np.abs(values - truth).argmin()])
        return replace(self, inner=self.inner.supposing(nearest))

    def ends(self, error: float, watched: bool, missed: float) -> tuple[float, float]:
        values = [float(value) for value in self.function(np.maximum(self.inner.ends(error, watched, missed), self.least))]
        return min(values), max(values)

    @property
    def standard_error(self) -> float:
        away = self.inner.standard_error
        ends = self.function(np.maximum([self.inner.estimate - away, self.inner.estimate + away], self.least))
        return 0.5 * abs(float(ends[1]) - float(ends[0]))
