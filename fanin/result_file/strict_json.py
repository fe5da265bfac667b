"""JSON that may come from anywhere: what is not plain, finite and of one meaning is refused in one sentence.

Guarantee: `parse` returns dicts, lists, text, bools, finite floats, None and integers of at most 64 bits, or raises a
SpecificationError. A key that stands twice, NaN, Infinity, text that a terminal would obey, half of a surrogate pair and deep
nesting are refused.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from fanin.engine.errors import SpecificationError

_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_DIGITS = 20  # of 2**64 - 1


def parse(data: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    >>> parse(b'{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpecificationError(f"it is not text in UTF-8: byte {error.start} is {data[error.start]:#04x}") from None
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_int=_whole, parse_float=_real, parse_constant=_constant, strict=True
        )
    except json.JSONDecodeError as error:
        raise SpecificationError(f"it is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise SpecificationError("it is nested too deeply") from None


def compact(value: Any) -> str:
    """One text for one value, in the order in which its keys stand."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def fit_text(value: Any) -> bool:
    """Whether a value is text that can be stored and printed: no control characters but tab and line feed."""
    return isinstance(value, str) and _UNFIT.search(value) is None


def shown(value: Any) -> str:
    """A value for an error message: its representation, cut to 60 characters."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = ascii(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise SpecificationError(f"the key {shown(twice)} stands twice in one object")
    return value


def _whole(text: str) -> int:
    if len(text) < _DIGITS - 1:
        return int(text)
    if len(text.lstrip("-")) > _DIGITS or not -(2**63) <= int(text) < 2**64:
        raise SpecificationError(f"the number {shown(text)} is beyond 64 bits")
    return int(text)


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise SpecificationError(f"the number {shown(text)} is beyond float64")
    return value


def _constant(text: str) -> float:
    raise SpecificationError(f"it holds {text}, which is not JSON")
