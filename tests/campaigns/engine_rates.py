"""How often intervals miss, of every quantity of every layer, in runs of the real engine: deep ReLU and tanh networks, forward and
backward, and single neurons whose inputs are random.

Of a run of fixed size each interval may miss; of one that is watched, those of asymptotic sequences may miss at any of five looks,
from half of its networks on. Runs differ by their seed. The truth is the exact prediction where there is one; otherwise it is what
all runs together say, whose standard error is that of one run divided by the root of their number.
"""

from __future__ import annotations

import math
from typing import Any

from fanin import Ensemble, simulate
from fanin.engine.errors import SpecificationError
from fanin.judges import NetworkJudge, judge_of
from fanin.sampling import extended
from fanin.stats.evidence import Evidence
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
_NEURONS = 32
"""Times as many networks of a single neuron."""

_LOOKS = (4, 5, 6, 7, 8)
"""Eighths of its networks after which a run is looked at."""

Place = tuple[str, int]
Ends = tuple[float, float]


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


def _ends(evidence: Evidence, watched: bool) -> list[Ends]:
    found = [evidence.interval(error, watched) for error in ERRORS]
    return [(one.low, one.high) for one in found]


def _of_run(
    judge: Any, places: list[Place], seed: int, networks: int
) -> tuple[Any, dict[Place, list[Ends]], dict[Place, list[Ends]]]:
    """One run: what it recorded, intervals of its whole size by quantity and layer, and where those of all looks meet."""
    ensemble, result = judge.theory.ensemble, None
    fixed: dict[Place, list[Ends]] = {}
    watched: dict[Place, list[Ends]] = {}
    for eighths in _LOOKS:
        size = networks * eighths // 8
        result = simulate(ensemble, size, seed, threads=1) if result is None else extended(result, size)
        for quantity, layer in places:
            evidence = judge.evidence(quantity, layer, result.layers[layer])
            if eighths == 8:
                fixed[quantity, layer] = _ends(evidence, False)
            if evidence.interval(ERRORS[0], True).coverage == "asymptotic":
                now = _ends(evidence, True)
                before = watched.get((quantity, layer), now)
                watched[quantity, layer] = [(max(a[0], b[0]), min(a[1], b[1])) for a, b in zip(before, now, strict=True)]
    assert result is not None
    return result.layers, fixed, watched


def table(label: str, runs: int, networks: int) -> tuple[str, list[str]]:
    """Rates of an ensemble by quantity and layer, and those that are too high."""
    ensemble = ENSEMBLES[label]
    networks *= 1 if ensemble.is_network else _NEURONS
    judge = judge_of(label, ensemble, "direct", 0, networks)
    layers = [layer for layer in judge.layers if layer in DEPTHS]
    places = [(quantity, layer) for layer in layers for quantity in _names(judge, layer)]
    whole, kept = None, []
    for seed in range(runs):
        recorded, *intervals = _of_run(judge, places, seed, networks)
        whole = recorded if whole is None else merged(whole, recorded)
        kept.append(intervals)
    assert whole is not None
    broken: list[str] = []
    cells: dict[Place, str] = {}
    for quantity, layer in places:
        truth, off = _truth(judge, quantity, layer, whole[layer])
        rates = []
        for at, kind in enumerate(("fixed", "watched")):
            found = [one[at][quantity, layer] for one in kept if (quantity, layer) in one[at]]
            if not found or all(math.isinf(high - low) for ends in found for low, high in ends):
                continue
            for number, error in enumerate(ERRORS):
                misses = sum(not ends[number][0] - off <= truth <= ends[number][1] + off for ends in found)
                rates.append(f"{misses / runs:.2g}")
                most = SLACK if kind == "fixed" and (quantity, layer) in kept[0][1] else 1.0
                if lower_limit(misses, runs, 1.0 - 1e-6) > most * error:
                    broken.append(f"{label}, {quantity} of layer {layer}, {kind} at {error:g}: {misses} of {runs:,}")
        cells[quantity, layer] = ", ".join(rates[:2]) + (f"; {', '.join(rates[2:])}" if rates[2:] else "")
    rows = [f"| {label} | {' | '.join(f'layer {layer}' for layer in layers)} |", "|---" * (1 + len(layers)) + "|"]
    for quantity in dict.fromkeys(quantity for quantity, _ in places):
        row = [cells.get((quantity, layer), "") for layer in layers]
        if any(row):
            rows.append(f"| {quantity} | {' | '.join(row)} |")
    return "\n".join(rows), broken


def rates(runs: int = 2000, networks: int = 2048) -> str:
    """All tables, in Markdown."""
    tables, broken = zip(*(table(label, runs, networks) for label in ENSEMBLES), strict=True)
    text = "\n\n".join(tables)
    if wrong := [one for some in broken for one in some]:
        raise SystemExit("; ".join(wrong) + f"\n\n{text}")
    return f"{runs:,} runs of {networks:,} networks ({_NEURONS} times as many single neurons)\n\n{text}"


if __name__ == "__main__":
    import sys

    print(rates(*map(int, sys.argv[1:])))
