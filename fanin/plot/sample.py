"""The numbers behind the plots: counts at recorded edges, the predicted law beside them, and the density of z.

Guarantee: z is recorded in bins, and every count here is one at the edge of a bin, where it is exact; nothing is interpolated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fanin.engine.accumulators import SATURATION_MARGIN, Accumulators
from fanin.report import Report
from fanin.result import Result
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.binned import all_edges, ascending_bins
from fanin.stats.predictions import Theory
from fanin.stats.symmetric_law import SymmetricLaw
from fanin.verification import theory_of

_USABLE_ERROR = 1e-4  # of a distribution function; a law less well known is as good as none in a picture
_ROUNDED_TO_ZERO = 1e-5  # share of exact zeros that rounding explains
_MOST_CELLS = 60
_WINDOW = 5e-4  # probability on each side of the window of a density


@dataclass(frozen=True, eq=False)
class Sample:
    """One ensemble of a report: counts below recorded edges, and the law that theory predicts, or None.

    edges : recorded edges of z, shape (k + 1). below : networks with z below each edge, int64.
    """

    label: str
    result: Result
    theory: Theory
    law: SymmetricLaw | None
    edges: np.ndarray
    below: np.ndarray

    @property
    def layer(self) -> Accumulators:
        """What was recorded."""
        layer = self.result.layers[1]
        assert isinstance(layer, Accumulators)
        return layer

    @property
    def finite(self) -> int:
        """Networks whose z is finite: those that count."""
        return self.layer.finite

    @property
    def zeros(self) -> int:
        """Networks whose z is zero, where they are an atom of the law: sums of float32 are zero now and then (about 1e-7)."""
        zeros = int(self.layer.bins[0])
        predicted = self.law is not None and self.law.atom > 0.0
        return zeros if predicted or zeros > max(_ROUNDED_TO_ZERO * self.finite, 10) else 0

    @property
    def saturation(self) -> float:
        """The |z| from which phi lies within 1 % of an end of its range."""
        return ACTIVATIONS[str(self.result.ensemble.activation)].level_size(SATURATION_MARGIN)

    def count(self, edges: np.ndarray) -> np.ndarray:
        """Networks with z below each of the given recorded edges."""
        at = np.searchsorted(self.edges, edges)
        return np.where(at < self.edges.size, self.below[np.minimum(at, self.edges.size - 1)], self.finite)

    def rank(self, p: float) -> float:
        """The recorded edge below which a share p of the networks lies, at least."""
        return float(self.edges[np.searchsorted(self.below, p * self.finite)])


def samples(report: Report) -> list[Sample]:
    """The single layers of a report, in its order; networks are drawn by `layer_panel`."""
    found = []
    for label, result in report.results.items():
        layer, theory = result.layers[1], theory_of(result.ensemble, result.seed, result.networks)
        if not isinstance(layer, Accumulators) or not isinstance(theory, Theory):
            continue
        law = theory.law if theory.law is not None and theory.law.error < _USABLE_ERROR else None
        edges, counts = ascending_bins(layer)
        found.append(Sample(label, result, theory, law, edges, np.concatenate([[0], np.cumsum(counts)])))
    return found


def recorded(z: np.ndarray) -> np.ndarray:
    """The recorded edges nearest to the given z, ascending, each once."""
    edges = all_edges()
    above = np.clip(np.searchsorted(edges, z), 1, edges.size - 1)
    nearer = np.where(z - edges[above - 1] < edges[above] - z, above - 1, above)
    return edges[np.unique(nearer)]


@dataclass(frozen=True, eq=False)
class Density:
    """The density of z in a window.

    edges, sampled : ends of cells, and share of networks in each over its width; zeros left out where there is an atom.
    z, predicted : the predicted density as a curve; None without a law. atom, predicted_atom : P(z = 0), sampled and predicted.
    values : z of a law on few values, whose `shares` are then given instead of a density.
    """

    edges: np.ndarray
    sampled: np.ndarray
    z: np.ndarray | None
    predicted: np.ndarray | None
    atom: float
    predicted_atom: float
    values: np.ndarray | None = None
    shares: np.ndarray | None = None


def density_of(sample: Sample) -> Density:
    """Regroup the bins of z into cells of nearly equal width; there must be a finite network."""
    low, high = _window(sample)
    number = int(np.clip(2.0 * sample.finite ** (1.0 / 3.0), 8, _MOST_CELLS))  # Rice's rule
    edges = recorded(np.linspace(low, high, number + 1))
    counts = np.diff(sample.count(edges))
    if sample.zeros and edges[0] <= 0.0 < edges[-1]:
        counts[np.searchsorted(edges, 0.0, side="right") - 1] -= sample.zeros
    widths = np.diff(edges)
    values, shares = _few_values(sample, low, high)
    z = predicted = None
    if sample.law is not None:
        z, predicted = _predicted_density(sample.law, low, high)
    return Density(
        edges,
        counts / (widths * sample.finite),
        z,
        predicted,
        sample.zeros / sample.finite,
        sample.law.atom if sample.law else math.nan,
        values,
        shares,
    )


def _window(sample: Sample) -> tuple[float, float]:
    """All but a thousandth of the networks, and of the predicted law."""
    ends = [sample.rank(_WINDOW), sample.rank(1.0 - _WINDOW)]
    if sample.law is not None:
        ends += [sample.law.quantile(_WINDOW), sample.law.quantile(1.0 - _WINDOW)]
    low, high = min(ends), max(ends)
    if sample.law is not None:  # a symmetric law is shown symmetrically
        low, high = -max(-low, high), max(-low, high)
    pad = 0.04 * (high - low) or 0.5 * abs(high) or 1.0
    return low - pad, high + pad


def _predicted_density(law: SymmetricLaw, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean density in many short cells, at their middles; an atom at zero is left out."""
    edges = np.linspace(low, high, 361)
    steps = np.diff(law.cdf(edges))
    steps[np.searchsorted(edges, 0.0) - 1] -= law.atom
    return (edges[1:] + edges[:-1]) / 2.0, np.maximum(steps, 0.0) / np.diff(edges)


def _few_values(sample: Sample, low: float, high: float) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The occupied bins and their shares where z seems to take separate values only: many bins of its middle half stay empty."""
    if sample.law is not None or sample.finite < 100_000:
        return None, None
    counts, starts, ends = np.diff(sample.below), sample.edges[:-1], sample.edges[1:]
    first, last = sample.rank(0.25), sample.rank(0.75)
    wide = (starts >= first) & (ends <= last) & (ends - starts >= (last - first) / 2000.0)
    occupied = (counts > 0) & (ends > low) & (starts < high)
    if (wide.any() and (counts[wide] > 0).mean() > 0.9) or occupied.sum() > 400:
        return None, None
    near = np.where(np.abs(starts) < np.abs(ends), starts, ends)[occupied]  # the end towards zero: a whole number stands there
    # Rounding spreads one value over bins next to each other.
    group = np.concatenate([[0], np.cumsum(np.diff(near) > (high - low) / 1000.0)])
    shares = np.bincount(group, counts[occupied]) / sample.finite
    return np.bincount(group, near) / np.bincount(group), shares
