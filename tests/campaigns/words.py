"""The engine's words as a stream of bytes: in its own order of consumption and in three adverse interleavings.

`python -m tests.campaigns.words ORDER | dieharder -g 200 -a` feeds a battery; the number of bytes written goes to standard error
when the reader has had enough. A page is a set of places (role, index, layer, block), with a word for each network of a block:

- engine: page after page is a block, its rows the 500 weights that meet an input that is on and the bias, as `single-neuron` has
  them;
- network: the same pages by columns: all words of one network, then those of the next;
- weight: one weight of one lane in 512 consecutive blocks, then the next lane, then the next weight;
- layer: one place of one network over roles (with `MORE` and `MASK`) and layers 1 to 64, then the next network.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import sys
from collections.abc import Iterable, Iterator

import numpy as np

from fanin.engine import philox, stream
from fanin.engine._jit import kernel

ORDERS = ("engine", "network", "weight", "layer")
WEIGHTS = 500
BLOCKS = 512
_ROLES = [role | more for role in (stream.WEIGHT, stream.BIAS, stream.INPUT, stream.ROW) for more in (0, stream.MORE, stream.MASK)]
_PIPE = 1 << 20


def places(order: str, page: int) -> np.ndarray:
    """Role, index, layer and block of each row of a page, uint64 (rows, 4)."""
    lap, index = divmod(page, WEIGHTS)
    if order == "weight":
        rows = [(stream.WEIGHT, index, 1, lap * BLOCKS + block) for block in range(BLOCKS)]
    elif order == "layer":
        rows = [(role, index, layer, lap) for layer in range(1, 65) for role in _ROLES]
    else:
        rows = [(stream.WEIGHT, j, 1, page) for j in range(WEIGHTS)] + [(stream.BIAS, 0, 1, page)]
    return np.array(rows, np.uint64)


@kernel
def _fill(page, key, rows):
    half = page.shape[1] // 2
    for r in range(len(rows)):
        role, index, layer, block = rows[r]
        philox.fill_words(page[r, :half], page[r, half:], key, role, index, layer, block)


def pages(order: str, seed: int) -> Iterator[np.ndarray]:
    """The words of the stream, uint32, page by page and without end."""
    key = tuple(np.uint64(k) for k in stream.stream_key(seed, "campaign"))
    for number in itertools.count():
        rows = places(order, number)
        page = np.empty((len(rows), stream.BLOCK // 2), np.uint64)
        _fill(page, key, rows)
        words = page.view(np.uint32)
        yield words.reshape(-1) if order == "engine" else np.ascontiguousarray(words.T).reshape(-1)


def send(out: int, stream_of_pages: Iterable[np.ndarray]) -> int:
    """Write pages to a pipe until its reader closes it; return the number of bytes written; the last 1 MiB may be unread."""
    written = 0
    try:
        fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, _PIPE)
        for words in stream_of_pages:
            rest = memoryview(words.view(np.uint8))  # pyright: ignore[reportArgumentType]
            while rest:
                count = os.write(out, rest)
                written, rest = written + count, rest[count:]
    except BrokenPipeError:
        pass
    return written


if __name__ == "__main__":
    total = send(sys.stdout.fileno(), pages(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 501))
    print(f"{sys.argv[1]}: {total} bytes", file=sys.stderr)
