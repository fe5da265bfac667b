"""Names of the quantities of a layer of a network, and what a run records of them.

A name is a base and, where it needs one, an argument in brackets: `z.tail[5]`, `delta.quantile[0.95]`.
"""

from __future__ import annotations

import difflib
import math
import re

import numpy as np

from fanin.engine.accumulators import FLAT
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble

FORWARD = (
    "z.mean",
    "z.variance",
    "z.skewness",
    "z.kurtosis",
    "z.tail",
    "z.quantile",
    "phi.mean",
    "phi.variance",
    "phi.saturated",
    "phi.quantile",
    "slope.mean",
    "slope.variance",
    "slope.meansquare",
    "slope.below",
    "slope.median",
    "slope.quantile",
    "q",
    "q.lognorm.mean",
    "q.lognorm.variance",
    "share.dead",
)
FIELD = ("field.mean", "field.variance", "field.kurtosis", "field.law", "independence.neurons")
PAIR = ("correlation", "delta.correlation")
CHANGE = tuple(f"change.{what}.{how}" for what in ("activation", "cost") for how in ("meansquare", "median"))
BACKWARD = (
    "delta.meansquare",
    "delta.kurtosis",
    "delta.median",
    "delta.quantile",
    "delta.below",
    "delta.lognorm.mean",
    "delta.lognorm.variance",
    "grad.meansquare",
    "grad.median",
    "grad.quantile",
    "grad.lognorm.mean",
    "grad.lognorm.variance",
    "jacobian.norm",
    "jacobian.lognorm.mean",
    "jacobian.lognorm.variance",
)
NETWORK_QUANTITIES = (*FORWARD, *FIELD, *BACKWARD, *PAIR, *CHANGE)

MAPPED = ("sigmoid", "tanh", "erf")
"""Activations of which phi' falls with |z| and phi rises with z, so that their quantiles are those of z, mapped."""

ARGUMENT: dict[str, str] = {"z.tail": "threshold", "delta.below": "threshold", "slope.below": "threshold"}
ARGUMENT |= {name: "probability" for name in NETWORK_QUANTITIES if name.endswith(".quantile")} | dict.fromkeys(CHANGE, "change")
"""What the argument of a name is."""


def network_quantities() -> tuple[str, ...]:
    """The bases of all names."""
    return NETWORK_QUANTITIES


def split_network_name(name: str) -> tuple[str, float | None]:
    """Base and argument of a quantity's name.

    >>> split_network_name("delta.quantile[0.95]")
    ('delta.quantile', 0.95)
    """
    match = re.fullmatch(r"([a-z.]+)(?:\[([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\])?", name)
    if match is None or match[1] not in NETWORK_QUANTITIES:
        (near,) = difflib.get_close_matches(name.partition("[")[0], NETWORK_QUANTITIES, n=1, cutoff=0.0)
        raise SpecificationError(f"{name!r} is not a quantity of a network; the nearest is {near}")
    return match[1], None if match[2] is None else float(match[2])


def check_network_recorded(name: str, ensemble: Ensemble, layer: int) -> None:
    """Refuse a quantity that a run of this ensemble does not record of this layer, before it is sampled.

    Raises
    ------
    SpecificationError
        One sentence that says what is not recorded, and what would be.
    """
    base, argument = split_network_name(name)
    if layer not in ensemble.recorded:
        raise SpecificationError(f"layer {layer} is not recorded; of {ensemble.depth} layers those recorded are {_few(ensemble)}")
    _check_argument(name, base, argument, ensemble)
    backward = base.startswith(("delta.", "grad.", "jacobian.", "change.cost."))
    if backward and ensemble.cost == "none":
        raise SpecificationError(f"{name} needs a backward pass, and the ensemble has no cost; give it cost='linear', say")
    if base in PAIR and ensemble.points < 2:
        raise SpecificationError(f"{name} compares two inputs, and the ensemble has one; give it inputs pair:1:0.5, say")
    if base in FIELD and not has_field(ensemble, layer):
        raise SpecificationError(f"{name} needs Gaussian weights and Gaussian or no biases in layer {layer}")
    if base == "independence.neurons" and ensemble.widths[layer] < 2:
        raise SpecificationError(f"{name} needs a layer of at least two neurons; layer {layer} has 1")
    if base in ("phi.quantile", "slope.median", "slope.quantile", "change.activation.median"):
        check_mapped(name, ensemble, layer)
    if base in CHANGE:
        changed_input(name, ensemble, layer)


def _check_argument(name: str, base: str, argument: float | None, ensemble: Ensemble) -> None:
    kind = ARGUMENT.get(base)
    if kind is None:
        if argument is not None:
            raise SpecificationError(f"{name} takes no argument; write {base}")
    elif kind == "probability":
        if argument is None or not 0.0 < argument < 1.0:
            raise SpecificationError(f"{name} needs a probability between 0 and 1, such as {base}[0.95]")
    elif kind == "change":
        if argument is None or not 0.0 < argument < math.inf:
            raise SpecificationError(f"{name} needs the size of the change, such as {base}[0.01]")
    elif base == "slope.below":
        if argument != FLAT:
            raise SpecificationError(f"{name} is not recorded; {base}[{FLAT:g}] is")
    else:
        kept = ensemble.tails if base == "z.tail" else ensemble.slow
        if argument not in kept:
            listed = ", ".join(f"{t:g}" for t in kept) or "none"
            word = "tails" if base == "z.tail" else "slow"
            raise SpecificationError(f"{name} is not recorded; the thresholds ({word}) of the ensemble are {listed}")


def _few(ensemble: Ensemble) -> str:
    recorded = ensemble.recorded
    return f"1 to {ensemble.depth}" if len(recorded) == ensemble.depth else f"{recorded[0]}, {recorded[1]}, ..., {recorded[-1]}"


def has_field(ensemble: Ensemble, layer: int) -> bool:
    """Whether the layer's pre-activations, standardised given what it sees, are independent N(0, 1)."""
    scheme = ensemble.schemes[layer - 1]
    laws = [law for law in (scheme.weights, scheme.bias) if law is not None and law.gain]
    return scheme.weights.gain > 0.0 and all(law.family == "normal" and not law.zero for law in laws)


def check_mapped(name: str, ensemble: Ensemble, layer: int) -> None:
    """Refuse quantiles of phi and phi' that are not those of z, mapped."""
    if ensemble.activations[layer - 1] not in MAPPED:
        raise SpecificationError(
            f"{name} is known for {', '.join(MAPPED)}, by the quantiles of z; layer {layer} has {ensemble.activations[layer - 1]}"
        )


def changed_input(name: str, ensemble: Ensemble, layer: int) -> float:
    """The value of the input whose weight is changed: the root mean square of the inputs that are not 0."""
    inputs = ensemble.inputs
    if layer != 1:
        raise SpecificationError(f"{name} is about a weight of layer 1; it was asked of layer {layer}")
    if inputs.kind == "subset":
        values = np.ones(min(inputs.count, 1))
    elif inputs.is_random:
        raise SpecificationError(f"{name} needs an input that is fixed; inputs are {inputs}")
    else:
        values = inputs.vectors(ensemble.fan_in)[0].astype(float)
    values = values[values != 0.0]
    if values.size == 0:
        raise SpecificationError(f"{name} needs an input that is not 0 everywhere; inputs are {inputs}")
    return math.sqrt(float((values**2).mean()))
