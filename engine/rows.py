"""Rows: one random parameter (or input) for every network of a block, drawn by the row kernel of its law.

A row kernel turns words into values. It is compiled on its own and called by its address, so that one sampler serves every law, a
user's own included, and a law that is not used is never compiled.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import carray, types

from fanin.engine import stream
from fanin.engine._jit import compiled_row, inline, kernel
from fanin.engine._llvm import call_row, fma
from fanin.engine.buffers import staggered
from fanin.engine.errors import SpecificationError
from fanin.engine.laws import fill_normal, laplace_value, student_value, truncated_value, uniform_value
from fanin.engine.math import SIGN, F
from fanin.engine.philox import fill_words
from fanin.engine.schemes import Law, OwnLaw

HALF = stream.BLOCK // 2
STRIDE = HALF + 144  # words of half a block, and a shift that keeps the four rows apart modulo a page
_SIZES = 4
_MORE, _MASK = np.uint64(stream.MORE), np.uint64(stream.MASK)
_SIGNATURE = types.void(types.CPointer(types.int32), types.CPointer(types.float32), types.CPointer(types.float32))


class Row(NamedTuple):
    """How a row is drawn.

    address : of the row kernel; 0 for a constant. sizes : float32 (4), what the kernel scales by. sets : words that a value needs,
    0 to 2. zeros : 2**32 times the probability that a value is replaced by zero. constant : the value where there is no kernel.
    """

    address: int
    sets: int
    sizes: np.ndarray
    zeros: int
    constant: np.float32


class Words(NamedTuple):
    """Buffers of words: `raw` as drawn (uint64), `read` the same memory as int32 (4, STRIDE): two rows for each set of words."""

    raw: np.ndarray
    read: np.ndarray


def empty_words() -> Words:
    """Buffers for one block."""
    (raw,) = staggered((4 * STRIDE // 2, np.uint64))
    raw = raw.reshape(4, STRIDE // 2)
    return Words(raw, raw.view(np.int32))


@inline
def draw_words(words, pair, key, role, index, layer, block):
    """One word for every network of a block, into rows 2 * pair and 2 * pair + 1 of `words.read`."""
    fill_words(words.raw[2 * pair, : HALF // 2], words.raw[2 * pair + 1, : HALF // 2], key, np.uint64(role), index, layer, block)


@inline
def unsigned(word):
    """A word read as int32 as a number from 0 to 2**32 - 1 in int64."""
    return np.int64(word) & np.int64(0xFFFFFFFF)


@kernel
def _clear(words, zeros, out):
    """Replace a value by zero where its word lies below the threshold."""
    for i in range(words.size):
        out[i] = F(0.0) if unsigned(words[i]) < zeros else out[i]


@kernel
def draw_row(row, words, key, role, index, layer, block, out):
    """Draw one row into out, float32 (BLOCK). role, index, layer, block: uint64."""
    if row.sets > 0:
        draw_words(words, 0, key, role, index, layer, block)
        if row.sets > 1:
            draw_words(words, 1, key, role | _MORE, index, layer, block)
        call_row(row.address, words.read.ctypes.data, row.sizes.ctypes.data, out.ctypes.data)
    else:
        out[:] = row.constant
    if row.zeros > 0:
        draw_words(words, 0, key, role | _MASK, index, layer, block)
        _clear(words.read[0, :HALF], row.zeros, out[:HALF])
        _clear(words.read[1, :HALF], row.zeros, out[HALF:])


@compiled_row(_SIGNATURE)
def _normal(words, sizes, out):
    words, sizes, out = carray(words, (4, STRIDE)), carray(sizes, _SIZES), carray(out, stream.BLOCK)
    fill_normal(words[0, :HALF], words[1, :HALF], sizes[0], out)


@compiled_row(_SIGNATURE)
def _uniform(words, sizes, out):
    words, sizes, out = carray(words, (4, STRIDE)), carray(sizes, _SIZES), carray(out, stream.BLOCK)
    for half in range(2):
        for i in range(HALF):
            out[half * HALF + i] = uniform_value(words[half, i], sizes[0])


@compiled_row(_SIGNATURE)
def _interval(words, sizes, out):
    """Uniform on (low, low + width): low + (word + 1/2) * step."""
    words, sizes, out = carray(words, (4, STRIDE)), carray(sizes, _SIZES), carray(out, stream.BLOCK)
    for half in range(2):
        for i in range(HALF):
            word = np.float64(np.uint32(words[half, i]))
            out[half * HALF + i] = F(fma(word, np.float64(sizes[0]), np.float64(sizes[1])))


@compiled_row(_SIGNATURE)
def _truncated(words, sizes, out):
    words, sizes, out = carray(words, (4, STRIDE)), carray(sizes, _SIZES), carray(out, stream.BLOCK)
    for half in range(2):
        for i in range(HALF):
            out[half * HALF + i] = truncated_value(words[half, i], sizes[0], sizes[1], sizes[2], sizes[3])


@compiled_row(_SIGNATURE)
def _rademacher(words, sizes, out):
    words, sizes, out = carray(words, (4, STRIDE)), carray(sizes, _SIZES), carray(out, stream.BLOCK)
    for half in range(2):
        for i in range(HALF):
            out[half * HALF + i] = sizes[0] if words[half, i] & SIGN == 0 else -sizes[0]


@compiled_row(_SIGNATURE)
def _laplace(words, sizes, out):
    words, sizes, out = carray(words, (4, STRIDE)), carray(sizes, _SIZES), carray(out, stream.BLOCK)
    for half in range(2):
        for i in range(HALF):
            out[half * HALF + i] = laplace_value(words[half, i], sizes[0])


@compiled_row(_SIGNATURE)
def _student(words, sizes, out):
    words, sizes, out = carray(words, (4, STRIDE)), carray(sizes, _SIZES), carray(out, stream.BLOCK)
    for half in range(2):
        for i in range(HALF):
            out[half * HALF + i] = student_value(words[half, i], words[2 + half, i], sizes[0], sizes[1])


def law_row(law: Law, fan_in: int, fan_out: int) -> Row:
    """The row of a law of weights or biases in a layer with the given fans."""
    parent = law.parent_std(fan_in, fan_out)
    match law.family:
        case "normal" | "orthogonal":
            address, sets, sizes = _normal().address, 1, [parent if law.family == "normal" else 1.0]
        case "uniform":
            address, sets, sizes = _uniform().address, 1, [parent]
        case "truncated":
            cut = law.shape / math.sqrt(2.0)
            sizes = [math.sqrt(2.0) * parent, math.erf(cut), math.erfc(cut), law.shape * parent]
            address, sets = _truncated().address, 1
        case "constant":
            return _row(0, 0, [], law.zero, parent)
        case "rademacher":
            address, sets, sizes = _rademacher().address, 1, [parent]
        case "laplace":
            address, sets, sizes = _laplace().address, 1, [parent / math.sqrt(8.0)]
        case "student":
            address, sets, sizes = _student().address, 2, [parent * math.sqrt(1.0 - 2.0 / law.shape), law.shape]
        case _:
            address, sets, sizes = own_row(law.own.function).address, 2, [parent / math.sqrt(law.own.variance)]
    return _row(address, sets, sizes, law.zero)


def normal_row(std: float, zero: float = 0.0) -> Row:
    """The row of N(0, std**2), with a share of zeros."""
    return _row(_normal().address, 1, [std], zero)


def interval_row(low: float, high: float) -> Row:
    """The row of a uniform number between low and high."""
    step = (high - low) * 2.0**-32
    return _row(_interval().address, 1, [step, low + 0.5 * step], 0.0)


def _row(address: int, sets: int, sizes: list[float], zero: float, constant: float = 0.0) -> Row:
    padded = np.zeros(_SIZES, np.float32)
    padded[: len(sizes)] = sizes
    return Row(address, sets, padded, round(zero * 2**32), np.float32(constant))


@functools.cache  # for ever: a plan holds the address of the kernel only
def own_row(function: Callable[..., Any]) -> Any:
    """The row kernel of a user's own function from two words (uint32) to a value (float32)."""
    name = getattr(function, "__name__", str(function))
    try:
        if not isinstance(function, numba.core.registry.CPUDispatcher):
            function = numba.njit(error_model="numpy")(function)
        function.compile((types.uint32, types.uint32))
        result = function.overloads[types.uint32, types.uint32].signature.return_type
    except (numba.core.errors.NumbaError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SpecificationError(f"the law {name} cannot be compiled for two uint32 words: {reason}") from None
    if result != types.float32:
        raise SpecificationError(f"the law {name} returns {result}; it must return numpy.float32 for two uint32 words")

    @numba.cfunc(_SIGNATURE, error_model="numpy")
    def row(words, sizes, out):
        words, sizes, out = carray(words, (4, STRIDE)), carray(sizes, _SIZES), carray(out, stream.BLOCK)
        for half in range(2):
            for i in range(HALF):
                out[half * HALF + i] = sizes[0] * function(np.uint32(words[half, i]), np.uint32(words[2 + half, i]))

    return row


def draw_own(own: OwnLaw, key: tuple[int, int], blocks: int) -> np.ndarray:
    """Values of a user's own function, float32 (blocks * BLOCK), as they come: not scaled."""
    row, words = _row(own_row(own.function).address, 2, [1.0], 0.0), empty_words()
    out, key = np.empty((blocks, stream.BLOCK), np.float32), (np.uint64(key[0]), np.uint64(key[1]))
    for block in range(blocks):
        draw_row(row, words, key, np.uint64(stream.WEIGHT), np.uint64(0), np.uint64(0), np.uint64(block), out[block])
    return out.reshape(-1)
