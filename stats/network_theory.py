"""What the theory says of each quantity of each layer of a network, by name.

Exact are layer 1 (all that follows from the law of its z), mean and skewness of z, the standardised field, variance and kurtosis of
z where `forward_theory` says so, and log-norms of ReLU and identity without biases. Laws and shares beyond layer 1, and all that
comes back through more than the output, are limits of infinite width. `network_prediction` says what tolerance goes with which.
"""

from __future__ import annotations

import dataclasses
import functools
import math

from fanin.engine.accumulators import FLAT
from fanin.engine.activation_spec import SIGMOIDAL
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.backward_predictions import BackwardPredictions
from fanin.stats.forward_predictions import ForwardPredictions
from fanin.stats.forward_theory import EXACT, forward_layers
from fanin.stats.network_names import (
    CHANGE,
    FIELD,
    MAPPED,
    PAIR,
    changed_input,
    check_network_recorded,
    has_field,
    split_network_name,
)
from fanin.stats.network_prediction import RANK, NetworkPrediction, unknown
from fanin.stats.predictions import Theory

ZERO = "weights and biases are symmetric about 0, or have mean 0"
FIELD_SOURCE = "z given what the layer sees is N(0, s^2|h|^2 + sb^2), independently over neurons"
_MOMENTS = ("z.variance", "z.kurtosis")
_LAWS = ("z.tail", "z.quantile")
_SIGMOIDAL = ("phi.mean", "phi.variance", "phi.saturated", "phi.quantile")
_FIELD_VALUES = {
    "field.mean": (0.0, 0.005),
    "field.variance": (1.0, 0.005),
    "field.kurtosis": (3.0, 0.02),
    "field.law": (0.0, 0.005),
    "independence.neurons": (0.0, 0.005),
}


