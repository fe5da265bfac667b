"""A run on many machines, simulated: `python -m benchmarks.scheduler` prints the tables of docs/scale.md.

One parent, W workers. The parent gives out tasks in a window of six for each worker and handles their ends one by one: the cost
of the scheduler's round trip, of checking and unpacking, of adding, of committing. Workers take tasks of equal work; their speeds
differ by a factor that is drawn once for each worker, and each task's by another; some workers vanish and come back. All costs are
those that `parent_costs` measures on this machine.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass

from benchmarks.processes import run_module
from fanin.executors import Cluster

SPREAD_OF_WORKERS, SPREAD_OF_TASKS = 0.10, 0.05
"""Standard deviations of the logarithm of the speed, between workers and between tasks."""

MEAN_LIFE, AWAY = 24 * 3600.0, 120.0
"""Seconds until a worker vanishes, in the mean, and until it is replaced."""

START = 20.0
"""Seconds until a worker has started and compiled its kernels."""


@dataclass(frozen=True)
class Costs:
    """Seconds of the parent for each task: to give it out and hear of it, to take its summary, to add it, to commit it."""

    trip: float
    take: float
    merge: float
    commit: float

    @property
    def whole(self) -> float:
        """All together."""
        return self.trip + self.take + self.merge + self.commit


@dataclass(frozen=True)
class Found:
    """A simulated run: wall seconds, share of the workers' time that was used, and of the parent's, and tasks done twice."""

    wall: float
    workers_busy: float
    parent_busy: float
    repeated: int


def simulated(workers: int, tasks: int, work: float, costs: Costs, seed: int = 1) -> Found:
    """A run of so many tasks of `work` seconds each."""
    rng = random.Random(seed)
    speeds = [math.exp(rng.gauss(0.0, SPREAD_OF_WORKERS)) for _ in range(workers)]
    dies = [rng.expovariate(1.0 / MEAN_LIFE) for _ in range(workers)]
    waiting: deque[None] = deque()  # given out and not begun
    idle = deque(range(workers))
    events: list[tuple[float, int, bool]] = []  # when, which worker, whether its task was done
    given = done = repeated = 0
    parent = 0.0  # when the parent is free
    used = parent_used = 0.0

    def begin(worker: int, now: float) -> None:
        nonlocal used, repeated
        last = now + work / speeds[worker] * math.exp(rng.gauss(0.0, SPREAD_OF_TASKS))
        if last > dies[worker]:
            lost = max(dies[worker], now)
            dies[worker] = lost + AWAY + rng.expovariate(1.0 / MEAN_LIFE)
            repeated += 1
            heapq.heappush(events, (lost + AWAY + START, worker, False))
        else:
            used += last - now
            heapq.heappush(events, (last, worker, True))

    def give(now: float) -> None:
        nonlocal given
        while given - done < Cluster.window * workers and given < tasks:
            given += 1
            waiting.append(None)
        while idle and waiting:
            waiting.popleft()
            begin(idle.popleft(), now)

    give(START)
    now = START
    while done < tasks:
        now, worker, is_done = heapq.heappop(events)
        idle.append(worker)
        if is_done:
            parent = max(parent, now) + costs.whole
            parent_used += costs.whole
            done += 1
            now_given = parent if len(waiting) < workers else now
            give(now_given)
        else:
            waiting.append(None)
            give(now)
    wall = max(now, parent)
    return Found(wall, used / (workers * wall), parent_used / wall, repeated)


def main() -> None:
    """Measure the costs, simulate, print."""
    measured = run_module("benchmarks.parent_costs").json()
    trip = measured.pop("round trip")
    print("measured: seconds of a round trip " + ", ".join(f"{name} {value:.2g}" for name, value in trip.items()))
    for label, one in measured.items():
        costs = Costs(trip["dask"], one["take"], one["merge"], one["commit"])
        print(f"\n{label}: {_milliseconds(one, 'take')} ms to take, {_milliseconds(one, 'merge')} to add, ", end="")
        print(f"{_milliseconds(one, 'commit')} to commit; parent {1e3 * costs.whole:.2f} ms a task; ", end="")
        print(f"{one['bytes']:,} bytes a row, {one['bytes'] / one['layers']:,.0f} a layer; ", end="")
        print(f"{1.0 / one['seconds']:.3g} networks a second\n\n| {' | '.join(_HEADS)} |\n{'|---' * len(_HEADS)}|")
        for workers in (8, 64, 1000, 8000):
            for work in (0.5, 4.0, 32.0, 256.0):
                tasks = min(max(4 * workers, int(3600.0 * workers / work)), 200_000)
                found = simulated(workers, tasks, work, costs)
                rate = tasks / found.wall * 3600.0
                shares = f"{100 * found.workers_busy:.0f} % | {100 * found.parent_busy:.0f} %"
                print(f"| {workers} | {work:g} | {rate:,.0f} | {shares} | {rate * one['bytes'] / 1e9:.2f} GB |")
        for workers, work in (1000, 20.0), (1000, 80.0), (8000, 40.0), (8000, 160.0):
            tasks = math.ceil(_NETWORKS * one["seconds"] / work)
            if tasks > _MOST_TASKS:
                continue
            found = simulated(workers, tasks, work, costs)
            shares = f"workers used {100 * found.workers_busy:.0f} %, parent {100 * found.parent_busy:.0f} %"
            print(f"{_NETWORKS:g} networks, {workers} workers, {work:g} s: {tasks:,} tasks, {found.wall / 60.0:.1f} min, {shares}")


_NETWORKS, _MOST_TASKS = 1e13, 1_000_000
_HEADS = ("workers", "seconds of a task", "tasks an hour", "workers used", "parent used", "store an hour")


def _milliseconds(one: dict[str, float], name: str) -> str:
    return f"{1e3 * one[name]:.2f}"


if __name__ == "__main__":
    main()
