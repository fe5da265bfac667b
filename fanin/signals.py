"""SIGINT and SIGTERM: the exception that they raise, and what they wait for."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_TOGETHER = 1.0
"""Seconds in which signals are one wish: a terminal and a program that watches over this one may both send theirs."""


class Stopped(BaseException):
    """SIGINT or SIGTERM arrived."""


arrived: list[int] = []
"""Signals since `listen`. An exception that one raises inside a callback of the compiler is lost: then another follows from it, or
none does (`stop_where_asked`)."""

_raised = [0.0]


def listen() -> None:
    """From now on both raise `Stopped`."""
    arrived.clear()
    for number in _NUMBERS:
        signal.signal(number, _stop)


def end_at_once() -> None:
    """From now on both end the process without a word, but for one that is the same wish as the one before."""
    for number in _NUMBERS:
        signal.signal(number, _end)


def _end(number: int, _frame: Any) -> None:
    if not arrived or time.monotonic() - _raised[0] > _TOGETHER:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


def ignore() -> None:
    """From now on neither does anything: all is said, and the exit code is known."""
    for number in _NUMBERS:
        signal.signal(number, signal.SIG_IGN)


def _stop(number: int, _frame: Any) -> None:
    arrived.append(number)
    sys.unraisablehook = lambda _lost: None
    if len(arrived) == 1 or time.monotonic() - _raised[0] > _TOGETHER:
        _raised[0] = time.monotonic()
        raise Stopped


def stop_where_asked() -> None:
    """Raise `Stopped` where a signal has arrived, as its own exception may be lost."""
    if arrived:
        raise Stopped


@contextmanager
def signals_later() -> Iterator[None]:
    """Both are handled at the end, where this is the thread that handles them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    before = [signal.signal(number, lambda number, _frame: waiting.append(number)) for number in _NUMBERS]
    try:
        yield
    finally:
        for number, handler in zip(_NUMBERS, before, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in waiting:
            signal.raise_signal(number)
