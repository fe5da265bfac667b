"""Predictions of z, phi, phi' and q in the layers that `forward_theory` follows."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import special

from fanin.engine.spec import Ensemble
from fanin.stats.forward_theory import EXACT, LIMIT, MEAN_FIELD, ForwardLayer, Number
from fanin.stats.gaussian_layer import layer_function
from fanin.stats.log_norm import log_norm
from fanin.stats.network_names import has_field
from fanin.stats.network_prediction import GAUSSIAN, SHARE, NetworkPrediction, Place, logarithm, moment, ranked, share, unknown


class ForwardPredictions:
    """Of one ensemble."""

    def __init__(self, ensemble: Ensemble, layers: list[ForwardLayer]) -> None:
        self.ensemble, self.layers = ensemble, layers

    def predict(self, name: str, base: str, argument: float | None, layer: int) -> NetworkPrediction:
        """The prediction of one quantity of a layer that is there."""
        here = self.layers[layer - 1]
        place, one = Place(name, layer, here.spread, here.shift, here.loss), here.gaussian
        survival, saturated = here.survival, one.saturated if base == "phi.saturated" else 0.0
        if survival is None and base == "share.dead":
            raise unknown(name, layer, "it is known for Gaussian weights and built-in activations")
        if saturated is None:
            raise unknown(name, layer, f"the range of {one.function.name} is not bounded")
        match base:
            case "share.dead":
                return NetworkPrediction(1.0 - (survival or 0.0), 0.0, SHARE, "neurons are dead independently", EXACT, "")
            case "z.variance":
                return moment(place, here.variance, 0.005 * here.variance.value, here.variance.value)
            case "z.kurtosis":
                value = here.kurtosis.value
                return moment(place, here.kurtosis, max(0.02, 0.05 * abs(value - 3.0)), 3.0)
            case "q":
                return moment(place, here.q, 0.005 * here.q.value, here.q.value)
            case "z.tail":
                return share(place, _of_law(here, 2.0 * float(special.ndtr(-(argument or 0.0) / math.sqrt(one.q))), 1e-15))
            case "slope.below":
                return share(place, _of_law(here, one.flat, 1e-9))
            case "phi.saturated":
                return share(place, _of_law(here, saturated, 1e-9))
            case "q.lognorm.mean" | "q.lognorm.variance":
                return self._log_norm(place, base)
        if base.endswith((".quantile", ".median")):
            return self._quantile(place, base, 0.5 if argument is None else argument)
        return self._activation(place, base)

    def _activation(self, place: Place, base: str) -> NetworkPrediction:
        """Moments of phi and phi'."""
        here = self.layers[place.layer - 1]
        one = here.gaussian
        square, mean, mean_error = one.mean(2), one.mean(1), one.error(1)
        if one.function.odd:
            mean, mean_error = 0.0, 0.0
        slope, steep = one.mean(0, 1), one.mean(0, 2)
        match base:
            case "phi.mean":
                spread = math.sqrt(max(square - mean**2, 0.0))
                return moment(place, _of_law(here, mean, mean_error), 0.005 * spread, math.sqrt(square))
            case "phi.variance":
                variance, error = square - mean**2, one.error(2) + 2.0 * abs(mean) * mean_error
                return moment(place, _of_law(here, variance, error), 0.005 * variance, square, unit=variance)
            case "slope.mean":
                return moment(place, _of_law(here, slope, one.error(0, 1)), 0.01 * abs(slope), math.sqrt(steep), unit=slope)
            case "slope.meansquare":
                return moment(place, _of_law(here, steep, one.error(0, 2)), 0.01 * steep, steep)
            case _:
                variance, error = steep - slope**2, one.error(0, 2) + 2.0 * abs(slope) * one.error(0, 1)
                return moment(place, _of_law(here, variance, error), 0.01 * variance, steep, unit=variance)

    def _quantile(self, place: Place, base: str, p: float) -> NetworkPrediction:
        here = self.layers[place.layer - 1]
        std, function = math.sqrt(here.gaussian.q), here.gaussian.function
        if base.startswith("slope"):  # phi' falls with |z|
            quantile = lambda rank: float(function.slope(np.array([std * special.ndtri(1.0 - 0.5 * rank)]))[0])  # noqa: E731
        elif base.startswith("phi"):
            quantile = lambda rank: float(function.value(np.array([std * special.ndtri(rank)]))[0])  # noqa: E731
        else:
            quantile = lambda rank: std * float(special.ndtri(rank))  # noqa: E731
        return ranked(place, _of_law(here, 0.0, 1e-12), quantile, p, place.neglected, bounded=base.startswith("slope"))

    def _log_norm(self, place: Place, base: str) -> NetworkPrediction:
        """ln q: exact for ReLU and identity without biases, else the logarithm of the limit."""
        ensemble, layer = self.ensemble, place.layer
        functions = {layer_function(one) for one in ensemble.activations[:layer]}
        known = {layer_function("relu"), layer_function("identity")}
        plain = all(has_field(ensemble, k) and not self.layers[k - 1].bias for k in range(1, layer + 1))
        if self.layers[0].normal and plain and len(functions) == 1 and functions <= known:
            stds = [*(math.sqrt(one.square) for one in self.layers[1:layer]), 1.0]
            law = log_norm(functions.pop(), ensemble.widths[1 : layer + 1], stds)
            if base.endswith("variance"):
                found = law.variance
                return NetworkPrediction(found.value, found.error, 0.02 * found.value, found.source, EXACT, "")
            found, start = law.mean, math.log(self.layers[0].variance.value)
            return NetworkPrediction(found.value + start, found.error + 1e-13, 0.005, found.source, EXACT, "")
        if base.endswith("variance"):
            raise unknown(place.name, layer, "it is known for relu and identity without biases")
        one = self.layers[layer - 1].gaussian
        value = one.mean(2)
        steep = one.growth * one.q / value
        bend = one.bend * one.q**2 / value
        spread = place.spread * steep**2 + one.spread / value**2 / ensemble.widths[layer]
        shift = abs(steep) * place.shift + 0.5 * abs(bend) * place.spread + 0.5 * spread**2
        over_neurons = dataclasses.replace(place, spread=spread, shift=shift)
        return logarithm(over_neurons, Number(math.log(value), 0.0, LIMIT, "1/n", MEAN_FIELD))


def _of_law(here: ForwardLayer, value: float, error: float) -> Number:
    """A number that follows from the law of z: exact where that is Gaussian, else a limit."""
    return Number(value, error, *((EXACT, "", GAUSSIAN) if here.normal else (LIMIT, "1/n", MEAN_FIELD)))
