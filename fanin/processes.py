"""Worker processes: an executor whose processes may die at any instant.

Guarantee: every task ends. A process that dies ends the tasks that it had with `BrokenExecutor`, no others, and is replaced when
the next task comes. Each process is talked to over one pipe of its own, whose other end the parent does not hold: a half of an
answer ends with the process that wrote it. (`ProcessPoolExecutor` of Python 3.11 forgets a task that is given to it while it
notices a death, and waits for ever for the rest of an answer.) No process is forked: each starts from a fresh interpreter.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable
from concurrent import futures
from multiprocessing.connection import Connection
from typing import Any

_AHEAD = 2
"""Tasks that a process has at a time, so that it need not wait for the next one."""
_SMALL = 1 << 14
"""Bytes of a task that is sent ahead at most: no more than the pipe holds while the process is writing an answer."""


class Processes(futures.Executor):
    """So many worker processes."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._all = [_Worker() for _ in range(workers)]
        self._lock, self._closed = threading.Lock(), False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """Give a task to the process that has the fewest."""
        future: futures.Future[Any] = futures.Future()
        try:
            message = pickle.dumps((fn, args, kwargs), pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # whatever the pickling of an object raises
            future.set_exception(error)
            return future
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor is closed")
            at = min(range(self.workers), key=lambda one: self._all[one].load)
            while not self._all[at].take(future, message):
                self._all[at] = _Worker()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all processes."""
        with self._lock:
            self._closed = True
        for worker in self._all:
            worker.close(cancel_futures)
        if wait:
            for worker in self._all:
                worker.thread.join()

    def __exit__(self, error: type[BaseException] | None, *_more: object) -> None:
        self.shutdown(wait=True, cancel_futures=error is not None)


class _Worker:
    """A process, and the thread that attends to it."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self._waiting: deque[tuple[futures.Future[Any], bytes]] = deque()
        self._sent: deque[futures.Future[Any]] = deque()
        self._closed = False  # whether it takes no more tasks
        self._changed = threading.Condition()
        self.thread = threading.Thread(target=self._attend, daemon=True)
        self.thread.start()

    @property
    def load(self) -> int:
        """Tasks that it has."""
        return len(self._waiting) + len(self._sent)

    def take(self, future: futures.Future[Any], message: bytes) -> bool:
        """Whether it takes a task, which it does until it is closed or its process has died."""
        with self._changed:
            if self._closed:
                return False
            self._waiting.append((future, message))
            self._changed.notify()
        return True

    def close(self, cancel: bool) -> None:
        """End the process after its last task. cancel : leave out those that it has not been sent."""
        with self._changed:
            self._closed = True
            while cancel and self._waiting:
                self._waiting.popleft()[0].cancel()
            self._changed.notify()

    def _attend(self) -> None:
        try:
            while (messages := self._next()) is not None:
                for message in messages:
                    self._pipe.send_bytes(message)
                answer = self._pipe.recv_bytes()
                self._end(self._sent.popleft(), answer)
        except Exception as error:  # the process has died, as a rule; whatever it is, no task may be left without an end
            self._break(error)
        self._pipe.close()
        self.process.join()

    def _next(self) -> list[bytes] | None:
        """Messages to be sent before the next answer; None where there is nothing to do any more."""
        with self._changed:
            while not self._sent:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return None
                if messages := self._started():
                    return messages
            return self._started()

    def _started(self) -> list[bytes]:
        """Of the waiting tasks those that the process may have now."""
        messages = []
        while self._waiting and len(self._sent) < _AHEAD and (not self._sent or len(self._waiting[0][1]) <= _SMALL):
            future, message = self._waiting.popleft()
            if future.set_running_or_notify_cancel():
                self._sent.append(future)
                messages.append(message)
        return messages

    @staticmethod
    def _end(future: futures.Future[Any], answer: bytes) -> None:
        try:
            good, value = pickle.loads(answer)
        except Exception as error:  # whatever the making of an object raises
            good, value = False, error
        if good:
            future.set_result(value)
        else:
            future.set_exception(value)

    def _break(self, error: Exception) -> None:
        """End all tasks of a process that has died."""
        self.process.kill()
        with self._changed:
            self._closed = True
            left = [*self._sent, *(future for future, _ in self._waiting if future.set_running_or_notify_cancel())]
            self._sent.clear()
            self._waiting.clear()
        for future in left:
            broken = futures.BrokenExecutor("a worker process ended while it had the task")
            broken.__cause__ = error
            future.set_exception(broken)


def _serve(pipe: Connection) -> None:
    """What a process does: Ctrl-C, which reaches all processes of a terminal, is left to the parent; without a parent it ends."""
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
        error.add_note(traceback.format_exc())
        answer = False, error
    try:
        return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # whatever the pickling of an object raises
        return pickle.dumps((False, RuntimeError(f"the answer of a worker process cannot be sent: {error}")))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
