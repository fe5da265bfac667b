"""Slow, obvious twins for tests of the statistics: networks in NumPy, and the `LayerSummary` of them by its docstrings."""

import math
from fractions import Fraction

import numpy as np

from fanin.engine.layer_summary import BINNED, COUNTS, SIZES, VARIABLES, Bins, LayerSummary, size_edges, sum_names

EDGES = size_edges()


def as_units(value):
    return int(Fraction(float(value)) * (1 << 1074))


def bins_of(values):
    """values : (networks, neurons)."""
    place = np.searchsorted(EDGES, np.abs(values), side="right") - 1
    place = np.minimum(place, SIZES - 1)
    place = np.where(values < 0, SIZES - 1 - place, SIZES + place)
    used, inverse = np.unique(place, return_inverse=True)
    counts = np.zeros((len(place), used.size), np.int64)
    np.add.at(counts, (np.arange(len(place))[:, None], inverse.reshape(place.shape)), 1)
    below = (np.cumsum(counts, axis=1) ** 2).sum(axis=0)
    return Bins(used.astype(np.int32), counts.sum(axis=0), np.diff(below, prepend=0))


def powers(name, values, orders):
    """Means over neurons of powers."""
    found, power = {}, np.ones_like(values)
    for k in range(1, orders + 1):
        power = power * values
        found[f"{name}^{k}"] = power.mean(1)
    return found


