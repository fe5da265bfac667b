"""Stores that were damaged, edited and forged: each is refused in one sentence, or gives the right digests, or says what is wrong.

`malformed_stores` makes them. A store is first only read (listed, checked, its runs taken from it), which must leave it as it is;
then its runs are gone on with, and some stores are merged. Of all but rows with a fitting sha256 the digests must be right. A
forged row may be added up, since whoever has its sha256 made it so; but it is never added up where its own counts contradict each
other, and where its sums do, the check must say so.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fanin import Store
from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.layer_bytes import from_bytes
from fanin.store.reading import extent, find_run, merge, result_of, unsound
from fanin.store.soundness import expect_sound
from fanin.store_command import _lines, _plain
from fanin.tasks import Task
from tests.campaigns.malformed_stores import mutant, networks_of_block, original
from tests.campaigns.small_stores import MEMORY, RUNS, clear, digests, remembered, rows_of, sentence_of, simulated, specification

CHUNK = 5000
MERGED = 4  # of so many stores one is merged
_SLOWEST = 20.0  # seconds that one store may take


def _look(path: Path, said: list[str]) -> tuple[str, int]:
    """All that can be read of a store, and how many rows its check finds unsound."""
    try:
        with Store(path, notice=said.append) as store:
            runs, wrong = store.runs(), 0
            for run in runs:
                extent(store, run)
                wrong += unsound(store, run)
                with contextlib.suppress(SpecificationError):
                    result_of(store, run)
            _lines({"store": str(path), "runs": [_plain(store, run) for run in runs]}, True)
            with contextlib.suppress(SpecificationError):
                find_run(store, None)
            return "read", wrong + store.unread
    except SpecificationError as error:
        sentence_of(error, path)
        return "refused", 0


def _go_on(path: Path, said: list[str], forged: bool) -> str:
    """Every run gone on with."""
    words = "resumed"
    try:
        with Store(path, write=True, notice=said.append) as store:
            for run, digest in zip(RUNS, digests(), strict=True):
                if simulated(run, store) != digest:
                    if not forged:
                        raise AssertionError("a wrong digest")
                    words = "resumed with forged numbers"
    except (SpecificationError, BrokenOff) as error:
        sentence_of(error, path)
        return "refused" if isinstance(error, SpecificationError) else "broke off"
    return words


def _contradicts(path: Path) -> bool:
    """Whether a row of a store has numbers that contradict each other, by the check that a result file is held to."""
    with Store(path) as store:
        for run in RUNS:
            key = specification(run).key
            for blocks in store.ranges(key):
                summary = store.summary(key, blocks)
                try:
                    if summary is not None:
                        layers = from_bytes(summary, run[0], "direct", blocks.blocks * networks_of_block(run[0]))
                        expect_sound(layers, run[0])
                except SpecificationError:
                    return True
    return False


def check(number: int, path: Path, asked: list[tuple[str, Task]]) -> str:
    """Read, resume and merge one store; what became of it. Raises AssertionError, or whatever was raised.

    asked : tasks that are sampled.
    """
    kind, data = mutant(number)
    clear(path)
    path.write_bytes(data)
    start, said = time.perf_counter(), list[str]()
    look, wrong = _look(path, said)
    if path.read_bytes() != data:
        raise AssertionError("a store that was only read was altered")
    merged = ""
    if number % MERGED == 0:
        new = path.with_name("new")
        clear(new)
        try:
            with Store(new, write=True) as store:
                merge(store, path, said.append)
        except (SpecificationError, BrokenOff) as error:
            sentence_of(error, path)
        merged = _go_on(new, said, kind == "row")
        if merged == "refused":
            raise AssertionError("a store that was merged is refused")
        if path.read_bytes() != data:
            raise AssertionError("a store that was merged from was altered")
    words = _go_on(path, said, kind == "row")
    if kind == "schema" and words == "resumed":
        asked.clear()
        if _go_on(path, said, False) != "resumed" or rows_of(asked):
            raise AssertionError("a store was taken that does not keep what is committed")
    if any(not one.isprintable() or len(one) > 800 for one in said):
        raise AssertionError(f"no sentences: {said}")
    if words == "resumed with forged numbers" and not wrong and _contradicts(path):
        raise AssertionError("numbers that contradict each other were used, and the check finds nothing")
    if (seconds := time.perf_counter() - start) > _SLOWEST:
        raise AssertionError(f"{seconds:.0f} s")
    return f"{kind} {look}, {words}"


def run(numbers: range) -> collections.Counter[str]:
    """Check stores; an error names the number of the store."""
    found: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, remembered() as asked:
        for number in numbers:
            try:
                found[check(number, Path(folder) / "runs", asked)] += 1
            except BaseException as error:
                raise AssertionError(f"store {number}: {type(error).__name__}: {error}") from error
    return found


def fuzz_stores(count: int = 100_000) -> str:
    """Damaged, edited and forged stores, in processes of their own with 2 GiB of memory beyond what they start with."""
    found: collections.Counter[str] = collections.Counter()
    for start in range(0, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        command = [sys.executable, "-m", "tests.campaigns.fuzz_stores", str(numbers.start), str(numbers.stop)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"NUMBA_NUM_THREADS": "1"})
        if done.returncode:
            raise SystemExit(f"stores {numbers.start} to {numbers.stop}: exit code {done.returncode}\n{done.stderr}")
        found.update(json.loads(done.stdout))
    return f"{found.total():,} stores: " + "; ".join(f"{key} {found[key]:,}" for key in sorted(found))


def _main(start: int, stop: int) -> None:
    original()
    if (memory := Path("/proc/self/statm")).exists():
        used = int(memory.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**31, resource.RLIM_INFINITY))
    print(json.dumps(run(range(start, stop))))


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
