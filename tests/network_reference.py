"""The slow twin of the direct sampler of networks and of what a layer records: NumPy, one network and one number at a time.

Forward and backward sums are rounded to float32 term by term (`fma`), so that bits can be compared; statistics are float64 and
summed by `math.fsum`.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from fanin.engine.layer_summary import BINNED, LOGS, LOWEST, PRODUCTS, SINGLE, SIZES, STEPS, VARIABLES, statistics

LARGEST = 2.0**120


def fma(a, b, c):
    """a * b + c rounded once to float32 (but for ties of one in 2**40): the product is exact in long double."""
    with np.errstate(over="ignore", invalid="ignore"):
        return (np.longdouble(a) * np.longdouble(b) + np.longdouble(c)).astype(np.float32)


def multiply(weights, x):
    """W x for x (points, fan_in), each sum in the order of its terms."""
    total = np.zeros((len(x), len(weights)), np.float32)
    for j in range(weights.shape[1]):
        total = fma(weights[:, j], x[:, j : j + 1], total)
    return total


def multiply_back(weights, delta):
    """W^T delta for delta (points, fan_out)."""
    total = np.zeros((len(delta), weights.shape[1]), np.float32)
    for i in range(len(weights)):
        total = fma(weights[i], delta[:, i : i + 1], total)
    return total


def exact_passes(network, functions, cost):
    """z, phi and dC/dz of each layer in float64, from the replayed parameters. functions : phi and phi' of each layer."""
    seen, z, phi = network.x.astype(float), [], []
    for weights, bias, (value, _) in zip(network.weights, network.biases, functions, strict=True):
        z.append(seen @ weights.astype(float).T + bias)
        seen = value(z[-1])
        phi.append(seen)
    if cost == "none":
        return z, phi, []
    target = network.targets.astype(float)
    slope = functions[-1][1](z[-1])
    delta = [
        {
            "linear": lambda: target * slope,
            "quadratic": lambda: (phi[-1] - target) * slope,
            "cross-entropy": lambda: phi[-1] - target,
            "softmax": lambda: softmax(z[-1]) - target,
        }[cost]()
    ]
    for layer in range(len(z) - 2, -1, -1):
        delta.insert(0, (delta[0] @ network.weights[layer + 1].astype(float)) * functions[layer][1](z[layer]))
    return z, phi, delta


def softmax(z):
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def cost_of(cost, z, phi, target):
    """C of one input, float64."""
    if cost == "linear":
        return float(target @ phi)
    if cost == "quadratic":
        return float(((phi - target) ** 2).sum() / 2)
    if cost == "cross-entropy":
        return float((np.logaddexp(0.0, z) - target * z).sum())
    return float(np.logaddexp.reduce(z) - target @ z)


def _mean_square(vector):
    return float((vector.astype(float) ** 2).mean())


def _line_bins(values, exponent, is_signed):
    """Bin of each float32 value times 2**exponent on the line."""
    found = []
    for value in values[:BINNED]:
        size = abs(float(value))
        place = 0
        if size >= 2.0**-126:
            mantissa, power = math.frexp(size)
            octave = power - 1 + exponent - LOWEST
            place = min(max(octave * STEPS + int((2.0 * mantissa - 1.0) * STEPS), 0), SIZES - 1)
        below = is_signed and np.signbit(value) and size >= 2.0**-126
        found.append(SIZES - 1 - place if below else SIZES + place)
    return Counter(found)


def _cosine(first, second):
    first, second = first.astype(float), second.astype(float)
    size = math.sqrt(first @ first) * math.sqrt(second @ second)
    return None if size == 0.0 else min(max(float(first @ second) / size, -1.0), 1.0)


