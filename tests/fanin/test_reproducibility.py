"""One digest: for any number of threads, any tasks, any order, any vector width; and it sees the last bit of one draw."""

import itertools
import os
import subprocess
import sys
from concurrent import futures

import llvmlite.binding as llvm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fanin
from fanin.engine import direct, stream
from fanin.engine.activations import activation_row
from fanin.engine.record import empty_record, empty_scratch, record_block, to_accumulators

NETWORKS = 100_000
ENSEMBLE = fanin.Ensemble((50, 1), "scaled", inputs="bernoulli:0.5")
RUNS = [
    *(((20, 1), "standard", "sigmoid", kind) for kind in ("half-on", "subset:half", "bernoulli:0.25", "gaussian", "ar1:0.7")),
    *(((20, 1), "torch.linear", "tanh", kind) for kind in ("half-on", "uniform:-1:2", "sparse:0.5")),
    *(((20, 2), scheme, "tanh", "gaussian") for scheme in ("orthogonal", "truncated:1,cut=1", "student:1,df=3+laplace:1")),
    ((20, 2), "rademacher:1,sparse=0.3+constant:0.5", "sigmoid", "bernoulli:0.5"),
]
"""Every law of weights and inputs, one and two neurons, both activations."""


def digest(**options):
    return fanin.simulate(ENSEMBLE, networks=NETWORKS, seed=501, **options).digest


@pytest.fixture(scope="module")
def one_digest():
    return digest(threads=1)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads(threads, one_digest):
    assert digest(threads=threads) == one_digest


@pytest.mark.parametrize("blocks", [*(1 << k for k in range(1, 13)), 1 << 40])
def test_task_sizes(blocks, one_digest):
    assert digest(threads=2, blocks_per_task=blocks) == one_digest


class Shuffled(futures.Executor):
    """Ends tasks in a random order."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.waiting = []

    def submit(self, fn, /, *args, **kwargs):
        future = futures.Future()
        self.waiting.append((future, fn, args, kwargs))
        if len(self.waiting) >= 3:
            self.finish(self.random.integers(len(self.waiting)))
        return future

    def finish(self, at):
        future, fn, args, kwargs = self.waiting.pop(at)
        future.set_result(fn(*args, **kwargs))


@pytest.mark.parametrize("seed", range(5))
def test_order_of_completion(seed, one_digest, monkeypatch):
    executor = Shuffled(seed)
    wait = futures.wait

    def finish_one_and_wait(fs, **options):
        if not any(future.done() for future in fs):
            executor.finish(executor.random.integers(len(executor.waiting)))
        return wait(fs, **options)

    monkeypatch.setattr(futures, "wait", finish_one_and_wait)
    assert digest(executor=executor, threads=4, blocks_per_task=2) == one_digest


def test_processes(one_digest):
    import multiprocessing

    with futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert digest(executor=executor, blocks_per_task=16) == one_digest


PROGRAM = """
import fanin
from fanin.engine import machine
for widths, scheme, activation, kind in {runs}:
    print(fanin.simulate(fanin.Ensemble(widths, scheme, activation, kind), networks=9000, seed=7, threads=1).digest)
