"""A prediction for a layer of a network, and how far from it the truth may be: one rule for all tolerances.

Labels: "exact" at every width; "asymptotic", the leading order in 1/n; "limit", exact where all widths are infinite. Exact are
layer 1, mean and skewness of z, the standardised field, variance and kurtosis of z where `forward_theory` says so, and log-norms of
ReLU and identity without biases. Laws and shares beyond layer 1, and all that comes back through more than the output, are limits.

Default tolerances of exact values: variances and mean squares 0.5 % (1 % for moments of phi' and what comes back), means 0.005
standard deviations, skewness 0.01, kurtosis 0.02 or 5 % of the excess, shares 0.002, quantiles 0.03 in rank (bins are 3 % wide),
correlations 0.005. To that a limit adds what it neglects, by S, the relative variance between networks of what the quantity rests
on, to leading order in 1/n: going forward of the conditional variance of z; going back also of the mean squares of delta, one term
(kurtosis - 1)/n for each finite layer between here and the output. Added are SLACK S, relative, to moments; RANK_SLACK S, absolute,
to shares and to the rank of a quantile; S itself to the mean of a logarithm, which is S/2 below the logarithm of the mean. An
asymptotic value adds SLACK S^2. What is neglected was seen to be at most two thirds of that (`tests/stats/test_network_limits.py`).
Where S is above `MAX_SPREAD` a limit says nothing, and is not predicted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from fanin.engine.errors import SpecificationError
from fanin.stats.forward_theory import ASYMPTOTIC, EXACT, Number

SLACK, RANK_SLACK = 2.0, 0.5
MAX_SPREAD = 0.4
RANK, SHARE = 0.03, 0.002
GAUSSIAN = "z is Gaussian"


@dataclass(frozen=True)
class NetworkPrediction:
    """A predicted value with a bound or an estimate of its numerical error and the default tolerance, both absolute.

    label : "exact", "asymptotic" or "limit". next_term : the order of what is neglected; empty for an exact value.
    """

    value: float
    error: float
    tolerance: float
    source: str
    label: str
    next_term: str


def unknown(name: str, layer: int, reason: str) -> SpecificationError:
    """The error of a quantity that is not predicted."""
    return SpecificationError(f"theory does not predict {name} in layer {layer}: {reason}")


@dataclass(frozen=True)
class Place:
    """Of what a prediction speaks: the quantity, the layer, and the relative variance S between networks."""

    name: str
    layer: int
    spread: float

    def check(self) -> None:
        """Refuse a limit that says nothing."""
        if not self.spread <= MAX_SPREAD:
            reason = f"its limit needs wider layers, the relative variance between networks is {self.spread:.2g}"
            raise unknown(self.name, self.layer, reason)


def moment(place: Place, number: Number, tolerance: float, scale: float) -> NetworkPrediction:
    """A moment. tolerance : of an exact value. scale : to which the slack is relative."""
    return _with_slack(place, number, tolerance, SLACK * abs(scale))


def share(place: Place, number: Number) -> NetworkPrediction:
    """A probability."""
    return _with_slack(place, number, SHARE, RANK_SLACK)


def _with_slack(place: Place, number: Number, tolerance: float, slack: float) -> NetworkPrediction:
    if number.label != EXACT:
        place.check()
        tolerance += slack * (place.spread**2 if number.label == ASYMPTOTIC else place.spread)
    value, error, source = float(number.value), float(number.error), number.source or GAUSSIAN
    return NetworkPrediction(value, error, float(tolerance), source, number.label, number.next_term)


def ranked(
    place: Place, number: Number, quantile: Callable[[float], float], p: float, *, bounded: bool = False
) -> NetworkPrediction:
    """A quantile; its tolerance is the smaller distance to the quantiles that are the margin away in rank.

    number : with a relative error, and without a value. bounded : whether 0 is the lower end of the law, or a jump there.
    """
    margin = RANK
    if number.label != EXACT:
        place.check()
        margin += RANK_SLACK * place.spread
    value = quantile(p)
    lowest = quantile(p - margin) if p > margin else -math.inf
    below = 0.0 if bounded and lowest == 0.0 else value - lowest
    above = quantile(p + margin) - value if p < 1.0 - margin else math.inf
    tolerance = min(below, above)
    if not 0.0 < tolerance < math.inf:
        raise unknown(place.name, place.layer, f"the quantile of rank {p:g} is too close to an end or to a jump of the law")
    return NetworkPrediction(value, number.error * abs(value), tolerance, number.source or GAUSSIAN, number.label, number.next_term)


def logarithm(place: Place, number: Number) -> NetworkPrediction:
    """The mean over networks of a logarithm, by the logarithm of the mean."""
    place.check()
    error = 1e-10 * (1.0 + abs(number.value))
    return NetworkPrediction(number.value, error, 0.005 + place.spread, number.source, number.label, number.next_term)
