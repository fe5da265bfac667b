"""From words to weights: one transform per family of laws, each scaled to a given standard deviation.

Guarantee: a transform reads all 32 bits of a word, with a half-step offset so that no value sits at an end. It is exactly
symmetric: complementary words give opposite values. It gives the same bits on every machine.

- normal: Box and Muller (1958). Two words give a radius sqrt(-2 ln u) and an angle. u = (word + 1/2) / 2**32 keeps its full
  float32 resolution near 0 and near 1, so there is no atom at zero; the largest radius is sqrt(66 ln 2) = 6.76.
- uniform: on (-a, a) with a = sqrt(3) * std.

Numba widens int32 arithmetic to int64. Every `I(...)` narrows it again: LLVM then converts and shifts 32-bit lanes.
"""

from __future__ import annotations

import numpy as np

from fanin.engine._jit import inline, kernel
from fanin.engine._llvm import bits_of, float_of, fma
from fanin.engine.math import LN2, ONE, SIGN, F, I

_STEP, _HALF_STEP = F(2.0**-32), F(2.0**-33)
_TURN, _HALF_TURN = F(2.0 * np.pi * 2.0**-32), F(np.pi * 2.0**-32)
_SQRT_HALF_BITS = I(0x3F3504F3)  # mantissas are taken in [sqrt(1/2), sqrt(2))


@inline
def folded(word):
    """A word read as int32, or its complement where that is smaller: 0 to 2**31 - 1."""
    return I(word ^ (word >> I(31)))


@inline
def minus_two_log(word):
    """-2 ln((word + 1/2) / 2**32) for the bits of a word read as int32.

    The lower half of the unit interval is decomposed into exponent and mantissa; in the upper half
    u = 1 - v with v exact, so that ln u = ln(1 - v) or ln(1/2) + ln(2 - 2v) loses nothing near u = 1.
    """
    upper = word < I(0)
    v = fma(F(folded(word)), _STEP, _HALF_STEP)  # the distance to the nearer end, at most 1/2
    exponent = I(I(bits_of(v) - _SQRT_HALF_BITS) >> I(23))
    middle = v > F(0.29289321881)
    x = (ONE - (v + v) if middle else -v) if upper else float_of(bits_of(v) - (exponent << I(23))) - ONE
    n = (F(-1.0) if middle else F(0.0)) if upper else F(exponent)
    p = fma(F(-0.07634429633617401), x, F(0.12761549651622772))
    p = fma(p, x, F(-0.131601944565773))
    p = fma(p, x, F(0.14201761782169342))
    p = fma(p, x, F(-0.16623356938362122))
    p = fma(p, x, F(0.20001226663589478))
    p = fma(p, x, F(-0.250008225440979))
    p = fma(p, x, F(0.3333333134651184))
    square = x * x
    log1p = x + fma(p * x, square, F(-0.5) * square)
    return F(-2.0) * fma(n, LN2, log1p)


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
    """(word + 1/2) * step for the bits of a word read as int32, rounded alike on both sides of zero. offset = step / 2."""
    size = fma(F(folded(word)), step, offset)
    return float_of(bits_of(size) ^ (word & SIGN))


@kernel
def fill_normal(first, second, std, out):
    """N(0, std**2) for a block. first, second: int32 words (BLOCK/2); out: float32 (BLOCK)."""
    half = first.size
    for i in range(half):
        radius = std * np.sqrt(minus_two_log(first[i]))
        x, y = circle_point(second[i])
        out[i] = radius * x
        out[half + i] = radius * y


@kernel
def fill_uniform(first, second, std, out):
    """Uniform with mean 0 and standard deviation std for a block. first, second: int32 words (BLOCK/2)."""
    half = first.size
    step = std * F(np.sqrt(3.0) * 2.0**-31)
    offset = std * F(np.sqrt(3.0) * 2.0**-32)
    for i in range(half):
        out[i] = signed_step(first[i], step, offset)
        out[half + i] = signed_step(second[i], step, offset)
