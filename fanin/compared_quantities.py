"""The quantities that two runs have in common, what each run says of them, and how much they may differ.

No theory is asked. Left out are what the sampler draws from (the field, independence), what a law of heavy tails has no interval
of, what is constant by its law, and lower halves that may be all zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fanin.engine import conditional
from fanin.engine.accumulators import FLAT, PARAMETER_LIMIT
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import LayerSummary
from fanin.engine.spec import Ensemble
from fanin.result import Result
from fanin.stats.evidence import Evidence
from fanin.stats.network_names import MAPPED, NETWORK_QUANTITIES
from fanin.stats.network_quantities import network_evidence, recorded_names
from fanin.stats.quantities import QUANTITIES, check_recorded, evidence
from fanin.stats.two_sample import difference_tolerance

_MOMENTS = {"z.variance": 4, "q": 4, "z.skewness": 6, "z.kurtosis": 8, "delta.kurtosis": 8}
"""Moments of a layer's weights that an interval needs, where they are more than two."""

_BACKWARD = ("delta.", "grad.", "jacobian.")


@dataclass(frozen=True)
class Unit:
    """What tolerances are in units of. std : standard deviation of z, of both sides together. neuron : of single neurons."""

    std: float
    neuron: bool

    def tolerance(self, name: str) -> float:
        """The largest difference of a quantity that is none."""
        return difference_tolerance(name, self.std, self.neuron)


def unit_of(results: tuple[Result, Result], layer: int) -> Unit:
    """Of a layer."""
    variances = [evidence_of("z.variance", result, layer).estimate for result in results]
    std = math.sqrt(sum(variances) / 2.0) if all(variance >= 0.0 for variance in variances) else 1.0
    return Unit(std if 0.0 < std < math.inf else 1.0, not any(result.ensemble.is_network for result in results))


def evidence_of(name: str, result: Result, layer: int) -> Evidence:
    """What a run says of a quantity."""
    kept = result.layers[layer]
    if isinstance(kept, LayerSummary):
        return network_evidence(name, kept, result.ensemble, layer)
    return evidence(name, kept, result.ensemble)


def compared_names(one: tuple[Ensemble, str], other: tuple[Ensemble, str], layer: int) -> list[str]:
    """The quantities that two ensembles, each with its sampler, both record of a layer."""
    names, others = (_names(*side, layer) for side in (one, other))
    return [name for name in names if name in others]


def _names(ensemble: Ensemble, method: str, layer: int) -> list[str]:
    if ensemble.is_network or method == conditional.NAME:
        names = [name for name in recorded_names(ensemble, layer) if not name.startswith("field.")]
        names.sort(key=lambda name: NETWORK_QUANTITIES.index(name.partition("[")[0]))
    else:
        names = _neuron_names(ensemble)
    activation = ensemble.activations[layer - 1]
    return [
        name
        for name in names
        if not name.startswith("independence.")
        and _has_moments(name, ensemble, layer)
        and not (name == "slope.variance" and activation == "identity")
        and not _may_be_zeros(name, activation)
    ]


def _may_be_zeros(name: str, activation: object) -> bool:
    """Whether a quantity is of a lower half that may be all zeros. The median of |delta| is not where phi' is never 0."""
    lower = name.startswith(("delta.", "grad.")) and name.endswith((".median", "[0.05]"))
    return lower and not (name == "delta.median" and activation in MAPPED)


def _neuron_names(ensemble: Ensemble) -> list[str]:
    """Names of all that is recorded of a neuron, in the order of `QUANTITIES`, with some arguments where a name needs one."""
    arguments: dict[str, list[float]] = {
        "z.law": [],
        "z.tail": list(ensemble.tails),
        "z.quantile": [0.05, 0.95],
        "phi.quantile": [],  # those of z, mapped
        "slope.quantile": [],
        "slope.below": [FLAT],
        "parameter.within": [PARAMETER_LIMIT] if ensemble.first_scheme.weights.family not in ("orthogonal", "own") else [],
    }
    names = []
    for base in QUANTITIES:
        names += [f"{base}[{value:g}]" for value in arguments[base]] if base in arguments else [base]
    return [name for name in names if _is_recorded(name, ensemble)]


def _is_recorded(name: str, ensemble: Ensemble) -> bool:
    try:
        check_recorded(name, ensemble)
    except SpecificationError:
        return False
    return True


def _has_moments(name: str, ensemble: Ensemble, layer: int) -> bool:
    """Whether Student's laws of the layers that a quantity comes from have the moments that its interval needs."""
    backward = name.startswith(_BACKWARD)
    base = name.partition("[")[0]
    needed = 4 if base.startswith("z.variance") or base.endswith((".meansquare", "jacobian.norm")) else 2
    needed = _MOMENTS.get(base, needed)
    laws = [law for scheme in ensemble.schemes[: None if backward else layer] for law in (scheme.weights, scheme.bias)]
    degrees = [law.shape for law in laws if law is not None and law.gain and law.family == "student" and law.shape]
    return min(degrees, default=math.inf) > needed
