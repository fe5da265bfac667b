"""Recording of one block: from the pre-activations of its networks to exact sums, counts and bins.

Every quantity is a plain pass over a small float64 buffer, folded in a fixed order (`exact.fold`) and added as an integer.
A network that is not finite takes part in nothing but its own count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fanin.engine import accumulators as names
from fanin.engine import stream
from fanin.engine._jit import kernel
from fanin.engine._llvm import bits_of
from fanin.engine.activations import activate
from fanin.engine.exact import LIMBS, PARTIALS, add_exactly, fold, to_integer
from fanin.engine.math import F

_Z, _PHI, _SLOPE = (names.SUMS.index(f"{name}^1") for name in ("z", "phi", "slope"))
_PAIRS = names.SUMS.index(f"{names.RELATIONS[0]}^1")
_BLOCKSUM = names.SUMS.index("blocksum^2")
_OUTSIDE = names.SUMS.index("outside^1")
_NONFINITE, _SATURATED, _FLAT = (names.COUNTS.index(name) for name in ("nonfinite", "saturated", "flat"))
_RELATION = names.COUNTS.index(names.RELATIONS[0])
_WHOLE, _CROSSED = names.COUNTS.index("blocks_whole"), names.COUNTS.index("crossed")
_NEURONS = names.RELATIONS.index("neurons")
_PARTS = names.SUMS.index(f"{names.PARTS[0]}^1")
_LIMIT = F(2.0**126)
_FLAT_BELOW = F(names.FLAT)
_LOW, _HIGH = F(names.SATURATION_MARGIN), F(1.0 - names.SATURATION_MARGIN)
_HALF = stream.BLOCK // 2


class Record(NamedTuple):
    """The raw arrays that a kernel writes into."""

    sums: np.ndarray  # int64 (SUMS, LIMBS)
    counts: np.ndarray  # int64 (COUNTS)
    tails: np.ndarray  # int64 (thresholds)
    lanes: np.ndarray  # int64 (2, BLOCK)
    bins: np.ndarray  # int64 (BINS)
    extremes: np.ndarray  # float32 (2): smallest, largest


class Scratch(NamedTuple):
    """Buffers of one block, float64 but for the last two. `finite` is 1 or 0; z is 0 where it is not finite."""

    z: np.ndarray
    finite: np.ndarray
    previous_z: np.ndarray
    previous_finite: np.ndarray
    first: np.ndarray
    second: np.ndarray
    power: np.ndarray
    partials: np.ndarray
    phi: np.ndarray  # float32
    slope: np.ndarray  # float32


def empty_record(tails: int) -> Record:
    """A record of no networks."""
    return Record(
        np.zeros((len(names.SUMS), LIMBS), np.int64),
        np.zeros(len(names.COUNTS), np.int64),
        np.zeros(tails, np.int64),
        np.zeros((2, stream.BLOCK), np.int64),
        np.zeros(names.BINS, np.int64),
        np.array([np.inf, -np.inf], np.float32),
    )


def empty_scratch() -> Scratch:
    """Buffers for one block."""
    phi, slope = np.zeros((2, stream.BLOCK), np.float32)
    return Scratch(*(np.zeros(stream.BLOCK) for _ in range(7)), np.zeros(PARTIALS), phi, slope)


def to_accumulators(record: Record, networks: int) -> names.Accumulators:
    """The plain, mergeable form of a record."""
    return names.Accumulators(
        networks=networks,
        sums={name: to_integer(row) for name, row in zip(names.SUMS, record.sums, strict=True)},
        counts={name: int(count) for name, count in zip(names.COUNTS, record.counts, strict=True)},
        tails=tuple(record.tails.tolist()),
        lanes=record.lanes,
        bins=record.bins,
        smallest=float(record.extremes[0]),
        largest=float(record.extremes[1]),
    )


@kernel
def _add_powers(sums, row, powers, values, count, scratch):
    """Add the sums of values, values**2, ... values**powers to consecutive rows."""
    power = scratch.power
    power[:count] = values[:count]
    for k in range(powers):
        add_exactly(sums[row + k], fold(power, count, scratch.partials))
        for i in range(count):
            power[i] *= values[i]


@kernel
def _add_pairs(record, relation, left, right, left_finite, right_finite, scratch):
    """Add count and sums of p, p**2, p**4 for the products p of one relation. The four arrays have one length."""
    product, pairs = scratch.power, left.size
    for i in range(pairs):
        product[i] = left_finite[i] * right_finite[i]
    record.counts[_RELATION + relation] += np.int64(fold(product, pairs, scratch.partials))
    for i in range(pairs):
        product[i] = left[i] * right[i]
    for step in range(3):
        add_exactly(record.sums[_PAIRS + 3 * relation + step], fold(product, pairs, scratch.partials))
        for i in range(pairs):
            product[i] *= product[i]


@kernel
def _record_pairs(record, scratch, count, has_previous):
    """All relations between the networks of this block, and with the block before it."""
    z, finite = scratch.z[:count], scratch.finite[:count]
    _add_pairs(record, 0, z[:-1], z[1:], finite[:-1], finite[1:], scratch)
    pairs = max(count - _HALF, 0)
    upper, upper_finite = z[count - pairs :], finite[count - pairs :]
    _add_pairs(record, 1, z[:pairs], upper, finite[:pairs], upper_finite, scratch)
    for i in range(pairs):
        scratch.first[i] = z[i ^ 1]
        scratch.second[i] = finite[i ^ 1]
    _add_pairs(record, 2, scratch.first[:pairs], upper, scratch.second[:pairs], upper_finite, scratch)
    if has_previous:
        _add_pairs(record, 3, z, scratch.previous_z[:count], finite, scratch.previous_finite[:count], scratch)


@kernel
def _record_activation(record, scratch, z, activation):
    """Moments of phi(z) and phi'(z), saturated and flat units."""
    finite, phi, slope = scratch.finite, scratch.first, scratch.second
    activate(activation, z, scratch.phi[: z.size], scratch.slope[: z.size])
    saturated, flat = np.int64(0), np.int64(0)
    for i in range(z.size):
        value, derivative = scratch.phi[i], scratch.slope[i]
        level = activation.offset + activation.gain * value
        live = finite[i] > 0.0
        phi[i] = np.float64(value) if live else 0.0
        slope[i] = np.float64(derivative) if live else 0.0
        saturated += np.int64(live and (level < _LOW or level > _HIGH))
        flat += np.int64(live and derivative < _FLAT_BELOW)
    record.counts[_SATURATED] += saturated
    record.counts[_FLAT] += flat
    _add_powers(record.sums, _PHI, 4, phi, z.size, scratch)
    _add_powers(record.sums, _SLOPE, 4, slope, z.size, scratch)


