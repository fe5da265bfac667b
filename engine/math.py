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
_DENSITY, _DENSITY_LOW = F(0.3989422917366028), F(-1.13351701e-08)  # 1 / sqrt(2 pi)
_STEEPEST = F(1.1283791670955126)  # 2 / sqrt(pi)
_EIGHTH, _EIGHTH_LOW = F(0.3535533845424652), F(6.05080852e-09)  # sqrt(1 / 8)


@inline
def _reduced(x):
    """An integer n and r, at most ln(2) / 2 in size, with x = n ln 2 + r."""
    shifted = fma(x, _LOG2E, _ROUND)
    whole = shifted - _ROUND
    return I(bits_of(shifted) - _ROUND_BITS), fma(whole, -_LN2_LOW, fma(whole, -_LN2_HIGH, x))


@inline
def _two_powers(n):
    """Two powers of two whose product is 2**n, so that neither leaves the range of a normal number: |n| below 252."""
    half = I(n >> I(1))
    return float_of((half + I(127)) << I(23)), float_of((n - half + I(127)) << I(23))


@inline
def _exp_near(r):
    """e**r for |r| <= ln(2) / 2."""
    p = fma(F(0.0013950476422905922), r, F(0.008368882350623608))
    p = fma(p, r, F(0.04166620597243309))
    p = fma(p, r, F(0.166665181517601))
    p = fma(p, r, HALF)
    return fma(p, r * r, r) + ONE


@inline
def _expm1_near(r):
    """e**r - 1 for |r| <= ln(2) / 2."""
    p = fma(F(0.00019857807212221587), r, F(0.0013933630215681404))
    p = fma(p, r, F(0.008333360761001286))
    p = fma(p, r, F(0.041666465234174874))
    p = fma(p, r, F(0.16666666532053442))
    p = fma(p, r, HALF)
    return fma(p, r * r, r)


@inline
def exp(x):
    """e**x: gradual underflow below -87.3, 0 below -104, infinity above 88.72."""
    n, r = _reduced(min(max(x, F(-104.0)), F(89.0)))
    first, second = _two_powers(n)
    return _exp_near(r) * first * second


@inline
def expm1(x):
    """e**x - 1, without cancellation near 0: -1 below -18, infinity above 88.72."""
    n, r = _reduced(min(max(x, F(-104.0)), F(89.0)))
    first, second = _two_powers(n)
    return fma(_expm1_near(r) * first, second, first * second - ONE)


@inline
def log(x):
    """Natural logarithm of a positive normal number; not defined for others."""
    n = I(I(bits_of(x) - SQRT_HALF_BITS) >> I(23))
    return fma(F(n), LN2, log1p_near(float_of(bits_of(x) - (n << I(23))) - ONE))


@inline
def log1p(x):
    """ln(1 + x): -infinity at -1, NaN below, infinity at infinity."""
    total = ONE + x
    part = total - ONE
    lost = (x - part) + (ONE - (total - part))
    n = I(I(bits_of(total) - SQRT_HALF_BITS) >> I(23))
    m = float_of(bits_of(total) - (n << I(23)))
    value = fma(F(n), LN2, log1p_near(fma(lost, float_of((I(127) - min(n, I(64))) << I(23)), m - ONE)))
    value = value if x < F(np.inf) else x
    value = F(-np.inf) if x == F(-1.0) else value
    return F(np.nan) if x < F(-1.0) else value


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
def erf_near(square):
    """erf(z) / z - 1 for z**2 = square, |z| <= 0.8."""
    p = fma(F(-0.000654224946629256), square, F(0.005086865741759539))
    p = fma(p, square, F(-0.026822242885828018))
    p = fma(p, square, F(0.11283162236213684))
    p = fma(p, square, F(-0.37612608075141907))
    return fma(p, square, F(0.12837916612625122))


@inline
def tail_ratio(t):
    """P(g > t) e**(t**2 / 2) of a standard normal g, for 1.13 <= t <= 15: 1 / (t + 3) times a polynomial in t / (t + 3) - 7/16."""
    w = ONE / (t + F(3.0))
    u = fma(t, w, F(-0.4375))
    p = fma(F(-0.13523901998996735), u, F(0.11842508614063263))
    p = fma(p, u, F(0.19068320095539093))
    p = fma(p, u, F(-0.23257771134376526))
    p = fma(p, u, F(-0.3279518187046051))
    p = fma(p, u, F(0.9865211248397827))
    p = fma(p, u, F(-1.1379235982894897))
    return fma(p, u, F(0.7964337468147278)) * w


@inline
def exp_of_square(t, factor):
    """near, first, second with e**(factor * t**2) = (1 + near) * first * second, for 0 <= -factor * t**2 <= 120.

    Multiplied from left to right, other factors first, only the last product can be denormal. factor : -1 or -1/2.
    """
    square = t * t
    n, r = _reduced(factor * square)
    first, second = _two_powers(n)
    return _expm1_near(r + factor * fma(t, t, -square)), first, second


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


