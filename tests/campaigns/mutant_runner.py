"""Which tests reach which function, and whether they notice a mutant of it: one forked process for each mutant.

The parent holds the heavy packages (and, for mutants of `stats`, the engine); a child imports everything else afresh, the mutated
module from its mutated source. A child that uses up its limits is killed, and its mutant counts as killed.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import os
import pickle
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from tests.campaigns.mutation import Mutant

HEAVY = (
    *("scipy.stats", "scipy.optimize", "scipy.integrate", "scipy.special", "numba", "hypothesis.extra.numpy"),
    *("mpmath", "xarray", "rich.table", "cyclopts", "jsonschema"),
)
LONGEST_TEST, MOST_SECONDS = 2.0, 8.0
"""Tests that take longer are not used; of the others as many as fit into so many seconds, one of each test function before two."""

FIRST_SECONDS = 1.0
"""The cheapest tests run first, on their own; most mutants do not survive them."""

LEAST_LIMIT = 10
"""Seconds of processor time that a mutant has at least; it has three times those that the program as it is takes more."""

_WALL, _MEMORY = 300.0, 6 << 30


@dataclass
class Reach:
    """For each function (file, first line) the tests that call it; for each test its seconds; tests that fail."""

    tests: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def of(self, file: str, function: int, importers: list[str]) -> list[str]:
        """Tests that reach a function; outside of functions those of files that import this one, and those that reach a function of
        it or of such a file. In order."""
        if function:
            found = set(self.tests.get((file, function), ()))
        else:
            found = {test for (one, _), tests in self.tests.items() if one in (file, *importers) for test in tests}
            found |= {test for test in self.seconds if test.partition("::")[0] in importers}
        counted: dict[str, int] = {}
        ranked = []
        for test in sorted(found, key=lambda one: (self.seconds[one], one)):
            same = counted[test.partition("[")[0]] = counted.get(test.partition("[")[0], -1) + 1
            ranked.append((same, self.seconds[test], test))
        total, chosen = 0.0, []
        for _, seconds, test in sorted(ranked):
            if test not in self.failed and seconds <= LONGEST_TEST and total + seconds <= MOST_SECONDS:
                total += seconds
                chosen.append(test)
        return sorted(chosen, key=lambda one: self.seconds[one])


class _Recorder:
    """A plugin that writes down which functions of some files each test calls; what its setup calls counts for all of its file."""

    def __init__(self, files: tuple[str, ...]) -> None:
        self.root = os.getcwd() + os.sep
        self.files, self.reach, self.start = files, Reach(), 0.0
        self.seen: set[tuple[str, int]] = set()
        self.shared: dict[str, set[tuple[str, int]]] = {}

    def _call(self, frame: Any, _event: str, _argument: Any) -> None:
        self.seen.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    def pytest_sessionstart(self) -> None:
        sys.settrace(self._call)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: Any) -> Any:
        self.seen.clear()
        report = yield
        self.shared.setdefault(collector.nodeid.partition("::")[0], set()).update(self._watched())
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: Any) -> Any:
        for name, module in list(sys.modules.items()):
            if name.startswith("fanin.stats"):
                for value in list(vars(module).values()):
                    getattr(value, "cache_clear", lambda: None)()  # or the first of two tests alone would reach a cached function
        self.seen.clear()
        self.start = time.process_time()
        result = yield
        self.shared.setdefault(item.nodeid.partition("::")[0], set()).update(self._watched())
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: Any) -> Any:
        self.reach.seconds[item.nodeid] = time.process_time() - self.start
        for function in self._watched():
            self.reach.tests.setdefault(function, set()).add(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.reach.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        sys.settrace(None)
        for test in self.reach.seconds:
            for function in self.shared[test.partition("::")[0]]:
                self.reach.tests.setdefault(function, set()).add(test)

    def _watched(self) -> set[tuple[str, int]]:
        names = ((path.removeprefix(self.root).removeprefix("fanin/"), line) for path, line in list(self.seen))
        return {(name, line) for name, line in names if name.startswith(self.files)}


class _Chosen:
    """A plugin that keeps the chosen tests, in their order, and does not shrink the examples of Hypothesis."""

    def __init__(self, tests: list[str], finder: MetaPathFinder) -> None:
        self.tests = {test: at for at, test in enumerate(tests)}
        self.finder = finder

    def pytest_sessionstart(self) -> None:
        from hypothesis import Phase, settings

        sys.meta_path.insert(0, self.finder)  # pytest's own finder would serve files with doctests from the disk
        settings.register_profile("mutants", settings(), phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutants")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((one for one in items if one.nodeid in self.tests), key=lambda one: self.tests[one.nodeid])


class _Mutated(SourceFileLoader, MetaPathFinder):
    """Serves one module from its mutated source."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self.source = source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(fullname, self.path, loader=self) if fullname == self.name else None

    def get_code(self, fullname: str) -> Any:
        return compile(self.source, self.path, "exec", dont_inherit=True)