def summarise(
    z,
    phi,
    slope,
    *,
    deviation=None,
    delta=None,
    below=None,
    jacobian=None,
    other_z=None,
    other_delta=None,
    saturated=None,
    tails=(1.0, 5.0),
    slow=(0.001,),
    binned=True,
):
    """z, phi, slope, delta : (networks, neurons). deviation : (networks,), of z given the layer below. below : what it sees."""
    networks, width = z.shape
    first = z[:, : min(width, BINNED)]
    values = powers("z", z, 8) | powers("phi", phi, 4) | powers("slope", slope, 4)
    values["saturated"] = np.zeros(networks) if saturated is None else saturated(z).mean(1)
    values["flat"] = (slope < 0.01).mean(1)
    alive = values["phi^2"] > 0
    counts = dict.fromkeys(COUNTS, 0) | {"dead": int((~alive).sum())}
    values["ln q"] = np.log(values["phi^2"][alive])
    for k, t in enumerate(tails):
        values[f"tail:{k}"] = (np.abs(z) > t).mean(1)
    bins = {"z": first}
    if deviation is not None:
        field = z / deviation[:, None]
        values |= powers("field", field, 4)
        values["field.pairs"] = (field * np.roll(field, -1, axis=1)).mean(1)
        counts["field"], bins["field"] = networks, field[:, : first.shape[1]]
    if other_z is not None:
        values["cosine"] = (z * other_z).sum(1) / np.sqrt((z**2).sum(1) * (other_z**2).sum(1))
        counts["pairs"] = networks
    if delta is not None:
        square = (delta**2).mean(1)
        moving = square > 0
        under = (below**2).mean(1)
        pulled = moving & (under > 0)
        counts |= {"backward": networks, "still": int((~moving).sum()), "still.grad": int((~pulled).sum())}
        unit = delta[moving] / np.sqrt(square[moving])[:, None]
        values |= {"delta^2": square, "delta.kurtosis": (unit**4).mean(1), "ln delta": np.log(square[moving])}
        values |= {"grad^2": square * under, "ln grad": np.log((square * under)[pulled])}
        if jacobian is not None:
            sent = jacobian > 0
            counts["still.jacobian"] = int((~sent).sum())
            values |= {"jacobian": jacobian, "ln jacobian": np.log(jacobian[sent])}
        for k, t in enumerate(slow):
            values[f"slow:{k}"] = (np.abs(delta) < t).mean(1)
        count, fan_in = first.shape[1], below.shape[1]
        column = [i * fan_in // count if fan_in > count else i % fan_in for i in range(count)]
        bins |= {"delta": np.abs(delta[:, :count]), "grad": np.abs(delta[:, :count] * below[:, column])}
    if other_delta is not None:
        values["delta.cosine"] = (delta * other_delta).sum(1) / np.sqrt((delta**2).sum(1) * (other_delta**2).sum(1))
        counts["backward.pairs"] = networks
    sums = {}
    for name in sum_names(len(tails), len(slow)):
        product = math.prod(values.get(part, np.zeros(1)) for part in name.split("*"))
        sums[name] = as_units(product.sum())
    empty = Bins.empty()
    found = {name: bins_of(bins[name]) if name in bins and binned else empty for name in VARIABLES}
    return LayerSummary(networks, width, sums, counts, found)


def sample(rng, networks, ensemble, functions, *, pair=False):
    """Networks with Gaussian weights and biases and a fixed input, layer by layer: a list of (z, phi, slope, deviation, below), and
    for ensembles with a cost delta and |W^T delta|^2 / |u|^2 of each layer.

    functions : (phi, phi') of each layer. Returns a list of dictionaries of arrays, first layer first.
    """
    widths, depth = ensemble.widths, ensemble.depth
    x = ensemble.inputs.vectors(widths[0]).astype(float)[: 2 if pair else 1]
    h = np.broadcast_to(x[:, None, :], (len(x), networks, widths[0]))
    layers, weights = [], []
    for layer in range(1, depth + 1):
        scheme, (fan_in, fan_out) = ensemble.schemes[layer - 1], widths[layer - 1 : layer + 1]
        s2 = scheme.weights.variance(fan_in, fan_out)
        b2 = 0.0 if scheme.bias is None else scheme.bias.variance(fan_in, fan_out)
        w = rng.standard_normal((networks, fan_out, fan_in)) * math.sqrt(s2)
        b = rng.standard_normal((networks, fan_out)) * math.sqrt(b2)
        z = np.stack([np.einsum("gij,gj->gi", w, one, optimize=True) + b for one in h])
        value, slope = functions[layer - 1]
        phi, steep = value(z), slope(z)
        layers.append(
            {"z": z[0], "phi": phi[0], "slope": steep[0], "deviation": np.sqrt(s2 * (h[0] ** 2).sum(1) + b2), "below": h[0]}
            | ({"other_z": z[1], "other_slope": steep[1]} if pair else {})
        )
        weights.append(w)
        h = phi
    if ensemble.cost == "none":
        return layers
    last = layers[-1]
    outputs = widths[-1]
    u2 = 1.0
    deltas = []
    if ensemble.cost == "linear":
        u = rng.standard_normal((networks, outputs))
        u2 = (u**2).sum(1)
        deltas = [u * last["slope"]] + ([u * last["other_slope"]] if pair else [])
    else:
        if ensemble.targets == "random":
            y = (rng.random((networks, outputs)) < 0.5).astype(float)
        elif ensemble.targets == "one-hot":
            y = np.eye(outputs)[rng.integers(0, outputs, networks)]
        else:
            y = np.broadcast_to(np.array(ensemble.targets), (networks, outputs))
        residual = last["phi"] - y
        deltas = [residual * last["slope"] if ensemble.cost == "quadratic" else residual]
    for layer in range(depth, 0, -1):
        here = layers[layer - 1]
        here["delta"] = deltas[0]
        back = [np.einsum("gij,gi->gj", weights[layer - 1], one, optimize=True) for one in deltas]
        here["jacobian"] = (back[0] ** 2).sum(1) / u2
        if len(deltas) > 1:
            here["other_delta"] = deltas[1]
        if layer > 1:
            steeps = ["slope", "other_slope"][: len(deltas)]
            deltas = [one * layers[layer - 2][name] for one, name in zip(back, steeps, strict=True)]
    for here in layers:
        here.pop("other_slope", None)
    return layers
