"""A report as a person reads it: a density sketch, a table of 80 columns, and one line in plain words."""

from __future__ import annotations

import io
import math

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fanin.engine.schemes import Law
from fanin.engine.spec import Ensemble
from fanin.report import Report
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.binned import ascending_bins
from fanin.stats.verdict import CONFIRMED, REFUTED, UNDECIDED, Verdict

WIDTH = 80
_NARROW = 76
_STYLES = {CONFIRMED: "green", REFUTED: "red", UNDECIDED: "yellow"}
_BLOCKS, _ASCII_BLOCKS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
_SKETCH = 61


def plain_text(report: Report) -> str:
    """The report without colour, 80 columns wide."""
    buffer = io.StringIO()
    print_report(report, Console(file=buffer, width=WIDTH, color_system=None, legacy_windows=False, force_jupyter=False))
    return buffer.getvalue().rstrip("\n")


def print_report(report: Report, console: Console) -> None:
    """Print sketch, table and summary."""
    first = next(iter(report.results.values()))
    title = f"{report.study.name}: {report.study.purpose}" if report.study.purpose else report.study.name
    console.print(Text(title, style="bold"))
    sampled = f"{first.networks:,} networks per ensemble, {first.method} sampler, seed {first.seed}, {report.seconds:.1f} s"
    console.print(Text(sampled, style="dim"))
    console.print()
    for line in _sketch(report, _fits(console, _BLOCKS), min(WIDTH, console.width)):
        console.print(line, no_wrap=True, crop=False)
    for label, result in report.results.items():
        console.print()
        console.print(Text(label, style="bold") + Text(f"  {_described(result.ensemble)}", style="dim"))
        nonfinite = result.layers[1].counts["nonfinite"]
        if nonfinite:
            console.print(Text(f"{nonfinite:,} of {result.networks:,} networks are not finite and enter no estimate", style="red"))
        console.print(_table([v for v in report.verdicts if v.claim.ensemble == label], console))
    for line in parts_of_variance(report.verdicts):
        console.print(Text(line, style="dim"))
    console.print()
    for line in _undecided(report.verdicts):
        console.print(Text(line, style="yellow"))
    console.print(Text(_count_line(report)))
    console.print(Text(meaning(report), style="bold"))


def _fits(console: Console, text: str) -> bool:
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _described(ensemble: Ensemble) -> str:
    scheme, inputs = ensemble.scheme, ensemble.inputs
    weights = _law(scheme.weights, ensemble.weight_variance, ensemble.weight_mean)
    return f"weights {weights}, bias {_law(scheme.bias, ensemble.bias_variance, ensemble.bias_mean)}, inputs {inputs}"


def _law(law: Law | None, variance: float, mean: float) -> str:
    if law is None or (variance == 0.0 and mean == 0.0):
        return "none"
    if law.family == "constant":
        return f"{mean:.4g}" if variance == 0.0 else str(law)
    if law.family == "normal" and not law.zero:
        return f"N(0, {variance:.4g})"
    kind = (
        law.own.name
        if law.own
        else {"student": f"Student({law.shape})", "truncated": f"normal cut at {law.shape}"}.get(law.family, law.family)
    )
    return f"{kind}{f' with {law.zero:.4g} zeros' if law.zero else ''} of variance {variance:.4g}"


def _table(verdicts: list[Verdict], console: Console) -> Table:
    """Rows of one ensemble. Claims of independence share a row unless they are refuted."""
    unicode = _fits(console, "±σ")
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("quantity", no_wrap=True, min_width=26)
    columns = ["predicted", "estimate", "± interval" if unicode else "+- interval"]
    if console.width < _NARROW:
        columns.pop()
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict")
    for verdict in verdicts:
        if not _folds(verdict):
            _add_row(table, *_row(verdict))
    for word in (CONFIRMED, UNDECIDED):
        folded = [v for v in verdicts if _folds(v) and v.verdict == word]
        if folded:
            claims = f"independence, {len(folded)} claim{'s' if len(folded) > 1 else ''}"
            _add_row(table, claims, "", "", "", Text(word, style=_STYLES[word]))
    return table


def _add_row(table: Table, *cells: str | Text) -> None:
    """Add a row; a narrow table has no column for the interval."""
    table.add_row(*(cells if len(table.columns) == len(cells) else (*cells[:-2], cells[-1])))


def _folds(verdict: Verdict) -> bool:
    """Whether a claim shares a row with its like: independence, unless it is refuted."""
    return verdict.claim.quantity.startswith("independence.") and verdict.verdict != REFUTED


def _row(verdict: Verdict) -> tuple[str | Text, ...]:
    claim, interval = verdict.claim, verdict.interval
    half = max(interval.high - interval.estimate, interval.estimate - interval.low)
    word = Text(verdict.verdict, style=_STYLES[verdict.verdict])
    if not verdict.as_expected:
        word.stylize("bold reverse")
    elif verdict.verdict == REFUTED:
        word = Text("refuted (expected)", style=_STYLES[CONFIRMED])
    own = claim.id.removeprefix(f"{claim.ensemble}/{claim.layer}/{claim.quantity}").lstrip("/")
    name = f"{claim.quantity} ({own})" if own else claim.quantity
    return name, _number(claim.predicted), _number(interval.estimate), _number(half, 2), word


