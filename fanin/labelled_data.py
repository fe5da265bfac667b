"""Results as labelled arrays: an `xarray.Dataset` by layer, with units, and provenance as attributes."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from fanin.engine.accumulators import BINS, Accumulators, bin_edges
from fanin.engine.layer_summary import BASE, LOWEST, OCTAVES, SINGLE, STEPS, VARIABLES, LayerSummary

if TYPE_CHECKING:
    import xarray

    from fanin.result import Result

RANKS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Ranks of the quantiles of networks that are given."""

_MEANINGS = {
    "z": "mean over neurons of a power of the pre-activation",
    "phi": "mean over neurons of a power of the activation",
    "slope": "mean over neurons of a power of phi'(z)",
    "field": "mean over neurons of a power of z / sqrt(s^2 |h|^2 + sb^2)",
    "delta": "mean over neurons of a power of delta = dC/dz",
    "grad": "mean over weights of the square of dC/dw",
    "ln": "logarithm of a mean square",
    "saturated": "share of neurons with phi within 1 % of an end of its range",
    "flat": "share of neurons with phi' below 0.01",
    "cosine": "cosine between the pre-activations of the first two inputs",
    "overlap": "mean product of the activations of the first two inputs",
    "jacobian": "squared norm of the derivative of the output along a direction with respect to what the layer sees",
}


def labelled(result: Result) -> xarray.Dataset:
    """The labelled form of a result; see `Result.to_xarray`."""
    layers = sorted(result.layers)
    neurons = [layer for layer in (result.layers[number] for number in layers) if isinstance(layer, Accumulators)]
    networks = [layer for layer in (result.layers[number] for number in layers) if isinstance(layer, LayerSummary)]
    data = _of_networks(result, layers, networks) if networks else _of_neurons(result, layers, neurons)
    data.attrs |= {"ensemble": repr(result.ensemble), "networks": result.networks} | _flat(result.provenance)
    return data


def _of_networks(result: Result, layers: list[int], kept: list[LayerSummary]) -> xarray.Dataset:
    import xarray

    tails, slow = result.ensemble.tails, result.ensemble.slow
    data: dict[str, Any] = {}
    for name in BASE:
        if any(layer.holders(name) and layer.sums[name] for layer in kept):
            meaning = _MEANINGS[re.split(r"[.^ ]", name)[0]] if name != "delta.cosine" else "cosine between delta of two inputs"
            values = [_mean_and_variance(layer, name) for layer in kept]
            data[re.sub(r"[.^ ]", "_", name)] = (("layer", "over_networks"), values, {"long_name": meaning, "units": "1"})
    for name, prefix, size, meaning in (
        ("z_tail", "tail", len(tails), "share of neurons with |z| > threshold"),
        ("delta_below", "slow", len(slow), "share of neurons with |delta| < threshold_of_delta"),
    ):
        if size:
            values = [[_mean_and_variance(layer, f"{prefix}:{k}") for k in range(size)] for layer in kept]
            dimension = "threshold" if name == "z_tail" else "threshold_of_delta"
            data[name] = (("layer", dimension, "over_networks"), values, {"long_name": meaning, "units": "1"})
    counts = [[layer.networks, *layer.counts.values()] for layer in kept]
    data["count"] = (("layer", "what"), counts, {"long_name": "networks", "units": "networks"})
    data["width"] = ("layer", [layer.width for layer in kept], {"long_name": "neurons of the layer", "units": "neurons"})
    data["quantiles"] = (
        ("layer", "variable", "rank"),
        [[_quantiles(layer, variable) for variable in VARIABLES] for layer in kept],
        {"long_name": "quantile over all binned neurons of all networks", "units": "1"},
    )
    octaves, histogram = _octaves(kept)
    data["histogram"] = (
        ("layer", "variable", "sign", "octave"),
        histogram,
        {"long_name": "binned neurons of all networks by size", "units": "neurons"},
    )
    return xarray.Dataset(
        data,
        coords={
            "layer": layers,
            "over_networks": ["mean", "variance"],
            "threshold": ("threshold", list(tails), {"long_name": "threshold of |z|"}),
            "threshold_of_delta": ("threshold_of_delta", list(slow), {"long_name": "threshold of |delta|"}),
            "what": ["networks", *kept[0].counts],
            "variable": list(VARIABLES),
            "rank": list(RANKS),
            "sign": [-1, 1],
            "octave": ("octave", octaves, {"long_name": "k of the sizes from 2**k to 2**(k + 1); the lowest holds zeros as well"}),
        },
    )


