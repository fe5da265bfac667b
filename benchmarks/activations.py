"""Values per second of one thread, phi and phi' of each: a program that prints {"rate", "vector_bits"}.

    python -m benchmarks.activations fanin gelu

A row of 2048 normals of standard deviation 2 is transformed again and again, into buffers that are there. NumPy and SciPy evaluate
the usual formulas, and phi' from phi where that is cheaper; PyTorch uses its own functions, forward and backward, the best that
its users have. The engine is given the widest vectors of the machine unless NUMBA_CPU_FEATURES says otherwise.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

ROW = 2048
SECONDS = 0.5
TORCH_ROW = 1 << 16  # of 2048 values, what a call costs would be most of the time


def with_fanin(name: str) -> tuple[Callable[[], object], int]:
    """The row kernel, 64 times for each call from Python."""
    import numpy as np

    from fanin.engine._jit import kernel
    from fanin.engine.activations import activate, activation_row

    @kernel
    def repeat(row, z, phi, slope):
        for _ in range(64):
            activate(row, z, phi, slope)

    row, z = activation_row(name), _normals(ROW)
    phi, slope = np.empty_like(z), np.empty_like(z)
    return lambda: repeat(row, z, phi, slope), 64 * ROW


def with_numpy(name: str) -> tuple[Callable[[], object], int]:
    """NumPy and SciPy in float32."""
    import numpy as np
    from scipy import special

    z = _normals(ROW)
    one, density = np.float32(1.0), np.float32(0.3989423)
    lam, low = np.float32(1.050701), np.float32(1.7580993)

    def gelu() -> object:
        level = special.ndtr(z)
        return z * level, level + z * density * np.exp(np.float32(-0.5) * z * z)

    def silu() -> object:
        level = special.expit(z)
        phi = z * level
        return phi, level * (one + z - phi)

    def sigmoid() -> object:
        level = special.expit(z)
        return level, level * (one - level)

    def tanh() -> object:
        level = np.tanh(z)
        return level, one - level * level

    def elu() -> object:
        phi = np.where(z > 0, z, np.expm1(z))
        return phi, np.where(z > 0, one, phi + one)

    def selu() -> object:
        phi = np.where(z > 0, lam * z, low * np.expm1(z))
        return phi, np.where(z > 0, lam, phi + low)

    forms = {
        "sigmoid": sigmoid,
        "tanh": tanh,
        "relu": lambda: (np.maximum(z, 0), (z > 0).astype(np.float32)),
        "leaky_relu": lambda: (np.maximum(z, np.float32(0.01) * z), np.where(z > 0, one, np.float32(0.01))),
        "elu": elu,
        "selu": selu,
        "gelu": gelu,
        "silu": silu,
        "softplus": lambda: (np.logaddexp(z, np.float32(0.0)), special.expit(z)),
        "hard_tanh": lambda: (np.clip(z, -one, one), (np.abs(z) < 1).astype(np.float32)),
        "erf": lambda: (special.erf(z), np.float32(1.1283792) * np.exp(-z * z)),
        "identity": lambda: (z.copy(), np.ones_like(z)),
    }
    return forms[name], ROW


def with_torch(name: str) -> tuple[Callable[[], object], int]:
    """PyTorch's function and its derivative by autograd, one thread."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    z = torch.from_numpy(_normals(TORCH_ROW)).requires_grad_()
    ones = torch.ones(TORCH_ROW)
    named = {
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "erf": torch.erf,
        "hard_tanh": functional.hardtanh,
        "identity": torch.clone,
    }
    function = named.get(name) or getattr(functional, name)

    def both() -> object:
        phi = function(z)
        return phi, torch.autograd.grad(phi, z, ones)

    return both, TORCH_ROW


def _normals(count: int):  # noqa: ANN202
    import numpy as np

    return np.random.default_rng(501).normal(0.0, 2.0, count).astype(np.float32)


SOURCES = {"fanin": with_fanin, "numpy": with_numpy, "torch": with_torch}


def main(source: str, name: str) -> None:
    """Transform for half a second, several times, and print the best rate."""
    from fanin.engine.machine import vector_bits, widen_vectors

    widen_vectors()
    transform, size = SOURCES[source](name)
    transform()
    best = 0.0
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS / 50:
            transform()
            done += size
        best = max(best, done / (time.perf_counter() - start))
    print(json.dumps({"rate": best, "vector_bits": vector_bits()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
