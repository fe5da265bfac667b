"""SIGKILLs at random instants: what was committed stays, the store opens, and the digest in the end is that of a run without them.

Three kinds of kill, in one process of its own:

- of a run in threads. The process that has compiled the kernels forks a child for each run, which is sound since it then has one
  thread and no open store; the child says each row that it has committed over a pipe, and is killed after a random time. Every
  row that it said must be in the store, whole, and the next child goes on from there until one ends by itself.
- of a run whose tasks are in worker processes. The workers must end as well.
- of such worker processes, in a run that goes on.
"""

from __future__ import annotations

import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import fanin
from fanin import Store
from fanin.block_ranges import Range
from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.processes import Processes
from fanin.store.reading import unsound
from fanin.store.specification import Specification
from fanin.summary_row import Row
from tests.campaigns.small_stores import BLOCKS, Run, clear, networks_of, specification

_NEURON = fanin.Ensemble((4, 1))
_NETWORK = fanin.Ensemble((4, 3, 2), "he_normal", "relu", cost="linear")
_ORPHANED = 10.0
"""Seconds in which workers must end when their parent was killed."""


ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
"""Environment of a process that can be forked soundly."""


class _Telling(Store):
    """Says each row that it has committed."""

    out = 1

    def keep(self, specification: Specification, row: Row) -> bool:
        """Commit a row, then say it."""
        new = super().keep(specification, row)
        os.write(self.out, f"{row.blocks.first} {row.blocks.last}\n".encode())
        return new


def _digest(run: Run, store: Store | None = None, executor: Processes | None = None, threads: int = 1) -> str:
    ensemble, seed, count = run
    networks = networks_of(ensemble, count)
    return fanin.simulate(ensemble, networks, seed, threads=threads, executor=executor, store=store, blocks_per_task=BLOCKS).digest


def forked(path: Path, run: Run, in_processes: bool, rng: random.Random) -> tuple[int, int]:
    """Process id of a child that runs, and the end of a pipe to read what it says."""
    end = time.monotonic() + 1.0
    while len(os.listdir("/proc/self/task")) != 1:  # the system takes its time with those that have just ended
        if time.monotonic() > end:
            raise AssertionError("a process with several threads cannot be forked soundly")
    read, write = os.pipe()
    threads = rng.choice((1, 2))
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    code = 1
    try:
        os.close(read)
        os.setsid()
        with (store := _Telling(path, write=True)):
            store.out = write
            if in_processes:
                with Processes(2) as executor:
                    found = _digest(run, store, executor)
            else:
                found = _digest(run, store, threads=threads)
        os.write(write, f"{found}\n".encode())
        code = 0
    finally:
        os._exit(code)


def _check_kept(path: Path, run: Run, said: set[Range]) -> str:
    """Hold a store against the rows that were said to be committed."""
    key = specification(run).key
    try:
        with Store(path) as store:
            missing = [blocks for blocks in said if (row := store.row(key, blocks)) is None or not row.is_whole(key)]
            if missing or any(unsound(store, one) for one in store.runs()):
                raise AssertionError(f"{len(missing)} committed rows are lost, the first {min(missing, default='none')}")
            return "within the run" if said else "before the first row"
    except SpecificationError as error:
        if said or not str(error).endswith(("is empty; it is not a store", "there is no such file")):
            raise AssertionError(f"after a kill the store is refused: {error}") from error
        return "before there was a store"


