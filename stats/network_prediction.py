"""A prediction for a layer of a network, and how far from it the truth may be: one rule for all tolerances.

Labels: "exact" at every width; "asymptotic", the leading order in 1/n; "limit", exact where all widths are infinite. Exact are
layer 1, mean and skewness of z, the standardised field, variance and kurtosis of z where `forward_theory` says so, and log-norms of
ReLU and identity without biases. Laws and shares beyond layer 1, and all that comes back through more than the output, are limits.

Default tolerances of exact values: variances and mean squares 0.5 % (1 % for moments of phi' and what comes back), means 0.005
standard deviations, skewness 0.01, kurtosis 0.02 or 5 % of the excess, shares 0.002, quantiles 0.03 in rank (bins are 3 % wide),
correlations 0.005. To that a limit adds what it neglects, from three numbers. S is the relative variance between networks of what
the quantity rests on, and D the relative shift of its mean, both to leading order in 1/n (`forward_theory`, `backward_theory`). P
bounds the probability that the network is dead, and what steps in the law of a sum of two-valued weights change. Added is P, and
to moments SLACK (S + D), relative; to shares (S + D)/2, absolute; to the rank of a quantile D/2 + S/4; to the mean of a logarithm,
taken as S/2 below the logarithm of the mean, S/2 + SLACK D. (A Gaussian probability moves by at most (S + D)/4: shares and ranks
have room for the next order.) To an asymptotic value SECOND (S + D)^2 is added. `tests/fanin/test_network_truth.py` and
`tests/stats/test_network_limits.py` hold this against sampled networks, where two thirds of the tolerance suffice.

A claim that allows much says little. Theory is silent where a tolerance is above 10 % of a moment, 0.02 of a share, 0.06 of a rank,
0.1 of a logarithm's mean or of a correlation. What comes back from the output rests on a product of as many factors as there are
layers, and on laws of large kurtosis (where sigmoid networks are saturated, about 40): the bounds are 25 %, 0.02, 0.15 and 0.25.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from fanin.engine.errors import SpecificationError
from fanin.stats.forward_theory import ASYMPTOTIC, EXACT, Number

SLACK, SECOND = 2.0, 4.0
RANK, SHARE = 0.03, 0.002
GAUSSIAN = "z is Gaussian"


@dataclass(frozen=True)
class Widest:
    """The widest tolerances of limits and leading orders that are predicted: relative of moments, else absolute."""

    moment: float
    share: float
    rank: float
    logarithm: float


FORWARD = Widest(0.1, 0.02, 0.06, 0.1)
BACKWARD = Widest(0.25, 0.02, 0.15, 0.25)


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
    """Of what a prediction speaks: the quantity, the layer, and what its limit neglects: S, D and P. widest : the bounds."""

    name: str
    layer: int
    spread: float
    shift: float
    loss: float
    widest: Widest = FORWARD

    @property
    def neglected(self) -> float:
        """S + D."""
        return self.spread + self.shift

    def check(self, tolerance: float, most: float, unit: float = 1.0) -> None:
        """Refuse a limit or a leading order that says little."""
        if not tolerance <= most * unit:
            found = f"it would be known to {tolerance:.2g} only, and is not judged beyond {most * unit:.2g}"
            raise unknown(self.name, self.layer, f"its limit needs wider or fewer layers, {found}")


def moment(place: Place, number: Number, tolerance: float, scale: float, *, unit: float | None = None) -> NetworkPrediction:
    """A moment. tolerance : of an exact value. scale : to which the slack is relative. unit : to which the bound is, or `scale`."""
    if number.label != EXACT:
        tolerance += abs(scale) * (_slack(place, number, SLACK) + place.loss)
        place.check(tolerance, place.widest.moment, abs(scale if unit is None else unit))
    return _made(number, tolerance)


def share(place: Place, number: Number) -> NetworkPrediction:
    """A probability."""
    tolerance = SHARE
    if number.label != EXACT:
        tolerance += _slack(place, number, 0.5) + place.loss
        place.check(tolerance, place.widest.share)
    return _made(number, tolerance)


def _slack(place: Place, number: Number, factor: float) -> float:
    return SECOND * place.neglected**2 if number.label == ASYMPTOTIC else factor * place.neglected


def _made(number: Number, tolerance: float) -> NetworkPrediction:
    value, error, source = float(number.value), float(number.error), number.source or GAUSSIAN
    return NetworkPrediction(value, error, float(tolerance), source, number.label, number.next_term)


def ranked(
    place: Place, number: Number, quantile: Callable[[float], float], p: float, own: float, *, bounded: bool = False
) -> NetworkPrediction:
    """A quantile; its tolerance is the smaller distance to the quantiles that are the margin away in rank.

    number : with a relative error, and without a value. own : S + D of the pre-activations themselves, which move the quantile by
    rank, not by scale: where the law is so wide that it leaves the tolerance, nothing is predicted. bounded : whether 0 is the
    lower end of the law, or a jump there.
    """
    margin = RANK
    if number.label != EXACT:
        margin += 0.5 * place.shift + 0.25 * place.spread + place.loss
        place.check(margin, place.widest.rank)
    value = quantile(p)
    lowest = quantile(p - margin) if p > margin else -math.inf
    below = 0.0 if bounded and lowest == 0.0 else value - lowest
    above = quantile(p + margin) - value if p < 1.0 - margin else math.inf
    tolerance = min(below, above)
    if not 0.0 < tolerance < math.inf:
        raise unknown(place.name, place.layer, f"the quantile of rank {p:g} is too close to an end or to a jump of the law")
    if number.label != EXACT and quantile(min(p + 0.25 * own, 1.0 - 1e-9)) - value > tolerance:
        reason = f"its limit needs wider or fewer layers, the law is too wide for a rank known to {0.25 * own:.2g}"
        raise unknown(place.name, place.layer, reason)
    return NetworkPrediction(value, number.error * abs(value), tolerance, number.source or GAUSSIAN, number.label, number.next_term)


def logarithm(place: Place, number: Number) -> NetworkPrediction:
    """The mean over networks of a logarithm, by the logarithm of the mean."""
    value, tolerance = number.value - 0.5 * place.spread, 0.005 + 0.5 * place.spread + SLACK * place.shift + place.loss
    place.check(tolerance, place.widest.logarithm)
    error = 1e-10 * (1.0 + abs(value))
    return NetworkPrediction(value, error, tolerance, number.source, number.label, number.next_term)