@kernel
def _record_places(record, z, tails):
    """Bins, tail counts, extremes and counts by lane of z."""
    for i in range(z.size):
        if abs(z[i]) < _LIMIT:
            record.bins[(bits_of(z[i]) >> np.int32(16)) & np.int32(0xFFFF)] += 1
            record.extremes[0] = min(record.extremes[0], z[i])
            record.extremes[1] = max(record.extremes[1], z[i])
    for i in range(z.size):
        live = abs(z[i]) < _LIMIT
        record.lanes[0, i] += np.int64(live and z[i] > F(0.0)) - np.int64(live and z[i] < F(0.0))
    for t in range(tails.size):
        beyond = np.int64(0)
        for i in range(z.size):
            is_beyond = np.int64(abs(z[i]) > tails[t] and abs(z[i]) < _LIMIT)
            beyond += is_beyond
            if t == 0:
                record.lanes[1, i] += is_beyond
        record.tails[t] += beyond


@kernel
def record_block(record, scratch, z, outside, tails, activation, has_previous):
    """Record one block of networks.

    z : float32 (count), pre-activations; outside : int32 (count), parameters beyond the limit; tails : float32;
    activation : ActivationRow.
    has_previous : whether `scratch` still holds the block just before this one, to be paired with it.
    """
    count = z.size
    scratch.previous_z[:] = scratch.z
    scratch.previous_finite[:] = scratch.finite
    for i in range(count):
        live = abs(z[i]) < _LIMIT
        scratch.finite[i] = 1.0 if live else 0.0
        scratch.z[i] = np.float64(z[i]) if live else 0.0
    alive = np.int64(fold(scratch.finite, count, scratch.partials))
    record.counts[_NONFINITE] += count - alive
    _add_powers(record.sums, _Z, 8, scratch.z, count, scratch)
    if count == stream.BLOCK and alive == count:
        total = fold(scratch.z, count, scratch.partials)
        record.counts[_WHOLE] += 1
        add_exactly(record.sums[_BLOCKSUM], total * total)
        add_exactly(record.sums[_BLOCKSUM + 1], total * total * total * total)
    _record_pairs(record, scratch, count, has_previous)
    _record_places(record, z, tails)
    _record_activation(record, scratch, z, activation)
    for i in range(count):
        scratch.first[i] = np.float64(outside[i]) * scratch.finite[i]
    _add_powers(record.sums, _OUTSIDE, 2, scratch.first, count, scratch)


@kernel
def record_neurons(record, scratch, other):
    """Record products of the z of two neurons. other : float32 (count), the second neuron, after `record_block` of the first."""
    count = other.size
    for i in range(count):
        live = abs(other[i]) < _LIMIT
        scratch.second[i] = 1.0 if live else 0.0
        scratch.first[i] = np.float64(other[i]) if live else 0.0
    finite, second = scratch.finite[:count], scratch.second[:count]
    _add_pairs(record, _NEURONS, scratch.z[:count], scratch.first[:count], finite, second, scratch)


@kernel
def record_parts(record, scratch, crossed):
    """Record both parts of the variance. crossed : float32 (count), own weights with the partner's input, after `record_block`.

    Where i and k are partners, (z[i] - crossed[i])**2 / 2 estimates the variance over inputs given the weights of i, and
    (z[i] - crossed[k])**2 / 2 that over weights given the input of i; the two of a pair are averaged.
    """
    pairs = max(crossed.size - _HALF, 0)
    z, finite, first, second = scratch.z, scratch.finite, scratch.first, scratch.second
    alive = np.int64(0)
    for i in range(pairs):
        k = _HALF + i
        live = finite[i] * finite[k] > 0.0 and abs(crossed[i]) < _LIMIT and abs(crossed[k]) < _LIMIT
        alive += np.int64(live)
        own, partner = np.float64(crossed[i]), np.float64(crossed[k])
        by_weights = ((z[i] - own) ** 2 + (z[k] - partner) ** 2) / 4.0
        by_input = ((z[i] - partner) ** 2 + (z[k] - own) ** 2) / 4.0
        first[i] = by_weights if live else 0.0
        second[i] = by_input if live else 0.0
    record.counts[_CROSSED] += alive
    _add_powers(record.sums, _PARTS, 2, first, pairs, scratch)
    _add_powers(record.sums, _PARTS + 2, 2, second, pairs, scratch)
