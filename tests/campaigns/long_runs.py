"""A run of 1e9 single neurons, interrupted again and again and gone on with by other executors; then its store extended to 1e10."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NETWORKS, LONGER = "1e9", "1e10"
_NEURON = ("--widths", "1000,1", "--json")
_EXECUTORS: tuple[tuple[str, ...], ...] = ((), ("--executor", "processes"), ("--executor", "dask"))
_SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}


def _command(networks: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "fanin", "verify", *_NEURON, "--networks", networks, *options]


def _finished(networks: str, *options: str) -> dict[str, Any]:
    """The report of a run that is left alone."""
    done = subprocess.run(_command(networks, *options), capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise SystemExit(f"{networks} networks {' '.join(options)}: exit code {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)


def _interrupted(number: int, seconds: float, networks: str, *options: str) -> bool:
    """Whether a run was ended by a signal as it should be; False where it had ended before."""
    process = subprocess.Popen(_command(networks, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    process.send_signal(number)
    _, err = process.communicate()
    if process.returncode == 0:
        return False
    if process.returncode != _SIGNALS[signal.Signals(number)] or err.count("\n") > 1:
        raise SystemExit(f"signal {number}: exit code {process.returncode}\n{err}")
    return True


def interrupted(networks: str = NETWORKS, least: int = 6, most: float = 25.0, longer: str | None = LONGER, seed: int = 1) -> str:
    """A run with at least so many interruptions, after up to `most` seconds each, against one without; then a longer one."""
    rng, words = random.Random(seed), list[str]()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        store, kinds = Path(folder) / "runs", itertools.cycle(_SIGNALS)
        count = 0
        for executor in itertools.islice(itertools.cycle(_EXECUTORS), 10 * least):
            if count == least:
                break
            count += _interrupted(next(kinds), rng.uniform(most / 3, most), networks, *executor, "--store", str(store))
        if count < least:
            raise SystemExit(f"only {count} interruptions; the run is too short for them")
        last = _finished(networks, "--store", str(store))
        whole = _finished(networks)
        if last["digest"] != whole["digest"]:
            raise SystemExit(f"after {count} interruptions the digest is {last['digest']}, and without them {whole['digest']}")
        words.append(f"{networks} networks, {count} interruptions, digest {whole['digest'][:16]} with and without them")
        if longer is not None:
            start = time.monotonic()
            found = _finished(longer, "--store", str(store))
            seconds = time.monotonic() - start
            decided = sum(claim["verdict"] == "confirmed" for claim in found["claims"])
            words.append(f"{longer} from that store in {seconds:.0f} s more, {decided} of {len(found['claims'])} claims confirmed")
            words.append(f"digest {found['digest'][:16]}, store {store.stat().st_size:,} bytes")
    return "; ".join(words)


if __name__ == "__main__":
    print(interrupted(*sys.argv[1:2], longer=None))
