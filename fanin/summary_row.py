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

_LARGEST = 1 << 30
"""Bytes of a summary, at most."""


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
        inflate = zlib.decompressobj()
        try:
            summary = inflate.decompress(self.data, _LARGEST)
        except zlib.error:
            summary = b""
        if not inflate.eof or inflate.unused_data or _sha256(key, self.blocks, summary) != self.sha256:
            raise SpecificationError(f"the summary of {self.blocks} is damaged")
        return summary

    def is_whole(self, key: str) -> bool:
        """Whether the row is as it was made."""
        try:
            self.summary(key)
        except SpecificationError:
            return False
        return True


def _sha256(key: str, blocks: Range, summary: bytes) -> bytes:
    return hashlib.sha256(f"{key} {blocks.first} {blocks.last}\n".encode() + summary).digest()
