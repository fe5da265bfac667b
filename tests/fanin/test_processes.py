"""Worker processes: every task ends, whatever happens to the process that has it."""

import os
import signal
import sys
import time
from concurrent import futures
from contextlib import suppress

import pytest

from fanin.processes import Processes

SECONDS = 60.0


@pytest.fixture(scope="module")
def processes():
    with Processes(2) as executor:
        yield executor


def ended(future):
    """How a task ends: its result, or the kind of its error."""
    error = future.exception(timeout=SECONDS)
    return future.result() if error is None else type(error)


def echo(data, pause=0.0):
    time.sleep(pause)
    return data


def fails(text):
    raise ValueError(text)


def a_function_that_cannot_be_sent():
    return lambda: 0


def ends_its_process():
    os._exit(3)


class Odd(ValueError):
    """An error that takes no notes and has no text."""

    def __str__(self):
        raise RuntimeError

    def add_note(self, note):
        raise TypeError(note)


def fails_oddly():
    raise Odd(lambda: 0)


class EndsItsReader:
    """An answer that would end the process that reads it."""

    def __reduce__(self):
        return sys.exit, (3,)


class Unreadable:
    """What cannot be made again in the other process."""

    def __reduce__(self):
        return fails, ("not there",)


def test_tasks_end_in_any_order_and_none_is_lost(processes):
    found = {processes.submit(echo, k, 0.001 * (k % 3)): k for k in range(200)}
    assert {future: future.result() for future in futures.as_completed(found, SECONDS)} == found
    assert len({processes.submit(os.getpid).result() for _ in range(50)}) <= 2


def test_large_tasks_and_large_answers_do_not_wait_for_each_other(processes):
    """Both larger than what a pipe holds, several given out at a time."""
    data = [bytes([k]) * 3_000_000 for k in range(12)]
    assert [future.result(SECONDS) for future in [processes.submit(echo, one) for one in data]] == data


def test_an_error_is_the_answer(processes):
    error = processes.submit(fails, "a word").exception(SECONDS)
    assert isinstance(error, ValueError)
    assert str(error) == "a word"
    assert any("in fails" in note for note in error.__notes__)


def test_what_cannot_be_sent_is_said(processes):
    assert "pickle" in str(processes.submit(lambda: 0).exception(SECONDS))
    error = processes.submit(a_function_that_cannot_be_sent).exception(SECONDS)
    assert str(error).startswith("an answer of a worker process cannot be sent, a function: ")
    assert str(processes.submit(echo, Unreadable()).exception(SECONDS)) == "not there"
    assert str(processes.submit(Unreadable).exception(SECONDS)) == "not there"
    assert str(processes.submit(fails_oddly).exception(SECONDS)).startswith("an answer of a worker process cannot be sent, a Odd: ")
    assert isinstance(processes.submit(EndsItsReader).exception(SECONDS), SystemExit)
    assert processes.submit(echo, 5).result(SECONDS) == 5


def test_a_process_that_ends_takes_what_it_was_sent_only():
    """At most two tasks of each; what waits behind them is done by the process that takes its place."""
    with Processes(2) as executor:
        pids = {executor.submit(os.getpid).result() for _ in range(20)}
        slow = [executor.submit(echo, k, 0.5) for k in range(2)]
        bad = executor.submit(ends_its_process)
        found = [ended(one) for one in (*slow, bad, *(executor.submit(echo, k) for k in range(60)))]
        assert found[:3] == [0, 1, futures.BrokenExecutor]
        assert found[3:].count(futures.BrokenExecutor) <= 1
        assert {executor.submit(os.getpid).result(SECONDS) for _ in range(20)} - pids
        for worker in executor._all:
            worker.process.kill()
            worker.process.join()
        assert [ended(executor.submit(echo, k)) for k in range(10)] == list(range(10))  # nothing is sent to the dead


