"""The slow, obvious twin of the engine: plain Python and NumPy, one network and one number at a time.

Float32 arithmetic is rounded step by step from exact fractions, so that bits can be compared.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from fractions import Fraction

import numpy as np

BLOCK = 2048
M32 = 0xFFFFFFFF


def philox(counter, key, rounds=10):
    """Philox4x32 as in the paper, on Python integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(rounds):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & M32, (p0 >> 32) ^ c3 ^ k1, p0 & M32
        k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
    return c0, c1, c2, c3


def stream_key(seed, label):
    word = hashlib.sha256(f"{seed}|{label}".encode()).digest()
    return int.from_bytes(word[:4], "little"), int.from_bytes(word[4:8], "little")


def words(key, role, index, layer, network):
    """The words of the Philox call that a network takes part in, and its place h in it."""
    block, lane = divmod(network, BLOCK)
    half, place = divmod(lane, BLOCK // 2)
    group, odd = divmod(place, 2)
    counter = (group | role << 16, index, layer | (block >> 32) << 16, block & M32)
    return philox(counter, key), 2 * half + odd


def word(key, role, index, layer, network):
    drawn, place = words(key, role, index, layer, network)
    return drawn[place]


def to_float32(value: Fraction) -> np.float32:
    """Round an exact fraction to float32, ties to even."""
    if value == 0:
        return np.float32(0.0)
    guess = np.float32(float(value))
    best = min(
        (guess, np.nextafter(guess, np.float32(np.inf)), np.nextafter(guess, np.float32(-np.inf))),
        key=lambda x: (abs(Fraction(float(x)) - value), int(x.view(np.uint32)) & 1),
    )
    return np.float32(best)


def fma(a, b, c) -> np.float32:
    return to_float32(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


def signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value


def normal(key, role, index, layer, network, std) -> np.float32:
    """N(0, std**2) by the same steps as the kernel, each rounded once."""
    f = np.float32
    drawn, place = words(key, role, index, layer, network)
    radius_word, angle_word = drawn[place % 2], drawn[place % 2 + 2]
    upper = radius_word >= 1 << 31
    near = (M32 - radius_word) if upper else radius_word
    v = fma(f(near), f(2.0**-32), f(2.0**-33))
    if upper:
        middle = v > f(0.29289321881)
        x, n = (f(1) - (v + v), f(-1)) if middle else (-v, f(0))
    else:
        mantissa, exponent = math.frexp(float(v))
        if f(mantissa) < f(0.70710678):
            mantissa, exponent = 2.0 * mantissa, exponent - 1
        x, n = f(mantissa) - f(1), f(exponent)
    p = f(-0.07634429633617401)
    for coefficient in (
        0.12761549651622772,
        -0.131601944565773,
        0.14201761782169342,
        -0.16623356938362122,
        0.20001226663589478,
        -0.250008225440979,
        0.3333333134651184,
    ):
        p = fma(p, x, f(coefficient))
    square = x * x
    log = fma(n, f(0.6931471805599453), x + fma(p * x, square, f(-0.5) * square))
    radius = np.sqrt(f(-2) * log)
    turn = signed((angle_word << 2) & M32) >> 2
    angle = fma(f(max(turn, -turn - 1)), f(2 * math.pi * 2.0**-32), f(math.pi * 2.0**-32))
    square = angle * angle
    s = fma(fma(f(-0.00019517297914717346), square, f(0.008332177996635437)), square, f(-0.16666655242443085))
    s = fma(s, square * angle, angle) * f(-1 if turn < 0 else 1)
    c = fma(fma(f(2.443845005473122e-05), square, f(-0.001388736767694354)), square, f(0.04166664555668831))
    c = fma(c, square * square, fma(square, f(-0.5), f(1)))
    if angle_word >> 30 & 1:
        c = -c
    pair = (s, c) if angle_word >> 31 else (c, s)
    return (f(std) * radius) * pair[place // 2]


def uniform(key, role, index, layer, network, std) -> np.float32:
    f = np.float32
    value = signed(word(key, role, index, layer, network))
    step, offset = f(std) * f(np.sqrt(3.0) * 2.0**-31), f(std) * f(np.sqrt(3.0) * 2.0**-32)
    size = f(float(Fraction(max(value, -value - 1)) * Fraction(float(step)) + Fraction(float(offset))))
    return -size if value < 0 else size


def pre_activation(x, weights, bias) -> np.float32:
    """z with one rounding per term, in the order of the inputs; zero inputs do not count."""
    z = np.float32(0.0)
    for x_j, w_j in zip(x, weights, strict=True):
        if x_j != 0:
            z = fma(w_j, x_j, z)
    return fma(bias, np.float32(1.0), z)


def fold(values) -> float:
    """The fixed order of a block sum: 32 partial sums, folded in halves."""
    partials = np.zeros(32)
    for i, value in enumerate(values):
        partials[i % 32] += value
    while partials.size > 1:
        half = partials.size // 2
        partials = partials[:half] + partials[half:]
    return float(partials[0])


# Theory the obvious way: enumerate the inputs, integrate the Gaussian.


def scale_mixture(ensemble):
    """Variances of z given the input, with their probabilities, for Gaussian weights and inputs that can be enumerated."""
    n, s2, b2 = ensemble.fan_in, ensemble.weight_variance, ensemble.bias_variance
    inputs = ensemble.inputs
    if inputs.kind == "rows":
        norms = (inputs.data.astype(float) ** 2).sum(axis=1)
        return s2 * norms + b2, np.full(norms.size, 1.0 / norms.size)
    if inputs.kind == "fixed":
        return np.array([s2 * (inputs.data.astype(float) ** 2).sum() + b2]), np.array([1.0])
    if inputs.kind in ("on", "subset"):
        return np.array([s2 * inputs.count + b2]), np.array([1.0])
    p = inputs.parameters[0]
    k = np.arange(n + 1)
    chance = np.array([math.comb(n, int(i)) * p**i * (1 - p) ** (n - i) for i in k])
    return s2 * k + b2, chance


def mixture_mean(function, variances, chances) -> float:
    """E function(z) over a scale mixture of Gaussians, by a fine trapezoid in g."""
    g = np.linspace(-12.0, 12.0, 48_001)
    density = np.exp(-0.5 * g**2) / math.sqrt(2 * math.pi) * (g[1] - g[0])
    return float(sum(p * (function(math.sqrt(v) * g) @ density) for v, p in zip(variances, chances, strict=True)))


def irwin_hall_cdf(z, n, half_width) -> float:
    """P(sum of n uniforms on (-a, a) <= z), exactly."""
    x = Fraction(z) / (2 * Fraction(half_width)) + Fraction(n, 2)
    total = sum((-1) ** k * math.comb(n, k) * max(x - k, Fraction(0)) ** n for k in range(n + 1))
    return float(min(max(total / math.factorial(n), Fraction(0)), Fraction(1)))


def all_subsets(n, k):
    return list(itertools.combinations(range(n), k))
