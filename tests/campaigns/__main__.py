"""`python -m tests.campaigns [NAME ...]`: run the named campaigns, or all, and print what they found with the time they took.

The exit code is 1 when one of them found something wrong. Results stand in docs/trust.md.
"""

from __future__ import annotations

import platform
import sys
import time
from importlib import import_module
from importlib.metadata import version
from typing import Any

from fanin.engine import stream

CAMPAIGNS: dict[str, tuple[Any, ...]] = {
    "random123": ("random123", "random123"),
    "dieharder": ("batteries", "dieharder"),
    "normals": ("normals", "normals"),
    "laws": ("laws", "laws"),
    "exhaustive": ("exhaustive", "exhaustive"),
    "activations": ("activations", "activations"),
    "orthogonal": ("orthogonal", "orthogonal"),
    "random-inputs": ("seeds", "seeds", "random-inputs", 100),
    "single-neuron": ("seeds", "seeds", "single-neuron", 20),
    "real-inputs": ("seeds", "seeds", "real-inputs", 50),
    "deep": ("seeds", "seeds", "deep", 10),
    "costs": ("seeds", "seeds", "costs", 10),
    "depth": ("seeds", "seeds", "depth", 10),
    "finite-width": ("seeds", "seeds", "finite-width", 10),
    "samplers": ("seeds", "seeds", "samplers", 10),
    "sequences": ("sequences", "sequences", 100_000),
    "coverage": ("coverage", "coverage", 100_000, 100_000),
    "rates": ("engine_rates", "rates"),
    "faults": ("faults", "faults"),
    "mutants": ("mutants", "mutants", 12, 6),
    "watched-runs": ("watching", "watched_runs", 250),
    **{
        f"watching-{name}": ("watching", "cost_of_watching", name, seeds)
        for name, seeds in {
            "single-neuron": 200,
            "random-inputs": 200,
            "real-inputs": 200,
            "deep": 40,
            "costs": 10,
            "depth": 20,
            "finite-width": 5,
            "samplers": 5,
        }.items()
    },
    "combinations": ("combinations", "combinations"),
    "damage": ("damage", "damage"),
    "kills": ("kills", "kills"),
    "failing-disk": ("failing_disk", "failing_disk"),
    "long-runs": ("long_runs", "interrupted"),
    "fuzz-stores": ("fuzz_stores", "fuzz_stores", 100_000),
    "fuzz-readers": ("fuzz_readers", "fuzz_readers", 100_000),
    "fuzz-studies": ("fuzz_studies", "fuzz_studies", 100_000),
    "fuzz-results": ("fuzz_results", "fuzz_results", 100_000),
}
"""Module, function and arguments of every campaign, in the order in which they run."""


def run(name: str) -> str:
    """What a campaign found; its module is imported here."""
    module, function, *arguments = CAMPAIGNS[name]
    return getattr(import_module(f"tests.campaigns.{module}"), function)(*arguments)


def main(names: list[str]) -> int:
    """Run the named campaigns, or all; 0 all right, 1 something wrong, 2 an unknown name."""
    unknown = [name for name in names if name not in CAMPAIGNS]
    if unknown:
        print(f"unknown campaign {', '.join(unknown)}; known are {', '.join(CAMPAIGNS)}", file=sys.stderr)
        return 2
    packages = ", ".join(f"{package} {version(package)}" for package in ("numpy", "numba", "scipy"))
    print(f"Python {platform.python_version()}, {packages}, stream version {stream.VERSION}", flush=True)
    wrong = 0
    for name in names or CAMPAIGNS:
        start = time.perf_counter()
        try:
            found = run(name)
        except SystemExit as stop:
            found, wrong = f"WRONG: {stop}", 1
        print(f"{name}: {found} ({time.perf_counter() - start:.0f} s)", flush=True)
    return wrong


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
