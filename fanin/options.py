"""Numbers and switches as they are written on the command line."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter


def whole(_type: Any, tokens: Any) -> int:
    """A whole number written 10000000, 10_000_000 or 1e7."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
        if number != int(number):
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a whole number such as 10000000 or 1e7") from None
    return int(number)


def real(_type: Any, tokens: Any) -> float:
    """A number written 0.01 or 1e-2."""
    text = tokens[0].value
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number such as 0.01") from None


Flag = Annotated[bool, Parameter(negative="")]
Whole = Annotated[int | None, Parameter(converter=whole, allow_leading_hyphen=True)]
Real = Annotated[float | None, Parameter(converter=real, allow_leading_hyphen=True)]
