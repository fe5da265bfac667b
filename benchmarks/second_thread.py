"""What a second thread brings: a program that prints {"arithmetic": gains, "fanin": gains}, one of each for every round.

A gain is twice the seconds of one thread over the seconds of two threads with twice the work. The arithmetic is a loop of
multiply-adds in registers: what the machine itself gives to two threads that share nothing. Both are measured in turns.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

TASKS, PASSES = 8, 7_500_000  # half a second
NETWORKS = 1_200_000  # half a second


def _arithmetic() -> Callable[[int], object]:
    """The loop, split into tasks like fanin's work, as many for each thread."""
    import numba
    import numpy as np

    @numba.njit(nogil=True)
    def spin(x, passes):
        for _ in range(passes):
            for i in range(x.size):
                x[i] = x[i] * np.float32(0.999) + np.float32(0.001)

    def run(threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda _: spin(np.ones(256, np.float32), PASSES), range(TASKS * threads)))

    spin(np.ones(256, np.float32), 1)
    return run


def _fanin() -> Callable[[int], object]:
    """Nielsen's neuron, as many networks for each thread."""
    import fanin

    ensemble = fanin.Ensemble(widths=(1000, 1))
    fanin.simulate(ensemble, 1)
    return lambda threads: fanin.simulate(ensemble, NETWORKS * threads, threads=threads)


def _gain(run: Callable[[int], object]) -> float:
    seconds = []
    for threads in (1, 2):
        start = time.perf_counter()
        run(threads)
        seconds.append(time.perf_counter() - start)
    return 2.0 * seconds[0] / seconds[1]


def main(rounds: str) -> None:
    """Measure and print."""
    from fanin.engine.machine import widen_vectors

    widen_vectors()
    runs = {"arithmetic": _arithmetic(), "fanin": _fanin()}
    gains: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(2)  # until the system has spread the threads over the cores
    for _ in range(int(rounds)):
        for name, run in runs.items():
            gains[name].append(_gain(run))
    print(json.dumps(gains))


if __name__ == "__main__":
    main(*sys.argv[1:])
