"""Where every random word comes from: the key of a stream and the counter of a place. Imports no numba.

A word is a pure function of (key, counter). The key is the first 64 bits of sha256("seed|label"). The counter's
four 32-bit words are, lowest bits first:

    c0   bits 0..15   group: the four networks of a block that share one Philox call
         bits 16..23  role: what the word is for (`WEIGHT`, `BIAS`, ...), with `MORE` for the second word of a value that needs
                      two, with `MASK` for the word that decides whether the value is zero
    c1   bits 0..31   index: weight (i, j) of a layer is i * fan_in + j; input j is j. In networks the number of
                      a row of `BLOCK` values (`network_inputs`, `network_direct`) or of a vector of neurons (`conditional`)
    c2   bits 0..15   layer (1 for the first; 0 for inputs and targets of networks)
         bits 16..31  block, upper 16 bits
    c3   bits 0..31   block, lower 32 bits

A block is `BLOCK` networks that advance together; 48 bits of block address 2^48 * BLOCK networks.
Of the four words of call `group`, word h belongs to network 2*group + h for h = 0, 1 and to network
BLOCK/2 + 2*group + h - 2 for h = 2, 3.
"""

from __future__ import annotations

import hashlib

VERSION = 2  # of the stream: any change to the numbers drawn raises it, and it enters every digest

BLOCK = 2048
MAX_BLOCKS = 1 << 48
MAX_NETWORKS = MAX_BLOCKS * BLOCK
MAX_INDEX = 1 << 32
MAX_LAYERS = (1 << 16) - 1
MAX_SEED = (1 << 64) - 1

WEIGHT, BIAS, INPUT, ROW = 0, 1, 2, 3
TARGET, FIELD, NOISE, BIASES = 4, 5, 6, 7
"""Of networks: targets or the direction of a cost; and of the conditional sampler: the standardised field, the noise of the
backward pass, and the one normal for each input that stands for all biases."""

MORE, MASK = 64, 128  # added to a role


def stream_key(seed: int, label: str) -> tuple[int, int]:
    """The two 32-bit words of the Philox key of a stream.

    >>> stream_key(501, "example")
    (1679886531, 2865076610)
    """
    word = hashlib.sha256(f"{seed}|{label}".encode()).digest()
    return int.from_bytes(word[0:4], "little"), int.from_bytes(word[4:8], "little")
