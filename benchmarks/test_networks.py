"""Deep networks per second against PyTorch; cost in width; memory in depth.

Whole processes are timed, in turns, round after round. A rate is the difference in networks of a large and a small run over their
difference in seconds; a ratio is the median over the rounds. fanin records all that the study `deep` does by default.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest

from benchmarks.processes import Ended, run_module

ROUNDS = 3
PEERS = ("", "-2inside", "-2threads")
SIZES = {"backward": ((256, 6400), (2, 12)), "forward": ((128, 1408), (20, 120))}
"""The small and the large run of fanin, and of PyTorch."""

DRIVEN = ("", "-2inside")
"""Processes of PyTorch as any user would write them: one Python thread. Two with a generator each equal two processes."""

FLOORS = {"backward": (500.0, 2000.0), "forward": (5.0, 10.0)}
DIGEST = "2cfe44c7ecaa38229b714dc8140e78d82207431d2427b371123b28c7d0716e27"
"""Of the small run of "backward": what is timed is what the tests hold right."""


def _rate(module: str, name: str, sizes: tuple[int, int]) -> float:
    small, large = (run_module(module, name, str(size)) for size in sizes)
    return (sizes[1] - sizes[0]) / (large.seconds - small.seconds)


@pytest.mark.parametrize("what", list(FLOORS))
def test_ratio(benchmark: Any, what: str) -> None:
    pytest.importorskip("torch")
    ours, theirs = SIZES[what]
    warm = run_module("benchmarks.network_runs", what, str(ours[0])).json()
    if what == "backward":
        assert warm["digest"] == DIGEST
    rates: dict[str, list[float]] = {"fanin": []} | {peer: [] for peer in PEERS}
    for _ in range(ROUNDS):
        rates["fanin"].append(_rate("benchmarks.network_runs", what, ours))
        for peer in PEERS:
            rates[peer].append(_rate("benchmarks.network_peers", f"torch-{what}{peer}", theirs))
    ratios = {peer: statistics.median(a / b for a, b in zip(rates["fanin"], rates[peer], strict=True)) for peer in PEERS}
    benchmark.extra_info |= {name or "torch": statistics.median(values) for name, values in rates.items()}
    benchmark.pedantic(run_module, args=("benchmarks.network_runs", what, str(ours[0])), rounds=1)
    worst, (floor, goal) = min(ratios[peer] for peer in DRIVEN), FLOORS[what]
    print(f"\n{what}: fanin {statistics.median(rates['fanin']):.0f} networks/s,", end=" ")
    print(f"{worst:.1f} times the best PyTorch process that one Python thread drives")
    print(*(f"  torch{peer} {statistics.median(rates[peer]):.2f} networks/s: {ratios[peer]:.1f}" for peer in PEERS), sep="\n")
    print(f"  required {floor:g}, goal {goal:g}")
    assert worst >= floor


def test_recording_costs_less_than_the_networks() -> None:
    """The rate with recording off, beside the rate with it."""
    ended = run_module("benchmarks.network_recording", "2048")
    found = ended.json()
    print(f"\none thread: {found['recorded']:.0f} networks/s recorded, {found['bare']:.0f} with recording off")
    assert found["recorded"] > 0.2 * found["bare"]


def test_conditional_cost_is_linear_in_width() -> None:
    """20 layers, from 250 to 8000 neurons, a fixed number of neurons in all."""
    widths = (250, 500, 1000, 2000, 4000, 8000)
    seconds = []
    for width in widths:
        networks = 64 * (512_000 // width) // 16
        runs = [run_module("benchmarks.network_runs", str(width), str(networks), "1").json() for _ in range(2)]
        seconds.append(min(run["seconds"] for run in runs) / networks)
    slope = (math.log(seconds[-1]) - math.log(seconds[0])) / math.log(widths[-1] / widths[0])
    print(f"\nlog-log slope {slope:.3f} from {widths[0]} to {widths[-1]}: required 1.15, goal 1.1")
    assert slope <= 1.15


def test_memory_of_ten_thousand_layers() -> None:
    ended: Ended = run_module("benchmarks.network_runs", "deep", "16")
    print(f"\n10,000 layers of 1,000: {ended.peak:.0f} MB at most, required 500")
    assert ended.peak < 500.0
