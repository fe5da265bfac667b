"""Planted faults: the engine's source is changed, compiled and run in a process of its own, and the verdicts must catch it.

The faults leave predictions and statistics alone. Each run has 2**22 networks per ensemble: enough to see a correlation of 2 %,
a variance wrong by 1 % and one stuck lane of 2048. The unchanged copy is judged as well: nothing of it may be refuted.
"""

import json
import os
import shutil
import subprocess
import sys
from concurrent import futures
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FAULTS = {
    "none": ([], "standard", 20, "on:10", set()),
    "bias forgotten": (
        [("direct.py", "if plan.has_bias:\n        draw", "if plan.has_bias and plan.tails[0] != F(1.25):\n        draw")],
        "standard",
        20,
        "on:10",
        {"z.variance"},
    ),
    "fan-in off by one": (
        [("direct.py", "weights=law_row(weights, *ensemble.widths[:2])", "weights=law_row(weights, n - 1, 1)")],
        "scaled",
        20,
        "on:10",
        {"z.variance"},
    ),
    "last input never read": (
        [
            (
                "direct.py",
                "for j in range(plan.fan_in):\n        if stop",
                "for j in range(plan.fan_in - np.int64(plan.tails[0] == F(1.5))):\n        if stop",
            )
        ],
        "standard",
        20,
        "on:20",
        {"z.variance"},
    ),
    "weights shared by neighbours": (
        [("philox.py", "(w0 & LOW) | (w1 << _32)", "(w0 & LOW) | (w0 << _32)"), ("philox.py", "| (w3 << _32)", "| (w2 << _32)")],
        "standard",
        20,
        "on:10",
        {"independence.neighbours"},
    ),
    "counter reused by the next block": (
        [("philox.py", "c3 = block & LOW", "c3 = (block >> np.uint64(1)) & LOW")],
        "standard",
        20,
        "on:10",
        {"independence.blocks"},
    ),
    "counter reused by the next weight": (
        [("philox.py", "np.uint64(group) | high, index,", "np.uint64(group) | high, index >> np.uint64(1),")],
        "standard",
        20,
        "on:10",
        {"z.variance"},
    ),
    "bias drawn from the words of a weight": (
        [("stream.py", "WEIGHT, BIAS, INPUT, ROW = 0, 1, 2, 3", "WEIGHT, BIAS, INPUT, ROW = 0, 0, 2, 3")],
        "standard",
        20,
        "on:10",
        {"z.variance"},
    ),
    "variance used as standard deviation": (
        [("rows.py", "parent = law.parent_std(fan_in, fan_out)", "parent = law.parent_std(fan_in, fan_out) ** 2")],
        "scaled",
        20,
        "on:10",
        {"z.variance"},
    ),
    "uniform in place of normal": (
        [("rows.py", "address, sets, sizes = _normal().address", "address, sets, sizes = _uniform().address")],
        "standard",
        20,
        "on:10",
        {"z.kurtosis", "parameter.within[3]"},
    ),
    "one lane stuck": (
        [
            (
                "direct.py",
                "lanes.w, F(1.0), lanes.outside)",
                "lanes.w, F(1.0), lanes.outside)\n        lanes.z[77] = F(1.5) if plan.tails[0] == F(1.75) else lanes.z[77]",
            )
        ],
        "standard",
        20,
        "on:10",
        {"independence.lane.sign"},
    ),
    "one word of four stuck": (
        [("philox.py", "| (w3 << _32)", "| (np.uint64(0x12345678) << _32)")],
        "standard",
        20,
        "on:10",
        {"z.kurtosis"},
    ),
    "sine branch lost": (
        [("laws.py", "out[half + i] = radius * y", "out[half + i] = radius * x")],
        "standard",
        20,
        "on:10",
        {"independence.partners"},
    ),
    "inputs shared by neighbours": (
        [("direct.py", "unsigned(words[i]) < threshold", "unsigned(words[i & ~1]) < threshold")],
        "standard",
        6,
        "bernoulli:0.5",
        {"independence.neighbours.squares"},
    ),
    "truncated law not rescaled": (
        [("schemes.py", "(1.0 if self.raw else self._kept)", "1.0")],
        "truncated:1/fan_in",
        20,
        "on:10",
        {"z.variance"},
    ),
    "one zero in eight lost": (
        [("rows.py", "unsigned(words[i]) < zeros", "unsigned(words[i]) < zeros - (zeros >> 3)")],
        "normal:1,sparse=0.5+normal:1",
        20,
        "on:10",
        {"z.variance"},
    ),
    "crossed with its own input": (
        [("direct.py", "(crossed[:HALF], w[:HALF], x[HALF:])", "(crossed[:HALF], w[:HALF], x[:HALF])")],
        "standard",
        20,
        "gaussian",
        {"z.variance.given.weights"},
    ),
    "second neuron takes the weights of the first": (
        [("direct.py", "np.uint64(plan.fan_in + j), _LAYER", "np.uint64(j), _LAYER")],
        "standard",
        [20, 2],
        "on:10",
        {"independence.neurons"},
    ),
}

CHOSEN = {"bias forgotten": 1.25, "last input never read": 1.5, "one lane stuck": 1.75}
"""Faults that the first threshold of the ensemble chooses."""

TOGETHER = (
    *CHOSEN,
    "fan-in off by one",
    "inputs shared by neighbours",
    "truncated law not rescaled",
    "one zero in eight lost",
    "crossed with its own input",
    "second neuron takes the weights of the first",
)
"""Faults that leave each other's ensembles alone: they share one compiled copy."""
COPIES = [TOGETHER, *((fault,) for fault in FAULTS if fault not in TOGETHER)]

PROGRAM = """
import json, sys, fanin
assert fanin.__file__.startswith(sys.argv[2]), fanin.__file__
for scheme, n, inputs, first in json.loads(sys.argv[1]):
    ensemble = fanin.Ensemble(n if isinstance(n, list) else (n, 1), scheme, inputs=inputs, tails=(first, 5.0))
    report = fanin.verify(ensemble, networks=2**22, seed=11, threads=1)
    print(json.dumps({v.claim.quantity: v.verdict for v in report.verdicts}))
"""


def run(folder, faults):
    """The verdicts under each of some faults, all planted in one copy."""
    for package in ("fanin", "engine", "stats", "docs"):
        shutil.copytree(ROOT / package, folder / package, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for fault in faults:
        for name, old, new in FAULTS[fault][0]:
            source = folder / "engine" / name
            text = source.read_text()
            assert old in text, f"{fault}: {name} no longer holds {old!r}"
            source.write_text(text.replace(old, new))
    env = os.environ | {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        json.dumps([(*FAULTS[fault][1:4], CHOSEN.get(fault, 1.0)) for fault in faults]),
        str(folder),
    ]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(faults, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """The verdicts under every fault, two processes at a time."""
    with futures.ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run, tmp_path_factory.mktemp("fault"), faults) for faults in COPIES]
        return {fault: words for future in runs for fault, words in future.result().items()}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(fault, verdicts):
    expected = FAULTS[fault][-1]
    refuted = {quantity for quantity, word in verdicts[fault].items() if word == "refuted"}
    assert expected <= refuted
    assert bool(refuted) == (fault != "none")
