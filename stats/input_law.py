"""What theory needs of the law of the input x: moments of its entries, of its sum and of its length, and the mixture of lengths."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from fanin.engine.inputs import Inputs

_NORMAL_MOMENTS = np.array([1.0, 3.0, 15.0, 105.0])
IID = ("bernoulli", "gaussian", "uniform", "sparse")


@dataclass(frozen=True, eq=False)
class InputLaw:
    """Of an input x with n entries.

    sum_mean, sum_variance : of the sum of the entries. trace : sum of their variances. square : E|x|**2. fourth : E|x|**4.
    entries_fourth : sum over j of E x_j**4. lengths : values of |x|**2 with their probabilities where there are finitely many, or
    None.
    """

    sum_mean: float
    sum_variance: float
    trace: float
    square: float
    fourth: float
    entries_fourth: float
    lengths: tuple[np.ndarray, np.ndarray] | None


def entry_moments(inputs: Inputs) -> np.ndarray:
    """E x, E x**2, E x**4, E x**6, E x**8 of one entry, for entries that are independent and alike."""
    match inputs.kind:
        case "bernoulli":
            return np.full(5, inputs.parameters[0])
        case "gaussian":
            return np.concatenate([[0.0], inputs.parameters[0] ** (2 * np.arange(1, 5)) * _NORMAL_MOMENTS])
        case "sparse":
            zero, std = inputs.parameters
            return np.concatenate([[0.0], (1.0 - zero) * std ** (2 * np.arange(1, 5)) * _NORMAL_MOMENTS])
        case _:
            low, high = inputs.parameters
            k = np.array([1, 2, 4, 6, 8])
            return (high ** (k + 1) - low ** (k + 1)) / ((k + 1) * (high - low))


def entry_variance(inputs: Inputs) -> float:
    """Var x of one entry, without cancellation."""
    match inputs.kind:
        case "bernoulli":
            return inputs.parameters[0] * (1.0 - inputs.parameters[0])
        case "gaussian":
            return inputs.parameters[0] ** 2
        case "sparse":
            return (1.0 - inputs.parameters[0]) * inputs.parameters[1] ** 2
        case _:
            return (inputs.parameters[1] - inputs.parameters[0]) ** 2 / 12.0


def covariance(inputs: Inputs, n: int) -> np.ndarray:
    """The covariance matrix of correlated Gaussian inputs."""
    if inputs.kind == "ar1":
        rho, std = inputs.parameters
        return std**2 * np.power(rho, np.abs(np.subtract.outer(np.arange(n), np.arange(n))))
    factor = np.asarray(inputs.data, float)
    return factor @ factor.T


def row_weights(inputs: Inputs, networks: int | None) -> np.ndarray:
    """The probability of each row; the share of networks that see it where rows come in turn."""
    rows = len(inputs.data)
    if not inputs.in_turn or networks is None:
        return np.full(rows, 1.0 / rows)
    return (networks // rows + (np.arange(rows) < networks % rows)) / networks


def input_law(inputs: Inputs, n: int, networks: int | None) -> InputLaw:
    """The law of inputs that have been resolved for n entries."""
    if inputs.kind in IID:
        m1, m2, m4 = entry_moments(inputs)[:3]
        lengths = None
        if inputs.kind == "bernoulli":
            k = np.arange(n + 1)
            logs = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
            lengths = k.astype(float), np.exp(logs + special.xlogy(k, m1) + special.xlog1py(n - k, -m1))
        variance = n * entry_variance(inputs)
        return InputLaw(n * m1, variance, variance, n * m2, n * m4 + n * (n - 1) * m2**2, n * m4, lengths)
    if inputs.kind == "ar1":
        rho, std = inputs.parameters
        k = np.arange(1, n)
        total = std**2 * (n + 2.0 * math.fsum((n - k) * rho**k))
        squares = std**4 * (n + 2.0 * math.fsum((n - k) * rho ** (2 * k)))
        trace = n * std**2
        return InputLaw(0.0, total, trace, trace, trace**2 + 2.0 * squares, 3.0 * n * std**4, None)
    if inputs.kind == "correlated":
        matrix = covariance(inputs, n)
        trace, squares = float(np.trace(matrix)), float((matrix**2).sum())
        fourth = 3.0 * float((matrix.diagonal() ** 2).sum())
        return InputLaw(0.0, float(matrix.sum()), trace, trace, trace**2 + 2.0 * squares, fourth, None)
    if inputs.kind in ("on", "subset"):
        count = float(inputs.count)
        trace = count * (1.0 - count / n) if inputs.kind == "subset" else 0.0
        return InputLaw(count, 0.0, trace, count, count**2, count, (np.array([count]), np.ones(1)))
    rows = np.atleast_2d(np.asarray(inputs.data, float))
    weights = row_weights(inputs, networks) if inputs.kind == "rows" else np.ones(1)
    mean, sums, lengths = weights @ rows, rows.sum(axis=1), (rows**2).sum(axis=1)
    sum_mean, square = float(weights @ sums), float(weights @ lengths)
    return InputLaw(
        sum_mean,
        float(weights @ (sums - sum_mean) ** 2),
        float(weights @ ((rows - mean) ** 2).sum(axis=1)),
        square,
        float(weights @ lengths**2),
        float(weights @ (rows**4).sum(axis=1)),
        (lengths, weights),
    )
