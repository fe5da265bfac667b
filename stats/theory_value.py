"""A predicted number that says what it is: exact, a limit, or a leading order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from fanin.engine.errors import SpecificationError
from fanin.stats.quadrature import BOUND

MAX_WIDTH = 10**9

EXACT, LIMIT, LEADING = "exact", "limit", "leading order"


@dataclass(frozen=True)
class Predicted:
    """A prediction for a network.

    value : the number. label : "exact" at every width; "limit", exact where all widths are infinite; or "leading order".
    next_term : the order of what is neglected, such as "1/n" in the smallest width n; empty for an exact value. error : absolute
    numerical error of the value. error_kind : "bound" or "estimate". source : where the formula stands.
    """

    value: float
    label: str
    next_term: str
    error: float
    error_kind: str = BOUND
    source: str = ""

    def to_dict(self) -> dict[str, float | str | None]:
        """Plain values; a number that is not finite becomes None."""
        numbers = {"value": self.value, "error": self.error}
        words = {"label": self.label, "next_term": self.next_term, "error_kind": self.error_kind, "source": self.source}
        return {name: value if math.isfinite(value) else None for name, value in numbers.items()} | words


def checked_real(name: str, value: float, low: float = -math.inf, high: float = math.inf, *, above: bool = False) -> float:
    """A finite number in [low, high], or above low; refused with one sentence otherwise."""
    words = f"above {low:g}" if above else f"at least {low:g}"
    if math.isfinite(high):
        words = f"{words} and at most {high:g}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise SpecificationError(f"{name} is {value!r}; it must be a number {words}")
    number = float(value)
    if not math.isfinite(number) or number < low or number > high or (above and number == low):
        raise SpecificationError(f"{name} is {value}; it must be a finite number {words}")
    return number


def checked_whole(name: str, value: int, low: int, high: int) -> int:
    """A whole number from low to high; refused with one sentence otherwise."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or int(value) != value:
        raise SpecificationError(f"{name} is {value!r}; it must be a whole number from {low} to {high}")
    if not low <= value <= high:
        raise SpecificationError(f"{name} is {int(value)}; it must be a whole number from {low} to {high}")
    return int(value)


def checked_widths(hidden: Sequence[int], exactly: int | None = None) -> list[int]:
    """Widths of hidden layers, each from 1 to 1e9; as many as `exactly` says."""
    if isinstance(hidden, str) or not isinstance(hidden, Sequence):
        raise SpecificationError(f"hidden is {hidden!r}; it must list the widths of the hidden layers, such as [100, 100]")
    if exactly is not None and len(hidden) != exactly:
        raise SpecificationError(f"hidden has {len(hidden)} widths; this law is for exactly {exactly}")
    return [checked_whole("width", width, 1, MAX_WIDTH) for width in hidden]


def per_layer(name: str, given: Any, count: int) -> list[Any]:
    """One value for each of `count` layers, from one value for all or a sequence of them."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        return [given] * count
    if len(given) != count:
        raise SpecificationError(f"{name} has {len(given)} values for {count} layers; give one for each layer, or one for all")
    return list(given)


def checked_squares(name: str, given: Any, count: int, high: float) -> list[float]:
    """Squares of standard deviations from 0 to high, one for each of `count` layers."""
    return [checked_real(name, one, 0.0, high) ** 2 for one in per_layer(name, given, count)]
