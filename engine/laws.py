"""From words to weights: the transform of each family of laws, scaled to a given size.

Guarantee: a transform reads all 32 bits of a word, with a half-step offset so that no value sits at an end. It is exactly
symmetric: complementary words (for `truncated`, `laplace` and Student's law, words that differ in one sign bit) give opposite
values. It gives the same bits on every machine.

- normal: Box and Muller (1958). Two words give a radius sqrt(-2 ln u) and an angle. u = (word + 1/2) / 2**32 keeps its full
  float32 resolution near 0 and near 1, so there is no atom at zero; the largest radius is sqrt(66 ln 2) = 6.76.
- uniform: on (-a, a) with a = sqrt(3) * std.
- truncated normal: inversion; Laplace: inversion (largest value 15.7 std); Student: Bailey (1994), "Polar generation of random
  variates with the t-distribution", Math. Comp. 62 (largest value sqrt(df (2**(66/df) - 1))).

Numba widens int32 arithmetic to int64. Every `I(...)` narrows it again: LLVM then converts and shifts 32-bit lanes.
"""

from __future__ import annotations

import numpy as np

from fanin.engine._jit import inline, kernel
from fanin.engine._llvm import bits_of, float_of, fma
from fanin.engine.math import LN2, ONE, SIGN, SQRT_HALF_BITS, F, I, erfinv, expm1, log1p_near

_STEP31, _STEP, _HALF_STEP = F(2.0**-31), F(2.0**-32), F(2.0**-33)
_TURN, _HALF_TURN = F(2.0 * np.pi * 2.0**-32), F(np.pi * 2.0**-32)


@inline
def folded(word):
    """A word read as int32, or its complement where that is smaller: 0 to 2**31 - 1."""
    return I(word ^ (word >> I(31)))


@inline
def minus_two_log_near(v, upper):
    """-2 ln u for u = v, or for u = 1 - v where `upper`; v is the distance of u to the nearer end of the unit interval.

    The lower half of the unit interval is decomposed into exponent and mantissa; in the upper half, with v exact,
    ln u = ln(1 - v) or ln(1/2) + ln(2 - 2v) loses nothing near u = 1.
    """
    exponent = I(I(bits_of(v) - SQRT_HALF_BITS) >> I(23))
    middle = v > F(0.29289321881)
    x = (ONE - (v + v) if middle else -v) if upper else float_of(bits_of(v) - (exponent << I(23))) - ONE
    n = (F(-1.0) if middle else F(0.0)) if upper else F(exponent)
    return F(-2.0) * fma(n, LN2, log1p_near(x))


@inline
def minus_two_log(word):
    """-2 ln((word + 1/2) / 2**32) for the bits of a word read as int32."""
    return minus_two_log_near(fma(F(folded(word)), _STEP, _HALF_STEP), word < I(0))


@inline
def split_sign(word):
    """The sign bit of a word, and its other 31 bits as u = (k + 1/2) / 2**31: (distance to the nearer end, u > 1/2)."""
    rest = I(word << I(1))
    return word & SIGN, fma(F(I(folded(rest) >> I(1))), _STEP31, _STEP), rest < I(0)


@inline
def circle_point(word):
    """A uniform point (cos, sin) of the unit circle from the bits of a word read as int32.

    Bits 0 to 28 are an angle of at most an eighth of a turn, at its full relative resolution; bit 29 is its sign (and reverses its
    steps, so that complementary bits give opposite angles), bit 30 mirrors the point, bit 31 exchanges the coordinates.
    """
    signed = I(word << I(2))
    angle = fma(F(I(folded(signed) >> I(2))), _TURN, _HALF_TURN)
    square = angle * angle
    s = fma(F(-0.00019517297914717346), square, F(0.008332177996635437))
    s = fma(s, square, F(-0.16666655242443085))
    s = float_of(bits_of(fma(s, square * angle, angle)) ^ (signed & SIGN))
    c = fma(F(2.443845005473122e-05), square, F(-0.001388736767694354))
    c = fma(c, square, F(0.04166664555668831))
    c = fma(c, square * square, fma(square, F(-0.5), ONE))
    c = float_of(bits_of(c) ^ ((word << I(1)) & SIGN))
    exchange = word < I(0)
    return (s if exchange else c), (c if exchange else s)


@inline
def signed_step(word, step, offset):
    """(word + 1/2) * step for the bits of a word read as int32, rounded alike on both sides of zero. offset = step / 2.

    In float64, so that all 31 bits of the size count: a float32 number would round them to 24 before they are scaled.
    """
    size = F(fma(np.float64(folded(word)), np.float64(step), np.float64(offset)))
    return float_of(bits_of(size) ^ (word & SIGN))


@inline
def uniform_value(word, std):
    """Uniform on (-sqrt(3) std, sqrt(3) std)."""
    return signed_step(word, std * F(np.sqrt(3.0) * 2.0**-31), std * F(np.sqrt(3.0) * 2.0**-32))


@inline
def truncated_value(word, scale, inside, outside, limit):
    """N(0, 1) given |w| < cut, by inversion: |w| = scale * erfinv(u * inside), u from 31 bits of the word, the sign from its last.

    scale : sqrt(2) times the standard deviation before the cut. inside, outside : erf(cut / sqrt(2)) and its complement.
    limit : the largest size.
    """
    sign, v, upper = split_sign(word)
    y = fma(-v, inside, inside) if upper else v * inside
    complement = fma(v, inside, outside) if upper else fma(-v, inside, ONE)
    return float_of(bits_of(min(scale * erfinv(y, complement), limit)) | sign)


@inline
def laplace_value(word, scale):
    """Laplace's law of density exp(-|w| / (2 scale)) / (4 scale): the size is a logarithm of 31 bits, the sign the last bit."""
    sign, v, upper = split_sign(word)
    return float_of(bits_of(scale * minus_two_log_near(v, upper)) | sign)


@inline
def student_value(first, second, scale, freedom):
    """Student's law with `freedom` degrees of freedom times `scale` (Bailey 1994, one coordinate of his polar method)."""
    x, _ = circle_point(second)
    return scale * np.sqrt(freedom * expm1(minus_two_log(first) / freedom)) * x


@kernel
def fill_normal(first, second, std, out):
    """N(0, std**2) for a block. first, second: int32 words (BLOCK/2); out: float32 (BLOCK)."""
    half = first.size
    for i in range(half):
        radius = std * np.sqrt(minus_two_log(first[i]))
        x, y = circle_point(second[i])
        out[i] = radius * x
        out[half + i] = radius * y
