"""Planted faults in the samplers of networks: one changed copy of the engine, where a threshold of the ensemble chooses the fault.

Each fault is judged as a user would see it: the faulty sampler against the other one, quantity by quantity, or against theory. The
copy without a fault is judged as well: nothing of it may be refuted.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = 200_000

CHOSEN = "(plan.slow[0] == F({}.0))"
EDITS = {
    "fresh weights in the backward pass": (
        "conditional.py",
        ("ones[a] = met[a, b]", "ones[a] = 0.0 if {chosen} else met[a, b]"),
        ("seen[a, c] * root[b, c]", "seen[a, c] * (0.0 if {chosen} else root[b, c])"),
    ),
    "fan-in of the wrong layer": (
        "conditional.py",
        (
            "square, bias = plan.weight_std[layer] ** 2, plan.bias_std[layer] ** 2\n    for a",
            "square, bias = plan.weight_std[max(layer - 1, 0) if {chosen} else layer] ** 2, plan.bias_std[layer] ** 2\n    for a",
        ),
    ),
    "bias fed into the conditioning": ("conditional.py", ("met[a, b] -= share[b]", "met[a, b] -= 0.0 if {chosen} else share[b]")),
    "fresh noise for each input": (
        "conditional.py",
        (
            "F(plan.weight_std[layer] * less * root[b, c])",
            "F(plan.weight_std[layer] * less * ((np.sqrt((root[b] ** 2).sum()) if b == c else 0.0) if {chosen} else root[b, c]))",
        ),
    ),
    "derivative of the activation off by 2 %": (
        "conditional.py",
        (
            "            if not _multiply_slope(state, a, place - 1, below_count):\n",
            "            if {chosen}:\n                _scale(state.back[a], F(1.02), F(0.0), below_count)\n"
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


@pytest.fixture(scope="module")
def refuted(tmp_path_factory):
    """The refuted quantities without a fault, and under each."""
    folder = tmp_path_factory.mktemp("fault")
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
    command = [sys.executable, "-c", PROGRAM, str(folder), str(len(EDITS)), str(NETWORKS)]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(("none", *EDITS), map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("fault", ["none", *EDITS])
def test_fault_is_caught(fault, refuted):
    assert EXPECTED.get(fault, set()) <= set(refuted[fault])
    assert bool(refuted[fault]) == (fault != "none")
