"""Elementary functions in float32 that LLVM vectorises: the same bits on every machine, no call into libm.

Each is branch-free (selections only), clamps before a conversion to integer and fuses only where `fma` says so.
Polynomials are minimax fits of the reduced function, better than 0.1 unit in the last place before rounding; the
functions are accurate to 4 units in the last place, denormal results included (`tests/engine/test_math.py`).
A user's own kernel that is written with them keeps the same bits everywhere.
"""

from __future__ import annotations

import numpy as np

from fanin.engine._jit import inline
from fanin.engine._llvm import bits_of, float_of, fma

F = np.float32
I = np.int32  # noqa: E741

ONE, HALF = F(1.0), F(0.5)
LN2 = F(0.6931471805599453)
SIGN = I(-(2**31))

_ROUND = F(1.5 * 2**23)  # adding it leaves the nearest integer in the low mantissa bits
_ROUND_BITS = I(0x4B400000)
_LOG2E = F(1.4426950408889634)
_LN2_HIGH, _LN2_LOW = F(0.693359375), F(-2.12194440e-4)


@inline
def exp(x):
    """e**x: gradual underflow below -87.3, 0 below -104, infinity above 88.72."""
    x = min(max(x, F(-104.0)), F(89.0))
    shifted = fma(x, _LOG2E, _ROUND)
    n = bits_of(shifted) - _ROUND_BITS
    whole = shifted - _ROUND
    r = fma(whole, -_LN2_LOW, fma(whole, -_LN2_HIGH, x))
    p = fma(F(0.0013950476422905922), r, F(0.008368882350623608))
    p = fma(p, r, F(0.04166620597243309))
    p = fma(p, r, F(0.166665181517601))
    p = fma(p, r, HALF)
    value = fma(p, r * r, r) + ONE
    half = n >> I(1)  # two factors, so that neither leaves the range of a normal number
    return value * float_of((half + I(127)) << I(23)) * float_of((n - half + I(127)) << I(23))


@inline
def reciprocals_of_one_plus(e):
    """1 / (1 + e) and its square for 0 <= e <= 1, the rounding errors of sum and quotient put right."""
    total = ONE + e
    d = ONE / total
    relative = fma((total - ONE) - e, d, fma(-total, d, ONE))
    square = d * d
    return fma(d, relative, d), fma(square, relative + relative, square)


@inline
def sigmoid(z):
    """The pair phi(z) = 1 / (1 + e**-z) and its derivative, the latter without cancellation in the tails."""
    e = exp(-abs(z))
    d, square = reciprocals_of_one_plus(e)
    return (d if z >= F(0.0) else e * d), e * square


@inline
def tanh(z):
    """The pair tanh(z) and its derivative, the latter without cancellation in the tails."""
    size = abs(z)
    e = exp(F(-2.0) * size)
    d, square = reciprocals_of_one_plus(e)
    z2 = z * z
    p = fma(F(-0.005717036779969931), z2, F(0.020650578662753105))
    p = fma(p, z2, F(-0.05374349653720856))
    p = fma(p, z2, F(0.13331490755081177))
    p = fma(p, z2, F(-0.3333328366279602))
    near = fma(p * z2, size, size)
    value = near if size < F(0.625) else (ONE - e) * d
    return float_of(bits_of(value) | (bits_of(z) & SIGN)), F(4.0) * e * square
