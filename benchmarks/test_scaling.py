"""How cost grows: with threads, with the number of networks in time and in memory, and what a process costs beside sampling.

Whole processes are measured, except for the gain of a second thread, which `second_thread` measures inside one. The long run of
1e9 networks (minutes) is made where FANIN_BENCH_LONG=1.
"""

from __future__ import annotations

import os
import pathlib
import statistics
import sys

import numpy as np
import pytest

from benchmarks.processes import Ended, run, run_module, run_neuron
from fanin.executors import available_threads

NETWORKS = (10_000_000, 30_000_000, 100_000_000, *((1_000_000_000,) if os.environ.get("FANIN_BENCH_LONG") == "1" else ()))
ROUNDS = 7
PEAK_MB = 350.0
SLOPE = 1.1
SECOND_THREAD = 0.9


@pytest.fixture(scope="module")
def runs() -> dict[int, Ended]:
    """One process for each number of networks, the cache of kernels being warm."""
    run_neuron(1_000_000, 2)
    return {networks: run_neuron(networks, 2) for networks in NETWORKS}


@pytest.mark.skipif(available_threads() < 2, reason="needs two cores")
def test_second_thread() -> None:
    gains = run_module("benchmarks.second_thread", str(ROUNDS)).json()
    ratio = statistics.median(ours / ideal for ours, ideal in zip(gains["fanin"], gains["arithmetic"], strict=True))
    medians = {name: statistics.median(values) for name, values in gains.items()}
    print(f"\nsecond thread: fanin {medians['fanin']:.2f} times, arithmetic {medians['arithmetic']:.2f} times, ", end="")
    print(f"ratio {ratio:.3f} (required {SECOND_THREAD:g})")
    assert ratio >= SECOND_THREAD


def test_memory_is_flat(runs: dict[int, Ended]) -> None:
    for networks, ended in runs.items():
        print(f"\n{networks:.0e} networks: peak {ended.peak:.0f} MB (required < {PEAK_MB:g})", end="")
    assert max(ended.peak for ended in runs.values()) < PEAK_MB


def test_time_is_linear(runs: dict[int, Ended]) -> None:
    seconds = [ended.json()["seconds"] for ended in runs.values()]
    slope = np.polyfit(np.log(NETWORKS), np.log(seconds), 1)[0]
    print(f"\nseconds of sampling {', '.join(f'{s:.2f}' for s in seconds)}: slope {slope:.3f} (required <= {SLOPE:g})")
    assert slope <= SLOPE


def test_latency_of_help() -> None:
    run([sys.executable, "-m", "fanin", "--help"])
    seconds = statistics.median(run([sys.executable, "-m", "fanin", "--help"]).seconds for _ in range(ROUNDS))
    _check_latency("fanin --help", seconds, 0.5)


def test_latency_with_a_warm_cache() -> None:
    run_neuron(1_000_000, 2)
    _check_latency("1e6 networks, warm cache", run_neuron(1_000_000, 2).seconds, 4.0)


def test_latency_with_a_cold_cache(tmp_path: pathlib.Path) -> None:
    ended = run_neuron(1_000_000, 2, NUMBA_CACHE_DIR=str(tmp_path))
    _check_latency(f"1e6 networks, cold cache ({ended.peak:.0f} MB)", ended.seconds, 25.0)


def _check_latency(what: str, seconds: float, required: float) -> None:
    print(f"\n{what}: {seconds:.2f} s (required < {required:g})")
    assert seconds < required
