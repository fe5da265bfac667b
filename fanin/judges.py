"""Judges: one ensemble with its theory, its names of quantities and its evidence, whichever sampler it goes with.

A `NeuronJudge` judges one neuron of a single layer, by `stats.quantities` and `stats.predictions`; a `NetworkJudge` all recorded
layers of a network, by `stats.network_quantities` and `stats.network_theory`.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from fanin.engine import conditional, direct
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.sampling import sampler_of
from fanin.stats.evidence import Evidence
from fanin.stats.network_names import check_network_recorded
from fanin.stats.network_quantities import network_evidence
from fanin.stats.network_theory import NetworkTheory, assumed
from fanin.stats.predictions import Theory
from fanin.stats.quantities import check_recorded, evidence
from fanin.stats.verdict import Claim


class NeuronJudge:
    """Of one neuron, or a layer of which one neuron is recorded."""

    layers = (1,)

    def __init__(self, label: str, ensemble: Ensemble, networks: int | None) -> None:
        self.label, self.theory = label, Theory(ensemble, networks)

    def names(self, _layer: int) -> list[str]:
        """The quantities that are judged by default."""
        return self.theory.names()

    def check(self, quantity: str, layer: int) -> None:
        """Refuse a quantity that is not recorded, or has no interval or no prediction that its meaning needs."""
        if layer != 1:
            raise SpecificationError(f"{quantity} is asked for in layer {layer}; {self.label} has the layer 1 only")
        check_recorded(quantity, self.theory.ensemble)
        self.theory.check_moments(quantity)
        if quantity == "z.law" and self.theory.law is None:
            raise SpecificationError(f"{quantity} is a distance from the law that theory predicts, and it predicts none here")

    def claim(self, quantity: str, layer: int) -> Claim:
        """What theory claims of a quantity."""
        check_recorded(quantity, self.theory.ensemble)
        return _claim(self.label, layer, quantity, self.theory.predict(quantity))

    def assumes(self, _claim: Claim) -> bool:
        """Whether the sampler takes a claim for granted: the direct one takes none."""
        return False

    def evidence(self, quantity: str, _layer: int, kept: Any) -> Evidence:
        """What a run says of a quantity."""
        return evidence(quantity, kept, self.theory.ensemble, self.theory.law)


class NetworkJudge:
    """Of all recorded layers of a network."""

    def __init__(self, label: str, ensemble: Ensemble, networks: int | None, method: str) -> None:
        self.label, self.method, self.theory = label, method, NetworkTheory(ensemble, networks)
        self.layers = ensemble.recorded

    def names(self, layer: int) -> list[str]:
        """The quantities that are judged by default."""
        names = self.theory.names(layer)
        return [name for name in names if name != "field.law"] if self.method == conditional.NAME else names

    def check(self, quantity: str, layer: int) -> None:
        """Refuse a quantity that is not recorded in a layer."""
        if layer not in self.layers:
            raise SpecificationError(
                f"{quantity} is asked for in layer {layer}; {self.label} records {_shown(self.layers)} of {self.layers[-1]}"
            )
        check_network_recorded(quantity, self.theory.ensemble, layer)
        if quantity == "field.law" and self.method == conditional.NAME:
            raise SpecificationError("field.law is what the conditional sampler draws from; take method direct")

    def claim(self, quantity: str, layer: int) -> Claim:
        """What theory claims of a quantity of a layer."""
        self.check(quantity, layer)
        claim = _claim(self.label, layer, quantity, self.theory.predict(layer, quantity))
        return dataclasses.replace(claim, assumed=self.assumes(claim))

    def assumes(self, claim: Claim) -> bool:
        """Whether the sampler takes a claim for granted, so that it cannot test it."""
        return not claim.against and assumed(self.method, claim.quantity, claim.layer, self.theory.ensemble)

    def evidence(self, quantity: str, layer: int, kept: Any) -> Evidence:
        """What a run says of a quantity of a layer."""
        return network_evidence(quantity, kept, self.theory.ensemble, layer)


Judge = NeuronJudge | NetworkJudge


def judge_of(label: str, ensemble: Ensemble, method: str, seed: int, networks: int) -> Judge:
    """The judge of an ensemble; an input that all networks share is first drawn, and then held fixed."""
    inputs = ensemble.inputs
    if inputs.drawn_once:
        ensemble = dataclasses.replace(ensemble, inputs=_drawn_input(ensemble, seed, method))
    return _judge(label, ensemble, method, networks if inputs.in_turn else None)


@functools.lru_cache(maxsize=64)
def _judge(label: str, ensemble: Ensemble, method: str, networks: int | None) -> Judge:
    if ensemble.is_network or method == conditional.NAME:
        return NetworkJudge(label, ensemble, networks, method)
    return NeuronJudge(label, ensemble, networks)


def _drawn_input(ensemble: Ensemble, seed: int, method: str) -> Inputs:
    if ensemble.is_network or method == conditional.NAME:
        plan = sampler_of(ensemble, method).make_plan(ensemble, seed)
        return Inputs.fixed((plan if method == conditional.NAME else plan.network).inputs.data[0])
    return direct.drawn_input(ensemble, seed)


def _claim(label: str, layer: int, quantity: str, prediction: Any) -> Claim:
    return Claim(
        id=f"{label}/{layer}/{quantity}",
        ensemble=label,
        layer=layer,
        quantity=quantity,
        predicted=prediction.value,
        tolerance=prediction.tolerance,
        error=prediction.error,
        source=prediction.source,
        label=getattr(prediction, "label", "exact"),
    )


def _shown(layers: tuple[int, ...]) -> str:
    numbers = [str(layer) for layer in layers]
    return ", ".join(numbers if len(numbers) <= 8 else [*numbers[:4], "...", *numbers[-2:]])
