"""One layer of a block of networks: products with weights that are drawn row by row and never stored; lanes are networks.

A row of `stream.BLOCK` values serves BLOCK / lanes consecutive weights of a layer: value p of row r is the weight of index
BLOCK / lanes * r + p // lanes (i * fan_in + j, i the neuron above and j the one below) of network p % lanes. Biases likewise, of
index i.

Guarantee: each network's sums run in the order of the index with one rounding for each term (fma), so that the bits depend neither
on the machine's vectors nor on the other networks. All inputs of a network meet the same weight.

Values are float32 and flat: neuron, input, network. Products are intrinsics that build their loop: LLVM then keeps the sums of
64 networks in registers, and no reference is counted for a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fanin.engine import stream
from fanin.engine._jit import inline, kernel
from fanin.engine._llvm import bits_of
from fanin.engine.math import F
from fanin.engine.rows import Row, draw_row

_WIDE, _NARROW = 64, 8  # networks of one vector; the fewest lanes of a block are 8
_TILE = 64
_WEIGHT, _BIAS = np.uint64(stream.WEIGHT), np.uint64(stream.BIAS)
_WORD = ir.IntType(64)


class Rows(NamedTuple):
    """`rows.Row` of every layer, 0 for the first: what each of its fields is, by layer."""

    address: np.ndarray  # int64
    sets: np.ndarray  # int64
    sizes: np.ndarray  # float32 (depth, 4)
    zeros: np.ndarray  # int64
    constant: np.ndarray  # float32


def by_layer(rows: list[Row]) -> Rows:
    """The rows of all layers as arrays."""
    address, sets, sizes, zeros, constant = zip(*rows, strict=True)
    integers = (np.array(values, np.int64) for values in (address, sets, zeros))
    first, second, third = integers
    return Rows(first, second, np.array(sizes, np.float32), third, np.array(constant, np.float32))


@inline
def row_of_layer(rows, layer):
    """The row of one layer."""
    return Row(rows.address[layer], rows.sets[layer], rows.sizes[layer], rows.zeros[layer], rows.constant[layer])


def _vector_loop(width: int, is_sum: bool) -> Callable[..., Any]:
    """A loop over weights for `width` networks: a sum (out += w * x), or one number sent to many (out[k] += w[k] * x)."""
    floats = ir.VectorType(ir.FloatType(), width)

    @intrinsic
    def loop(_typing: Any, out: Any, w: Any, x: Any, count: Any, w_step: Any, step: Any) -> Any:
        given = (out, w, x, count, w_step, step)
        if not all(isinstance(one, types.Integer) and one.bitwidth == 64 for one in given):
            return None

        def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> None:
            out, w, x, count, w_step, step = arguments
            kind = ir.FunctionType(floats, [floats] * 3)
            fused = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{width}f32")

            def pointer(address: Any) -> Any:
                return builder.inttoptr(address, ir.PointerType(floats))

            def load(address: Any) -> Any:
                value = builder.load(pointer(address))
                value.align = 4
                return value

            def store(value: Any, address: Any) -> None:
                builder.store(value, pointer(address)).align = 4

            kept = load(out if is_sum else x)
            before, function = builder.basic_block, builder.function
            body, after = function.append_basic_block("weights"), function.append_basic_block("done")
            builder.branch(body)
            builder.position_at_end(body)
            at, one, other = (builder.phi(_WORD) for _ in range(3))
            for value, start in ((at, ir.Constant(_WORD, 0)), (one, w), (other, x if is_sum else out)):
                value.add_incoming(start, before)
            if is_sum:
                total = builder.phi(floats)
                total.add_incoming(kept, before)
                new = builder.call(fused, [load(one), load(other), total])
                total.add_incoming(new, body)
            else:
                new = builder.call(fused, [load(one), kept, load(other)])
                store(new, other)
            following = builder.add(at, ir.Constant(_WORD, 1))
            for value, moved in ((at, following), (one, builder.add(one, w_step)), (other, builder.add(other, step))):
                value.add_incoming(moved, body)
            builder.cbranch(builder.icmp_signed("<", following, count), body, after)
            builder.position_at_end(after)
            if is_sum:
                store(new, out)

        return types.void(*given), build

    return loop


_add_wide, _add_narrow = (_vector_loop(width, True) for width in (_WIDE, _NARROW))
_send_wide, _send_narrow = (_vector_loop(width, False) for width in (_WIDE, _NARROW))


@inline
def add_products(out, w, x, lanes, count, step):
    """out[g] = fma(w[k, g], x[k, g], out[g]), k = 0 .. count - 1 in turn, count > 0.

    out, w, x : addresses; w has rows of `lanes` values, and those of x are `step` bytes apart.
    """
    if lanes >= _WIDE:
        for at in range(0, 4 * lanes, 4 * _WIDE):
            _add_wide(out + at, w + at, x + at, count, 4 * lanes, step)
    else:
        for at in range(0, 4 * lanes, 4 * _NARROW):
            _add_narrow(out + at, w + at, x + at, count, 4 * lanes, step)


@inline
def send(out, w, x, lanes, count, step):
    """out[k, g] = fma(w[k, g], x[g], out[k, g]), k = 0 .. count - 1, count > 0; rows of out are `step` bytes apart."""
    if lanes >= _WIDE:
        for at in range(0, 4 * lanes, 4 * _WIDE):
            _send_wide(out + at, w + at, x + at, count, 4 * lanes, step)
    else:
        for at in range(0, 4 * lanes, 4 * _NARROW):
            _send_narrow(out + at, w + at, x + at, count, 4 * lanes, step)


@inline
def _is_live(live, first, count, size):
    """Whether one of the `count` values from `first` on, modulo `size`, is not zero in every network."""
    last = first + count
    if count >= size:
        return live[size] > 0
    if last <= size:
        return live[last] > live[first]
    return live[size] - live[first] + live[last - size] > 0


@kernel
def multiply(row, words, key, layer, block, w, x, live, out, lanes, points, below, above, is_back, stop):
    """out = W x, or W^T x where `is_back`, for every network and input.

    live : int64 (below + 1), number of values of x before each that are not zero everywhere: rows that meet none are not drawn.
    w : float32 (BLOCK), a row. A non-zero stop[0] breaks off.
    """
    part, step, total = stream.BLOCK // lanes, 4 * lanes * points, above * below
    out[: (below if is_back else above) * points * lanes] = F(0.0)
    weights, source, target = np.int64(w.ctypes.data), np.int64(x.ctypes.data), np.int64(out.ctypes.data)
    i, j = 0, 0
    for first in range(0, total, part):
        if stop[0] != 0:
            return
        count = min(part, total - first)
        if not is_back and not _is_live(live, j, count, below):
            j += count
            i += j // below
            j %= below
            continue
        draw_row(row, words, key, _WEIGHT, np.uint64(first // part), layer, block, w)
        k = 0
        while k < count:
            run = min(count - k, below - j)
            for a in range(points):
                over, under, drawn = 4 * lanes * (i * points + a), 4 * lanes * (j * points + a), weights + 4 * lanes * k
                if is_back:
                    send(target + under, drawn, source + over, lanes, run, step)
                else:
                    add_products(target + over, drawn, source + under, lanes, run, step)
            k += run
            j += run
            if j == below:
                i, j = i + 1, 0


@kernel
def add_biases(row, words, key, layer, block, w, out, lanes, points, above):
    """Add each network's biases to the values of all its inputs."""
    part = stream.BLOCK // lanes
    for first in range(0, above, part):
        draw_row(row, words, key, _BIAS, np.uint64(first // part), layer, block, w)
        for k in range(min(part, above - first)):
            for a in range(points):
                at = ((first + k) * points + a) * lanes
                for g in range(lanes):
                    out[at + g] += w[k * lanes + g]


@kernel
def draw_values(row, words, key, role, layer, block, w, lanes, lane, out):
    """Weights or biases of a layer for the networks from `lane` on, float32 (networks, values), in the order of the index."""
    networks, count = out.shape
    part = stream.BLOCK // lanes
    for first in range(0, count, part):
        draw_row(row, words, key, role, np.uint64(first // part), layer, block, w)
        for k in range(min(part, count - first)):
            for g in range(networks):
                out[g, first + k] = w[k * lanes + lane + g]


@kernel
def to_lanes(vectors, count, out):
    """From one vector for each network and input, float32 (lanes, points, ...), to flat values by neuron, input, network."""
    lanes, points = vectors.shape[0], vectors.shape[1]
    for start in range(0, count, _TILE):
        for g in range(lanes):
            for a in range(points):
                for j in range(start, min(start + _TILE, count)):
                    out[(j * points + a) * lanes + g] = vectors[g, a, j]


@kernel
def from_lanes(values, count, vectors):
    """The way back; what fills up a vector becomes zero."""
    lanes, points = vectors.shape[0], vectors.shape[1]
    for start in range(0, count, _TILE):
        for g in range(lanes):
            for a in range(points):
                for j in range(start, min(start + _TILE, count)):
                    vectors[g, a, j] = values[(j * points + a) * lanes + g]
    vectors[:, :, count:] = F(0.0)


@kernel
def count_live(values, count, size, live):
    """Fill live[: count + 1] for `multiply`; a neuron has `size` values."""
    live[0] = 0
    for j in range(count):
        seen = np.int32(0)
        for k in range(size):
            seen |= bits_of(values[j * size + k]) & np.int32(0x7FFFFFFF)
        live[j + 1] = live[j] + np.int64(seen != 0)
