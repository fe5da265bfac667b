"""Assembly of a kernel: a program that compiles it for this machine and prints what LLVM wrote.

    NUMBA_CACHE_DIR=$(mktemp -d) python -m benchmarks.assembly fill_words
    NUMBA_CACHE_DIR=$(mktemp -d) python -m benchmarks.assembly gelu silu

Needs an empty NUMBA_CACHE_DIR: a kernel that is loaded from a cache has no assembly. An activation is named alone; of each,
the line `# NAME` comes first.
"""

from __future__ import annotations

import sys


def main(kernels: list[str]) -> None:
    """Compile and print."""
    from fanin.engine.machine import widen_vectors

    widen_vectors()
    import numpy as np

    from fanin.engine import activations, laws, philox, stream

    zero, half = np.uint64(0), stream.BLOCK // 2
    for kernel in kernels:
        print(f"# {kernel}")
        if kernel in activations.NAMES:
            print(activations.compiled_activation(kernel)._library.get_asm_str())
        elif kernel == "fill_words":
            first, second = np.empty(half // 2, np.uint64), np.empty(half // 2, np.uint64)
            philox.fill_words(first, second, (zero, zero), zero, zero, zero, zero)
            print(*philox.fill_words.inspect_asm().values())
        else:
            words = np.zeros(half, np.int32)
            laws.fill_normal(words, words, np.float32(1.0), np.empty(stream.BLOCK, np.float32))
            print(*laws.fill_normal.inspect_asm().values())


if __name__ == "__main__":
    main(sys.argv[1:])
