"""Whole figures: the panels of a report side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from fanin.layer_series import Series, networks_of, series_of
from fanin.plot import TITLES, panels
from fanin.plot.claim_rows import draw_claims, rows_of
from fanin.plot.layer_panel import LOGARITHMIC, draw_profile, key
from fanin.plot.sample import samples
from fanin.plot.verdict_map import draw_map, map_rows
from fanin.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANELS = 4


@dataclass(frozen=True)
class Panel:
    """One profile: what it shows, and of which quantities.

    rooted : those of which the square root is drawn. bounded : whether it is about activations of which both ends are finite (or
    not, or about all: None).
    """

    title: str
    axis: str
    quantities: tuple[str, ...]
    rooted: tuple[str, ...] = ()
    bounded: bool | None = None


PROFILES = (
    Panel("Variance of z", "variance of z", ("z.variance",)),
    Panel("Saturated neurons", "share of neurons", ("phi.saturated",), bounded=True),
    Panel(
        "Gradient: RMS (filled), median (open)",
        "|delta| = |dC/dz|",
        ("delta.meansquare", "delta.median"),
        ("delta.meansquare",),
    ),
    Panel("Correlation of two inputs", "correlation", ("correlation",)),
    Panel("Flat neurons: phi' < 0.01", "share of neurons", ("slope.below[0.01]",), bounded=False),
    Panel("Kurtosis of z", "kurtosis of z", ("z.kurtosis",)),
    Panel("Mean square of phi(z)", "q", ("q",)),
)
"""What is drawn of networks: the first ones that have something to show."""


def claims_title(report: Report) -> str:
    """How many claims are as expected."""
    return f"Claims: {sum(v.as_expected for v in report.verdicts)} of {len(report.verdicts)} as expected"


def draw_verdicts(report: Report, ax: Axes) -> None:
    """All claims: by interval, or on a map where there are networks."""
    if networks_of(report):
        draw_map(report, ax)
    else:
        draw_claims(report, ax)


def neuron_figure(report: Report, dpi: int) -> Figure:
    """Density, quantiles, tails and claims of single layers."""
    found = samples(report)
    rows = len({row.name for row in rows_of(report)})
    wide, high = 5.1 + 0.5 * max(len(found) - 6, 0), 10.5 if len(found) > 6 else 9.5
    drawn = Figure(figsize=(8.9 + wide, max(high, 2.5 + 0.2 * rows)), dpi=dpi, layout="constrained")
    halves = drawn.add_gridspec(1, 2, width_ratios=(8.9, wide))
    left, right = drawn.add_subfigure(halves[0]), drawn.add_subfigure(halves[1])
    grid = left.add_gridspec(2, 2, height_ratios=(1.25 if len(found) > 6 else 1.0, 1.25))
    panel = [left.add_subplot(place) for place in (grid[0, :], grid[1, 0], grid[1, 1])] + [right.add_subplot()]
    panels.draw_density(found, panel[0])
    panels.draw_quantiles(found, report.alpha, panel[1])
    panels.draw_tails(found, report.alpha, panel[2])
    draw_claims(report, panel[3])
    for ax, title in zip(panel, (*TITLES, claims_title(report)), strict=True):
        ax.set_title(title)
    drawn.suptitle(panels.sampled_line(report), fontsize=13.0)
    drawn.supxlabel(panels.sources(found), fontsize=9.0)
    return drawn


def network_figure(report: Report, dpi: int) -> Figure:
    """Profiles of up to four quantities of networks, and a map of all claims; single layers are on the map only."""
    results = networks_of(report)
    labels, shown = list(results), _chosen(report)
    rows = len(map_rows(report.verdicts))
    wide = 5.6 + 0.5 * max(len(report.results) - 6, 0)
    drawn = Figure(figsize=(9.4 + wide, max(9.0, 2.5 + 0.2 * rows)), dpi=dpi, layout="constrained")
    halves = drawn.add_gridspec(1, 2, width_ratios=(9.4, wide))
    left, right = drawn.add_subfigure(halves[0]), drawn.add_subfigure(halves[1])
    axes = left.subplots(max(-(-len(shown) // 2), 1), 2 if len(shown) > 1 else 1, squeeze=False).ravel()
    for ax, (panel, found) in zip(axes, shown, strict=False):
        rooted = [series.rooted() if series.quantity in panel.rooted else series for series in found]
        draw_profile(rooted, ax, panel.axis, panel.quantities[0].partition("[")[0] in LOGARITHMIC, labels)
        ax.set_title(panel.title)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    if not shown:
        axes[0].text(0.5, 0.5, "no network gave finite pre-activations", transform=axes[0].transAxes, ha="center", va="center")
    left.legend(
        loc="outside lower center",
        **key(axes[0], labels, report.alpha, [series for _, found in shown for series in found]),
    )
    last = right.subplots()
    draw_map(report, last)
    last.set_title(claims_title(report))
    drawn.suptitle(panels.sampled_line(report), fontsize=13.0)
    return drawn


def _chosen(report: Report) -> list[tuple[Panel, list[Series]]]:
    """The profiles that have something to show."""
    from fanin.layer_profile import profile_of

    results = networks_of(report)
    bounded = {label: bool(profile_of(result).bounded.any()) for label, result in results.items()}
    chosen = []
    for panel in PROFILES:
        of = {label: result for label, result in results.items() if panel.bounded in (None, bounded[label])}
        if len(chosen) < _PANELS and (found := series_of(of, panel.quantities, report.alpha, report.watched)):
            chosen.append((panel, found))
    return chosen
