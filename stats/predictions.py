"""What the theory says of each quantity of one neuron: value, error bound, default tolerance, source.

All predictions here are exact at any width; numbers that need an integral carry a bound of its error.
What theory does not know is not predicted (the whole law for constant weights and for a law of one's own, say), nor are quantities
whose interval would need moments that a heavy-tailed law does not have.
Default tolerances: variances and mean squares relative (0.5 %; 1 % for moments of phi' and for parts of a variance), means in
units of the standard deviation (0.005), skewness 0.01, kurtosis 0.02, probabilities 0.002, quantiles 0.005 in rank, a whole law
0.005 as a Kolmogorov distance, correlations 0.01, the variance of block means 0.3 of its prediction, one lane's mean sign 0.3 and
one lane's tail 0.15.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fanin.engine.accumulators import FLAT, PARAMETER_LIMIT, PARTS, RELATIONS, SATURATION_MARGIN
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.parameter import parameter_law
from fanin.stats.preactivation import preactivation
from fanin.stats.quantities import drawn_parameters, split_name
from fanin.stats.symmetric_law import SymmetricLaw

GIVEN_INPUT = "z given x is N(0, s^2|x|^2 + sb^2): Nielsen, Neural Networks and Deep Learning, ch. 3"
MIXTURE = "scale mixture of N(0, s^2|x|^2 + sb^2) over x"
SUM = "sum of independent symmetric terms, by its characteristic function"
DESIGN = "networks are drawn independently"
SPHERE = "a row of a Haar matrix is uniform on the sphere: Muirhead 1982, Aspects of Multivariate Statistical Theory, ch. 1"
MOMENTS = "moments of a sum of independent terms"
OVER_INPUTS = "law of total variance: E Var(z | weights), over inputs in one network"
OVER_WEIGHTS = "law of total variance: E Var(z | input), over networks for one input"

_ORDERS = {"z.variance": 4, "z.skewness": 6, "z.kurtosis": 8, "independence.blockmeans": 4}
_ORDERS |= {f"z.variance.{part}": 4 for part in PARTS} | {f"independence.{relation}.squares": 8 for relation in RELATIONS}
"""Moments of z that the interval of a quantity needs."""

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

    def __init__(self, ensemble: Ensemble, networks: int | None = None) -> None:
        self.ensemble = ensemble
        self.preactivation = preactivation(ensemble, networks)
        self.law: SymmetricLaw | None = self.preactivation.law
        self._shape = ACTIVATIONS[ensemble.activation]
        laws = [law for law in (ensemble.scheme.weights, ensemble.scheme.bias) if law is not None and law.gain]
        self._freedom = min((law.shape for law in laws if law.family == "student" and law.shape), default=math.inf)
        if any(law.family == "orthogonal" for law in laws):
            self._source = SPHERE
        elif self.law is None:
            self._source = MOMENTS
        elif {law.family for law in laws} != {"normal"} or any(law.zero for law in laws):
            self._source = SUM
        else:
            self._source = GIVEN_INPUT if ensemble.inputs.kind in ("on", "fixed", "subset") else MIXTURE

    def check_moments(self, name: str) -> None:
        """Refuse a quantity whose interval needs a moment that a heavy-tailed z does not have."""
        order = _ORDERS.get(split_name(name)[0], 2)
        if self._freedom <= order:
            raise SpecificationError(
                f"the interval of {name} needs the moment of order {order} of z, which Student's law with {self._freedom:g} "
                "degrees of freedom does not have"
            )

    def names(self) -> list[str]:
        """The quantities that are judged by default."""
        z, law, inputs = self.preactivation, self.law, self.ensemble.inputs
        random_input = inputs.is_random
        names = ["z.mean"]
        if self._freedom > 4.0:
            names.append("z.variance")
            parts = {"given.weights": z.given_weights, "given.input": z.given_input}
            names += [f"z.variance.{part}" for part in PARTS if random_input and not inputs.in_turn and parts[part] > 0.0]
        if z.symmetric and self._freedom > 6.0:
            names.append("z.skewness")
        if z.orders > 1 and self._freedom > 8.0:
            names.append("z.kurtosis")
        if law is not None:
            names += ["z.law", "z.quantile[0.95]"]
            names += [f"z.tail[{threshold:g}]" for threshold in self.ensemble.tails]
        if z.symmetric:
            names.append("phi.mean")
        if law is not None and law.orders > 1:
            names.append("phi.variance")
        if law is not None:
            names += ["phi.saturated", f"slope.below[{FLAT:g}]"]
        if law is not None and law.orders > 1:
            names += ["slope.mean", "slope.meansquare"]
        if law is not None:
            names.append("slope.median")
        if not random_input and self.ensemble.scheme.weights.family not in ("orthogonal", "own"):
            names.append(f"parameter.within[{PARAMETER_LIMIT:g}]")
        return names + self._independence_names()

    def _independence_names(self) -> list[str]:
        """Products are compared for z of mean zero; where rows come in turn, the sizes of z follow the rows."""
        names = []
        in_turn = self.ensemble.inputs.in_turn
        if self.preactivation.centred:
            relations = [name for name in RELATIONS if name != "neurons" or self.ensemble.neurons > 1]
            squares = self.preactivation.orders > 1 and self._freedom > 8.0
            for relation in relations:
                names.append(f"independence.{relation}")
                if squares and (relation == "neurons" or not in_turn):
                    names.append(f"independence.{relation}.squares")
            if self._freedom > 4.0 and not in_turn:
                names.append("independence.blockmeans")
        if self.preactivation.symmetric or not in_turn:
            names.append("independence.lane.sign")
        return [*names, "independence.lane.size"] if self.ensemble.tails and not in_turn else names

    def predict(self, name: str) -> Prediction:
        """The prediction of one quantity."""
        self.check_moments(name)
        base, argument = split_name(name)
        self._check_symmetry(base)
        if base.startswith("independence."):
            if self.ensemble.inputs.in_turn and base.endswith(("blockmeans", "lane.size", "squares")) and "neurons" not in base:
                raise SpecificationError(f"theory does not predict {name} where rows come in turn: the sizes of z follow the rows")
            tolerance = _INDEPENDENCE_TOLERANCES.get(base, 0.01)
            if base == "independence.neurons.squares":
                return Prediction(self.preactivation.neurons_squares, 1e-12, tolerance, self._source)
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
            law = self._known_law(base)
            return Prediction(law.beyond(size), 2.0 * law.error, 0.002, self._source)
        return self._of_activation(base)

    def _check_symmetry(self, name: str) -> None:
        z, in_turn = self.preactivation, self.ensemble.inputs.in_turn
        if name == "z.skewness" and not z.symmetric:
            raise SpecificationError(f"theory predicts {name} only for weights and biases that are symmetric about zero")
        if name.startswith("independence.lane.sign"):
            if in_turn and not z.symmetric:
                raise SpecificationError(f"theory does not predict {name} where rows come in turn and z is not symmetric")
        elif name.startswith("independence.") and ".lane." not in name and not z.centred:
            raise SpecificationError(f"theory predicts {name} only for weights and biases of mean zero")

    def _of_z(self, base: str, argument: float | None) -> Prediction:
        z = self.preactivation
        rounding = 1e-12
        match base:
            case "z.mean":
                return Prediction(z.mean, rounding * abs(z.mean), 0.005 * math.sqrt(z.variance), self._source)
            case "z.variance":
                return Prediction(z.variance, rounding * z.variance, 0.005 * z.variance, self._source)
            case "z.variance.given.weights":
                return Prediction(z.given_weights, rounding * z.variance, 0.01 * z.given_weights, OVER_INPUTS)
            case "z.variance.given.input":
                return Prediction(z.given_input, rounding * z.variance, 0.01 * z.given_input, OVER_WEIGHTS)
            case "z.skewness":
                return Prediction(0.0, 0.0, 0.01, self._source)
            case "z.kurtosis" if math.isfinite(z.kurtosis):
                return Prediction(z.kurtosis, rounding * z.kurtosis, 0.02, self._source)
            case "z.kurtosis":
                raise SpecificationError("theory does not know the fourth moment of z here, and does not predict z.kurtosis")
        law = self._known_law(base)
        match base:
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
        if self.law is None and base == "phi.mean" and self.preactivation.symmetric:
            return Prediction((shape.low + shape.high) / 2.0, 0.0, 0.005 * width, self._source)
        law = self._known_law(base)
        mean, mean_error = law.sigmoid_slope_moment(1, shape.gain)
        square, square_error = law.sigmoid_slope_moment(2, shape.gain)
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
        law, margin = self._known_law(base), 0.005
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

    def _known_law(self, name: str) -> SymmetricLaw:
        if self.law is None:
            raise SpecificationError(f"theory does not know the law of z here, and does not predict {name}")
        return self.law

    def _within(self) -> float:
        """Mean share of a network's drawn parameters in [-3, 3]."""
        ensemble = self.ensemble
        scheme, fans = ensemble.scheme, ensemble.widths[:2]
        drawn = drawn_parameters(ensemble)
        share = (drawn - ensemble.has_bias) * parameter_law(scheme.weights, *fans).within(PARAMETER_LIMIT)
        if ensemble.has_bias:
            share += parameter_law(scheme.bias, *fans).within(PARAMETER_LIMIT)
        return share / drawn if drawn else 1.0
