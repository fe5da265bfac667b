"""What a task costs the parent of a run, measured: a program that prints one object.

Seconds for each task: to submit it and hear of its end (Dask on this machine, and threads), to check its proof and unpack its
summary, to add it to the sum, to commit it to a store (on the disk of the current folder). Bytes of its row for each layer.
Seconds that a worker of this machine takes for a network.
"""

from __future__ import annotations

import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fanin
from fanin.block_ranges import Range
from fanin.executors import open_executor, window_of
from fanin.store.specification import specification_of
from fanin.studies import built_in
from fanin.summing import merged
from fanin.tasks import Job, Task, finished, piece_of, sample_elsewhere, taken

ENSEMBLES = {
    "single neuron, 1000 inputs": ("single-neuron", "standard"),
    "10 layers of 1000, scaled": ("deep", "scaled"),
    "10 layers of 1000, standard": ("deep", "standard"),
    "100 layers of 1000": ("", ""),
}
_TASKS = 64
_NETWORKS = 8192
"""Of a task; sixteen times as many single neurons."""


def _nothing(task: Task) -> Task:
    return task


def _each(run: Callable[[], object], least: float = 0.3) -> float:
    """Seconds of one call, in the mean over some."""
    run()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < least:
        run()
        count += 1
    return (time.perf_counter() - start) / count


def _costs(ensemble: Any, method: str, folder: str) -> dict[str, float]:
    specification = specification_of(ensemble, 501, method)
    job = Job(ensemble, 501, method, specification.key)
    size, blocks = job.sampler.block_size(ensemble), piece_of(ensemble, method)
    while blocks * size < (_NETWORKS if ensemble.is_network else 16 * _NETWORKS):
        blocks *= 2
    task = Task(Range(0, blocks), blocks * size)
    _ = job.plan  # compiled
    start = time.perf_counter()
    job.sampler.sample(job.plan, 0, blocks, task.networks)
    sampled = time.perf_counter() - start
    answer = sample_elsewhere(job, task)
    layers, row = taken(job, task, answer)
    with fanin.Store(Path(folder) / f"{specification.key}.fanin", write=True) as store:
        places = iter(range(1, 1 << 40))

        def keep() -> None:
            at = next(places) * blocks
            moved = type(row).of(job.key, Range(at, at + blocks), row.summary(job.key))
            store.keep(specification, moved)

        commit = _each(keep) - _each(lambda: type(row).of(job.key, row.blocks, row.summary(job.key)))
    return {
        "take": _each(functools.partial(taken, job, task, answer)),
        "merge": _each(functools.partial(merged, layers, layers)),
        "commit": commit,
        "bytes": len(row.data),
        "layers": len(layers),
        "seconds": sampled / task.networks,
    }


def _round_trip(name: str) -> float:
    """Seconds of an empty task, given out in a window as those of a run are."""
    tasks = [Task(Range(k, k + 1), 1) for k in range(40 * _TASKS)]
    with open_executor(name, 2) as executor:
        assert executor is not None
        window = window_of(executor, 2)
        list(finished(executor, _nothing, lambda _task, found: found, tasks[:_TASKS], lambda: window))
        start = time.perf_counter()
        list(finished(executor, _nothing, lambda _task, found: found, tasks, lambda: window))
        return (time.perf_counter() - start) / len(tasks)


def main() -> None:
    """Measure and print."""
    deep = fanin.Ensemble((1000,) * 101, "he_normal", "relu", "gaussian", cost="linear")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        found: dict[str, Any] = {}
        for label, (study, name) in ENSEMBLES.items():
            ensemble = built_in(study).ensembles[name] if study else deep
            found[label] = _costs(ensemble, "conditional" if ensemble.is_network else "direct", folder)
    found["round trip"] = {name: _round_trip(name) for name in ("processes", "dask")}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
