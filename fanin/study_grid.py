"""The ensembles that one table of a study stands for: one, or one for each combination of a grid.

A list where one value may stand makes a grid. Where one value may itself be a list (widths, tails, slow, targets, a scheme or an
activation for each layer), a list of such lists does.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanin.data import load_inputs
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble

MAX_ENSEMBLES = 1000
_LISTS = ("widths", "tails", "slow", "targets")
_TAILS, _SLOW = (1.0, 5.0), (0.001,)
_MANY = 4  # equal numbers in a row that a label writes once


@dataclass(frozen=True)
class Grid:
    """The ensembles of one table by label, and the methods of those that have one of their own."""

    ensembles: dict[str, Ensemble]
    methods: dict[str, str]


def expanded(name: str, given: dict[str, Any], folder: Path, wanted: list[tuple[str, float | None]]) -> Grid:
    """The ensembles of one table.

    given : the table, of the form of the schema. folder : where its data files are. wanted : base and argument of quantities, whose
    thresholds are recorded as well.
    """
    axes = {key: value if _is_grid(key, value) else [value] for key, value in given.items()}
    if (size := math.prod(map(len, axes.values()))) > MAX_ENSEMBLES:
        raise SpecificationError(f"the grid makes {size:,} ensembles; a study may have {MAX_ENSEMBLES:,}")
    grid = Grid({}, {})
    for values in itertools.product(*axes.values()):
        options = dict(zip(axes, values, strict=True))
        varied = [_shown(options[key]) for key, choices in axes.items() if len(choices) > 1]
        label = f"{name}[{','.join(varied)}]" if varied else name
        if label in grid.ensembles:
            raise SpecificationError(f"the grid holds {label} twice")
        if "method" in options:
            grid.methods[label] = _checked_method(options.pop("method"))
        grid.ensembles[label] = _ensemble(options, folder, wanted)
    return grid


def _is_grid(key: str, value: Any) -> bool:
    """Whether a list stands where one value may stand."""
    if not isinstance(value, list):
        return False
    if key not in _LISTS:
        return True
    numbers = sum(not isinstance(item, (list, str)) for item in value)
    if 0 < numbers < len(value):
        raise SpecificationError(f"{key} is {short(value)}; a grid of {key} is a list of lists")
    return numbers == 0 and bool(value)


def _checked_method(method: str) -> str:
    from fanin.sampling import check_method

    check_method(method)
    return method


def short(value: Any) -> str:
    """A value in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _shown(value: Any) -> str:
    """A value for a label: of lists the items, and how many there are of one that comes many times in a row."""
    if not isinstance(value, list):
        return str(value)
    parts = []
    for item, alike in itertools.groupby(item if isinstance(item, str) else f"{item:g}" for item in value):
        count = len(list(alike))
        parts += [f"{item}x{count}"] if count >= _MANY else [item] * count
    return "-".join(parts)


def _ensemble(options: dict[str, Any], folder: Path, wanted: list[tuple[str, float | None]]) -> Ensemble:
    thresholds = {base: [t for name, t in wanted if name == base and t is not None] for base in ("z.tail", "delta.below")}
    tails = (*map(float, options.pop("tails", _TAILS)), *thresholds["z.tail"])
    slow = (*map(float, options.pop("slow", _SLOW)), *thresholds["delta.below"])
    inputs = load_inputs(options.pop("inputs", "half-on"), folder)
    if "widths" not in options:
        if inputs.data is None:
            raise SpecificationError("widths are missing; write widths = [1000, 1]")
        options["widths"] = [inputs.data.shape[-1], 1]
    return Ensemble(**options, inputs=inputs, tails=tuple(dict.fromkeys(tails)), slow=tuple(dict.fromkeys(slow)))
