"""`Histogram`: counts of z that plotting packages read (scikit-hep's UHI protocol, uhi.typing.plottable.PlottableHistogram).

Guarantee: counts are exact and no recorded bin is ever split. The edges are recorded ones, at most 0.8 % apart for single layers
and 3.1 % for networks, so that bins asked for with even widths come out a little uneven.
`hist`, `mplhep` and `histoprint` take it as it is; it imports none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fanin.engine.accumulators import Accumulators, bin_edges
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import SIZES, LayerSummary, line_edges, size_edges

if TYPE_CHECKING:
    from fanin.result import Result

MAX_BINS = 65_280  # as many as are recorded


@dataclass(frozen=True)
class Traits:
    """What kind of axis it is: neither circular nor discrete."""

    circular: bool = False
    discrete: bool = False


@dataclass(frozen=True, eq=False)
class Axis:
    """Bins side by side, given by their edges; a sequence of pairs (low, high)."""

    edges: np.ndarray
    label: str = "z"

    @property
    def traits(self) -> Traits:
        """Neither circular nor discrete."""
        return Traits()

    def __len__(self) -> int:
        return self.edges.size - 1

    def __getitem__(self, index: int) -> tuple[float, float]:
        at = range(len(self))[index]
        return float(self.edges[at]), float(self.edges[at + 1])

    def __iter__(self) -> Iterator[tuple[float, float]]:
        return zip(self.edges[:-1].tolist(), self.edges[1:].tolist(), strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Axis) and np.array_equal(self.edges, other.edges) and self.label == other.label

    def __hash__(self) -> int:
        return hash((self.edges.tobytes(), self.label))


@dataclass(frozen=True, eq=False)
class Histogram:
    """Networks, or all binned neurons of networks, by their z. A bin of positive z holds low <= z < high, one of negative z
    low < z <= high.

    axis : the bins. entries : int64, the count of each. outside : entries below the first edge and above the last. unit : what is
    counted, "networks" or "neurons".
    """

    axis: Axis
    entries: np.ndarray
    outside: tuple[int, int]
    unit: str = "networks"

    @property
    def kind(self) -> str:
        """The histogram counts."""
        return "COUNT"

    @property
    def axes(self) -> tuple[Axis]:
        """The one axis."""
        return (self.axis,)

    @property
    def edges(self) -> np.ndarray:
        """Edges of the bins, float64, one more than bins."""
        return self.axis.edges

    def values(self) -> np.ndarray:
        """Entries of each bin, float64."""
        return self.entries.astype(np.float64)

    def variances(self) -> np.ndarray | None:
        """Poisson variances of the counts of networks: the counts themselves, float64. None for neurons, which depend on each
        other within a network."""
        return self.entries.astype(np.float64) if self.unit == "networks" else None

    def counts(self) -> np.ndarray:
        """Entries of each bin, int64."""
        return self.entries.copy()

    def density(self) -> np.ndarray:
        """Share of all entries in each bin, over its width."""
        total = int(self.entries.sum()) + sum(self.outside)
        return self.entries / (max(total, 1) * np.diff(self.edges))

    def to_numpy(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts and edges, as `numpy.histogram` returns them."""
        return self.counts(), self.edges

    def _to_uhi_(self) -> dict[str, Any]:
        """The form that `hist.Hist` and `boost_histogram.Histogram` build from (UHI serialization, version 1)."""
        axis = {
            "type": "variable",
            "edges": self.edges,
            "underflow": True,
            "overflow": True,
            "circular": False,
            "metadata": {"name": self.axis.label},
        }
        values = np.concatenate([self.outside[:1], self.entries, self.outside[1:]]).astype(np.float64)
        storage = {"type": "double", "values": values}
        return {"uhi_schema": 1, "writer_info": {}, "metadata": {}, "axes": [axis], "storage": storage}

    def __repr__(self) -> str:
        inside, low, high = int(self.entries.sum()), float(self.edges[0]), float(self.edges[-1])
        return f"<fanin.Histogram of {inside:,} {self.unit}, {len(self.axis)} bins of z from {low:.4g} to {high:.4g}>"


def histogram_of(result: Result, layer: int = 1, bins: int | Sequence[float] | np.ndarray | None = 100) -> Histogram:
    """Counts of z of one layer; see `Result.histogram`."""
    if layer not in result.layers:
        raise SpecificationError(f"layer is {layer!r}; the result has layer {', '.join(map(str, result.layers))}")
    kept = result.layers[layer]
    unit = "neurons" if isinstance(kept, LayerSummary) else "networks"
    recorded, counts = _network_bins(kept) if isinstance(kept, LayerSummary) else _neuron_bins(kept)
    if bins is None:
        return Histogram(Axis(recorded), counts, (0, 0), unit)
    sizes = size_edges()[:-1] if isinstance(kept, LayerSummary) else bin_edges()
    edges = _nearest(_wanted(bins, float(recorded[0]), float(recorded[-1])), sizes)
    cumulative = np.concatenate([[0], np.cumsum(counts)])
    at = np.searchsorted(recorded, edges).clip(0, recorded.size - 1)
    entries = np.diff(cumulative[at])
    return Histogram(Axis(edges), entries, (int(cumulative[at[0]]), int(cumulative[-1] - cumulative[at[-1]])), unit)


def _neuron_bins(layer: Accumulators) -> tuple[np.ndarray, np.ndarray]:
    from fanin.stats.binned import ascending_bins

    return ascending_bins(layer)


def _network_bins(layer: LayerSummary) -> tuple[np.ndarray, np.ndarray]:
    """Edges and counts of the recorded bins of z, from the first to the last that holds a neuron."""
    bins = layer.bins["z"]
    first, last = (int(bins.index[0]), int(bins.index[-1])) if bins.index.size else (SIZES, SIZES)
    counts = np.zeros(last - first + 1, np.int64)
    counts[bins.index - first] = bins.neurons
    return line_edges()[first : last + 2], counts


def _wanted(bins: Any, low: float, high: float) -> np.ndarray:
    """Edges as asked for: ascending and finite."""
    if isinstance(bins, (int, np.integer)) and not isinstance(bins, bool):
        if not 1 <= bins <= MAX_BINS:
            raise SpecificationError(f"bins is {bins}; it must lie between 1 and {MAX_BINS}")
        return np.linspace(low, high, int(bins) + 1)
    try:
        edges = np.array(bins, dtype=np.float64)
    except (TypeError, ValueError):
        raise SpecificationError(f"bins must be a number of bins or edges such as (-1.0, 0.0, 1.0), not {bins!r}") from None
    if edges.ndim != 1 or edges.size < 2 or not np.isfinite(edges).all() or (np.diff(edges) <= 0.0).any():
        raise SpecificationError("bins must be at least two edges, finite and ascending")
    return edges


def _nearest(wanted: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The recorded edges nearest to the wanted ones, each once. positive : the recorded edges of z >= 0, finite."""
    size = np.abs(wanted).clip(0.0, positive[-1])
    above = np.searchsorted(positive, size).clip(1)
    near = np.where(size - positive[above - 1] <= positive[above] - size, positive[above - 1], positive[above])
    edges = np.unique(np.copysign(near, wanted) + 0.0)
    if edges.size < 2:
        raise SpecificationError("bins are so close together that no recorded edge lies between them; give edges further apart")
    return edges
