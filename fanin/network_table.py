"""A network as a person reads it: one row per layer, at most twelve, and every claim that is not as expected.

The columns are those of what was recorded. Of gradients both are shown, the typical neuron and the root mean square: they can tell
opposite stories.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fanin.claim_table import NARROW, STYLES, claim_table
from fanin.engine.spec import Ensemble
from fanin.layer_profile import LARGEST, SMALLEST, Profile
from fanin.network_story import percent
from fanin.stats.verdict import ASSUMED, UNDECIDED, Verdict
from fanin.wide_claims import wide_claims

ROWS = 12
_ENDS = 3
_LISTED = 30
_CROWDED = 5

LEGEND = {
    "saturated": "saturated: neurons with phi within 1 % of an end of its range",
    "dead": "dead: networks in which phi is 0 in all neurons of the layer",
    "typical q": "q: mean square of phi over a layer; typical q: its geometric mean over networks",
    "median phi'": "median phi': of the typical neuron",
    "median |delta|": "delta = dC/dz: median of |delta| (the typical neuron) and root mean square",
    "typical delta": "delta = dC/dz: root mean square over a layer, its geometric mean (the typical network) and over all networks",
    "corr": "corr: correlation of z of the first two inputs",
}


def described(ensemble: Ensemble) -> str:
    """Widths, schemes, activations, inputs and cost in one line.

    >>> described(Ensemble((1000,) * 11 + (1,), "scaled", cost="quadratic"))
    '1000 x 11, 1 neurons, scaled, sigmoid, inputs on:500, cost quadratic with random targets'
    """
    several = isinstance(ensemble.inputs.given_points, int) and ensemble.inputs.given_points > 1
    points = f" ({ensemble.points} through each network)" if ensemble.points > 1 and not several else ""
    cost = "" if ensemble.cost == "none" else f", cost {ensemble.cost}"
    if ensemble.cost not in ("none", "linear"):
        cost += f" with {ensemble.targets if isinstance(ensemble.targets, str) else 'given'} targets"
    layers = f"{in_runs(ensemble.schemes)}, {in_runs(ensemble.activations)}"
    return f"{short_widths(ensemble.widths)} neurons, {layers}, inputs {ensemble.inputs}{points}{cost}"


def short_widths(widths: Sequence[int]) -> str:
    """Widths with repetitions counted.

    >>> short_widths((784, 256, 10)), short_widths((1000,) * 10 + (1,))
    ('784-256-10', '1000 x 10, 1')
    """
    runs = [(width, len(list(run))) for width, run in groupby(widths)]
    if all(length < 3 for _, length in runs):
        return _few([str(width) for width in widths], "-")
    return _few([f"{width} x {length}" if length > 1 else str(width) for width, length in runs], ", ")


def in_runs(values: Sequence[object]) -> str:
    """Values of layers with repetitions counted; one value where all are the same."""
    runs = [(value, len(list(run))) for value, run in groupby(map(str, values))]
    if len(runs) == 1:
        return runs[0][0]
    return _few([f"{value} x {length}" if length > 1 else value for value, length in runs], "; ")


def _few(parts: list[str], separator: str) -> str:
    return separator.join(parts if len(parts) <= 8 else [*parts[:4], "...", *parts[-2:]])


def shown_layers(recorded: Sequence[int], every: bool = False) -> list[int]:
    """All layers up to twelve; else the first three, evenly spaced ones and the last three.

    >>> shown_layers(range(1, 101))
    [1, 2, 3, 17, 30, 44, 57, 71, 84, 98, 99, 100]
    """
    if every or len(recorded) <= ROWS:
        return list(recorded)
    inner = np.linspace(_ENDS - 1, len(recorded) - _ENDS, ROWS - 2 * _ENDS + 2)[1:-1]
    at = [*range(_ENDS), *(round(place) for place in inner), *range(len(recorded) - _ENDS, len(recorded))]
    return [recorded[place] for place in at]


def layer_table(profile: Profile, verdicts: list[Verdict], width: int, every: bool = False) -> Table:
    """One row per layer: what was recorded and how its claims stand."""
    recorded = [int(layer) for layer in profile.layers]
    shown = shown_layers(recorded, every)
    narrow = width < NARROW
    columns = _columns(profile, narrow)
    gap = 2 if not narrow and len(columns) < _CROWDED else 1
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for name in ("layer", *columns):
        table.add_column(name, justify="right", no_wrap=True, overflow="crop")
    if verdicts:
        table.add_column("claims", overflow="fold")
    for layer in shown:
        at = recorded.index(layer)
        claims = [tally([v for v in verdicts if v.claim.layer == layer], narrow)] if verdicts else []
        table.add_row(str(layer), *(cell(at) for cell in columns.values()), *claims)
    if verdicts and len(shown) < len(recorded):
        table.add_row("all", *("" for _ in columns), tally(verdicts, narrow))
    return table


def _columns(profile: Profile, narrow: bool) -> dict[str, Callable[[int], str]]:
    """Cells by column name, for the place of a layer among the recorded ones."""
    digits = 3 if narrow else 4
    columns: dict[str, Callable[[int], str]] = {"Var z": _plain(profile.values["z.variance"], digits)}
    if profile.bounded.any():
        columns["sat." if narrow else "saturated"] = _share(profile.values["phi.saturated"], profile.bounded)
    if profile.rectified.any():
        columns["dead"] = _share(profile.values["share.dead"], profile.rectified)
    if profile.has_backward:
        if profile.by_network:
            columns["typ. delta" if narrow else "typical delta"] = _power(profile.log_typical, profile)
        else:
            columns["median" if narrow else "median |delta|"] = _power(profile.log_median, profile)
        columns["rms delta"] = _power(profile.log_rms, profile, marked=True)
    elif np.isfinite(profile.values["slope.median"]).any():
        columns["median phi'"] = _plain(profile.values["slope.median"], 3)
    else:
        columns["mean q"] = _plain(profile.values["q"], digits)
        columns["typical q"] = _plain(np.exp(np.minimum(profile.values["q.lognorm.mean"], 700.0)), digits)
        if not narrow:
            columns["kurtosis z"] = _plain(profile.values["z.kurtosis"], digits)
    if np.isfinite(profile.values["correlation"]).any():
        columns["corr"] = _plain(profile.values["correlation"], 3)
    return columns


def _plain(values: np.ndarray, digits: int) -> Callable[[int], str]:
    return lambda at: f"{values[at]:.{digits}g}" if math.isfinite(values[at]) else "?"


def _power(logs: np.ndarray, profile: Profile, marked: bool = False) -> Callable[[int], str]:
    """10 to a power that float64 may not reach. marked : a "~" where it is of a geometric mean."""

    def cell(at: int) -> str:
        log = float(logs[at])
        if math.isnan(log):
            return "?"
        if math.isinf(log):
            if marked:
                return "0" if log < 0.0 else "?"
            return f"<{SMALLEST:.0e}" if log < 0.0 else f">{LARGEST:.0e}"
        text = f"{10.0**log:.3g}" if abs(log) < 300.0 else f"1e{log:+.0f}"
        return f"~{text}" if marked and profile.out_of_range[at] else text

    return cell


def _share(values: np.ndarray, meant: np.ndarray) -> Callable[[int], str]:
    def cell(at: int) -> str:
        if not meant[at]:
            return ""
        value = float(values[at])
        return "?" if math.isnan(value) else f"{100.0 * value:.0e} %" if 0.0 < value < 1e-6 else percent(value)

    return cell


def tally(verdicts: list[Verdict], narrow: bool = False) -> Text:
    """How claims stand, what is not as expected first and in capitals.

    A verdict that is as expected counts as "ok"; "?" are undecided. narrow : those that are assumed are left out beside others.
    """
    parts = []
    for verdict in dict.fromkeys(v.verdict for v in verdicts if v.verdict != UNDECIDED and not v.as_expected):
        count = sum(v.verdict == verdict and not v.as_expected for v in verdicts)
        parts.append((f"{count} {verdict.upper()}", f"bold reverse {STYLES.get(verdict, 'red')}"))
    assumed = sum(v.verdict == ASSUMED for v in verdicts)
    undecided = sum(v.verdict == UNDECIDED for v in verdicts)
    ok = sum(v.as_expected for v in verdicts) - assumed
    parts += [(f"{ok} ok", "green")] if ok else []
    parts += [(f"{undecided} ?", "yellow")] if undecided else []
    parts += [(f"{assumed} assumed", "dim")] if assumed and not (narrow and parts) else []
    line = Text()
    for at, (text, style) in enumerate(parts):
        line.append(" " if at else "")
        line.append(text, style=style)
    return line


def print_network(label: str, profile: Profile, method: str, verdicts: list[Verdict], console: Console, every: bool) -> None:
    """Heading, layers, and claims: those not as expected, or all of every layer."""
    heading = described(profile.ensemble) + (f", {method} sampler" if method else "")
    console.print(Text(label, style="bold") + Text(f"  {heading}", style="dim"))
    for line in losses(profile):
        console.print(Text(line, style="red"))
    console.print(layer_table(profile, verdicts, console.width, every))
    for line in wide_claims(verdicts):
        console.print(Text(line, style="yellow"))
    for line in small_changes(verdicts):
        console.print(Text(line))
    if every:
        for layer in profile.layers:
            if found := [v for v in verdicts if v.claim.layer == layer]:
                console.print(Text(f"\n{label}, layer {layer}", style="bold"))
                console.print(claim_table(found, console, tolerances=True))
        return
    wrong = [v for v in verdicts if v.verdict != UNDECIDED and not v.as_expected]
    if wrong:
        console.print(Text(f"\n{label}: not as expected", style="bold red"))
        console.print(claim_table(wrong[:_LISTED], console, layers=True, tolerances=True))
        if len(wrong) > _LISTED:
            console.print(Text(f"and {len(wrong) - _LISTED} more; --layers shows all", style="red"))


def small_changes(verdicts: list[Verdict]) -> list[str]:
    """What a small change of one first-layer weight does to its neuron's activation and to the cost, typical and mean square."""
    found: dict[str, dict[str, float]] = {}
    for verdict in verdicts:
        base, bracket, size = verdict.claim.quantity.partition("[")
        if base.startswith("change.") and bracket and not verdict.claim.against:
            found.setdefault(size.rstrip("]"), {})[base.removeprefix("change.")] = verdict.interval.estimate
    lines = []
    for size, values in found.items():
        parts = [_change(what, values) for what in ("activation", "cost")]
        moved = " and ".join(part for part in parts if part)
        lines.append(f"to first order, a change of {size} in a weight of layer 1 moves {moved}")
    return lines


