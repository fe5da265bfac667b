"""|delta| over the layers of networks in block characters: the typical one and the root mean square, on one logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.text import Text

from fanin.claim_table import fits
from fanin.density_sketch import ASCII_BLOCKS, BLOCKS
from fanin.layer_profile import Profile

_LEAST_LAYERS = 4
_CELLS = 56


def gradient_sketch(profiles: dict[str, Profile], console: Console) -> list[Text]:
    """|delta| over the layers, first to last, on one logarithmic scale: typical neuron and root mean square.

    None where no network has a backward pass and four layers.
    """
    drawn = {label: p for label, p in profiles.items() if p.has_backward and p.layers.size >= _LEAST_LAYERS}
    curves = {label: (p.log_typical if p.by_network else p.log_median, p.log_rms) for label, p in drawn.items()}
    known = [curve[np.isfinite(curve)] for pair in curves.values() for curve in pair]
    known = np.concatenate(known) if known else np.empty(0)
    if known.size == 0:
        return []
    low, high = float(known.min()), float(known.max())
    blocks = (BLOCKS if fits(console, BLOCKS) else ASCII_BLOCKS)[1:]
    names = min(max(len(label) for label in drawn), max(8, console.width - _CELLS))
    lines = [Text(f"|delta| from layer 1 to the output, log scale {_end(low, math.floor)} to {_end(high, math.ceil)}", style="dim")]
    for label, pair in curves.items():
        for name, curve in zip((label, ""), pair, strict=True):
            what = "typical" if name else "rms"
            cells = max(8, min(_CELLS, console.width - names - 11))
            head = f"{_cut(name, names):>{names}}  {what:<7}  "
            lines.append(Text(head) + Text(_drawn(curve, low, high, blocks, cells), style="cyan"))
    return lines


def _end(log: float, towards: Callable[[float], int]) -> str:
    """10 to a power in one digit, rounded away from the other end of the scale.

    >>> _end(math.log10(0.044), math.floor), _end(math.log10(3.1), math.ceil), _end(-0.001, math.ceil), _end(-45.2, math.floor)
    ('0.04', '4', '1', '6e-46')
    """
    power = math.floor(log)
    digit = towards(round(10.0 ** (log - power), 9))
    digit, power = (1, power + 1) if digit == 10 else (digit, power)
    return f"{digit * 10.0**power:.1g}" if -4 < power < 1 else f"{digit}e{power:+03d}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 2]}.."


def _drawn(curve: np.ndarray, low: float, high: float, blocks: str, cells: int) -> str:
    """A character for each layer, two where that fits; a space where there is nothing."""
    if curve.size > cells:
        curve = curve[np.linspace(0, curve.size - 1, cells).round().astype(int)]
    wide = max(1, min(4, cells // curve.size))
    scale = (len(blocks) - 1) / (high - low) if high > low else 0.0
    return "".join(" " * wide if not math.isfinite(value) else blocks[round((value - low) * scale)] * wide for value in curve)
