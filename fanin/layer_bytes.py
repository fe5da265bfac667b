"""The summaries of a task as bytes, and back: what a store keeps.

Guarantee: a summary has one form, which is exact. `from_bytes` takes only what `to_bytes` can give for that ensemble, method and
number of networks, in lengths and in counts, and raises a SpecificationError for anything else.

Form, all little-endian: the layers in ascending order. Numbers of one kind stand together, where neighbours are alike as the
difference from the one before, in byte planes: all lowest bytes first, which deflates best. Of the squares of bins their half
beyond the number of neurons is kept: both are even or both odd.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fanin.engine import stream
from fanin.engine.accumulators import BINS, COUNTS, SUMS, Accumulators
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import BINS as LINE
from fanin.engine.layer_summary import COUNTS as NETWORK_COUNTS
from fanin.engine.layer_summary import VARIABLES, Bins, LayerSummary, sum_names
from fanin.engine.spec import Ensemble
from fanin.result import Layer

_LONGEST = 140  # bytes of a sum without the zeros at its end: less than half of its 2240 bits
_WIDEST = 8


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
            parts.append(_numbers((bins.squares - bins.neurons) // 2))
    else:
        used = np.flatnonzero(layer.bins)
        parts += [_numbers(layer.tails), _numbers(layer.lanes.ravel())]
        parts += [_size(used), _numbers(_steps(used)), _numbers(_steps(layer.bins[used]))]
        parts.append(np.array([layer.smallest, layer.largest], "<f4").tobytes())
    return b"".join(parts)


def _network_layer(source: _Source, ensemble: Ensemble, number: int, networks: int) -> LayerSummary:
    sums = source.sums(sum_names(len(ensemble.tails), len(ensemble.slow)))
    counts = source.counts(NETWORK_COUNTS, networks)
    bins = {name: _line_bins(source) for name in VARIABLES}
    layer = LayerSummary(networks, ensemble.widths[number], sums, counts, bins)
    source.expect(int(bins["z"].neurons.sum()) == layer.finite * layer.binned)
    return layer


def _line_bins(source: _Source) -> Bins:
    size = source.size(LINE)
    index, neurons = source.steps(size), source.steps(size)
    squares = 2 * source.numbers(size) + neurons
    source.expect(_ascends(index, LINE))
    source.expect(bool((neurons > 0).all() and (squares >= neurons).all()))
    return Bins(index.astype(np.int32), neurons, squares)


def _neuron_layer(source: _Source, ensemble: Ensemble, networks: int) -> Accumulators:
    sums, counts = source.sums(SUMS), source.counts(COUNTS, networks)
    tails = source.numbers(len(ensemble.tails))
    lanes = source.numbers(2 * stream.BLOCK).reshape(2, stream.BLOCK)
    size = source.size(BINS)
    used, kept, bins = source.steps(size), source.steps(size), np.zeros(BINS, np.int64)
    source.expect(_ascends(used, BINS))
    source.expect(bool((kept > 0).all() and (tails >= 0).all() and (tails <= networks).all()))
    source.expect(int(np.abs(lanes).max()) <= networks and int(kept.sum()) == networks - counts["nonfinite"])
    bins[used] = kept
    smallest, largest = (float(value) for value in np.frombuffer(source.take(8), "<f4"))
    return Accumulators(networks, sums, counts, tuple(tails.tolist()), lanes, bins, smallest, largest)


def _ascends(index: np.ndarray, end: int) -> bool:
    """Whether these are different places of so many, in order."""
    return index.size == 0 or bool(index[0] >= 0 and index[-1] < end and (np.diff(index) > 0).all())


def _sum_bytes(value: int) -> bytes:
    """Zeros at the end, in bits; the bytes of the rest; the rest."""
    zeros = (value & -value).bit_length() - 1 if value else 0
    odd = value >> zeros
    length = (odd.bit_length() + 8) // 8 if value else 0
    return zeros.to_bytes(2, "little") + length.to_bytes(1, "little") + odd.to_bytes(length, "little", signed=True)


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
        plain = planes.view("<u8").ravel()
        return (plain >> np.uint64(1)).astype(np.int64) ^ -(plain & np.uint64(1)).astype(np.int64)
