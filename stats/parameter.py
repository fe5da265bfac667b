"""The law of one weight or bias: characteristic function, moments, tails, for every family.

All laws but constants are symmetric. Moments that do not exist (Student's law) are NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from fanin.engine.schemes import Law

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_PANELS = 48
_REACH = 9.0  # standard deviations of a Gaussian input that are integrated over


@dataclass(frozen=True)
class ParameterLaw:
    """The law of a parameter whose standard deviation before cut and zeros is `scale`; a constant has the value `scale`."""

    family: str
    scale: float
    shape: float
    zero: float
    kurtosis_of_own: float = math.nan

    @property
    def moments(self) -> np.ndarray:
        """E w**2, E w**4, E w**6, E w**8."""
        k = np.arange(1, 5)
        double_factorials = np.array([1.0, 3.0, 15.0, 105.0])
        match self.family:
            case "normal":
                unit = double_factorials
            case "uniform":
                unit = 3.0**k / (2 * k + 1)
            case "constant" | "rademacher":
                unit = np.ones(4)
            case "laplace":
                unit = np.array([math.factorial(2 * i) / 2.0**i for i in k])
            case "truncated":
                unit = double_factorials * special.gammainc(k + 0.5, self.shape**2 / 2) / math.erf(self.shape / math.sqrt(2))
            case "student":
                df = self.shape
                with np.errstate(invalid="ignore"):
                    logs = k * math.log(df - 2.0) + special.gammaln(k + 0.5) + special.gammaln(np.maximum(df / 2 - k, 1e-9))
                unit = np.exp(logs - special.gammaln(0.5) - special.gammaln(df / 2))
                unit = np.where(2 * k < df, unit, math.nan)
            case _:
                unit = np.array([1.0, self.kurtosis_of_own, math.nan, math.nan])
        return (1.0 - self.zero) * unit * self.scale ** (2 * k)

    @property
    def is_discrete(self) -> bool:
        """Whether the law has no density."""
        return self.family in ("constant", "rademacher") or self.scale == 0.0

    def characteristic(self, t: np.ndarray) -> np.ndarray:
        """E cos(t w)."""
        return self.zero + (1.0 - self.zero) * self._before_zeros(np.asarray(t, float) * self.scale)

    def _before_zeros(self, r: np.ndarray) -> np.ndarray:
        match self.family:
            case "normal":
                return np.exp(-0.5 * r**2)
            case "uniform":
                return np.sinc(math.sqrt(3.0) * r / math.pi)
            case "constant" | "rademacher":
                return np.cos(r)
            case "laplace":
                return 1.0 / (1.0 + 0.5 * r**2)
            case "truncated":
                cut = self.shape
                edge = np.exp(-1j * cut * r) * special.wofz((1j * cut - r) / math.sqrt(2.0))
                return (np.exp(-0.5 * r**2) - math.exp(-0.5 * cut**2) * edge.real) / math.erf(cut / math.sqrt(2.0))
            case _:
                half = self.shape / 2.0
                y = np.maximum(np.abs(r) * math.sqrt(self.shape - 2.0), 1e-8)
                with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                    logs = (
                        half * np.log(y) - y + np.log(special.kve(half, y)) - special.gammaln(half) - (half - 1.0) * math.log(2.0)
                    )
                value = np.exp(np.minimum(logs, 0.0))
                return np.where(np.isfinite(logs), value, np.where(y < half, 1.0, 0.0))

    def envelope(self, t: np.ndarray) -> np.ndarray:
        """A bound of |characteristic| at t >= 0 and beyond that does not rise; 1 for discrete laws, which come back to 1."""
        r = np.asarray(t, float) * abs(self.scale)
        return self.zero + (1.0 - self.zero) * self._envelope_before_zeros(r)

    def _envelope_before_zeros(self, r: np.ndarray) -> np.ndarray:
        match self.family:
            case "uniform" | "truncated":  # a density of total variation V: at most V / r
                cut = self.shape
                peak = 1.0 / math.sqrt(12.0)
                if self.family == "truncated":
                    peak = 1.0 / (math.sqrt(2.0 * math.pi) * math.erf(cut / math.sqrt(2.0)))
                return np.minimum(1.0, 2.0 * peak / np.maximum(r, 1e-300))
            case "constant" | "rademacher":
                return np.ones(np.shape(r))
            case _:
                return self._before_zeros(r)  # positive, and falls

    def times_gaussian(self, std: float):
        """E cos(t w x) for x ~ N(0, std**2), as a function of t."""
        if self.family == "normal":
            return lambda t: self.zero + (1.0 - self.zero) / np.sqrt(1.0 + (self.scale * std * t) ** 2)
        if self.family == "uniform":
            limit = math.sqrt(1.5) * self.scale * std

            def characteristic(t: np.ndarray) -> np.ndarray:
                y = np.maximum(limit * t, 1e-9)
                return self.zero + (1.0 - self.zero) * 0.5 * math.sqrt(math.pi) * special.erf(y) / y

            return characteristic
        if self.is_discrete:
            return lambda t: self.zero + (1.0 - self.zero) * np.exp(-0.5 * (self.scale * std * t) ** 2)
        return self._averaged(0.0, _REACH, _half_normal, std, self.characteristic)

    def times_gaussian_envelope(self, std: float):
        """A bound of the former that does not rise."""
        if self.family in ("normal", "uniform") or self.is_discrete:
            return self.times_gaussian(std)  # positive, and falls
        return self._averaged(0.0, _REACH, _half_normal, std, self.envelope)

    def times_uniform(self, low: float, high: float):
        """E cos(t w x) for x uniform between low and high, as a function of t."""
        if self.family == "normal":

            def characteristic(t: np.ndarray) -> np.ndarray:
                c = np.maximum(self.scale * np.abs(t) / math.sqrt(2.0), 1e-9)
                value = 0.5 * math.sqrt(math.pi) * (special.erf(c * high) - special.erf(c * low)) / (c * (high - low))
                return self.zero + (1.0 - self.zero) * value

            return characteristic
        return self._averaged(low, high, lambda x: np.full(x.shape, 1.0 / (high - low)), 1.0, self.characteristic)

    def times_uniform_envelope(self, low: float, high: float):
        """A bound of the former that does not rise."""
        if self.family == "normal":
            return self.times_uniform(low, high)
        if self.is_discrete:  # the difference of two sines over t
            width = abs(self.scale) * (high - low)
            return lambda t: self.zero + (1.0 - self.zero) * np.minimum(1.0, 2.0 / np.maximum(width * t, 1e-300))
        return self._averaged(low, high, lambda x: np.full(x.shape, 1.0 / (high - low)), 1.0, lambda t: self.envelope(np.abs(t)))

    def _averaged(self, low: float, high: float, density, factor: float, function):
        """The mean of `function(t * factor * x)` over x, by Gauss-Legendre panels."""
        ends = np.linspace(low, high, _PANELS + 1)
        half = np.diff(ends) / 2.0
        x = ((ends[:-1] + ends[1:]) / 2.0)[:, None] + half[:, None] * _NODES
        weight = (half[:, None] * _WEIGHTS * density(x)).ravel()
        x = factor * x.ravel()
        return lambda t: function(np.multiply.outer(t, x)) @ weight

    def within(self, limit: float) -> float:
        """P(|w| <= limit)."""
        if self.scale == 0.0:
            return 1.0
        r = limit / abs(self.scale)
        match self.family:
            case "normal":
                value = math.erf(r / math.sqrt(2.0))
            case "uniform":
                value = min(1.0, r / math.sqrt(3.0))
            case "constant" | "rademacher":
                value = float(r >= 1.0)
            case "laplace":
                value = -math.expm1(-math.sqrt(2.0) * r)
            case "truncated":
                value = min(1.0, math.erf(r / math.sqrt(2.0)) / math.erf(self.shape / math.sqrt(2.0)))
            case _:
                value = 1.0 - 2.0 * float(special.stdtr(self.shape, -r * math.sqrt(self.shape / (self.shape - 2.0))))
        return self.zero + (1.0 - self.zero) * value


def _half_normal(x: np.ndarray) -> np.ndarray:
    return 2.0 * np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi)


def parameter_law(law: Law | None, fan_in: int, fan_out: int) -> ParameterLaw:
    """The law of a parameter in a layer with the given fans; no law stands for zero."""
    if law is None:
        return ParameterLaw("constant", 0.0, math.nan, 0.0)
    kurtosis = law.own.kurtosis if law.own else math.nan
    return ParameterLaw(law.family, law.parent_std(fan_in, fan_out), law.shape or math.nan, law.zero, kurtosis)
