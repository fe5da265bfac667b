"""Four machine operations that Numba has no name for: a fused multiply-add, the two casts of float32 bits, a call by address.

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
def call_row(_typing: Any, address: Any, words: Any, shape: Any, out: Any) -> Any:
    """Call the row kernel at an address (`rows.row`) with the addresses of its three arrays. All arguments are 64-bit integers."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        pointer = ir.PointerType(ir.IntType(8))
        function = ir.PointerType(ir.FunctionType(ir.VoidType(), [pointer] * 3))
        target, *arrays = (builder.inttoptr(value, kind) for value, kind in zip(args, [function] + [pointer] * 3, strict=True))
        builder.call(target, arrays)

    if not all(isinstance(argument, types.Integer) and argument.bitwidth == 64 for argument in (address, words, shape, out)):
        return None
    return types.void(address, words, shape, out), generate
