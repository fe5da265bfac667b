"""Studies that see planted faults: small, of few claims, and right."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.stats.activation_functions import find_activation
from fanin.stats.verdict import Claim
from fanin.studies import Study


def one(name: str, ensemble: Ensemble, *claims: Claim, **options: Any) -> Study:
    """A study of one ensemble, "it"."""
    return Study(name, name, {"it": ensemble}, claims, **options)


def says(quantity: str, predicted: float, tolerance: float, source: str, layer: int = 1) -> Claim:
    """A claim about the ensemble of such a study."""
    return Claim(f"it/{layer}/{quantity}/own", "it", layer, quantity, predicted, tolerance, source)


def both(name: str, networks: int, *arguments: Any, **options: Any) -> Study:
    """One ensemble by both samplers, compared quantity by quantity."""
    ensemble, methods = Ensemble(*arguments, **options), {"direct": "direct", "conditional": "conditional"}
    labels = dict.fromkeys(methods, ensemble)
    return Study(name, name, labels, networks=networks, methods=methods, compared=(("direct", "conditional"),))


def alike(name: str, ensemble: Ensemble, layers: Iterable[int], quantities: tuple[str, ...], tolerance: float = 0.05) -> Study:
    """The same for some quantities: their ratio is 1 (of quantiles of z, the difference 0) within the tolerance."""
    claims = (
        Claim(f"direct/{layer}/{quantity}/both", "direct", layer, quantity, 0.0, tolerance, "one law", against="conditional")
        for layer in layers
        for quantity in quantities
    )
    methods = {"direct": "direct", "conditional": "conditional"}
    labels = dict.fromkeys(methods, ensemble)
    return Study(name, name, labels, tuple(claims), networks=100_000, quantities=(), methods=methods)


def deep(*widths: int, scheme: str, activation: str, quantities: tuple[str, ...], networks: int = 20_000, **options) -> Study:
    """A network by the conditional sampler."""
    name = f"{'-'.join(map(str, widths))} {activation}, {scheme}"
    ensemble = Ensemble(widths, scheme, activation, **options)
    return one(name, ensemble, quantities=quantities, networks=networks, method="conditional")


def far_out(activation: str, mean: float, std: float) -> Study:
    """One layer whose biases are all `mean`, so that z ~ N(mean, std^2): E phi^2 by quadrature, here."""
    z = np.linspace(mean - 12.0 * std, mean + 12.0 * std, 1 << 18)
    weight = np.exp(-0.5 * ((z - mean) / std) ** 2)
    square = float((find_activation(activation).value(z) ** 2 * weight).sum() / weight.sum())
    ensemble = Ensemble((16, 64), f"normal:{std**2:g}/fan_in+constant:{mean:g}", activation, "on:16")
    claim = says("q", square, 0.01 * square, "E phi^2 by quadrature")
    return one(f"16-64 {activation}, z ~ N({mean:g}, {std:g}^2)", ensemble, claim, quantities=(), networks=100_000)


def layer(activation: str, **options: Any) -> Study:
    """One layer of 64 neurons, z ~ N(0, 1)."""
    ensemble = Ensemble((16, 64), "normal:1/fan_in", activation, "on:16")
    quantities = ("z.variance", "phi.mean", "phi.variance", "slope.mean", "slope.meansquare", "q")
    return one(f"16-64 {activation}, z ~ N(0, 1)", ensemble, quantities=quantities, networks=100_000, **options)


def neuron(scheme: str) -> Study:
    """20 inputs, 10 of them on."""
    return one(f"20 inputs, 10 on; {scheme}", Ensemble((20, 1), scheme, inputs="on:10"))


def tail(threshold: float, tolerance: float) -> Study:
    """A single weight and its tail, in absolute terms."""
    claim = says(f"z.tail[{threshold:g}]", math.erfc(threshold / math.sqrt(2.0)), tolerance, "tail of N(0, 1)")
    ensemble = Ensemble((1, 1), "normal:1", inputs="on:1", tails=(threshold,))
    return one(f"one weight N(0, 1); P(|z| > {threshold:g}) to {tolerance:g}", ensemble, claim, quantities=())


STANDARD = neuron("standard")
LAW_ALONE = one("20 inputs, 10 on; standard: the law of z to 0.05", Ensemble((20, 1), inputs="on:10"), quantities=("z.law",))
GAUSSIAN = one("20 inputs N(0, 1); standard", Ensemble((20, 1), inputs="gaussian"))
COINS = one("6 inputs, each on with probability 1/2; standard", Ensemble((6, 1), inputs="bernoulli:0.5"))
TWO = one("two neurons of 20 inputs, 10 on; scaled", Ensemble((20, 2), "scaled", inputs="on:10"))
ROTATED = one("two rows of an orthogonal matrix of order 16; 8 inputs on", Ensemble((16, 2), "orthogonal", inputs="on:8"))
STEPS = one(
    "10 inputs on; weights +1 or -1",
    Ensemble((10, 1), "rademacher:1", inputs="on:10", tails=(2.0,)),
    says("z.tail[2]", 1.0 - (math.comb(10, 5) + 2 * math.comb(10, 6)) / 1024.0, 0.002, "binomial law"),
)
SAMPLERS = both(
    "10-12-12-12 sigmoid, two inputs, cross-entropy: both samplers",
    100_000,
    (10, 12, 12, 12),
    "normal:1.5/fan_in+normal:1",
    "sigmoid",
    "pair:1:0.7",
    cost="cross-entropy",
)
SPHERES = both("12-12-12 tanh, orthogonal: both samplers", 100_000, (12, 12, 12), "orthogonal", "tanh", "on:6", cost="linear")
SQUARES = alike(
    "12-12-12 identity, quadratic cost: both samplers",
    Ensemble((12, 12, 12), "lecun_normal", "identity", "on:12", cost="quadratic", targets=(0.0,) * 12),
    (1, 2),
    ("z.variance", "delta.meansquare", "jacobian.norm"),
)
DEEP = Ensemble((8,) * 9, "normal:3/fan_in+normal:0.3", "tanh", "gaussian", cost="linear")
NARROW = alike(
    "8 layers of 8, tanh: quantiles of both samplers",
    DEEP,
    range(1, 9),
    ("z.quantile[0.95]", "delta.quantile[0.95]", "grad.quantile[0.95]"),
    0.3,
)
NETWORK = one(
    "10-12-12-12 sigmoid, cross-entropy",
    Ensemble((10, 12, 12, 12), "normal:1.5/fan_in+normal:1", "sigmoid", "on:10", cost="cross-entropy"),
    networks=100_000,
)
FAINT = one(
    "8 layers of 200, sigmoid, scaled, quadratic cost",
    Ensemble((200,) * 9, "scaled", "sigmoid", "on:100", cost="quadratic"),
    quantities=("delta.lognorm.mean",),
    networks=20_000,
)
LINEAR = one(
    "20-30-30-10 relu, He, linear cost",
    Ensemble((20, 30, 30, 10), "he_normal", "relu", "on:20", cost="linear"),
    quantities=("z.variance", "delta.meansquare", "jacobian.norm"),
    networks=100_000,
)
CLASSES = one("20-30-10, softmax", Ensemble((20, 30, 10), "scaled", "sigmoid", "on:10", cost="softmax"), networks=100_000)
PIXELS = np.arange(60 * 16).reshape(60, 16) * 37 % 256
"""Sixty pictures of sixteen pixels from 0 to 255."""
BRIGHT = one(
    "pixels over 255, a random picture each; lecun_normal", Ensemble((16, 1), "lecun_normal", inputs=Inputs.rows(PIXELS / 255.0))
)
NIELSEN = one("1000 inputs, 500 on; standard: variance to 0.1 %", Ensemble((1000, 1)), quantities=("z.variance",))
RELU = deep(30, 30, 30, 30, scheme="he_normal", activation="relu", quantities=("q.lognorm.variance", "z.kurtosis"), inputs="on:30")
