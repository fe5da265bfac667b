"""Programs that `test_scale` starts: each prints one object of what it measured."""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import fanin
from fanin.executors import open_executor
from fanin.store.reading import extent
from fanin.studies import built_in

NEURON = fanin.Ensemble(widths=(1000, 1))
_MINUTE = 400_000_000
_FEW = 2000


def minute(executor: str, rounds: str) -> dict[str, list[float]]:
    """Seconds of runs of a minute in two threads and in two workers of an executor, in turns."""
    seconds: dict[str, list[float]] = {"threads": [], executor: []}
    with open_executor(executor, 2) as opened:
        for place in (None, opened):
            fanin.simulate(NEURON, 5_000_000, threads=2, executor=place)
        for _ in range(int(rounds)):
            for name, place in (("threads", None), (executor, opened)):
                start = time.perf_counter()
                fanin.simulate(NEURON, _MINUTE, threads=2, executor=place)
                seconds[name].append(time.perf_counter() - start)
    return seconds


def overhead(executor: str) -> dict[str, float]:
    """Seconds that a task of two small blocks takes beyond the same networks in long tasks."""
    ensemble, networks = fanin.Ensemble((2, 1), "scaled"), 4096 * _FEW
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        open_executor(executor, None if executor == "threads" else 1) as opened,
    ):

        def run(blocks: int, store: Path | None) -> float:
            start = time.perf_counter()
            fanin.simulate(ensemble, networks, threads=1, executor=opened, blocks_per_task=blocks, store=store)
            return time.perf_counter() - start

        run(1 << 10, None)
        whole = run(1 << 10, None)
        return {"plain": (run(2, None) - whole) / _FEW, "stored": (run(2, Path(folder) / "runs") - whole) / _FEW}


def memory(store: str, tasks: str) -> dict[str, float]:
    """Resident memory of the parent after a thousand tasks and after all, each task committed to a store."""
    ensemble, sizes, done = fanin.Ensemble((2, 1), "scaled"), {}, 0

    def progress(_networks: int) -> None:
        nonlocal done
        done += 1
        if done in (1000, int(tasks)):
            sizes[done] = _resident()

    fanin.simulate(ensemble, 4096 * int(tasks), store=store, blocks_per_task=2, progress=progress)
    with fanin.Store(store) as opened:
        stored = extent(opened, opened.runs()[0]).stored
    return {"first": sizes[1000], "last": sizes[int(tasks)], "tasks": int(tasks), "bytes": stored}


def _resident() -> float:
    """MB."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def bytes_(store: str) -> dict[str, float]:
    """Bytes of a row for each layer, of the ensembles of the deep studies, in tasks of the usual length."""
    found = {}
    with fanin.Store(store, write=True) as opened:
        for study in ("deep", "depth"):
            for label, ensemble in built_in(study).ensembles.items():
                fanin.simulate(ensemble, 65_536, method="conditional", store=opened)
                reach = extent(opened, opened.runs()[-1])
                found[f"{study}, {label}"] = reach.stored / reach.rows / len(ensemble.recorded)
    return found


if __name__ == "__main__":
    json.dump({"minute": minute, "overhead": overhead, "memory": memory, "bytes": bytes_}[sys.argv[1]](*sys.argv[2:]), sys.stdout)
