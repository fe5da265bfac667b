"""Sums over the neurons of a layer, written as vector code: 16 partial sums, folded in halves. The same bits on every machine.

Guarantee: partial sum k adds the terms of neurons k, k + 16, ... in this order, in float64 and without fusing; LLVM may split the
vectors of 16 but not reorder a sum. Arrays are float32, contiguous, and padded with zeros to a multiple of 16.

Sums are intrinsics that build their loop, because LLVM does not keep the partial sums of many outputs in registers by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WIDTH = 16
_FLOATS, _DOUBLES = ir.VectorType(ir.FloatType(), WIDTH), ir.VectorType(ir.DoubleType(), WIDTH)
_WORD = ir.IntType(64)
Body = Callable[[Any, list[Any], list[Any]], list[Any]]


def _constant(kind: Any, value: float) -> Any:
    return ir.Constant(kind, [value] * WIDTH)


def _loop(builder: Any, body: Body, kinds: list[Any], out: Any, count: Any, arrays: list[Any], scalars: list[Any]) -> None:
    """Add what `body` makes of each 16 neurons to partial sums of the given kinds, and store their totals as float64."""
    before, function = builder.basic_block, builder.function
    loop, after = function.append_basic_block("sums"), function.append_basic_block("folded")
    spread = []
    for scalar in scalars:
        seed = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        spread.append(builder.shuffle_vector(seed, ir.Constant(_FLOATS, ir.Undefined), zeros))
    zero = ir.Constant(_WORD, 0)
    builder.cbranch(builder.icmp_signed(">", count, zero), loop, after)
    builder.position_at_end(loop)
    at = builder.phi(_WORD)
    at.add_incoming(zero, before)
    sums = [builder.phi(kind) for kind in kinds]
    loaded = []
    for array in arrays:
        place = builder.add(array, builder.shl(at, ir.Constant(_WORD, 2)))
        load = builder.load(builder.inttoptr(place, ir.PointerType(_FLOATS)))
        load.align = 4
        loaded.append(load)
    terms = body(builder, loaded, spread)
    updated = [builder.fadd(total, term) for total, term in zip(sums, terms, strict=True)]
    following = builder.add(at, ir.Constant(_WORD, WIDTH))
    for total, kind, new in zip(sums, kinds, updated, strict=True):
        total.add_incoming(_constant(kind, 0.0), before)
        total.add_incoming(new, loop)
    at.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)
    totals = []
    for kind, new in zip(kinds, updated, strict=True):
        total = builder.phi(kind)
        total.add_incoming(_constant(kind, 0.0), before)
        total.add_incoming(new, loop)
        totals.append(total)
    for number, (total, kind) in enumerate(zip(totals, kinds, strict=True)):
        vector = builder.fpext(total, _DOUBLES) if kind is _FLOATS else total
        width = WIDTH
        while width > 1:
            width //= 2
            for_mask = ir.VectorType(ir.IntType(32), width)
            low = builder.shuffle_vector(vector, vector, ir.Constant(for_mask, list(range(width))))
            high = builder.shuffle_vector(vector, vector, ir.Constant(for_mask, list(range(width, 2 * width))))
            vector = builder.fadd(low, high)
        value = builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))
        place = builder.add(out, ir.Constant(_WORD, 8 * number))
        builder.store(value, builder.inttoptr(place, ir.PointerType(ir.DoubleType())))


def _are(arguments: tuple[Any, ...], scalars: tuple[Any, ...]) -> bool:
    words = all(isinstance(one, types.Integer) and one.bitwidth == 64 for one in arguments)
    return words and all(one == types.float32 for one in scalars)


def _wide(builder: Any, value: Any) -> Any:
    return builder.fpext(value, _DOUBLES)


def _share(builder: Any, condition: Any) -> Any:
    """1 where a condition holds, else 0: counted in float32, exact to 2**24 in each partial sum."""
    return builder.select(condition, _constant(_FLOATS, 1.0), _constant(_FLOATS, 0.0))


def _size(builder: Any, value: Any) -> Any:
    integers = ir.VectorType(ir.IntType(32), WIDTH)
    bits = builder.and_(builder.bitcast(value, integers), ir.Constant(integers, [0x7FFFFFFF] * WIDTH))
    return builder.bitcast(bits, _FLOATS)


@intrinsic
def power_sums(_typing: Any, out: Any, count: Any, x: Any) -> Any:
    """out[k - 1] = sum of x**k, k = 1 .. 8."""

    def body(builder: Any, loaded: list[Any], _scalars: list[Any]) -> list[Any]:
        one = _wide(builder, loaded[0])
        two = builder.fmul(one, one)
        four = builder.fmul(two, two)
        three = builder.fmul(two, one)
        upper = [builder.fmul(four, power) for power in (one, two, three, four)]
        return [one, two, three, four, *upper]

    if not _are((out, count, x), ()):
        return None
    return types.void(out, count, x), lambda _c, builder, _s, args: _loop(
        builder, body, [_DOUBLES] * 8, args[0], args[1], [args[2]], []
    )


@intrinsic
def activation_sums(
    _typing: Any, out: Any, count: Any, phi: Any, slope: Any, offset: Any, gain: Any, low: Any, high: Any, flat: Any
) -> Any:
    """out = sums of phi, phi**2, phi**3, phi**4, slope, slope**2, slope**4, then counts of offset + gain * phi beyond (low, high)
    and of slope below flat (padding counted)."""

    def body(builder: Any, loaded: list[Any], scalars: list[Any]) -> list[Any]:
        phi, slope = _wide(builder, loaded[0]), _wide(builder, loaded[1])
        two, steep = builder.fmul(phi, phi), builder.fmul(slope, slope)
        level = builder.fadd(scalars[0], builder.fmul(scalars[1], loaded[0]))
        below, above = builder.fcmp_ordered("<", level, scalars[2]), builder.fcmp_ordered(">", level, scalars[3])
        saturated = _share(builder, builder.or_(below, above))
        flat = _share(builder, builder.fcmp_ordered("<", loaded[1], scalars[4]))
        powers = [phi, two, builder.fmul(two, phi), builder.fmul(two, two)]
        return [*powers, slope, steep, builder.fmul(steep, steep), saturated, flat]

    if not _are((out, count, phi, slope), (offset, gain, low, high, flat)):
        return None
    kinds = [_DOUBLES] * 7 + [_FLOATS] * 2
    signature = types.void(out, count, phi, slope, offset, gain, low, high, flat)
    return signature, lambda _c, builder, _s, a: _loop(builder, body, kinds, a[0], a[1], list(a[2:4]), list(a[4:]))


@intrinsic
def even_sums(_typing: Any, out: Any, count: Any, x: Any) -> Any:
    """out = sums of x**2 and x**4."""

    def body(builder: Any, loaded: list[Any], _scalars: list[Any]) -> list[Any]:
        one = _wide(builder, loaded[0])
        two = builder.fmul(one, one)
        return [two, builder.fmul(two, two)]

    if not _are((out, count, x), ()):
        return None
    return types.void(out, count, x), lambda _c, builder, _s, a: _loop(builder, body, [_DOUBLES] * 2, a[0], a[1], [a[2]], [])


@intrinsic
def product_sum(_typing: Any, out: Any, count: Any, x: Any, y: Any) -> Any:
    """out[0] = sum of x * y."""

    def body(builder: Any, loaded: list[Any], _scalars: list[Any]) -> list[Any]:
        return [builder.fmul(_wide(builder, loaded[0]), _wide(builder, loaded[1]))]

    if not _are((out, count, x, y), ()):
        return None
    return types.void(out, count, x, y), lambda _c, builder, _s, a: _loop(builder, body, [_DOUBLES], a[0], a[1], list(a[2:]), [])


@intrinsic
def count_beyond(_typing: Any, out: Any, count: Any, x: Any, threshold: Any) -> Any:
    """out[0] = number of |x| > threshold."""

    def body(builder: Any, loaded: list[Any], scalars: list[Any]) -> list[Any]:
        return [_share(builder, builder.fcmp_ordered(">", _size(builder, loaded[0]), scalars[0]))]

    if not _are((out, count, x), (threshold,)):
        return None
    signature = types.void(out, count, x, threshold)
    return signature, lambda _c, builder, _s, a: _loop(builder, body, [_FLOATS], a[0], a[1], [a[2]], [a[3]])
