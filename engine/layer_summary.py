"""What a run of networks keeps of one layer: exact sums over networks of numbers that each network has one of. Imports no numba.

The sampling unit is the network. Every statistic is one number for each network, as a rule a mean over the neurons of the layer;
kept are its sum over networks and the sum of its products, so that errors come from the spread between networks and never from
counting neurons.

Guarantee: merging is addition of integers, so that a summary is the same for any split into tasks and any order of completion.
Non-finite networks are counted and enter no sum.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

MOMENTS = (*(f"z^{k}" for k in range(1, 9)), *(f"phi^{k}" for k in range(1, 5)), "slope^1", "slope^2", "slope^4")
"""Means over neurons of powers of z, phi(z) and phi'(z)."""

FIELD = ("field^1", "field^2", "field^3", "field^4", "field.pairs")
"""Means over neurons of powers of the standardised field f = z / sqrt(s^2 |h|^2 + sb^2), with h what the layer sees, and of
products f_i f_{i+1} around the layer. For Gaussian weights and Gaussian or no biases only (`COUNTS` "field")."""

FORWARD = (*MOMENTS, "saturated", "flat", *FIELD, "ln q", "cosine", "overlap")
"""Shares of neurons with phi within 1 % of an end of its range, and with phi' below 0.01; ln of q = mean phi^2 where it is not 0;
cosine between the pre-activations of the first two inputs, and mean product of their activations."""

BACKWARD = ("delta^2", "delta.kurtosis", "ln delta", "delta.cosine", "grad^2", "ln grad", "jacobian", "ln jacobian")
"""delta = dC/dz. Mean over neurons of delta^2; mean delta^4 over the square of that, and ln of mean delta^2, both where it is not
0; cosine between the delta of the first two inputs; mean over the weights of the layer of (dC/dw)^2, and its ln; |W^T delta|^2 over
|u|^2, the squared norm of the derivative of the output with respect to what the layer sees, along the direction u of the cost, and
its ln; |u| is 1 but for "linear"."""

BASE = (*FORWARD, *BACKWARD)
SINGLE = ("z^5", "z^6", "z^7", "z^8")
"""Statistics of which no squares are kept."""

LOGS = ("ln q", "ln delta", "ln grad", "ln jacobian")
"""Statistics of which third and fourth powers are summed as well: the error of their variance rests on them."""

PRODUCTS = (
    *((f"z^{i}", f"z^{j}") for i in range(1, 5) for j in range(i + 1, 5)),
    ("phi^1", "phi^2"),
    ("slope^1", "slope^2"),
    ("field^2", "field^4"),
)
"""Pairs of different statistics whose products are summed."""

COUNTS = (
    "nonfinite",
    "field",
    "dead",
    "pairs",
    "backward",
    "extreme",
    "still",
    "still.grad",
    "still.jacobian",
    "backward.pairs",
    "underflow",
)
"""Networks whose layer has a |z|, |phi| or |phi'| of 2**120 or more or NaN, or follows such a layer (they enter nothing else); with
a standardised field; with q = 0; with a cosine. Networks with a backward pass; of these, where |delta| is beyond 2**+-240 (only
logarithms of these are kept); where all delta are 0; where the derivatives of all weights are 0; where nothing comes back through
the weights; with a cosine of delta. Finite networks in which the standard deviation of z, given what the layer sees, is below
2**-100 but not 0, or was so in a layer before: float32 has no room for such z, and their statistics say nothing of the law."""

BINNED = 64
"""Neurons of a layer that are binned, at most: the first ones."""

VARIABLES = ("z", "delta", "grad", "field")
"""What is binned of each of these neurons: z, |delta|, |dC/dw| of one of its weights (spread over its inputs), and the standardised
field (direct sampler only)."""

OCTAVES, LOWEST, STEPS = 384, -256, 32
"""Bins of |x| divide each of 384 octaves from 2**-256 on into 32. Below and above, the first and the last bin."""

SIZES = OCTAVES * STEPS
BINS = 2 * SIZES
"""Bins over the line, ascending: those of x < 0 first. Zero is in the first bin of x >= 0."""


def statistics(tails: int, slow: int) -> tuple[str, ...]:
    """Names of all statistics for so many thresholds of |z| and of |delta|: shares of neurons beyond, and below."""
    return (*BASE, *(f"tail:{k}" for k in range(tails)), *(f"slow:{k}" for k in range(slow)))


def sum_names(tails: int, slow: int) -> tuple[str, ...]:
    """Names of all sums: a statistic X, its square "X*X", products "X*Y", and of `LOGS` the powers "X*X*X" and "X*X*X*X"."""
    names = statistics(tails, slow)
    squares = (f"{name}*{name}" for name in names if name not in SINGLE)
    powers = ("*".join([name] * power) for name in LOGS for power in (3, 4))
    return (*names, *squares, *(f"{one}*{other}" for one, other in PRODUCTS), *powers)


