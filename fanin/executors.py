"""Executors by name: threads, processes, a Dask cluster, MPI. Any other `concurrent.futures.Executor` is used as it is.

Guarantee: a process that dies is replaced, and only the tasks that it had are given out again (`processes`). Executors between
machines send Python objects as pickles and belong in a network that is trusted.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.processes import Processes

EXECUTORS = ("threads", "processes", "dask", "mpi")
WINDOW = 3
"""Tasks that are given out at a time, for each worker."""
WAIT = 10.0
"""Seconds in which the scheduler of a Dask cluster must answer, and have a worker."""
PATIENCE = 60.0
"""Seconds that a run waits for a Dask cluster that has lost its last worker, and for an answer of its scheduler."""

_AGE = 5.0  # seconds after which a cluster is asked again for its workers
_ADDRESS = re.compile(r"(tcp|tls)://([^\s:/\[\]]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}")
_GUARD = 'a script that opens an executor must do so under `if __name__ == "__main__":`, since each worker imports it'
_MPI_START = "mpiexec -n 4 python -m mpi4py.futures -m fanin verify --executor mpi"


@contextmanager
def open_executor(
    name: str, workers: int | None = None, address: str | None = None, notice: Callable[[str], object] = lambda _sentence: None
) -> Iterator[futures.Executor | None]:
    """The executor of a name; None for threads, which `simulate` makes itself. Worker processes import the script that opens them:
    it does so under ``if __name__ == "__main__":``.

    workers : processes, or one-thread workers of a Dask cluster of this machine; by default one for each core. With MPI and with a
    cluster that is there already, their number is known. address : of the scheduler of a Dask cluster, such as tcp://host:8786.
    notice : called with a sentence where a cluster has lost its last worker and is waited for.

    Raises
    ------
    SpecificationError
        For a name, a number or an address that cannot be used, or a package that is not installed.
    """
    if name not in EXECUTORS:
        raise SpecificationError(f"executor is {name!r}; known are {', '.join(EXECUTORS)}")
    if address is not None and name != "dask":
        raise SpecificationError(f"dask_address is {address}, and the executor is {name}; it goes with dask")
    if address is not None and not _ADDRESS.fullmatch(address):
        raise SpecificationError(f"dask_address is {address!r}; write it as tcp://host:8786 or tls://host:8786")
    if workers is not None and (type(workers) is not int or not 1 <= workers <= 4096):
        raise SpecificationError(f"workers is {workers!r}; it must be a whole number from 1 to 4096")
    if workers is not None and (name in ("threads", "mpi") or address is not None):
        other = {"threads": "threads says how many", "mpi": "mpiexec says how many"}.get(name, "the cluster has its own")
        raise SpecificationError(f"workers is {workers}, and with {'an address' if address else name} it is not asked for: {other}")
    if name == "threads":
        yield None
    elif name == "processes":
        _check_main()
        with Processes(workers or available_threads()) as executor:
            try:
                executor.submit(os.getpid).result()
            except futures.BrokenExecutor:
                raise SpecificationError(f"worker processes do not start; {_GUARD}") from None
            yield executor
    elif name == "dask":
        if address is None:
            _check_main()
        with _dask(workers or available_threads(), address, notice) as executor:
            yield executor
    else:
        with _mpi() as executor:
            yield executor


def window_of(executor: futures.Executor, workers: int) -> int:
    """Tasks that are given out at a time to so many workers of an executor."""
    return workers * getattr(executor, "window", WINDOW)


def pickles_functions(executor: futures.Executor) -> bool:
    """Whether functions reach the workers of an executor by their name alone, as pickle sends them; Dask sends their code."""
    return isinstance(executor, (Processes, futures.ProcessPoolExecutor)) or type(executor).__module__.startswith("mpi4py")


def workers_of(executor: futures.Executor, otherwise: int) -> int:
    """Tasks that an executor works on at a time, where it says so."""
    found = getattr(executor, "workers", None) or getattr(executor, "num_workers", None) or getattr(executor, "_max_workers", None)
    return found if isinstance(found, int) and found > 0 else otherwise


class Cluster(futures.Executor):
    """A Dask cluster, of which workers may come and go. client : connected to its scheduler. notice : as for `open_executor`."""

    window = 6  # what its processes say to each other waits up to ten milliseconds to be sent together

    def __init__(self, client: Any, notice: Callable[[str], object] = lambda _sentence: None) -> None:
        self._client, self._inner, self._notice = client, client.get_executor(pure=False), notice
        self._workers, self._asked = 0, -math.inf
        self._alone: float | None = None  # since when it is known to have no worker

    @property
    def workers(self) -> int:
        """Threads of the workers that are there now, or were a few seconds ago; at least 1.

        Raises
        ------
        BrokenOff
            Where the scheduler does not answer, or has had no worker for a while.
        """
        now = time.monotonic()
        if now - self._asked > _AGE:
            try:
                self._workers, self._asked = sum(self._client.nthreads(callback_timeout=PATIENCE).values()), now
            except (OSError, RuntimeError) as error:
                raise BrokenOff(f"the Dask scheduler does not answer: {' '.join(str(error).split())}") from None
            if self._workers:
                self._alone = None
            elif self._alone is None:
                self._alone = now
                self._notice(f"the Dask cluster has no worker; waiting for one, up to {PATIENCE:.0f} s")
            elif now - self._alone > PATIENCE:
                raise BrokenOff(f"the Dask cluster has had no worker for {now - self._alone:.0f} s; their logs say why they ended")
        return max(self._workers, 1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """Give a task to the scheduler."""
        return self._inner.submit(fn, *args, **kwargs)


def _check_main() -> None:
    """Refuse what cannot start workers: a program from standard input, and a worker that imports a script without a guard."""
    if str(getattr(sys.modules["__main__"], "__file__", "")).endswith("<stdin>"):
        raise SpecificationError("worker processes cannot be started from a program on standard input; write it to a file")
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SpecificationError(f"a worker process was about to start others; {_GUARD}")


@contextmanager
def _dask(workers: int, address: str | None, notice: Callable[[str], object]) -> Iterator[futures.Executor]:
    _require("distributed", "dask")
    import distributed
    from dask import config

    config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"})  # only what a worker does not know is large

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said in a sentence
    if address is not None:
        if address.startswith("tls:") and distributed.Security().get_connection_args("client").get("ssl_context") is None:
            raise SpecificationError(f"no keys are configured for {address}; give them to Dask (distributed.comm.tls)")
        try:
            client = distributed.Client(address, timeout=WAIT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise SpecificationError(f"no Dask scheduler answers at {address}: {' '.join(str(error).split())}") from None
        with client:
            try:
                client.wait_for_workers(1, timeout=WAIT)
            except TimeoutError:
                raise SpecificationError(f"the Dask scheduler at {address} has no workers; start some") from None
            yield Cluster(client, notice)
        return
    local: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "memory_limit": 0}
    try:
        cluster = distributed.LocalCluster(n_workers=workers, silence_logs=logging.CRITICAL, **local)
    except RuntimeError:
        raise SpecificationError(f"the workers of a Dask cluster do not start; {_GUARD}") from None
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield Cluster(client, notice)


@contextmanager
def _mpi() -> Iterator[futures.Executor]:
    _require("mpi4py", "mpi")
    if "mpi4py.futures" not in sys.modules:  # the pool that it makes of the ranks is there before fanin starts
        raise SpecificationError(f"executor mpi has no workers; start it as: {_MPI_START}")
    from mpi4py import futures as mpi

    with mpi.MPIPoolExecutor() as executor:
        yield executor


def _require(package: str, extra: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise SpecificationError(f"executor {extra} needs {package}, which is not installed; pip install 'fanin[{extra}]'")


def available_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
