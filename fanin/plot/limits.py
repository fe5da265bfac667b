"""Quantiles and tails of z with exact binomial limits that hold for all points of a plot at once.

Guarantee: limits are those of counts at fixed edges of recorded bins. The edges are chosen by the predicted law (or, without one,
by the predicted mean and variance), never by the data, so that each count is binomial. Rounding of z to float32 is neglected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from fanin.engine.accumulators import bin_edges
from fanin.plot.sample import Sample, recorded
from fanin.stats.intervals import proportion
from fanin.stats.symmetric_law import SymmetricLaw

_SCORE_STEP = 0.25
_TAIL_STEP = 3  # points in a decade


@dataclass(frozen=True, eq=False)
class Scores:
    """Standardised z less the normal quantile of its rank, at recorded edges; `low` and `high` hold all of them at once.

    standardised : normal quantiles of the predicted law F at the edges, Phi^-1(F(z)). deviation : that less Phi^-1 of the sampled
    share below the edge; infinite where the share is 0 or 1.
    """

    sample: Sample
    standardised: np.ndarray
    deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def inside(self) -> bool:
        """Whether no point leaves the band."""
        return bool(np.all((self.low <= self.deviation) & (self.deviation <= self.high)))


def scores_of(found: Sequence[Sample], alpha: float) -> list[Scores]:
    """Scores of the ensembles whose law is known, with one band at level 1 - alpha for all of them.

    The number of networks below a fixed edge is binomial with the predicted probability there. Each point leaves the band when
    Clopper and Pearson's interval (1934) for that probability, with the error alpha over the number of all points, misses it; so
    a right prediction has every point inside with probability at least 1 - alpha (Bonferroni), at every number of networks. The
    bound of the numerical error of the predicted law widens the band. Points stop where the band would have no end.
    """
    known = [sample for sample in found if sample.law is not None and sample.finite]
    chosen = [_score_edges(sample, alpha, place, len(known)) for place, sample in enumerate(known)]
    points = sum(edges.size for edges, _ in chosen)
    scores = []
    for sample, (edges, p) in zip(known, chosen, strict=True):
        if not edges.size:
            continue
        law = _law_of(sample)
        n, share = sample.finite, alpha / (2.0 * points)
        fewest = stats.binom.ppf(share, n, np.clip(p - law.error, 0.0, 1.0))
        most = stats.binom.isf(share, n, np.clip(p + law.error, 0.0, 1.0))
        z = special.ndtri(p)
        scores.append(
            Scores(
                sample,
                z,
                z - special.ndtri(sample.count(edges) / n),
                z - special.ndtri(most / n),
                z - special.ndtri(fewest / n),
            )
        )
    return scores


def _law_of(sample: Sample) -> SymmetricLaw:
    assert sample.law is not None
    return sample.law


def _score_edges(sample: Sample, alpha: float, place: int, ensembles: int) -> tuple[np.ndarray, np.ndarray]:
    """Recorded edges at normal scores nearly `_SCORE_STEP` apart, shifted a little for each ensemble, and P(z < edge)."""
    law, n = _law_of(sample), sample.finite
    # So far out every point has at least this many networks expected beyond it, and the band there is finite.
    rare = (1.0 - math.log(alpha / 2.0) + math.log(80.0 * ensembles)) / n
    if rare > 0.2:
        return np.empty(0), np.empty(0)
    edges = _candidates(law, rare)
    p = law.cdf(edges) - np.where(edges == 0.0, law.atom, 0.0)
    reach = -float(special.ndtri(rare))
    inner = np.arange(-math.floor(reach / _SCORE_STEP), math.floor(reach / _SCORE_STEP) + 1) * _SCORE_STEP
    wanted = special.ndtr(inner + (place / ensembles - 0.5) * _SCORE_STEP)
    at = np.unique(np.abs(p[:, None] - wanted).argmin(axis=0))
    at = at[(p[at] >= rare) & (p[at] <= 1.0 - rare)]
    return edges[at], p[at]


def _candidates(law: SymmetricLaw, rare: float) -> np.ndarray:
    """Recorded edges, dense in the law's own scale, out to where `rare` of the probability lies beyond, and off an atom."""
    far = law.quantile(1.0 - 0.5 * min(rare, 0.5 * (1.0 - law.atom)))
    near = law.quantile(0.5 + law.atom / 2.0 + 0.2 * (1.0 - law.atom))
    sizes = np.geomspace(min(near, far) / 100.0, far, 400)
    return recorded(np.concatenate([-sizes, [0.0, bin_edges()[1]], sizes]))


