"""The state of a report: its study and its results as plain values, and back.

Guarantee: sums are exact (hexadecimal integers in units of 2**-1074); what is read has the digest that was written, and its
accumulators are such as networks can give: counts within their totals, bins that hold every finite network, sums within the range
of what they sum and in keeping with the inequality of Cauchy and Schwarz. Anything else raises a SpecificationError that names
the place.
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
from fanin.result import Result
from fanin.result_file.plain_values import Reader, Writer, expect, expect_keys, whole
from fanin.result_file.strict_json import compact, fit_text, shown
from fanin.stats.activations import ACTIVATIONS
from fanin.stats.quantities import split_name
from fanin.stats.verdict import Claim
from fanin.studies import Study

FORMAT = 1  # of the state: any change to its keys raises it

_HEX = re.compile(r"-?0x(0|[1-9a-f][0-9a-f]{0,558})")
_RESULT = ("networks", "seed", "method", "seconds", "threads", "digest", "layers")
_LAYER = ("networks", "sums", "counts", "tails", "lanes", "bins", "smallest", "largest")
_COUNT = 2**63 - 1
_LARGEST = Fraction(2**126)  # a z of this size or more is not finite to the engine
_SLACK = Fraction(2**20 + 1, 2**20)  # block sums are rounded


def write_state(study: Study, results: dict[str, Result]) -> dict[str, Any]:
    """Study and results as plain values."""
    writer = Writer()
    written = _write_study(writer, study)
    for label, ensemble in study.ensembles.items():
        if label not in results or results[label].ensemble != ensemble:
            raise SpecificationError(f"the ensemble {label} of the study is not the one that was sampled")
    return {
        "format": FORMAT,
        "stream": stream.VERSION,
        "study": written,
        "results": {label: _write_result(results[label]) for label in study.ensembles},
        "arrays": writer.arrays,
    }


def check_study(study: Study) -> None:
    """Refuse a study that a result file cannot hold, such as one with a law of one's own: before it is sampled."""
    _write_study(Writer(), study)


def _write_study(writer: Writer, study: Study) -> dict[str, Any]:
    for claim in study.claims:
        if not math.isfinite(claim.predicted):
            raise SpecificationError(f"{claim.id} predicts {claim.predicted}; a result file holds finite numbers")
    return writer.write("Study", study, "study")


def read_state(state: dict[str, Any], origin: dict[str, Any]) -> tuple[Study, dict[str, Result]]:
    """Study and results from plain values. origin : versions and machine of the run."""
    expect_keys(state, ("format", "stream", "study", "results", "arrays"), "state")
    if state["format"] != FORMAT or state["stream"] != stream.VERSION:
        raise SpecificationError(
            f"it has format {shown(state['format'])} and stream {shown(state['stream'])}; this version of fanin reads "
            f"format {FORMAT} and stream {stream.VERSION}"
        )
    reader = Reader(expect(state["arrays"], dict, "state.arrays"))
    study: Study = reader.read("Study", state["study"], "state.study")
    _check_origin(origin)
    if not study.ensembles:
        raise SpecificationError("state.study.ensembles is empty; a report has at least one")
    expect_keys(state["results"], study.ensembles, "state.results")
    results = {
        label: _read_result(state["results"][label], ensemble, origin, f"state.results.{label}", reader)
        for label, ensemble in study.ensembles.items()
    }
    for i, claim in enumerate(study.claims):
        _check_claim(claim, results, f"state.study.claims[{i}]")
    again = write_state(study, results)
    for key in ("study", "results"):
        if compact(again[key]) != compact(state[key]):
            raise SpecificationError(f"state.{key} is not written as fanin writes it")
    if unused := [name for name in state["arrays"] if name not in again["arrays"]]:
        raise SpecificationError(f"state.arrays.{shown(unused[0])[1:-1]} belongs to no input")
    return study, results


