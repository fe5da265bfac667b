"""The samplers of networks in processes of their own: planted faults in a changed copy, and the digest of other machine code.

Each fault is judged as a user would see it: the faulty sampler against the other one, quantity by quantity. A threshold of the
ensemble chooses the fault, so that one copy is compiled for all. The copy without a fault is judged as well: nothing of it may be
refuted.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from concurrent import futures
from pathlib import Path

import llvmlite.binding as llvm
import pytest

import fanin

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = 200_000

CHOSEN = "(plan.slow[0] == F({}.0))"
EDITS = {
    "fresh weights in the backward pass": (
        "conditional_layer.py",
        ("ones[a] = met[a, b]", "ones[a] = 0.0 if {chosen} else met[a, b]"),
        ("seen[a, c] * root[b, c]", "seen[a, c] * (0.0 if {chosen} else root[b, c])"),
    ),
    "fan-in of the wrong layer": (
        "conditional_layer.py",
        (
            "square, bias = plan.weight_std[layer] ** 2, plan.bias_std[layer] ** 2\n    for a",
            "square, bias = plan.weight_std[max(layer - 1, 0) if {chosen} else layer] ** 2, plan.bias_std[layer] ** 2\n    for a",
        ),
    ),
    "bias fed into the conditioning": (
        "conditional_layer.py",
        ("met[a, b] -= share[b]", "met[a, b] -= 0.0 if {chosen} else share[b]"),
    ),
    "fresh noise for each input": (
        "conditional_layer.py",
        (
            "F(plan.weight_std[layer] * less * root[b, c])",
            "F(plan.weight_std[layer] * less * ((np.sqrt((root[b] ** 2).sum()) if b == c else 0.0) if {chosen} else root[b, c]))",
        ),
    ),
    "derivative of the activation off by 2 %": (
        "conditional.py",
        (
            "            if not _multiply_slope(state, a, place - 1, below_count):\n",
            "            if {chosen}:\n                state.back[a][:below_count] *= F(1.02)\n"
            "            if not _multiply_slope(state, a, place - 1, below_count):\n",
        ),
    ),
}
"""By fault: the file, and what is replaced there."""

EXPECTED = {
    "fresh weights in the backward pass": {"delta.meansquare"},
    "fan-in of the wrong layer": {"z.variance"},
    "bias fed into the conditioning": {"delta.meansquare"},
    "fresh noise for each input": {"delta.correlation"},
    "derivative of the activation off by 2 %": {"delta.meansquare"},
}
"""Quantities that must be refuted, whatever else is."""

PROGRAM = """
import json, sys, fanin
assert fanin.__file__.startswith(sys.argv[1]), fanin.__file__
for number in range(int(sys.argv[2]) + 1):
    ensemble = fanin.Ensemble(
        (10, 12, 12, 12), "normal:1.5/fan_in+normal:1", "sigmoid", "pair:1:0.7", cost="cross-entropy", slow=(number + 1.0,)
    )
    study = fanin.Study(
        "faults", "", {"direct": ensemble, "other": ensemble}, methods={"direct": "direct", "other": "conditional"},
        compared=(("other", "direct"),),
    )
    report = fanin.verify(study, networks=int(sys.argv[3]), seed=11, threads=1, tolerance=0.2)
    print(json.dumps([v.claim.quantity for v in report.verdicts if v.verdict == "refuted"]))
"""


def changed_copy(folder):
    """The refuted quantities without a fault, and under each."""
    for package in ("fanin", "engine", "stats", "docs"):
        shutil.copytree(ROOT / package, folder / package, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for number, (fault, (name, *edits)) in enumerate(EDITS.items(), 2):
        source = folder / "engine" / name
        text = source.read_text()
        for old, new in edits:
            assert old in text, f"{fault}: {name} no longer holds {old!r}"
            text = text.replace(old, new.format(chosen=CHOSEN.format(number)))
        source.write_text(text)
    env = os.environ | {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}
    lines = run([sys.executable, "-c", PROGRAM, str(folder), str(len(EDITS)), str(NETWORKS)], env, folder)
    return dict(zip(("none", *EDITS), map(json.loads, lines), strict=True))


def run(command, env, folder):
    """The lines that a process prints."""
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


RUNS = [
    {"scheme": "scaled", "activation": "tanh", "inputs": "gaussian", "points": 2, "cost": "quadratic"},
    {"activation": ["gelu", "softplus", "sigmoid"], "cost": "cross-entropy"},
    {"scheme": "he_normal", "activation": ["relu", "elu:0.5", "erf"], "inputs": "bernoulli:0.5", "cost": "softmax"},
]
DIGESTS = """
import json, sys, fanin
for options in json.loads(sys.argv[1]):
    for method in ("direct", "conditional"):
        print(fanin.simulate(fanin.Ensemble((20, 33, 17, 9), **options), networks=700, seed=7, method=method, threads=1).digest)
"""


def digest(options, method, networks=700):
    """In this process, with two threads and tasks of another size."""
    ensemble = fanin.Ensemble((20, 33, 17, 9), **options)
    return fanin.simulate(ensemble, networks=networks, seed=7, method=method, threads=2, blocks_per_task=4).digest


def other_code():
    """An environment for code that this process does not run: Haswell's, or code for older machines where this is one."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
    return {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse4.2,+fma" if features.get("fma") else ""}


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Both processes side by side."""
    folder = tmp_path_factory.mktemp("fault")
    with futures.ThreadPoolExecutor(2) as pool:
        copy = pool.submit(changed_copy, folder)
        env = os.environ | other_code() | {"NUMBA_CACHE_DIR": str(tmp_path_factory.mktemp("code"))}
        code = pool.submit(run, [sys.executable, "-c", DIGESTS, json.dumps(RUNS)], env, ROOT)
        return copy.result(), code.result()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs a machine with x86-64 instructions")
def test_other_machine_code_gives_the_same_digests(processes):
    assert processes[1] == [digest(options, method) for options in RUNS for method in ("direct", "conditional")]


def test_digest_sees_the_last_bit_of_a_network(processes):
    """A digest of digests that all agree would prove nothing: one network more changes each."""
    assert len(set(processes[1])) == len(processes[1])
    assert digest(RUNS[0], "direct", 701) not in processes[1]


@pytest.mark.parametrize("fault", ["none", *EDITS])
def test_fault_is_caught(fault, processes):
    refuted = processes[0]
    assert EXPECTED.get(fault, set()) <= set(refuted[fault])
    assert bool(refuted[fault]) == (fault != "none")
