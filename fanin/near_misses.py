"""Near misses: the ensembles that somebody could have sampled, or had in mind, in place of the one that is specified.

Each is the ensemble with one plausible mistake in it: in the laws of weights and biases (`parameter_mistakes`), in the inputs
(`input_mistakes`), in an activation or in the cost; or with two, a missing bias and a mistake in the inputs. Of a network a mistake
may be in all layers or in one. What draws the same networks as the specification is no mistake, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from fanin.engine.errors import SpecificationError
from fanin.engine.schemes import Law, Scheme
from fanin.engine.spec import COSTS, Ensemble
from fanin.input_mistakes import input_mistakes, scales
from fanin.parameter_mistakes import scheme_mistakes

_LIKE = {
    "sigmoid": ("tanh", "softplus", "erf"),
    "tanh": ("sigmoid", "erf", "hard_tanh", "silu", "relu"),
    "erf": ("tanh", "sigmoid", "hard_tanh", "gelu"),
    "hard_tanh": ("tanh", "erf", "relu"),
    "relu": ("leaky_relu:0.01", "leaky_relu:0.2", "gelu", "silu", "elu", "softplus", "tanh"),
    "leaky_relu": ("relu", "leaky_relu:0.01", "leaky_relu:0.2", "leaky_relu:0.3", "elu"),
    "elu": ("selu", "relu", "elu:1", "leaky_relu:0.01"),
    "selu": ("elu:1", "relu", "elu:1.6732632423543772"),
    "gelu": ("relu", "silu", "erf", "tanh"),
    "silu": ("gelu", "relu", "sigmoid", "tanh"),
    "softplus": ("relu", "sigmoid", "silu"),
    "identity": ("sigmoid", "tanh", "relu"),
}
"""Activations that are taken for each other: of one family, or next to each other in a framework's list."""

_COSTS = {
    "linear": "what is sent back is a random direction, not the derivative of the cost",
    "quadratic": "the cost is quadratic: the error of the output is multiplied by phi'(z)",
    "cross-entropy": "the cost is the cross-entropy: the error of the output is not multiplied by phi'(z)",
    "softmax": "the cost is the cross-entropy of softmax(z)",
}


_DOUBLE = "no bias; "
"""How the names of near misses with two mistakes begin."""


@dataclass(frozen=True)
class NearMiss:
    """An ensemble with a mistake. name : of the mistake. sentence : what is wrong, in plain words.

    key : two near misses with the same key draw the same networks. double : whether it has two mistakes.
    """

    name: str
    sentence: str
    ensemble: Ensemble
    key: str
    double: bool = False


def near_misses(ensemble: Ensemble, layer: int = 1) -> list[NearMiss]:
    """The near misses of an ensemble, by and large the most common ones first.

    Parameters
    ----------
    ensemble : Ensemble
        As specified. A random input that all networks share must have been drawn.
    layer : int
        The layer that mistakes in one layer of a network are about; all others are in every layer, or before the first.

    Examples
    --------
    >>> found = near_misses(Ensemble((1000, 1), "standard"))
    >>> found[0].name, found[0].sentence, found[0].ensemble.has_bias
    ('no bias', 'the bias is missing', False)
    """
    own, found = law_key(ensemble), {}
    for name, sentence, changes in _changes(ensemble, layer):
        try:
            mistaken = replace(ensemble, **changes)
        except SpecificationError:  # beyond float32, or an activation that does not go with the cost
            continue
        key = law_key(mistaken)
        if key != own and mistaken.is_network == ensemble.is_network:
            found.setdefault(sentence, NearMiss(name, sentence, mistaken, key, name.startswith(_DOUBLE)))
    return list(found.values())


def law_key(ensemble: Ensemble) -> str:
    """A text that two ensembles share if they draw the same networks: laws by their sizes, however they are written."""
    laws = [
        [_law_key(law, *ensemble.widths[layer : layer + 2]) for law in (scheme.weights, scheme.bias)]
        for layer, scheme in enumerate(ensemble.schemes)
    ]
    return str([laws, ensemble.activations, ensemble.inputs.canonical(), ensemble.cost, ensemble.targets])


def _law_key(law: Law | None, n: int, m: int) -> Any:
    if law is None or not law.gain:
        return None
    own = law.own.canonical() if law.own else None
    return [law.family, f"{law.parent_std(n, m):.12g}", law.shape, law.zero, own]


