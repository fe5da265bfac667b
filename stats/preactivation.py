"""What theory knows of the pre-activation z = sum_j w_j x_j + b of one neuron, for every law of weights and inputs.

Given its input, z is a sum of independent terms; over random inputs it is a mixture of such sums. For Gaussian weights the law is
the scale mixture of N(0, s^2 |x|^2 + sb^2). Where weights are symmetric, the characteristic function and the moments have closed
forms or short integrals for most pairs of laws; where they do not, mean and variance remain, and the fourth moment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import linalg, special

from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.input_law import IID, InputLaw, covariance, entry_moments, input_law, row_weights
from fanin.stats.parameter import ParameterLaw, parameter_law
from fanin.stats.symmetric_law import SymmetricLaw

_MAX_CELLS = 1 << 22
_LEAST_STD = 2.0**-110  # far enough above the least normal float32 number
_MAX_ORDER = 2048  # of a covariance matrix whose eigenvalues are computed
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(400)


@dataclass(frozen=True, eq=False)
class Preactivation:
    """What is known of z, and of how it depends on weights and input.

    mean, variance : of z. centred : whether weights and biases have mean 0. symmetric : whether z is known to be symmetric about 0.
    moments : E z**2, ... E z**8 of a centred z, NaN where they do not exist or are not known. law : the whole law,
    where it is known. given_weights : E Var(z | weights), the variance over inputs; given_input : E Var(z | input), the variance
    over weights. neurons_squares : correlation of the z**2 of two neurons.
    """

    mean: float
    variance: float
    centred: bool
    symmetric: bool
    moments: np.ndarray
    law: SymmetricLaw | None
    given_weights: float
    given_input: float
    neurons_squares: float

    @property
    def kurtosis(self) -> float:
        """E z**4 / (E z**2)**2 of a symmetric z."""
        return float(self.moments[1] / self.moments[0] ** 2)

    @property
    def orders(self) -> int:
        """How many of the four even moments are known to exist."""
        return int(np.isfinite(self.moments).sum())


def preactivation(ensemble: Ensemble, networks: int | None = None) -> Preactivation:
    """What theory knows of z in the first layer.

    networks : how many there are; it matters only where rows of data come in turn. A shared random input must have been drawn: give
    its values as `Inputs.fixed`.
    """
    inputs, fans = ensemble.inputs, ensemble.widths[:2]
    if inputs.drawn_once:
        raise SpecificationError("a shared random input has a law only once it is drawn; judge the result of a run")
    with np.errstate(over="ignore", invalid="ignore"):  # variances near the largest float64: refused below
        x = input_law(inputs, ensemble.fan_in, networks)
        weight, bias = parameter_law(ensemble.scheme.weights, *fans), parameter_law(ensemble.scheme.bias, *fans)
        s2, c, b2 = ensemble.weight_variance, ensemble.weight_mean, ensemble.bias_variance
        variance = s2 * x.square + c**2 * x.sum_variance + b2
        if not 0.0 < variance < math.inf:
            raise SpecificationError(f"the pre-activation has variance {variance:g}; it must be positive and finite to be judged")
        if variance < _LEAST_STD**2:
            raise SpecificationError(
                f"the pre-activation has standard deviation {math.sqrt(variance):.3g}; float32 keeps its law from "
                f"{_LEAST_STD:.2g} on"
            )
        centred = c == 0.0 and ensemble.bias_mean == 0.0
        moments = _moments_of_z(ensemble, x, weight, bias, networks) if centred else np.full(4, math.nan)
        known = centred and np.isfinite(moments[0])
        law = _law(ensemble, x, weight, bias, moments, networks) if known else None
    return Preactivation(
        mean=c * x.sum_mean + ensemble.bias_mean,
        variance=variance,
        centred=centred,
        symmetric=centred and "own" not in (weight.family, bias.family),
        moments=moments,
        law=law,
        given_weights=(s2 + c**2) * x.trace + c**2 * (x.sum_variance - x.trace),
        given_input=s2 * x.square + b2,
        neurons_squares=_neurons_squares(ensemble, x, moments),
    )


def _neurons_squares(ensemble: Ensemble, x: InputLaw, moments: np.ndarray) -> float:
    """Correlation of z**2 of two neurons that share their input, from E(z^2 z'^2 | x)."""
    s2, b2 = ensemble.weight_variance, ensemble.bias_variance
    order = max(ensemble.widths[:2])
    shared = order / (order + 2.0) if ensemble.scheme.weights.family == "orthogonal" else 1.0
    mixed = s2**2 * x.fourth * shared + 2.0 * s2 * b2 * x.square + b2**2
    spread = moments[1] - moments[0] ** 2
    return float((mixed - moments[0] ** 2) / spread) if spread > 0.0 else math.nan


def _moments_of_z(ensemble: Ensemble, x: InputLaw, weight: ParameterLaw, bias: ParameterLaw, networks: int | None) -> np.ndarray:
    """E z**2, ... E z**8 of a symmetric z, NaN where not known."""
    inputs, n = ensemble.inputs, ensemble.fan_in
    bias_cumulants = _cumulants(bias.moments)
    k = np.arange(1, 5)
    if weight.family == "orthogonal":
        order = max(ensemble.widths[:2])
        if x.lengths is None:
            return np.full(4, math.nan)
        lengths, chances = x.lengths
        sphere = np.cumprod((2.0 * k - 1.0) * ensemble.weight_variance * order / (order + 2.0 * (k - 1)))
        given = sphere * lengths[:, None] ** k
        return chances @ _moments(_cumulants(given) + bias_cumulants)
    if inputs.kind in IID:
        terms = weight.moments * entry_moments(inputs)[1:]
        return _moments(n * _cumulants(terms) + bias_cumulants)
    if inputs.kind in ("ar1", "correlated"):
        s2 = weight.moments[0]
        fourth = 3.0 * s2**2 * x.fourth + (weight.moments[1] - 3.0 * s2**2) * x.entries_fourth
        variances = np.array([s2 * x.square, fourth, math.nan, math.nan])
        if weight.family == "normal" and not weight.zero and n <= _MAX_ORDER:
            eigenvalues = linalg.eigvalsh(covariance(inputs, n))
            powers = [float((eigenvalues**i).sum()) for i in (1, 2, 3, 4)]
            variances = s2**k * np.array([1.0, 3.0, 15.0, 105.0]) * _length_moments(powers)
        return _moments(_cumulants(variances) + bias_cumulants)
    values, counts, chances = _rows(ensemble, networks)
    powers = np.stack([(values ** (2 * i)) @ counts for i in range(1, 5)], axis=1)
    return chances @ _moments(_cumulants(weight.moments) * powers + bias_cumulants)


def _length_moments(powers: list[float]) -> np.ndarray:
    """E R, ... E R**4 of R = sum_i lambda_i g_i**2 from the sums of powers of the eigenvalues lambda."""
    k1, k2, k3, k4 = powers[0], 2.0 * powers[1], 8.0 * powers[2], 48.0 * powers[3]
    m2 = k2 + k1**2
    m3 = k3 + 3.0 * k2 * k1 + k1**3
    return np.array([k1, m2, m3, k4 + 4.0 * k3 * k1 + 3.0 * k2**2 + 6.0 * k2 * k1**2 + k1**4])


def _rows(ensemble: Ensemble, networks: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes of the inputs (rows, columns), how often each column counts, and the probability of each row."""
    inputs = ensemble.inputs
    if inputs.kind in ("on", "subset"):
        return np.ones((1, 1)), np.array([float(inputs.count)]), np.ones(1)
    if inputs.kind == "fixed":
        values, counts = np.unique(np.abs(inputs.data.astype(float)), return_counts=True)
        return values[None, :], counts.astype(float), np.ones(1)
    return np.abs(inputs.data.astype(float)), np.ones(ensemble.fan_in), row_weights(inputs, networks)


def _law(
    ensemble: Ensemble, x: InputLaw, weight: ParameterLaw, bias: ParameterLaw, moments: np.ndarray, networks: int | None
) -> SymmetricLaw | None:
    """The law of a symmetric z; None where it is not known or has no density."""
    inputs, n = ensemble.inputs, ensemble.fan_in
    continuous_input = inputs.kind in ("gaussian", "uniform", "sparse", "ar1", "correlated")
    if weight.family == "own" or bias.family == "own" or (weight.is_discrete and bias.is_discrete and not continuous_input):
        return None
    if weight.family == "orthogonal":
        if x.lengths is None:
            return None
        weighted, silent = (
            _orthogonal_mixture(ensemble, *x.lengths, _sphere_characteristic),
            float(x.lengths[1][x.lengths[0] == 0.0].sum()),
        )
        bound = _orthogonal_mixture(ensemble, *x.lengths, _sphere_envelope)
    elif inputs.kind in IID:
        single, single_bound, never = _term(ensemble, weight)
        weighted, bound, silent = lambda t: single(t) ** n, lambda t: single_bound(t) ** n, never**n
    elif inputs.kind in ("ar1", "correlated"):
        if weight.family != "normal" or weight.zero or n > _MAX_ORDER:
            return None
        eigenvalues = linalg.eigvalsh(covariance(inputs, n)) * weight.scale**2
        weighted = bound = lambda t: np.exp(-0.5 * np.log1p(np.multiply.outer(t**2, eigenvalues)).sum(axis=1))
        silent = float(not eigenvalues.any())
    else:
        values, counts, chances = _rows(ensemble, networks)
        never = weight.zero if weight.scale else 1.0
        silent = float(chances @ never ** ((values != 0.0) @ counts))
        weighted = _rows_characteristic(weight, weight.characteristic, values, counts, chances)
        bound = _rows_characteristic(weight, weight.envelope, values, counts, chances)
    if bias.is_discrete and bias.scale:
        silent = 0.0
    atom = silent * (bias.zero if bias.scale else 1.0)
    return SymmetricLaw(
        characteristic=lambda t: weighted(t) * bias.characteristic(t),
        envelope=lambda t: np.maximum(bound(t) * bias.envelope(t) - atom, 0.0),  # expanded, both have positive coefficients
        moments=tuple(moments.tolist()),
        atom=atom,
    )


def _term(ensemble: Ensemble, weight: ParameterLaw):
    """E cos(t w x) of one product of weight and input, its envelope, and the probability that it is zero."""
    inputs = ensemble.inputs
    never = weight.zero if weight.scale else 1.0
    if inputs.kind == "bernoulli":
        p = inputs.parameters[0]
        mixed = [lambda t, part=part: (1.0 - p) + p * part(t) for part in (weight.characteristic, weight.envelope)]
        return *mixed, (1.0 - p) + p * never
    if inputs.kind == "uniform":
        return weight.times_uniform(*inputs.parameters), weight.times_uniform_envelope(*inputs.parameters), never
    zero, std = inputs.parameters if inputs.kind == "sparse" else (0.0, inputs.parameters[0])
    products = weight.times_gaussian(std), weight.times_gaussian_envelope(std)
    mixed = [lambda t, product=product: zero + (1.0 - zero) * product(t) for product in products]
    return *mixed, zero + (1.0 - zero) * (never if std else 1.0)


def _orthogonal_mixture(ensemble: Ensemble, lengths: np.ndarray, chances: np.ndarray, of_sphere):
    """The mean of `of_sphere` for z = s sqrt(N) |x| u, where u is a coordinate of a uniform point on the sphere in N dimensions."""
    order = max(ensemble.widths[:2])
    scale = math.sqrt(ensemble.weight_variance * order)
    distinct, inverse = np.unique(lengths, return_inverse=True)
    shares = np.bincount(inverse, chances)
    kept = shares > 1e-18

    def characteristic(t: np.ndarray) -> np.ndarray:
        total = np.zeros(np.shape(t))
        for length, share in zip(distinct[kept], shares[kept], strict=True):
            total += share * of_sphere(t * scale * math.sqrt(length), order)
        return total

    return characteristic


def _sphere_characteristic(r: np.ndarray, order: int) -> np.ndarray:
    """E cos(r u): Gamma(N/2) (2/r)**(N/2 - 1) J_{N/2 - 1}(r); in many dimensions by quadrature; 0 where below 1e-40."""
    if order == 1:
        return np.cos(r)
    if order <= 40:
        half = order / 2.0
        size = np.maximum(r, 0.5)
        bessel = np.exp(special.gammaln(half) + (half - 1.0) * np.log(2.0 / size)) * special.jv(half - 1.0, size)
        return np.where(r < 0.5, special.hyp0f1(half, -0.25 * np.minimum(r, 0.5) ** 2), bessel)
    angles = 0.5 * math.pi * min(1.0, 16.0 / math.sqrt(order)) * _NODES
    weights = _WEIGHTS * np.cos(angles) ** (order - 2)
    value = np.cos(np.multiply.outer(np.minimum(r, 400.0), np.sin(angles))) @ (weights / weights.sum())
    return np.where(r < 400.0, value, 0.0)


def _sphere_envelope(r: np.ndarray, order: int) -> np.ndarray:
    """A bound of the former that does not rise: sqrt(r) |J_v(r)| is at most sqrt(2/pi) up to v = 1/2, and beyond a power of v.

    Olenko 2006, "Upper bound on sqrt(x) J_v(x) and its applications", Integral Transforms and Special Functions 17.
    """
    if order == 1:
        return np.ones(np.shape(r))
    v = order / 2.0 - 1.0
    root = v ** (1.0 / 3.0)
    peak = math.sqrt(2.0 / math.pi) if v <= 0.5 else 0.674886 * math.sqrt(root + 1.855758 / root + 0.3 * 1.855758**2 / v)
    size = np.maximum(r, 1e-300)
    logs = special.gammaln(v + 1.0) + v * np.log(2.0 / size) + math.log(peak) - 0.5 * np.log(size)
    return np.exp(np.minimum(logs, 0.0))


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


def _rows_characteristic(weight: ParameterLaw, function, values: np.ndarray, counts: np.ndarray, chances: np.ndarray):
    """The product of `function` over t x_j, averaged over rows x with their chances; column j stands counts[j] times.

    `function` is the characteristic function of a weight or its envelope, which for plain normal weights are the same.
    """
    if weight.family == "normal" and not weight.zero:
        norms, inverse = np.unique((values**2) @ counts, return_inverse=True)
        shares = np.bincount(inverse, chances)
        per_row = lambda t, norm: weight.characteristic(np.multiply.outer(t, np.sqrt(norm))) @ shares  # noqa: E731
        return lambda t: np.concatenate([per_row(part, norms) for part in _parts(t, norms.size)])

    def characteristic(t: np.ndarray) -> np.ndarray:
        total = np.zeros(t.size)
        for row, chance in zip(values, chances, strict=True):
            x, times = np.unique(row, return_counts=True) if values.shape[0] > 1 else (row, counts)
            total += chance * np.concatenate(
                [np.prod(function(np.multiply.outer(part, x)) ** times, axis=1) for part in _parts(t, x.size)]
            )
        return total

    return characteristic


def _parts(t: np.ndarray, width: int) -> list[np.ndarray]:
    """Pieces of t whose outer product with `width` values stays small."""
    return np.array_split(t, -(-t.size * width // _MAX_CELLS))
