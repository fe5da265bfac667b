"""The summaries of a task as bytes, and back: what a store keeps.

Guarantee: a summary has one form, which is exact. `from_bytes` takes only what `to_bytes` can give for that ensemble, method and
number of networks, in lengths, in counts and in bins, and raises a SpecificationError for anything else. What holds between sums is
not looked at, which takes longer; `fanin.store.soundness` does.

Form, all little-endian: the layers in ascending order. Numbers of one kind stand together, where neighbours are alike as the
difference from the one before, in byte planes: all lowest bytes first, which deflates best.

Of the squares of bins their half beyond the number of neurons is kept, since both are even or both odd: the sum of ranks, with the
rank of a neuron the number of those of its network that lie below. Ranks rise slowly along the line: kept are their means over
groups of bins, and by how much the sum of each bin differs from what the line through the middles of the groups expects. That
leaves noise alone, which nothing shortens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fanin.engine import stream
from fanin.engine.accumulators import BINS, COUNTS, SUMS, Accumulators
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import BINNED, VARIABLES, Bins, LayerSummary, sum_names
from fanin.engine.layer_summary import BINS as LINE
from fanin.engine.layer_summary import COUNTS as NETWORK_COUNTS
from fanin.engine.spec import Ensemble
from fanin.result import Layer
from fanin.result_file.network_layer import AT_MOST

_INFINITE = 0x7E80  # the bin of |z| = 2**126, from which on z is not finite to the engine
_LONGEST = 140  # bytes of a sum without the zeros at its end: less than half of its 2240 bits
_WIDEST = 8
_GROUP = 32
"""Bins of a group."""
_UNIT = 16
"""Of a mean rank, the part in which it is kept."""


def to_bytes(layers: dict[int, Layer]) -> bytes:
    """The summaries of a task, by layer, as bytes."""
    return b"".join(_layer_bytes(layers[number]) for number in sorted(layers))


def from_bytes(data: bytes, ensemble: Ensemble, method: str, networks: int) -> dict[int, Layer]:
    """The summaries of a task of so many networks, by layer.

    Raises
    ------
    SpecificationError
        Where the bytes are not those of such a task.
    """
    source = _Source(data)
    if ensemble.is_network or method == "conditional":
        layers: dict[int, Layer] = {number: _network_layer(source, ensemble, number, networks) for number in ensemble.recorded}
    else:
        layers = {1: _neuron_layer(source, ensemble, networks)}
    source.expect(source.at == len(data))
    return layers


def _layer_bytes(layer: Layer) -> bytes:
    parts = [_sum_bytes(layer.sums[name]) for name in sorted(layer.sums)]
    parts.append(_numbers([layer.counts[name] for name in sorted(layer.counts)]))
    if isinstance(layer, LayerSummary):
        for name in VARIABLES:
            bins = layer.bins[name]
            parts += [_size(bins.index), _numbers(_steps(bins.index)), _numbers(_steps(bins.neurons))]
            parts += _rank_bytes(bins.neurons, (bins.squares - bins.neurons) // 2)
    else:
        used = np.flatnonzero(layer.bins)
        parts += [_numbers(layer.tails), _numbers(layer.lanes.ravel())]
        parts += [_size(used), _numbers(_steps(used)), _numbers(_steps(layer.bins[used]))]
        parts.append(np.array([layer.smallest, layer.largest], "<f4").tobytes())
    return b"".join(parts)


def _network_layer(source: _Source, ensemble: Ensemble, number: int, networks: int) -> LayerSummary:
    sums = source.sums(sum_names(len(ensemble.tails), len(ensemble.slow)))
    counts = source.counts(NETWORK_COUNTS, networks)
    totals = counts | {"finite": networks - counts["nonfinite"]}
    source.expect(all(totals[name] <= totals[most] for name, most in AT_MOST.items()))
    binned = min(ensemble.widths[number], BINNED)
    bins = {name: _line_bins(source, networks, binned) for name in VARIABLES}
    for name, one in bins.items():
        holders = totals[{"z": "finite", "field": "field"}.get(name, "backward")]
        if one.index.size or name != "field":  # only the direct sampler bins fields
            source.expect(int(one.neurons.sum()) == holders * binned and int(one.squares.sum()) == holders * binned**2)
    return LayerSummary(networks, ensemble.widths[number], sums, counts, bins)


def _line_bins(source: _Source, networks: int, binned: int) -> Bins:
    size = source.size(LINE)
    index, neurons = source.steps(size), source.steps(size)
    source.expect(_ascends(index, LINE) and bool((neurons > 0).all() and (neurons <= networks * binned).all()))
    means = source.steps(-(-size // _GROUP))
    ranks = source.numbers(size) + _expected_ranks(neurons, means)
    source.expect(bool((ranks >= 0).all() and (ranks <= networks * binned**2).all()))
    source.expect(np.array_equal(means, _mean_ranks(neurons, ranks)))
    return Bins(index.astype(np.int32), neurons, 2 * ranks + neurons)


def _neuron_layer(source: _Source, ensemble: Ensemble, networks: int) -> Accumulators:
    sums, counts = source.sums(SUMS), source.counts(COUNTS, networks)
    finite, most = networks - counts["nonfinite"], -(-networks // stream.BLOCK)
    tails = source.numbers(len(ensemble.tails))
    lanes = source.numbers(2 * stream.BLOCK).reshape(2, stream.BLOCK)
    size = source.size(BINS)
    used, kept, bins = source.steps(size), source.steps(size), np.zeros(BINS, np.int64)
    source.expect(_ascends(used, BINS) and bool(((used & 0x7FFF) < _INFINITE).all()))
    source.expect(bool((kept > 0).all() and (kept <= finite).all()) and int(kept.sum()) == finite)
    source.expect(bool((tails >= 0).all() and (tails <= finite).all()))
    source.expect(max(counts["saturated"], counts["flat"]) <= finite)
    source.expect(bool((np.abs(lanes[0]) <= most).all() and (lanes[1] >= 0).all() and (lanes[1] <= most).all()))
    bins[used] = kept
    smallest, largest = (float(value) for value in np.frombuffer(source.take(8), "<f4"))
    source.expect(_are_extremes(smallest, largest, used))
    return Accumulators(networks, sums, counts, tuple(tails.tolist()), lanes, bins, smallest, largest)


def _are_extremes(smallest: float, largest: float, used: np.ndarray) -> bool:
    """Whether two values lie in the outermost of the bins in use; of zeros, either sign may be kept."""
    if used.size == 0:
        return (smallest, largest) == (float("inf"), float("-inf"))
    order = np.where(used >= BINS // 2, BINS // 2 - 1 - used, used)
    for value, end in ((smallest, order.min()), (largest, order.max())):
        pattern = int(np.float32(value).view(np.uint32)) >> 16
        at = BINS // 2 - 1 - pattern if pattern >= BINS // 2 else pattern
        if at != end and not (value == 0.0 and end in (-1, 0)):
            return False
    return smallest <= largest


def _ascends(index: np.ndarray, end: int) -> bool:
    """Whether these are different places of so many, in order."""
    return index.size == 0 or bool(index[0] >= 0 and index[-1] < end and (np.diff(index) > 0).all())


def _sum_bytes(value: int) -> bytes:
    """Zeros at the end, in bits; the bytes of the rest; the rest."""
    zeros = (value & -value).bit_length() - 1 if value else 0
    odd = value >> zeros
    length = (odd.bit_length() + 8) // 8 if value else 0
    return zeros.to_bytes(2, "little") + length.to_bytes(1, "little") + odd.to_bytes(length, "little", signed=True)


def _rank_bytes(neurons: np.ndarray, ranks: np.ndarray) -> list[bytes]:
    means = _mean_ranks(neurons, ranks)
    return [_numbers(_steps(means)), _numbers(ranks - _expected_ranks(neurons, means))]


def _mean_ranks(neurons: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Of each group of bins, in units."""
    first = np.arange(0, neurons.size, _GROUP)
    return np.add.reduceat(ranks, first) * _UNIT // np.add.reduceat(neurons, first) if first.size else first