@dataclass(frozen=True, eq=False)
class Tail:
    """P(|z| >= t) at recorded edges t, sampled with limits, and predicted as a curve (`z`, `predicted`; None without a law)."""

    sample: Sample
    t: np.ndarray
    count: np.ndarray
    low: np.ndarray
    high: np.ndarray
    z: np.ndarray | None
    predicted: np.ndarray | None


def tails_of(found: Sequence[Sample], alpha: float) -> list[Tail]:
    """Tails of all ensembles that have a finite network.

    Intervals are Clopper and Pearson's (1934) with the error alpha over the number of all points: all hold at once with probability
    1 - alpha, at least.
    """
    known = [sample for sample in found if sample.finite]
    curves = [_tail_curve(sample) for sample in known]
    chosen = [_tail_edges(sample, curve, i / len(known)) for i, (sample, curve) in enumerate(zip(known, curves, strict=True))]
    points = sum(t.size for t in chosen)
    tails = []
    for sample, curve, t in zip(known, curves, chosen, strict=True):
        n = sample.finite
        counts = sample.count(-t) + n - sample.count(t)
        predicted = curve[0] is not None and t <= curve[0].max(initial=0.0)
        shown = predicted | ((counts > 0) & (counts < n))
        limits = [proportion(int(count), n, alpha / points) for count in counts[shown]]
        low, high = (np.array([getattr(limit, end) for limit in limits]) for end in ("low", "high"))
        tails.append(Tail(sample, t[shown], counts[shown], low, high, *curve))
    return tails


def _tail_curve(sample: Sample) -> tuple[np.ndarray | None, np.ndarray | None]:
    law = sample.law
    if law is None:
        return None, None
    edges = _candidates(law, 0.3 / sample.finite)
    edges = edges[edges > 0.0]
    predicted = 2.0 * (1.0 - law.cdf(edges))
    known = predicted > 20.0 * law.error
    return edges[known], predicted[known]


def _tail_edges(sample: Sample, curve: tuple[np.ndarray | None, np.ndarray | None], shift: float) -> np.ndarray:
    """Recorded thresholds: at predicted probabilities spread evenly over the decades down to one network, or in deviations.

    Where the bound of the error of the prediction ends it earlier, thresholds beyond follow in equal ratios.
    """
    z, predicted = curve
    if z is not None and predicted is not None and z.size:
        decades = np.arange(1.0 + shift, _TAIL_STEP * math.log10(max(sample.finite, 2)) + 1e-9) / _TAIL_STEP
        wanted = (1.0 - _law_of(sample).atom) * 10.0**-decades
        known = wanted >= max(1.0 / sample.finite, predicted[-1])
        at = np.abs(np.log(predicted[:, None]) - np.log(wanted[known])).argmin(axis=0)
        beyond = [] if known.all() else recorded(z[-1] * 2.0 ** np.arange(0.5, 12.0, 0.5))
        return np.concatenate([z[np.unique(at)], beyond])
    mean, std = abs(sample.theory.preactivation.mean), math.sqrt(sample.theory.preactivation.variance)
    t = recorded(mean + std * np.concatenate([np.arange(-4.0, 8.0, 0.5), 8.0 * 2.0 ** np.arange(0.0, 12.0, 0.5)]))
    return t[t > 0.0]
