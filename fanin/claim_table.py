"""Claims as rows: predicted value, its tolerance, estimate, half-width of the interval, verdict; and what decides the undecided."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fanin.stats.verdict import CONFIRMED, REFUTED, UNDECIDED, Verdict

NARROW = 76
"""Below this width a table leaves out what can be spared."""

SLIM = 56
"""Below this width a table says the quantity and the verdict only."""

_ROOMY = 80
"""From this width on a table has room for tolerances."""

_INTERVAL = ("± interval", "+- interval")

ASYMPTOTIC = "~"
"""Marks a verdict of a watched run that rests on an asymptotic sequence."""

STYLES = {CONFIRMED: "green", REFUTED: "red", UNDECIDED: "yellow"}


def fits(console: Console, text: str) -> bool:
    """Whether the encoding of the output has all characters of a text."""
    try:
        text.encode(console.encoding)
    except UnicodeEncodeError:
        return False
    return True


def claim_table(verdicts: list[Verdict], console: Console, layers: bool = False, tolerances: bool = False) -> Table:
    """Rows of one ensemble. Claims of independence share a row unless they are refuted.

    layers : each row names its layer. tolerances : each row shows its tolerance, where the width allows it.
    """
    unicode = fits(console, "±σ")
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    if layers:
        table.add_column("layer", justify="right", no_wrap=True)
    tolerances = tolerances and console.width >= _ROOMY
    wraps = layers or tolerances
    table.add_column("quantity", no_wrap=not wraps, overflow="fold", min_width=20 if wraps else 26)
    columns = ["predicted", *(["tolerance"] if tolerances else []), "estimate", _INTERVAL[0] if unicode else _INTERVAL[1]]
    if console.width < NARROW:
        columns.pop()
    if console.width < SLIM:
        columns = []
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", min_width=9 if tolerances else None)
    for verdict in verdicts:
        if layers or not _folds(verdict):
            name, numbers, word = _row(verdict)
            table.add_row(*([str(verdict.claim.layer)] if layers else []), name, *(numbers[column] for column in columns), word)
    for kind in () if layers else (CONFIRMED, UNDECIDED):
        folded = [v for v in verdicts if _folds(v) and v.verdict == kind]
        if folded:
            claims = f"independence, {len(folded)} claim{'s' if len(folded) > 1 else ''}"
            table.add_row(claims, *("" for _ in columns), Text(kind, style=STYLES[kind]))
    return table


def _folds(verdict: Verdict) -> bool:
    """Whether a claim shares a row with its like: independence, unless it is refuted."""
    return verdict.claim.quantity.startswith("independence.") and verdict.verdict in (CONFIRMED, UNDECIDED)


def _row(verdict: Verdict) -> tuple[str, dict[str, str], Text]:
    """Name, numbers by column, and verdict."""
    claim, interval = verdict.claim, verdict.interval
    half = max(interval.high - interval.estimate, interval.estimate - interval.low)
    word = Text(verdict.verdict, style=STYLES.get(verdict.verdict, "dim"))
    if not verdict.as_expected:
        word.stylize("bold reverse")
    elif verdict.verdict == REFUTED:
        word = Text("refuted (expected)", style=STYLES[CONFIRMED])
    if is_asymptotic(verdict):
        word.append(f" {ASYMPTOTIC}")
    own = claim.id.removeprefix(f"{claim.ensemble}/{claim.layer}/{claim.quantity}").lstrip("/")
    name = f"{claim.quantity} ({own})" if own else claim.quantity
    numbers = {"predicted": number(claim.predicted), "tolerance": number(claim.tolerance, 2)}
    return name, numbers | {"estimate": number(interval.estimate)} | dict.fromkeys(_INTERVAL, number(half, 2)), word


def is_asymptotic(verdict: Verdict) -> bool:
    """Whether a claim of a watched run was decided by an asymptotic sequence."""
    return verdict.watched and verdict.verdict in (CONFIRMED, REFUTED) and verdict.interval.coverage == "asymptotic"


def number(value: float, digits: int = 6) -> str:
    """A number in at most 10 characters."""
    if not math.isfinite(value):
        return "?" if math.isnan(value) else "inf"
    text = f"{value:.{digits}g}"
    return text if len(text) <= 10 else f"{value:.{max(digits - 2, 2)}g}"


def what_decides(verdicts: list[Verdict]) -> list[str]:
    """What would decide each of the undecided claims."""
    lines = []
    for verdict in verdicts:
        if verdict.verdict != UNDECIDED:
            continue
        claim = verdict.claim
        if verdict.networks_needed is None:
            lines.append(f"{claim.id}: no number of networks seems to decide it")
        else:
            lines.append(f"{claim.id}: at least about {verdict.networks_needed:.2g} networks per ensemble would decide it")
    return lines