def _expected_ranks(neurons: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Sums of ranks of bins on the lines through the middles of the groups, in integers."""
    if means.size == 0:
        return means
    beyond = 2 * np.arange(neurons.size) + 1 - _GROUP  # twice the way from the middle of the first group
    group = (beyond // (2 * _GROUP)).clip(0, max(means.size - 2, 0))
    way = (beyond - 2 * _GROUP * group).clip(0, 2 * _GROUP)
    after = means[np.minimum(group + 1, means.size - 1)]
    return neurons * ((means[group] * (2 * _GROUP - way) + after * way) // (2 * _GROUP)) // _UNIT


def _size(values: np.ndarray) -> bytes:
    return values.size.to_bytes(4, "little")


def _steps(values: np.ndarray) -> np.ndarray:
    return np.diff(values.astype(np.int64), prepend=0)


def _numbers(values: Any) -> bytes:
    """How many bytes the widest takes, and the planes; the sign is the lowest bit."""
    signed = np.asarray(values, np.int64)
    planes = np.ascontiguousarray((signed << 1) ^ (signed >> 63), "<i8").view(np.uint8).reshape(-1, _WIDEST)
    width = int(np.flatnonzero(planes.any(axis=0)).max(initial=-1)) + 1
    return width.to_bytes(1, "little") + planes[:, :width].T.tobytes()


class _Source:
    """Bytes that are taken from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def expect(self, holds: bool) -> None:
        """Refuse what cannot be."""
        if not holds:
            raise SpecificationError("the bytes are not the summary of such a task; they were changed or damaged")

    def take(self, count: int) -> bytes:
        """So many bytes."""
        self.expect(self.at + count <= len(self.data))
        self.at += count
        return self.data[self.at - count : self.at]

    def size(self, most: int) -> int:
        """A number of bins."""
        size = int.from_bytes(self.take(4), "little")
        self.expect(size <= most)
        return size

    def sums(self, names: Iterable[str]) -> dict[str, int]:
        """Sums by name, in the order of names."""
        found = {}
        for name in sorted(names):
            zeros, length = int.from_bytes(self.take(2), "little"), self.take(1)[0]
            self.expect(length <= _LONGEST and zeros <= 8 * 280)
            odd = int.from_bytes(self.take(length), "little", signed=True)
            value = odd << zeros
            self.expect(_sum_bytes(value) == self.data[self.at - 3 - length : self.at])
            found[name] = value
        return found

    def counts(self, names: Sequence[str], most: int) -> dict[str, int]:
        """Counts of networks, or of pairs of them, by name, in the order of names."""
        values = self.numbers(len(names))
        self.expect(bool((values >= 0).all() and (values <= most).all()))
        return dict(zip(sorted(names), values.tolist(), strict=True))

    def steps(self, count: int) -> np.ndarray:
        """So many numbers that were written as differences."""
        return self.numbers(count).cumsum()

    def numbers(self, count: int) -> np.ndarray:
        """So many int64."""
        width = self.take(1)[0]
        self.expect(width <= _WIDEST)
        planes = np.zeros((count, _WIDEST), np.uint8)
        planes[:, :width] = np.frombuffer(self.take(width * count), np.uint8).reshape(width, count).T
        self.expect(width == 0 or bool(planes[:, width - 1].any()))
        plain = planes.view("<u8").ravel()
        return (plain >> np.uint64(1)).astype(np.int64) ^ -(plain & np.uint64(1)).astype(np.int64)
