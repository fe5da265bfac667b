"""Sums that cannot depend on order: float64 values added into an integer of 68 limbs.

A finite float64 is an integer multiple of 2**-1074 below 2**2098; here it is added as such, so that addition is exact,
commutative and associative, and any split of a run into tasks ends in the same integer. A sum is rounded once, at
the very end. Limbs are base 2**32 in int64 and absorb 2**30 additions before a carry is due.
The method is Kulisch's accumulator (Kulisch 2013, "Computer Arithmetic and Validity", ch. 8).
"""

from __future__ import annotations

import numpy as np

from fanin.engine._jit import inline, kernel

LIMBS = 68
UNIT_EXPONENT = -1074
PARTIALS = 32

_MANTISSA = np.int64((1 << 52) - 1)
_IMPLICIT = np.int64(1 << 52)
_LIMB = np.int64(0xFFFFFFFF)


@inline
def add_exactly(limbs, value):
    """Add one finite float64 to a sum held in int64 limbs."""
    bits = np.float64(value).view(np.int64)
    exponent = (bits >> np.int64(52)) & np.int64(0x7FF)
    mantissa = bits & _MANTISSA
    if exponent > 0:
        mantissa |= _IMPLICIT
        exponent -= np.int64(1)
    at = exponent >> np.int64(5)
    shift = exponent & np.int64(31)
    low = (mantissa & _LIMB) << shift
    high = (mantissa >> np.int64(32)) << shift
    sign = np.int64(-1) if bits < 0 else np.int64(1)
    limbs[at] += sign * (low & _LIMB)
    limbs[at + 1] += sign * (((low >> np.int64(32)) & _LIMB) + (high & _LIMB))
    limbs[at + 2] += sign * (high >> np.int64(32))


@kernel
def fold(values, count, partials):
    """Sum of values[:count] (float64): 32 partial sums over the position modulo 32, folded in halves. Vectorises."""
    partials[:] = 0.0
    whole = count - count % PARTIALS
    for start in range(0, whole, PARTIALS):
        for k in range(PARTIALS):
            partials[k] += values[start + k]
    for i in range(whole, count):
        partials[i - whole] += values[i]
    width = PARTIALS // 2
    while width > 0:
        for k in range(width):
            partials[k] += partials[k + width]
        width //= 2
    return partials[0]


def to_integer(limbs: np.ndarray) -> int:
    """The sum held in one row of limbs, in units of 2**-1074."""
    return sum(int(limbs[k]) << (32 * k) for k in np.flatnonzero(limbs).tolist())