def _write_result(result: Result) -> dict[str, Any]:
    return {
        "networks": result.networks,
        "seed": result.seed,
        "method": result.method,
        "seconds": float(result.seconds),
        "threads": result.threads,
        "digest": result.digest,
        "layers": {str(number): _write_layer(layer) for number, layer in result.layers.items()},
    }


def _write_layer(layer: Accumulators) -> dict[str, Any]:
    used = np.flatnonzero(layer.bins)
    return {
        "networks": layer.networks,
        "sums": {name: hex(layer.sums[name]) for name in SUMS},
        "counts": {name: layer.counts[name] for name in COUNTS},
        "tails": list(layer.tails),
        "lanes": layer.lanes.tolist(),
        "bins": [[int(at), int(layer.bins[at])] for at in used],
        "smallest": Writer().write("float", layer.smallest, "smallest"),
        "largest": Writer().write("float", layer.largest, "largest"),
    }


def _read_result(value: Any, ensemble: Ensemble, origin: dict[str, Any], path: str, reader: Reader) -> Result:
    expect_keys(value, _RESULT, path)
    networks = whole(value["networks"], 1, stream.MAX_NETWORKS, f"{path}.networks")
    seconds = expect(value["seconds"], float, f"{path}.seconds")
    if seconds < 0.0:
        raise SpecificationError(f"{path}.seconds is {seconds}; it must be at least 0")
    layers = {}
    for number, layer in expect(value["layers"], dict, f"{path}.layers").items():
        place = f"{path}.layers.{shown(number)[1:-1]}"
        if not re.fullmatch("[1-9][0-9]{0,4}", number):
            raise SpecificationError(f"{place} is not the number of a layer")
        layers[int(number)] = _read_layer(layer, ensemble, networks, place, reader)
    if 1 not in layers:
        raise SpecificationError(f"{path}.layers has no layer 1")
    result = Result(
        ensemble=ensemble,
        networks=networks,
        seed=whole(value["seed"], 0, stream.MAX_SEED, f"{path}.seed"),
        method=reader.read("str", value["method"], f"{path}.method"),
        layers=layers,
        seconds=seconds,
        threads=whole(value["threads"], 1, 2**31, f"{path}.threads"),
        origin=origin,
    )
    _check_digest(result, value["digest"], path)
    return result


def _check_digest(result: Result, stated: Any, path: str) -> None:
    if result.digest != expect(stated, str, f"{path}.digest"):
        raise SpecificationError(f"{path} does not have the digest that stands beside it; it was changed or damaged")


def _read_layer(value: Any, ensemble: Ensemble, networks: int, path: str, reader: Reader) -> Accumulators:
    expect_keys(value, _LAYER, path)
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
    _check_sums(layer, ensemble.activation, path)
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


def _check_claim(claim: Claim, results: dict[str, Result], path: str) -> None:
    if claim.ensemble not in results or claim.layer not in results[claim.ensemble].layers:
        raise SpecificationError(f"{path} is about layer {claim.layer} of {shown(claim.ensemble)}, which was not sampled")
    if not math.isfinite(claim.predicted) or not claim.error >= 0.0:
        raise SpecificationError(f"{path} predicts {claim.predicted} with an error of {claim.error}; both must be numbers")
    try:
        split_name(claim.quantity)
    except ValueError:
        raise SpecificationError(f"{path}.quantity is {shown(claim.quantity)}, which is not a quantity") from None


def _check_origin(origin: Any, path: str = "provenance") -> None:
    """Versions and machine of a run: text, numbers and None, in at most two levels."""
    if len(expect(origin, dict, path)) > 100:
        raise SpecificationError(f"{path} has {len(origin)} keys; at most 100 are read")
    for key, value in origin.items():
        if not fit_text(key):
            raise SpecificationError(f"{path} has the key {shown(key)}; it must be text without control characters")
        if isinstance(value, dict) and path == "provenance":
            _check_origin(value, f"{path}.{key}")
        elif value is not None and not isinstance(value, (bool, int, float)) and not fit_text(value):
            raise SpecificationError(f"{path}.{key} is {shown(value)}; it must be a number or text")
