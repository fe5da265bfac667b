"""Recording of networks: from the neurons of one layer of one network to sums over networks.

Each network gives each statistic one float64 number; numbers and products are added up within a block in the order of networks, and
each block sum is added as an integer (`exact`). A network that is not finite takes part in nothing but its own count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fanin.engine import layer_summary as names
from fanin.engine._jit import inline, kernel
from fanin.engine._llvm import bits_of, lowest_bit
from fanin.engine._reductions import WIDTH, activation_sums, count_beyond, even_sums, power_sums, product_sum
from fanin.engine.accumulators import FLAT, SATURATION_MARGIN
from fanin.engine.exact import LIMBS, add_exactly, to_integer
from fanin.engine.math import F, log_double, two_to

_Z, _PHI, _SLOPE, _FIELD = (names.BASE.index(name) for name in ("z^1", "phi^1", "slope^1", "field^1"))
_SATURATED, _FLAT, _PAIRS = (names.BASE.index(name) for name in ("saturated", "flat", "field.pairs"))
_LN_Q, _COSINE, _OVERLAP = (names.BASE.index(name) for name in ("ln q", "cosine", "overlap"))
_DELTA2, _DELTA_KURTOSIS = names.BASE.index("delta^2"), names.BASE.index("delta.kurtosis")
_LN_DELTA, _DELTA_COSINE = names.BASE.index("ln delta"), names.BASE.index("delta.cosine")
_GRAD2, _LN_GRAD, _JACOBIAN, _LN_JACOBIAN = (names.BASE.index(name) for name in ("grad^2", "ln grad", "jacobian", "ln jacobian"))
_SINGLE_FROM, _SINGLE_TO = names.BASE.index(names.SINGLE[0]), names.BASE.index(names.SINGLE[-1])
_SINGLES = _SINGLE_TO - _SINGLE_FROM + 1
_BASE, _PRODUCTS, _POWERS = len(names.BASE), len(names.PRODUCTS), 2 * len(names.LOGS)
_Q_LOG, _DELTA_LOG, _GRAD_LOG, _JACOBIAN_LOG = range(0, _POWERS, 2)
_LEFT = np.array([names.BASE.index(one) for one, _ in names.PRODUCTS])
_RIGHT = np.array([names.BASE.index(other) for _, other in names.PRODUCTS])
_NONFINITE, _HAS_FIELD, _DEAD, _HAS_PAIRS, _BACKWARD, _EXTREME = range(6)
_STILL, _STILL_GRAD, _STILL_JACOBIAN, _BACKWARD_PAIRS, _UNDERFLOW = range(6, len(names.COUNTS))
Z_BINS, SIZE_BINS, FIELD_BINS = range(3)
_LOW, _HIGH, _FLAT_BELOW = F(SATURATION_MARGIN), F(1.0 - SATURATION_MARGIN), F(FLAT)
_PATTERNS = 1 << 14  # sign, exponent and 5 bits of mantissa of a float32
_ZERO = _PATTERNS // 2
_EXPONENT_LIMIT = 240
_FAINT = 2.0**-100
MAX_LANES = 128
"""Networks of a block, at most."""

_LN2 = 0.6931471805599453
_SIZES, _STEPS, _BINNED, _LOWEST = names.SIZES, names.STEPS, names.BINNED, names.LOWEST


class NetworkRecord(NamedTuple):
    """The raw arrays that a kernel writes into; the first axis is the recorded layer."""

    block: np.ndarray  # float64 (layers, sums), of the block at hand
    sums: np.ndarray  # int64 (layers, sums, LIMBS)
    counts: np.ndarray  # int64 (layers, COUNTS)
    bins: np.ndarray  # int64 (layers, 2 or 3, BINS, 2): of z; of |dC/dw| and of |delta| behind it; of the field
    patterns: np.ndarray  # int32, counts of one network by the pattern of its float32
    marks: np.ndarray  # uint64, the set of these patterns
    totals: np.ndarray  # float64 (16), of one reduction
    values: np.ndarray  # float64, the statistics of one network
    faint: np.ndarray  # bool, by network of a block: whether float32 has no room for its z
    tails: np.ndarray  # float32, thresholds of |z|
    slow: np.ndarray  # float32, thresholds of |delta|


def empty_network_record(layers: int, tails: np.ndarray, slow: np.ndarray, with_field: bool) -> NetworkRecord:
    """A record of no networks."""
    sums, rows = len(names.sum_names(tails.size, slow.size)), 3 if with_field else 2
    return NetworkRecord(
        np.zeros((layers, sums)),
        np.zeros((layers, sums, LIMBS), np.int64),
        np.zeros((layers, len(names.COUNTS)), np.int64),
        np.zeros((layers, rows, names.BINS, 2), np.int64),
        np.zeros(_PATTERNS, np.int32),
        np.zeros(_PATTERNS // 64, np.uint64),
        np.zeros(16),
        np.zeros(len(names.statistics(tails.size, slow.size))),
        np.zeros(MAX_LANES, np.bool_),
        tails,
        slow,
    )


def to_summary(record: NetworkRecord, at: int, width: int, networks: int) -> names.LayerSummary:
    """The plain, mergeable form of one recorded layer."""
    keys = names.sum_names(record.tails.size, record.slow.size)
    line, half = record.bins[at], names.SIZES
    bins = {
        "z": names.Bins.of(line[Z_BINS]),
        "grad": names.Bins.of(line[SIZE_BINS, :half], half),
        "delta": names.Bins.of(line[SIZE_BINS, half:], half),
        "field": names.Bins.of(line[FIELD_BINS]) if len(line) > FIELD_BINS else names.Bins.empty(),
    }
    return names.LayerSummary(
        networks=networks,
        width=width,
        sums={name: to_integer(row) for name, row in zip(keys, record.sums[at], strict=True)},
        counts={name: int(count) for name, count in zip(names.COUNTS, record.counts[at], strict=True)},
        bins=bins,
    )


@inline
def padded(count):
    """The number of neurons with the zeros that fill up the last vector."""
    return (count + WIDTH - 1) // WIDTH * WIDTH


@kernel
def dot(x, y, count, totals):
    """Sum of x * y over the neurons of a layer, float64."""
    product_sum(totals.ctypes.data, np.int64(padded(count)), x.ctypes.data, y.ctypes.data)
    return totals[0]


@kernel
def _commit(block, values, first, last):
    """Add the statistics first .. last - 1 of one network, and their squares, to the sums of a block.

    Here and elsewhere callers write np.int64(0) for 0: Numba compiles a function anew for each literal that a range begins with.
    """
    count = values.size
    for s in range(first, last):
        block[s] += values[s]
    for s in range(first, min(last, _SINGLE_FROM)):
        block[count + s] += values[s] * values[s]
    for s in range(max(first, _SINGLE_TO + 1), last):
        block[count + s - _SINGLES] += values[s] * values[s]


@inline
def commit_log(block, at, value):
    """Add the third and the fourth power of a logarithm, whose sums stand at a place from the end on."""
    square = value * value
    block[block.size - _POWERS + at] += square * value
    block[block.size - _POWERS + at + 1] += square * square


@kernel
def bin_neurons(patterns, marks, x, count, shift, is_signed, bins):
    """Bin x * 2**shift of the first neurons of one network; denormal numbers count as zero.

    x : float32; is_signed : 1, or 0 for |x|; bins : int64 (bins, 2), all or (for |x|) those from zero on. Patterns are counted in
    ascending order of x, and marked in a set of bits, so that only those that occur are visited.
    """
    first, last, zero = marks.size, np.int64(-1), _SIZES * is_signed
    for i in range(min(count, _BINNED)):
        bits = np.int64(bits_of(x[i]))
        place = (bits >> 18) & 0x1FFF
        pattern = _ZERO - 1 - place if bits < 0 and is_signed > 0 and place >= _STEPS else _ZERO + place
        patterns[pattern] += 1
        word = pattern >> 6
        marks[word] |= np.uint64(1) << np.uint64(pattern & 63)
        first, last = min(first, word), max(last, word)
    total, move = np.int64(0), (shift - 127 - _LOWEST) * _STEPS
    for word in range(first, last + 1):
        left = marks[word]
        marks[word] = np.uint64(0)
        while left != np.uint64(0):
            pattern = (word << 6) + lowest_bit(left)
            left &= left - np.uint64(1)
            found = np.int64(patterns[pattern])
            patterns[pattern] = 0
            place = pattern - _ZERO if pattern >= _ZERO else _ZERO - 1 - pattern
            size = np.int64(0) if place < _STEPS else min(max(place + move, np.int64(0)), np.int64(_SIZES - 1))
            to = zero + size if pattern >= _ZERO else zero - 1 - size
            bins[to, 0] += found
            bins[to, 1] += found * (found + total + total)
            total += found


@kernel
def is_finite_layer(z, count, totals):
    """Whether all |z| are below 2**120."""
    power_sums(totals.ctypes.data, np.int64(padded(count)), z.ctypes.data)
    count_beyond(totals[8:].ctypes.data, np.int64(padded(count)), z.ctypes.data, F(2.0**120))
    return totals[8] == 0.0 and totals[0] - totals[0] == 0.0


@kernel
def record_nonfinite(record, at):
    """Count a network that is not finite in this layer."""
    record.counts[at, _NONFINITE] += 1


@kernel
def record_forward(record, at, network, z, phi, slope, count, offset, gain, deviation, has_field):
    """Record the first input's neurons of one layer of one network; to be called after `is_finite_layer` of the same z.

    network : its number in the block. z, phi, slope : float32, padded with zeros. deviation : of z given what the layer sees; 0
    where biases have a mean. has_field : whether z over it is a standard normal field.
    """
    totals, values, block, tails = record.totals, record.values, record.block[at], record.tails
    address, words, share = totals.ctypes.data, np.int64(padded(count)), 1.0 / count
    products = 2 * values.size - _SINGLES
    values[:] = 0.0
    for k in range(8):
        values[_Z + k] = totals[k] * share
    record.faint[network] = (at > 0 and record.faint[network]) or 0.0 < deviation < _FAINT
    record.counts[at, _UNDERFLOW] += np.int64(record.faint[network])
    if has_field and deviation > 0.0:
        record.counts[at, _HAS_FIELD] += 1
        scale = 1.0 / deviation
        values[_FIELD] = values[_Z] * scale
        values[_FIELD + 1] = values[_Z + 1] * scale * scale
        values[_FIELD + 2] = values[_Z + 2] * scale * scale * scale
        values[_FIELD + 3] = values[_Z + 3] * scale * scale * scale * scale
        if count > 1:
            around = dot(z, z[1:], count - 1, totals) + np.float64(z[count - 1]) * np.float64(z[0])
            values[_PAIRS] = around * share * scale * scale
    activation_sums(address, words, phi.ctypes.data, slope.ctypes.data, offset, gain, _LOW, _HIGH, _FLAT_BELOW)
    for k in range(4):
        values[_PHI + k] = totals[k] * share
    for k in range(3):
        values[_SLOPE + k] = totals[4 + k] * share
    padding = np.float64(words - count)
    values[_SATURATED] = (totals[7] - (padding if offset < _LOW or offset > _HIGH else 0.0)) * share
    values[_FLAT] = (totals[8] - padding) * share
    if totals[1] > 0.0:
        values[_LN_Q] = log_double(totals[1] * share)
        commit_log(block, _Q_LOG, values[_LN_Q])
    else:
        record.counts[at, _DEAD] += 1
    for t in range(tails.size):
        count_beyond(address, words, z.ctypes.data, tails[t])
        values[_BASE + t] = totals[0] * share
    _commit(block, values, np.int64(0), _BASE + tails.size)
    for k in range(_PRODUCTS):
        block[products + k] += values[_LEFT[k]] * values[_RIGHT[k]]
    bin_neurons(record.patterns, record.marks, z, count, np.int64(0), np.int64(1), record.bins[at, Z_BINS])


@kernel
def record_pair(record, at, first, second, square, other, count, overlap):
    """Record the cosine of the pre-activations of two inputs, and the mean product of their activations.

    square, other : squared lengths of the two; overlap : sum of products of their activations.
    """
    size = np.sqrt(square) * np.sqrt(other)
    if size > 0.0:
        record.counts[at, _HAS_PAIRS] += 1
        record.values[:] = 0.0
        record.values[_COSINE] = min(max(dot(first, second, count, record.totals) / size, -1.0), 1.0)
        record.values[_OVERLAP] = overlap / count
        _commit(record.block[at], record.values, np.int64(_COSINE), np.int64(_OVERLAP + 1))


@kernel
def record_backward(record, at, delta, count, exponent, below_square, below, fan_in, products):
    """Record delta of the first input in one layer of one network.

    delta * 2**exponent is dC/dz, float32 padded with zeros. below : activations that the layer sees, float32 (fan_in), and
    below_square their mean square. products : float32 buffer.
    """
    totals, values, slow = record.totals, record.values, record.slow
    address, words = totals.ctypes.data, np.int64(padded(count))
    even_sums(address, words, delta.ctypes.data)
    square, fourth = totals[0] / count, totals[1] / count
    values[:] = 0.0
    record.counts[at, _BACKWARD] += 1
    if square > 0.0:
        values[_LN_DELTA] = log_double(square) + 2.0 * exponent * _LN2
        commit_log(record.block[at], _DELTA_LOG, values[_LN_DELTA])
        values[_DELTA_KURTOSIS] = fourth / (square * square)
        if below_square > 0.0:
            values[_LN_GRAD] = values[_LN_DELTA] + log_double(below_square)
            commit_log(record.block[at], _GRAD_LOG, values[_LN_GRAD])
        else:
            record.counts[at, _STILL_GRAD] += 1
        if abs(exponent) > _EXPONENT_LIMIT:
            record.counts[at, _EXTREME] += 1
        else:
            values[_DELTA2] = square * two_to(2 * exponent)
            values[_GRAD2] = values[_DELTA2] * below_square
    else:
        record.counts[at, _STILL] += 1
        record.counts[at, _STILL_GRAD] += 1
    for t in range(slow.size):
        threshold = np.float64(slow[t]) * two_to(min(max(-exponent, -1000), 1000))
        count_beyond(address, words, delta.ctypes.data, F(min(threshold, 3e38)))
        values[_BASE + record.tails.size + t] = (count - totals[0]) / count
    _commit(record.block[at], values, np.int64(_DELTA2), values.size)
    bin_neurons(record.patterns, record.marks, delta, count, exponent, np.int64(0), record.bins[at, SIZE_BINS, _SIZES:])
    binned = min(count, _BINNED)
    step = fan_in / binned
    for i in range(binned):
        products[i] = delta[i] * below[np.int64(i * step) if fan_in > binned else i % fan_in]
    bin_neurons(record.patterns, record.marks, products, binned, exponent, np.int64(0), record.bins[at, SIZE_BINS, :_SIZES])


@kernel
def record_jacobian(record, at, square, exponent):
    """Record the squared norm square * 2**(2 exponent) of the derivative with respect to what a layer sees."""
    values = record.values
    if square > 0.0:
        values[_JACOBIAN] = square * two_to(2 * exponent) if abs(exponent) <= _EXPONENT_LIMIT else 0.0
        values[_LN_JACOBIAN] = log_double(square) + 2.0 * exponent * _LN2
        commit_log(record.block[at], _JACOBIAN_LOG, values[_LN_JACOBIAN])
        _commit(record.block[at], values, np.int64(_JACOBIAN), np.int64(_LN_JACOBIAN + 1))
    else:
        record.counts[at, _STILL_JACOBIAN] += 1


@kernel
def record_delta_pair(record, at, first, second, count):
    """Record the cosine of the delta of two inputs."""
    totals = record.totals
    square, other = dot(first, first, count, totals), dot(second, second, count, totals)
    size = np.sqrt(square) * np.sqrt(other)
    if size > 0.0:
        record.counts[at, _BACKWARD_PAIRS] += 1
        record.values[_DELTA_COSINE] = min(max(dot(first, second, count, totals) / size, -1.0), 1.0)
        _commit(record.block[at], record.values, np.int64(_DELTA_COSINE), np.int64(_DELTA_COSINE + 1))


@kernel
def end_block(record):
    """Add the sums of the block at hand to those of the run."""
    block, sums = record.block, record.sums
    for at in range(block.shape[0]):
        for s in range(block.shape[1]):
            if block[at, s] != 0.0:
                add_exactly(sums[at, s], block[at, s])
                block[at, s] = 0.0
