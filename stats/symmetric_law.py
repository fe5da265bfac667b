"""A law that is symmetric about zero, known by its characteristic function: distribution, quantiles, sigmoid integrals.

Everything is a trapezoidal or midpoint sum in the frequency t. By Poisson's formula such a sum is the wanted value plus copies
shifted by the period 2 pi / h, so the error is bounded by tail probabilities of the law and by the terms left out. Bounds are
absolute and travel with the results. Tails are bounded by Markov's inequality for the highest moment that exists, up to the eighth.

Distribution: Gil-Pelaez 1951, discretised as in Davies 1973, "Numerical inversion of a characteristic function", Biometrika 60.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

_TAILS = (1e-7, 1e-9, 1e-11, 1e-13)  # probability beyond reach by the highest even moment known
_NEGLIGIBLE = 1e-16
_CHUNK = 256
_MAX_TERMS = 1 << 15


@dataclass(frozen=True, eq=False)
class SymmetricLaw:
    """A symmetric law of a real number z.

    characteristic : function of an array t >= 0, giving E cos(t z).
    envelope : function of t that does not rise and bounds |characteristic - atom| at t and everywhere beyond. A characteristic
        function may vanish and come back (that of a sum on a lattice does), so sums end by the envelope, never by a value.
    moments : E z**2, E z**4, E z**6, E z**8; NaN from the first on that does not exist.
    atom : P(z = 0); the rest of the law has a density.
    """

    characteristic: Callable[[np.ndarray], np.ndarray]
    envelope: Callable[[np.ndarray], np.ndarray]
    moments: tuple[float, float, float, float]
    atom: float = 0.0

    @property
    def variance(self) -> float:
        """E z**2."""
        return self.moments[0]

    @property
    def std(self) -> float:
        """Square root of the variance."""
        return math.sqrt(self.moments[0])

    @property
    def kurtosis(self) -> float:
        """E z**4 / (E z**2)**2: 3 for a Gaussian."""
        return self.moments[1] / self.moments[0] ** 2

    @property
    def orders(self) -> int:
        """How many of the four even moments exist, and fit a float64."""
        usable = np.isfinite(self.moments) & (np.asarray(self.moments) > 0.0)
        return int(np.cumprod(usable).sum())

    @property
    def tail(self) -> float:
        """The probability with which |z| exceeds `reach`, at most."""
        return _TAILS[self.orders - 1]

    @functools.cached_property
    def reach(self) -> float:
        """A size that |z| exceeds with probability `tail` at most."""
        return self.std * (self.moments[self.orders - 1] / self.variance**self.orders / self.tail) ** (0.5 / self.orders)

    def _terms(
        self, step: float, offset: float, factor: Callable[[np.ndarray], np.ndarray]
    ) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
        """Frequencies (k + offset) * step, the characteristic function less its atom times `factor`, a bound of it from there on.

        They end where the bound is negligible. `factor` does not rise.
        """
        for start in range(0, _MAX_TERMS, _CHUNK):
            t = (np.arange(start, start + _CHUNK) + offset) * step
            value = (self.characteristic(t) - self.atom) * factor(t)
            beyond = float((self.envelope(t[-1:]) * factor(t[-1:]))[0])
            yield t, value, beyond
            if beyond < _NEGLIGIBLE:
                return

    @functools.cached_property
    def _inversion(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Frequencies, coefficients and error bound of the sine sum for the distribution function."""
        step = math.pi / self.reach
        parts = list(self._terms(step, 0.5, np.ones_like))
        t = np.concatenate([part[0] for part in parts])
        value = np.concatenate([part[1] for part in parts])
        # Left out: an integral of |characteristic| / t, at most twice the envelope at its lower end where that falls at least like
        # the square root of 1 / t. Where it does not fall so within the terms allowed (scales too far apart), the sum says nothing.
        last = 2.0 * parts[-1][2]
        falls = last < 2.0 * _NEGLIGIBLE or parts[-1][2] <= 0.72 * parts[len(parts) // 2][2]
        return t, value / (t / step) / math.pi, self.tail + last / math.pi + 1e-15 if falls else 1.0

    @property
    def error(self) -> float:
        """Bound of the absolute error of `cdf` and `beyond`."""
        return self._inversion[2]

    def cdf(self, z: np.ndarray | float) -> np.ndarray:
        """P(Z <= z), to within `error`."""
        t, coefficient, _ = self._inversion
        z = np.atleast_1d(np.asarray(z, float))
        sizes, inverse = np.unique(np.minimum(np.abs(z), self.reach), return_inverse=True)
        total = np.empty(sizes.shape)
        rows = (1 << 22) // t.size  # at least 128, by _MAX_TERMS
        for start in range(0, sizes.size, rows):
            part = slice(start, start + rows)
            total[part] = np.sin(np.multiply.outer(sizes[part], t)) @ coefficient
        total = np.sign(z) * total[inverse.reshape(z.shape)]
        value = 0.5 + total + np.where(z >= 0.0, 0.5, -0.5) * self.atom
        return np.clip(np.where(z > self.reach, 1.0, np.where(z < -self.reach, 0.0, value)), 0.0, 1.0)

    def beyond(self, threshold: float) -> float:
        """P(|Z| > threshold) for threshold >= 0, to within 2 * error."""
        return float(2.0 * (1.0 - self.cdf(threshold)[0]))

    def quantile(self, p: float) -> float:
        """The z with P(Z <= z) = p; 0 where p falls on the atom."""
        if abs(p - 0.5) <= self.atom / 2.0:
            return 0.0
        if p < 0.5:
            return -self.quantile(1.0 - p)
        if self.cdf(self.reach)[0] <= p:
            return self.reach
        return float(optimize.brentq(lambda z: float(self.cdf(z)[0]) - p, 0.0, self.reach, xtol=1e-14 * self.std, rtol=1e-13))

    def sigmoid_slope_moment(self, power: int, gain: float = 1.0) -> tuple[float, float]:
        """E sigma'(gain * z)**power and a bound of its error, sigma the logistic function.

        By Parseval with the transform of sigma'**k, the beta function B(k + it, k - it).
        """
        period = 2.0 * max(gain * self.reach, 40.0)
        step = 2.0 * math.pi / period

        def transform(t: np.ndarray) -> np.ndarray:
            return np.exp(2.0 * special.loggamma(power + 1j * t / gain).real - special.gammaln(2 * power))

        total, last = -0.5 * (1.0 - self.atom) * math.exp(2.0 * special.gammaln(power) - special.gammaln(2 * power)), 0.0
        for _, value, bound in self._terms(step * gain, 0.0, transform):
            total += math.fsum(value)
            last = bound
        if last >= _NEGLIGIBLE:  # terms were left out: only the range of sigma' bounds the error
            return float(np.clip(total * step / math.pi, 0.0, 0.25**power)), 0.25**power
        copies = 3.0 * math.exp(-0.5 * power * period) + 2.0 * 0.25**power * self.tail
        value = self.atom * 0.25**power + total * step / math.pi
        return value, copies + 1e-15 * value