def _forked(work: Callable[[], int], wall: float, silent: bool = True) -> int:
    """The exit status of a piece of work in a child process; -1 where it hit a limit or crashed."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            os.setsid()
            if silent:
                null = os.open(os.devnull, os.O_RDWR)
                for number in (0, 1, 2):
                    os.dup2(null, number)
            sys.dont_write_bytecode = True
            status = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    end = time.monotonic() + wall
    done, status = 0, 0
    while not done:
        if time.monotonic() > end:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.01)
        done, status = os.waitpid(pid, os.WNOHANG)
    with contextlib.suppress(ProcessLookupError):  # what the tests had started
        os.killpg(pid, signal.SIGKILL)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1


def preload() -> None:
    """Import what every child needs and no mutant changes."""
    for name in HEAVY:
        importlib.import_module(name)
    for path in sorted(Path("engine").glob("*.py")):
        importlib.import_module(f"fanin.engine.{path.stem}".removesuffix(".__init__"))


def _prepare(file: str, plain: bool) -> None:
    """Forget the modules that a mutant of this file may change. plain : engine code as Python, not compiled."""
    kept = ("fanin", "fanin.engine") if file.startswith("stats/") else ()
    for name in list(sys.modules):
        ours = name.startswith(("tests.", "fanin.")) or name == "fanin"
        if ours and name not in kept and not (kept and name.startswith("fanin.engine.")):
            del sys.modules[name]
    if plain:
        from numba.core import config

        config.DISABLE_JIT = True  # type: ignore[attr-defined]


def _pytest(arguments: list[str], plugin: object, *options: str) -> int:
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return int(pytest.main(["-q", *options, "-p", "no:cacheprovider", "--tb=line", *arguments], plugins=[plugin]))


def record(tests: list[str], files: tuple[str, ...], plain: bool = False) -> Reach:
    """Run tests on the program as it is. files : beginnings of the names of those watched. SystemExit where they cannot be run."""
    with tempfile.NamedTemporaryFile() as kept:

        def work() -> int:
            _prepare(files[0], plain)
            recorder = _Recorder(files)
            status = _pytest(tests, recorder)
            reach = recorder.reach
            Path(kept.name).write_bytes(pickle.dumps((reach.tests, reach.seconds, reach.failed)))
            return status

        status = _forked(work, 3600.0, silent=False)
        if status not in (0, 1):
            raise SystemExit(f"the tests cannot be run on the program as it is (exit status {status})")
        return Reach(*pickle.loads(Path(kept.name).read_bytes()))


def survives(file: str, source: str, tests: list[str], seconds: dict[str, float], plain: bool = False) -> bool:
    """Whether all tests pass with the module of a file from another source."""
    cheap, total = [], 0.0
    for test in tests:
        total += seconds[test]
        if total <= FIRST_SECONDS and not test.startswith("tests/fanin"):
            cheap.append(test)
    stages = [stage for stage in (cheap, [test for test in tests if test not in set(cheap)]) if stage]
    name = "fanin." + file.removesuffix(".py").replace("/", ".")

    def work() -> int:
        _prepare(file, plain)
        limit = LEAST_LIMIT + int(3.0 * sum(seconds[test] for test in tests))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        finder = _Mutated(name, str(Path("fanin") / file), source)
        sys.meta_path.insert(0, finder)
        for stage in stages:
            if _pytest(list(dict.fromkeys(test.partition("::")[0] for test in stage)), _Chosen(stage, finder), "-x") != 0:
                return 1
        return 0

    return _forked(work, _WALL) == 0


def importers(file: str) -> list[str]:
    """Files of `stats` and of its and the engine's tests that import a module."""
    package, _, name = file.removesuffix(".py").rpartition("/")
    found = []
    for folder in ("stats", "tests/stats", "tests/engine"):
        for path in sorted(Path(folder).glob("*.py")):
            imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
            modules = {node.module for node in imports} | {f"{node.module}.{one.name}" for node in imports for one in node.names}
            if f"fanin.{package}.{name}" in modules:
                found.append(str(path))
    return found


def killed(file: str, mutant: Mutant, reach: Reach, plain: bool = False) -> bool:
    """Whether the tests that reach a mutant notice it."""
    tests = reach.of(file, mutant.function, importers(file))
    return bool(tests) and not survives(file, mutant.source, tests, reach.seconds, plain)
