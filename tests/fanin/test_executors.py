"""One digest from every executor; workers that compute wrongly, die or vanish; what the command line says of executors."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent import futures
from pathlib import Path

import numpy as np
import pytest

import fanin
from fanin import tasks
from fanin.block_ranges import Range
from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.executors import Cluster, open_executor, workers_of
from fanin.layer_bytes import to_bytes
from fanin.processes import Processes
from fanin.summary_row import Row
from fanin.tasks import sample_elsewhere

ENSEMBLE = fanin.Ensemble((12, 1), "standard")
NETWORK = fanin.Ensemble((8, 6, 2), "he_normal", "relu", cost="linear")
NETWORKS = 150_000
SIZES = [1 << k for k in range(1, 11)]


@pytest.fixture(scope="module")
def digest():
    return simulated().digest


def simulated(executor=None, **options):
    return fanin.simulate(ENSEMBLE, NETWORKS, seed=1, executor=executor, **options)


@pytest.fixture(scope="module")
def processes():
    with open_executor("processes", 2) as executor:
        yield executor


@pytest.fixture(scope="module")
def cluster():
    with open_executor("dask", 2) as executor:
        yield executor


@pytest.mark.parametrize("blocks", SIZES)
def test_processes(processes, digest, blocks):
    assert simulated(processes, blocks_per_task=blocks).digest == digest


@pytest.mark.parametrize("blocks", SIZES)
def test_dask(cluster, digest, blocks):
    assert simulated(cluster, blocks_per_task=blocks).digest == digest


@pytest.mark.parametrize("blocks", SIZES)
def test_resumed_elsewhere(processes, cluster, digest, blocks, tmp_path):
    """Begun in threads, gone on with in processes, and again by Dask."""
    store = tmp_path / "runs"
    fanin.simulate(ENSEMBLE, 40_000, seed=1, store=store, blocks_per_task=blocks)
    fanin.simulate(ENSEMBLE, 90_000, seed=1, store=store, executor=processes, blocks_per_task=blocks)
    assert simulated(cluster, store=store, blocks_per_task=blocks).digest == digest


@pytest.mark.parametrize("method", ["direct", "conditional"])
def test_networks(processes, cluster, method):
    def run(executor=None):
        return fanin.simulate(NETWORK, 3000, seed=2, method=method, executor=executor, blocks_per_task=4).digest

    assert run() == run(processes) == run(cluster)


MPI = """
import fanin
from fanin.executors import open_executor
if __name__ == "__main__":
    with open_executor("mpi") as executor:
        for blocks in (2, 16, 64):
            ensemble = fanin.Ensemble((12, 1), "standard")
            print(fanin.simulate(ensemble, 150_000, seed=1, executor=executor, blocks_per_task=blocks).digest)
