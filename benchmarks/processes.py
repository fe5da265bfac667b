"""Whole processes: wall seconds, peak resident memory and output of one.

Run as a program, this file is the launcher that stands between pytest and what is measured. Linux counts the memory of the
parent at the time of the fork as memory of the child, so the parent has to be small: this file imports little.
"""

from __future__ import annotations

import json
import os
import pathlib
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
AS_EXPECTED, UNDECIDED = 0, 3  # exit codes of `fanin verify` that mean a complete run
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Ended(NamedTuple):
    """A process that ended: exit code, wall seconds, peak resident memory in MB (1e6 bytes), standard output."""

    code: int
    seconds: float
    peak: float
    output: str

    def json(self) -> Any:
        """The object that the process printed."""
        return json.loads(self.output)


def run(command: Sequence[str], codes: Sequence[int] = (0,), **environment: str) -> Ended:
    """Measure a command, run in the root of the project with more environment variables. It must end with one of `codes`."""
    launcher = [sys.executable, "-I", "-S", __file__, *command]
    launched = subprocess.run(launcher, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, check=True)
    ended = Ended(*json.loads(launched.stdout))
    if ended.code not in codes:
        raise RuntimeError(f"{' '.join(command)} ended with {ended.code}")
    return ended


def run_module(module: str, *arguments: str, **environment: str) -> Ended:
    """Run `python -m module arguments`."""
    return run([sys.executable, "-m", module, *arguments], **environment)


def run_neuron(networks: int, threads: int, **environment: str) -> Ended:
    """Sample Nielsen's neuron by the command line, with all that `verify` records, judges and prints."""
    options = ["--widths", "1000,1", "--scheme", "standard", "--networks", str(networks), "--threads", str(threads), "--json"]
    return run([sys.executable, "-m", "fanin", "verify", *options], codes=(AS_EXPECTED, UNDECIDED), **environment)


def _launch(command: Sequence[str]) -> None:
    start = time.perf_counter()
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _RSS_UNIT / 1e6
    print(json.dumps(Ended(child.returncode, seconds, peak, child.stdout)))


if __name__ == "__main__":
    _launch(sys.argv[1:])
