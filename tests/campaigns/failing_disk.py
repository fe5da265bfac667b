"""Every write to a store fails once, or from there on, as on a full or a broken disk: what was committed is kept, and said.

A library in C that is loaded before all others (`failing_disk.c`, compiled here) makes the n-th write to the store's files fail,
for n = 1, 2, 3, ... until a run has no n-th write. What may happen:

- the run breaks off, with exit code 4 and one sentence;
- it is refused with exit code 2, where the file itself cannot be opened;
- it ends with the right digest, where what failed loses nothing: a shared-memory file, or the end of a log that stays as it is.

In every case all rows that were committed are in the store, and the same run without faults ends with the right digest. The command
line runs in children forked from a process that has imported it and has one thread, which also say what they committed; `apart`
starts it anew for each fault.
"""

from __future__ import annotations

import collections
import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fanin
from fanin import Store
from fanin.block_ranges import Range
from fanin.engine.errors import SpecificationError
from fanin.store.reading import unsound
from fanin.store.specification import specification_of
from tests.campaigns.small_stores import MEMORY, clear

ENSEMBLE, NETWORKS, BEGUN = fanin.Ensemble((12, 1)), 500_000, 100_000
ERRORS = ("ENOSPC", "EIO")
SCENES = ("new", "begun", "network")
"""A store that is made; one that is extended; one on a network file system, with a rollback journal."""

_VERIFY = ("verify", "--widths", "12,1", "--networks", str(NETWORKS), "--threads", "1", "--json", "--store")
_ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}


@dataclass(frozen=True)
class Fault:
    """The `first` write to files that begin with `path` fails with `error`, and all after it where `on`."""

    path: str
    first: int
    error: str
    on: bool
    scene: str

    def __str__(self) -> str:
        return f"{self.error} at write {self.first}{' and on' if self.on else ''}, store {self.scene}"


@dataclass(frozen=True)
class Ended:
    """How a run ended. seen : writes to the store. kept : ranges that it committed, where that is known."""

    code: int
    out: str
    err: str
    seen: int
    kept: tuple[Range, ...] = ()


