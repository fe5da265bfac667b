"""The sampled densities of z of single layers on one axis, in block characters."""

from __future__ import annotations

import math

import numpy as np
from rich.text import Text

from fanin.engine.accumulators import Accumulators
from fanin.result import Result
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.binned import ascending_bins

BLOCKS, ASCII_BLOCKS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
_CELLS = 61


def density_sketch(results: dict[str, Result], unicode: bool, width: int) -> list[Text]:
    """The sampled density of z on one axis for all ensembles, above the range in which the neuron is not saturated."""
    blocks = BLOCKS if unicode else ASCII_BLOCKS
    deviations = [math.sqrt(max(results[label].estimates()["z.variance"], 0.0)) for label in results]
    end = 2.75 * max((d for d in deviations if math.isfinite(d)), default=1.0) or 1.0
    label_width = max(len(label) for label in [*results, "linear range"])
    cells = max(9, min(_CELLS, width - label_width - 4))
    cells -= 1 - cells % 2
    lines = []
    for label, result in results.items():
        layer = result.layers[1]
        assert isinstance(layer, Accumulators)
        density = _density(layer, end, cells)
        heights = np.ceil(density / max(density.max(), 1e-300) * (len(blocks) - 1)).astype(int)
        lines.append(Text(f"{label:>{label_width}}  ") + Text("".join(blocks[h] for h in heights), style="cyan"))
    activation = next(iter(results.values())).ensemble.activation
    assert isinstance(activation, str)
    size = ACTIVATIONS[activation].level_size(0.01)
    reach = min(cells // 2, max(0, round(size / end * (cells / 2) - 0.5)))
    inner = "─" * (2 * reach - 1) if unicode else "-" * (2 * reach - 1)
    mark = ("├" + inner + "┤" if unicode else "[" + inner + "]") if reach else "|"
    lines.append(Text(f"{'linear range':>{label_width}}  ") + Text(mark.center(cells), style="magenta"))
    axis = f"{-end:<.3g}{'z = 0':^{cells - 2 * len(f'{-end:.3g}') + 1}}{end:>.3g}"
    lines.append(Text(f"{'':>{label_width}}  {axis}", style="dim"))
    return lines


def _density(layer: Accumulators, end: float, cells: int) -> np.ndarray:
    """Share of networks in equal cells of (-end, end), bins spread evenly over the cells they meet."""
    if layer.finite == 0:
        return np.zeros(cells)
    edges, counts = ascending_bins(layer)
    cumulative = np.concatenate([[0], np.cumsum(counts)]) / layer.finite
    return np.diff(np.interp(np.linspace(-end, end, cells + 1), edges, cumulative))
