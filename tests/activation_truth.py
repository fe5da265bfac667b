"""Activations and their derivatives in float64, by NumPy and SciPy, and the distance of the engine's rows from them.

`phi` and `slope` are good to about 1e-14, relative (near the zeros of gelu' and silu', 1e-16): a test holds them against mpmath.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import erf, erfc

from fanin.engine.activations import SELU_ALPHA, SELU_LAMBDA, ActivationRow, activate, activation_row

CHUNK = 1 << 17
ALLOWED_ULPS, ALLOWED_SHARE = 4.0, 2.0**-24
ZEROS = {"gelu": (-0.7517915246935645, 1.1289041451), "silu": (-1.2784645427610738, 1.0998393194)}
"""Zero and largest value of the derivatives that change sign."""
NEAR = 0.4
"""Within this distance of such a zero, an error is measured against the largest value."""
LIMITS = {
    "sigmoid": ((0.0, 0.0), (1.0, 0.0)),
    "tanh": ((-1.0, 0.0), (1.0, 0.0)),
    "relu": ((0.0, 0.0), (np.inf, 1.0)),
    "leaky_relu": ((-np.inf, 0.01), (np.inf, 1.0)),
    "elu": ((-1.0, 0.0), (np.inf, 1.0)),
    "selu": ((-SELU_LAMBDA * SELU_ALPHA, 0.0), (np.inf, SELU_LAMBDA)),
    "gelu": ((0.0, 0.0), (np.inf, 1.0)),
    "silu": ((0.0, 0.0), (np.inf, 1.0)),
    "softplus": ((0.0, 0.0), (np.inf, 1.0)),
    "hard_tanh": ((-1.0, 0.0), (1.0, 0.0)),
    "erf": ((-1.0, 0.0), (1.0, 0.0)),
    "identity": ((-np.inf, 1.0), (np.inf, 1.0)),
}
"""(phi, phi') at minus and at plus infinity."""


def truth(name: str, z: np.ndarray, shape: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """phi and phi' of finite z in float64."""
    e = np.exp(-np.abs(z))
    ones = np.ones_like(z)
    match name:
        case "sigmoid" | "silu" | "softplus":
            level, slope = np.where(z >= 0, 1.0, e) / (1.0 + e), e / (1.0 + e) ** 2
            if name == "sigmoid":
                return level, slope
            return (z * level, level + z * slope) if name == "silu" else (np.maximum(z, 0.0) + np.log1p(e), level)
        case "tanh":
            return np.tanh(z), 4.0 * e * e / (1.0 + e * e) ** 2
        case "relu" | "leaky_relu":
            below = {"relu": 0.0, "leaky_relu": 0.01}[name] if shape is None else shape
            return np.where(z > 0, z, below * z), np.where(z > 0, 1.0, below)
        case "elu" | "selu":
            upper, alpha = (SELU_LAMBDA, SELU_ALPHA) if name == "selu" else (1.0, shape or 1.0)
            low = upper * alpha
            return np.where(z > 0, upper * z, low * np.expm1(np.minimum(z, 0.0))), np.where(z > 0, upper, low * e)
        case "gelu":
            level = 0.5 * erfc(z / -np.sqrt(2.0))
            return z * level, level + z * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        case "hard_tanh":
            return np.clip(z, -1.0, 1.0), np.where(np.abs(z) < 1.0, 1.0, 0.0)
        case "erf":
            return erf(z), 2.0 / np.sqrt(np.pi) * np.exp(-z * z)
        case _:
            return z, ones


def ulps(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distance in units in the last place of the exact result; beyond the largest float32, 0 for an infinity."""
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    exponent = np.maximum(rounded.view(np.int32) & 0x7F800000, 0x00800000)
    unit = np.ldexp(1.0, (exponent >> 23) - 150)
    with np.errstate(invalid="ignore"):
        return np.where(found == rounded, np.minimum(np.abs(found - exact) / unit, 0.5), np.abs(found - exact) / unit)


class Worst(NamedTuple):
    """The largest errors of a row and where they were met.

    phi, slope : in units in the last place, the latter away from its zero. share : of phi' near its zero, as a multiple of 2**-24
    of its largest value.
    """

    phi: float = 0.0
    phi_at: float = 0.0
    slope: float = 0.0
    slope_at: float = 0.0
    share: float = 0.0
    share_at: float = 0.0

    def merge(self, other: Worst) -> Worst:
        """The larger of each."""
        pairs = [max(self[i : i + 2], other[i : i + 2], key=lambda pair: pair[0]) for i in (0, 2, 4)]
        return Worst(*pairs[0], *pairs[1], *pairs[2])

    @property
    def fits(self) -> bool:
        """Whether all errors are within what is allowed; false for NaN."""
        return self.phi <= ALLOWED_ULPS and self.slope <= ALLOWED_ULPS and self.share <= 1.0


def worst(name: str, z: np.ndarray, shape: float | None = None, row: ActivationRow | None = None) -> Worst:
    """The largest errors over z, finite float32 numbers."""
    row = activation_row(name, shape) if row is None else row
    largest = [0.0] * 6
    phi, slope = np.empty(CHUNK, np.float32), np.empty(CHUNK, np.float32)
    for part in np.split(z, range(CHUNK, z.size, CHUNK)):
        activate(row, part, phi[: part.size], slope[: part.size])
        exact = truth(name, part.astype(np.float64), shape)
        errors = [ulps(phi[: part.size], exact[0]), ulps(slope[: part.size], exact[1]), np.zeros(1)]
        if name in ZEROS:
            zero, height = ZEROS[name]
            near = np.abs(part - zero) < NEAR
            errors[2] = np.where(near, np.abs(slope[: part.size] - exact[1]) / (ALLOWED_SHARE * height), 0.0)
            errors[1][near] = 0.0
        for i, error in enumerate(errors):
            at = int(error.argmax())
            if not error[at] <= largest[2 * i]:
                largest[2 * i : 2 * i + 2] = [float(error[at]), float(part[at])]
    return Worst(*largest)


def patterns(first: int, count: int, step: int = 1) -> np.ndarray:
    """The finite float32 numbers among `count` bit patterns from `first` on, one of `step`."""
    bits = np.arange(first, first + count, step, dtype=np.int64).astype(np.uint32)
    return bits.view(np.float32)[(bits & 0x7F800000) != 0x7F800000]
