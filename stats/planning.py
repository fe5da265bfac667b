"""How many networks decide: from the evidence of some networks to that of any other number of them."""

from __future__ import annotations

import math

from fanin.engine.stream import MAX_NETWORKS
from fanin.stats.evidence import Evidence

POWER = 0.9
"""Probability with which a run of the planned size decides."""

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

    def fits(log_factor: float) -> bool:
        return evidence.grown(math.exp(log_factor)).reach(error, watched, 1.0 - power) <= room

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
