"""Trials: an ensemble's theory against what was sampled, quantity by quantity; what no quantity excludes fits.

The rules of level, likelihood and standard errors are those of `fanin.diagnosis`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.judges import Judge
from fanin.near_misses import NearMiss
from fanin.result import Result
from fanin.stats.evidence import Evidence

SAMPLED = ("z.variance", "z.kurtosis", "z.mean")
"""The moments that are tested first, and that a likelihood is made of."""

_WITH_COST = "delta.lognorm.mean"
_OF_HYPOTHESIS = ("z.law", "parameter.within", "phi.quantile", "slope.quantile", "slope.median")
"""Quantities whose estimate is a matter of the ensemble that is supposed, and not of the sample alone."""

NEAREST = 3
_DOUBLE = math.log(20.0)
_SAME = 0.1
"""Predictions that differ by less than this many standard errors cannot be told apart."""

_LARGE, _LARGE_FOR_SUMS = 1_000_000, 20_000
_MOST_OF_LARGE = 6
"""Of data with more numbers than the first, this many near misses at most are worked out, and their first moments only. Where
weights are not normal, whole laws are left out from the second on: each would take seconds to hours."""


def is_design(name: str) -> bool:
    """Whether a quantity is about how networks are drawn, and not about their law."""
    return name.startswith(("independence.", "field.")) and name != "independence.neurons.squares"


@dataclass(frozen=True)
class Comparison:
    """One prediction against one estimate.

    deviation : of the prediction from the estimate, in standard deviations. widening : these over the standard error: 1 but for
    limits. excluded : by the interval.
    """

    layer: int
    quantity: str
    predicted: float
    deviation: float
    widening: float
    excluded: bool

    @property
    def away(self) -> float:
        """The size of the deviation."""
        return abs(self.deviation)


@dataclass(frozen=True)
class Trial:
    """All comparisons of one ensemble. likelihood : logarithm, up to a number that is the same for all ensembles.

    short : whether only the first moments were compared.
    """

    comparisons: tuple[Comparison, ...]
    likelihood: float
    short: bool = False

    @property
    def excluded(self) -> bool:
        """Whether any quantity excludes the ensemble."""
        return any(comparison.excluded for comparison in self.comparisons)

    @property
    def farthest(self) -> Comparison:
        """The comparison that speaks most against the ensemble."""
        return max(self.comparisons, key=lambda comparison: (comparison.excluded, comparison.away))

    @property
    def places(self) -> set[tuple[int, str]]:
        """Layers and quantities that were compared."""
        return {(one.layer, one.quantity) for one in self.comparisons}

    def predicted(self, place: tuple[int, str]) -> float:
        """The prediction for a layer and a quantity; NaN where there is none."""
        found = (one.predicted for one in self.comparisons if (one.layer, one.quantity) == place)
        return next(found, math.nan)


@dataclass(frozen=True)
class Candidate:
    """Near misses that cannot be told apart, and how they fit.

    names, sentences : of the mistakes. predicted : what they say of the quantity of the diagnosis; None where they say nothing.
    likelihood : relative to the best one that fits; None where claims are diagnosed. away : the largest distance, in standard
    errors; of a claim the distance in tolerances. farthest : where that distance is. explains : refuted claims of the ensemble that
    the near misses explain.
    """

    names: tuple[str, ...]
    sentences: tuple[str, ...]
    predicted: float | None
    likelihood: float | None
    away: float
    farthest: str
    explains: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "names": list(self.names),
            "sentences": list(self.sentences),
            "predicted": self.predicted,
            "likelihood": self.likelihood,
            "away": self.away if math.isfinite(self.away) else None,
            "farthest": self.farthest,
            "explains": self.explains,
        }


class Sample:
    """What was sampled of one ensemble, measured once.

    judge : of the ensemble as specified. layers : those tested. extra : layers and quantities that are tested beyond those that
    theory predicts by default. alpha : probability that any interval misses, at most. watched : whether it may at any size of the
    run.
    """

    def __init__(
        self, result: Result, judge: Judge, layers: Sequence[int], extra: set[tuple[int, str]], alpha: float, watched: bool
    ) -> None:
        self.result, self.judge, self.watched = result, judge, watched
        names = [(layer, name) for layer in layers for name in SAMPLED]
        names += [(layer, name) for layer in layers for name in judge.names(layer) if not is_design(name)]
        self.places = list(dict.fromkeys([*names, *sorted(extra)]))
        self.error = alpha / len(self.places) * len(layers) / len(judge.layers)  # the layers were chosen by what was refuted
        self._measured: dict[tuple[int, str], Evidence | None] = {}
        ranking = [place for place in self.places if place[1] in (*SAMPLED, _WITH_COST)]
        self.ranking = [place for place in ranking if self.evidence(judge, *place) is not None]

    def trial(self, judge: Judge, full: bool = False) -> Trial:
        """Theory of an ensemble against the sample; beyond the first moments only where these do not exclude it, unless `full`."""
        found = [one for place in self.places if place in self.ranking and (one := self._compared(judge, *place))]
        short = not full and (any(one.excluded for one in found) or _takes_long(judge.theory.ensemble))
        if not short:
            found += [one for place in self.places if place not in self.ranking and (one := self._compared(judge, *place))]
        return self._trial(found, short)

    def in_advance(self, misses: list[NearMiss]) -> list[tuple[NearMiss, Trial | None]]:
        """Near misses with the trials that need no theory of their own: of large data, those that Var z of layer 1 excludes.

        Where only the laws of layer 1 change, Var z follows from the specified one. The other near misses are kept up to a number.
        """
        own = self.judge.theory.ensemble
        if own.inputs.data is None or own.inputs.data.size <= _LARGE:
            return [(miss, None) for miss in misses]
        kept, full = [], 0
        for miss in misses:
            if miss.ensemble.inputs is not own.inputs:
                continue
            comparison = self._variance_in_advance(miss.ensemble)
            if comparison is not None and comparison.excluded:
                kept.append((miss, self._trial([comparison], True)))
            elif full < _MOST_OF_LARGE:
                kept.append((miss, None))
                full += 1
        return kept

    def evidence(self, judge: Judge, layer: int, quantity: str) -> Evidence | None:
        """What the run says of a quantity; None where that is nothing."""
        own = judge.theory.ensemble.activation == self.judge.theory.ensemble.activation
        if judge is self.judge or (own and not quantity.startswith(_OF_HYPOTHESIS)):
            if (layer, quantity) not in self._measured:
                self._measured[layer, quantity] = self._evidence(self.judge, layer, quantity)
            return self._measured[layer, quantity]
        return self._evidence(judge, layer, quantity)

    def _evidence(self, judge: Judge, layer: int, quantity: str) -> Evidence | None:
        try:
            found = judge.evidence(quantity, layer, self.result.layers[layer])
        except (SpecificationError, KeyError):  # not recorded under the ensemble that is supposed
            return None
        interval = found.interval(self.error, self.watched)
        return found if math.isfinite(interval.estimate) and math.isfinite(interval.high - interval.low) else None

    def _compared(self, judge: Judge, layer: int, quantity: str) -> Comparison | None:
        try:
            claim = judge.claim(quantity, layer)
        except SpecificationError:
            return None
        evidence = self.evidence(judge, layer, quantity)
        if evidence is None or not math.isfinite(claim.predicted):
            return None
        exact = claim.label == "exact"
        return self._comparison(layer, quantity, float(claim.predicted), claim.error if exact else claim.tolerance, exact, evidence)

    def _comparison(self, layer: int, quantity: str, predicted: float, slack: float, exact: bool, evidence: Evidence) -> Comparison:
        interval = evidence.interval(self.error, self.watched)
        standard_error = evidence.standard_error or 0.5 * (interval.high - interval.low)  # nothing varied: the interval says all
        spread = standard_error if exact else math.hypot(standard_error, 0.5 * slack)
        distance = max(abs(interval.estimate - predicted) - (slack if exact else 0.0), 0.0)
        away = distance / spread if spread > 0.0 else (math.inf if distance > 0.0 else 0.0)
        widening = spread / standard_error if standard_error > 0.0 else 1.0
        excluded = not interval.low - slack <= predicted <= interval.high + slack
        return Comparison(layer, quantity, predicted, math.copysign(away, predicted - interval.estimate), widening, excluded)

    def _trial(self, comparisons: list[Comparison], short: bool) -> Trial:
        ranked_by = [one for one in comparisons if (one.layer, one.quantity) in self.ranking]
        likelihood = -0.5 * sum(one.away**2 for one in ranked_by) - sum(math.log(one.widening) for one in ranked_by)
        return Trial(tuple(comparisons), likelihood - 0.5 * (len(self.ranking) - len(ranked_by)), short)

    def _variance_in_advance(self, mistaken: Ensemble) -> Comparison | None:
        own = self.judge.theory.ensemble
        evidence = self.evidence(self.judge, 1, "z.variance")
        if evidence is None or own.weight_mean or mistaken.weight_mean or not own.weight_variance:
            return None
        claim = self.judge.claim("z.variance", 1)
        share = (claim.predicted - own.bias_variance) / own.weight_variance
        predicted = share * mistaken.weight_variance + mistaken.bias_variance
        return self._comparison(1, "z.variance", predicted, 1e-9 * predicted, True, evidence)


def _takes_long(ensemble: Ensemble) -> bool:
    """Whether the law of z takes long to work out, as it does for many rows of data."""
    data, weights = ensemble.inputs.data, ensemble.first_scheme.weights
    plain = weights.family == "normal" and not weights.zero
    return data is not None and data.size > (_LARGE if plain else _LARGE_FOR_SUMS)


def ranked(
    heard: Sequence[tuple[NearMiss, Trial]], sample: Sample, place: tuple[int, str]
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """Candidates that fit, by their likelihood, and the nearest of those that do not."""
    fit = sorted((one for one in heard if not one[1].excluded), key=_weight, reverse=True)
    unfit = sorted((one for one in heard if one[1].excluded), key=lambda one: (-one[1].likelihood, one[1].farthest.away))
    best = _weight(fit[0]) if fit else math.nan
    fitting = [_candidate(group, place, math.exp(_weight(group[0]) - best)) for group in _groups(fit, sample)]
    nearest = [_candidate(group, place, None) for group in _groups(unfit, sample, NEAREST)]
    return tuple(fitting), tuple(nearest)


def _weight(one: tuple[NearMiss, Trial]) -> float:
    """The logarithm of the likelihood, with what two mistakes are less likely than one."""
    return one[1].likelihood - _DOUBLE * one[0].double


def _groups(
    trials: Sequence[tuple[NearMiss, Trial]], sample: Sample, most: int | None = None
) -> list[list[tuple[NearMiss, Trial]]]:
    """Near misses that predict the same, together with the best of them."""
    groups: list[list[tuple[NearMiss, Trial]]] = []
    for miss, trial in trials:
        home = next((group for group in groups if _same(group[0], (miss, trial))), None)
        if home is not None:
            home.append((miss, trial))
        elif most is None or len(groups) < most:
            groups.append([(miss, trial)])
    return groups


def _same(one: tuple[NearMiss, Trial], other: tuple[NearMiss, Trial]) -> bool:
    """Whether two near misses cannot be told apart: they draw the same, or differ by little in every quantity."""
    if one[0].key == other[0].key:
        return True
    first = {(c.layer, c.quantity): c for c in one[1].comparisons}
    second = {(c.layer, c.quantity): c for c in other[1].comparisons}
    return first.keys() == second.keys() and all(
        abs(first[place].deviation - second[place].deviation) < _SAME and first[place].excluded == second[place].excluded
        for place in first
    )


def _candidate(group: list[tuple[NearMiss, Trial]], place: tuple[int, str], likelihood: float | None) -> Candidate:
    _, trial = group[0]
    far, predicted = trial.farthest, trial.predicted(place)
    where = far.quantity if far.layer == place[0] else f"{far.quantity} of layer {far.layer}"
    return Candidate(
        names=tuple(dict.fromkeys(miss.name for miss, _ in group)),
        sentences=tuple(dict.fromkeys(miss.sentence for miss, _ in group)),
        predicted=None if math.isnan(predicted) else predicted,
        likelihood=likelihood,
        away=far.away,
        farthest=where,
    )
