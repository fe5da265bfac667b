"""Peers of the single neuron: a program that samples it with another library and prints {"networks", "squares"}.

    python -m benchmarks.peers torch-501-processes 1000000

Nielsen's neuron has 1000 inputs of which 500 are on; weights and bias are N(0, 1); z is the sum of the 500 weights that meet an
input that is on, plus the bias. `squares` is the sum of z^2 over all networks: its mean is 501. The name of a variant says how
many parameters it draws (all 1001, or only the 501 that z depends on) and how it uses two cores.

Every peer is tuned: float32, buffers reused, and the fastest batch of 16, 32, ... 65536 networks on an AVX-512 machine.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

INPUTS, ON = 1000, 500

_NUMPY_BATCH = 256  # 64 to 512 within 2 %; slower where the buffer leaves the second-level cache
_TORCH_BATCH = 1024  # 256 to 4096 within 2 %; below and above slower
_JAX_BATCH = 1024  # twice as fast as 65536; jax.random's default generator is three times as fast here as its "rbg"


def _met(parameters: int) -> np.ndarray:
    """The value that each drawn parameter meets, the bias last: float32 (parameters)."""
    import numpy as np

    inputs = np.zeros(parameters, np.float32)
    inputs[:ON] = inputs[-1] = 1.0
    return inputs


def with_numba(networks: int, _seed: int) -> float:
    """Numba as everyone writes it: scalar normals in a parallel loop. Its threads seed themselves."""
    import numba
    import numpy as np

    @numba.njit(parallel=True, cache=True)
    def sample(networks, inputs):
        squares = 0.0
        for _ in numba.prange(networks):
            z = 0.0
            for j in range(inputs.size):
                z += np.random.normal() * inputs[j]
            squares += z * z
        return squares

    return sample(networks, _met(INPUTS + 1))


def with_numpy(parameters: int, threads: int, networks: int, seed: int) -> float:
    """NumPy's fastest generator, one for each thread; it draws without the GIL."""
    import numpy as np

    inputs = _met(parameters)

    def share(thread: int) -> float:
        rng = np.random.Generator(np.random.SFC64([seed, thread]))
        weights = np.empty((_NUMPY_BATCH, parameters), np.float32)
        squares = 0.0
        for _ in range(networks // (threads * _NUMPY_BATCH)):
            rng.standard_normal(dtype=np.float32, out=weights)
            z = weights @ inputs
            squares += float(z @ z)
        return squares

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(share, range(threads)))


def with_torch(parameters: int, own_threads: int, threads: int, networks: int, seed: int) -> float:
    """PyTorch with threads of its own inside an operation, or with operations in threads of ours, a generator for each."""
    import torch

    torch.set_num_threads(own_threads)
    inputs = torch.from_numpy(_met(parameters))

    def share(thread: int) -> float:
        generator = torch.Generator().manual_seed(2 * seed + thread)
        weights = torch.empty(_TORCH_BATCH, parameters)
        z, squares = torch.empty(_TORCH_BATCH), 0.0
        for _ in range(networks // (threads * _TORCH_BATCH)):
            torch.mv(weights.normal_(generator=generator), inputs, out=z)
            squares += float(z @ z)
        return squares

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(share, range(threads)))


def in_processes(variant: str, networks: int, seed: int) -> float:
    """Two processes of another variant, half of the networks each."""
    commands = [[sys.executable, "-m", "benchmarks.peers", variant, str(networks // 2), str(2 * seed + i)] for i in range(2)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    return sum(json.loads(process.communicate()[0])["squares"] for process in running)


def with_jax(networks: int, seed: int) -> float:
    """JAX: one compiled function draws a batch and sums it up."""
    import jax

    @jax.jit
    def batch(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        key, draw = jax.random.split(key)
        z = jax.random.normal(draw, (_JAX_BATCH, ON + 1)).sum(axis=1)
        return key, z @ z

    key, squares = jax.random.key(seed), 0.0
    for _ in range(networks // _JAX_BATCH):
        key, part = batch(key)
        squares += float(part)
    return squares


VARIANTS: dict[str, Callable[[int, int], float]] = {
    "numba-1001": with_numba,
    "numpy-1001-2threads": functools.partial(with_numpy, 1001, 2),
    "numpy-501": functools.partial(with_numpy, 501, 1),
    "numpy-501-2threads": functools.partial(with_numpy, 501, 2),
    "torch-1001": functools.partial(with_torch, 1001, 1, 1),
    "torch-1001-2inside": functools.partial(with_torch, 1001, 2, 1),
    "torch-501": functools.partial(with_torch, 501, 1, 1),
    "torch-501-2inside": functools.partial(with_torch, 501, 2, 1),
    "torch-501-2threads": functools.partial(with_torch, 501, 1, 2),
    "torch-501-2processes": functools.partial(in_processes, "torch-501"),
    "jax-501": with_jax,
}
UNIT = 2 * max(_NUMPY_BATCH, _TORCH_BATCH, _JAX_BATCH)
"""A number of networks is rounded up to a multiple of this, so that batches and shares are whole."""


def main(variant: str, networks: str, seed: str = "501") -> None:
    """Sample and print."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a product of 256 rows is too small to share; the threads are ours
    whole = -(-int(networks) // UNIT) * UNIT
    print(json.dumps({"networks": whole, "squares": VARIANTS[variant](whole, int(seed))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
