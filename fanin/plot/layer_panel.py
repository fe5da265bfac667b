"""The profile of networks as a panel: quantities from layer to layer, sampled and predicted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fanin.layer_series import Series
from fanin.plot.panels import COLOURS, DASHES, MARKERS, MOST_ENSEMBLES, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOGARITHMIC = ("z.variance", "q", "delta.meansquare", "delta.median", "grad.meansquare", "grad.median", "jacobian.norm")
"""Quantities that are never negative and change by orders of magnitude."""

_MANY = 40  # layers beyond which points become dots
_DECADES, _FEW_DECADES = 300.0, 1e3
_TINY = 1e-300


def draw_profile(found: Sequence[Series], ax: Axes, name: str, logarithmic: bool, labels: Sequence[str]) -> None:
    """Sampled points and predicted lines over layers. labels : all ensembles, whose order decides colours.

    Of two quantities in one panel the second has open markers.
    """
    ax.set_xlabel("layer")
    ax.set_ylabel(name)
    shown = [series for series in found if series.label in labels[:MOST_ENSEMBLES]]
    if logarithmic:
        shown = [series for series in shown if (series.estimate > 0.0).any()]
    if not shown:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.text(0.5, 0.5, "nothing recorded", transform=ax.transAxes, ha="center", va="center")
        return
    if logarithmic:
        ax.set_yscale("log")
    quantities = list(dict.fromkeys(series.quantity for series in shown))
    _limit(ax, shown, logarithmic)
    for series in shown:
        _draw_series(series, ax, list(labels).index(series.label), quantities.index(series.quantity))
    _whole_ticks(ax, shown)


def _draw_series(series: Series, ax: Axes, at: int, second: int) -> None:
    """An interval without an end goes, dotted (or paler), to the edge of the panel."""
    colour, usual = COLOURS[at], {"color": COLOURS[at], "linewidth": 1.2}
    ax.plot(series.layers, series.predicted, linestyle=DASHES[at] if not second else (0, (1, 1.5)), **usual)
    many = series.layers.size > _MANY
    bottom, top = ax.get_ylim()
    known = np.isfinite(series.estimate)
    ends = known & np.isfinite(series.low) & np.isfinite(series.high)
    low = np.where(np.isfinite(series.low), series.low, bottom)
    low = np.maximum(low, _TINY) if ax.get_yscale() == "log" else low
    high = np.where(np.isfinite(series.high), series.high, top)
    for where, strength, dashes in ((ends, 0.2, "-"), (known & ~ends, 0.08, ":")):
        if many:
            ax.fill_between(series.layers, low, high, where=where, facecolor=colour, alpha=strength, linewidth=0.0)
        else:
            ax.vlines(series.layers[where], low[where], high[where], color=colour, linewidth=1.0, linestyle=dashes)
    face = "white" if second else colour
    ax.plot(
        series.layers,
        series.estimate,
        color=colour,
        linestyle="none",
        marker="." if many else MARKERS[at],
        markersize=3.0 if many else 4.5,
        markerfacecolor=face,
        markeredgewidth=0.6 if many else 1.0,
    )


def _limit(ax: Axes, shown: Sequence[Series], logarithmic: bool) -> None:
    """The axis shows all estimates and predictions, and of intervals the usual length; longer ones go on beyond."""
    from matplotlib.ticker import LogLocator, NullFormatter

    values = np.concatenate([np.concatenate([series.estimate, series.predicted]) for series in shown])
    values = values[np.isfinite(values) & ((values > 0.0) | (not logarithmic))]
    low, high = float(values.min()), float(values.max())
    if logarithmic:
        low = max(low, high / 10.0**_DECADES)
        room = max((high / low) ** 0.06, 1.2)
        ax.set_ylim(low / room, high * room)
        if high / low < _FEW_DECADES:
            ax.yaxis.set_major_locator(LogLocator(10.0, subs=(1.0, 2.0, 5.0)))
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        halves = np.concatenate([(series.high - series.low) / 2.0 for series in shown])
        halves = halves[np.isfinite(halves)]
        half = float(np.median(halves)) if halves.size else 0.0
        low, high = low - half, high + half
        room = 0.06 * (high - low) or 0.1 * abs(high) or 0.1
        ax.set_ylim(low - room, high + room)


def _whole_ticks(ax: Axes, shown: Sequence[Series]) -> None:
    from matplotlib.ticker import MaxNLocator

    first, last = min(int(s.layers[0]) for s in shown), max(int(s.layers[-1]) for s in shown)
    room = 0.03 * max(last - first, 1) + 0.2
    ax.set_xlim(first - room, last + room)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def _is_open(series: Series) -> bool:
    """Whether a point has an interval without an end."""
    return bool((np.isfinite(series.estimate) & ~(np.isfinite(series.low) & np.isfinite(series.high))).any())


def key(ax: Axes, labels: Sequence[str], alpha: float, found: Sequence[Series]) -> dict[str, Any]:
    """What a legend says: the ensembles, and what points, lines and bars are. found : all that is drawn."""
    handles = []
    for at, label in enumerate(labels[:MOST_ENSEMBLES]):
        style: dict[str, Any] = {"color": COLOURS[at], "linestyle": DASHES[at], "marker": MARKERS[at], "markersize": 4.5}
        handles += ax.plot([], [], label=short(label, 40 if len(labels) < 3 else 24), **style)
    lines = [f"points: sampled, lines: predicted, bars or bands: {100.0 * (1.0 - alpha):.6g} % interval for all at once"]
    lines += ["dotted or pale, to the edge: too few networks carry it for an interval"] if any(map(_is_open, found)) else []
    lines += [f"{MOST_ENSEMBLES} of {len(labels)} ensembles"] if len(labels) > MOST_ENSEMBLES else []
    return {"handles": handles, "title": "\n".join(lines), "ncols": min(len(labels), 4)}
