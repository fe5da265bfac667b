"""One digest from threads, processes, Dask and MPI, in tasks of every size, whole and gone on with after a kill.

Of each place and size two runs are made, of single neurons and of networks. Then both are gone on with from the stores of runs that
were killed at a random instant after their first row, with tasks that end in a random order. Killed runs are made first, in a
process of their own that has one thread, as `kills` makes them.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import fanin
from fanin.executors import open_executor
from tests.campaigns.kills import ONE_THREAD, forked
from tests.campaigns.small_stores import Run, clear, networks_of

SIZES = tuple(1 << k for k in range(1, 11))
"""Blocks of a task."""
PLACES = {"threads": range(1, 9), "processes": range(1, 5), "dask": range(1, 5), "mpi": range(2, 5)}
"""Threads, workers or ranks."""

_RUNS: tuple[Run, ...] = ((fanin.Ensemble((4, 1)), 1, 40), (fanin.Ensemble((4, 3, 2), "he_normal", "relu", cost="linear"), 2, 40))


class Shuffled(futures.Executor):
    """Another executor, whose tasks end in a random order: none before all that were given out have ended."""

    def __init__(self, inner: futures.Executor, workers: int, seed: int) -> None:
        self.workers, self._inner, self._rng = workers, inner, random.Random(seed)
        self._lock, self._given, self._ended = threading.Lock(), 0, list[tuple[futures.Future[Any], futures.Future[Any]]]()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """Give a task to the other executor."""
        outer: futures.Future[Any] = futures.Future()
        with self._lock:
            self._given += 1
        self._inner.submit(fn, *args, **kwargs).add_done_callback(lambda inner: self._end(outer, inner))
        return outer

    def _end(self, outer: futures.Future[Any], inner: futures.Future[Any]) -> None:
        with self._lock:
            self._ended.append((outer, inner))
            if len(self._ended) < self._given:
                return
            ended, self._ended, self._given = self._ended, [], 0
        self._rng.shuffle(ended)
        for outer, inner in ended:
            if outer.set_running_or_notify_cancel():
                if (error := inner.exception()) is None:
                    outer.set_result(inner.result())
                else:
                    outer.set_exception(error)


def _killed(path: Path, run: Run, rng: random.Random) -> None:
    """The store of a run that was killed after its first row and before its last."""
    longest, rows = 0.1, 0
    while not 0 < rows < run[2]:
        clear(path)
        child, pipe = forked(path, run, False, rng)
        time.sleep(rng.uniform(0.0, longest))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(pipe) as stream:
            rows = stream.read().count("\n")
        longest *= 1.0 if rows else 1.2


def _store(folder: Path, place: str, workers: int, blocks: int, which: int) -> Path:
    return folder / f"{place}-{workers}-{blocks}-{which}"


def make_killed(folder: Path, place: str, workers: int, sizes: tuple[int, ...]) -> None:
    """The stores that `digests` goes on from."""
    rng = random.Random(f"{place} {workers}")
    for ensemble, seed, count in _RUNS:
        fanin.simulate(ensemble, networks_of(ensemble, count), seed, threads=1)  # compiles the kernels
    for blocks, which in itertools.product(sizes, range(len(_RUNS))):
        _killed(_store(folder, place, workers, blocks, which), _RUNS[which], rng)


def digests(folder: Path, place: str, workers: int, sizes: tuple[int, ...]) -> Iterator[str]:
    """Those of all runs of a place: of each size the whole ones, then those that go on."""
    number = workers if place in ("processes", "dask") else None
    with open_executor(place, number) as executor, futures.ThreadPoolExecutor(workers) as threads:
        for blocks in sizes:
            shuffled = Shuffled(executor or threads, workers, blocks)
            for which, (ensemble, seed, count) in enumerate(_RUNS):
                networks, store = networks_of(ensemble, count), _store(folder, place, workers, blocks, which)
                how: dict[str, Any] = {"threads": workers, "blocks_per_task": blocks}
                yield fanin.simulate(ensemble, networks, seed, executor=executor, **how).digest
                yield fanin.simulate(ensemble, networks, seed, executor=shuffled, store=store, **how).digest


def _program(*arguments: object, ranks: int = 0) -> str:
    """What this module prints as a program."""
    start = [sys.executable, "-m"]
    if ranks:
        mpiexec = str(Path(sys.executable).parent / "mpiexec")
        start = [mpiexec, "--allow-run-as-root", "--oversubscribe", "-n", str(ranks), *start, "mpi4py.futures", "-m"]
    command = [*start, "tests.campaigns.combinations", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | ONE_THREAD)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def combinations(places: dict[str, Any] | None = None, sizes: tuple[int, ...] = SIZES) -> str:
    """Runs of every place and size, whole and gone on with."""
    places = places or PLACES
    known = [fanin.simulate(ensemble, networks_of(ensemble, count), seed).digest for ensemble, seed, count in _RUNS]
    expected = [digest for digest in known for _ in range(2)] * len(sizes)
    with tempfile.TemporaryDirectory() as folder:
        for place, workers in ((place, workers) for place, numbers in places.items() for workers in numbers):
            _program("kill", folder, place, workers, *sizes)
            found = _program("run", folder, place, workers, *sizes, ranks=workers if place == "mpi" else 0).split()
            if found != expected:
                raise SystemExit(f"{place}, {workers}: a digest that is not that of the others")
    words = ", ".join(f"{place} {numbers[0]} to {numbers[-1]}" for place, numbers in places.items())
    count = 2 * len(sizes) * sum(map(len, places.values()))
    return f"{count} combinations ({words}; tasks of {sizes[0]} to {sizes[-1]} blocks), of two runs each: one digest for each run"


def _main(what: str, folder: str, place: str, workers: str, *sizes: str) -> None:
    given = (Path(folder), place, int(workers), tuple(map(int, sizes)))
    if what == "kill":
        make_killed(*given)
    else:
        print(*digests(*given), sep="\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