def test_no_task_is_lost_where_a_process_is_killed_as_it_is_given_one():
    """Twenty kills while tasks are given out: each task ends, in a result or in an error. ProcessPoolExecutor loses one at the
    first kill or soon after."""
    with Processes(2) as executor:
        for number in range(20):
            given = [executor.submit(echo, number, 0.002) for _ in range(3)]
            time.sleep(0.002 * (number % 5))
            executor._all[number % 2].process.kill()
            end = time.monotonic() + 0.03
            while time.monotonic() < end:
                given.append(executor.submit(echo, number))
            found = [ended(one) for one in given]
            assert set(found) <= {number, futures.BrokenExecutor}
            assert found.count(futures.BrokenExecutor) <= 2
        assert executor.submit(echo, 5).result(SECONDS) == 5


@pytest.mark.parametrize("after", [0.0, 0.02, 0.05, 0.1])
def test_half_an_answer_ends_with_its_process(after):
    """Killed while it writes 300 MB."""
    with Processes(1) as executor:
        executor.submit(os.getpid).result()
        future = executor.submit(bytes, 300_000_000)
        time.sleep(0.1 + after)
        executor._all[0].process.kill()
        assert ended(future) in (bytes(300_000_000), futures.BrokenExecutor)
        assert executor.submit(echo, 5).result(SECONDS) == 5


def test_where_no_process_can_be_started_all_tasks_end(monkeypatch):
    def none(_self):
        raise BlockingIOError("no more processes")

    with Processes(1) as executor:
        executor.submit(os.getpid).result()
        given = [executor.submit(echo, k, 0.5) for k in range(6)]
        monkeypatch.setattr("fanin.processes._Worker._start", none)
        executor._all[0].process.kill()
        assert [ended(one) for one in given] == [futures.BrokenExecutor] * 6
        executor._all[0].thread.join(SECONDS)
        with pytest.raises(RuntimeError, match="cannot be started"):
            executor.submit(os.getpid)


def test_closing_ends_what_was_begun_and_cancels_the_rest_where_asked():
    executor = Processes(1)
    given = [executor.submit(echo, k, 0.2) for k in range(6)]
    given[0].result()
    executor.shutdown(wait=False, cancel_futures=True)
    assert not futures.wait(given, SECONDS).not_done
    executor.shutdown()
    assert [one.cancelled() for one in given] == sorted(one.cancelled() for one in given)
    assert given[-1].cancelled()
    assert not given[1].cancelled()
    with pytest.raises(RuntimeError, match="closed"):
        executor.submit(os.getpid)
    executor = Processes(1)
    given = [executor.submit(echo, k) for k in range(6)]
    executor.shutdown()
    assert [one.result(0) for one in given] == list(range(6))
    assert not executor._all[0].process.is_alive()


def test_an_error_in_the_parent_ends_processes_at_once():
    """Also one that is stopped."""
    with suppress(KeyboardInterrupt), Processes(2) as executor:
        pids = sorted({executor.submit(os.getpid).result() for _ in range(20)})
        given = [executor.submit(echo, k, 30.0) for k in range(9)]
        os.kill(pids[0], signal.SIGSTOP)
        start = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - start < 15.0
    assert not futures.wait(given, 1.0).not_done
    assert not any(worker.process.is_alive() for worker in executor._all)


def test_processes_do_not_see_ctrl_c_even_as_they_start():
    with Processes(1) as executor:
        os.kill(executor._all[0].process.pid, signal.SIGINT)
        assert executor.submit(echo, 5).result(SECONDS) == 5
        os.kill(executor._all[0].process.pid, signal.SIGINT)
        assert executor.submit(echo, 6).result(SECONDS) == 6


def test_a_task_that_is_cancelled_is_not_begun():
    with Processes(1) as executor:
        given = [executor.submit(echo, k, 0.1) for k in range(5)]
        assert given[4].cancel()
        assert [one.result(SECONDS) for one in given[:4]] == list(range(4))
        assert executor.submit(echo, 7).result(SECONDS) == 7