def _mean_and_variance(layer: LayerSummary, name: str) -> tuple[float, float]:
    """Of a statistic over networks; NaN where there is none, or none is recorded."""
    from fanin.stats.clusters import to_float

    holders = layer.holders(name)
    if holders == 0:
        return math.nan, math.nan
    mean = layer.sum(name) / holders
    if name in SINGLE:
        return to_float(mean), math.nan
    return to_float(mean), to_float(max(layer.sum(f"{name}*{name}") / holders - mean**2, Fraction(0)))


def _quantiles(layer: LayerSummary, variable: str) -> list[float]:
    from fanin.stats.network_bins import bin_quantile

    if layer.bins[variable].index.size == 0:
        return [math.nan] * len(RANKS)
    return [bin_quantile(layer, variable, rank).estimate for rank in RANKS]


def _octaves(kept: list[LayerSummary]) -> tuple[list[int], np.ndarray]:
    """Counts of neurons by octave, for the octaves that hold any: int64 (layers, variables, signs, octaves)."""
    counts = np.zeros((len(kept), len(VARIABLES), 2 * OCTAVES), np.int64)
    for at, layer in enumerate(kept):
        for v, variable in enumerate(VARIABLES):
            bins = layer.bins[variable]
            np.add.at(counts[at, v], bins.index // STEPS, bins.neurons)
    by_sign = np.stack([counts[:, :, OCTAVES - 1 :: -1], counts[:, :, OCTAVES:]], axis=2)
    used = np.flatnonzero(by_sign.any(axis=(0, 1, 2)))
    first, last = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 1)
    return [octave + LOWEST for octave in range(first, last)], by_sign[..., first:last]


def _of_neurons(result: Result, layers: list[int], kept: list[Accumulators]) -> xarray.Dataset:
    import xarray

    half = BINS // 2
    edges = bin_edges()
    finite = edges.size - 1
    return xarray.Dataset(
        {
            "z_moment": (
                ("layer", "power"),
                [[float(a.sum(f"z^{k}") / a.finite) if a.finite else np.nan for k in range(1, 9)] for a in kept],
                {"long_name": "raw moment of the pre-activation", "units": "1"},
            ),
            "phi_moment": (
                ("layer", "power4"),
                [[float(a.sum(f"phi^{k}") / a.finite) if a.finite else np.nan for k in range(1, 5)] for a in kept],
                {"long_name": "raw moment of the activation", "units": "1"},
            ),
            "slope_moment": (
                ("layer", "power4"),
                [[float(a.sum(f"slope^{k}") / a.finite) if a.finite else np.nan for k in range(1, 5)] for a in kept],
                {"long_name": "raw moment of phi'(z)", "units": "1"},
            ),
            "z_tail": (
                ("layer", "threshold"),
                [[count / a.finite if a.finite else np.nan for count in a.tails] for a in kept],
                {"long_name": "P(|z| > threshold)", "units": "1"},
            ),
            "count": (
                ("layer", "what"),
                [[a.networks, *a.counts.values()] for a in kept],
                {"long_name": "networks, or pairs of networks", "units": "networks"},
            ),
            "z_extreme": (
                ("layer", "end"),
                [[a.smallest, a.largest] for a in kept],
                {"long_name": "extremes of the pre-activation", "units": "1"},
            ),
            "histogram": (
                ("layer", "sign", "bin"),
                [[a.bins[half : half + finite], a.bins[:finite]] for a in kept],
                {"long_name": "networks by the size of z", "units": "networks"},
            ),
        },
        coords={
            "layer": layers,
            "power": list(range(1, 9)),
            "power4": list(range(1, 5)),
            "threshold": ("threshold", list(result.ensemble.tails), {"long_name": "threshold of |z|"}),
            "what": ["networks", *kept[0].counts],
            "end": ["smallest", "largest"],
            "sign": [-1, 1],
            "bin_low": ("bin", edges[:-1], {"long_name": "least |z| of a bin"}),
            "bin_high": ("bin", edges[1:], {"long_name": "end of a bin in |z|, excluded"}),
        },
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names, without None: what netCDF attributes can hold."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[prefix + key] = str(value) if isinstance(value, int) and value > 2**62 else value
    return flat
