"""Assembly of a kernel: a program that compiles it for this machine and prints what LLVM wrote.

    NUMBA_CACHE_DIR=$(mktemp -d) python -m benchmarks.assembly fill_words

Needs an empty NUMBA_CACHE_DIR: a kernel that is loaded from a cache has no assembly.
"""

from __future__ import annotations

import sys


def main(kernel: str) -> None:
    """Compile and print."""
    from fanin.engine.machine import widen_vectors

    widen_vectors()
    import numpy as np

    from fanin.engine import laws, philox, stream

    zero, half = np.uint64(0), stream.BLOCK // 2
    if kernel == "fill_words":
        first, second = np.empty(half // 2, np.uint64), np.empty(half // 2, np.uint64)
        philox.fill_words(first, second, (zero, zero), zero, zero, zero, zero)
        compiled = philox.fill_words
    else:
        words = np.zeros(half, np.int32)
        laws.fill_normal(words, words, np.float32(1.0), np.empty(stream.BLOCK, np.float32))
        compiled = laws.fill_normal
    print(*compiled.inspect_asm().values())


if __name__ == "__main__":
    main(*sys.argv[1:])
