"""A run until decided as it is watched: how many claims are decided, and the intervals of those that are not closing in."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from fanin.claim_table import fits
from fanin.output import print_aside
from fanin.report import Report
from fanin.stats.verdict import ASSUMED, REFUTED, UNDECIDED, Verdict

_ROWS = 12
_HALF = 12  # columns from the middle of a sketch to the ends of the tolerance, where there is room
_SHORT = 6
_NARROW = 60


@contextmanager
def watching(console: Console, quiet: bool) -> Iterator[Any]:
    """A function that shows a report: on a terminal in place, elsewhere a line for each look; quiet, not at all."""
    start = time.perf_counter()
    if quiet:
        yield lambda _report: None
    elif not console.is_terminal:
        yield lambda report: print_aside(look_line(report, time.perf_counter() - start), console.file)
    else:
        with Live(console=console, transient=True, auto_refresh=False) as live:
            yield lambda report: live.update(look_view(report, console, time.perf_counter() - start), refresh=True)


def look_line(report: Report, seconds: float) -> str:
    """How far a run is."""
    networks = next(iter(report.results.values())).networks
    return f"{networks:,} networks per ensemble: {decided_words(report)}, {seconds:.1f} s"


def decided_words(report: Report) -> str:
    """How many claims are decided, and refuted."""
    judged = [verdict for verdict in report.verdicts if verdict.verdict != ASSUMED]
    decided, refuted = (sum(test(verdict) for verdict in judged) for test in (_is_decided, _is_refuted))
    return f"{decided} of {len(judged)} claims decided{f', {refuted} refuted' if refuted else ''}"


def look_view(report: Report, console: Console, seconds: float) -> Group:
    """The line, and sketches of undecided claims: where there are many, evenly from the widest interval to the narrowest."""
    open_claims = sorted((v for v in report.verdicts if v.verdict == UNDECIDED), key=_width, reverse=True)
    shown = open_claims
    if len(open_claims) > _ROWS:
        shown = [open_claims[k * (len(open_claims) - 1) // (_ROWS - 1)] for k in range(_ROWS)]
    rows = [Text(look_line(report, seconds), style="bold")]
    half = _HALF if console.width >= _NARROW else _SHORT
    room = max(console.width - 3 * half - 3, 12)
    unicode = fits(console, "─●")
    for verdict in shown:
        name = verdict.claim.id
        name = name if len(name) <= room else f"...{name[-room + 3 :]}"
        rows.append(Text(f"{name:<{room}} {interval_sketch(verdict, unicode, half)}", no_wrap=True))
    if len(open_claims) > _ROWS:
        rows.append(Text(f"and {len(open_claims) - _ROWS} more"))
    return Group(*rows)


def interval_sketch(verdict: Verdict, unicode: bool = True, half: int = _HALF) -> str:
    """An interval against its tolerance, which lies between the brackets.

    half : columns from the middle to a bracket; half as many lie beyond.

    >>> from fanin.stats.evidence_kinds import Studentised
    >>> from fanin.stats.verdict import Claim, judge
    >>> claim = Claim("a", "standard", 1, "z.mean", predicted=0.0, tolerance=1.0, source="")
    >>> interval_sketch(judge(claim, Studentised("mean", 0.5, 0.3, 10**6), 10**6, 0.01), unicode=False)
    '      [        ---------o-----+---   '
    """
    line, dot = ("─", "●") if unicode else ("-", "o")
    claim, interval = verdict.claim, verdict.interval
    margin = half // 2
    last = 2 * (half + margin)

    def column(value: float) -> int:
        if math.isnan(value):
            return last // 2
        scaled = (value - claim.predicted) / claim.tolerance * half + half + margin if claim.tolerance else math.inf
        return round(min(max(scaled, 0.0), float(last)))

    cells = [" "] * (last + 1)
    low, high = column(interval.low), column(interval.high)
    cells[low : high + 1] = line * (high - low + 1)
    cells[margin] = "[" if cells[margin] == " " else "+"
    cells[margin + 2 * half] = "]" if cells[margin + 2 * half] == " " else "+"
    cells[column(interval.estimate)] = dot
    return "".join(cells)


def _width(verdict: Verdict) -> float:
    """Of an interval, in tolerances."""
    width = verdict.interval.high - verdict.interval.low
    return width / verdict.claim.tolerance if verdict.claim.tolerance and not math.isnan(width) else math.inf


def _is_decided(verdict: Verdict) -> bool:
    return verdict.verdict != UNDECIDED


def _is_refuted(verdict: Verdict) -> bool:
    return verdict.verdict == REFUTED
