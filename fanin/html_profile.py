"""Profiles of networks over layers as one piece of SVG: variance of z, saturation, and the typical and mean-square gradient.

Each ensemble has a row, each chart its own scale, whose ends are written beside it. Dots are sampled, lines predicted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from fanin.html_text import short
from fanin.layer_profile import is_bounded
from fanin.layer_series import Series, series_of
from fanin.result import Result

_WIDTH, _HEIGHT, _GAP, _LEFT, _TOP, _ROW = 170, 72, 78, 66, 34, 128
_COLOURS = ("#2a7fc1", "#c9770a")
_BOTH = f'|delta|: <tspan fill="{_COLOURS[0]}">root mean square</tspan>, <tspan fill="{_COLOURS[1]}">median</tspan>'
_DOT = 2.2


def profiles(results: dict[str, Result], alpha: float, watched: bool = False) -> str:
    """A row of charts for each ensemble."""
    charts = []
    for row, (label, result) in enumerate(results.items()):
        saturated = any(is_bounded(activation) for activation in result.ensemble.activations)
        share = ("phi.saturated", "share saturated") if saturated else ("slope.below[0.01]", "share with phi' &lt; 0.01")
        found = series_of({label: result}, ("z.variance", share[0], "delta.meansquare", "delta.median"), alpha, watched)
        by_name = {series.quantity: series for series in found}
        top = _TOP + _ROW * row
        charts.append(f'<text x="0" y="{top - 20}" font-weight="bold">{escape(short(label))}</text>')
        delta = [by_name[name] for name in ("delta.meansquare", "delta.median") if name in by_name]
        delta = [series.rooted() if series.quantity == "delta.meansquare" else series for series in delta]
        for column, (title, shown, logarithmic) in enumerate(
            (
                ("variance of z", [by_name[n] for n in ("z.variance",) if n in by_name], True),
                (share[1], [by_name[n] for n in (share[0],) if n in by_name], False),
                (_BOTH, delta, True),
            )
        ):
            if shown:
                charts.append(_chart(title, shown, logarithmic, _LEFT + column * (_WIDTH + _GAP), top))
    full, height = _LEFT + 3 * _WIDTH + 2 * _GAP + 12, _TOP + _ROW * len(results)
    key = f'<text x="{_LEFT}" y="{height}">dots: sampled; lines: predicted; from the first layer to the last</text>'
    return (
        f'<svg viewBox="0 0 {full} {height + 8}" width="{full}" height="{height + 8}" role="img" '
        f'aria-label="Profiles over layers of each ensemble">{"".join(charts)}{key}</svg>'
    )


def _chart(title: str, shown: Sequence[Series], logarithmic: bool, left: float, top: float) -> str:
    """One chart, with the ends of its scales."""
    values = np.concatenate([np.concatenate([series.estimate, series.predicted]) for series in shown])
    values = values[np.isfinite(values) & ((values > 0.0) | (not logarithmic))]
    if values.size == 0:
        return ""
    low, high = float(values.min()), float(values.max())
    if not logarithmic:
        low, high = 0.0, max(high, 1e-3)
    elif high < 1.2 * low:
        low, high = low / 1.1, high * 1.1
    first, last = int(min(series.layers[0] for series in shown)), int(max(series.layers[-1] for series in shown))

    def place(layers: np.ndarray, heights: np.ndarray) -> list[tuple[float, float]]:
        good = np.isfinite(heights) & ((heights > 0.0) | (not logarithmic))
        scale = np.log if logarithmic else np.asarray
        share = (scale(heights[good]) - scale(low)) / (scale(high) - scale(low))
        across = (layers[good] - first) / max(last - first, 1)
        return list(zip((left + across * _WIDTH).round(1), (top + _HEIGHT * (1.0 - share)).round(1), strict=True))

    parts = [
        f'<path d="M{left} {top}v{_HEIGHT}h{_WIDTH}" stroke="currentColor" fill="none" opacity="0.6"/>',
        f'<text x="{left}" y="{top - 6}">{title}</text>',
        f'<text x="{left - 5}" y="{top + 9}" text-anchor="end">{_end(high)}</text>',
        f'<text x="{left - 5}" y="{top + _HEIGHT}" text-anchor="end">{_end(low)}</text>',
        f'<text x="{left}" y="{top + _HEIGHT + 14}">{first}</text>',
        f'<text x="{left + _WIDTH}" y="{top + _HEIGHT + 14}" text-anchor="end">{last if last > first else ""}</text>',
    ]
    for series, colour in zip(shown, _COLOURS, strict=False):
        if line := place(series.layers, series.predicted):
            points = " ".join(f"{x:g},{y:g}" for x, y in line)
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
        size = _DOT if series.layers.size <= 40 else 1.2
        dots = "".join(f"M{x:g} {y:g}h0" for x, y in place(series.layers, series.estimate))
        parts.append(f'<path d="{dots}" stroke="{colour}" stroke-width="{2 * size:g}" stroke-linecap="round" fill="none"/>')
    return "".join(parts)


def _end(value: float) -> str:
    """The end of a scale in a few characters."""
    if value == 0.0 or math.isclose(value, 1.0):
        return f"{value:.0f}"
    return f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e")
