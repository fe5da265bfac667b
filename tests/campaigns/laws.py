"""1e9 draws of every law, held against what it should be.

Cells with edges between neighbouring float32 values, moments to order 8 where their errors have an error, tails and the
neighbourhood of zero as far as five draws are expected there, symmetry, and the number of zeros: none but in sparse laws. The
number of cells is that at which the steps of words stay invisible. The last bits of the mantissa are judged where they should be
uniform: a truncated or Laplace draw is a function of a word rounded to 24 bits, which `exhaustive` says what it does to them.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
from scipy import stats

from fanin.engine import rows, stream
from fanin.engine._jit import kernel
from fanin.engine._llvm import bits_of, float_of
from fanin.engine.laws import minus_two_log
from fanin.engine.math import SIGN
from fanin.engine.schemes import Law, parse_law
from tests.campaigns import scores
from tests.campaigns.normals import draw_page
from tests.campaigns.tally import Tally
from tests.campaigns.targets import TARGETS, Target, all_scores, bit_scores

CELLS = 4096  # on each side of zero
WEIGHTS = 256  # in a page
_UNIFORM_ENDINGS = ("normal", "uniform", "student")
Fault = Callable[[np.ndarray], None]


@numba.njit(error_model="numpy")
def two_sided_rayleigh(first, second):
    """A law of one's own: Rayleigh's law with a random sign, of variance 2 and kurtosis 2."""
    size = np.sqrt(minus_two_log(np.int32(first)))
    return float_of(bits_of(size) | (np.int32(second) & SIGN))  # pyright: ignore[reportCallIssue]


OWN = Law.from_function(two_sided_rayleigh, variance=2.0, kurtosis=2.0, gain=1.0)
CONTINUOUS: dict[str, tuple[Law, Target]] = {name: (parse_law(name), target) for name, target in TARGETS.items()}
CONTINUOUS["own:1"] = (OWN, Target(stats.dweibull(2.0)))


def pages(law: Law, count: int, seed: int, fault: Fault | None = None):
    """Draws of a law in the order of consumption, float32 (WEIGHTS, BLOCK), at least so many; a fault changes them first."""
    row, buffers = rows.law_row(law, 1, 1), rows.empty_words()
    key = tuple(np.uint64(k) for k in stream.stream_key(seed, f"campaign:{law}"))
    page = np.empty((WEIGHTS, stream.BLOCK), np.float32)
    for block in range(-(-count // page.size)):
        draw_page(row, buffers, key, np.uint64(block), page)
        if fault:
            fault(page)
        yield page


def continuous(name: str, count: int, seed: int = 501, fault: Fault | None = None) -> tuple[Tally, dict[str, float]]:
    """The tally and the scores of a law with a density, or of its draws that are not zero."""
    law, target = CONTINUOUS[name]
    tally = Tally(target.cells(CELLS))
    for page in pages(law, count, seed, fault):
        tally.add(page)
    found = all_scores(tally, target)
    if law.family in _UNIFORM_ENDINGS:
        found |= bit_scores(tally)
    if law.zero:
        return tally, found | {"zeros": scores.of_count(tally.zeros, tally.drawn, law.zero)}
    if tally.zeros:
        raise SystemExit(f"{name}: {tally.zeros} of {tally.drawn:,} draws are zero")
    return tally, found


@kernel
def _count_signs(page, size):
    """Numbers of +size, of -size, and of equal neighbours."""
    plus = minus = equal = 0
    for row in page:
        for i in range(row.size):
            plus += row[i] == size
            minus += row[i] == -size
            equal += i > 0 and row[i] == row[i - 1]
    return plus, minus, equal


def two_valued(count: int, seed: int = 501, fault: Fault | None = None) -> tuple[int, dict[str, float]]:
    """The scores of Rademacher's law: of the signs and of equal neighbours. SystemExit where a third value is seen."""
    seen, drawn, pairs = np.zeros(3, np.int64), 0, 0
    for page in pages(parse_law("rademacher:0.5"), count, seed, fault):
        seen += _count_signs(page, np.float32(0.5))
        drawn, pairs = drawn + page.size, pairs + len(page) * (stream.BLOCK - 1)
    if seen[0] + seen[1] != drawn:
        raise SystemExit(f"rademacher: {drawn - seen[0] - seen[1]} of {drawn:,} draws are neither of the two values")
    return drawn, {
        "signs": scores.of_count(int(seen[0]), drawn, 0.5),
        "equal neighbours": scores.of_count(int(seen[2]), pairs, 0.5),
    }


def constant(count: int, seed: int = 501) -> str:
    """SystemExit where a constant law gives anything else."""
    drawn = 0
    for page in pages(parse_law("constant:-0.3"), count, seed):
        drawn += page.size
        if not (page == np.float32(-0.3)).all():
            raise SystemExit("constant: a draw differs from the constant")
    return f"constant: {drawn:,} draws, all equal to it"


def laws(count: int = 1_000_000_000, seed: int = 501, faults: dict[str, Fault] | None = None) -> str:
    """Draw and judge every law; the bound on scores is that of all laws together."""
    faults, found, said = faults or {}, {}, []
    for name in CONTINUOUS:
        tally, of_law = continuous(name, count, seed, faults.get(name))
        worst, score = scores.worst(of_law)
        said.append(
            f"{name}: {tally.drawn:,} draws, {tally.zeros:,} zero, {len(of_law)} scores, the largest {score:+.2f} ({worst})"
        )
        found |= {f"{name} {key}": value for key, value in of_law.items()}
    drawn, of_law = two_valued(count, seed, faults.get("rademacher"))
    said.append(f"rademacher: {drawn:,} draws, scores " + ", ".join(f"{value:+.2f} ({key})" for key, value in of_law.items()))
    found |= {f"rademacher {key}": value for key, value in of_law.items()}
    said.append(constant(count, seed))
    return "\n  ".join([scores.check("laws", found), *said])
