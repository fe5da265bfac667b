"""`simulate`: networks of an ensemble, sampled and summarised.

The result does not depend on the executor, the number of workers, the size of the tasks, the order in which they end, or what was
in the store.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

from fanin.block_ranges import Range
from fanin.engine import conditional, direct, stream
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.executors import available_threads
from fanin.result import Result
from fanin.sampling_checks import check_memory, check_own_laws
from fanin.store import Store
from fanin.store.specification import Specification, specification_of
from fanin.summing import Place, merged, summed
from fanin.tasks import Job, piece_of, sampler_of

METHODS = ("direct", "conditional", "auto")


def simulate(
    ensemble: Ensemble,
    networks: int | float = 10_000_000,
    seed: int = 501,
    method: str = "direct",
    threads: int | None = None,
    executor: futures.Executor | None = None,
    store: str | os.PathLike[str] | Store | None = None,
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
        `fanin.open_executor` opens one by name.
    store : path or Store, optional
        A file in which finished tasks are kept: what it holds of this run is not sampled again.
    progress : callable, optional
        Called in this thread with the number of networks that a finished task adds; an attribute `held` of it, where it has one, is
        called in its place with what a store held.
    blocks_per_task : int, optional
        Size of a task in blocks, a power of two; a block has 2048 single layers (of which a task takes 2 at least) or up to 128
        networks. The result does not depend on it.

    Raises
    ------
    SpecificationError
        For a value that cannot be sampled, or a store that cannot be used.
    BrokenOff
        Where workers were lost or the store can no longer be written; what was finished is kept.

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
    method = resolved_method(ensemble, method)
    if blocks_per_task is not None:
        _check_task(ensemble, method, blocks_per_task)
    with placed(threads, executor, store, progress) as place:
        return sampled(ensemble, networks, seed, method, place, blocks_per_task)


def sampled(ensemble: Ensemble, networks: int, seed: int, method: str, place: Place, blocks_per_task: int | None = None) -> Result:
    """As `simulate`, of what is known to be right; method : "direct" or "conditional"."""
    check_memory(ensemble, place.threads)
    check_own_laws(ensemble)
    specification, job = _prepared(ensemble, seed, method, place)
    start = time.perf_counter()
    layers = summed(specification, job, Range(0, networks), place, blocks_per_task)
    return Result(
        ensemble=ensemble,
        networks=networks,
        seed=seed,
        method=method,
        layers=layers,
        seconds=time.perf_counter() - start,
        threads=place.workers,
    )


def _prepared(ensemble: Ensemble, seed: int, method: str, place: Place) -> tuple[Specification, Job]:
    """A run whose kernels are compiled, where they run here: what that takes is no part of the time of sampling."""
    specification = specification_of(ensemble, seed, method)
    job = Job(ensemble, seed, method, specification.key)
    if place.executor is None:
        _ = job.plan
    return specification, job


def _check_task(ensemble: Ensemble, method: str, blocks: int) -> None:
    whole_number(blocks, "blocks_per_task", piece_of(ensemble, method), stream.MAX_BLOCKS)
    if blocks & (blocks - 1):
        raise SpecificationError(f"blocks_per_task is {blocks}; it must be a power of two")


@contextlib.contextmanager
def placed(
    threads: int | None,
    executor: futures.Executor | None = None,
    store: str | os.PathLike[str] | Store | None = None,
    progress: Callable[[int], object] | None = None,
) -> Iterator[Place]:
    """Where to compute and keep, from what a user gives; a store that was given as a path is closed at the end."""
    threads = available_threads() if threads is None else whole_number(threads, "threads", 1, 4096)
    if executor is not None and not isinstance(executor, futures.Executor):
        raise SpecificationError(f"executor must be a concurrent.futures.Executor, not {type(executor).__name__}")
    if isinstance(store, Store) and not store.write:
        raise SpecificationError(f"{store.path} is open to be read only; open it with write=True, or give its name")
    if store is None or isinstance(store, Store):
        yield Place(threads, executor, store, progress)
    else:
        with Store(store, write=True) as opened:
            yield Place(threads, executor, opened, progress)


def extended(result: Result, networks: int, place: Place | None = None) -> Result:
    """A longer run, of which a result is the beginning: only what is missing is sampled.

    result : of a whole number of `step_of` networks. networks : of the longer run.
    """
    ensemble, seed, method = result.ensemble, result.seed, result.method
    if result.networks % step_of(ensemble, method) or networks <= result.networks:
        raise SpecificationError(f"{result.networks} networks cannot become {networks}; only whole pairs of blocks grow")
    place = place or Place(result.threads)
    specification, job = _prepared(ensemble, seed, method, place)
    start = time.perf_counter()
    more = summed(specification, job, Range(result.networks, networks), place)
    seconds = result.seconds + time.perf_counter() - start
    return dataclasses.replace(result, networks=networks, layers=merged(result.layers, more), seconds=seconds)


def step_of(ensemble: Ensemble, method: str) -> int:
    """Networks of the smallest piece that a run can be extended by."""
    return piece_of(ensemble, method) * sampler_of(ensemble, method).block_size(ensemble)


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