def _of_session(leader: int) -> list[int]:
    """Processes of a session."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(name))
    return found


def _end_of_workers(leader: int) -> bool:
    """Whether all processes of a killed run end by themselves; those that do not are ended."""
    end = time.monotonic() + _ORPHANED
    while (left := _of_session(leader)) and time.monotonic() < end:
        time.sleep(0.05)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return not left


def kill_parents(folder: Path, count: int, rng: random.Random, in_processes: bool) -> collections.Counter[str]:
    """Kill runs so many times; how often when, and how many runs were ended."""
    found: collections.Counter[str] = collections.Counter()
    runs: list[Run] = [(_NEURON, 1, 40), (_NETWORK, 2, 40)]
    digests, seconds = [], []
    for run in runs:
        digests.append(_digest(run))
        with Store(folder / f"timed{len(digests)}", write=True) as store:
            start = time.monotonic()
            _digest(run, store)
            seconds.append(time.monotonic() - start)
    kills = 0
    while kills < count:
        which = rng.randrange(len(runs))
        path, run, said = folder / "runs", runs[which], set[Range]()
        longest = 5.0 if in_processes else seconds[which] / 2
        clear(path)
        while True:
            child, pipe = forked(path, run, in_processes, rng)
            time.sleep(rng.uniform(0.0, longest if in_processes else rng.choice((0.01, longest))))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            if in_processes and not _end_of_workers(child):
                raise AssertionError("workers go on when their parent was killed")
            with os.fdopen(pipe) as stream:
                lines = [line for line in stream.read().split("\n")[:-1] if line]  # a line is written whole or not at all
            new = {Range(*map(int, line.split())) for line in lines if " " in line}
            longest *= 1.0 if new else 1.2  # a busy disk must not keep a run from ever ending
            said |= new
            last = [line for line in lines if " " not in line]
            if os.WIFEXITED(status) and os.WEXITSTATUS(status):
                raise AssertionError("a run that goes on from a killed one failed")
            if os.WIFSIGNALED(status):
                kills += 1
                found[f"killed {_check_kept(path, run, said)}" if not last else "killed at the end"] += 1
            if last:
                if last != [digests[which]]:
                    raise AssertionError("a wrong digest")
                found["runs ended with the digest"] += 1
                break
    return found


def kill_workers(folder: Path, count: int, rng: random.Random) -> collections.Counter[str]:
    """Kill worker processes of runs so many times."""
    found: collections.Counter[str] = collections.Counter()
    run, path = (_NETWORK, 3, 600), folder / "runs"
    digest = _digest(run)
    stop = threading.Event()

    def kill(executor: Processes) -> None:
        while found["killed"] < count and not stop.wait(rng.uniform(0.1, 3.0)):
            rng.choice(executor._all).process.kill()
            found["killed"] += 1

    with Processes(2) as executor:
        killer = threading.Thread(target=kill, args=(executor,))
        killer.start()
        try:
            while found["killed"] < count:
                clear(path)
                while True:
                    try:
                        with Store(path, write=True) as store:
                            if _digest(run, store, executor) != digest:
                                raise AssertionError("a wrong digest")
                            if any(unsound(store, one) for one in store.runs()):
                                raise AssertionError("rows that are not sound")
                    except BrokenOff as error:
                        if "failed 5 times" not in str(error):
                            raise
                        found["runs broke off after 5 kills of one task, and went on"] += 1
                        continue
                    found["runs ended with the digest"] += 1
                    break
        finally:
            stop.set()
            killer.join()
    return found


def kills(parents: int = 1600, with_workers: int = 100, workers: int = 300, seed: int = 1) -> str:
    """Kills of runs in threads, of runs with worker processes, and of workers."""
    command = [sys.executable, "-m", "tests.campaigns.kills", *map(str, (parents, with_workers, workers, seed))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | ONE_THREAD)
    if done.returncode:
        raise SystemExit(f"kills {parents} {with_workers} {workers} {seed}: exit code {done.returncode}\n{done.stderr}")
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return "; ".join(
        f"{what}: " + ", ".join(f"{key} {value:,}" for key, value in sorted(one.items())) for what, one in found.items()
    )


def _main(parents: int, with_workers: int, workers: int, seed: int) -> None:
    rng, found = random.Random(seed), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if parents:
            found["runs in threads"] = kill_parents(folder, parents, rng, in_processes=False)
        if with_workers:
            found["runs with two worker processes"] = kill_parents(folder, with_workers, rng, in_processes=True)
        if workers:
            found["worker processes"] = kill_workers(folder, workers, rng)
    print(json.dumps(found))


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
