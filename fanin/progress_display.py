"""A run of fixed size as it is sampled: networks done, rate, time left and claims decided so far, on standard error.

On a terminal one line in place; elsewhere a line every half minute, so that a log of hours stays short.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from fanin.output import print_aside
from fanin.report import Report
from fanin.watch_display import decided_words

_WINDOW = 60.0  # seconds
_EVERY = 30.0
"""Seconds between two lines where there is no terminal."""


class _Run:
    """How far a run is. The rate is that of the last minute since a first task ended: compiling says nothing of it, nor does what a
    store held."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.words, self._sampled = total, 0, "", 0
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, networks: int) -> None:
        """So many networks more, which were sampled."""
        self.done += networks
        self._sampled += networks
        now = time.monotonic()
        self._seen.append((now, self._sampled))
        while now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()

    def hold(self, networks: int) -> None:
        """So many networks more, from a store."""
        self.done += networks
        self._seen.clear()

    @property
    def rate(self) -> float:
        """Networks a second; 0 while nothing is known of it."""
        if not self._seen:
            return 0.0
        (begun, first), (now, sampled) = self._seen[0], self._seen[-1]
        return (sampled - first) / (now - begun) if now - begun >= 1.0 else 0.0

    @property
    def speed(self) -> str:
        """Rate, time left and claims decided, as far as they are known."""
        parts = []
        if self.rate > 0.0:
            parts = [f"{self.rate:.3g} a second", f"{_span((self.total - self.done) / self.rate)} left"]
        return ", ".join([*parts, self.words] if self.words else parts)


class _Progress:
    """The two ways in which networks come: sampled, or held by a store. show : after each."""

    def __init__(self, run: _Run, show: Callable[[], object]) -> None:
        self._run, self._show = run, show

    def __call__(self, networks: int) -> None:
        self._run.add(networks)
        self._show()

    def held(self, networks: int) -> None:
        """Networks of a store."""
        self._run.hold(networks)
        self._show()


@contextmanager
def sampling(
    console: Console, total: int, quiet: bool
) -> Iterator[tuple[Callable[[int], object], Callable[[Report], object] | None]]:
    """Two functions that show a run of `total` networks: for finished tasks, and for reports on what there is so far."""
    if quiet:
        yield lambda _networks: None, None
    elif console.is_terminal:
        with _bar(console, total) as shown:
            yield shown
    else:
        yield _lines(console, total)


@contextmanager
def _bar(console: Console, total: int) -> Iterator[tuple[Callable[[int], object], Callable[[Report], object]]]:
    run = _Run(total)
    columns = (
        TextColumn("sampling"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("networks"),
        TextColumn("{task.fields[speed]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task: Any = bar.add_task("sampling", total=total, speed="")

        def show() -> None:
            bar.update(task, completed=run.done, speed=run.speed)

        def look(report: Report) -> None:
            run.words = decided_words(report)
            bar.update(task, speed=run.speed)

        yield _Progress(run, show), look


def _lines(console: Console, total: int) -> tuple[Callable[[int], object], Callable[[Report], object]]:
    run = _Run(total)
    last = time.monotonic()

    def show() -> None:
        nonlocal last
        if time.monotonic() - last > _EVERY:
            last = time.monotonic()
            print_aside(f"{run.done:,} of {total:,} networks{f', {run.speed}' if run.speed else ''}", console.file)

    def look(report: Report) -> None:
        run.words = decided_words(report)

    return _Progress(run, show), look


def _span(seconds: float) -> str:
    """A time in the two largest units of it."""
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {int(seconds) % 60} s" if minutes else f"{seconds:.0f} s"
