"""The kinds of evidence: counts, studentised estimates, means on a known range, Gaussian variances and largest differences.

Each has an interval at any level for a run of a fixed size (`intervals`) and for one that is watched (`sequences`); its p-value is
the error at which that interval ends. Where a closed form or the e-process itself gives it, no search does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from fanin.stats.e_processes import log_bounded, log_normal, log_proportion, log_variance
from fanin.stats.evidence import Evidence, WithProcess
from fanin.stats.intervals import (
    ASYMPTOTIC_FLOOR,
    LEAST_EFFECTIVE,
    Interval,
    bounded_mean,
    kolmogorov_band,
    normal_quantile,
    proportion,
)
from fanin.stats.sequences import LOOKS, bounded_sequence, normal_multiplier, proportion_sequence, variance_sequence

_SCATTER = 3.0
"""By what factor a sum over its largest term may be less in another run, nine times in ten: where eighth powers are summed."""

_SCATTER_OF_MEAN = 3.3
"""How many squares of the mean's error the standard error of another run is at most, nine times in ten, where it has none in the
limit: that of fair coin flips is 2 |Z| of them, with Z the mean's deviation."""

_SCATTER_OF_SUMS = 2.0
"""The same of a sum whose largest term does not grow."""

_RAREST = 1e-16
"""The least probability whose quantiles of counts SciPy works out."""

MANY = 10_000
"""Networks from which on the mean of a bounded moment may be taken to be Gaussian: it rests on the neurons of all of them."""

_CARRIED = 50.0
"""How many squares of the range the sum of squared deviations must hold at least, of which none is larger than one."""


@dataclass(frozen=True)
class Proportion(WithProcess):
    """A probability from a count. successes, trials : floats in a run that is only thought of."""

    successes: float
    trials: float

    @property
    def estimate(self) -> float:  # type: ignore[override]
        return self.successes / self.trials

    @property
    def range(self) -> float:
        return 1.0

    def interval(self, error: float, watched: bool = False) -> Interval:
        if not watched:
            return proportion(self.successes, self.trials, error)
        return Interval(self.estimate, *proportion_sequence(self.successes, self.trials, error), "exact")

    def grown(self, factor: float) -> Proportion:
        return Proportion(self.successes * factor, self.trials * factor)

    @property
    def standard_error(self) -> float:
        chance = (self.successes + 0.5) / (self.trials + 1.0)
        return math.sqrt(chance * (1.0 - chance) / self.trials)

    def log_e(self, value: Any) -> Any:
        return log_proportion(self.trials, self.successes, value)

    def supposing(self, truth: float) -> Proportion:
        """Counts as expected: a rare count of a short run says little."""
        return Proportion(truth * self.trials, self.trials) if 0.0 < truth < 1.0 else self

    def ends(self, error: float, watched: bool, missed: float) -> tuple[float, float]:
        """By the counts themselves, which are far from Gaussian where they are few."""
        seen = self.estimate
        if missed >= 1.0 or seen in (0.0, 1.0):
            return super().ends(error, watched, 1.0)
        rarer = min(seen, 1.0 - seen)  # of both outcomes the rarer one: the other's counts cannot be worked out near 1
        tails = [0.5 * missed, 1.0 - 0.5 * missed]
        few, many = special.bdtrik(tails, self.trials, max(rarer, _RAREST))
        counts = math.floor(few), min(math.ceil(many), self.trials)
        found = [Proportion(count, self.trials).interval(error, watched) for count in counts]
        low, high = found[0].low, found[1].high
        return (low, high) if rarer == seen else (1.0 - high, 1.0 - low)

    def seen_beyond(self, low: float, high: float, error: float, watched: bool, missed: float) -> float:
        beyond = [_shown_above(self.trials, edge, error, watched, missed) - edge for edge in (high, 1.0 - low)]
        return max((value for value in beyond if value < math.inf), default=math.inf)


def _shown_above(trials: float, edge: float, error: float, watched: bool, missed: float) -> float:
    """The least probability whose interval lies above an edge with probability 1 - missed; infinite where none does."""

    def shows(count: float) -> bool:
        if watched:
            return float(log_proportion(trials, count, edge)) >= -math.log(error)
        return float(special.betainc(count, trials - count + 1.0, edge)) <= 0.5 * error

    if not 0.0 <= edge < 1.0 or not shows(math.floor(trials)):
        return math.inf
    least, most = math.floor(trials * edge), math.floor(trials)
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if shows(middle) else (middle, most)
    return float(special.betaincinv(most, trials - most + 1.0, 1.0 - missed))


