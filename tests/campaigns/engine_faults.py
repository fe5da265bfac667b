"""Faults in the engine's code: a changed copy of the package, compiled in a process of its own, with a switch for each fault.

`python -m tests.campaigns.engine_faults`, in such a copy, tries all faults and prints what it found of each,
one JSON object a line.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fanin
from tests.campaigns.engine_edits import EDITS
from tests.campaigns.engine_entries import DIGESTS, FAULTS
from tests.campaigns.planted import Found, announced, controls, trial

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted({name for _, _, new in EDITS for name in re.findall(r"@(\w+)@", new)})

_CELL = '''"""The fault that is chosen: 0 for none."""

import ctypes

chosen = ctypes.c_int64(0)
'''
_SWITCH = '''"""The number of the chosen fault, read in a kernel."""

import ctypes

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fanin.engine.fault_cell import chosen

_ADDRESS = ctypes.addressof(chosen)


@intrinsic
def fault(_typing):
    def build(_context, builder, _signature, _arguments):
        word = ir.IntType(64)
        value = builder.load(builder.inttoptr(ir.Constant(word, _ADDRESS), ir.PointerType(word)))
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value

    return types.int64(), build
'''


def found_in_copy() -> list[Found]:
    """What became of every fault in the engine. SystemExit where the copy without a fault is not the engine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_copy(folder)
        env = os.environ | {"PYTHONPATH": str(folder)}
        command = [sys.executable, "-m", "tests.campaigns.engine_faults"]
        done = subprocess.run(command, env=env, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the changed copy of the engine ended with code {done.returncode}")
    digests, *lines = map(json.loads, done.stdout.splitlines())
    if digests != _digests():
        raise SystemExit("the changed copy with no fault chosen does not give the engine's digests")
    return [Found(**{**line, "refuted": tuple(line["refuted"])}) for line in lines]


def build_copy(folder: Path) -> None:
    """The package and its campaigns with every edit, and with the switches that they read."""
    for package in ("fanin", "engine", "stats", "docs", "tests/campaigns"):
        shutil.copytree(ROOT / package, folder / package, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests" / "__init__.py").touch()
    engine = folder / "engine"
    for name, old, new in EDITS:
        source = engine / name
        text = source.read_text()
        if text.count(old) < 1:
            raise SystemExit(f"{name} no longer holds {old!r}")
        source.write_text(text.replace(old, new))
    for source in {engine / name for name, _, _ in EDITS}:
        text = source.read_text()
        text = re.sub(r"@@(\w+)@@", lambda match: f"(chosen.value == {_number(match[1])})", text)
        text = re.sub(r"@(\w+)@", lambda match: f"(fault() == {_number(match[1])})", text)
        first, rest = text.split("from __future__ import annotations\n", 1)
        needed = [
            f"from fanin.engine.{module} import {what}\n"
            for module, what in (("fault_cell", "chosen"), ("fault_switch", "fault"))
            if f"({what}" in rest
        ]
        source.write_text(f"{first}from __future__ import annotations\n{''.join(needed)}{rest}")
    (engine / "fault_cell.py").write_text(_CELL)
    (engine / "fault_switch.py").write_text(_SWITCH)
    jit = engine / "_jit.py"
    jit.write_text(
        jit.read_text().replace("_FOLDER = _cache_folder()", "_FOLDER = None  # the address of the cell is another in each process")
    )


def _number(name: str) -> int:
    return 1 + NAMES.index(name)


def _digests() -> list[str]:
    return [fanin.simulate(one, networks=5000, seed=3, method=method).digest for one, method in DIGESTS]


def tried(only: list[str]) -> Iterator[Found]:
    """What becomes of the named faults, or of all, in a copy made by `build_copy`."""
    from fanin.engine.fault_cell import chosen  # pyright: ignore[reportMissingImports]

    if not only:
        yield from controls(FAULTS.values())
    for switch, fault in FAULTS.items():
        if only and switch not in only:
            continue
        assert fault.study is not None
        chosen.value = 0
        size = announced(fault.study, fault.tolerance)
        chosen.value = _number(switch)
        yield trial(fault, "engine", size=size)


if __name__ == "__main__":
    assert fanin.__file__.startswith(os.getcwd()), fanin.__file__
    print(json.dumps(_digests()), flush=True)
    for one in tried(sys.argv[1:]):
        print(json.dumps(dataclasses.asdict(one)), flush=True)
        print(f"{one.name} ({one.study}): {one.caught_by or one.refuted or 'not refuted'}", file=sys.stderr, flush=True)
