"""A small store of three runs, one of them of networks, and its runs gone on with in this process at the price of reading it.

Tasks are sampled once and remembered: a task is a pure function of its place. They go the way of other processes' answers, so that
every summary that is used was read from its bytes. Files lie in memory, where the system has a folder there.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import fanin
from fanin import Store, layer_bytes, summing, tasks
from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.sampling import step_of
from fanin.store import reading, soundness
from fanin.store.specification import Specification, specification_of
from fanin.tasks import Task, sample_elsewhere

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
Run = tuple[fanin.Ensemble, int, int]
Rows = frozenset[tuple[str, int]]
"""Rows by the key of their run and their first block."""
BLOCKS = 2
"""Of a task."""

_NETWORK = fanin.Ensemble((4, 3, 2), "he_normal", "relu", cost="linear")
RUNS: tuple[Run, ...] = ((fanin.Ensemble((4, 1)), 1, 2), (fanin.Ensemble((4, 1)), 2, 1), (_NETWORK, 1, 1))
"""Ensemble, seed, and number of tasks that a store keeps; a part that none keeps comes after them."""
ROWS = sum(count for *_, count in RUNS)


class Here(futures.Executor):
    """Runs a task when it is submitted."""

    workers = 1

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """The future of what has happened already."""
        future: futures.Future[Any] = futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


_answers: dict[Any, Any] = {}
_read = functools.lru_cache(1000)(layer_bytes.from_bytes)
_contradictions: dict[Any, str] = {}


def _expect_sound(layers: dict[int, Any], ensemble: fanin.Ensemble) -> None:
    """`soundness.expect_sound`, whose answer depends on the numbers alone."""
    key = (ensemble, *(layer.sha256() for layer in layers.values()))
    if len(_contradictions) > 10_000:
        _contradictions.clear()
    if key not in _contradictions:
        try:
            soundness.expect_sound(layers, ensemble)
            _contradictions[key] = ""
        except SpecificationError as error:
            _contradictions[key] = str(error)
    if _contradictions[key]:
        raise SpecificationError(_contradictions[key])


@contextmanager
def remembered() -> Iterator[list[tuple[str, Task]]]:
    """Tasks are sampled, and the same bytes parsed and checked, only once. The list has the tasks that were asked for."""
    asked: list[tuple[str, Task]] = []
    _read.cache_clear()
    _contradictions.clear()

    def sample(job: Any, task: Task) -> Any:
        asked.append((job.key, task))
        if (job.key, task) not in _answers:
            _answers[job.key, task] = sample_elsewhere(job, task)
        return _answers[job.key, task]

    with (
        mock.patch.object(tasks, "sample_elsewhere", sample),
        mock.patch.object(summing, "from_bytes", _read),
        mock.patch.object(tasks, "from_bytes", _read),
        mock.patch.object(reading, "from_bytes", _read),
        mock.patch.object(reading, "expect_sound", _expect_sound),
        mock.patch.object(reading, "provenance", functools.cache(reading.provenance)),
    ):
        yield asked


def networks_of(ensemble: fanin.Ensemble, count: int) -> int:
    """Networks of a run of so many tasks and a bit."""
    return count * BLOCKS * step_of(ensemble, "direct") // (1 if ensemble.is_network else 2) + 10


def simulated(run: Run, store: Any = None) -> str:
    """The digest of a run."""
    ensemble, seed, count = run
    networks = networks_of(ensemble, count)
    return fanin.simulate(ensemble, networks, seed, threads=1, executor=Here(), store=store, blocks_per_task=BLOCKS).digest


@functools.cache
def specification(run: Run) -> Specification:
    """That of a run."""
    return specification_of(run[0], run[1], "direct")


@functools.cache
def digests() -> tuple[str, ...]:
    """What every run must give."""
    return tuple(simulated(run) for run in RUNS)


def make(path: Path) -> bytes:
    """Write the store, and give its bytes."""
    for run in RUNS:
        with Store(path, write=True) as store:
            simulated(run, store)
    return path.read_bytes()


def rows_of(asked: list[tuple[str, Task]]) -> Rows:
    """Those of the store among tasks that were asked for."""
    whole = {specification(run).key: run[2] * BLOCKS for run in RUNS}
    return frozenset((key, task.blocks.first) for key, task in asked if task.blocks.last <= whole[key])


def clear(path: Path) -> None:
    """Take away a store and what SQLite puts beside it."""
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), Path(f"{path}-journal")):
        name.unlink(missing_ok=True)


def sentence_of(error: BaseException, path: Path) -> str:
    """The sentence of a refusal; an AssertionError where it is not one sentence about a file."""
    text = str(error)
    if not isinstance(error, (SpecificationError, BrokenOff)) or not text.isprintable() or len(text) > 500 or str(path) not in text:
        raise AssertionError(f"no sentence: {type(error).__name__}: {text!r}") from error
    return text.replace(str(path), "FILE")


def resumed(path: Path, said: list[str]) -> str | None:
    """Go on with every run in a store: None, or the sentence with which it is refused."""
    try:
        with Store(path, write=True, notice=said.append) as store:
            for run, digest in zip(RUNS, digests(), strict=True):
                if simulated(run, store) != digest:
                    raise AssertionError("a wrong digest")
    except (SpecificationError, BrokenOff) as error:
        return sentence_of(error, path)
    return None
