"""Numbers that theory gives, kept in a file beside the tests: values to many digits, errors and tolerances from both sides.

A test that holds a value to its error bound does not see that the bound grew. Such a table does, for all branches at once; what
the numbers are made of is the matter of the tests of closed forms, integrals and samples. A row is (value, error, tolerance) or
shorter, or more than three values; what is refused has its reason. `python -m tests.stats.test_bounds_networks` (or another
module with a table) writes its file again, and git shows which numbers moved.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fanin.engine.errors import SpecificationError

Rows = dict[str, Any]
VALUE, FACTOR, TOLERANCE = 1e-9, 1.05, 1e-6
"""Relative distance of values, largest ratio of errors, relative distance of tolerances; rounding stays far below."""


def row(*numbers: float) -> list[float | None]:
    """Of a table, as it is written; NaN as None."""
    return [None if number != number else float(f"{number:.12g}") for number in map(float, numbers)]


def refused(make: Callable[[], list[float | None]]) -> list[float | None] | str:
    """A row, or why theory is silent."""
    try:
        return make()
    except SpecificationError as reason:
        return str(reason)


def read(test_file: str) -> dict[str, Rows]:
    """The tables beside a test file, by case."""
    return json.loads(Path(test_file).with_suffix(".json").read_text())


def write(test_file: str, tables: dict[str, Rows]) -> None:
    """One row a line."""
    blocks = []
    for case, rows in tables.items():
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(one)}" for key, one in rows.items())
        blocks.append(f"{json.dumps(case)}: {{\n{lines}\n}}")
    Path(test_file).with_suffix(".json").write_text("{\n" + ",\n".join(blocks) + "\n}\n")


def _close(one: float | None, other: float | None, relative: float, floor: float) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=relative, abs_tol=floor)


def _near(one: float | None, other: float | None, factor: float) -> bool:
    """Of two errors, neither of which is more than so many times the other."""
    if one is None or other is None:
        return one is other
    return one == other or other < factor * one < factor**2 * other


def differences(found: Rows, held: Rows, value: float = VALUE, floor: float = 1e-14, factor: float = FACTOR) -> list[str]:
    """What is not as it is held. floor : absolute distance of values that is none."""
    wrong = [f"{key} is there in one only" for key in set(found) ^ set(held)]
    for key in set(found) & set(held):
        mine, kept = found[key], held[key]
        if isinstance(mine, str) or isinstance(kept, str):
            same = mine == kept
        else:
            plain = len(kept) > 3
            same = len(mine) == len(kept) and all(
                _near(one, other, factor)
                if place == 1 and not plain
                else _close(one, other, TOLERANCE if place == 2 and not plain else value, floor)
                for place, (one, other) in enumerate(zip(mine, kept, strict=True))
            )
        if not same:
            wrong.append(f"{key}: found {mine}, held {kept}")
    return sorted(wrong)