class Twin:
    """Sums, counts and bins of one layer over networks, as `LayerSummary` has them: floats, ints and counters."""

    def __init__(self, ensemble, layer, deviation_of, saturation):
        self.ensemble, self.layer = ensemble, layer
        self.deviation_of, self.saturation = deviation_of, saturation
        self.values = {name: [] for name in statistics(len(ensemble.tails), len(ensemble.slow))}
        self.products = {pair: [] for pair in PRODUCTS}
        self.counts = Counter()
        self.bins = {name: {} for name in VARIABLES}

    def add(self, network):
        """Record one replayed network."""
        at, found = self.layer - 1, {}
        z, phi, slope = network.z[at][0], network.phi[at][0], network.slope[at][0]
        if np.isnan(phi).any():
            self.counts["nonfinite"] += 1
            return
        below = network.phi[at - 1][0] if at else network.x[0]
        for k in range(1, 9):
            found[f"z^{k}"] = float((z.astype(float) ** k).mean())
        for k in range(1, 5):
            found[f"phi^{k}"] = float((phi.astype(float) ** k).mean())
        for k in (1, 2, 4):
            found[f"slope^{k}"] = float((slope.astype(float) ** k).mean())
        offset, gain = self.saturation
        level = offset + gain * phi
        found["saturated"] = float(((level < np.float32(0.01)) | (level > np.float32(0.99))).mean())
        found["flat"] = float((slope < np.float32(0.01)).mean())
        if found["phi^2"] > 0.0:
            found["ln q"] = math.log(found["phi^2"])
        else:
            self.counts["dead"] += 1
        for k, t in enumerate(self.ensemble.tails):
            found[f"tail:{k}"] = float((np.abs(z) > np.float32(t)).mean())
        deviation = self.deviation_of(below.astype(float))
        if deviation > 0.0:
            self.counts["field"] += 1
            field = z.astype(float) / deviation
            for k in range(1, 5):
                found[f"field^{k}"] = float((field**k).mean())
            if z.size > 1:
                found["field.pairs"] = float((field * np.roll(field, -1)).mean())
            self._bin("field", field.astype(np.float32), 0, True)
        self._bin("z", z, 0, True)
        if len(network.x) > 1 and (cosine := _cosine(z, network.z[at][1])) is not None:
            self.counts["pairs"] += 1
            found["cosine"] = cosine
            found["overlap"] = float((phi.astype(float) * network.phi[at][1].astype(float)).mean())
        if self.ensemble.cost != "none":
            self._add_backward(network, below, found)
        for name, value in found.items():
            self.values[name].append(value)
        for one, other in PRODUCTS:
            self.products[one, other].append(found.get(one, 0.0) * found.get(other, 0.0))

    def _add_backward(self, network, below, found):
        at = self.layer - 1
        delta, exponent = network.delta[at], int(network.exponents[at, 0])
        square, below_square = _mean_square(delta[0]), _mean_square(below)
        self.counts["backward"] += 1
        scale = 1.0
        if self.ensemble.cost == "linear":
            scale = 1.0 / float((network.targets[0].astype(float) ** 2).sum())
        sent = multiply_back(network.weights[at], delta[:1])[0].astype(float)
        self._set_size("jacobian", float(sent @ sent) * scale, exponent, found)
        self.counts["still.jacobian"] += not sent.any()
        if square > 0.0:
            found["delta.kurtosis"] = float((delta[0].astype(float) ** 4).mean()) / square**2
            self._set_size("delta", square, exponent, found)
            found["delta^2"] = found.pop("delta")
            if below_square > 0.0:
                found["ln grad"] = found["ln delta"] + math.log(below_square)
            else:
                self.counts["still.grad"] += 1
            found["grad^2"] = found["delta^2"] * below_square
            self.counts["extreme"] += abs(exponent) > 240
        else:
            self.counts["still"] += 1
            self.counts["still.grad"] += 1
        for k, threshold in enumerate(self.ensemble.slow):
            limit = np.float32(min(float(np.float32(threshold)) * 2.0**-exponent, 3e38))
            found[f"slow:{k}"] = float((np.abs(delta[0]) <= limit).mean())
        self._bin("delta", delta[0], exponent, False)
        binned = min(delta[0].size, BINNED)
        step = below.size / binned
        places = [int(i * step) if below.size > binned else i % below.size for i in range(binned)]
        self._bin("grad", np.array([delta[0, i] * below[j] for i, j in enumerate(places)], np.float32), exponent, False)
        if len(delta) > 1 and (cosine := _cosine(delta[0], delta[1])) is not None:
            self.counts["backward.pairs"] += 1
            found["delta.cosine"] = cosine

    @staticmethod
    def _set_size(name, square, exponent, found):
        if square > 0.0:
            found[name] = square * 2.0 ** (2 * exponent) if abs(exponent) <= 240 else 0.0
            found[f"ln {name}"] = math.log(square) + 2.0 * exponent * math.log(2.0)

    def _bin(self, name, values, exponent, is_signed):
        before = 0
        for index, count in sorted(_line_bins(values, exponent, is_signed).items()):
            after = before + count
            neurons, squares = self.bins[name].get(index, (0, 0))
            self.bins[name][index] = (neurons + count, squares + after**2 - before**2)
            before = after

    def differences(self, summary, tolerance):
        """What a `LayerSummary` has otherwise: a list of names with both values. tolerance : of sums, relative to that of sizes."""
        wrong = []
        for name, count in summary.counts.items():
            if count != self.counts[name]:
                wrong.append((name, count, self.counts[name]))
        for name, bins in summary.bins.items():
            held = {int(i): (int(n), int(s)) for i, n, s in zip(bins.index, bins.neurons, bins.squares, strict=True)}
            if held != self.bins[name]:
                wrong.append((f"bins of {name}", held, self.bins[name]))
        sums = {name: list(values) for name, values in self.values.items()}
        sums |= {f"{name}*{name}": [v * v for v in values] for name, values in self.values.items() if name not in SINGLE}
        sums |= {"*".join([name] * power): [v**power for v in self.values[name]] for name in LOGS for power in (3, 4)}
        sums |= {f"{one}*{other}": values for (one, other), values in self.products.items()}
        if sums.keys() != summary.sums.keys():
            wrong.append(("names", sorted(summary.sums), sorted(sums)))
        for name, values in sums.items():
            found, expected, size = float(summary.sum(name)), math.fsum(values), math.fsum(abs(v) for v in values)
            if not abs(found - expected) <= tolerance * (size + (len(values) if name.startswith("ln ") else 0.0)):
                wrong.append((name, found, expected))
        return wrong
