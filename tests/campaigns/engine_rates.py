"""How often the intervals of a fixed size miss, of every quantity of every layer, in runs of the real engine: deep ReLU and tanh
networks, forward and backward, and single neurons whose inputs are random.

Runs differ by their seed. The truth is the exact prediction where there is one; otherwise it is what all runs together say, whose
standard error is that of one run divided by the root of their number.
"""

from __future__ import annotations

import collections
import functools
import math
from typing import Any

from fanin import Ensemble, simulate
from fanin.engine.errors import SpecificationError
from fanin.judges import NetworkJudge, judge_of
from fanin.stats.network_quantities import recorded_names
from fanin.summing import merged
from tests.campaigns.coverage import SLACK
from tests.campaigns.enclosed import lower_limit

ERRORS = (0.05, 0.01)
DEPTHS = (1, 3, 10)
ENSEMBLES = {
    "ReLU, width 10, cost linear": Ensemble((10,) * 11, "he_normal", "relu", "on:10", cost="linear"),
    "ReLU, width 100, cost linear": Ensemble((100,) * 11, "he_normal", "relu", "on:100", cost="linear"),
    "tanh, width 20, cost quadratic": Ensemble((20,) * 11, "scaled", "tanh", "on:10", cost="quadratic"),
    "sigmoid neuron with 64 coin flips": Ensemble((64, 1), "standard", "sigmoid", "bernoulli:0.5"),
}
_NEURONS = 25
"""Times as many networks of a single neuron."""


def _names(judge: Any, layer: int) -> list[str]:
    return recorded_names(judge.theory.ensemble, layer) if isinstance(judge, NetworkJudge) else judge.names(layer)


def _truth(judge: Any, quantity: str, layer: int, whole: Any) -> tuple[float, float]:
    """The true value, and the error of its prediction."""
    try:
        claim = judge.claim(quantity, layer)
        if claim.label == "exact":
            return claim.predicted, claim.error
    except SpecificationError:
        pass
    return judge.evidence(quantity, layer, whole).estimate, 0.0


def table(label: str, runs: int, networks: int) -> tuple[str, list[str]]:
    """Rates of an ensemble by quantity and layer, and those that are too high."""
    ensemble = ENSEMBLES[label]
    networks *= 1 if ensemble.is_network else _NEURONS
    judge = judge_of(label, ensemble, "direct", 0, networks)
    layers = [layer for layer in judge.layers if layer in DEPTHS]
    found, kinds, broken = collections.Counter[tuple[str, int, float]](), dict[tuple[str, int], str](), list[str]()
    kept = [simulate(ensemble, networks, seed, threads=1).layers for seed in range(runs)]
    whole = functools.reduce(merged, kept)
    for layer in layers:
        for quantity in _names(judge, layer):
            truth, off = _truth(judge, quantity, layer, whole[layer])
            for one in kept:
                evidence = judge.evidence(quantity, layer, one[layer])
                for error in ERRORS:
                    interval = evidence.interval(error)
                    kinds[quantity, layer] = interval.coverage
                    found[quantity, layer, error] += not interval.low - off <= truth <= interval.high + off
                found[quantity, layer, 1.0] += math.isinf(interval.high - interval.low)
    rows = [f"| {label} | kind | {' | '.join(f'layer {layer}' for layer in layers)} |", "|---" * (2 + len(layers)) + "|"]
    for quantity in dict.fromkeys(quantity for quantity, _ in kinds):
        cells = []
        for layer in layers:
            if (quantity, layer) not in kinds or found[quantity, layer, 1.0] == runs:
                cells.append("")
                continue
            cells.append(", ".join(f"{found[quantity, layer, error] / runs:.2g}" for error in ERRORS))
            most = SLACK if kinds[quantity, layer] == "asymptotic" else 1.0
            for error in ERRORS:
                if lower_limit(found[quantity, layer, error], runs, 1.0 - 1e-6) > most * error:
                    broken.append(f"{label}, {quantity} of layer {layer} at {error:g}: {found[quantity, layer, error]} of {runs:,}")
        if any(cells):
            kind = next(kinds[quantity, layer] for layer in layers if (quantity, layer) in kinds)
            rows.append(f"| {quantity} | {kind} | {' | '.join(cells)} |")
    return "\n".join(rows), broken


def rates(runs: int = 2000, networks: int = 2000) -> str:
    """All tables, in Markdown."""
    tables, broken = zip(*(table(label, runs, networks) for label in ENSEMBLES), strict=True)
    text = "\n\n".join(tables)
    if wrong := [one for some in broken for one in some]:
        raise SystemExit("; ".join(wrong) + f"\n\n{text}")
    return f"{runs:,} runs of {networks:,} networks ({_NEURONS} times as many single neurons)\n\n{text}"


if __name__ == "__main__":
    import sys

    print(rates(*map(int, sys.argv[1:])))