print("bits", machine.vector_bits())
"""


def machines():
    """Environments for Haswell, 256-bit and 512-bit code, as far as this CPU can run them; the default is one of the last two."""
    features = llvm.get_host_cpu_features()
    found = {} if features.get("avx512f") else {"default": {}}
    if features.get("avx2"):
        found["haswell"] = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
    if features.get("avx512f"):
        found["256-bit"] = {"NUMBA_CPU_FEATURES": features.flatten() + ",+prefer-256-bit"}
        found["512-bit"] = {"NUMBA_CPU_FEATURES": features.flatten() + ",-prefer-256-bit"}
    return found


def test_vector_widths(tmp_path):
    """The same bits from every instruction set, in processes of their own with caches of their own."""
    processes = {}
    for name, variables in machines().items():
        env = os.environ | variables | {"NUMBA_CACHE_DIR": str(tmp_path / name)}
        program = [sys.executable, "-c", PROGRAM.format(runs=RUNS)]
        processes[name] = subprocess.Popen(program, env=env, stdout=subprocess.PIPE, text=True)
    printed = {name: process.communicate()[0].splitlines() for name, process in processes.items()}
    assert all(process.returncode == 0 for process in processes.values())
    bits = {name: int(lines.pop().split()[1]) for name, lines in printed.items()}
    first = next(iter(printed.values()))
    assert len(set(first)) == len(RUNS)
    assert all(lines == first for lines in printed.values())
    for name, expected in (("haswell", 256), ("256-bit", 256), ("512-bit", 512)):
        assert bits.get(name, expected) == expected


def test_digest_of_a_known_run():
    """The digest of this specification is part of the contract: a change of any number drawn must raise `stream.VERSION`."""
    result = fanin.simulate(fanin.Ensemble((1000, 1)), networks=5000, seed=501)
    assert stream.VERSION == 2
    assert result.digest == "fd239e0aa59ec63e3f86e97dff06eb6e94d9c7bd697e0d0ccc3d357b1c011883"


def recorded(z):
    record = empty_record(2)
    outside = np.zeros(z.size, np.int32)
    record_block(record, empty_scratch(), z, outside, np.array([1.0, 5.0], np.float32), activation_row("sigmoid"), False)
    return to_accumulators(record, z.size).sha256()


@pytest.mark.parametrize("lane", [0, 1, 1024, 2047])
def test_the_last_bit_of_one_draw_changes_the_digest(lane):
    plan = direct.make_plan(ENSEMBLE, 501)
    lanes = direct.empty_lanes(plan)
    direct.preactivate(plan, lanes, np.uint64(3), np.zeros(1, np.int64))
    z = lanes.z.copy()
    before = recorded(z)
    z[lane : lane + 1].view(np.uint32)[0] ^= 1
    assert recorded(z) != before


def test_every_part_of_the_specification_changes_the_digest():
    def run(networks=3000, seed=1, **changes):
        options = {"widths": (10, 1), "scheme": "standard", "activation": "sigmoid", "inputs": "half-on"} | changes
        return fanin.simulate(fanin.Ensemble(**options), networks=networks, seed=seed).digest

    digests = [
        run(),
        run(networks=3001),
        run(seed=2),
        run(widths=(12, 1)),
        run(scheme="scaled"),
        run(activation="tanh"),
        run(inputs="on:4"),
        run(inputs="subset:5"),
        run(tails=(1.0,)),
    ]
    assert len(set(digests)) == len(digests)


@given(networks=st.integers(1, 9000), more=st.integers(0, 9000))
@settings(max_examples=20)
def test_the_first_networks_of_a_longer_run_are_the_shorter_run(networks, more):
    """Extremes, counts and bins of the first N are those of a run of N; the longer run only adds."""
    ensemble = fanin.Ensemble((6, 1))
    short = fanin.simulate(ensemble, networks=networks, seed=3).layers[1]
    long = fanin.simulate(ensemble, networks=networks + more, seed=3).layers[1]
    assert (long.bins >= short.bins).all()
    assert long.bins.sum() - short.bins.sum() == more
    assert long.largest >= short.largest
    whole = direct.sample(direct.make_plan(ensemble, 3), 0, -(-networks // stream.BLOCK), networks)[1]
    assert whole == short


def test_a_range_of_blocks_that_does_not_fit_its_networks_is_refused():
    plan = direct.make_plan(ENSEMBLE, 8)
    for first, last, networks in ((1, 2, 2048), (0, 2, 2048), (0, 1, 2049)):
        with pytest.raises(ValueError, match="are not those of"):
            direct.sample(plan, first, last, networks)


@given(cuts=st.lists(st.integers(1, 9), max_size=4), order=st.randoms())
@settings(max_examples=20)
def test_merge_in_any_grouping(cuts, order):
    plan = direct.make_plan(ENSEMBLE, 8)
    edges = sorted({0, 20, *(2 * cut for cut in cuts)})
    parts = [direct.sample(plan, a, b, (b - a) * stream.BLOCK)[1] for a, b in itertools.pairwise(edges)]
    order.shuffle(parts)
    while len(parts) > 1:
        at = order.randrange(len(parts) - 1)
        parts[at : at + 2] = [parts[at].merge(parts[at + 1])]
    assert parts[0] == direct.sample(plan, 0, 20, 20 * stream.BLOCK)[1]