def _change(what: str, values: dict[str, float]) -> str:
    shown = {"median": "{:.2g} (median)", "meansquare": "{:.2g} (root mean square)"}
    sizes = [form.format(values[f"{what}.{how}"]) for how, form in shown.items() if f"{what}.{how}" in values]
    name = {"activation": "its neuron's activation", "cost": "the cost"}[what]
    return f"{name} by {', '.join(sizes)}" if sizes else ""


def losses(profile: Profile) -> list[str]:
    """What enters no estimate: networks that are not finite, or whose z or delta are out of range."""
    lines = []
    lost = profile.counts["nonfinite"]
    if lost.any():
        first = int(profile.layers[np.flatnonzero(lost)[0]])
        at = lost[np.flatnonzero(lost)[0]]
        ends = f"layer {first} on" + (f", {lost[-1]:,} in the last layer" if lost[-1] > at else "")
        lines.append(f"{at:,} of {profile.networks:,} networks are not finite from {ends} and enter no estimate there")
    faint = profile.counts["underflow"]
    if faint.any():
        first = int(np.flatnonzero(faint)[0])
        lines.append(
            f"{faint[first]:,} of {profile.networks:,} networks have a z too small for float32 from layer {profile.layers[first]} "
            "on: nothing is said of it there"
        )
    extreme = int(profile.counts["extreme"].max())
    if extreme:
        lines.append(f"in {extreme:,} of {profile.networks:,} networks |delta| is beyond 2**+-240: only logarithms are kept")
    return lines


def legend(profiles: list[Profile], verdicts: list[Verdict]) -> list[str]:
    """What the columns mean, for those that are shown."""
    shown = {name for profile in profiles for name in _columns(profile, narrow=False)}
    lines = [f"{text}." for name, text in LEGEND.items() if name in shown]
    if any(profile.has_backward and profile.out_of_range.any() for profile in profiles):
        lines.append("~: geometric mean over networks, where |delta| is out of the range of sums.")
    if any(v.verdict == ASSUMED for v in verdicts):
        lines.append("assumed: true by the construction of the conditional sampler, so that it cannot test it.")
    return lines
