"""Buffers of a block, laid out for speed: aligned to cache lines and apart from each other modulo a page.

Buffers that start at the same offset in a page make the processor mistake a load of one for a load of what it has just stored
into another (4K aliasing): the loop that adds weights to sums ran at 0.4 of its speed.
"""

from __future__ import annotations

import numpy as np

_LINE, _PAGE = 64, 4096
_STEP = 9 * _LINE  # from one buffer's offset in a page to the next: seven buffers before two come close


def staggered(*shapes: tuple[int, type]) -> list[np.ndarray]:
    """Zeroed arrays of the given (size, dtype), each at an offset of its own."""
    sizes = [size * np.dtype(dtype).itemsize for size, dtype in shapes]
    arena = np.zeros(sum(sizes) + (len(shapes) + 2) * _PAGE, np.uint8)
    at = -arena.ctypes.data % _PAGE
    arrays = []
    for number, (nbytes, (_, dtype)) in enumerate(zip(sizes, shapes, strict=True)):
        at += (number * _STEP - (arena.ctypes.data + at)) % _PAGE
        arrays.append(arena[at : at + nbytes].view(dtype))
        at += nbytes
    return arrays
