"""How many networks decide: from the evidence of some networks to that of any other number of them."""

from __future__ import annotations

import math

from scipy import special

from fanin.engine.stream import MAX_NETWORKS
from fanin.stats.evidence import Evidence

POWER = 0.9
"""Probability with which a run of the planned size decides."""

POWER_QUANTILE = 1.2815515655446004
"""One-sided standard normal quantile of `POWER`."""

_STEP, _HALVINGS = math.log(8.0), 12  # to a thousandth of the number


def networks_for(
    evidence: Evidence, networks: int, room: float, error: float, watched: bool = False, power: float = POWER
) -> int | None:
    """The least number of networks whose interval reaches, with probability `power`, no further than `room` from the true value.

    evidence : of `networks` networks; its standard error and its bins are taken to stay as they are. power : 0 for an estimate that
    hits the true value. None where no number does.

    >>> from fanin.stats.evidence_kinds import Studentised
    >>> round(networks_for(Studentised("mean", 0.0, 0.1, 1000), 1000, 0.01, 0.01) / 1000)
    1781
    """
    away = special.ndtri(0.5 * (1.0 + power))  # so that an estimate leaves neither side with probability 1 - power

    def fits(log_factor: float) -> bool:
        grown = evidence.grown(math.exp(log_factor))
        found = grown.interval(error, watched)
        reach = max(found.high - found.estimate, found.estimate - found.low)
        return (reach + away * grown.standard_error if away else reach) <= room

    if not room > 0.0:
        return None
    most, least, end = 0.0, -math.log(networks), math.log(MAX_NETWORKS / networks)
    while not fits(most):
        most, least = most + _STEP, most
        if most > end:
            return None
    for _ in range(_HALVINGS):
        middle = 0.5 * (least + most)
        least, most = (least, middle) if fits(middle) else (middle, most)
    return math.ceil(networks * math.exp(most))
