"""The layer of a run of single neurons as plain values, and back.

Guarantee: what is read is such as networks can give: counts within their totals, bins that hold every finite network, sums within
the range of what they sum and in keeping with the inequality of Cauchy and Schwarz. Anything else raises a SpecificationError that
names the place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from fanin.engine import stream
from fanin.engine.accumulators import BINS, COUNTS, PARTS, RELATIONS, SUMS, Accumulators
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.result_file.plain_values import Reader, Writer, expect, expect_keys, whole
from fanin.result_file.strict_json import shown
from fanin.stats.activations import ACTIVATIONS

FIELDS = ("networks", "sums", "counts", "tails", "lanes", "bins", "smallest", "largest")
_HEX = re.compile(r"-?0x(0|[1-9a-f][0-9a-f]{0,558})")
_COUNT = 2**63 - 1
_LARGEST = Fraction(2**126)  # a z of this size or more is not finite to the engine
_SLACK = Fraction(2**20 + 1, 2**20)  # block sums are rounded


def write_neuron_layer(layer: Accumulators, writer: Writer) -> dict[str, Any]:
    """The plain form of a layer."""
    used = np.flatnonzero(layer.bins)
    return {
        "networks": layer.networks,
        "sums": {name: hex(layer.sums[name]) for name in SUMS},
        "counts": {name: layer.counts[name] for name in COUNTS},
        "tails": list(layer.tails),
        "lanes": layer.lanes.tolist(),
        "bins": [[int(at), int(layer.bins[at])] for at in used],
        "smallest": writer.write("float", layer.smallest, "smallest"),
        "largest": writer.write("float", layer.largest, "largest"),
    }


def read_neuron_layer(value: Any, ensemble: Ensemble, networks: int, path: str, reader: Reader) -> Accumulators:
    """A layer of `networks` networks from its plain form."""
    expect_keys(value, FIELDS, path)
    whole(value["networks"], networks, networks, f"{path}.networks")
    expect_keys(value["sums"], SUMS, f"{path}.sums")
    expect_keys(value["counts"], COUNTS, f"{path}.counts")
    counts = {name: whole(value["counts"][name], 0, networks, f"{path}.counts.{name}") for name in COUNTS}
    finite = networks - counts["nonfinite"]
    tails = expect(value["tails"], list, f"{path}.tails")
    if len(tails) != len(ensemble.tails):
        raise SpecificationError(f"{path}.tails has {len(tails)} counts; the ensemble has {len(ensemble.tails)} thresholds")
    layer = Accumulators(
        networks=networks,
        sums={name: _sum(value["sums"][name], f"{path}.sums.{name}") for name in SUMS},
        counts=counts,
        tails=tuple(whole(count, 0, finite, f"{path}.tails[{i}]") for i, count in enumerate(tails)),
        lanes=_lanes(value["lanes"], networks, f"{path}.lanes"),
        bins=_bins(value["bins"], finite, f"{path}.bins"),
        smallest=reader.read("float", value["smallest"], f"{path}.smallest"),
        largest=reader.read("float", value["largest"], f"{path}.largest"),
    )
    for name in ("saturated", "flat"):
        whole(counts[name], 0, finite, f"{path}.counts.{name}")
    _check_extremes(layer, path)
    _check_sums(layer, str(ensemble.activation), path)
    return layer


def _sum(value: Any, path: str) -> int:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise SpecificationError(f"{path} is {shown(value)}; it must be a whole number in hexadecimal, such as 0x1f")
    return int(value, 16)


def _lanes(value: Any, networks: int, path: str) -> np.ndarray:
    rows = expect(value, list, path)
    if len(rows) != 2 or any(len(expect(row, list, f"{path}[{i}]")) != stream.BLOCK for i, row in enumerate(rows)):
        raise SpecificationError(f"{path} must be two lists of {stream.BLOCK} counts")
    most = -(-networks // stream.BLOCK)
    for i, row in enumerate(rows):
        for j, count in enumerate(row):
            whole(count, -most if i == 0 else 0, most, f"{path}[{i}][{j}]")
    return np.array(rows, np.int64)


def _bins(value: Any, finite: int, path: str) -> np.ndarray:
    bins, last, total = np.zeros(BINS, np.int64), -1, 0
    for i, pair in enumerate(expect(value, list, path)):
        if len(expect(pair, list, f"{path}[{i}]")) != 2:
            raise SpecificationError(f"{path}[{i}] is {shown(pair)}; it must be the number of a bin and its count")
        last = whole(pair[0], last + 1, BINS - 1, f"{path}[{i}][0]")
        if (last & 0x7FFF) >= 0x7E80:
            raise SpecificationError(f"{path}[{i}][0] is {last}, a bin of values that are not finite")
        bins[last] = whole(pair[1], 1, _COUNT, f"{path}[{i}][1]")
        total += int(bins[last])
    if total != finite:
        raise SpecificationError(f"{path} hold {total} networks; {finite} are finite")
    return bins


def _check_extremes(layer: Accumulators, path: str) -> None:
    """The extremes lie in the outermost bins that hold anything."""
    if layer.finite == 0:
        if (layer.smallest, layer.largest) != (math.inf, -math.inf):
            raise SpecificationError(f"{path}.smallest and largest must be infinity and -infinity where no network is finite")
        return
    if not (abs(layer.smallest) < _LARGEST and abs(layer.largest) < _LARGEST):
        raise SpecificationError(f"{path}.smallest and largest are {layer.smallest} and {layer.largest}; they must be finite")
    used = np.flatnonzero(layer.bins)
    size, negative = used & 0x7FFF, used >= BINS // 2
    order = np.where(negative, -1 - size, size)
    for name, value, end in (("smallest", layer.smallest, order.min()), ("largest", layer.largest, order.max())):
        pattern = int(np.float32(value).view(np.uint32)) >> 16
        at = -1 - (pattern & 0x7FFF) if pattern >= BINS // 2 else pattern
        if np.float32(value) != value or (at != end and value != 0.0):
            raise SpecificationError(f"{path}.{name} is {value}; it is not a float32 of the outermost bin")


def _ranges(layer: Accumulators, activation: str) -> Iterator[tuple[str, tuple[int, ...], int, Fraction]]:
    """Variable, its recorded powers, the number of its values, and the largest size of one."""
    shape = ACTIVATIONS[activation]
    largest = max(Fraction(abs(layer.smallest)), Fraction(abs(layer.largest))) if layer.finite else Fraction(0)
    yield "z", tuple(range(1, 9)), layer.finite, largest
    yield "phi", (1, 2, 3, 4), layer.finite, Fraction(max(abs(shape.low), abs(shape.high)))
    yield "slope", (1, 2, 3, 4), layer.finite, Fraction(shape.steepest)
    for relation in RELATIONS:
        size = largest * _LARGEST if relation == "neurons" else largest**2
        yield relation, (1, 2, 4), layer.counts[relation], size
    yield "blocksum", (2, 4), layer.counts["blocks_whole"], stream.BLOCK * largest
    yield "outside", (1, 2), layer.finite, Fraction(2**33)
    for part in PARTS:
        yield part, (1, 2), layer.counts["crossed"], 2 * _LARGEST**2


def _check_sums(layer: Accumulators, activation: str, path: str) -> None:
    for variable, powers, number, size in _ranges(layer, activation):
        for power in powers:
            total = layer.sum(f"{variable}^{power}")
            least = 0 if power % 2 == 0 or variable in ("slope", "outside", *PARTS) else -number * size**power * _SLACK
            if not least <= total <= number * size**power * _SLACK:
                raise SpecificationError(f"{path}.sums.{variable}^{power} is no sum of {number} values of at most {float(size):g}")
            if 2 * power in powers and total**2 > number * layer.sum(f"{variable}^{2 * power}") * _SLACK:
                raise SpecificationError(f"{path}.sums.{variable}^{2 * power} is less than {variable}^{power} allows")
