"""Tasks: ranges of blocks that are sampled anywhere, any number of times, in any order.

A task is submitted to an executor with the key of its run; what comes back is a few kilobytes. A worker that does not know the run
gives the task back, and gets it again with the specification, which may hold a large table of inputs. Submission is windowed. A
task whose worker was lost, or gave what cannot be, is given out again; after `TRIES` failures the run breaks off.

Guarantee: nothing that another process computed is used before that process has proved that it computes the right bits: with its
first answers comes the hash of a known piece of the same run, which this process has computed as well.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from dataclasses import dataclass
from typing import Any

import numpy as np

from fanin.block_ranges import Range
from fanin.broken_off import BrokenOff
from fanin.engine import conditional, direct, network_direct
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.layer_bytes import from_bytes, to_bytes
from fanin.result import Layer
from fanin.signals import stop_where_asked
from fanin.summary_row import Row

TRIES = 5
_LOOK = 5.0  # seconds after which an executor that finishes nothing is asked for its workers


@dataclass(frozen=True, eq=False)
class Job:
    """What all tasks of a run have in common. key : distinct for each specification and version of fanin."""

    ensemble: Ensemble
    seed: int
    method: str
    key: str

    @property
    def sampler(self) -> Any:
        """The module that samples it."""
        return sampler_of(self.ensemble, self.method)

    @functools.cached_property
    def plan(self) -> Any:
        """What the sampler works from, once its kernels are compiled."""
        plan = self.sampler.make_plan(self.ensemble, self.seed)
        self.sampler.compile_kernels(plan)
        return plan

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "plan"}


@dataclass(frozen=True)
class Task:
    """Blocks of a run, and how many of their networks count: all but at the end of a run."""

    blocks: Range
    networks: int


@dataclass(frozen=True)
class Answer:
    """What another process sends back. worker : host and process. proof : hash of the known piece."""

    worker: str
    proof: str
    row: Row


def sampler_of(ensemble: Ensemble, method: str) -> Any:
    """The module that samples an ensemble by a method."""
    if method == conditional.NAME:
        return conditional
    return network_direct if ensemble.is_network else direct


def piece_of(ensemble: Ensemble, method: str) -> int:
    """Blocks of the smallest piece that a run can be cut into."""
    return 2 if sampler_of(ensemble, method) is direct else 1


def expect_sendable(job: Job) -> None:
    """Refuse a job with functions that another process cannot import."""
    try:
        pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SpecificationError(
            f"the ensemble cannot be sent to other processes ({reason(error)}); functions of one's own must be defined at the top "
            "of a module, and not as a lambda or within another function"
        ) from None


def sample_here(job: Job, stop: np.ndarray, task: Task) -> dict[int, Layer]:
    """A task in this process. stop : ends it early once it is not 0."""
    return job.sampler.sample(job.plan, *task.blocks, task.networks, stop)


def sample_known(key: str, task: Task, job: Job | None = None) -> Answer | None:
    """A task of the job of a key in another process; None where that does not know the job, and must be told."""
    with _lock:
        known = _known.pop(key, job)
        if known is None:
            return None
        _known[key] = known  # the one that was used last comes last
        while len(_known) > _KEPT:
            _known.pop(next(iter(_known)))
    return sample_elsewhere(known, task)


def sample_elsewhere(job: Job, task: Task) -> Answer:
    """A task in another process, with the proof that it computes the right bits."""
    layers = job.sampler.sample(job.plan, *task.blocks, task.networks)
    return Answer(f"{socket.gethostname()}, process {os.getpid()}", proof(job), row_of(job, task, layers))


def row_of(job: Job, task: Task, layers: dict[int, Layer]) -> Row:
    """The summary of a task as it is sent and kept."""
    return Row.of(job.key, task.blocks, to_bytes(layers))


def layers_of(job: Job, task: Task, row: Row) -> dict[int, Layer]:
    """The summary that a row holds; SpecificationError where it is not that of the task."""
    if row.blocks != task.blocks:
        raise SpecificationError(f"the row is that of {row.blocks}")
    return from_bytes(row.summary(job.key), job.ensemble, job.method, task.networks)


_known: dict[str, Job] = {}
"""Jobs whose kernels are compiled in this process, for the tasks that follow."""
_KEPT = 16
_lock = threading.Lock()
_proofs: dict[str, str] = {}


def proof(job: Job) -> str:
    """The hash of the first piece of a run, computed once in a process."""
    if job.key not in _proofs:
        blocks = piece_of(job.ensemble, job.method)
        layers = job.sampler.sample(job.plan, 0, blocks, blocks * job.sampler.block_size(job.ensemble))
        _proofs[job.key] = hashlib.sha256(f"{job.key}\n".encode() + to_bytes(layers)).hexdigest()
    return _proofs[job.key]


def taken(job: Job, task: Task, answer: Answer | None) -> tuple[dict[int, Layer], Row]:
    """The summary that another process sent, and its row.

    Raises
    ------
    WrongAnswer
        Where it has not proved that it computes the right bits, or sent what is not the summary of the task.
    """
    if answer is None:
        raise WrongAnswer("a worker says that it does not know the run, of which it was told")
    if answer.proof != proof(job):
        raise WrongAnswer(f"{answer.worker} computes other bits than this machine")
    try:
        return layers_of(job, task, answer.row), answer.row
    except SpecificationError:
        raise WrongAnswer(f"{answer.worker} sent what is not the summary of {task.blocks}") from None


class WrongAnswer(RuntimeError):
    """A worker sent what cannot be used."""


def finished(
    executor: futures.Executor,
    run: Callable[[Task], Any],
    take: Callable[[Task, Any], Any],
    tasks: Iterable[Task],
    window: Callable[[], int],
    job: Job | None = None,
) -> Iterator[tuple[Task, Any]]:
    """Tasks and what was made of their answers, in the order in which they end.

    window : most tasks that are given out at a time. job : goes with those that are given out again, since the answer was None, or
    there was none.

    Raises
    ------
    BrokenOff
        Where a task fails again and again, or the executor takes no more.
    Stopped
        Where a signal arrived and its exception was lost.
    """
    waiting: dict[futures.Future[Any], Task] = {}
    again: deque[Task] = deque()
    failures: Counter[Range] = Counter()  # of tasks that were given out again, or will be
    told = () if job is None else (job,)
    source = iter(tasks)
    try:
        while True:
            while len(waiting) < window():
                if again:
                    task = again.popleft()
                    waiting[_submitted(executor, run, task, *told)] = task
                elif (task := next(source, None)) is not None:
                    waiting[_submitted(executor, run, task)] = task
                else:
                    break
            if not waiting:
                return
            stop_where_asked()
            done, _ = futures.wait(waiting, timeout=_LOOK, return_when=futures.FIRST_COMPLETED)
            for future in sorted(done, key=lambda one: waiting[one].blocks):
                task = waiting.pop(future)
                try:
                    answer = future.result()
                    if answer is None and task.blocks not in failures:
                        failures[task.blocks] = 0
                        again.append(task)
                        continue
                    found = take(task, answer)
                except (BrokenOff, SpecificationError, InterruptedError):
                    raise
                except Exception as error:
                    if not is_of_worker(error):
                        raise
                    failures[task.blocks] += 1
                    if failures[task.blocks] == TRIES:
                        raise BrokenOff(f"{task.blocks} failed {TRIES} times, at last since {reason(error)}") from None
                    again.append(task)
                else:
                    failures.pop(task.blocks, None)
                    yield task, found
    finally:
        for future in waiting:
            future.cancel()


def _submitted(executor: futures.Executor, run: Callable[..., Any], *task: Any) -> futures.Future[Any]:
    try:
        return executor.submit(run, *task)
    except (futures.BrokenExecutor, RuntimeError) as error:
        raise BrokenOff(f"the executor takes no more tasks: {reason(error)}") from None


def is_of_worker(error: BaseException) -> bool:
    """Whether an error is about where a task ran, and not about the task: it may end well elsewhere."""
    of_cluster = type(error).__module__.partition(".")[0] in ("distributed", "tornado", "mpi4py")
    lost = (futures.BrokenExecutor, futures.CancelledError, OSError, MemoryError, EOFError, WrongAnswer)
    return of_cluster or isinstance(error, lost)


def reason(error: BaseException) -> str:
    """An error in a few words, in one line."""
    text = " ".join(str(error).split())
    return (text if len(text) <= 200 else f"{text[:197]}...") or type(error).__name__