@dataclass(frozen=True, eq=False)
class Bins:
    """Counts of neurons over a line of bins, of which only those that hold something are kept.

    index : int32, ascending. neurons : int64, counts summed over networks. squares : int64, the growth from the bin before to this
    one of the sum over networks of C^2, C the number of a network's neurons up to the end of the bin.
    """

    index: np.ndarray
    neurons: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray, first: int = 0) -> Bins:
        """From neurons and squares, int64 (bins, 2), of all bins or of those from number `first` on."""
        index = np.flatnonzero(counts[:, 0])
        return cls((index + first).astype(np.int32), counts[index, 0], counts[index, 1])

    @classmethod
    def empty(cls) -> Bins:
        """Of nothing."""
        return cls(np.zeros(0, np.int32), *np.zeros((2, 0), np.int64))

    def merge(self, other: Bins) -> Bins:
        """Both together."""
        index = np.union1d(self.index, other.index)
        neurons, squares = np.zeros((2, index.size), np.int64)
        for one in (self, other):
            at = np.searchsorted(index, one.index)
            neurons[at] += one.neurons
            squares[at] += one.squares
        return Bins(index.astype(np.int32), neurons, squares)


@dataclass(frozen=True, eq=False)
class LayerSummary:
    """The merged summary of one layer over some number of networks.

    networks : number of networks, non-finite ones included. width : neurons of the layer.
    sums : exact sums by name (`sum_names`), in units of 2**-1074. counts : by name (`COUNTS`). bins : by variable (`VARIABLES`).
    """

    networks: int
    width: int
    sums: dict[str, int]
    counts: dict[str, int]
    bins: dict[str, Bins]

    def merge(self, other: LayerSummary) -> LayerSummary:
        """The summary of both sets of networks together."""
        return LayerSummary(
            networks=self.networks + other.networks,
            width=self.width,
            sums={name: value + other.sums[name] for name, value in self.sums.items()},
            counts={name: value + other.counts[name] for name, value in self.counts.items()},
            bins={name: value.merge(other.bins[name]) for name, value in self.bins.items()},
        )

    @property
    def binned(self) -> int:
        """Neurons of each network that the bins hold."""
        return min(self.width, BINNED)

    @property
    def finite(self) -> int:
        """Networks that the sums of the forward pass hold."""
        return self.networks - self.counts["nonfinite"]

    def holders(self, statistic: str) -> int:
        """Networks that the sum of a statistic holds."""
        counts = self.counts
        match statistic:
            case "field^1" | "field^2" | "field^3" | "field^4" | "field.pairs":
                return counts["field"]
            case "ln q":
                return self.finite - counts["dead"]
            case "cosine" | "overlap":
                return counts["pairs"]
            case "ln jacobian":
                return counts["backward"] - counts["still.jacobian"]
            case "delta.kurtosis" | "ln delta":
                return counts["backward"] - counts["still"]
            case "ln grad":
                return counts["backward"] - counts["still.grad"]
            case "delta.cosine":
                return counts["backward.pairs"]
        if statistic in BACKWARD or statistic.startswith("slow:"):
            return counts["backward"]
        return self.finite

    def sum(self, name: str) -> Fraction:
        """A sum as an exact fraction."""
        return Fraction(self.sums[name], 1 << 1074)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LayerSummary) and self.sha256() == other.sha256()

    def __hash__(self) -> int:
        return hash(self.sha256())

    def sha256(self) -> str:
        """Hash of all contents: little-endian, in the order of names."""
        digest = hashlib.sha256()
        digest.update(self.networks.to_bytes(8, "little") + self.width.to_bytes(8, "little"))
        for name in sorted(self.sums):
            digest.update(name.encode() + self.sums[name].to_bytes(280, "little", signed=True))
        for name in sorted(self.counts):
            digest.update(name.encode() + self.counts[name].to_bytes(8, "little"))
        for name in sorted(self.bins):
            bins = self.bins[name]
            digest.update(name.encode() + np.ascontiguousarray(bins.index, "<i4").tobytes())
            digest.update(np.ascontiguousarray(bins.neurons, "<i8").tobytes())
            digest.update(np.ascontiguousarray(bins.squares, "<i8").tobytes())
        return digest.hexdigest()


def size_edges() -> np.ndarray:
    """Lower edges of the bins of |x|, ascending, and the end of the last, infinity: float64 (SIZES + 1)."""
    octave, step = np.divmod(np.arange(SIZES + 1), STEPS)
    edges = np.ldexp(1.0 + step / STEPS, octave + LOWEST)
    edges[0], edges[-1] = 0.0, np.inf
    return edges


def line_edges() -> np.ndarray:
    """Edges of all bins over the line, ascending: float64 (BINS + 1)."""
    sizes = size_edges()
    return np.concatenate([-sizes[:0:-1], sizes])
