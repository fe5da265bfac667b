"""What the theory says of each quantity of one neuron: value, error bound, default tolerance, source.

All predictions here are exact at any width; numbers that need an integral carry a bound of its error.
Default tolerances: variances and mean squares relative (0.5 %; 1 % for moments of phi'), means in units of the standard deviation
(0.005), skewness 0.01, kurtosis 0.02, probabilities 0.002, quantiles 0.005 in rank, a whole law 0.005 as a Kolmogorov distance,
correlations 0.01, the variance of block means 0.3 of its prediction, one lane's mean sign 0.3 and one lane's tail 0.15.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fanin.engine.accumulators import FLAT, PARAMETER_LIMIT, RELATIONS, SATURATION_MARGIN
from fanin.engine.spec import Ensemble
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.preactivation import preactivation_law
from fanin.stats.quantities import drawn_parameters, split_name
from fanin.stats.symmetric_law import SymmetricLaw

GIVEN_INPUT = "z given x is N(0, s^2|x|^2 + sb^2): Nielsen, Neural Networks and Deep Learning, ch. 3"
MIXTURE = "scale mixture of N(0, s^2|x|^2 + sb^2) over x"
SUM = "sum of independent symmetric terms, by its characteristic function"
DESIGN = "networks are drawn independently"

_INDEPENDENCE_TOLERANCES = {"independence.blockmeans": 0.3, "independence.lane.sign": 0.3, "independence.lane.size": 0.15}


@dataclass(frozen=True)
class Prediction:
    """A predicted value with a bound of its numerical error and the default tolerance, both absolute."""

    value: float
    error: float
    tolerance: float
    source: str


class Theory:
    """The predictions of one ensemble by name of the quantity."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble = ensemble
        self.law: SymmetricLaw = preactivation_law(ensemble)
        self._shape = ACTIVATIONS[ensemble.activation]
        families = {ensemble.scheme.weights.family}
        if ensemble.bias_variance > 0.0 and ensemble.scheme.bias:
            families.add(ensemble.scheme.bias.family)
        if families != {"normal"}:
            self._source = SUM
        else:
            self._source = GIVEN_INPUT if ensemble.inputs.kind in ("on", "fixed", "subset") else MIXTURE

    def names(self) -> list[str]:
        """The quantities that are judged by default."""
        names = ["z.mean", "z.variance", "z.skewness", "z.kurtosis", "z.law", "z.quantile[0.95]"]
        names += [f"z.tail[{threshold:g}]" for threshold in self.ensemble.tails]
        names += ["phi.mean", "phi.variance", "phi.saturated", f"slope.below[{FLAT:g}]"]
        names += ["slope.mean", "slope.meansquare", "slope.median"]
        if self.ensemble.inputs.kind in ("on", "fixed"):
            names.append(f"parameter.within[{PARAMETER_LIMIT:g}]")
        names += [f"independence.{relation}{part}" for relation in RELATIONS for part in ("", ".squares")]
        names += ["independence.blockmeans", "independence.lane.sign"]
        return [*names, "independence.lane.size"] if self.ensemble.tails else names

    def predict(self, name: str) -> Prediction:
        """The prediction of one quantity."""
        base, argument = split_name(name)
        if base.startswith("independence."):
            tolerance = _INDEPENDENCE_TOLERANCES.get(base, 0.01)
            return Prediction(1.0 if base.endswith("blockmeans") else 0.0, 0.0, tolerance, DESIGN)
        if base == "parameter.within":
            return Prediction(self._within(), 1e-15, 0.0005, "law of one parameter")
        if base.startswith("z."):
            return self._of_z(base, argument)
        if base.endswith("quantile") or base == "slope.median":
            return self._quantile(base, 0.5 if argument is None else argument)
        if base in ("phi.saturated", "slope.below"):
            shape = self._shape
            size = shape.level_size(SATURATION_MARGIN) if base == "phi.saturated" else shape.slope_size(FLAT)
            return Prediction(self.law.beyond(size), 2.0 * self.law.error, 0.002, self._source)
        return self._of_activation(base)

    def _of_z(self, base: str, argument: float | None) -> Prediction:
        law = self.law
        rounding = 1e-13
        match base:
            case "z.mean":
                return Prediction(0.0, 0.0, 0.005 * law.std, self._source)
            case "z.variance":
                return Prediction(law.variance, rounding * law.variance, 0.005 * law.variance, self._source)
            case "z.skewness":
                return Prediction(0.0, 0.0, 0.01, self._source)
            case "z.kurtosis":
                return Prediction(law.kurtosis, rounding * law.kurtosis, 0.02, self._source)
            case "z.law":
                return Prediction(0.0, law.error, 0.005, self._source)
            case "z.tail":
                return Prediction(law.beyond(argument or 0.0), 2.0 * law.error, 0.002, self._source)
            case _:
                return self._quantile(base, 0.5 if argument is None else argument)

    def _of_activation(self, base: str) -> Prediction:
        """Moments of phi = a + b sigma(c z) and of phi' = b c sigma'(c z) from those of sigma'(c z)."""
        shape = self._shape
        width = shape.high - shape.low
        mean, mean_error = self.law.sigmoid_slope_moment(1, shape.gain)
        square, square_error = self.law.sigmoid_slope_moment(2, shape.gain)
        steep = width * shape.gain
        spread = width**2 * (0.25 - mean)
        match base:
            case "phi.mean":
                return Prediction((shape.low + shape.high) / 2.0, 0.0, 0.005 * math.sqrt(max(spread, 0.0)), self._source)
            case "phi.variance":
                return Prediction(spread, width**2 * mean_error, 0.005 * spread, self._source)
            case "slope.mean":
                return Prediction(steep * mean, steep * mean_error, 0.01 * steep * mean, self._source)
            case "slope.meansquare":
                return Prediction(steep**2 * square, steep**2 * square_error, 0.01 * steep**2 * square, self._source)
            case _:
                variance = steep**2 * (square - mean**2)
                return Prediction(variance, steep**2 * (square_error + 2.0 * mean * mean_error), 0.01 * variance, self._source)

    def _quantile(self, base: str, p: float) -> Prediction:
        """A quantile; its tolerance is the smaller of the two distances to the quantiles 0.005 in rank away."""
        law, margin = self.law, 0.005
        if base == "z.quantile":
            quantile = law.quantile
        elif base == "phi.quantile":
            quantile = lambda rank: self._shape.value(law.quantile(rank))  # noqa: E731
        else:
            quantile = lambda rank: self._shape.slope(law.quantile(1.0 - 0.5 * rank))  # noqa: E731
        value = quantile(p)
        below = value - quantile(p - margin) if p > margin else math.inf
        above = quantile(p + margin) - value if p < 1.0 - margin else math.inf
        tolerance = min(below, above)
        error = tolerance * law.error / margin if law.error < margin else math.inf
        return Prediction(value, error, tolerance, self._source)

    def _within(self) -> float:
        """Mean share of a network's drawn parameters in [-3, 3]."""
        ensemble = self.ensemble
        drawn, with_bias = drawn_parameters(ensemble), ensemble.bias_variance > 0.0
        share = (drawn - with_bias) * _share_within(ensemble.scheme.weights.family, ensemble.weight_variance)
        if with_bias and ensemble.scheme.bias:
            share += _share_within(ensemble.scheme.bias.family, ensemble.bias_variance)
        return share / drawn


def _share_within(family: str, variance: float) -> float:
    """P(|w| <= PARAMETER_LIMIT) of one parameter."""
    if variance == 0.0:
        return 1.0
    if family == "normal":
        return math.erf(PARAMETER_LIMIT / math.sqrt(2.0 * variance))
    return min(1.0, PARAMETER_LIMIT / math.sqrt(3.0 * variance))