def _changes(ensemble: Ensemble, layer: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Mistakes by name and sentence, each as the arguments of an ensemble that change."""
    yield from _schemes(ensemble, layer)
    n = ensemble.fan_in
    for name, sentence, inputs in input_mistakes(ensemble.inputs, n):
        yield name, sentence, {"inputs": inputs}
    if ensemble.has_bias:
        schemes = tuple(replace(scheme, bias=None, name="") for scheme in ensemble.schemes)
        for name, sentence, inputs in input_mistakes(ensemble.inputs, n):
            yield f"{_DOUBLE}{name}", f"the bias is missing, and {sentence}", {"inputs": inputs, "scheme": schemes}
    if ensemble.inputs.kind in ("subset", "bernoulli", "correlated"):
        first, *rest = ensemble.schemes
        for name, sentence, factor in scales(ensemble.inputs, n):  # in the weights: z has the same law, and all that follows
            weights = replace(first.weights, gain=first.weights.gain * factor**2)
            yield name, sentence, {"scheme": (replace(first, weights=weights, name=""), *rest)}
    yield from _activations(ensemble)
    if ensemble.cost != "none":
        for cost in COSTS[1:]:
            yield f"cost {cost}", _COSTS[cost], {"cost": cost, "targets": "random" if cost == "linear" else ensemble.targets}
        if ensemble.cost not in ("linear", "softmax"):
            for targets, words in (("random", "random bits"), ("one-hot", "a random class")):
                yield f"targets {targets}", f"the targets are {words}", {"targets": targets}
    zeros = tuple(Scheme(replace(scheme.weights, gain=0.0), scheme.bias) for scheme in ensemble.schemes)
    yield "no weights", "the weights are all 0", {"scheme": zeros}


def _schemes(ensemble: Ensemble, layer: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Mistakes in the schemes: of all layers, then of one layer of several."""
    by_layer = [scheme_mistakes(scheme, *ensemble.widths[number : number + 2]) for number, scheme in enumerate(ensemble.schemes)]
    names = dict.fromkeys(name for mistakes in by_layer for name in mistakes)
    for name in names:
        pairs = [mistakes.get(name) for mistakes in by_layer]
        sentence = next(pair[0] for pair in pairs if pair)
        schemes = tuple(pair[1] if pair else own for pair, own in zip(pairs, ensemble.schemes, strict=True))
        yield name, sentence, {"scheme": schemes}
    if ensemble.depth == 1:
        return
    for name, (sentence, scheme) in by_layer[layer - 1].items():
        schemes = (*ensemble.schemes[: layer - 1], scheme, *ensemble.schemes[layer:])
        yield f"{name}, layer {layer}", f"{sentence}, in layer {layer} only", {"scheme": schemes}
    first, fans = ensemble.first_scheme, ensemble.widths[:2]
    laws = [None if law is None else replace(law, gain=_gain(law, *fans), over=None) for law in (first.weights, first.bias)]
    if laws[0] is not None:
        as_first = "all layers have the weights and biases of layer 1, whatever their own fans"
        yield "layer 1's variance", as_first, {"scheme": Scheme(laws[0], laws[1])}


def _gain(law: Law, n: int, m: int) -> float:
    """The mean square that the gain and its fan stand for."""
    return law.gain * replace(law, gain=1.0, zero=0.0, raw=False).variance(n, m) if law.family != "constant" else law.gain


def _activations(ensemble: Ensemble) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Another activation wherever one stands; none at all, in all layers or the last."""
    given = ensemble.activations
    for one in dict.fromkeys(given):
        if not isinstance(one, str):
            continue
        for other in _LIKE[one.partition(":")[0]]:
            changed = tuple(other if activation == one else activation for activation in given)
            words = f"the activation is {other} and not {one}"
            yield f"{other} for {one}", words, {"activation": changed}
            if ensemble.depth > 1 and changed[-1] != given[-1]:
                yield f"{other} for {one}, hidden", f"{words} in the hidden layers", {"activation": (*changed[:-1], one)}
    *hidden, last = given
    if hidden:
        none = (*("identity",) * len(hidden), last)
        yield "no activation", "the activations of the hidden layers are missing", {"activation": none}
        yield "identity last", "the last layer has no activation", {"activation": (*hidden, "identity")}
        if last != hidden[-1]:
            as_hidden = f"the last layer has the activation of the others, {hidden[-1]}"
            yield "hidden activation last", as_hidden, {"activation": (*hidden, hidden[-1])}
