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

SQRT_HALF_BITS = I(0x3F3504F3)  # mantissas are taken in [sqrt(1/2), sqrt(2))

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
def expm1(x):
    """e**x - 1, without cancellation near 0: -1 below -18, infinity above 88.72."""
    x = min(max(x, F(-104.0)), F(89.0))
    shifted = fma(x, _LOG2E, _ROUND)
    n = bits_of(shifted) - _ROUND_BITS
    whole = shifted - _ROUND
    r = fma(whole, -_LN2_LOW, fma(whole, -_LN2_HIGH, x))
    p = fma(F(0.00019857807212221587), r, F(0.0013933630215681404))
    p = fma(p, r, F(0.008333360761001286))
    p = fma(p, r, F(0.041666465234174874))
    p = fma(p, r, F(0.16666666532053442))
    p = fma(p, r, HALF)
    half = n >> I(1)
    first, second = float_of((half + I(127)) << I(23)), float_of((n - half + I(127)) << I(23))
    size = first * second
    return fma(fma(p, r * r, r) * first, second, size - ONE)


@inline
def log(x):
    """Natural logarithm of a positive normal number; not defined for others."""
    n = I(I(bits_of(x) - SQRT_HALF_BITS) >> I(23))
    return fma(F(n), LN2, log1p_near(float_of(bits_of(x) - (n << I(23))) - ONE))


@inline
def log1p_near(x):
    """ln(1 + x) for sqrt(1/2) <= 1 + x <= sqrt(2)."""
    p = fma(F(-0.07634429633617401), x, F(0.12761549651622772))
    p = fma(p, x, F(-0.131601944565773))
    p = fma(p, x, F(0.14201761782169342))
    p = fma(p, x, F(-0.16623356938362122))
    p = fma(p, x, F(0.20001226663589478))
    p = fma(p, x, F(-0.250008225440979))
    p = fma(p, x, F(0.3333333134651184))
    square = x * x
    return x + fma(p * x, square, F(-0.5) * square)


@inline
def erfinv(y, complement):
    """Inverse of the error function for 0 <= y < 1, given with its complement 1 - y (at least 2**-33) for the sake of the tail.

    y times a polynomial in w = -ln(1 - y**2), or in sqrt(w) beyond w = 5 (the arrangement is that of Giles 2012).
    """
    w = -log(complement * (ONE + y))
    v = w - F(2.5)
    near = fma(F(-8.791056494252606e-09), v, F(2.3232644453348116e-08))
    near = fma(near, v, F(4.6617066393735336e-07))
    near = fma(near, v, F(-3.4627047598763165e-06))
    near = fma(near, v, F(-4.963347854278164e-06))
    near = fma(near, v, F(0.0002183444394302239))
    near = fma(near, v, F(-0.0012527418784502508))
    near = fma(near, v, F(-0.004177386781079187))
    near = fma(near, v, F(0.24664028615344363))
    near = fma(near, v, F(1.501409359282494))
    s = np.sqrt(w) - F(3.5)
    far = fma(F(-1.976849444062965e-05), s, F(2.7193298189914366e-05))
    far = fma(far, s, F(8.76132505167642e-05))
    far = fma(far, s, F(-0.0002706347007245029))
    far = fma(far, s, F(0.00042245663076049536))
    far = fma(far, s, F(-0.0006510003330000804))
    far = fma(far, s, F(0.001097372475774939))
    far = fma(far, s, F(-0.0020707580935125903))
    far = fma(far, s, F(0.003276153460034356))
    far = fma(far, s, F(1.007369372807997))
    far = fma(far, s, F(3.3354857386821886))
    return y * (near if w < F(5.0) else far)


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