class NetworkTheory:
    """The predictions of one ensemble, by layer and name.

    networks : how many there are; it matters only where rows of data come in turn. An input that all networks share must have been
    drawn: give its values as `Inputs.fixed`.

    Raises
    ------
    SpecificationError
        Where even the first layer has no pre-activation to speak of: its variance is 0, or not finite.

    Examples
    --------
    >>> theory = NetworkTheory(Ensemble((100, 100, 100, 100), "he_normal", "relu", cost="linear"))
    >>> found = theory.predict(3, "z.kurtosis")
    >>> round(found.value, 10), found.label
    (3.3075, 'exact')
    >>> theory.predict(1, "delta.meansquare").label
    'limit'
    """

    def __init__(self, ensemble: Ensemble, networks: int | None = None) -> None:
        self.ensemble, self.networks = ensemble, networks
        self.first, self.layers, self.reason = forward_layers(ensemble, networks)
        self._forward = ForwardPredictions(ensemble, self.layers)
        self._backward = BackwardPredictions(ensemble, self.layers, self.reason)
        self._found: dict[tuple[int, str], NetworkPrediction] = {}

    @functools.cached_property
    def _one_layer(self) -> Theory:
        """The theory of layer 1 alone; of z only, where its activation is not sigmoid or tanh."""
        first = self.ensemble.first_layer
        sigmoidal = first if first.activation in SIGMOIDAL else dataclasses.replace(first, activation="tanh")
        return Theory(sigmoidal, self.networks)

    def names(self, layer: int) -> list[str]:
        """The quantities of a layer that are judged by default."""
        ensemble = self.ensemble
        activation, width = ensemble.activations[layer - 1], ensemble.widths[layer]
        names = ["z.mean", "z.variance", "z.skewness", "z.kurtosis", "z.quantile[0.95]"]
        names += [f"z.tail[{t:g}]" for t in ensemble.tails]
        names += ["phi.mean", "phi.variance", "phi.saturated", "slope.mean", "slope.meansquare", f"slope.below[{FLAT:g}]"]
        names += ["slope.median"] if activation in MAPPED else []
        names += ["q", "q.lognorm.mean", "q.lognorm.variance"]
        names += ["share.dead"] if activation == "relu" else []
        names += ["field.mean", "field.variance", "field.kurtosis", "field.law"] if has_field(ensemble, layer) else []
        names += ["independence.neurons"] if width > 1 and has_field(ensemble, layer) else []
        names += ["correlation"] if ensemble.points > 1 else []
        if ensemble.cost != "none":
            names += ["delta.meansquare", "delta.kurtosis", "delta.median", *(f"delta.below[{t:g}]" for t in ensemble.slow)]
            names += ["delta.lognorm.mean", "grad.meansquare", "grad.median", "grad.lognorm.mean"]
            names += ["jacobian.norm", "jacobian.lognorm.mean"]
            names += ["delta.correlation"] if ensemble.points > 1 else []
        return [name for name in names if self._known(layer, name)]

    def _known(self, layer: int, name: str) -> bool:
        try:
            found = self.predict(layer, name)
        except SpecificationError:
            return False
        return found.tolerance > 2.0 * found.error

    def predict(self, layer: int, name: str) -> NetworkPrediction:
        """The prediction of one quantity of one layer.

        Raises
        ------
        SpecificationError
            Where the quantity is not recorded, or theory does not know it.
        """
        if (layer, name) not in self._found:
            self._found[layer, name] = self._predict(layer, name)
        return self._found[layer, name]

    def _predict(self, layer: int, name: str) -> NetworkPrediction:
        check_network_recorded(name, self.ensemble, layer)
        base, argument = split_network_name(name)
        if base in FIELD:
            return self._field(base)
        if base in ("z.mean", "z.skewness"):
            return self._symmetric(base, layer)
        if layer == 1 and not (self.layers and self.layers[0].normal) and self._of_one_layer(base):
            return self._one_layer_prediction(name, base)
        if layer > len(self.layers):
            raise unknown(name, layer, self.reason)
        if base in CHANGE:
            return self._change(base, argument or 0.0)
        if base in PAIR:
            return self._backward.agreement(name, base, layer)
        if base.startswith(("delta.", "grad.", "jacobian.")):
            return self._backward.predict(name, base, argument, layer)
        return self._forward.predict(name, base, argument, layer)

    def _field(self, base: str) -> NetworkPrediction:
        value, tolerance = _FIELD_VALUES[base]
        return NetworkPrediction(value, 0.0, tolerance, FIELD_SOURCE, EXACT, "")

    def _symmetric(self, base: str, layer: int) -> NetworkPrediction:
        """Zero, by the symmetry of the layer's own weights and biases."""
        scheme, fans = self.ensemble.schemes[layer - 1], self.ensemble.widths[layer - 1 : layer + 1]
        laws = [law for law in (scheme.weights, scheme.bias) if law is not None and law.gain]
        if any(law.mean(*fans) for law in laws):
            raise unknown(base, layer, "its weights or biases have a mean other than 0")
        if base == "z.skewness" and any(law.family == "own" for law in laws):
            raise unknown(base, layer, "its weights or biases need not be symmetric about 0")
        if layer > max(len(self.layers), 1):
            raise unknown(base, layer, self.reason)
        std = math.sqrt(self.layers[layer - 1].gaussian.q if layer > 1 else self.first.variance)
        return NetworkPrediction(0.0, 0.0, 0.01 if base == "z.skewness" else 0.005 * std, ZERO, EXACT, "")

    def _of_one_layer(self, base: str) -> bool:
        """Whether the theory of one layer knows a quantity exactly."""
        law = self._one_layer.law is not None
        sigmoidal = self.ensemble.activations[0] in SIGMOIDAL and (base in _SIGMOIDAL or base.startswith("slope."))
        return base in _MOMENTS or (law and (base in _LAWS or sigmoidal))

    def _one_layer_prediction(self, name: str, base: str) -> NetworkPrediction:
        found = self._one_layer.predict(name)
        tolerance = found.tolerance
        if base.endswith((".quantile", ".median")):
            tolerance *= RANK / 0.005
        if base == "z.kurtosis":
            tolerance = max(tolerance, 0.05 * abs(found.value - 3.0))
        return NetworkPrediction(float(found.value), float(found.error), float(tolerance), found.source, EXACT, "")

    def _change(self, base: str, change: float) -> NetworkPrediction:
        """Of a change of one first-layer weight, to first order: change * x * phi'(z), and change * x * delta."""
        factor = change * changed_input(base, self.ensemble, 1)
        what, how = base.split(".")[1:]
        inner = ("slope." if what == "activation" else "delta.") + how
        found = self.predict(1, inner)
        if how == "median":
            value, error, tolerance = (factor * one for one in (found.value, found.error, found.tolerance))
        else:
            value = factor * math.sqrt(found.value)
            error, tolerance = (0.5 * factor * one / math.sqrt(found.value) for one in (found.error, found.tolerance))
        return NetworkPrediction(
            value, error, tolerance, f"first order in the change; {found.source}", found.label, found.next_term
        )


def assumed(method: str, name: str, layer: int, ensemble: Ensemble) -> bool:
    """Whether a sampler takes for granted what a claim about this quantity says, so that its results are no test of it.

    The conditional sampler draws z given what the layer sees. So the standardised field is normal by construction in every layer,
    and so are the pre-activations of the first one, with all that follows from them alone.

    >>> assumed("conditional", "field.kurtosis", 3, Ensemble((10, 10, 10, 10)))
    True
    >>> assumed("conditional", "z.kurtosis", 3, Ensemble((10, 10, 10, 10)))
    False
    """
    check_network_recorded(name, ensemble, layer)
    base, _ = split_network_name(name)
    if method != "conditional":
        return False
    first = base.startswith(("z.", "phi.", "slope.", "q", "share.", "change.activation.")) or base == "correlation"
    return base in FIELD or (layer == 1 and first)