@dataclass(frozen=True)
class Studentised(Evidence):
    """An estimate whose law nears a Gaussian one, of a kind in `ASYMPTOTIC_FLOOR`. Nothing is decided by it below the floor, or
    where few observations make up the standard error.

    trials : observations. counted : those that the floor is held against. effective : the sum that the standard error is made of,
    over its largest term; it grows with the trials, or with the given power of them where that term grows, too. mean_error : of a
    variance about an estimated mean, the standard error of that mean; its square is all the error that the variance of coin flips
    has. The interval of a variance (of block means, too) is formed on the scale of its logarithm, where its law is closer to
    Gaussian.
    """

    kind: str
    estimate: float
    error_of_estimate: float
    trials: float
    effective: float = math.inf
    counted: float | None = None
    power: float = 1.0
    mean_error: float = 0.0

    def interval(self, error: float, watched: bool = False) -> Interval:
        if not self.is_enough:
            return Interval(self.estimate, 0.0 if self.kind in ("variance", "blockmeans") else -math.inf, math.inf, "asymptotic")
        deviation = normal_multiplier(self.trials, error) if watched else normal_quantile(error)
        of_mean = deviation * self.mean_error
        half = deviation * self.error_of_estimate + of_mean * of_mean
        if self._on_logarithm:
            factor = math.exp(min(half / self.estimate, 700.0))
            return Interval(self.estimate, self.estimate / factor, self.estimate * factor, "asymptotic")
        return Interval(self.estimate, self.estimate - half, self.estimate + half, "asymptotic")

    def grown(self, factor: float) -> Studentised:
        counted = None if self.counted is None else self.counted * factor
        mean_error = self.mean_error / math.sqrt(factor)
        error = math.hypot(self.error_of_estimate / math.sqrt(factor), _SCATTER_OF_MEAN * mean_error * mean_error)
        effective = self.effective * factor
        if self.power < 1.0:
            effective *= min(factor ** (self.power - 1.0), 1.0)
        effective /= _SCATTER if self.power < 1.0 else _SCATTER_OF_SUMS
        trials = self.trials * factor
        return replace(self, error_of_estimate=error, trials=trials, effective=effective, counted=counted, mean_error=mean_error)

    @property
    def standard_error(self) -> float:
        return math.hypot(self.error_of_estimate, math.sqrt(2.0) * self.mean_error * self.mean_error)

    def p_value(self, low: float, high: float, watched: bool = False) -> float:
        nearest = min(max(self.estimate, low), high)
        if not self.is_enough or nearest == self.estimate:
            return 1.0
        distance = abs(self.estimate - nearest)
        if self._on_logarithm:
            distance = self.estimate * abs(math.log(self.estimate / nearest)) if nearest > 0.0 else math.inf
        # The deviation that ends there: the root of deviation * error_of_estimate + (deviation * mean_error)**2 = distance.
        error = self.error_of_estimate + math.hypot(self.error_of_estimate, 2.0 * self.mean_error * math.sqrt(distance))
        deviation = distance / (0.5 * error) if error > 0.0 and distance < math.inf else math.inf
        if watched:
            return math.exp(-max(float(log_normal(self.trials, min(deviation, 1e100))), 0.0))
        return float(special.erfc(deviation / math.sqrt(2.0)))

    @property
    def is_enough(self) -> bool:
        """Whether anything is decided by it."""
        floor = ASYMPTOTIC_FLOOR[self.kind]
        counted = self.trials if self.counted is None else self.counted
        enough = counted >= floor and self.trials >= min(floor, ASYMPTOTIC_FLOOR["mean"]) and self.effective >= LEAST_EFFECTIVE
        return enough and math.isfinite(self.error_of_estimate)

    @property
    def _on_logarithm(self) -> bool:
        return self.kind in ("variance", "blockmeans") and self.estimate > 0.0


