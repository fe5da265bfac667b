"""Worker processes: an executor whose processes may die at any instant.

Guarantee: every task ends. A process that dies ends the tasks that it was sent, two at most, with `BrokenExecutor`; another process
takes its place. Each is talked to over one pipe of its own, whose other end the parent does not hold: a half of an answer ends with
the process that wrote it. (`ProcessPoolExecutor` of Python 3.11 forgets a task that is given to it while it notices a death, and
waits for ever for the rest of an answer.) No process is forked: each starts from a fresh interpreter.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

_AHEAD = 2
"""Tasks that a process has at a time, so that it need not wait for the next one."""
_SMALL = 1 << 14
"""Bytes of a task that is sent ahead at most: no more than the pipe holds while the process is writing an answer."""


class Processes(futures.Executor):
    """So many worker processes. Where an error leaves the `with` block, they are killed."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._all = [_Worker() for _ in range(workers)]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """Give a task to the process that has the fewest."""
        future: futures.Future[Any] = futures.Future()
        try:
            message = pickle.dumps((fn, args, kwargs), pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # whatever the pickling of an object raises
            future.set_exception(error)
        else:
            min(self._all, key=lambda worker: worker.load).take(future, message)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all processes."""
        for worker in self._all:
            worker.close(cancel_futures)
        if wait:
            for worker in self._all:
                worker.thread.join()

    def __exit__(self, error: type[BaseException] | None, *_more: object) -> None:
        self.shutdown(wait=False, cancel_futures=error is not None)
        for worker in self._all:
            if error is not None:
                worker.process.kill()
            worker.thread.join()


class _Worker:
    """A process after another, and the thread that attends to it."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[futures.Future[Any], bytes]] = deque()
        self._sent: deque[futures.Future[Any]] = deque()
        self._closed = False  # whether it takes no more tasks
        self._changed = threading.Condition()
        self._start()
        self.thread = threading.Thread(target=self._attend, daemon=True)
        self.thread.start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _without_interrupts():  # Ctrl-C, which reaches all processes of a terminal, is left to the parent
            process.start()
        theirs.close()
        self._pipe, self.process = ours, process

    @property
    def load(self) -> int:
        """Tasks that it has."""
        return len(self._waiting) + len(self._sent)

    def take(self, future: futures.Future[Any], message: bytes) -> None:
        """Do a task; RuntimeError where none is taken any more."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the worker processes are closed, or cannot be started")
            self._waiting.append((future, message))
            self._changed.notify()

    def close(self, cancel: bool) -> None:
        """End the process after its last task. cancel : leave out those that it has not been sent."""
        with self._changed:
            self._closed = True
            left = [future for future, _ in self._waiting] if cancel else []
            if cancel:
                self._waiting.clear()
            self._changed.notify()
        for future in left:
            future.cancel()
            future.set_running_or_notify_cancel()

    def _attend(self) -> None:
        try:
            while self._is_needed() and self._is_up():
                try:
                    self._exchange()
                except (EOFError, OSError) as error:  # the process has died
                    self._lose(list(self._sent), error)
                    self._sent.clear()
        finally:
            with self._changed:
                self._closed = True
                left = [*self._sent, *(future for future, _ in self._waiting if future.set_running_or_notify_cancel())]
            self._lose(left, None)
            self._pipe.close()
            self.process.join()

    def _is_needed(self) -> bool:
        """Whether there are tasks, now or later; False where there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return bool(self._waiting)

    def _is_up(self) -> bool:
        """Whether there is a process, after the one before has died as well; False where none can be started."""
        if not self.process.is_alive():
            self._pipe.close()
            try:
                self._start()
            except OSError:
                return False
        return True

    def _exchange(self) -> None:
        """Send tasks and take answers until there are no more."""
        while messages := self._next():
            for message in messages:
                self._pipe.send_bytes(message)
            while self._sent:
                answer = self._pipe.recv_bytes()
                _end(self._sent.popleft(), answer)
                for message in self._next():
                    self._pipe.send_bytes(message)

    def _next(self) -> list[bytes]:
        """Of the waiting tasks those that the process may have now."""
        messages = []
        with self._changed:
            while self._waiting and len(self._sent) < _AHEAD and (not self._sent or len(self._waiting[0][1]) <= _SMALL):
                future, message = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    self._sent.append(future)
                    messages.append(message)
        return messages

    def _lose(self, left: list[futures.Future[Any]], error: Exception | None) -> None:
        self.process.kill()
        self.process.join()
        for future in left:
            broken = futures.BrokenExecutor("a worker process ended while it had the task")
            broken.__cause__ = error
            future.set_exception(broken)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started meanwhile never sees SIGINT."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(future: futures.Future[Any], answer: bytes) -> None:
    """End a task with its answer."""
    try:
        good, value = pickle.loads(answer)
    except BaseException as error:  # whatever the making of an object raises, SystemExit included
        good, value = False, error
    if good:
        future.set_result(value)
    else:
        future.set_exception(value)


def _serve(pipe: Connection) -> None:
    """What a process does, as long as it has a parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while True:
            pipe.send_bytes(_answer(pipe.recv_bytes()))
    except (EOFError, OSError):  # the parent has closed the pipe, or ended
        return


def _answer(message: bytes) -> bytes:
    try:
        fn, args, kwargs = pickle.loads(message)
        answer = True, fn(*args, **kwargs)
    except Exception as error:  # is the answer
        with suppress(Exception):  # some take no notes
            error.add_note(traceback.format_exc())
        answer = False, error
    try:
        return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # whatever the pickling of an object raises
        kind = type(answer[1]).__name__
        return pickle.dumps(
            (False, RuntimeError(f"an answer of a worker process cannot be sent, a {kind}: {type(error).__name__}"))
        )


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
