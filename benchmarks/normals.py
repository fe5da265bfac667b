"""Normals per second of one thread: a program that prints {"rate", "vector_bits"}.

    python -m benchmarks.normals fanin

fanin draws, scales, multiplies and adds them to the sums of networks, and records those; NumPy and PyTorch fill a float32 buffer
of 512 kB again and again. The engine is given the widest vectors of the machine unless NUMBA_CPU_FEATURES says otherwise.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

BUFFER = 1 << 17
SECONDS = 1.0


def with_fanin() -> tuple[Callable[[], object], int]:
    """Nielsen's neuron, 501 normals a network, by `simulate` in one thread."""
    import fanin

    ensemble, networks = fanin.Ensemble(widths=(1000, 1)), 1 << 18
    return lambda: fanin.simulate(ensemble, networks, threads=1), networks * 501


def with_numpy() -> tuple[Callable[[], object], int]:
    """NumPy's fastest generator."""
    import numpy as np

    rng, buffer = np.random.Generator(np.random.SFC64(501)), np.empty(BUFFER, np.float32)
    return lambda: rng.standard_normal(dtype=np.float32, out=buffer), BUFFER


def with_torch() -> tuple[Callable[[], object], int]:
    """PyTorch's default generator."""
    import torch

    torch.set_num_threads(1)
    buffer = torch.empty(BUFFER)
    return buffer.normal_, BUFFER


SOURCES = {"fanin": with_fanin, "numpy": with_numpy, "torch": with_torch}


def main(source: str) -> None:
    """Draw for a second and print."""
    from fanin.engine.machine import vector_bits, widen_vectors

    widen_vectors()
    draw, size = SOURCES[source]()
    draw()
    drawn, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        draw()
        drawn += size
    print(json.dumps({"rate": drawn / (time.perf_counter() - start), "vector_bits": vector_bits()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
