"""Which confirmed claims of networks say little: those whose tolerance is wide.

Guarantee: a claim counts as wide by its tolerance alone, whatever was sampled. The tolerance of moments and mean squares is taken
relative to the predicted value, that of the mean of a logarithm and of shares and correlations as it is. Quantiles are judged in
rank, and means in standard deviations: neither is meant here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fanin.network_story import percent
from fanin.stats.two_sample import is_scale
from fanin.stats.verdict import CONFIRMED, Claim, Verdict

WIDE = 0.05
_SHARES = ("z.tail", "phi.saturated", "slope.below", "share.dead", "delta.below", "correlation", "delta.correlation")
_LISTED = 4


def tolerance_share(claim: Claim) -> float:
    """The tolerance of a claim as a share; NaN where it is not meant as one.

    >>> tolerance_share(Claim("a", "standard", 3, "z.variance", predicted=2.0, tolerance=0.5, source=""))
    0.25
    """
    base = claim.quantity.partition("[")[0]
    if claim.against or base.endswith((".quantile", ".median")):
        return math.nan
    if base in _SHARES or base.endswith(".lognorm.mean"):
        return claim.tolerance
    if claim.predicted and (is_scale(claim.quantity) or base.endswith((".kurtosis", ".meansquare"))):
        return claim.tolerance / abs(claim.predicted)
    return math.nan


def wide_claims(verdicts: Sequence[Verdict]) -> list[str]:
    """One line on the confirmed claims of one ensemble that hold only within more than `WIDE`; none where there are none."""
    wide = [v for v in verdicts if v.verdict == CONFIRMED and tolerance_share(v.claim) > WIDE]
    if not wide:
        return []
    widest = max(wide, key=lambda v: tolerance_share(v.claim)).claim
    example = f"{widest.quantity} in layer {widest.layer}: {percent(tolerance_share(widest))}"
    held = "1 confirmed claim" if len(wide) == 1 else f"{len(wide)} confirmed claims"
    verb, the = ("holds", "") if len(wide) == 1 else ("hold", "the widest: ")
    where = _layers(sorted({v.claim.layer for v in wide}))
    return [f"{held} in {where} {verb} only within more than {100.0 * WIDE:.0f} % ({the}{example})"]


def _layers(layers: list[int]) -> str:
    if len(layers) == 1:
        return f"layer {layers[0]}"
    if len(layers) > 2 and layers == list(range(layers[0], layers[-1] + 1)):
        return f"layers {layers[0]} to {layers[-1]}"
    if len(layers) > _LISTED:
        return f"{len(layers)} layers from {layers[0]} to {layers[-1]}"
    return f"layers {', '.join(map(str, layers[:-1]))} and {layers[-1]}"
