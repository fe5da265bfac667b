"""1e10 normal draws in the order of consumption: block after block, weight after weight, lane after lane.

Judged: 65,536 cells of both signs whose edges lie between neighbouring float32 values, moments to order 8, tails to 6 standard
deviations on each side, the neighbourhood of zero, the last bits of the mantissa, runs, and serial correlations of w and of w**2.

Expected values are those of N(0, 1), with one exception: tails beyond 4 are those of a radius that takes 2**32 values,
sqrt(-2 ln u) for u = (k + 1/2) / 2**32. The difference is 1e-8 of the tail beyond 4 and 0.12 % of that beyond 6.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fanin.engine import rows, stream
from fanin.engine._jit import kernel
from fanin.engine.rows import draw_row
from tests.campaigns import scores
from tests.campaigns.serial import Serial
from tests.campaigns.tally import Tally
from tests.campaigns.targets import NORMAL, bit_scores, fit_scores, moment_scores, near_scores, tail_scores

WEIGHTS = 500
CELLS = 32_768  # on each side of zero
TAILS = [1.0, 2.0, 3.0, 4.0, 4.5, 5.0, 5.5, 6.0]


@kernel
def draw_page(row, words, key, block, page):
    """Draw weights 0, 1, ... of a block, float32 (weights, BLOCK)."""
    for j in range(len(page)):
        draw_row(row, words, key, np.uint64(stream.WEIGHT), np.uint64(j), np.uint64(1), block, page[j])


def radius_tail(t: float) -> float:
    """P(|w| > t) where the radius takes its 2**32 values and the angle any."""
    last = math.ceil(2**32 * math.exp(-t * t / 2.0) - 0.5)
    radius = np.sqrt(-2.0 * np.log((np.arange(last) + 0.5) / 2**32))
    return float(np.arccos(np.minimum(t / radius, 1.0)).sum()) * 2.0 / math.pi / 2**32


def tail(t: float) -> float:
    """P(|w| > t), exact to one part in 10**7."""
    return radius_tail(t) if t > 3.9 else float(NORMAL.tail(t))


def draw(count: int, seed: int, fault: Callable[[np.ndarray], None] | None = None, cells: int = CELLS) -> tuple[Tally, Serial]:
    """Tally at least so many draws; a fault changes each page, float32 (weights, BLOCK), before it is looked at."""
    row, buffers = rows.normal_row(1.0), rows.empty_words()
    key = tuple(np.uint64(k) for k in stream.stream_key(seed, "campaign"))
    page, tally, serial = np.empty((WEIGHTS, stream.BLOCK), np.float32), Tally(NORMAL.cells(cells)), Serial()
    for block in range(-(-count // page.size)):
        draw_page(row, buffers, key, np.uint64(block), page)
        if fault:
            fault(page)
        tally.add(page)
        serial.add(page.reshape(-1))
    return tally, serial


def judge(tally: Tally, serial: Serial) -> dict[str, float]:
    """Every score."""
    found = moment_scores(tally, NORMAL) | fit_scores(tally) | bit_scores(tally) | near_scores(tally, NORMAL)
    return found | tail_scores(tally, tail, TAILS) | serial.scores()


def normals(
    count: int = 10_000_000_000, seed: int = 501, fault: Callable[[np.ndarray], None] | None = None, cells: int = CELLS
) -> str:
    """Draw, judge and say what was found."""
    tally, serial = draw(count, seed, fault, cells)
    if tally.zeros:
        raise SystemExit(f"{tally.zeros} normals are zero")
    found = judge(tally, serial)
    said = f"{tally.drawn:,} normals, none zero, {2 * cells:,} cells: {scores.check('normals', found)}"
    return "\n  ".join([said, ", ".join(f"{name} {score:+.2f}" for name, score in found.items())])
