"""Options of inputs that are read: steps that change the table, and which of its rows a network sees.

Steps apply to float64 values in the order written. They use elementwise operations and sums in a fixed order only, so that the
prepared table has the same bits on every machine.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs

KNOWN = "scale=F, standardise, standardise=all, unit, threshold=T, shared, in-turn, row=K, array=NAME"
_KEYS = frozenset(option.partition("=")[0] for option in KNOWN.split(", "))
_LARGEST = 1e300  # so that the sum of a column of MAX_ROWS values is finite


@dataclass(frozen=True)
class Preparation:
    """What the options of inputs say. steps : name and number of each step, in order. array : the name in an archive, or ""."""

    steps: tuple[tuple[str, float], ...] = ()
    array: str = ""
    shared: bool = False
    in_turn: bool = False
    row: int | None = None

    def __str__(self) -> str:
        """Array and steps as one would write them; Inputs adds the rest."""
        words = [f"array={self.array}"] if self.array else []
        return ",".join(words + [_written(*step) for step in self.steps])

    def inputs(self, table: np.ndarray, source: str) -> Inputs:
        """The rows of a table, shape (rows, n), after the steps."""
        if self.row is not None and self.row >= len(table):
            raise SpecificationError(f"{source} has {len(table)} rows; row={self.row} must be from 0 to {len(table) - 1}")
        prepared = _prepared(table, self.steps, source)
        rows = Inputs.rows(prepared, shared=self.shared, in_turn=self.in_turn, source=source, preparation=str(self))
        if self.row is None or rows.data is None:
            return rows
        words = ",".join(word for word in (str(self), f"row={self.row}") if word)
        return dataclasses.replace(Inputs.fixed(rows.data[self.row].copy()), source=source, preparation=words)


def is_option(word: str) -> bool:
    """Whether the word begins as an option does.

    >>> is_option("scale=2"), is_option("standardize")
    (True, False)
    """
    return word.partition("=")[0] in _KEYS


def parse(words: Sequence[str], source: str) -> Preparation:
    """The options in the words, of which each may stand once.

    >>> parse(["standardise", "scale=2", "shared"], "x.csv").steps
    (('standardise', 0.0), ('scale', 2.0))
    """
    given: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        takes_value = key in ("scale", "threshold", "row", "array") or word == "standardise=all"
        if key not in _KEYS or bool(equals) != takes_value:
            raise SpecificationError(f"inputs {source} have the option {word!r}; known are {KNOWN}")
        if key in given:
            raise SpecificationError(f"inputs {source} have the option {key} twice; write it once")
        given[key] = value
    chosen = [key for key in ("shared", "in-turn", "row") if key in given]
    if len(chosen) > 1:
        raise SpecificationError(
            f"inputs {source} have the options {' and '.join(chosen)}, which contradict each other; write one: a row drawn for all "
            "networks, each row in its turn, or the row K"
        )
    if given.get("array") == "":
        raise SpecificationError(f"inputs {source} have the option array=; write the name of an array after it")
    return Preparation(
        tuple(_step(key, value, source) for key, value in given.items() if key in ("scale", "standardise", "unit", "threshold")),
        array=given.get("array", ""),
        shared="shared" in given,
        in_turn="in-turn" in given,
        row=_row(given["row"], source) if "row" in given else None,
    )


def _row(text: str, source: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise SpecificationError(f"inputs {source} have the option row={text}; it must be a whole number from 0, such as row=3")
    return int(text)


def _step(key: str, value: str, source: str) -> tuple[str, float]:
    if key in ("standardise", "unit"):
        return f"{key}={value}" if value else key, 0.0
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (key == "scale" and number == 0.0):
        right = "it must be a finite number other than 0, such as 0.0625" if key == "scale" else "it must be a finite number"
        raise SpecificationError(f"the {key} of {source} is {value!r}; {right}")
    return key, number


def _written(key: str, number: float) -> str:
    if key not in ("scale", "threshold"):
        return key
    short = f"{number:g}"
    return f"{key}={short if float(short) == number else repr(number)}"


def refuse_what_is_not_finite(table: np.ndarray, source: str) -> None:
    """Refuse infinities and values that are not numbers, with the place of the first."""
    finite = np.isfinite(table)
    if not finite.all():
        at = tuple(int(i) for i in np.unravel_index(int(finite.argmin()), table.shape))
        raise SpecificationError(f"{source} holds {table[at]} at {at}; every value must be a finite number")


def _prepared(table: np.ndarray, steps: Sequence[tuple[str, float]], source: str) -> np.ndarray:
    refuse_what_is_not_finite(table, source)
    if not steps:
        return table
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        values = table.astype(np.float64, order="C")
        for key, number in steps:
            if key in ("standardise", "standardise=all", "unit"):
                _refuse_what_cannot_vary(values, key, source)
            if key == "scale":
                values *= number
            elif key == "threshold":
                np.greater(values, number, out=values)
            elif key == "unit":
                low = values.min()
                values -= low
                values /= values.max()
            else:
                _standardise(values if key == "standardise" else values.reshape(-1, 1))
    return values


def _refuse_what_cannot_vary(values: np.ndarray, key: str, source: str) -> None:
    if max(-values.min(), values.max()) > _LARGEST:
        raise SpecificationError(f"{source} holds values beyond {_LARGEST:g}, too large for {key}; scale them first")
    if key == "standardise" and not (values.max(axis=0) > values.min(axis=0)).any():
        raise SpecificationError(f"{source} has no column with two different values; standardise would leave only zeros")
    if key != "standardise" and values.min() == values.max():
        raise SpecificationError(f"{source} holds the value {values.min():g} only; {key} needs at least two different ones")


def _standardise(values: np.ndarray) -> None:
    """Each column to mean 0 and standard deviation 1 (over rows, not rows - 1), in place; a constant column to 0."""
    constant = values.min(axis=0) == values.max(axis=0)
    values -= _sum(values) / len(values)
    peak = np.maximum(values.max(axis=0), -values.min(axis=0))
    values /= np.where(constant, 1.0, peak)  # so that no square overflows or vanishes
    values /= np.where(constant, 1.0, np.sqrt(_sum(values * values) / len(values)))
    values[:, constant] = 0.0


def _sum(values: np.ndarray) -> np.ndarray:
    """Sum of each column, folded in halves."""
    while len(values) > 1:
        half = len(values) // 2
        folded = values[:half] + values[half : 2 * half]
        if len(values) % 2:
            folded[0] += values[-1]
        values = folded
    return values[0]
