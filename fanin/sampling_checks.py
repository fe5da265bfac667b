"""What is refused before a run is sampled: more memory than the machine lends, and laws of one's own that are not as stated."""

from __future__ import annotations

import math
import os

import numpy as np

from fanin.engine import conditional, stream
from fanin.engine.errors import SpecificationError
from fanin.engine.rows import draw_own
from fanin.engine.spec import Ensemble


def check_memory(ensemble: Ensemble, threads: int) -> None:
    """Refuse a run whose arrays would not fit in half of the machine's memory, before they are allocated."""
    if ensemble.is_network:
        _check_network_memory(ensemble, threads)
        return
    inputs = ensemble.inputs
    cells = ensemble.fan_in * (1 if inputs.data is None else 3 * max(1, len(inputs.data)))
    rows = ensemble.fan_in if inputs.kind == "correlated" else 0
    if ensemble.first_scheme.weights.family == "orthogonal" and ensemble.neurons > 1:
        rows += max(ensemble.widths[:2])
    _refuse_above_half(4 * cells + threads * ((8 << 20) + 4 * stream.BLOCK * rows), f"a fan-in of {ensemble.fan_in}")


def _check_network_memory(ensemble: Ensemble, threads: int) -> None:
    inputs, values = ensemble.inputs, ensemble.points * sum(ensemble.widths)
    data = 0 if inputs.data is None else 4 * inputs.data.size
    lanes = conditional.block_size(ensemble)
    block = 12 * lanes * ensemble.points * (ensemble.widths[0] + ensemble.widths[-1])
    state = min(12 * lanes * values, (512 << 20) + 24 * lanes * ensemble.points * max(ensemble.widths))
    recorded = len(ensemble.recorded) * 2 * (1 << 20)
    _refuse_above_half(data + threads * (block + state + recorded), f"a network of widths up to {max(ensemble.widths)}")


def _refuse_above_half(needed: int, what: str) -> None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    if needed > half:
        has, lends = f"{needed / 2**30:.1f} GiB", f"{half / 2**30:.1f} GiB"
        raise SpecificationError(f"{what} needs {has}; this machine lends {lends} (half of its memory)")


def check_own_laws(ensemble: Ensemble) -> None:
    """Draw a sample of each law of the user's own and refuse a statement about it that does not fit.

    2**20 draws: a variance wrong by 1 % or a kurtosis wrong by 0.05 (of a Gaussian) is seen; a right statement is refused with
    probability 1e-9.
    """
    for law in dict.fromkeys(law for scheme in ensemble.schemes for law in (scheme.weights, scheme.bias)):
        if law is None or law.own is None:
            continue
        sample = draw_own(law.own, stream.stream_key(0, f"check:{law.own.name}"), 512).astype(np.float64)
        if not np.isfinite(sample).all():
            raise SpecificationError(
                f"the law {law.own.name} returns {sample[~np.isfinite(sample)][0]}; every value must be finite"
            )
        m2, m4, m8 = (float((sample**k).mean()) for k in (2, 4, 8))
        stated = law.own
        spread = math.inf
        if m2 > 0.0:
            spread = math.sqrt(max(m8 - m4**2, 0.0) / sample.size) / m2**2
            spread += 2.0 * m4 / m2**2 * math.sqrt(max(m4 - m2**2, 0.0) / sample.size) / m2
        found = (
            ("mean", 0.0, float(sample.mean()), math.sqrt(m2 / sample.size)),
            ("variance", stated.variance, m2, math.sqrt(max(m4 - m2**2, 0.0) / sample.size)),
            ("kurtosis", stated.kurtosis, m4 / m2**2 if m2 else math.nan, spread),
        )
        for what, value, estimate, error in found:
            if not abs(estimate - value) <= 6.2 * error + 1e-6 * abs(value):
                raise SpecificationError(
                    f"the {what} of the law {stated.name} is stated as {value:g}, and {sample.size:,} draws give {estimate:.6g}; "
                    f"it must be within {6.2 * error:.2g}"
                )
