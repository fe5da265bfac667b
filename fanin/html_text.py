"""Numbers, verdicts and labels as pieces of HTML. A verdict shows as a sign, a word and a colour."""

from __future__ import annotations

import math
from html import escape

from fanin.stats.verdict import ASSUMED, CONFIRMED, REFUTED, UNDECIDED

_SIGNS = {CONFIRMED: "✓", REFUTED: "✗", UNDECIDED: "?", ASSUMED: "="}


def word(verdict: str, said: str, as_expected: bool) -> str:
    """Sign, word and colour of a verdict; one that is as it should be has the colour of what is confirmed."""
    style = CONFIRMED if as_expected and verdict != ASSUMED else verdict
    marked = "" if as_expected or verdict == UNDECIDED else " otherwise"
    return f'<span class="{style}{marked}">{_SIGNS[verdict]} {escape(said)}</span>'


def number(value: float, digits: int = 6) -> str:
    """A number with powers of ten as people write them."""
    if not math.isfinite(value):
        return "?" if math.isnan(value) else ("∞" if value > 0.0 else "−∞")
    mantissa, _, exponent = f"{value:.{digits}g}".replace("-", "−", 1 if value < 0.0 else 0).partition("e")
    return mantissa if not exponent else f"{mantissa}·10<sup>{str(int(exponent)).replace('-', '−')}</sup>"


def short(label: str) -> str:
    """A label in at most 20 characters."""
    return label if len(label) <= 20 else f"{label[:19]}…"