@inline
def relu(z):
    """The pair max(z, 0) and its derivative, 0 at 0."""
    negative = z <= F(0.0)
    return (F(0.0) if negative else z), (F(0.0) if negative else ONE if z > F(0.0) else z)


@inline
def leaky_relu(z, slope):
    """The pair z (from 0 on) or slope * z, and its derivative, `slope` at 0."""
    return (z if z >= F(0.0) else slope * z), (ONE if z > F(0.0) else slope if z <= F(0.0) else z)


@inline
def elu(z, upper, lower):
    """The pair upper * z (from 0 on) or lower * (e**z - 1), and its derivative, `lower` at 0. lower: at most 1e20."""
    n, r = _reduced(min(max(z, F(-170.0)), F(0.0)))
    first, second = _two_powers(n)
    near = _expm1_near(r)
    value = lower * fma(near * first, second, first * second - ONE)
    slope = fma(lower, near, lower) * first * second
    return (upper * z if z >= F(0.0) else value), (upper if z > F(0.0) else slope)


@inline
def gelu(z):
    """The pair z P(g < z), g standard normal, and its derivative."""
    x = min(max(z, F(-15.0)), F(15.0))
    size = abs(x)
    near, first, second = exp_of_square(size, F(-0.5))
    density = (_DENSITY + fma(_DENSITY, near, _DENSITY_LOW)) * first * second
    level = fma(x, fma(_EIGHTH, erf_near(HALF * size * size), _EIGHTH_LOW), fma(x, _EIGHTH, HALF))
    ratio = tail_ratio(size)
    tail = ratio if z >= F(0.0) else x * ratio
    tail = fma(tail, near, tail) * first * second
    slope = fma(-size, _DENSITY, fma(-size, _DENSITY_LOW, ratio))
    slope = fma(slope, near, slope) * first * second
    far, far_slope = (z * (ONE - tail), ONE - slope) if z >= F(0.0) else (tail, slope)
    is_near = size < F(1.13)
    return (z * level if is_near else far), (fma(x, density, level) if is_near else far_slope)


@inline
def silu(z):
    """The pair z / (1 + e**-z) and its derivative."""
    size = min(abs(z), F(110.0))
    n, r = _reduced(-size)
    first, second = _two_powers(n)
    near = _expm1_near(r)
    e = fma(near, first, first) * second
    d, _ = reciprocals_of_one_plus(e)
    below, below_slope = -size * d, d * fma(-size, d, ONE)
    below, below_slope = fma(below, near, below) * first * second, fma(below_slope, near, below_slope) * first * second
    slope = d * fma(size * e, d, ONE)
    return (z * d if z >= F(0.0) else below), (slope if z >= F(0.0) else below_slope)


@inline
def softplus(z):
    """The pair ln(1 + e**z) and its derivative."""
    e = exp(-abs(z))
    d, _ = reciprocals_of_one_plus(e)
    upper = e > F(0.41421356)
    rest = log1p_near(fma(HALF, e, -HALF) if upper else e) + (LN2 if upper else F(0.0))
    return max(z, F(0.0)) + rest, (d if z >= F(0.0) else e * d)


@inline
def hard_tanh(z):
    """The pair of z cut to [-1, 1] and its derivative, 0 at both ends."""
    size = abs(z)
    return min(max(z, F(-1.0)), ONE), (ONE if size < ONE else F(0.0) if size >= ONE else z)


@inline
def erf(z):
    """The pair erf(z) and its derivative."""
    size = min(abs(z), F(10.5))
    near, first, second = exp_of_square(size, F(-1.0))
    slope = fma(_STEEPEST, near, _STEEPEST) * first * second
    far = fma(F(-2.0) * tail_ratio(F(1.4142135623730951) * size), fma(near, first, first) * second, ONE)
    value = fma(erf_near(size * size), size, size) if size < F(0.8) else far
    return float_of(bits_of(value) | (bits_of(z) & SIGN)), slope


@inline
def two_to(n):
    """2**n in float64 for |n| <= 1022."""
    return np.int64((np.int64(n) + np.int64(1023)) << np.int64(52)).view(np.float64)


@inline
def log_double(x):
    """Natural logarithm of a positive normal float64, to 2 units in the last place; not vectorised.

    ln m = 2 artanh((m - 1) / (m + 1)) for a mantissa m in [sqrt(1/2), sqrt(2)).
    """
    bits = np.float64(x).view(np.int64)
    n = (bits - np.int64(0x3FE6A09E667F3BCD)) >> np.int64(52)
    m = np.int64(bits - (n << np.int64(52))).view(np.float64)
    f = (m - 1.0) / (m + 1.0)
    square = f * f
    p = 1.0 / 21.0
    for k in range(9, -1, -1):
        p = p * square + 1.0 / (2 * k + 1)
    return n * 0.6931471805599453 + 2.0 * f * p
