"""The largest errors of phi and phi' of every built-in activation over all finite float32, against float64."""

from __future__ import annotations

import numpy as np

from fanin.engine.activations import NAMES
from tests.activation_truth import NEAR, ZEROS, Worst, patterns, worst

PATTERNS = 1 << 32
_STRETCH = 1 << 24


def enumerate_activation(name: str, step: int = 1) -> Worst:
    """The largest errors over all finite float32, or over one pattern of `step` (odd, so that all low bits occur)."""
    found = Worst()
    for first in range(0, PATTERNS, _STRETCH * step):
        found = found.merge(worst(name, patterns(first, min(_STRETCH * step, PATTERNS - first), step)))
    return found


def activations(step: int = 1, names: tuple[str, ...] = NAMES) -> str:
    """Enumerate; SystemExit where an error is larger than what is allowed."""
    said = []
    for name in names:
        found = enumerate_activation(name, step)
        line = f"{name}: phi {found.phi:.2f} ulp at {found.phi_at:.9g}, phi' {found.slope:.2f} ulp at {found.slope_at:.9g}"
        if name in ZEROS:
            line += f"; within {NEAR} of the zero of phi' {found.share:.2f} of 2**-24 of its largest value at {found.share_at:.9g}"
        if not found.fits:
            raise SystemExit(line)
        said.append(line)
    return "\n  ".join([f"{np.ceil(PATTERNS / step):,.0f} patterns", *said])
