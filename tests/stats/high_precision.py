"""Activations and Gaussian expectations in mpmath: slow, obvious, to any number of digits. Shares no code with `fanin.stats`."""

import itertools

import mpmath as mp

ALPHA, SCALE = mp.mpf("1.6732632423543772848170429916717"), mp.mpf("1.0507009873554804934193349852946")


def normal(x):
    return mp.exp(-(x**2) / 2) / mp.sqrt(2 * mp.pi)


def below(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def sigmoid(z):
    return 1 / (1 + mp.exp(-z))


def _elu(scale, alpha):
    return (
        lambda z: scale * (z if z > 0 else alpha * mp.expm1(z)),
        lambda z: scale * (1 if z > 0 else alpha * mp.exp(z)),
    )


def _leaky(slope):
    return lambda z: z if z > 0 else slope * z, lambda z: mp.mpf(1) if z > 0 else slope


SMOOTH = {
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "tanh": (mp.tanh, lambda z: mp.sech(z) ** 2),
    "gelu": (lambda z: z * below(z), lambda z: below(z) + z * normal(z)),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) + z * sigmoid(z) * sigmoid(-z)),
    "softplus": (lambda z: mp.log1p(mp.exp(z)) if z < 0 else z + mp.log1p(mp.exp(-z)), sigmoid),
    "erf": (mp.erf, lambda z: 2 / mp.sqrt(mp.pi) * mp.exp(-(z**2))),
    "identity": (lambda z: z, lambda z: mp.mpf(1)),
}
KINKED = {
    "relu": _leaky(mp.mpf(0)),
    "leaky_relu": _leaky(mp.mpf(0.01)),
    "elu": _elu(mp.mpf(1), mp.mpf(1)),
    "selu": _elu(SCALE, ALPHA),
    "hard_tanh": (lambda z: max(mp.mpf(-1), min(mp.mpf(1), z)), lambda z: mp.mpf(-1 < z < 1)),
}
ALL = SMOOTH | KINKED
CUTS = {"hard_tanh": (-1, 0, 1)}


def expectation(name, integrand, std, digits=30):
    """E integrand(phi(z), phi'(z), z) over z ~ N(0, std^2)."""
    value, slope = ALL[name]
    with mp.workdps(digits):
        std = mp.mpf(std)
        reach = 14 * std
        points = {mp.mpf(cut) for cut in CUTS.get(name, (0,))} | {k * std for k in (-14, -9, -5, -2, 2, 5, 9, 14)}
        step = mp.mpf(1)
        while step < reach:
            points |= {step, -step}
            step *= 2
        inside = sorted(point for point in points if -reach <= point <= reach)
        # Both sides of a kink belong to panels of their own; tanh-sinh does not evaluate end points exactly.
        total = mp.mpf(0)
        for low, high in itertools.pairwise(inside):
            total += mp.quad(lambda z: integrand(value(z), slope(z), z) * normal(z / std) / std, [low, high])
        return total


def smoothed(name, m, tau):
    """E phi(m + tau g) in closed form, for hard tanh, ELU and SELU."""
    if name == "hard_tanh":
        ends = [(1 - m) / tau, (-1 - m) / tau]
        inner = m * (below(ends[0]) - below(ends[1])) + tau * (normal(ends[1]) - normal(ends[0]))
        return inner + below(-ends[0]) - below(ends[1])
    scale, alpha = (SCALE, ALPHA) if name == "selu" else (mp.mpf(1), mp.mpf(1))
    up = m * below(m / tau) + tau * normal(m / tau)
    down = mp.exp(m + tau**2 / 2) * below(-m / tau - tau) - below(-m / tau)
    return scale * (up + alpha * down)


def pair_expectation(name, std, c, digits=25):
    """E phi(u1) phi(u2) for equal standard deviations and correlation c, for the activations of `smoothed`."""
    value = ALL[name][0]
    with mp.workdps(digits):
        std, c = mp.mpf(std), mp.mpf(c)
        tau = std * mp.sqrt((1 - c) * (1 + c))
        points = {k * std for k in (-13, -8, -4, -2, 2, 4, 8, 13)}
        for kink in CUTS.get(name, (0,)):
            points |= {mp.mpf(kink), kink / c} | {kink / c + side * tau * 4**k for side in (-1, 1) for k in range(12)}
        inside = sorted(point for point in points if abs(point) <= 13 * std)
        total = mp.mpf(0)
        for low, high in itertools.pairwise(inside):
            total += mp.quad(lambda u: value(u) * smoothed(name, c * u, tau) * normal(u / std) / std, [low, high])
        return total
