"""The exact law of the pre-activation z = sum_j w_j x_j + b of one neuron, for every law of weights and inputs.

Given its input, z is a sum of independent symmetric terms; over random inputs it is a mixture of such sums. Characteristic function
and moments have closed forms throughout. For Gaussian weights the law is the scale mixture of N(0, s^2 |x|^2 + sb^2).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.symmetric_law import SymmetricLaw

_NORMAL_MOMENTS = np.array([1.0, 3.0, 15.0, 105.0])
_UNIFORM_MOMENTS = np.array([1.0, 9.0 / 5.0, 27.0 / 7.0, 9.0])
_MAX_CELLS = 1 << 22


def preactivation_law(ensemble: Ensemble) -> SymmetricLaw:
    """The law of z in the first layer.

    A shared random input must have been drawn: give its values as `Inputs.fixed`.
    """
    inputs = ensemble.inputs
    if inputs.shared and inputs.kind not in ("on", "fixed"):
        raise SpecificationError("a shared random input has a law only once it is drawn; judge the result of a run")
    with np.errstate(over="ignore", invalid="ignore"):  # variances near the largest float64: refused at the end
        return _law(ensemble)


def _law(ensemble: Ensemble) -> SymmetricLaw:
    inputs, n = ensemble.inputs, ensemble.fan_in
    family, variance = ensemble.scheme.weights.family, ensemble.weight_variance
    bias = ensemble.scheme.bias
    bias_family, bias_variance = (bias.family if bias else "normal"), ensemble.bias_variance
    bias_cumulants = _cumulants(bias_variance ** np.arange(1, 5) * _moments_of(bias_family))
    weight_moments = variance ** np.arange(1, 5) * _moments_of(family)
    silent = 0.0  # the probability that no weight meets a non-zero input
    if inputs.kind in ("on", "fixed", "rows"):
        if inputs.kind == "on":
            rows = np.ones((1, 1)), np.array([float(inputs.count)])
        elif inputs.kind == "fixed":
            values, counts = np.unique(np.abs(inputs.data.astype(float)), return_counts=True)
            rows = values[None, :], counts.astype(float)
        else:
            rows = np.abs(inputs.data.astype(float)), np.ones(n)
        values, counts = rows
        silent = float(((values * counts) == 0.0).all(axis=1).mean()) if variance > 0.0 else 1.0
        powers = np.stack([(values ** (2 * k)) @ counts for k in range(1, 5)], axis=1)
        moments = _moments(_cumulants(weight_moments) * powers + bias_cumulants).mean(axis=0)
        weighted = _rows_characteristic(family, variance, values, counts)
    else:
        if inputs.kind == "subset":
            terms, term_moments = inputs.count, weight_moments
            silent = float(terms == 0)
            single = _characteristic(family, variance)
        elif inputs.kind == "bernoulli":
            p = round(inputs.parameter * 2**32) / 2**32
            terms, term_moments = n, p * weight_moments
            silent = (1.0 - p) ** n
            of_weight = _characteristic(family, variance)
            single = lambda t: (1.0 - p) + p * of_weight(t)  # noqa: E731
        else:
            std = inputs.parameter
            terms, term_moments = n, weight_moments * std ** (2 * np.arange(1, 5)) * _NORMAL_MOMENTS
            silent = float(std == 0.0)
            single = _gaussian_input_characteristic(family, variance * std**2)
        if variance == 0.0:
            silent = 1.0
        moments = _moments(terms * _cumulants(term_moments) + bias_cumulants)
        weighted = lambda t: single(t) ** terms  # noqa: E731
    of_bias = _characteristic(bias_family, bias_variance)
    if not 0.0 < moments[0] < np.inf or not np.isfinite(moments).all():
        raise SpecificationError(f"the pre-activation has variance {moments[0]:g}; it must be positive and finite to be judged")
    return SymmetricLaw(
        characteristic=lambda t: weighted(t) * of_bias(t),
        moments=tuple(moments.tolist()),
        atom=silent if bias_variance == 0.0 else 0.0,
    )


def _moments_of(family: str) -> np.ndarray:
    return _NORMAL_MOMENTS if family == "normal" else _UNIFORM_MOMENTS


def _cumulants(moments: np.ndarray) -> np.ndarray:
    """Cumulants of orders 2, 4, 6, 8 from the moments of a symmetric law, along the last axis."""
    m2, m4, m6, m8 = np.moveaxis(np.asarray(moments, float), -1, 0)
    return np.stack(
        [
            m2,
            m4 - 3 * m2**2,
            m6 - 15 * m4 * m2 + 30 * m2**3,
            m8 - 28 * m6 * m2 - 35 * m4**2 + 420 * m4 * m2**2 - 630 * m2**4,
        ],
        axis=-1,
    )


def _moments(cumulants: np.ndarray) -> np.ndarray:
    """Moments of orders 2, 4, 6, 8 from the cumulants of a symmetric law, along the last axis."""
    k2, k4, k6, k8 = np.moveaxis(np.asarray(cumulants, float), -1, 0)
    return np.stack(
        [
            k2,
            k4 + 3 * k2**2,
            k6 + 15 * k4 * k2 + 15 * k2**3,
            k8 + 28 * k6 * k2 + 35 * k4**2 + 210 * k4 * k2**2 + 105 * k2**4,
        ],
        axis=-1,
    )


def _characteristic(family: str, variance: float):
    """E cos(t w) of one parameter."""
    if family == "normal":
        return lambda t: np.exp(-0.5 * variance * t**2)
    limit = np.sqrt(3.0 * variance)
    return lambda t: np.sinc(limit * t / np.pi)


def _gaussian_input_characteristic(family: str, variance: float):
    """E cos(t w x) for x ~ N(0, 1) and a weight of the given variance."""
    if family == "normal":
        return lambda t: 1.0 / np.sqrt(1.0 + variance * t**2)
    limit = np.sqrt(1.5 * variance)

    def characteristic(t: np.ndarray) -> np.ndarray:
        y = np.maximum(limit * t, 1e-9)
        return 0.5 * np.sqrt(np.pi) * special.erf(y) / y

    return characteristic


def _rows_characteristic(family: str, variance: float, values: np.ndarray, counts: np.ndarray):
    """E cos(t sum_j w_j x_j), averaged over rows x; column j stands counts[j] times."""
    if family == "normal":
        norms, weights = np.unique((values**2) @ counts, return_counts=True)
        weights = weights / weights.sum()
        of_weight = _characteristic("normal", variance)
        per_row = lambda t, norm: of_weight(np.multiply.outer(t, np.sqrt(norm))) @ weights  # noqa: E731
        return lambda t: np.concatenate([per_row(part, norms) for part in _parts(t, norms.size)])
    of_weight = _characteristic(family, variance)

    def characteristic(t: np.ndarray) -> np.ndarray:
        total = np.zeros(t.size)
        for row in values:
            x, times = np.unique(row, return_counts=True) if values.shape[0] > 1 else (row, counts)
            total += np.concatenate([np.prod(of_weight(np.multiply.outer(part, x)) ** times, axis=1) for part in _parts(t, x.size)])
        return total / values.shape[0]

    return characteristic


def _parts(t: np.ndarray, width: int) -> list[np.ndarray]:
    """Pieces of t whose outer product with `width` values stays small."""
    return np.array_split(t, max(1, -(-t.size * width // _MAX_CELLS)))