"""
MPIEXEC = Path(sys.executable).parent / "mpiexec"


@pytest.mark.parametrize("ranks", [2, 3])
def test_mpi(ranks, digest, tmp_path):
    (tmp_path / "run.py").write_text(MPI)
    how = [MPIEXEC, "--allow-run-as-root", "--oversubscribe", "-n", str(ranks)]
    found = subprocess.run(
        [*how, sys.executable, "-m", "mpi4py.futures", tmp_path / "run.py"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (found.returncode, found.stdout.split()) == (0, [digest] * 3), found.stderr


def wrong_bits(job, task):
    """A worker whose proof is that of other bits."""
    return dataclasses.replace(sample_elsewhere(job, task), proof="0" * 64)


def other_task(job, task):
    """A worker that sends the summary of another task."""
    return sample_elsewhere(job, tasks.Task(Range(task.blocks.last, task.blocks.last + task.blocks.blocks), task.networks))


def damaged(job, task):
    """A worker whose row was changed on the way."""
    answer = sample_elsewhere(job, task)
    return dataclasses.replace(answer, row=dataclasses.replace(answer.row, data=answer.row.data[:-9] + bytes(9)))


def fewer_networks(job, task):
    """A worker that lost networks, in a row that is sound."""
    layers = job.sampler.sample(job.plan, *task.blocks, task.networks - 1)
    row = Row.of(job.key, task.blocks, to_bytes(layers))
    return dataclasses.replace(sample_elsewhere(job, task), row=row)


@pytest.mark.parametrize(
    ("worker", "words"),
    [
        (wrong_bits, "computes other bits than this machine"),
        (other_task, "sent what is not the summary of blocks"),
        (damaged, "sent what is not the summary of blocks"),
        (fewer_networks, "sent what is not the summary of blocks"),
    ],
)
def test_a_worker_that_sends_what_is_wrong_is_never_believed(worker, words, monkeypatch):
    monkeypatch.setattr("fanin.tasks.sample_elsewhere", worker)
    with (
        futures.ThreadPoolExecutor(1) as executor,
        pytest.raises(BrokenOff, match=r"^blocks \d+ to \d+ failed 5 times, at last since") as broken,
    ):
        simulated(executor, blocks_per_task=16)
    assert words in str(broken.value)


class Faulty(futures.Executor):
    """Fails some tasks at first, in ways that workers fail; `workers` says nothing of how many there are."""

    def __init__(self, error, often=1):
        self.error, self.often, self.given = error, often, {}

    def submit(self, fn, /, *args, **kwargs):
        future = futures.Future()
        task, *_job = args
        self.given[task] = self.given.get(task, 0) + 1
        if self.given[task] <= self.often and task.blocks.first % 3 == 0:
            future.set_exception(self.error)
        else:
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize(
    "error", [OSError("gone"), futures.BrokenExecutor("gone"), MemoryError(), ConnectionResetError(), EOFError()]
)
def test_a_task_whose_worker_was_lost_is_given_out_again(error, digest):
    executor = Faulty(error, tasks.TRIES - 1)
    assert simulated(executor, blocks_per_task=2).digest == digest
    assert max(executor.given.values()) == tasks.TRIES


def test_after_so_many_failures_the_run_breaks_off_and_keeps_the_rest(digest, tmp_path):
    store = tmp_path / "runs"
    with pytest.raises(BrokenOff, match=r"^blocks 0 to 1 failed 5 times, at last since gone$"):
        simulated(Faulty(OSError("gone"), tasks.TRIES), store=store, blocks_per_task=2)
    with fanin.Store(store) as opened:
        assert len(list(opened.ranges(opened.runs()[0].key))) >= 2
    assert simulated(store=store).digest == digest


class Pickling(futures.Executor):
    """One worker, which knows what it was sent. sizes : bytes of each task."""

    workers = 1

    def __init__(self):
        self.sizes = []

    def submit(self, fn, /, *args, **kwargs):
        self.sizes.append(len(pickle.dumps((fn, args, kwargs))))
        return Faulty(None, 0).submit(fn, *args, **kwargs)


def test_a_large_table_is_sent_to_a_worker_once(monkeypatch):
    monkeypatch.setattr(tasks, "_known", {})
    table = np.random.default_rng(1).normal(size=(1000, 100))
    ensemble = fanin.Ensemble((100, 1), "standard", inputs=fanin.Inputs.rows(table))
    executor = Pickling()
    run = fanin.simulate(ensemble, 50_000, executor=executor, blocks_per_task=2)
    assert run.digest == fanin.simulate(ensemble, 50_000).digest
    assert len(executor.sizes) > 10
    assert 800_000 < sum(executor.sizes) < 3 * 800_000 + 1000 * len(executor.sizes)
    assert sorted(executor.sizes)[-4] < 1000


def test_a_worker_that_never_knows_the_run_is_given_up(monkeypatch):
    monkeypatch.setattr("fanin.summing.sample_known", lambda *_: None)
    with futures.ThreadPoolExecutor(1) as executor, pytest.raises(BrokenOff, match=r"does not know the run, of which it was told$"):
        simulated(executor)


def test_a_fault_of_a_task_itself_is_not_tried_again():
    executor = Faulty(ZeroDivisionError("of the program"))
    with pytest.raises(ZeroDivisionError):
        simulated(executor)
    assert max(executor.given.values()) == 1


def test_an_executor_that_was_shut_down():
    executor = futures.ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(BrokenOff, match="the executor takes no more tasks: cannot schedule new futures after shutdown"):
        simulated(executor)


def die_once(mark):
    """End this process without a word, the first time."""
    if not os.path.exists(mark):
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def test_a_process_that_dies_is_replaced_and_takes_no_other_with_it(tmp_path):
    with Processes(2) as executor:
        first = {future.result() for future in [executor.submit(os.getpid) for _ in range(4)]}
        assert len(first) == 2
        with pytest.raises(futures.BrokenExecutor):
            executor.submit(die_once, tmp_path / "mark").result()
        second = {future.result() for future in [executor.submit(os.getpid) for _ in range(4)]}
        assert len(second) == 2
        assert len(first & second) == 1


def test_killed_workers(digest):
    """SIGKILL to one process of two in the middle of a run."""
    with Processes(2) as executor:
        pids = sorted({future.result() for future in [executor.submit(os.getpid) for _ in range(4)]})
        killed = []

        def kill(_networks):
            if not killed:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])

        assert simulated(executor, blocks_per_task=2, progress=kill).digest == digest
        assert killed


def test_a_second_cluster_beside_the_first(cluster, digest):
    """Two programs on one machine, without a warning."""
    with open_executor("dask", 1) as other:
        assert simulated(other).digest == simulated(cluster).digest == digest


def test_how_many_workers(processes, cluster):
    assert (workers_of(processes, 1), workers_of(cluster, 1)) == (2, 2)
    assert workers_of(Faulty(OSError()), 7) == 7
    with futures.ThreadPoolExecutor(3) as executor:
        assert workers_of(executor, 1) == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("spark",), "executor is 'spark'; known are threads, processes, dask, mpi"),
        (("processes", 0), "workers is 0; it must be a whole number from 1 to 4096"),
        (("processes", 10**6), "workers is 1000000; it must be a whole number from 1 to 4096"),
        (("processes", "2"), "workers is '2'; it must be a whole number from 1 to 4096"),
        (("processes", 2.0), "workers is 2.0; it must be a whole number from 1 to 4096"),
        (("threads", 2), "workers is 2, and with threads it is not asked for: threads says how many"),
        (("mpi", 2), "workers is 2, and with mpi it is not asked for: mpiexec says how many"),
        (("dask", 2, "tcp://localhost:1"), "workers is 2, and with an address it is not asked for: the cluster has its own"),
        (
            ("processes", None, "tcp://localhost:1"),
            "dask_address is tcp://localhost:1, and the executor is processes; it goes with dask",
        ),
        *(
            (("dask", None, address), f"dask_address is {address!r}; write it as tcp://host:8786 or tls://host:8786")
            for address in ("foo", "", "tcp://", "tcp://host", "tcp://host:port", "http://host:1", "tcp://[::1", "tcp://a:1 b")
        ),
        (
            ("mpi",),
            "executor mpi has no workers; start it as: mpiexec -n 4 python -m mpi4py.futures -m fanin verify --executor mpi",
        ),
    ],
)
def test_bad_input(given, words):
    with pytest.raises(SpecificationError) as refusal, open_executor(*given):
        pass
    assert str(refusal.value) == words


@pytest.mark.parametrize(("name", "package"), [("dask", "distributed"), ("mpi", "mpi4py")])
def test_a_package_that_is_not_installed_is_named(name, package, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SpecificationError) as refusal, open_executor(name):
        pass
    assert str(refusal.value) == f"executor {name} needs {package}, which is not installed; pip install 'fanin[{name}]'"


def test_no_scheduler_answers(fanin, monkeypatch):
    monkeypatch.setattr("fanin.executors.WAIT", 0.5)
    code, out, err = fanin("verify", "--executor", "dask", "--dask-address", "tcp://127.0.0.1:1")
    assert (code, out) == (2, "")
    assert err.startswith("fanin: no Dask scheduler answers at tcp://127.0.0.1:1: ")
    assert err.count("\n") == 1


def test_a_scheduler_with_tls_needs_keys(fanin):
    code, out, err = fanin("verify", "--executor", "dask", "--dask-address", "tls://127.0.0.1:1")
    assert (code, out) == (2, "")
    assert err == "fanin: no keys are configured for tls://127.0.0.1:1; give them to Dask (distributed.comm.tls)\n"


def test_the_command_line(fanin, tmp_path):
    own = ("verify", "--widths", "12,1", "--networks", "2e5", "--json")
    one = json.loads(fanin(*own)[1])
    code, out, err = fanin(*own, "--executor", "processes", "--workers", "2", "--store", tmp_path / "runs")
    assert (code, err) == (3, "")
    assert json.loads(out)["digest"] == one["digest"]
    assert json.loads(fanin(*own, "--store", tmp_path / "runs")[1])["digest"] == one["digest"]
    assert fanin(*own, "--workers", "2")[::2] == (
        2,
        "fanin: workers is 2, and with threads it is not asked for: threads says how many\n",
    )
    assert fanin(*own, "--executor", "processes", "--threads", "2")[::2] == (
        2,
        "fanin: --threads 2 goes with the executor threads; --workers says how many processes\n",
    )


def wait_for(test, seconds=60.0):
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")])
def test_signals_keep_what_is_finished(number, code, word, tmp_path):
    store = tmp_path / "runs"
    program = [sys.executable, "-m", "fanin", "verify", "--widths", "400,1", "--networks", "1e10", "--store", store]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def kept():
        try:
            with fanin.Store(store) as opened:
                return len(list(opened.ranges(opened.runs()[0].key)))
        except (SpecificationError, IndexError):
            return 0

    wait_for(lambda: kept() >= 2)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert err == f"fanin: {word}; what was finished is kept in {store}; the same command goes on from there\n"
    assert kept() >= 2


def test_a_killed_run_goes_on(tmp_path):
    store = tmp_path / "runs"
    ensemble = fanin.Ensemble((400, 1), "standard")
    program = [sys.executable, "-m", "fanin", "verify", "--widths", "400,1", "--networks", "1e10", "--store", store]
    for _ in range(3):
        before = os.path.getsize(f"{store}-wal") if os.path.exists(f"{store}-wal") else 0
        process = subprocess.Popen(program, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(lambda before=before: os.path.exists(f"{store}-wal") and os.path.getsize(f"{store}-wal") > before)
        process.kill()
        process.wait()
    with fanin.Store(store) as opened:
        assert list(opened.ranges(opened.runs()[0].key))
    assert fanin.simulate(ensemble, 200_000, store=store).digest == fanin.simulate(ensemble, 200_000).digest


class Alone:
    """A client of a cluster without workers."""

    def get_executor(self, **_options):
        return None

    def nthreads(self, callback_timeout):
        return {}


def test_a_cluster_that_has_lost_all_workers_is_left(monkeypatch):
    monkeypatch.setattr("fanin.executors._AGE", -1.0)
    said: list[str] = []
    cluster = Cluster(Alone(), said.append)
    assert (cluster.workers, cluster.workers) == (1, 1)
    assert said == ["the Dask cluster has no worker; waiting for one, up to 60 s"]
    monkeypatch.setattr("fanin.executors.PATIENCE", 0.0)
    with pytest.raises(BrokenOff, match=r"^the Dask cluster has had no worker for 0 s; their logs say why they ended$"):
        _ = cluster.workers


def test_a_cluster_is_waited_for_anew_each_time(monkeypatch):
    """From when it is seen to have no worker: how long it stood idle before, and workers that came back, do not count."""
    monkeypatch.setattr("fanin.executors._AGE", -1.0)
    monkeypatch.setattr("fanin.executors.PATIENCE", 0.0)
    there = iter([{"one": 2}, {}, {"one": 1}, {}])
    alone = Alone()
    alone.nthreads = lambda callback_timeout: next(there)
    said: list[str] = []
    cluster = Cluster(alone, said.append)
    assert [cluster.workers for _ in range(4)] == [2, 1, 1, 1]
    assert len(said) == 2


class Silent(futures.Executor):
    """Answers nothing; it is asked for its workers again and again, until they are lost."""

    asked = 0

    def submit(self, fn, /, *args, **kwargs):
        return futures.Future()

    @property
    def workers(self):
        self.asked += 1
        if self.asked > 20:
            raise BrokenOff("lost")
        return 2


def test_an_executor_that_answers_nothing_is_asked_for_its_workers(monkeypatch):
    monkeypatch.setattr(tasks, "_LOOK", 0.01)
    with pytest.raises(BrokenOff, match=r"^lost$"):
        simulated(Silent())


def test_a_scheduler_that_vanished():
    class Gone(Alone):
        def nthreads(self, callback_timeout):
            raise OSError("timed out")

    with pytest.raises(BrokenOff, match=r"^the Dask scheduler does not answer: timed out$"):
        _ = Cluster(Gone()).workers


def test_functions_that_workers_cannot_import_are_refused(processes):
    own = fanin.OwnActivation(lambda z: z, lambda z: np.float32(1.0))
    ensemble = fanin.Ensemble((4, 3, 2), "he_normal", own)
    with pytest.raises(SpecificationError, match=r"^the ensemble cannot be sent to other processes \(.*\); functions of one's own"):
        fanin.simulate(ensemble, 1000, executor=processes)


GUARD = """
import fanin
with fanin.open_executor("processes", 1) as executor:
    print(fanin.simulate(fanin.Ensemble((12, 1)), 1000, executor=executor).digest)
"""


def test_a_script_without_a_guard_is_told_so(tmp_path):
    (tmp_path / "run.py").write_text(GUARD)
    found = subprocess.run([sys.executable, tmp_path / "run.py"], capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1].startswith(
        "fanin.engine.errors.SpecificationError: worker processes do not start; a script"
    )
    found = subprocess.run([sys.executable], input=GUARD, capture_output=True, text=True, timeout=120, check=False)
    assert "SpecificationError: worker processes cannot be started from a program on standard input" in found.stderr


def test_json_says_that_a_run_broke_off(monkeypatch, capsys):
    from fanin import cli

    monkeypatch.setattr(sys, "argv", ["fanin", "verify", "--json"])
    assert cli._complain_of(BrokenOff("workers were lost")) == 4
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": err.removeprefix("fanin: ").rstrip(), "exit_code": 4}
