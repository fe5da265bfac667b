"""Ranges of blocks: how a run is cut into tasks, and what of it is missing.

Guarantee: every range is a power of two of blocks long and starts at a multiple of its length, so that two of them are apart or one
holds the other; the same run is always cut at the same places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Range(NamedTuple):
    """Blocks first .. last - 1."""

    first: int
    last: int

    @property
    def blocks(self) -> int:
        """How many."""
        return self.last - self.first

    @property
    def is_aligned(self) -> bool:
        """Whether it is a power of two long and starts at a multiple of that."""
        return self.first >= 0 and self.blocks > 0 and self.blocks & (self.blocks - 1) == 0 and self.first % self.blocks == 0

    def __str__(self) -> str:
        return f"block {self.first}" if self.blocks == 1 else f"blocks {self.first} to {self.last - 1}"


def cut(whole: Range, most: int) -> Iterator[Range]:
    """The fewest aligned ranges of at most `most` blocks, a power of two, that make up a range.

    >>> [str(one) for one in cut(Range(6, 17), 4)]
    ['blocks 6 to 7', 'blocks 8 to 11', 'blocks 12 to 15', 'block 16']
    """
    at = whole.first
    while at < whole.last:
        size = min(at & -at or most, most)
        while at + size > whole.last:
            size //= 2
        yield Range(at, at + size)
        at += size


def gaps(whole: Range, held: Iterable[Range]) -> Iterator[Range]:
    """What of a range is not in the ranges held, which ascend and are apart.

    >>> [str(one) for one in gaps(Range(0, 8), [Range(2, 4), Range(4, 5)])]
    ['blocks 0 to 1', 'blocks 5 to 7']
    """
    at = whole.first
    for one in held:
        if one.first > at:
            yield Range(at, one.first)
        at = one.last
    if at < whole.last:
        yield Range(at, whole.last)
