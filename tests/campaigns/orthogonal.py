"""Two rows of Haar-distributed orthogonal matrices: orthonormal, with the right law of an entry and the right joint moments.

Row i of Q is read by feeding every unit vector to the same networks. Judged, over networks: that both rows have length 1 and a
right angle (largest deviation); one entry of each network by cells, moments, tails and symmetry, where Q[i, c]**2 has a beta law
of 1/2 and (N - 1)/2; the fourth moments of Haar's law (Collins and Sniady 2006, "Integration with respect to the Haar measure"),

    E Q11^2 Q21^2 = 1/(N (N+2)), E Q11^2 Q22^2 = (N+1)/((N-1) N (N+2)), E Q11 Q12 Q21 Q22 = -1/((N-1) N (N+2)),

the mean of Q11 Q22 - Q12 Q21, for N = 2 the determinant, and that of Q11 Q22 + Q12 Q21.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import stats

import fanin
from fanin.engine import direct, stream
from fanin.engine._jit import kernel
from fanin.engine.inputs import Inputs
from tests.campaigns import scores
from tests.campaigns.tally import Tally
from tests.campaigns.targets import Target, all_scores

SIZES = ((4, 4096, 1_000_000_000), (2, 256, 100_000_000), (16, 4096, 20_000_000))
"""Orders, cells on each side of zero and numbers of matrices."""
INNER = 1.0 - 2.0**-7
"""The largest threshold: an entry is right to a few units in the last place, which shows where its law piles up at 1."""
TOLERANCE = 16 * 2.0**-24
"""Of the squared length of a row and of the product of two: sums of N float32 products."""


def _draw_rows(plan, lanes, block, stop, rows):
    """Both rows of a block of matrices, float32 (2, N, BLOCK)."""
    for column in range(plan.fan_in):
        plan.data[:, 0] = np.arange(plan.fan_in) == column
        direct.preactivate(plan, lanes, block, stop)
        rows[0, column], rows[1, column] = lanes.z, lanes.other


@kernel
def _add_joint(rows, sums, squares):
    """Add the joint products of a block; return the largest deviation from orthonormality."""
    order, worst = rows.shape[1], 0.0
    for g in range(rows.shape[2]):
        one = two = dot = same = cross = mixed = minus = plus = 0.0
        for c in range(order):
            d = (c + 1) % order
            a, b = np.float64(rows[0, c, g]), np.float64(rows[1, c, g])
            e, f = np.float64(rows[0, d, g]), np.float64(rows[1, d, g])
            one += a * a
            two += b * b
            dot += a * b
            same += a * a * b * b
            cross += a * a * f * f
            mixed += a * e * b * f
            minus += a * f - e * b if c == 0 else 0.0
            plus += a * f + e * b if c == 0 else 0.0
        worst = max(worst, abs(one - 1.0), abs(two - 1.0), abs(dot))
        for k, value in enumerate((same, cross, mixed, minus, plus)):
            sums[k] += value
            squares[k] += value * value
    return worst


def entry(order: int) -> Target:
    """The law of one entry."""
    return Target(stats.rdist(order - 1.0), even=lambda k: math.prod((i + 1) / (order + i) for i in range(0, k, 2)))


def draw(order: int, cells: int, count: int, seed: int = 501, fault: Callable[[np.ndarray], None] | None = None):
    """At least so many pairs of rows: the tally of one entry each, the scores of joint moments, and the worst deviation."""
    ensemble = fanin.Ensemble((order, order), "orthogonal", inputs=Inputs.fixed(np.ones(order, np.float32)))
    plan = direct.make_plan(ensemble, seed)
    plan = plan._replace(data=plan.data.copy())
    lanes, stop = direct.empty_lanes(plan), np.zeros(1, np.int64)
    rows, tally, worst = np.empty((2, order, stream.BLOCK), np.float32), Tally(entry(order).cells(cells)), 0.0
    sums, squares = np.zeros(5), np.zeros(5)
    for block in range(-(-count // stream.BLOCK)):
        _draw_rows(plan, lanes, np.uint64(block), stop, rows)
        if fault:
            fault(rows)
        worst = max(worst, _add_joint(rows, sums, squares))
        tally.add(rows[block % 2, block // 2 % order : block // 2 % order + 1])
    n = tally.drawn
    expected = np.array([1.0, (order + 1.0) / (order - 1.0), -1.0 / (order - 1.0), 0.0, 0.0])
    expected[:3] /= order + 2.0
    found = (sums / n - expected) / np.sqrt((squares / n - (sums / n) ** 2) / n)
    names = ("Q11^2 Q21^2", "Q11^2 Q22^2", "Q11 Q12 Q21 Q22", "Q11 Q22 - Q12 Q21", "Q11 Q22 + Q12 Q21")
    return tally, dict(zip(names, found.tolist(), strict=True)), worst


def orthogonal(sizes: tuple[tuple[int, int, int], ...] = SIZES, seed: int = 501, fault: Callable[[np.ndarray], None] | None = None):
    """Draw, judge and say what was found, for orders, cells and numbers of matrices."""
    found, said = {}, []
    for order, cells, count in sizes:
        tally, joint, worst = draw(order, cells, count, seed, fault)
        if not worst <= TOLERANCE:
            raise SystemExit(f"orthogonal, order {order}: lengths or angles are off by {worst:.2g}")
        of_order = all_scores(tally, entry(order), INNER) | joint
        name, score = scores.worst(of_order)
        said.append(
            f"order {order}: {tally.drawn:,} matrices, {tally.zeros} zero, orthonormal within {worst:.1e}, "
            f"{len(of_order)} scores, the largest {score:+.2f} ({name})"
        )
        found |= {f"order {order} {key}": value for key, value in of_order.items()}
    return "\n  ".join([scores.check("orthogonal", found), *said])
