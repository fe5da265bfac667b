"""The law of ln(q_L/q_1) in deep networks of ReLU or identity without biases: exact mean and variance, and leading orders.

Given the layer below, q' = weight_std^2 q chi2_K / n with K live neurons: Binomial(n, 1/2) for ReLU, n for the identity. Layers
are independent. E ln chi2_k = digamma(k/2) + ln 2 and Var ln chi2_k = trigamma(k/2), summed over the law of K given that a neuron
lives; with a ReLU layer of width n the network dies with probability 2^-n. Leading orders: Hanin and Nica 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import ActivationFunction, find_activation
from fanin.stats.finite_width import MAX_STD
from fanin.stats.theory_value import EXACT, LEADING, Predicted, checked_real, checked_widths, per_layer

_SOURCE = "Hanin and Nica 2020"


@dataclass(frozen=True)
class LogNorm:
    """Mean and variance of ln(q_L/q_1) given survival, and the probability of survival."""

    mean: Predicted
    variance: Predicted
    survival: Predicted


def log_norm(activation: str | ActivationFunction, hidden: Sequence[int], weight_std: float | Sequence[float]) -> LogNorm:
    """The exact law after the hidden layers, by sums over the number of live neurons.

    weight_std : of the layers after the first, or one for each.

    Examples
    --------
    >>> law = log_norm("relu", [100] * 10, weight_std=2**0.5)
    >>> round(law.mean.value, 7), round(law.variance.value, 7)
    (-0.2542089, 0.5193999)
    """
    relu, widths = _checked(activation, hidden)
    parts = [_layer(relu, n) for n in widths]
    mean, variance, rounding = (math.fsum(part[place] for part in parts) for place in range(3))
    gain = math.fsum(_gains(weight_std, len(parts)))
    survival = math.exp(math.fsum(math.log1p(-(0.5**n)) for n in widths)) if relu else 1.0
    return LogNorm(
        Predicted(gain + mean, EXACT, "", rounding + 1e-15 * abs(gain), source=_SOURCE),
        Predicted(variance, EXACT, "", rounding, source=_SOURCE),
        Predicted(survival, EXACT, "", 1e-15 * len(parts), source=_SOURCE),
    )


def log_norm_leading_order(
    activation: str | ActivationFunction, hidden: Sequence[int], weight_std: float | Sequence[float]
) -> LogNorm:
    """The two leading orders in 1/n: for ReLU mean -5/2n - 49/12n^2 (plus ln(weight_std^2/2)), variance 5/n + 37/2n^2 per layer.

    Examples
    --------
    >>> round(log_norm_leading_order("relu", [100] * 10, weight_std=2**0.5).mean.value, 7)
    -0.2540833
    """
    relu, widths = _checked(activation, hidden)
    n = np.array(widths, float)
    gain = np.array(_gains(weight_std, n.size))
    if relu:
        means, variances = gain - math.log(2.0) - 2.5 / n - 49.0 / (12.0 * n**2), 5.0 / n + 18.5 / n**2
    else:
        means, variances = gain - 1.0 / n - 1.0 / (3.0 * n**2), 2.0 / n + 2.0 / n**2
    rounding = 1e-15 * (n.size + float(np.abs(means).sum()))
    return LogNorm(
        Predicted(float(means.sum()), LEADING, "1/n^3", rounding, source=_SOURCE),
        Predicted(float(variances.sum()), LEADING, "1/n^3", rounding, source=_SOURCE),
        Predicted(1.0, LEADING, "2^-n", 0.0, source=_SOURCE),
    )


def _checked(activation: str | ActivationFunction, hidden: Sequence[int]) -> tuple[bool, list[int]]:
    """Whether the activation is ReLU (else the identity), and the widths."""
    function = find_activation(activation)
    if not function.homogeneous or (function.left_slope, function.right_slope) not in ((0.0, 1.0), (1.0, 1.0)):
        raise SpecificationError(f"activation is {function.name!r}; the law of the log-norm is known for relu and identity")
    return function.left_slope == 0.0, checked_widths(hidden)


def _gains(weight_std: float | Sequence[float], count: int) -> list[float]:
    """ln(weight_std^2) of each layer."""
    given = per_layer("weight_std", weight_std, count)
    return [2.0 * math.log(checked_real("weight_std", one, 0.0, MAX_STD, above=True)) for one in given]


def _layer(relu: bool, n: int) -> tuple[float, float, float]:
    """Mean and variance of ln(q'/q) without weight_std, given survival, and a bound of the rounding."""
    if not relu:
        mean = _log_excess(0.5 * n)
        return mean, float(special.polygamma(1, 0.5 * n)), 1e-15
    live, chances = _live(n)
    logs = np.array([_log_excess(0.5 * k) for k in live]) if live.size <= 64 else special.digamma(0.5 * live) - np.log(0.5 * live)
    logs = logs + np.log1p((2.0 * live - n) / n)  # ln(chi2_K / n) = (ln chi2_K - ln K) + ln(2K/n) - ln 2
    mean = float(chances @ logs)
    variance = float(chances @ special.polygamma(1, 0.5 * live) + chances @ (logs - mean) ** 2)
    return mean - math.log(2.0), variance, 64.0 * 2.0**-53 * (float(chances @ np.abs(logs)) + 1.0)


def _log_excess(half: float) -> float:
    """E ln(chi2_k / k), k = 2 half: digamma(half) - ln(half)."""
    return float(special.digamma(half)) - math.log(half)


def _live(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of live neurons of n, at least 1 and within 13 standard deviations, and their chances given survival.

    Chances by ratios of neighbours from the middle out: no factorials, whose logarithms would lose digits.
    """
    middle, reach = (n + 1) // 2, math.ceil(6.5 * math.sqrt(n)) + 8
    up = np.arange(middle, min(n, middle + reach), dtype=float)
    down = np.arange(middle, max(1, middle - reach), -1, dtype=float)
    rising = np.cumprod((n - up) / (up + 1.0))
    falling = np.cumprod(down / (n - down + 1.0))
    chances = np.concatenate([falling[::-1], [1.0], rising])
    live = np.concatenate([down[::-1] - 1.0, [float(middle)], up + 1.0])
    return live, chances / chances.sum()
