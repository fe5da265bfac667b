"""`simulate`: a run as a set of tasks on an executor, merged into one result.

The blocks of a run are split into tasks of even, aligned ranges; summaries are merged as they come. The result does not depend on
the executor, the number of threads, the size of the tasks or the order in which they end.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import numpy as np

from fanin.engine import conditional, direct, network_direct, stream
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.result import Layer, Result
from fanin.sampling_checks import check_memory, check_own_laws

METHODS = ("direct", "conditional", "auto")
_TASK_DRAWS = 1.2e8  # about a tenth of a second of one thread
_NETWORK_TASK_DRAWS = 8e8  # about a third of a second of one thread
_RECORDED_DRAWS = 8  # draws that take as long as recording one neuron


def simulate(
    ensemble: Ensemble,
    networks: int | float = 10_000_000,
    seed: int = 501,
    method: str = "direct",
    threads: int | None = None,
    executor: futures.Executor | None = None,
    progress: Callable[[int], object] | None = None,
    blocks_per_task: int | None = None,
) -> Result:
    """Sample networks of an ensemble and summarise them.

    Parameters
    ----------
    ensemble : Ensemble
        What to sample.
    networks : int
        How many networks; a float such as 1e7 is accepted where it is a whole number.
    seed : int
        0 to 2**64 - 1. The result is a pure function of ensemble, seed, method and number of networks.
    method : str
        "direct" draws every weight; "conditional" integrates Gaussian weights out, exactly; "auto" takes the conditional sampler
        for networks that it samples exactly, and the direct one for others. The result says which one it was.
    threads : int, optional
        Threads of the default executor: all available cores by default.
    executor : concurrent.futures.Executor, optional
        Where to run instead of own threads; it is not shut down. Other processes must be able to import fanin.
    progress : callable, optional
        Called in this thread with the number of networks that a finished task adds.
    blocks_per_task : int, optional
        Size of a task in blocks, of 2048 single layers (an even number of blocks) or of up to 128 networks. The result does not
        depend on it.

    Raises
    ------
    SpecificationError
        For a value that cannot be sampled.

    Examples
    --------
    >>> result = simulate(Ensemble(widths=(10, 1)), networks=4096, seed=1)
    >>> result.layers[1].finite
    4096
    """
    if not isinstance(ensemble, Ensemble):
        raise SpecificationError(f"ensemble must be a fanin.Ensemble, not {type(ensemble).__name__}")
    networks = whole_number(networks, "networks", 1, stream.MAX_NETWORKS)
    seed = whole_number(seed, "seed", 0, stream.MAX_SEED)
    threads = available_threads() if threads is None else whole_number(threads, "threads", 1, 4096)
    method = resolved_method(ensemble, method)
    if executor is not None and not isinstance(executor, futures.Executor):
        raise SpecificationError(f"executor must be a concurrent.futures.Executor, not {type(executor).__name__}")
    if blocks_per_task is None:
        blocks_per_task = _default_task(ensemble, method)
    elif whole_number(blocks_per_task, "blocks_per_task", 1, stream.MAX_BLOCKS) % 2 and sampler_of(ensemble, method) is direct:
        raise SpecificationError(f"blocks_per_task is {blocks_per_task}; it must be even, so that pairs of blocks stay together")
    check_memory(ensemble, threads)
    check_own_laws(ensemble)
    plan = _plan(ensemble, seed, method)
    start = time.perf_counter()
    layers = _sampled(plan, ensemble, 0, networks, seed, method, threads, executor, progress, blocks_per_task)
    return Result(
        ensemble=ensemble,
        networks=networks,
        seed=seed,
        method=method,
        layers=layers,
        seconds=time.perf_counter() - start,
        threads=threads,
    )


def extended(
    result: Result,
    networks: int,
    executor: futures.Executor | None = None,
    progress: Callable[[int], object] | None = None,
) -> Result:
    """A longer run, of which a result is the beginning: only what is missing is sampled.

    result : of a whole number of `step_of` networks. networks : of the longer run. executor, progress : as for `simulate`.
    """
    ensemble, seed, method, threads = result.ensemble, result.seed, result.method, result.threads
    if result.networks % step_of(ensemble, method) or networks <= result.networks:
        raise SpecificationError(f"{result.networks} networks cannot become {networks}; only whole pairs of blocks grow")
    plan, start, blocks = _plan(ensemble, seed, method), time.perf_counter(), _default_task(ensemble, method)
    more = _sampled(plan, ensemble, result.networks, networks, seed, method, threads, executor, progress, blocks)
    seconds = result.seconds + time.perf_counter() - start
    return dataclasses.replace(result, networks=networks, layers=_merge(result.layers, more), seconds=seconds)


def step_of(ensemble: Ensemble, method: str) -> int:
    """Networks of the smallest piece that a run can be extended by."""
    sampler = sampler_of(ensemble, method)
    return sampler.block_size(ensemble) * (2 if sampler is direct else 1)


def _plan(ensemble: Ensemble, seed: int, method: str) -> Any:
    """What the sampler works from, once its kernels are compiled."""
    sampler = sampler_of(ensemble, method)
    plan = sampler.make_plan(ensemble, seed)
    sampler.compile_kernels(plan)
    return plan


def _sampled(
    plan: Any,
    ensemble: Ensemble,
    done: int,
    networks: int,
    seed: int,
    method: str,
    threads: int,
    executor: futures.Executor | None,
    progress: Callable[[int], object] | None,
    blocks_per_task: int,
) -> dict[int, Layer]:
    """The summaries of networks number `done` to `networks` - 1."""
    sampler = sampler_of(ensemble, method)
    tasks = _tasks(done, networks, blocks_per_task, sampler.block_size(ensemble))
    if executor is not None:
        layers = _merge_all(executor, functools.partial(run_task, ensemble, seed, method), tasks, threads, progress)
        _check_complete(layers, networks - done)
        return layers
    stop = np.zeros(1, np.int64)
    with futures.ThreadPoolExecutor(threads, thread_name_prefix="fanin") as pool:
        try:
            layers = _merge_all(pool, functools.partial(_run_here, sampler, plan, stop), tasks, threads, progress)
        except BaseException:
            stop[0] = 1
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    _check_complete(layers, networks - done)
    return layers


def resolved_method(ensemble: Ensemble, method: str) -> str:
    """The sampler that a method stands for: "direct" or "conditional"; refused where that one cannot sample the ensemble."""
    check_method(method)
    if method == "auto":
        method = conditional.NAME if ensemble.is_network and conditional.is_exact(ensemble) else direct.NAME
    if method == conditional.NAME:
        conditional.check(ensemble)
    elif ensemble.is_network:
        sampler_of(ensemble, method).check(ensemble)
    return method


def sampler_of(ensemble: Ensemble, method: str) -> Any:
    """The module that samples an ensemble by a method."""
    if method == conditional.NAME:
        return conditional
    return network_direct if ensemble.is_network else direct


def run_task(ensemble: Ensemble, seed: int, method: str, first: int, last: int, networks: int) -> dict[int, Layer]:
    """One task, anywhere: blocks first .. last - 1, of which `networks` networks count."""
    sampler = sampler_of(ensemble, method)
    return sampler.sample(sampler.make_plan(ensemble, seed), first, last, networks)


def _run_here(sampler: Any, plan: Any, stop: np.ndarray, first: int, last: int, networks: int) -> dict[int, Layer]:
    return sampler.sample(plan, first, last, networks, stop)


def _tasks(done: int, networks: int, blocks_per_task: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Ranges of blocks of the given size from network `done` on, and the number of networks that count in each."""
    blocks = -(-networks // size)
    for first in range(done // size, blocks, blocks_per_task):
        last = min(first + blocks_per_task, blocks)
        yield first, last, min(networks, last * size) - first * size


def _merge_all(
    executor: futures.Executor,
    run: Callable[[int, int, int], dict[int, Layer]],
    tasks: Iterator[tuple[int, int, int]],
    workers: int,
    progress: Callable[[int], object] | None,
) -> dict[int, Layer]:
    """Submit tasks in a window of a few per worker, so that memory does not grow with the run, and merge as they end."""
    total: dict[int, Layer] | None = None
    waiting: dict[futures.Future[dict[int, Layer]], int] = {}
    exhausted = False
    while waiting or not exhausted:
        while not exhausted and len(waiting) < 3 * workers:
            task = next(tasks, None)
            if task is None:
                exhausted = True
            else:
                waiting[executor.submit(run, *task)] = task[2]
        done, _ = futures.wait(waiting, return_when=futures.FIRST_COMPLETED)
        for future in done:
            part = future.result()
            total = part if total is None else _merge(total, part)
            networks = waiting.pop(future)
            if progress is not None:
                progress(networks)
    assert total is not None
    return total


def _check_complete(layers: dict[int, Layer], networks: int) -> None:
    """Refuse a sum of tasks that is not the run: a worker that lost networks, or counted some twice."""
    for number, layer in layers.items():
        if layer.networks != networks:
            raise RuntimeError(f"layer {number} holds {layer.networks} networks of the {networks} that were to be sampled")


def _merge(one: dict[int, Any], other: dict[int, Any]) -> dict[int, Layer]:
    """The summaries of both, layer by layer."""
    return {layer: kept.merge(other[layer]) for layer, kept in one.items()}


def _default_task(ensemble: Ensemble, method: str) -> int:
    """Blocks of a task of about a tenth of a second of one layer, or of about half a second of networks: a power of two."""
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
    return blocks


def available_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_method(method: str) -> None:
    """Refuse a sampler that does not exist."""
    if method not in METHODS:
        raise SpecificationError(f"method is {method!r}; known are {', '.join(METHODS)}")


def whole_number(value: Any, name: str, least: int, most: int) -> int:
    """A whole number in a range, from an int or from a float such as 1e7."""
    try:
        number = int(value)
        if isinstance(value, bool) or number != value:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise SpecificationError(f"{name} is {value!r}; it must be a whole number from {least} to {most}") from None
    if not least <= number <= most:
        shown = str(number) if number.bit_length() < 64 else f"about 1e{len(str(number)) - 1}"
        raise SpecificationError(f"{name} is {shown}; it must lie between {least} and {most}")
    return number
