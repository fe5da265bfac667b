"""What a run keeps of its networks: exact sums, counts and extremes that merge in any order. Imports no numba.

Guarantee: merging is addition of integers (and min, max), so the accumulators of a run are the same for any split into
tasks and any order of completion; no count passes through a float.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

RELATIONS = ("neighbours", "partners", "lanes", "blocks", "neurons")
"""Pairs whose z are multiplied. Networks next to each other; the two normals of one Box-Muller pair; the crossed lanes of one
Philox call; the same place in two adjacent blocks; two neurons of one network."""

PARTS = ("given.weights", "given.input")
"""Parts of the variance of z: over inputs given the weights, and over weights given the input. For each pair of networks half the
squared difference of two z with the same weights (and different inputs), or the same input, averaged over the two."""

SUMS = (
    *(f"z^{k}" for k in range(1, 9)),
    *(f"phi^{k}" for k in range(1, 5)),
    *(f"slope^{k}" for k in range(1, 5)),
    *(f"{relation}^{k}" for relation in RELATIONS for k in (1, 2, 4)),
    "blocksum^2",
    "blocksum^4",
    "outside^1",
    "outside^2",
    *(f"{part}^{k}" for part in PARTS for k in (1, 2)),
)
"""Float64 block sums, each held exactly. `phi` and `slope` are phi(z) and phi'(z); `outside` is a network's number of
parameters beyond `PARAMETER_LIMIT`; `blocksum` is the sum of z over a whole block."""

COUNTS = ("nonfinite", "saturated", "flat", *RELATIONS, "blocks_whole", "crossed")
"""Networks whose |z| is 2**126 or more or NaN (they enter nothing else); phi(z) within 1 % of its range of an end; phi'(z) below
`FLAT`; pairs of each relation; whole blocks; pairs of networks whose weights and inputs were crossed."""

BINS = 1 << 16
"""Counts of z by the upper 16 bits of its float32: sign, exponent, 7 bits of mantissa."""

PARAMETER_LIMIT = 3.0
FLAT = 0.01
SATURATION_MARGIN = 0.01


@dataclass(frozen=True, eq=False)
class Accumulators:
    """The merged summary of one layer over some number of networks.

    networks : number of networks, non-finite ones included.
    sums : exact sums by name (`SUMS`), in units of 2**-1074.
    counts : int64 counts by name (`COUNTS`).
    tails : int64 counts of |z| > t, one for each threshold.
    lanes : int64, shape (2, BLOCK), by place in the block: networks with z > 0 less those with z < 0; networks with |z|
        beyond the first threshold (0 without one).
    bins : int64 counts, shape (BINS,), of z by the upper 16 bits of its float32 pattern.
    smallest, largest : extremes of z; +inf and -inf while there are none.
    """

    networks: int
    sums: dict[str, int]
    counts: dict[str, int]
    tails: tuple[int, ...]
    lanes: np.ndarray
    bins: np.ndarray
    smallest: float
    largest: float

    def merge(self, other: Accumulators) -> Accumulators:
        """The summary of both sets of networks together."""
        return Accumulators(
            networks=self.networks + other.networks,
            sums={name: self.sums[name] + other.sums[name] for name in SUMS},
            counts={name: self.counts[name] + other.counts[name] for name in COUNTS},
            tails=tuple(a + b for a, b in zip(self.tails, other.tails, strict=True)),
            lanes=self.lanes + other.lanes,
            bins=self.bins + other.bins,
            smallest=min(self.smallest, other.smallest),
            largest=max(self.largest, other.largest),
        )

    @property
    def finite(self) -> int:
        """Number of networks that the sums and bins hold."""
        return self.networks - self.counts["nonfinite"]

    def sum(self, name: str) -> Fraction:
        """A sum as an exact fraction."""
        return Fraction(self.sums[name], 1 << 1074)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Accumulators) and self.sha256() == other.sha256()

    def __hash__(self) -> int:
        return hash(self.sha256())

    def sha256(self) -> str:
        """Hash of all contents: little-endian, in the order of names."""
        digest = hashlib.sha256()
        digest.update(self.networks.to_bytes(8, "little"))
        for name in sorted(SUMS):
            digest.update(name.encode() + self.sums[name].to_bytes(280, "little", signed=True))
        for name in sorted(COUNTS):
            digest.update(name.encode() + self.counts[name].to_bytes(8, "little"))
        for count in self.tails:
            digest.update(count.to_bytes(8, "little"))
        for counts in (self.lanes, self.bins):
            digest.update(np.ascontiguousarray(counts, "<i8").tobytes())
        digest.update(np.array([self.smallest, self.largest], "<f4").tobytes())
        return digest.hexdigest()


def bin_edges() -> np.ndarray:
    """Lower edges of the bins of finite non-negative z in ascending order, and the edge above the last: float64.

    Bin `b` of these holds z in [edges[b], edges[b + 1]); bin `b + BINS / 2` holds the negative z of the same size.
    """
    patterns = (np.arange(0x7F80 + 1, dtype=np.uint32) << 16).view(np.float32)
    edges = patterns.astype(np.float64)
    edges[-1] = 2.0**128
    return edges
