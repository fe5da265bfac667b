"""The summary of a task as workers send it and a store keeps it: deflated bytes under a sha256.

Guarantee: the sha256 is over the key of the run, the range of blocks and the bytes before they were deflated, so that a row that
was changed, or stands in the place of another, is refused.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

from fanin.block_ranges import Range
from fanin.engine.errors import SpecificationError

_LARGEST = 1 << 28
"""Bytes of a summary, at most: 64 layers with every bin in use take less."""
_PIECE = 1 << 20


@dataclass(frozen=True)
class Row:
    """blocks : those of the task. sha256 : 32 bytes. data : deflated bytes of `layer_bytes`."""

    blocks: Range
    sha256: bytes
    data: bytes

    @classmethod
    def of(cls, key: str, blocks: Range, summary: bytes) -> Row:
        """The row of a summary of the run with that key."""
        return cls(blocks, _sha256(key, blocks, summary), zlib.compress(summary))

    def summary(self, key: str) -> bytes:
        """The bytes of the summary; SpecificationError where they are not those that the row was made of."""
        if not self.is_whole(key):
            raise SpecificationError(f"the summary of {self.blocks} is damaged")
        return zlib.decompress(self.data)

    def is_whole(self, key: str) -> bool:
        """Whether the row is as it was made; its bytes are not kept for that, since there may be any number."""
        inflate, found, size = zlib.decompressobj(), hashlib.sha256(_head(key, self.blocks)), 0
        rest = self.data
        try:
            while not inflate.eof and size <= _LARGEST:
                piece = inflate.decompress(rest, _PIECE)
                if not piece and not inflate.unconsumed_tail:
                    break
                found.update(piece)
                rest, size = inflate.unconsumed_tail, size + len(piece)
        except zlib.error:
            return False
        return inflate.eof and not inflate.unused_data and size <= _LARGEST and found.digest() == self.sha256


def _sha256(key: str, blocks: Range, summary: bytes) -> bytes:
    return hashlib.sha256(_head(key, blocks) + summary).digest()


def _head(key: str, blocks: Range) -> bytes:
    return f"{key} {blocks.first} {blocks.last}\n".encode()
