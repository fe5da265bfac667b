"""Predictions of delta, weight gradients, the Jacobian and the agreement of two inputs, by `backward_theory` and `correlations`."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from fanin.engine.spec import Ensemble
from fanin.stats.backward_theory import (
    BackwardLayer,
    backward_layers,
    first_sizes,
    gradient_quantile,
    passed_shift,
    returned,
    turned,
)
from fanin.stats.correlations import PairTheory
from fanin.stats.forward_theory import EXACT, LIMIT, MEAN_FIELD, ForwardLayer, Number
from fanin.stats.network_prediction import BACKWARD, NetworkPrediction, Place, logarithm, moment, ranked, share, unknown

OUTPUT = "z is Gaussian, delta by the cost"
BACK = "infinite width: Schoenholz et al. 2017, with the part of delta along z by conditioning: Bolthausen 2014"
_LARGEST_LOG = 600.0


class BackwardPredictions:
    """Of one ensemble. reason : why the layers end where they do."""

    def __init__(self, ensemble: Ensemble, layers: list[ForwardLayer], reason: str) -> None:
        self.ensemble, self.layers, self.reason = ensemble, layers, reason

    @functools.cached_property
    def _all(self) -> list[BackwardLayer]:
        return backward_layers(self.ensemble, self.layers)

    @functools.cached_property
    def _pairs(self) -> PairTheory:
        return PairTheory(self.ensemble, self.layers)

    def _back(self, name: str, layer: int) -> BackwardLayer:
        if not self._all:
            softmax = self.ensemble.cost == "softmax"
            reason = "the delta of softmax outputs depend on each other" if softmax else "delta is out of the range of float64"
            raise unknown(name, layer, self.reason or reason)
        return self._all[layer - 1]

    def predict(self, name: str, base: str, argument: float | None, layer: int) -> NetworkPrediction:
        """The prediction of one quantity of what comes back."""
        back = self._back(name, layer)
        exact = self.ensemble.depth == 1 and self.layers[0].normal and not base.startswith("jacobian")
        kind = (EXACT, "", OUTPUT) if exact else (LIMIT, "1/n", BACK)
        here = self.layers[layer - 1]
        place = self._place(name, layer, back.shared + back.averaged, self._shift("delta", layer))
        of_law = dataclasses.replace(place, spread=place.spread + here.spread, shift=place.shift + here.shift)
        if base == "delta.below":
            value = float(back.law.cdf((argument or 0.0) * math.exp(min(-back.scale, _LARGEST_LOG)))[0])
            return share(of_law, Number(value, 1e-4, *kind))
        if base.endswith((".quantile", ".median")):
            return self._quantile(of_law, base, 0.5 if argument is None else argument, kind)
        if base == "delta.kurtosis":  # of the neurons of one network, averaged over networks
            kurtosis = back.kurtosis
            # A ratio of means over n neurons; kurtosis^2 stands for the sixth moment.
            own = kurtosis**2 / (3.0 * self.ensemble.widths[layer])
            over_neurons = dataclasses.replace(of_law, spread=back.shared + here.spread + own)
            tolerance = max(0.02, 0.05 * abs(kurtosis - 3.0))
            return moment(over_neurons, Number(kurtosis, 1e-10 * kurtosis, LIMIT, "1/n", BACK), tolerance, kurtosis)
        variable = base.partition(".")[0]
        if variable != "delta" and layer == 1 and not self._first_square > 0.0:
            raise unknown(name, layer, "the input or its weights are 0")
        value = {"delta": lambda _: 0.0, "grad": self._below, "jacobian": self._sent}[variable](layer) + back.log_square
        if ".lognorm." in base:
            if base.endswith("variance"):
                raise unknown(name, layer, "it is of order 1/n, and its leading order is not known here")
            spread = place.spread + (back.kurtosis - 1.0) / self.ensemble.widths[layer]
            spread += {"delta": 0.0, "grad": self._below_spread(layer), "jacobian": 3.0 / self.ensemble.widths[layer - 1]}[variable]
            spread += 2.0 * abs(back.pull) * here.spread if variable == "grad" else 0.0
            over_neurons = dataclasses.replace(place, spread=spread, shift=self._shift(variable, layer))
            return logarithm(over_neurons, Number(value, 0.0, LIMIT, "1/n", BACK))
        if not abs(value) < _LARGEST_LOG:
            raise unknown(name, layer, "it is out of the range of float64")
        size = math.exp(value)
        # The factors of layers are averages, and only what they share stands between expectations.
        between = self._place(name, layer, back.shared, self._shift(variable, layer))
        return moment(between, Number(size, 1e-10 * size, *kind), 0.01 * size, size)

    def _place(self, name: str, layer: int, spread: float, shift: float) -> Place:
        return Place(name, layer, spread, shift, max(one.loss for one in self.layers), BACKWARD)

    def _shift(self, variable: str, layer: int) -> float:
        """D of a mean square."""
        back, here, widths = self._all[layer - 1], self.layers[layer - 1], self.ensemble.widths
        # The part of delta along z rests on a sum over the neurons above.
        sums = 0.0 if self.ensemble.cost == "linear" else math.fsum(1.0 / n for n in widths[layer:-1])
        if variable == "grad":  # the mean square of what the layer sees moves by D, and delta with it
            seen = here.gaussian.q / (here.gaussian.q - here.bias)
            return sums + back.shift + seen * (here.shift + abs(back.pull) * here.spread)
        if variable == "jacobian":
            along, noise = returned(self.ensemble, layer, here, back, seen := math.exp(self._below(layer)))
            part = along**2 * seen / (along**2 * seen + noise)
            return sums + passed_shift(here, back, part) + turned(here, back) / widths[layer - 1]
        return sums + back.shift

    def _below(self, layer: int) -> float:
        """ln of the mean square of what the layer sees."""
        if layer > 1:
            return math.log(self.layers[layer - 2].gaussian.mean(2))
        return math.log(self._first_square)

    @property
    def _first_square(self) -> float:
        """E |x|^2 over the number of inputs."""
        here = self.layers[0]
        return (here.variance.value - here.bias) / here.square if here.square > 0.0 else 0.0

    def _below_spread(self, layer: int) -> float:
        if layer == 1:
            return self.layers[0].spread
        below, n = self.layers[layer - 2], self.ensemble.widths[layer - 1]
        return below.spread + below.gaussian.spread / below.gaussian.mean(2) ** 2 / n

    def _sent(self, layer: int) -> float:
        """ln of E |W^T delta|^2 / |u|^2 over E delta^2."""
        widths = self.ensemble.widths
        seen = math.exp(self._below(layer))
        along, noise = returned(self.ensemble, layer, self.layers[layer - 1], self._all[layer - 1], seen)
        size = widths[layer - 1] / (widths[-1] if self.ensemble.cost == "linear" else 1.0)
        return math.log(size * (along**2 * seen + noise))

    def _quantile(self, place: Place, base: str, p: float, kind: tuple[str, str, str]) -> NetworkPrediction:
        back, layer = self._all[place.layer - 1], place.layer
        if not abs(back.scale) < _LARGEST_LOG:
            raise unknown(place.name, layer, "it is out of the range of float64")
        unit = math.exp(back.scale)
        own = self.layers[layer - 1].spread + self.layers[layer - 1].shift
        if base.startswith("delta"):
            return ranked(place, Number(0.0, 1e-4, *kind), lambda rank: unit * back.law.quantile(rank), p, own, bounded=True)
        sizes, chances = self._seen(layer)
        wider = dataclasses.replace(place, spread=place.spread + self._below_spread(layer))
        quantile = lambda rank: unit * gradient_quantile(back.law, sizes, chances, rank)  # noqa: E731
        return ranked(wider, Number(0.0, 1e-3, *kind), quantile, p, own, bounded=True)

    def _seen(self, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Sizes, with their chances, of the activations that the binned weights of a layer meet."""
        if layer == 1:
            return first_sizes(self.ensemble)
        one = self.layers[layer - 2].gaussian
        z, chance = one.nodes
        return np.abs(one.function.value(z)), chance

    def agreement(self, name: str, base: str, layer: int) -> NetworkPrediction:
        """The correlation of two inputs, in z or in delta."""
        here = self.layers[layer - 1]
        cosine = 1.0 / min(self.ensemble.widths[1 : layer + 1])  # over so many neurons
        place = Place(name, layer, here.spread + cosine, here.shift, here.loss)
        if base == "delta.correlation":
            if self.ensemble.cost != "linear":
                raise unknown(name, layer, "it is known for the cost linear, whose direction the inputs share")
            back = self._back(name, layer)
            place = self._place(name, layer, place.spread + back.shared + back.averaged, place.shift + back.shift)
            value = self._pairs.delta(name, layer)
        else:
            value = self._pairs.correlation(name, layer)
        return moment(place, Number(value, 1e-6, LIMIT, "1/n", MEAN_FIELD), 0.005, 1.0)
