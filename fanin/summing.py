"""The summary of a range of networks: what a store holds of it, and the rest sampled by tasks, kept and added up.

Guarantee: every network of the range counts once, or the run breaks off; the sum does not depend on where tasks ran, how long they
were, in which order they ended, or on what was in the store.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from typing import Any

import numpy as np

from fanin.block_ranges import Range, cut, gaps
from fanin.engine import direct
from fanin.engine.spec import Ensemble
from fanin.executors import WINDOW, pickles_functions, window_of, workers_of
from fanin.layer_bytes import from_bytes
from fanin.result import Layer
from fanin.store import Store
from fanin.store.specification import Specification
from fanin.tasks import Job, Task, expect_sendable, finished, piece_of, row_of, sample_here, sample_known, sampler_of, taken

_TASK_DRAWS = 1.2e8  # about a tenth of a second of one thread
_NETWORK_TASK_DRAWS = 8e8  # about a third of a second of one thread
_RECORDED_DRAWS = 8  # draws that take as long as recording one neuron
_LONGER, _LONGER_OF_NETWORKS = 16, 4
"""Times that a task is longer where its summary is sent or kept, at least: half a second to two."""

_LAYER, _REST = 1, 9
"""Cost of a summary to this process, for each layer and beside them. With more workers tasks are longer, so that it can follow: it
gets some fifty summaries of one layer a second, and five of a hundred."""


@dataclass(frozen=True)
class Place:
    """Where a run is computed and kept. threads : of the default executor. executor, store, progress : as for `simulate`.

    so_far : called after each task with the sum of those that have ended.
    """

    threads: int
    executor: futures.Executor | None = None
    store: Store | None = None
    progress: Callable[[int], object] | None = None
    so_far: Callable[[dict[int, Layer]], object] | None = None

    @property
    def workers(self) -> int:
        """Tasks that are worked on at a time."""
        return self.threads if self.executor is None else workers_of(self.executor, self.threads)

    def held(self, networks: int, total: dict[int, Layer]) -> None:
        """Say that so many networks of a store were added to a sum: to `progress.held`, where there is one."""
        dataclasses.replace(self, progress=getattr(self.progress, "held", self.progress)).added(networks, total)

    def added(self, networks: int, total: dict[int, Layer]) -> None:
        """Say that so many networks were added to a sum."""
        if self.progress is not None:
            self.progress(networks)
        if self.so_far is not None:
            self.so_far(total)


def summed(
    specification: Specification, job: Job, networks: Range, place: Place, blocks_per_task: int | None = None
) -> dict[int, Layer]:
    """The summary of networks number `networks.first` to `networks.last` - 1, by layer. The first begins a piece of blocks."""
    ensemble, method = job.ensemble, job.method
    size, piece = job.sampler.block_size(ensemble), piece_of(ensemble, method)
    whole = Range(networks.first // size, networks.last // (size * piece) * piece)
    total: dict[int, Layer] = {}
    held: list[Range] = []
    if place.store is not None:

        def read(blocks: Range, summary: bytes) -> dict[int, Layer]:
            return from_bytes(summary, ensemble, method, blocks.blocks * size)

        for blocks, layers in place.store.held(job.key, whole, read):
            held.append(blocks)
            total = merged(total, layers)
            place.held(blocks.blocks * size, total)
    tasks = _tasks(whole, held, networks.last, size, blocks_per_task or _usual_task(ensemble, method, place))
    keep = None if place.store is None else functools.partial(place.store.keep, specification)
    for task, layers, row in _sampled(job, tasks, place, keep is not None):
        if keep is not None and task.blocks.last <= whole.last:
            keep(row)
        total = merged(total, layers)
        place.added(task.networks, total)
    _check_complete(total, networks.last - networks.first)
    return total


def merged(one: dict[int, Any], other: dict[int, Any]) -> dict[int, Layer]:
    """The summaries of both, layer by layer."""
    return {layer: kept.merge(other[layer]) for layer, kept in one.items()} if one else other


def _tasks(whole: Range, held: list[Range], last: int, size: int, most: int) -> Iterator[Task]:
    """What is missing of a range of whole pieces, and the networks after it up to number `last`, which no store keeps."""
    for gap in gaps(whole, held):
        for blocks in cut(gap, most):
            yield Task(blocks, blocks.blocks * size)
    if last > whole.last * size:
        yield Task(Range(whole.last, -(-last // size)), last - whole.last * size)


def _sampled(job: Job, tasks: Iterator[Task], place: Place, kept: bool) -> Iterator[tuple[Task, dict[int, Layer], Any]]:
    """Tasks as they end, with their summaries and, where they are kept, the rows of these."""
    if place.executor is not None:
        executor, run = place.executor, functools.partial(sample_known, job.key)
        if pickles_functions(executor):
            expect_sendable(job)

        def window() -> int:
            return window_of(executor, place.workers)

        for task, (layers, row) in finished(executor, run, functools.partial(taken, job), tasks, window, job):
            yield task, layers, row
        return
    stop = np.zeros(1, np.int64)
    with futures.ThreadPoolExecutor(place.threads, thread_name_prefix="fanin") as pool:
        try:
            run = functools.partial(_sample_in_thread, job, stop, kept)
            for task, (layers, row) in finished(pool, run, lambda _task, found: found, tasks, lambda: WINDOW * place.threads):
                yield task, layers, row
        except BaseException:
            stop[0] = 1
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _sample_in_thread(job: Job, stop: np.ndarray, kept: bool, task: Task) -> tuple[dict[int, Layer], Any]:
    layers = sample_here(job, stop, task)
    return layers, row_of(job, task, layers) if kept else None


def _check_complete(layers: dict[int, Layer], networks: int) -> None:
    """Refuse a sum of tasks that is not the run: a worker that lost networks, or counted some twice."""
    for number, layer in layers.items():
        if layer.networks != networks:
            raise RuntimeError(f"layer {number} holds {layer.networks} networks of the {networks} that were to be sampled")


def _usual_task(ensemble: Ensemble, method: str, place: Place) -> int:
    """Blocks of a task: of about a tenth of a second of one layer, or of about half a second of networks, or of more."""
    sampler = sampler_of(ensemble, method)
    size = sampler.block_size(ensemble)
    if sampler is direct:
        inputs = ensemble.inputs
        draws, blocks, most = inputs.count if inputs.kind == "on" else ensemble.fan_in, 2, _TASK_DRAWS
        draws += 20
    else:
        blocks, most = 1, _NETWORK_TASK_DRAWS
        pairs = zip(ensemble.widths[:-1], ensemble.widths[1:], strict=True)
        draws = sum(above * ((below if method == direct.NAME else 0) + _RECORDED_DRAWS) for below, above in pairs)
    while blocks < 4096 and 2 * blocks * size * draws < most:
        blocks *= 2
    if place.executor is None and place.store is None:
        return blocks
    load = place.workers * (_LAYER * len(ensemble.recorded) + _REST) // 50
    return blocks << (max(_LONGER if sampler is direct else _LONGER_OF_NETWORKS, load) - 1).bit_length()
