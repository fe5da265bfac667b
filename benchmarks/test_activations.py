"""Values of phi and phi' per second and thread: fanin against NumPy with SciPy, and against PyTorch where it is installed.

Each is measured in a process of its own, sources in turn; the best of the rounds counts.
"""

from __future__ import annotations

import importlib.util

import pytest

from benchmarks.activations import SOURCES
from benchmarks.processes import run_module
from fanin.engine.activations import NAMES

ROUNDS = 2


@pytest.mark.parametrize("name", NAMES)
def test_values_per_second(name: str) -> None:
    sources = [source for source in SOURCES if source != "torch" or importlib.util.find_spec("torch")]
    rates = dict.fromkeys(sources, 0.0)
    for _ in range(ROUNDS):
        for source in sources:
            rates[source] = max(rates[source], run_module("benchmarks.activations", source, name).json()["rate"])
    others = ", ".join(f"{source} {rates[source] / 1e9:.3f} ({rates['fanin'] / rates[source]:.1f} times)" for source in sources[1:])
    print(f"\n{name:<10} {rates['fanin'] / 1e9:6.2f} billion values/s; {others}")
    assert rates["fanin"] > max(rates[source] for source in sources[1:])
