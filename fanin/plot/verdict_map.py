"""The claims about networks: a map of quantities and layers for each ensemble, with a mark for each verdict.

Verdicts differ by colour and by marker, so that grey copies can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fanin.plot.claim_rows import VERDICTS, marker_style
from fanin.plot.panels import legend_below, short
from fanin.report import Report
from fanin.stats.network_names import NETWORK_QUANTITIES
from fanin.stats.quantities import QUANTITIES
from fanin.stats.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 0.06  # between two ensembles, of the width of the panel
_ORDER = list(dict.fromkeys([*NETWORK_QUANTITIES, *QUANTITIES]))


def map_rows(verdicts: Sequence[Verdict]) -> list[str]:
    """Names of the rows: quantities, in their order."""
    names = dict.fromkeys(_row(verdict) for verdict in verdicts)
    return sorted(names, key=lambda name: (_ORDER.index(name.split("[")[0].split(" ")[0]), name))


def _row(verdict: Verdict) -> str:
    claim = verdict.claim
    own = claim.id.removeprefix(f"{claim.ensemble}/{claim.layer}/{claim.quantity}").lstrip("/")
    if claim.against and own == f"against {claim.against}":
        own = "difference"
    return f"{claim.quantity} ({own})" if own else claim.quantity


def draw_map(report: Report, ax: Axes) -> None:
    """Ensembles with claims side by side, layers from left to right, quantities from top to bottom."""
    names = map_rows(report.verdicts)
    claimed = {verdict.claim.ensemble for verdict in report.verdicts} or set(report.results)
    layers = {label: sorted(result.layers) for label, result in report.results.items() if label in claimed}
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0.0, 1.0)
    ax.hlines(np.arange(len(names) - 1) + 0.5, 0.0, 1.0, color="#E0E0E0", linewidth=0.6, zorder=0.1)
    width = (1.0 - _GAP * (len(layers) - 1)) / len(layers)
    place = {}
    for column, (label, numbers) in enumerate(layers.items()):
        start = column * (width + _GAP)
        step = width / max(len(numbers), 1)
        place[label] = {number: start + (at + 0.5) * step for at, number in enumerate(numbers)}
    inches = ax.get_window_extent().width / ax.figure.dpi * width
    room = 72.0 * inches / max(map(len, layers.values()), default=1)
    for kind, (name, colour, marker) in VERDICTS.items():
        here = [verdict for verdict in report.verdicts if (verdict.verdict, verdict.as_expected) == kind]
        if here:
            x = [place[v.claim.ensemble][v.claim.layer] for v in here]
            style = marker_style(kind, marker, colour)
            style["markersize"] = float(np.clip(0.8 * room, 1.5, style["markersize"]))
            style["markeredgewidth"] = min(style["markeredgewidth"], 0.3 * style["markersize"])
            ax.plot(x, [names.index(_row(v)) for v in here], color=colour, linestyle="none", label=f"{name}: {len(here)}", **style)
    high = 50.0 * ax.get_window_extent().height / ax.figure.dpi / max(len(names), 1)
    ax.set_yticks(range(len(names)), [short(name, 34) for name in names], fontsize=min(9.0, max(high, 4.0)))
    ax.tick_params(axis="y", length=0.0)
    _layer_ticks(ax, place)
    _heads(ax, place)
    if report.verdicts:
        legend_below(ax, 0.52, ncols=1)


def _layer_ticks(ax: Axes, place: dict[str, dict[int, float]]) -> None:
    """The first and the last layer of each ensemble."""
    ticks: dict[float, str] = {}
    for at in place.values():
        ticks |= {at[number]: str(number) for number in (min(at), max(at))}
    ax.set_xticks(list(ticks), list(ticks.values()), fontsize=9.0 if len(place) < 7 else 6.0)
    ax.set_xlabel("layer")


def _heads(ax: Axes, place: dict[str, dict[int, float]]) -> None:
    """The names of the ensembles above their columns."""
    heads = ax.secondary_xaxis("top")
    middles = [sum(at.values()) / len(at) for at in place.values()]
    length = {1: 40, 2: 22}.get(len(place), 16)
    heads.set_xticks(middles, [short(label, length) for label in place], fontsize=9.0)
    heads.tick_params(length=0.0)
    heads.spines["top"].set_visible(False)
    if len(place) > 3:
        for text in heads.get_xticklabels():
            text.set(rotation=35.0 if len(place) < 9 else 90.0, ha="left", rotation_mode="anchor")
