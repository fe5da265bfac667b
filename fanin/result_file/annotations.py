"""What the annotations of dataclasses say of a field, read from their text: "float | None", "tuple[tuple[str, str], ...]"."""

from __future__ import annotations

import re
from typing import Any

from fanin.engine.errors import SpecificationError


def inner_type(kind: str, head: str, tail: str) -> str | None:
    """The type inside an annotation such as "tuple[float, ...]"."""
    return kind.removeprefix(head).removesuffix(tail) if kind.startswith(head) and kind.endswith(tail) else None


def _split(kind: str, mark: str) -> list[str]:
    """The parts of an annotation between marks that stand in no brackets."""
    parts, depth = [""], 0
    for piece in re.split(rf"(\[|\]|{re.escape(mark)})", kind):
        depth += (piece == "[") - (piece == "]")
        if piece == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def alternative(kind: str, value: Any) -> str:
    """Of an annotation such as "str | tuple[float, ...]" the type that a value, or its plain form, is of."""
    kinds = _split(kind, " | ")
    for one in kinds:
        alike = (one == "None") == (value is None) and (one == "str") == isinstance(value, str)
        if alike and one.startswith("tuple[") == isinstance(value, (tuple, list)):
            return one
    return next(one for one in kinds if one != "None")


def item_types(kind: str, count: int, path: str) -> list[str] | None:
    """The types of the items of a tuple; None for another type."""
    if (inner := inner_type(kind, "tuple[", ", ...]")) is not None:
        return [inner] * count
    if (inner := inner_type(kind, "tuple[", "]")) is None:
        return None
    if len(kinds := _split(inner, ", ")) != count:
        raise SpecificationError(f"{path} has {count} items; it must have {len(kinds)}")
    return kinds
