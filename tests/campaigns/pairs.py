"""How often the sequence of a difference is ever wrong: two independent laws of `sequences`, watched together at the same looks.

A sequence of the difference holds the true one wherever the e-process of the pair, E F / 2 + E / 4 + F / 4, is below 1/error at the
true pair of values; where it is not, the interval itself is asked (`Difference`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fanin.stats.two_sample import Difference
from tests.campaigns.enclosed import ERRORS
from tests.campaigns.sequences import CHUNK, NULLS, Null, looks

_LAWS = {null.name: null for null in NULLS}
PAIRS = (
    (_LAWS["bounded mean, even on 0, 1/4, ..., 1"], _LAWS["bounded mean, even on 0, 1/4, ..., 1"], False),
    (_LAWS["bounded mean, skewed on 0, 1/2, 1"], _LAWS["bounded mean, narrow on 0.49, 0.5, 0.51"], False),
    (_LAWS["bounded mean, 1 with probability 0.001, else 0"], _LAWS["bounded mean, 1 with probability 1e-5, else 0.1"], True),
    (_LAWS["bounded mean, even on 0, 1/4, ..., 1"], _LAWS["bounded mean, 0 with probability 0.02, else 0.9 or 1"], True),
    (_LAWS["proportion 0.01"], _LAWS["proportion 0.5"], False),
    (_LAWS["proportion 1e-05"], _LAWS["proportion 1e-05"], False),
    (_LAWS["Gaussian variance"], _LAWS["Gaussian variance"], True),
)


@dataclass(frozen=True)
class Wrong:
    """Numbers of campaigns at each of `ERRORS`: `pairs`, in which the e-process excludes the true pair at some look; `missed`, in
    which the interval excludes the true difference."""

    pairs: np.ndarray
    missed: np.ndarray


def name_of(one: Null, other: Null, scale: bool) -> str:
    return f"Difference, {'ratio' if scale else 'difference'}: {one.name}; {other.name}"


def watched_pairs(campaigns: int, one: Null, other: Null, scale: bool, seed: int = 501, count_as: float = 1.0) -> Wrong:
    """count_as : a planted fault, the factor by which the processes take observations to be more."""
    levels = -np.log(ERRORS)
    truth = one.truth / other.truth - 1.0 if scale else one.truth - other.truth
    pairs, missed = np.zeros(len(ERRORS), int), np.zeros(len(ERRORS), int)
    for start in range(0, campaigns, CHUNK):
        size = min(CHUNK, campaigns - start)
        random = np.random.default_rng([seed, start])
        sums, before = [one.start(size), other.start(size)], 0
        excluded, outside = np.zeros((2, len(ERRORS), size), bool)
        for n in looks():
            sums = [null.draw(random, of, int(n - before)) for null, of in zip((one, other), sums, strict=True)]
            before = n
            counted = [float(n) * count_as, *(of * count_as for of in sums)]
            e, f = one.log_e(counted[0], counted[1], one.truth), other.log_e(counted[0], counted[2], other.truth)
            found = np.logaddexp(np.logaddexp(e, f) - math.log(4.0), e + f - math.log(2.0))
            excluded |= found >= levels[:, None]
            for at, error in enumerate(ERRORS):
                for which in np.flatnonzero((found >= levels[at]) & ~outside[at]):
                    sides = (null.evidence(counted[0], of[which]) for null, of in zip((one, other), counted[1:], strict=True))
                    interval = Difference(*sides, scale, independent=True).interval(error, watched=True)
                    outside[at, which] = not interval.low <= truth <= interval.high
        pairs += excluded.sum(axis=1)
        missed += outside.sum(axis=1)
    return Wrong(pairs, missed)