def _number(value: float, digits: int = 6) -> str:
    """A number in at most 10 characters."""
    if not math.isfinite(value):
        return "?" if math.isnan(value) else "inf"
    text = f"{value:.{digits}g}"
    return text if len(text) <= 10 else f"{value:.{max(digits - 2, 2)}g}"


def _sketch(report: Report, unicode: bool, width: int) -> list[Text]:
    """The sampled density of z on one axis for all ensembles, above the range in which the neuron is not saturated."""
    blocks = _BLOCKS if unicode else _ASCII_BLOCKS
    deviations = [math.sqrt(max(report.results[label].estimates()["z.variance"], 0.0)) for label in report.results]
    end = 2.75 * max((d for d in deviations if math.isfinite(d)), default=1.0) or 1.0
    label_width = max(len(label) for label in [*report.results, "linear range"])
    cells = max(9, min(_SKETCH, width - label_width - 4))
    cells -= 1 - cells % 2
    lines = []
    for label, result in report.results.items():
        density = _density(result.layers[1], end, cells)
        heights = np.ceil(density / max(density.max(), 1e-300) * (len(blocks) - 1)).astype(int)
        lines.append(Text(f"{label:>{label_width}}  ") + Text("".join(blocks[h] for h in heights), style="cyan"))
    activation = next(iter(report.results.values())).ensemble.activation
    size = ACTIVATIONS[activation].level_size(0.01)
    reach = min(cells // 2, max(0, round(size / end * (cells / 2) - 0.5)))
    inner = "─" * (2 * reach - 1) if unicode else "-" * (2 * reach - 1)
    mark = ("├" + inner + "┤" if unicode else "[" + inner + "]") if reach else "|"
    lines.append(Text(f"{'linear range':>{label_width}}  ") + Text(mark.center(cells), style="magenta"))
    axis = f"{-end:<.3g}{'z = 0':^{cells - 2 * len(f'{-end:.3g}') + 1}}{end:>.3g}"
    lines.append(Text(f"{'':>{label_width}}  {axis}", style="dim"))
    return lines


def _density(layer, end: float, cells: int) -> np.ndarray:
    """Share of networks in equal cells of (-end, end), bins spread evenly over the cells they meet."""
    if layer.finite == 0:
        return np.zeros(cells)
    edges, counts = ascending_bins(layer)
    cumulative = np.concatenate([[0], np.cumsum(counts)]) / layer.finite
    return np.diff(np.interp(np.linspace(-end, end, cells + 1), edges, cumulative))


def parts_of_variance(verdicts: list[Verdict]) -> list[str]:
    """Which question each part of the variance answers."""
    if not any(v.claim.quantity.startswith("z.variance.given.") for v in verdicts):
        return []
    return [
        "z.variance.given.weights: how z varies over inputs in one network, on average;",
        "z.variance.given.input: how z varies over networks for one input, on average.",
    ]


def _undecided(verdicts: list[Verdict]) -> list[str]:
    """What would decide the undecided claims."""
    lines = []
    for verdict in verdicts:
        if verdict.verdict != UNDECIDED:
            continue
        claim = verdict.claim
        if verdict.needed is None:
            lines.append(f"{claim.id}: no number of networks seems to decide it")
        else:
            lines.append(f"{claim.id}: about {verdict.needed:.2g} networks per ensemble would decide it")
    return lines if len(lines) <= 8 else [*lines[:7], f"and {len(lines) - 7} more"]


def _count_line(report: Report) -> str:
    total, as_expected = len(report.verdicts), sum(v.as_expected for v in report.verdicts)
    risk = f"{report.alpha:g}"
    return f"{as_expected} of {total} claims as expected; the probability that any verdict is wrong is at most {risk}."


def meaning(report: Report) -> str:
    """One line in plain words on what the numbers mean for the neuron."""
    shares = {label: result.estimates()["phi.saturated"] for label, result in report.results.items()}
    if any(math.isnan(share) for share in shares.values()):
        return "No network gave a finite pre-activation."
    if "standard" in shares and "scaled" in shares:
        return f"{_percent(shares['standard'])} of these neurons start saturated; after scaling {_percent(shares['scaled'])}."
    (least, low), *_, (most, high) = 2 * sorted(shares.items(), key=lambda item: item[1])
    saturated = "start saturated (phi within 1 % of an end of its range)"
    if len(shares) == 1:
        return f"{'None' if low == 0.0 else _percent(low)} of these neurons {saturated}."
    least_share = "0 %" if low == 0.0 else _percent(low)
    return f"From {least_share} ({least}) to {_percent(high)} ({most}) of these neurons {saturated}."


def _percent(share: float) -> str:
    """Two significant digits, without an exponent."""
    value = 100.0 * share
    if value == 0.0:
        return "none"
    digits = max(0, 1 - math.floor(math.log10(value))) if value < 10.0 else 0
    return f"{value:.{digits}f} %"