def shim(folder: Path) -> Path:
    """The compiled library; SystemExit where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("no C compiler (cc) is installed; faults of a disk cannot be made")
    target = folder / "failing_disk.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", target, source, "-ldl"], check=True)
    return target


def _run_apart(loaded: Path, fault: Fault) -> Ended:
    """The command line in a process of its own."""
    seen = loaded.with_name("seen")
    seen.unlink(missing_ok=True)
    given = {
        "LD_PRELOAD": str(loaded),
        "FAILING_DISK": fault.path,
        "FAILING_DISK_FROM": str(fault.first),
        "FAILING_DISK_ERROR": str(getattr(errno, fault.error)),
        "FAILING_DISK_SEEN": str(seen),
    } | ({"FAILING_DISK_FOREVER": "1"} if fault.on else {})
    command = [sys.executable, "-m", "fanin", *_VERIFY, fault.path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | given)
    return Ended(done.returncode, done.stdout, done.stderr, int(seen.read_text().split()[-1]))


@contextmanager
def _forking(loaded: Path) -> Iterator[Any]:
    """A function that runs the command line in a child of a process that has imported it."""
    command = [sys.executable, "-m", "tests.campaigns.failing_disk", str(loaded)]
    environment = os.environ | _ONE_THREAD | {"LD_PRELOAD": str(loaded)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, back = process.stdin, process.stdout

        def run(fault: Fault) -> Ended:
            to.write(json.dumps(fault.__dict__) + "\n")
            to.flush()
            line = back.readline()
            if not line:
                raise AssertionError("the process that forks ended")
            code, out, err, seen, kept = json.loads(line)
            return Ended(code, out, err, seen, tuple(Range(*one) for one in kept))

        try:
            yield run
        finally:
            to.close()


def _serve(loaded: str) -> None:
    """Run the command line in a child for each line of standard input."""
    from fanin.cli import main

    quiet, answers = os.open(os.devnull, os.O_WRONLY), os.fdopen(os.dup(1), "w")
    os.dup2(quiet, 1)
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name)
        _command_line(main, str(folder / "first"))  # imports and compiles
        for line in sys.stdin:
            if len(os.listdir("/proc/self/task")) != 1:
                raise AssertionError("a process with several threads cannot be forked soundly")
            child = os.fork()
            if child == 0:
                _child(main, loaded, Fault(**json.loads(line)), folder)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            out, err, seen, kept = ((folder / one).read_text() for one in ("out", "err", "seen", "kept"))
            rows = [list(map(int, row.split())) for row in kept.splitlines()]
            answers.write(json.dumps([code, out, err, int(seen), rows]) + "\n")
            answers.flush()


def _child(main: Any, loaded: str, fault: Fault, folder: Path) -> None:
    """Run the command line with a fault, and end this process."""
    from fanin.store import database

    code = 70
    try:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        kept = open(folder / "kept", "w", buffering=1)  # noqa: SIM115
        keep = Store.keep

        def told(self: Store, specification: Any, row: Any) -> bool:
            new = keep(self, specification, row)
            kept.write(f"{row.blocks.first} {row.blocks.last}\n")
            return new

        Store.keep = told
        if fault.scene == "network":
            database.is_on_network = lambda _path: True
        disk = ctypes.CDLL(loaded)
        disk.fail_from(os.fsencode(fault.path), ctypes.c_long(fault.first), getattr(errno, fault.error), int(fault.on))
        code = _command_line(main, fault.path)
        (folder / "seen").write_text(str(disk.failing_disk_seen()))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _command_line(main: Any, path: str) -> int:
    """Exit code of the command line; a traceback on standard error as Python would print it."""
    sys.argv = ["fanin", *_VERIFY, path]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


def _rows(path: Path, key: str) -> set[Range]:
    """What a store holds; nothing where none was made."""
    try:
        with Store(path) as store:
            if any(unsound(store, run) for run in store.runs()):
                raise AssertionError("the store has rows that are not sound")
            return set(store.ranges(key))
    except SpecificationError as error:
        if str(error).endswith(("is empty; it is not a store", "there is no such file")):
            return set()
        raise AssertionError(f"the store is refused afterwards: {error}") from error


def check(fault: Fault, ended: Ended, begun: bytes, digests: tuple[str, str]) -> str:
    """What a fault did, in words; an AssertionError where it is not as it should be. digests : of a report, and of its result."""
    path, key = Path(fault.path), specification_of(ENSEMBLE, 501, "direct").key
    lines = ended.err.splitlines()
    if ended.code in (0, 3):
        if json.loads(ended.out)["digest"] != digests[0]:
            raise AssertionError("a wrong digest")
        words = "ended with the digest"
    else:
        said = json.dumps({"error": lines[0].removeprefix("fanin: "), "exit_code": 4}) + "\n" if ended.code == 4 and lines else ""
        if ended.out != said or len(lines) != 1 or not lines[0].startswith("fanin: ") or "Traceback" in ended.err:
            raise AssertionError(f"exit code {ended.code}, and not one sentence: {ended.out!r} {ended.err!r}")
        if ended.code == 2 and "cannot be opened" in lines[0]:
            words = "refused since it cannot be opened (2)"
        elif ended.code == 4 and f"{fault.path} could not be written" in lines[0]:
            words = "broke off (4)"
        else:
            raise AssertionError(f"exit code {ended.code}: {lines[0]}")
    before = set(ended.kept)
    if begun and fault.scene == "begun":
        (aside := path.with_name("aside")).write_bytes(begun)
        before |= _rows(aside, key)
    if not before <= _rows(path, key):
        raise AssertionError(f"{words}, and committed rows are lost")
    if fanin.simulate(ENSEMBLE, NETWORKS, threads=1, store=path).digest != digests[1]:
        raise AssertionError(f"{words}, and a wrong digest after it")
    return words


def failing_disk(stride: int = 1, apart: bool = True, errors: tuple[str, ...] = ERRORS, scenes: tuple[str, ...] = SCENES) -> str:
    """Faults at every `stride`-th write, in forked children; `apart`: those of a new store in processes of their own as well."""
    found: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name)
        loaded = shim(folder)
        report = fanin.verify(ENSEMBLE, networks=NETWORKS, threads=1)
        digests = (report.digest, next(iter(report.results.values())).digest)
        fanin.simulate(ENSEMBLE, BEGUN, threads=1, store=folder / "begun")
        begun, path = (folder / "begun").read_bytes(), folder / "runs"

        def sweep(run: Any, how: str, scene: str) -> None:
            for error in errors:
                for on in (False, True):
                    first = 1
                    while True:
                        clear(path)
                        if scene == "begun":
                            path.write_bytes(begun)
                        fault = Fault(str(path), first, error, on, scene)
                        try:
                            ended = run(fault)
                            words = check(fault, ended, begun, digests)
                        except AssertionError as wrong:
                            raise SystemExit(f"{fault}, {how}: {wrong}") from wrong
                        if ended.seen < first:
                            break
                        found[f"{how} {words}"] += 1
                        first += stride

        with _forking(loaded) as run:
            for scene in scenes:
                sweep(run, "forked", scene)
        if apart:
            sweep(lambda fault: _run_apart(loaded, fault), "apart", "new")
    return f"{found.total():,} faults: " + ", ".join(f"{key} {found[key]:,}" for key in sorted(found))


if __name__ == "__main__":
    _serve(sys.argv[1])
