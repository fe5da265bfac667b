"""A layer of a run of networks as plain values, and back.

A sum is written as an odd hexadecimal number times a power of two, "0x1f5p-3" for 62.625: exact, and short because block sums are
float64. Bins are a table of three rows: steps of their numbers, neurons, squares.

Guarantee: what is read is such as networks can give. Counts are within their totals, and no network becomes finite again in a
later layer. Bins ascend and hold each binned neuron of each network once; their squares lie between those of an even and of the
most uneven spread over networks. Sums lie within the range of what they sum, and in keeping with the inequalities of Cauchy and
Schwarz and of Jensen, where squares are in the range of float64. Anything else raises a SpecificationError that names the place.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import (
    BINS,
    COUNTS,
    LOGS,
    LOWEST,
    PRODUCTS,
    SINGLE,
    SIZES,
    STEPS,
    VARIABLES,
    Bins,
    LayerSummary,
    statistics,
    sum_names,
)
from fanin.engine.spec import Ensemble
from fanin.result_file.plain_values import Reader, Writer, expect_keys, whole
from fanin.result_file.strict_json import shown

FIELDS = ("networks", "width", "sums", "counts", "bins")

_SCALED = re.compile(r"0x0|-?0x(?:[1-9a-f][0-9a-f]{0,570})?[13579bdf]p(?:0|-?[1-9][0-9]{0,3})")
_UNIT = 1074
_HIGHEST = 1100  # power of two that no sum reaches
_SLACK = Fraction(2**20 + 1, 2**20)  # means over neurons and block sums are rounded
_IN_RANGE = Fraction(2**450)  # squares of means beyond this, or of less than its inverse, are out of the range of float64
_LARGEST = 2**120  # |z|, |phi| and |phi'| of this size or more are not finite to the engine
_LARGEST_BACK = 2**1000  # what comes back
_LARGEST_SQUARE = 2**1024  # stands for what is beyond float64
_LOG_OF_LAYER = 400  # ln of a mean square of one layer, and of the factor that one layer adds, at most
AT_MOST = {
    "field": "finite",
    "dead": "finite",
    "underflow": "finite",
    "pairs": "finite",
    "backward": "finite",
    "extreme": "backward",
    "still": "still.grad",
    "still.grad": "backward",
    "still.jacobian": "backward",
    "backward.pairs": "backward",
}
"""A count of networks and what it cannot exceed."""


def write_network_layer(layer: LayerSummary, writer: Writer) -> dict[str, Any]:
    """The plain form of a layer."""
    return {
        "networks": layer.networks,
        "width": layer.width,
        "sums": {name: scaled(value) for name, value in layer.sums.items()},
        "counts": {name: layer.counts[name] for name in COUNTS},
        "bins": {
            name: writer.integers(np.array([np.diff(bins.index, prepend=0), bins.neurons, bins.squares], np.int64))
            for name, bins in ((name, layer.bins[name]) for name in VARIABLES)
        },
    }


def scaled(value: int) -> str:
    """A whole number of units of 2**-1074 as an odd number times a power of two.

    >>> scaled(3 << 1074), scaled(-5 << 1072), scaled(0)
    ('0x3p0', '-0x5p-2', '0x0')
    """
    if value == 0:
        return "0x0"
    zeros = (value & -value).bit_length() - 1
    return f"{value >> zeros:#x}p{zeros - _UNIT}"


def read_scaled(text: Any, path: str) -> int:
    """The whole number of units of 2**-1074 that a text stands for."""
    if not isinstance(text, str) or not _SCALED.fullmatch(text):
        raise SpecificationError(
            f"{path} is {shown(text)}; it must be an odd hexadecimal number and a power of two, such as 0x1fp-3"
        )
    digits, _, power = text.partition("p")
    if not -_UNIT <= int(power or 0) <= _HIGHEST:
        raise SpecificationError(f"{path} is {shown(text)}; its power of two must lie between {-_UNIT} and {_HIGHEST}")
    return int(digits, 16) << (int(power or 0) + _UNIT)


def read_network_layer(value: Any, ensemble: Ensemble, number: int, networks: int, path: str, reader: Reader) -> LayerSummary:
    """Layer `number` of so many networks, from its plain form."""
    expect_keys(value, FIELDS, path)
    width = ensemble.widths[number]
    names = sum_names(len(ensemble.tails), len(ensemble.slow))
    expect_keys(value["sums"], names, f"{path}.sums")
    expect_keys(value["bins"], VARIABLES, f"{path}.bins")
    layer = LayerSummary(
        networks=whole(value["networks"], networks, networks, f"{path}.networks"),
        width=whole(value["width"], width, width, f"{path}.width"),
        sums={name: read_scaled(value["sums"][name], f"{path}.sums.{name}") for name in names},
        counts=_counts(value["counts"], ensemble, networks, f"{path}.counts"),
        bins={name: _bins(value["bins"][name], f"{path}.bins.{name}", reader) for name in VARIABLES},
    )
    for name in VARIABLES:
        _check_bins(name, layer, f"{path}.bins.{name}")
    for name, least, most in _ranges(ensemble, number):
        _check_range(name, layer, least, most, f"{path}.sums")
    _check_squares(layer, statistics(len(ensemble.tails), len(ensemble.slow)), f"{path}.sums")
    return layer


def check_order(layers: list[LayerSummary], path: str) -> None:
    """What holds from one layer to the next, first to last."""
    for one, other in itertools.pairwise(layers):
        if one.counts["nonfinite"] > other.counts["nonfinite"]:
            raise SpecificationError(f"{path} have networks that are finite again after a layer in which they were not")
        if one.counts["backward"] != other.counts["backward"]:
            raise SpecificationError(f"{path} differ in the number of networks with a backward pass")


def _counts(value: Any, ensemble: Ensemble, networks: int, path: str) -> dict[str, int]:
    expect_keys(value, COUNTS, path)
    counts = {name: whole(value[name], 0, networks, f"{path}.{name}") for name in COUNTS}
    totals = counts | {"finite": networks - counts["nonfinite"]}
    for name, most in AT_MOST.items():
        whole(counts[name], 0, totals[most], f"{path}.{name}")
    for name, absent in (
        ("backward", ensemble.cost == "none"),
        ("pairs", ensemble.points < 2),
        ("backward.pairs", ensemble.points < 2),
    ):
        if absent:
            whole(counts[name], 0, 0, f"{path}.{name}")
    return counts


def _bins(value: Any, path: str, reader: Reader) -> Bins:
    steps, neurons, squares = reader.integers(value, 3, BINS, path)
    if (neurons < 1).any() or (squares < 1).any():
        raise SpecificationError(f"{path} hold a bin of no neurons; such bins are left out")
    if steps.size and ((steps[1:] < 1).any() or (steps < 0).any() or (steps >= BINS).any() or int(steps.sum()) >= BINS):
        raise SpecificationError(f"{path} do not ascend from 0 to {BINS - 1}")
    return Bins(np.cumsum(steps).astype(np.int32), neurons, squares)


def _check_bins(name: str, layer: LayerSummary, path: str) -> None:
    """Each binned neuron of each network is in one bin, and the sums of squares are such as counts of networks have."""
    bins, binned = layer.bins[name], layer.binned
    holders = {"z": layer.finite, "field": layer.counts["field"]}.get(name, layer.counts["backward"])
    if name == "field" and bins.index.size == 0:
        return
    found, squares = sum(bins.neurons.tolist()), sum(bins.squares.tolist())
    if found != holders * binned:
        raise SpecificationError(f"{path} hold {found} neurons; {holders} networks have {holders * binned} that are binned")
    if squares != holders * binned**2:
        raise SpecificationError(f"{path} have squares that add up to {squares}; they must be {holders * binned**2}")
    low, high = (SIZES, BINS) if name in ("delta", "grad") else (0, BINS)
    if name == "z":
        beyond = SIZES - (_LARGEST.bit_length() - 1 - LOWEST) * STEPS
        low, high = beyond, BINS - beyond
    if bins.index.size and not low <= bins.index[0] <= bins.index[-1] < high:
        raise SpecificationError(f"{path} hold values that {name} does not take")
    below = np.cumsum(bins.neurons.astype(np.float64))
    seconds = np.cumsum(bins.squares.astype(np.float64))
    least = np.maximum(below, below**2 / max(holders, 1)) * (1.0 - 1e-9)
    if (seconds < least).any() or (seconds > below * binned * (1.0 + 1e-9)).any():
        raise SpecificationError(f"{path} have squares that no counts of {holders} networks have")


def _ranges(ensemble: Ensemble, number: int) -> Iterator[tuple[str, Fraction | int, Fraction | int]]:
    """Statistics with the least and the largest value of one network, without their rounding."""
    from fanin.stats.activation_functions import find_activation

    for k in range(1, 9):
        yield f"z^{k}", -(_LARGEST**k) if k % 2 else 0, _LARGEST**k
    activation = ensemble.activations[number - 1]
    assert isinstance(activation, str)  # functions are not read
    function = find_activation(activation)
    low, high = max(function.low if function.monotone else -math.inf, -_LARGEST), min(function.high, _LARGEST)
    low, high = Fraction(low), Fraction(high)
    for k in range(1, 5):
        yield f"phi^{k}", low**k if k % 2 else 0, high**k if k % 2 else max(abs(low), abs(high)) ** k
    steep = Fraction(function.steepest)
    yield "slope^1", 0 if function.monotone else -steep, steep
    yield "slope^2", 0, steep**2
    yield "slope^4", 0, steep**4
    for name in (
        "saturated",
        "flat",
        *(f"tail:{k}" for k in range(len(ensemble.tails))),
        *(f"slow:{k}" for k in range(len(ensemble.slow))),
    ):
        yield name, 0, 1
    for name in ("cosine", "delta.cosine"):
        yield name, -1, 1
    yield "delta.kurtosis", 1, ensemble.widths[number]
    for k in range(1, 5):
        yield f"field^{k}", -(_LARGEST**k) if k % 2 else 0, _LARGEST**k
    yield "overlap", -(_LARGEST**2), _LARGEST**2
    for name in ("delta^2", "grad^2", "jacobian"):
        yield name, 0, _LARGEST_BACK
    size = _LOG_OF_LAYER * (ensemble.depth + 1)
    for name, most in (("ln q", _LOG_OF_LAYER), ("ln delta", size), ("ln grad", size), ("ln jacobian", size)):
        yield name, -most, most


def _check_range(name: str, layer: LayerSummary, least: Fraction | int, most: Fraction | int, path: str) -> None:
    """The sum of a statistic, and of its squares, for values from `least` to `most`."""
    trials = layer.holders(name)
    if not _is_in_range(layer.sum(name), trials, least, most):
        raise SpecificationError(f"{path}.{name} is no sum of {trials} values from {float(least):g} to {float(most):g}")
    square = min(max(abs(least), abs(most)) ** 2, _LARGEST_SQUARE)
    if name not in SINGLE and not _is_in_range(layer.sum(f"{name}*{name}"), trials, 0, square):
        raise SpecificationError(
            f"{path}.{name}*{name} is no sum of {trials} squares of values from {float(least):g} to {float(most):g}"
        )


def _is_in_range(total: Fraction, trials: int, least: Fraction | int, most: Fraction | int) -> bool:
    """Whether a sum of so many values lies in their range, widened by what rounding may do."""
    if trials == 0:
        return total == 0
    low, high = (trials * (end + sign * abs(end) * (_SLACK - 1)) for end, sign in ((least, -1), (most, 1)))
    return low <= total <= high


def _check_squares(layer: LayerSummary, names: tuple[str, ...], path: str) -> None:
    """Cauchy and Schwarz for sums of squares and of products, and Jensen for powers over neurons."""
    for name in names:
        trials = layer.holders(name)
        if name not in SINGLE:
            square = layer.sum(f"{name}*{name}")
            if square < 0 or (trials == 0 and square != 0) or _exceeds(layer.sum(name), trials, square, trials, _IN_RANGE):
                raise SpecificationError(f"{path}.{name}*{name} is less than {name} allows")
    triples = [(f"{one}*{other}", f"{one}*{one}", f"{other}*{other}") for one, other in PRODUCTS]
    for name in LOGS:
        cube, fourth, trials = f"{name}*{name}*{name}", f"{name}*{name}*{name}*{name}", layer.holders(name)
        triples.append((cube, f"{name}*{name}", fourth))
        if layer.sum(fourth) < 0 or _exceeds(layer.sum(f"{name}*{name}"), trials, layer.sum(fourth), trials, _IN_RANGE):
            raise SpecificationError(f"{path}.{fourth} is less than {name}*{name} allows")
    triples += [("z^5", "z^4", "z^6"), ("z^6", "z^4", "z^8"), ("z^7", "z^6", "z^8")]
    for name, one, other in triples:
        if _exceeds(layer.sum(name), layer.sum(one), layer.sum(other), layer.holders(one.partition("*")[0])):
            raise SpecificationError(f"{path}.{name} is more than {one} and {other} allow")
    for name in names:
        variable, _, power = name.partition("^")
        if power in ("2", "4", "8") and (half := f"{variable}^{int(power) // 2}") in names:
            squares, trials = layer.sum(f"{half}*{half}"), layer.holders(half)
            if trials and 1 / _IN_RANGE**2 < squares / trials < _IN_RANGE**2 and squares > layer.sum(name) * _SLACK:
                raise SpecificationError(f"{path}.{name} is less than {half}*{half} allows")
    if abs(layer.sum("field.pairs")) > layer.sum("field^2") * _SLACK:
        raise SpecificationError(f"{path}.field.pairs is more than field^2 allows")


def _exceeds(total: Fraction, first: Fraction | int, second: Fraction, trials: int, most: Fraction | float = math.inf) -> bool:
    """Whether a sum of products is larger than two sums of squares allow; False where these may be out of the range of float64.

    most : size of a mean from which on squares may be too large.
    """
    if trials == 0:
        return total != 0
    return 1 / _IN_RANGE < abs(total) / trials < most and total**2 > first * second * _SLACK
