"""Philox4x32-10: counter and key in, four 32-bit words out.

Guarantee: `philox` is the published bijection (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy
as 1, 2, 3", section 3.3), checked against the Random123 known-answer vectors. The layout of counters is `stream`'s.

The 32-bit words live in 64-bit integers whose upper halves are left dirty and masked only where the multiply reads
them: LLVM then emits one widening 32 x 32 -> 64 bit multiply per lane.
"""

from __future__ import annotations

import numpy as np

from fanin.engine._jit import inline, kernel

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
_32, _16 = np.uint64(32), np.uint64(16)


@inline
def philox(c0, c1, c2, c3, k0, k1):
    """Ten rounds. All arguments uint64; only the lower 32 bits of each result are meaningful."""
    for _ in range(10):
        p0 = _M0 * (c0 & LOW)
        p1 = _M1 * (c2 & LOW)
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1, (p0 >> _32) ^ c3 ^ k1, p0
        k0 = (k0 + _W0) & LOW
        k1 = (k1 + _W1) & LOW
    return c0, c1, c2, c3


@kernel
def fill_words(first, second, key, role, index, layer, block):
    """Draw one word for every network of a block.

    first, second: uint64 arrays of BLOCK / 4. Read as uint32, `first` holds the words of networks 0 .. BLOCK/2 - 1 and
    `second` those of the rest, both in the order of the networks (little-endian machines, which is all Numba supports).
    key: pair of uint64; role, index, layer, block: uint64.
    """
    high = role << _16
    c2 = layer | ((block >> _32) << _16)
    c3 = block & LOW
    for group in range(first.size):
        w0, w1, w2, w3 = philox(np.uint64(group) | high, index, c2, c3, key[0], key[1])
        first[group] = (w0 & LOW) | (w1 << _32)
        second[group] = (w2 & LOW) | (w3 << _32)
