"""The state of a report: its study and its results as plain values, and back.

Guarantee: sums are exact (hexadecimal integers); what is read has the digest that was written, and its layers are such as networks
can give (`neuron_layer`, `network_layer`). Anything else raises a SpecificationError that names the place.
"""

from __future__ import annotations

import math
from typing import Any

from fanin.engine import stream
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import LayerSummary
from fanin.engine.spec import Ensemble
from fanin.result import Layer, Result
from fanin.result_file.network_layer import check_order, read_network_layer, write_network_layer
from fanin.result_file.neuron_layer import read_neuron_layer, write_neuron_layer
from fanin.result_file.plain_values import Reader, Writer, expect, expect_keys, whole
from fanin.result_file.strict_json import compact, fit_text, shown
from fanin.stats.network_names import split_network_name
from fanin.stats.quantities import split_name
from fanin.stats.verdict import Claim
from fanin.studies import Study

FORMAT = 3  # of the state: any change to its keys raises it

_RESULT = ("networks", "seed", "method", "seconds", "threads", "digest", "layers")
_METHODS = ("direct", "conditional")


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
        "results": {label: _write_result(results[label], writer) for label in study.ensembles},
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
    _check_methods(study, results, "state.study")
    again = write_state(study, results)
    for key in ("study", "results"):
        if compact(again[key]) != compact(state[key]):
            raise SpecificationError(f"state.{key} is not written as fanin writes it")
    if unused := [name for name in state["arrays"] if name not in again["arrays"]]:
        raise SpecificationError(f"state.arrays.{shown(unused[0])[1:-1]} belongs to no input")
    return study, results


def _write_result(result: Result, writer: Writer) -> dict[str, Any]:
    return {
        "networks": result.networks,
        "seed": result.seed,
        "method": result.method,
        "seconds": float(result.seconds),
        "threads": result.threads,
        "digest": result.digest,
        "layers": {str(number): _write_layer(layer, writer) for number, layer in result.layers.items()},
    }


def _write_layer(layer: Layer, writer: Writer) -> dict[str, Any]:
    return write_network_layer(layer, writer) if isinstance(layer, LayerSummary) else write_neuron_layer(layer, writer)


def _read_result(value: Any, ensemble: Ensemble, origin: dict[str, Any], path: str, reader: Reader) -> Result:
    expect_keys(value, _RESULT, path)
    networks = whole(value["networks"], 1, stream.MAX_NETWORKS, f"{path}.networks")
    seconds = expect(value["seconds"], float, f"{path}.seconds")
    if seconds < 0.0:
        raise SpecificationError(f"{path}.seconds is {seconds}; it must be at least 0")
    method = reader.read("str", value["method"], f"{path}.method")
    if method not in _METHODS:
        raise SpecificationError(f"{path}.method is {shown(method)}; it must be {' or '.join(_METHODS)}")
    of_networks = ensemble.is_network or method == "conditional"
    numbers = ensemble.recorded if of_networks else (1,)
    expect_keys(value["layers"], [str(number) for number in numbers], f"{path}.layers")
    layers: dict[int, Layer] = {}
    for number in numbers:
        layer, place = value["layers"][str(number)], f"{path}.layers.{number}"
        if of_networks:
            layers[number] = read_network_layer(layer, ensemble, number, networks, place, reader)
        else:
            layers[number] = read_neuron_layer(layer, ensemble, networks, place, reader)
    check_order([layer for layer in layers.values() if isinstance(layer, LayerSummary)], f"{path}.layers")
    result = Result(
        ensemble=ensemble,
        networks=networks,
        seed=whole(value["seed"], 0, stream.MAX_SEED, f"{path}.seed"),
        method=method,
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


def _check_claim(claim: Claim, results: dict[str, Result], path: str) -> None:
    named = [(claim.ensemble, claim.layer)]
    if claim.against:
        named.append((claim.against, claim.against_layer or claim.layer))
    for label, layer in named:
        if label not in results or layer not in results[label].layers:
            raise SpecificationError(f"{path} is about layer {layer} of {shown(label)}, which was not sampled")
        try:
            split = split_network_name if results[label].is_network else split_name
            split(claim.quantity)
        except ValueError:
            raise SpecificationError(f"{path}.quantity is {shown(claim.quantity)}, which is not a quantity") from None
    if not math.isfinite(claim.predicted) or not claim.error >= 0.0:
        raise SpecificationError(f"{path} predicts {claim.predicted} with an error of {claim.error}; both must be numbers")


def _check_methods(study: Study, results: dict[str, Result], path: str) -> None:
    """Ensembles with a sampler of their own, and pairs that are compared."""
    for label, method in study.methods.items():
        if label not in results or method not in (results[label].method, "auto"):
            raise SpecificationError(f"{path}.methods.{shown(label)[1:-1]} is {shown(method)}; it is not how it was sampled")
    for i, pair in enumerate(study.compared):
        if lost := [label for label in pair if label not in results]:
            raise SpecificationError(f"{path}.compared[{i}] names {shown(lost[0])}, which was not sampled")


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
