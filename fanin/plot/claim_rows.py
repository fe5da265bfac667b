"""The panel of claims: every interval relative to its tolerance, a row for each quantity, a column for each ensemble.

Verdicts differ by colour and by marker, so that grey copies can be read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fanin.plot.panels import SHADE, legend_below, short
from fanin.report import Report
from fanin.stats.quantities import QUANTITIES, split_name
from fanin.stats.verdict import ASSUMED, CONFIRMED, REFUTED, UNDECIDED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMN = 5.4
"""From one ensemble to the next on the horizontal axis, in tolerances."""
LIMIT = 2.2
"""Where an interval is cut, in tolerances."""

_CARET_LEFT, _CARET_RIGHT = 8, 9
_GREEN, _RED, _BROWN, _GREY = "#009E73", "#D55E00", "#8C5A00", "#7F7F7F"
VERDICTS = {
    (CONFIRMED, True): ("confirmed", _GREEN, "o"),
    (UNDECIDED, False): ("undecided", _BROWN, "D"),
    (REFUTED, False): ("refuted", _RED, "X"),
    (REFUTED, True): ("refuted, as expected", _GREEN, "x"),
    (CONFIRMED, False): ("confirmed, not as expected", _RED, "s"),
    (ASSUMED, True): ("assumed by the sampler", _GREY, "_"),
}
"""Verdict, and whether it is as expected: in words, colour, marker."""


@dataclass(frozen=True)
class Row:
    """One claim, or all claims of independence but the refuted ones, by their widest interval: ends in units of the tolerance."""

    name: str
    ensemble: str
    low: float
    estimate: float
    high: float
    verdict: str
    as_expected: bool


def rows_of(report: Report) -> list[Row]:
    """Rows of a report in the order of quantities; claims of independence share a row for each ensemble unless they are refuted."""
    rows, shared = [], {}
    for verdict in sorted(report.verdicts, key=lambda v: QUANTITIES.index(split_name(v.claim.quantity)[0])):
        claim, interval = verdict.claim, verdict.interval
        low, estimate, high = (
            _relative(end - claim.predicted, claim.tolerance) for end in (interval.low, interval.estimate, interval.high)
        )
        own = claim.id.removeprefix(f"{claim.ensemble}/{claim.layer}/{claim.quantity}").lstrip("/")
        name = f"{claim.quantity} ({own})" if own else claim.quantity
        row = Row(name, claim.ensemble, low, estimate, high, verdict.verdict, verdict.as_expected)
        if claim.quantity.startswith("independence.") and verdict.verdict != REFUTED:
            shared.setdefault(claim.ensemble, []).append(row)
        else:
            rows.append(row)
    for ensemble, alike in shared.items():
        widest = max(alike, key=lambda row: max(abs(row.low), abs(row.high)))
        name = "independence (widest)"
        rows.append(
            Row(name, ensemble, widest.low, widest.estimate, widest.high, widest.verdict, all(r.as_expected for r in alike))
        )
    return rows


def _relative(difference: float, tolerance: float) -> float:
    if math.isnan(difference) or difference == 0.0:
        return difference
    return difference / tolerance if tolerance > 0.0 else math.copysign(math.inf, difference)


def draw_claims(report: Report, ax: Axes) -> None:
    """All claims as intervals in units of their tolerances."""
    rows = rows_of(report)
    names = list(dict.fromkeys(row.name for row in rows))
    ensembles = list(report.results)
    for column in range(len(ensembles)):
        ax.axvspan(column * COLUMN - 1.0, column * COLUMN + 1.0, **SHADE)
        ax.axvline(column * COLUMN, color="white", linewidth=1.0, zorder=0.6)
    ax.set_xlim(-COLUMN / 2.0, (len(ensembles) - 0.5) * COLUMN)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.hlines(np.arange(len(names) - 1) + 0.5, *ax.get_xlim(), color="#E0E0E0", linewidth=0.6, zorder=0.1)
    room = 50.0 * ax.get_window_extent().height / ax.figure.dpi / max(len(names), 1)  # points for letters in a row
    for row in rows:
        _draw_row(ax, row, names.index(row.name), ensembles.index(row.ensemble) * COLUMN, len(ensembles))
    ax.set_yticks(range(len(names)), [short(name, 34) for name in names], fontsize=min(9.0, max(room, 4.0)))
    ax.tick_params(axis="y", length=0.0)
    marks = ["−1", "0", "1"] if len(ensembles) < 5 else ["", "0", ""]
    ticks = np.add.outer(COLUMN * np.arange(len(ensembles)), [-1.0, 0.0, 1.0]).ravel()
    ax.set_xticks(ticks, marks * len(ensembles))
    ax.set_xlabel("(interval − predicted) / tolerance")
    _heads(ax, ensembles)
    _legend(ax, {(row.verdict, row.as_expected) for row in rows})


def _heads(ax: Axes, ensembles: list[str]) -> None:
    """The names of the ensembles above their columns."""
    heads = ax.secondary_xaxis("top")
    length = {1: 40, 2: 22}.get(len(ensembles), 16)
    heads.set_xticks(COLUMN * np.arange(len(ensembles)), [short(label, length) for label in ensembles], fontsize=9.0)
    heads.tick_params(length=0.0)
    heads.spines["top"].set_visible(False)
    if len(ensembles) > 3:
        for text in heads.get_xticklabels():
            text.set(rotation=35.0 if len(ensembles) < 9 else 90.0, ha="left", rotation_mode="anchor")


def _legend(ax: Axes, seen: set[tuple[str, bool]]) -> None:
    for kind, (name, colour, marker) in VERDICTS.items():
        if kind in seen:
            ax.plot([], [], color=colour, linewidth=1.6, label=name, **marker_style(kind, marker, colour))
    ax.axvspan(0.0, 0.0, label="within the tolerance", **SHADE)
    legend_below(ax, 0.52, ncols=2)


def marker_style(kind: tuple[str, bool], marker: str, colour: str) -> dict[str, Any]:
    """How a verdict is marked."""
    face = "white" if kind[0] == UNDECIDED else colour
    width = 2.0 if marker == "x" else 1.0
    return {"marker": marker, "markersize": 7.0 if kind[0] == REFUTED else 5.0, "markerfacecolor": face, "markeredgewidth": width}


def _draw_row(ax: Axes, row: Row, y: int, x: float, columns: int) -> None:
    """An interval, cut at the limits of its column, where arrows say that it goes on; what lies beyond is given in tolerances."""
    kind = (row.verdict, row.as_expected)
    _, colour, marker = VERDICTS[kind]
    low, high = (min(max(end, -LIMIT), LIMIT) for end in (row.low, row.high))
    ax.hlines(y, x + low, x + high, color=colour, linewidth=1.8)
    for end in {math.copysign(LIMIT, end) for end in (row.low, row.high) if abs(end) > LIMIT}:
        ax.plot(x + end, y, color=colour, marker=_CARET_LEFT if end < 0.0 else _CARET_RIGHT, markersize=6.0)
    if abs(row.estimate) <= LIMIT:
        ax.plot(x + row.estimate, y, color=colour, **marker_style(kind, marker, colour))
    elif low == high:
        side = math.copysign(1.0, low)
        ax.plot(x + side * (LIMIT - 0.35 * max(1.0, columns / 3.0)), y, color=colour, **marker_style(kind, marker, colour))
        if math.isfinite(row.estimate) and columns < 5:
            inner = x + side * (LIMIT - 0.75 * max(1.0, columns / 3.0))
            text = f"{row.estimate:.2g}".replace("-", "−")
            ax.text(inner, y, text, ha="left" if side < 0.0 else "right", va="center", fontsize=8.0)
