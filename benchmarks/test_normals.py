"""Normals consumed per second and thread: fanin with the widest and with 256-bit vectors, against NumPy and PyTorch.

`normals` draws for a second in a process of its own; sources take turns, and the median over the rounds counts. fanin's normals are
scaled, multiplied by an input, added to a sum and recorded; the others' are only drawn.
"""

from __future__ import annotations

import platform
import statistics

import pytest

from benchmarks.processes import run_module
from fanin.engine.machine import cpu_features, vector_bits

ROUNDS = 5
GOAL = 1.2e9


def test_widest_vectors() -> None:
    pytest.importorskip("torch")
    rates = _rates({"fanin": {}, "numpy": {}, "torch": {}})
    assert rates["fanin"] > max(rates["numpy"], rates["torch"])


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs an x86-64 processor")
@pytest.mark.skipif(vector_bits() < 256, reason="needs a processor with AVX")
def test_256_bit_vectors() -> None:
    narrow = {"NUMBA_CPU_FEATURES": f"{cpu_features()},+prefer-256-bit"}
    assert run_module("benchmarks.normals", "fanin", **narrow).json()["vector_bits"] == 256
    rates = _rates({"fanin": narrow, "numpy": {}})
    assert rates["fanin"] > rates["numpy"]


def _rates(sources: dict[str, dict[str, str]]) -> dict[str, float]:
    """Normals per second by source, each run with its own environment variables; printed."""
    measured: dict[str, list[float]] = {source: [] for source in sources}
    bits = {}
    for _ in range(ROUNDS):
        for source, environment in sources.items():
            result = run_module("benchmarks.normals", source, **environment).json()
            measured[source].append(result["rate"])
            bits[source] = result["vector_bits"]
    rates = {source: statistics.median(values) for source, values in measured.items()}
    print(f"\nbillion normals/s and thread (goal {GOAL / 1e9:g})")
    for source, rate in rates.items():
        note = f"{bits[source]}-bit vectors" if source == "fanin" else f"fanin draws {rates['fanin'] / rate:.2f} times as many"
        print(f"{source:<8}{rate / 1e9:>7.3f}  {note}")
    return rates
