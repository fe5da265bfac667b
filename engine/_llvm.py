"""Machine operations that Numba has no name for: a fused multiply-add, the two casts of float32 bits, calls by address.

`fma(a, b, c)` rounds a*b + c once (IEEE 754-2008, 5.4.1). It fuses where the source says so and only there.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def fma(_typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Fused multiply-add of three numbers of one floating type."""
    if not (isinstance(a, types.Float) and a == b == c):
        return None
    return a(a, a, a), lambda _context, builder, _signature, args: builder.fma(*args)


@intrinsic
def bits_of(_typing: Any, x: Any) -> Any:
    """The bit pattern of a float32 as int32."""
    if x != types.float32:
        return None
    return types.int32(x), lambda _context, builder, _signature, args: builder.bitcast(args[0], ir.IntType(32))


@intrinsic
def float_of(_typing: Any, bits: Any) -> Any:
    """The float32 with the bit pattern in the lower 32 bits of an integer (Numba widens int32 arithmetic to int64)."""
    if not isinstance(bits, types.Integer):
        return None
    return types.float32(types.int32), lambda _context, builder, _signature, args: builder.bitcast(args[0], ir.FloatType())


@intrinsic
def lowest_bit(_typing: Any, word: Any) -> Any:
    """The number of the lowest bit that is set in a uint64 other than 0."""
    if word != types.uint64:
        return None
    return types.int64(word), lambda _context, builder, _signature, args: builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))


def _call(builder: Any, kinds: list[Any], address: Any, *arguments: Any) -> None:
    """Call the function at an address; an argument whose kind is a pointer is an address too."""
    target = builder.inttoptr(address, ir.PointerType(ir.FunctionType(ir.VoidType(), kinds)))
    given = zip(arguments, kinds, strict=True)
    builder.call(target, [builder.inttoptr(value, kind) if isinstance(kind, ir.PointerType) else value for value, kind in given])


def _are_words(*arguments: Any) -> bool:
    return all(isinstance(argument, types.Integer) and argument.bitwidth == 64 for argument in arguments)


_POINTER, _COUNT = ir.PointerType(ir.IntType(8)), ir.IntType(64)


@intrinsic
def call_row(_typing: Any, address: Any, words: Any, shape: Any, out: Any) -> Any:
    """Call the row kernel at an address (`rows.row`) with the addresses of its three arrays. All arguments are 64-bit integers."""
    if not _are_words(address, words, shape, out):
        return None
    kinds = [_POINTER] * 3
    return types.void(address, words, shape, out), lambda _context, builder, _signature, args: _call(builder, kinds, *args)


@intrinsic
def call_activation(_typing: Any, address: Any, z: Any, count: Any, sizes: Any, phi: Any, slope: Any) -> Any:
    """Call the row kernel of an activation at an address with its count and the addresses of its arrays, all 64-bit integers."""
    if not _are_words(address, z, count, sizes, phi, slope):
        return None
    kinds = [_POINTER, _COUNT] + [_POINTER] * 3
    signature = types.void(address, z, count, sizes, phi, slope)
    return signature, lambda _context, builder, _signature, args: _call(builder, kinds, *args)
