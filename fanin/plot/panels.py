"""The panels of density, quantiles and tails: each draws numbers of `sample` and `limits` into an Axes it is given.

Ensembles differ by colour (Okabe and Ito's, made for colour-blind readers), marker and dashes, so that grey copies can be read.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fanin.plot.limits import scores_of, tails_of
from fanin.plot.sample import Density, Sample, density_of
from fanin.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE: dict[str, Any] = {
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.title_fontsize": 9.0,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "fanin",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}

MOST_ENSEMBLES = 8
"""Ensembles that density, quantiles and tails show; a legend of more says nothing."""

SHADE: dict[str, Any] = {"facecolor": "#B0B0B0", "alpha": 0.35, "linewidth": 0.0, "zorder": 0.5}
_SAMPLED = "#56B4E9"
COLOURS = ("#0072B2", "#E69F00", "#CC79A7", "#000000", "#56B4E9", "#009E73", "#D55E00", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (1, 3)), (0, (3, 1)))
_CARET_DOWN = 11
_UNKNOWN = "theory does not know the law of z"


def plain(text: str, width: int = 0) -> str:
    """Text on one line, or wrapped, in which matplotlib finds no mathematics."""
    text = " ".join(text.split())
    return ("\n".join(textwrap.wrap(text, width)) if width else text).replace("$", r"\$")


def short(text: str, length: int) -> str:
    """At most so many characters of a text."""
    text = " ".join(text.split())
    return plain(text if len(text) <= length else text[: length - 1] + "…")


def sampled_line(report: Report, width: int = 0) -> str:
    """What was sampled: study, networks, seed; wrapped at so many characters."""
    first = next(iter(report.results.values()))
    networks = f"{first.networks:,} network{'' if first.networks == 1 else 's'} per ensemble"
    methods = " and ".join(dict.fromkeys(result.method for result in report.results.values()))
    return plain(f"{report.study.name}: {networks}, {methods} sampler, seed {first.seed}", width)


def sources(found: Sequence[Sample], width: int = 160) -> str:
    """Where the predicted lines come from, by ensemble, in lines of so many characters."""
    by_source: dict[str, list[str]] = {}
    for sample in found[:MOST_ENSEMBLES]:
        source = f"Predicted: {sample.theory.predict('z.law').source}" if sample.law else f"Not predicted: {_UNKNOWN}"
        by_source.setdefault(source, []).append(sample.label)
    if len(by_source) == 1:
        return plain(next(iter(by_source)), width)
    return "\n".join(plain(f"{source} ({', '.join(labels)})", width) for source, labels in by_source.items())


def legend_below(ax: Axes, depth: float, **options: Any) -> None:
    """A legend so many inches below an Axes, where it covers nothing."""
    from matplotlib.transforms import ScaledTranslation

    place = ax.transAxes + ScaledTranslation(0.0, -depth, ax.figure.dpi_scale_trans)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=place, borderaxespad=0.0, **options)


def draw_density(found: Sequence[Sample], ax: Axes) -> None:
    """A small panel for each ensemble, in units of its own."""
    ax.set_axis_off()
    shown = found[:MOST_ENSEMBLES]
    columns = min(len(shown), 2 if len(shown) in (2, 4) else 3)
    rows = -(-len(shown) // columns)
    gap_x, gap_y, bottom, top = 0.08, 0.19 if rows < 3 else 0.16, 0.13, 0.83
    width, height = (1.0 - gap_x * (columns - 1)) / columns, (top - bottom - gap_y * (rows - 1)) / rows
    for i, sample in enumerate(shown):
        row, column = divmod(i, columns)
        inner = ax.inset_axes((column * (width + gap_x), top - height - row * (height + gap_y), width, height))
        inner.set_title(short(sample.label, 72 // columns), fontsize=10.0, fontweight="normal", pad=3.0)
        height_is = _small_density(sample, inner, 9.0 if rows < 3 else 8.0)
        if column == 0:
            inner.set_ylabel(height_is)
    ax.text(0.5, -0.03, "pre-activation z", transform=ax.transAxes, ha="center", va="bottom")
    if len(found) > len(shown):
        ax.text(1.0, -0.03, f"{len(shown)} of {len(found)} ensembles", transform=ax.transAxes, ha="right", va="bottom")
    _density_legend(ax, shown)


def _density_legend(ax: Axes, shown: Sequence[Sample]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [Patch(facecolor=_SAMPLED, alpha=0.6, label="sampled")]
    if any(sample.law for sample in shown):
        handles.append(Line2D([], [], color="black", linewidth=1.6, label="predicted"))
    handles.append(
        Patch(facecolor=SHADE["facecolor"], alpha=SHADE["alpha"], label="saturated: phi within 1 % of an end of its range")
    )
    ax.legend(handles=handles, loc="upper left", ncols=3, borderaxespad=0.0, handlelength=1.6, columnspacing=1.4)


def _small_density(sample: Sample, ax: Axes, size: float) -> str:
    """Draw one ensemble, with notes in letters of the given size; returns what heights are."""
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    ax.locator_params(axis="x", nbins=4)
    if not sample.finite:
        _say(ax, "no network gave\na finite z")
        return ""
    density = density_of(sample)
    low, high = density.edges[0], density.edges[-1]
    notes, height_is = [] if sample.law else ["not predicted"], "density"
    if density.values is not None and density.shares is not None:
        ax.vlines(density.values, 0.0, density.shares, color=_SAMPLED, linewidth=1.5)
        top = float(density.shares.max())
        notes.append("z takes separate values:\nheights are probabilities")
        height_is = "probability"
    else:
        ax.stairs(density.sampled, density.edges, fill=True, color=_SAMPLED, alpha=0.6)
        top = float(density.sampled.max())
    if density.z is not None and density.predicted is not None:
        ax.plot(density.z, density.predicted, color="black", linewidth=1.6)
        top = max(top, float(density.predicted.max()))
    for start, end in ((low, -sample.saturation), (sample.saturation, high)):
        if start < end:
            ax.axvspan(max(start, low), min(end, high), **SHADE)
    ax.set_xlim(low, high)
    ax.set_ylim(0.0, 1.15 * top if top > 0.0 else 1.0)
    lost = sample.result.networks - sample.finite
    notes += [f"{lost:,} not finite"] if lost else []
    ax.text(0.99, 0.98, "\n".join(notes), transform=ax.transAxes, ha="right", va="top", fontsize=size)
    _mark_atom(ax, density, size)
    return height_is


def _mark_atom(ax: Axes, density: Density, size: float) -> None:
    """A probability that stands at zero has no density: an arrow, with its size in words."""
    if density.values is not None or not (density.atom or density.predicted_atom > 0.0):
        return
    top = 0.96 * ax.get_ylim()[1]
    ax.plot([0.0, 0.0], [0.0, top], color="#D55E00", linewidth=2.0, marker="^", markevery=[1], markersize=7.0)
    text = f"P(z = 0)\nsampled {density.atom:.4g}"
    text += "" if math.isnan(density.predicted_atom) else f"\npredicted {density.predicted_atom:.4g}"
    ax.text(0.01, 0.98, text, transform=ax.transAxes, ha="left", va="top", fontsize=size)


def draw_quantiles(found: Sequence[Sample], alpha: float, ax: Axes) -> None:
    """Deviation of standardised z from the normal quantile of its rank, with the band for all points at once."""
    ax.set_xlabel(r"standardised z: $\Phi^{-1}(F(z))$, F the predicted law")
    ax.set_ylabel("standardised z − normal quantile of its rank")
    scores = scores_of(found[:MOST_ENSEMBLES], alpha)
    if not scores:
        known = any(sample.law for sample in found)
        _say(ax, "no quantiles:\n" + ("too few networks for a band" if known else _UNKNOWN))
        return
    unit = min(float((score.high - score.low).min()) for score in scores) / 2.0
    sizes = np.abs(np.concatenate([np.concatenate([s.low, s.high, s.deviation]) for s in scores]))
    top = 1.5 * float(sizes[np.isfinite(sizes)].max())
    ax.set_yscale("asinh", linear_width=unit, base=10, subs=())
    ax.set_ylim(-top, top)
    z = np.concatenate([score.standardised for score in scores])
    low, high = (np.clip(np.concatenate([getattr(score, end) for score in scores]), -top, top) for end in ("low", "high"))
    order = np.argsort(z)
    ax.fill_between(z[order], low[order], high[order], label=f"{_level(alpha)} band for all points at once", **SHADE)
    ax.axhline(0.0, color="black", linewidth=1.0)
    for i, sample in enumerate(found):
        for score in (score for score in scores if score.sample is sample):
            at = int(np.searchsorted(score.standardised, 0.0)) if sample.law and sample.law.atom else 0
            y = np.clip(score.deviation, -0.95 * top, 0.95 * top)
            x, y = (np.insert(values, at, np.nan) for values in (score.standardised, y))  # a line that stops at an atom
            name = _name(sample, scores) + ("" if score.inside else " (leaves the band)")
            ax.plot(x, y, color=COLOURS[i], linestyle=DASHES[i], marker=MARKERS[i], markersize=4.0, linewidth=0.9, label=name)
    sizes = np.multiply.outer(10.0 ** np.arange(math.floor(math.log10(unit)), math.log10(top)), [1.0, 3.0]).ravel()
    sizes = sizes[(sizes > 0.4 * unit) & (sizes < top)]
    ax.set_yticks([*-sizes[::-1], 0.0, *sizes], [*(f"−{size:g}" for size in sizes[::-1]), "0", *(f"{size:g}" for size in sizes)])
    _legend(ax, found, [score.sample for score in scores], [])


def draw_tails(found: Sequence[Sample], alpha: float, ax: Axes) -> None:
    """P(|z| > t) on logarithmic axes, with intervals that hold for all points at once."""
    ax.set_xlabel("threshold t")
    ax.set_ylabel("P(|z| > t)")
    tails = [tail for tail in tails_of(found[:MOST_ENSEMBLES], alpha) if tail.t.size]
    if not tails:
        _say(ax, "no tails: too few networks\nwith a finite z")
        return
    bottom = 0.3 / max(tail.sample.finite for tail in tails)
    low, high = min(float(tail.t[0]) for tail in tails) / 1.3, max(float(tail.t[-1]) for tail in tails) * 1.3
    low = min(low, high / 5.0)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(low, high)
    ax.set_ylim(bottom, 1.5)
    _plain_ticks(ax, high / low)
    for i, sample in enumerate(found):
        for tail in (tail for tail in tails if tail.sample is sample):
            style: dict[str, Any] = {"color": COLOURS[i], "linestyle": "none", "linewidth": 1.2}
            if tail.z is not None and tail.predicted is not None:
                style["linestyle"] = DASHES[i]
                ax.plot(tail.z, tail.predicted, **style)
            ax.vlines(tail.t, np.maximum(tail.low, bottom), tail.high, color=COLOURS[i], linewidth=1.0)
            share, seen = tail.count / sample.finite, tail.count > 0
            points: dict[str, Any] = {"color": COLOURS[i], "linestyle": "none"}
            ax.plot(tail.t[seen], share[seen], marker=MARKERS[i], markersize=4.0, **points)
            ax.plot(tail.t[~seen], tail.high[~seen], marker=_CARET_DOWN, markersize=6.0, **points)
            ax.plot([], [], marker=MARKERS[i], markersize=4.0, label=_name(sample, tails), **style)
    starts = {sample.saturation for sample in found}
    if len(starts) == 1 and (start := starts.pop()) < high:
        ax.axvspan(max(start, low), high, label="saturated", **SHADE)
    predicted = ", lines: predicted" if any(tail.z is not None for tail in tails) else ""
    heads = [f"points: sampled{predicted},\nbars: {_level(alpha)} interval for all at once"]
    _legend(ax, found, [tail.sample for tail in tails], heads)


def _plain_ticks(ax: Axes, ratio: float) -> None:
    """Ticks of a logarithmic axis in plain numbers, as many as have room."""
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.xaxis.set_major_locator(LogLocator(10.0, subs=(1.0, 2.0, 5.0) if ratio < 50.0 else (1.0,)))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())


def _level(alpha: float) -> str:
    return f"{100.0 * (1.0 - alpha):.6g} %"


def _say(ax: Axes, text: str) -> None:
    """Words instead of a plot."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center")


def _name(sample: Sample, shown: Sequence[Any]) -> str:
    return short(sample.label, {1: 48, 2: 26}.get(len(shown), 18))


def _legend(ax: Axes, found: Sequence[Sample], shown: Sequence[Sample], lines: list[str]) -> None:
    """A legend below the panel that also says which ensembles are left out, and why."""
    missing = [sample for sample in found[:MOST_ENSEMBLES] if sample not in shown]
    few, unknown = ([s.label for s in missing if (s.law is None and s.finite > 0) is known] for known in (False, True))
    for why, labels in (("not predicted", unknown), ("too few finite networks", few)):
        lines = lines + ([plain(f"{why}: {', '.join(labels)}", 56)] if labels else [])
    lines += [f"{MOST_ENSEMBLES} of {len(found)} ensembles"] if len(found) > MOST_ENSEMBLES else []
    legend_below(ax, 0.52, title="\n".join(lines) or None, ncols=1 if len(shown) == 1 else 2)
