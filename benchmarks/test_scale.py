"""What executors and stores cost beside sampling, against the threads that are there without them.

Two one-thread Dask workers against two threads on a run of a minute; overhead of a task; memory of the parent over 1e5 tasks; bytes
of a store. Kernels are warm on both sides.
"""

from __future__ import annotations

import pathlib
import statistics

import pytest

from benchmarks.processes import run_module
from fanin.executors import available_threads

WORKERS_SHARE = 0.9
OVERHEAD = 5e-3
BYTES_A_LAYER = 16_000
GROWTH_MB = 20.0
ROUNDS = 3


@pytest.mark.skipif(available_threads() < 2, reason="needs two cores")
@pytest.mark.parametrize("executor", ["dask", "processes"])
def test_two_workers_against_two_threads(executor: str) -> None:
    seconds = run_module("benchmarks.scale_runs", "minute", executor, str(ROUNDS)).json()
    ratio = statistics.median(a / b for a, b in zip(seconds["threads"], seconds[executor], strict=True))
    print(f"\n{executor}: {ratio:.3f} of two threads on runs of {statistics.median(seconds['threads']):.0f} s", end="")
    print(f" (required {WORKERS_SHARE:g})")
    assert ratio >= WORKERS_SHARE


@pytest.mark.parametrize("executor", ["threads", "processes", "dask"])
def test_overhead_of_a_task(executor: str) -> None:
    found = run_module("benchmarks.scale_runs", "overhead", executor).json()
    print(f"\n{executor}: {1e3 * found['plain']:.2f} ms a task, {1e3 * found['stored']:.2f} ms with a store", end="")
    print(f" (required < {1e3 * OVERHEAD:g})")
    assert max(found.values()) < OVERHEAD


def test_memory_over_many_tasks(tmp_path: pathlib.Path) -> None:
    """1e5 tasks, each committed."""
    found = run_module("benchmarks.scale_runs", "memory", str(tmp_path / "runs"), "100000").json()
    print(f"\nparent: {found['first']:.0f} MB after 1,000 tasks, {found['last']:.0f} MB after {found['tasks']:,}", end="")
    print(f" (required: {GROWTH_MB:g} MB more at most); store {found['bytes'] / found['tasks']:,.0f} bytes a task")
    assert found["last"] - found["first"] < GROWTH_MB


def test_bytes_of_a_deep_study(tmp_path: pathlib.Path) -> None:
    found = run_module("benchmarks.scale_runs", "bytes", str(tmp_path / "runs")).json()
    print(*(f"\n{name}: {size:,.0f} bytes a task and layer" for name, size in found.items()), f"(required < {BYTES_A_LAYER:,})")
    assert statistics.fmean(found.values()) < BYTES_A_LAYER
