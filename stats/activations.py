"""Activation functions in float64, with their derivatives and ranges: the statistician's copy of the engine's kernels.

A test holds the two equal to float32 accuracy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Activation:
    """A sigmoidal activation a + b * sigma(gain * z), sigma the logistic function.

    low, high : limits at minus and plus infinity. gain : factor of z. steepest : largest derivative, at 0.
    """

    name: str
    low: float
    high: float
    gain: float

    @property
    def steepest(self) -> float:
        """The largest derivative."""
        return (self.high - self.low) * self.gain / 4.0

    def value(self, z: float) -> float:
        """phi(z)."""
        e = math.exp(-abs(self.gain * z))
        small = e / (1.0 + e)
        return self.low + (self.high - self.low) * (1.0 - small if z >= 0 else small)

    def slope(self, z: float) -> float:
        """phi'(z), without cancellation in the tails."""
        e = math.exp(-abs(self.gain * z))
        return (self.high - self.low) * self.gain * e / (1.0 + e) ** 2

    def level_size(self, share: float) -> float:
        """The |z| at which phi is `share` of its range away from its nearer limit."""
        return math.log((1.0 - share) / share) / self.gain

    def slope_size(self, slope: float) -> float:
        """The |z| at which phi' has fallen to `slope`; 0 where it is never larger."""
        share = slope / ((self.high - self.low) * self.gain)  # = s (1 - s)
        if share >= 0.25:
            return 0.0
        return self.level_size(2.0 * share / (1.0 + math.sqrt(1.0 - 4.0 * share)))


ACTIVATIONS = {
    "sigmoid": Activation("sigmoid", 0.0, 1.0, 1.0),
    "tanh": Activation("tanh", -1.0, 1.0, 2.0),
}
