"""Vectors of the neurons of one layer: float32, with zeros behind them, because sums read in steps of 16."""

from __future__ import annotations

import numpy as np

from fanin.engine._jit import inline, kernel
from fanin.engine._llvm import fma
from fanin.engine._reductions import WIDTH
from fanin.engine.laws import fill_normal
from fanin.engine.math import F, two_to
from fanin.engine.network_record import dot
from fanin.engine.philox import fill_words


@inline
def padded_end(count):
    """Where the zeros behind a vector of neurons end: sums read in steps of 16, from one neuron on at most."""
    return (count + 31) // 32 * 32 + WIDTH


@inline
def exponent_of(x):
    """The binary exponent of a positive normal float64; 0 for 0."""
    return ((np.float64(x).view(np.int64) >> np.int64(52)) - np.int64(1023)) if x > 0.0 else np.int64(0)


@kernel
def fill_vector(first, second, key, role, index, layer, block, std, out, count):
    """Normals of a vector of neurons, N(0, std**2), with zeros behind them. out : float32, padded. first, second : words."""
    groups = (count + 31) // 32 * 8
    fill_words(first[:groups], second[:groups], key, role, index, layer, block)
    words, others = first[:groups].view(np.int32), second[:groups].view(np.int32)
    fill_normal(words, others, std, out[: 4 * groups])
    out[count : padded_end(count)] = F(0.0)


@kernel
def combine(out, weights, vectors, count):
    """out = sum over vectors of weight * vector, one rounding for each."""
    first = vectors[0]
    factor = F(weights[0])
    for i in range(count):
        out[i] = factor * first[i]
    for k in range(1, vectors.shape[0]):
        factor, one = F(weights[k]), vectors[k]
        for i in range(count):
            out[i] = fma(factor, one[i], out[i])


@kernel
def add_multiple(out, factor, vector, count):
    """out += factor * vector, one rounding for each."""
    for i in range(count):
        out[i] = fma(factor, vector[i], out[i])


@kernel
def scale(out, factor, shift, count):
    """out = factor * out + shift."""
    for i in range(count):
        out[i] = fma(factor, out[i], shift)


@kernel
def times(out, one, other, count):
    """out = one * other."""
    for i in range(count):
        out[i] = one[i] * other[i]


@kernel
def grams(vectors, count, totals, out):
    """Products of all pairs of vectors."""
    for a in range(vectors.shape[0]):
        for b in range(a + 1):
            out[a, b] = dot(vectors[a], vectors[b], count, totals)
            out[b, a] = out[a, b]


@kernel
def normalise(vector, square, count):
    """Scale by a power of two so that the mean square lies near 1; returns the exponent taken out."""
    if not square > 0.0:
        return np.int64(0)
    exponent = ((np.float64(square / count).view(np.int64) >> np.int64(52)) - np.int64(1023)) >> np.int64(1)
    exponent = min(max(exponent, np.int64(-120)), np.int64(120))
    if abs(exponent) > 8:
        scale(vector, F(two_to(-exponent)), F(0.0), count)
        return exponent
    return np.int64(0)