@dataclass(frozen=True)
class BoundedMean(WithProcess):
    """The mean of observations that lie between `least` and `most`.

    variance : of those seen (divisor trials). plain : what stands for it at a fixed size from `MANY` observations on, where enough
    of them make up its standard error.
    """

    estimate: float
    variance: float
    trials: float
    least: float = 0.0
    most: float = 1.0
    plain: Studentised | None = None

    @property
    def range(self) -> float:
        return self.most - self.least

    @property
    def settled(self) -> Studentised | None:
        """What stands for it in a run of this size."""
        carried = self.trials * self.variance >= _CARRIED * self.range**2
        return self.plain if self.plain is not None and self.trials >= MANY and carried and self.plain.is_enough else None

    def interval(self, error: float, watched: bool = False) -> Interval:
        if self.settled is not None and not watched:
            return within(self.settled.interval(error), self.least, self.most)
        if not watched:
            variance = self.variance * self.trials / max(self.trials - 1, 1)
            found = bounded_mean(self.estimate, variance, self.trials, self.most - self.least, error)
            return within(found, self.least, self.most)
        low, high = bounded_sequence(self._unit(self.estimate), self._unit_variance, self.trials, error)
        span = self.most - self.least
        return Interval(self.estimate, self.least + span * low, self.least + span * high, "bounded")

    def grown(self, factor: float) -> BoundedMean:
        plain = None if self.plain is None else self.plain.grown(factor)
        return replace(self, trials=self.trials * factor, plain=plain)

    @property
    def standard_error(self) -> float:
        return math.sqrt(max(self.variance, 0.0) / self.trials)

    def log_e(self, value: Any) -> Any:
        return log_bounded(self.trials, self._unit(self.estimate), self._unit_variance, self._unit(value))

    def p_value(self, low: float, high: float, watched: bool = False) -> float:
        if not watched and self.settled is not None:
            return self.settled.p_value(low, high)
        return super().p_value(low, high, watched)

    def _unit(self, value: Any) -> Any:
        return (value - self.least) / (self.most - self.least)

    @property
    def _unit_variance(self) -> float:
        return max(self.variance, 0.0) / (self.most - self.least) ** 2


@dataclass(frozen=True)
class GaussianVariance(WithProcess):
    """The variance of observations that are Gaussian with mean 0 by their claimed law: a watched run has an exact sequence.

    plain : what stands for it at a fixed size, which does not assume the law. trials : observations. squares : their sum of
    squares.
    """

    plain: Studentised
    trials: float
    squares: float

    @property
    def estimate(self) -> float:  # type: ignore[override]
        return self.plain.estimate

    def centre(self, watched: bool) -> float:
        """Of a sequence about the known mean, as it is itself."""
        return self.squares / self.trials if watched else self.estimate

    def interval(self, error: float, watched: bool = False) -> Interval:
        if not watched:
            return self.plain.interval(error)
        return Interval(self.centre(watched), *variance_sequence(self.trials, self.squares, error), "gaussian")

    def grown(self, factor: float) -> GaussianVariance:
        return GaussianVariance(self.plain.grown(factor), self.trials * factor, self.squares * factor)

    @property
    def standard_error(self) -> float:
        return self.plain.standard_error

    def log_e(self, value: Any) -> Any:
        value = np.asarray(value, float)
        found = log_variance(self.trials, self.squares / np.where(value > 0.0, value, 1.0))
        return np.where(value > 0.0, found, np.inf)

    def p_value(self, low: float, high: float, watched: bool = False) -> float:
        return super().p_value(low, high, watched) if watched else self.plain.p_value(low, high)


@dataclass(frozen=True)
class Distance(Evidence):
    """The largest of the differences between sampled means, or a sampled distribution function, and what they should be.

    estimate : the largest difference seen. most : the largest one that the bins leave possible. The sampling error of all
    differences at once is at most span sqrt(ln(2 groups / error) / (2 trials)): Hoeffding 1963 for the means of `groups` groups
    of `trials` observations on a range of length `span`; Massart 1990 for a distribution function (one group of span 1).
    """

    estimate: float
    most: float
    trials: float
    span: float = 1.0
    groups: int = 1

    @property
    def range(self) -> float:
        return self.span

    def interval(self, error: float, watched: bool = False) -> Interval:
        band = self.span * kolmogorov_band(self.trials, (error / LOOKS if watched else error) / self.groups)
        return Interval(self.estimate, max(self.estimate - band, 0.0), min(self.most + band, self.span), "exact")

    def grown(self, factor: float) -> Distance:
        """With what a distance of nothing falls to; what the bins hide stays."""
        estimate = self.estimate / math.sqrt(factor)
        return replace(self, estimate=estimate, most=estimate + self.most - self.estimate, trials=self.trials * factor)

    @property
    def standard_error(self) -> float:
        """A distance of nothing stays below 1.645 of these with probability 0.9."""
        return self.span * kolmogorov_band(self.trials, 0.1 / self.groups) / 1.645


def within(interval: Interval, least: float, most: float) -> Interval:
    """An interval without what lies outside the possible range; the whole line, which says that nothing is known, stays."""
    low, high = interval.low, interval.high
    return replace(interval, low=low if math.isinf(low) else max(low, least), high=high if math.isinf(high) else min(high, most))
