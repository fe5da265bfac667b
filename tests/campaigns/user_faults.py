"""Mistakes of users: in laws and activations of their own, in their data, in what a framework left behind."""

from __future__ import annotations

from typing import Any

import numpy as np

import fanin
from fanin.comparison import compare
from fanin.engine.activation_spec import OwnActivation
from fanin.engine.inputs import Inputs
from fanin.engine.math import tanh
from fanin.engine.schemes import Law, Scheme
from fanin.engine.spec import Ensemble
from tests.campaigns.fault_studies import BRIGHT, PIXELS, neuron, one
from tests.campaigns.planted import Fault


def triangular(first: Any, second: Any) -> Any:
    """The sum of two uniforms on (-1/2, 1/2): variance 1/6, kurtosis 2.4."""
    return np.float32((np.float64(first) + np.float64(second) + 1.0) * 2.0**-32 - 1.0)


def shifted(first: Any, second: Any) -> Any:
    """The same on (0, 2) less 0.99."""
    return np.float32((np.float64(first) + np.float64(second)) * 2.0**-32 - 0.99)


def three_values(first: Any, second: Any) -> Any:
    """0, or +-sqrt 3 with probability 1/6 each: the first five moments of N(0, 1)."""
    size = np.float32(1.7320508) if first < np.uint32(1431655765) else np.float32(0.0)
    return size if second & np.uint32(1) else -size


def halved(first: Any, second: Any) -> Any:
    """A normal weight of standard deviation 0.05, rounded to the 11 bits of float16."""
    radius = np.sqrt(-2.0 * np.log((np.float64(first) + 0.5) * 2.0**-32))
    value = np.float32(0.05 * radius * np.cos(2.0 * np.pi * (np.float64(second) + 0.5) * 2.0**-32))
    coarse = np.float32(value * np.float32(8193.0))  # Dekker's splitting leaves 11 bits
    return np.float32(coarse - np.float32(coarse - value))


def quarter(z: Any) -> Any:
    """tanh(z)."""
    return tanh(z)[0]


def wrong_slope(z: Any) -> Any:
    """1 - z^2 in place of 1 - tanh(z)^2."""
    return np.float32(1.0) - z * z


def own(function: Any, variance: float, kurtosis: float) -> Ensemble:
    """A neuron with weights of one's own law, 4 inputs on."""
    return Ensemble((8, 1), Scheme(Law.from_function(function, variance, kurtosis)), inputs="on:4")


def sampled(*arguments: Any, **options: Any) -> Any:
    """A refusal that is to come when an ensemble is made or sampled."""
    return lambda: fanin.simulate(Ensemble(*arguments, **options), networks=1000)


def same_numbers() -> object:
    """A comparison of two runs of one ensemble with one seed."""
    return compare(*(fanin.simulate(TWICE, networks=1000, seed=3) for _ in range(2)))


REPEATED = np.concatenate([PIXELS, np.repeat(PIXELS[-1:], 20, axis=0)]) / 255.0
LABELLED = np.concatenate([PIXELS[:, :-1] / 255.0, np.arange(60)[:, None] % 10], axis=1)
FEW = one("64 inputs, 8 on; he_normal", Ensemble((64, 1), "he_normal", inputs="on:8"))
PACKED = one("64-64, 32 on; glorot_uniform", Ensemble((64, 64), "glorot_uniform", inputs="on:32"))
ZERO = one(
    "20-30-10 sigmoid, quadratic cost, target 0 for all",
    Ensemble((20, 30, 10), "scaled", "sigmoid", "on:10", cost="quadratic", targets=(0.0,) * 10),
    quantities=("z.variance", "delta.meansquare"),
    networks=50_000,
)
NORMAL = one("20 inputs, 4 on; N(0, 1), no bias", Ensemble((20, 1), "normal:1", inputs="on:4"))
SMALL = one("20 inputs, 4 on; N(0, 0.05^2), no bias", Ensemble((20, 1), "normal:0.05", inputs="on:4"))
TWICE = Ensemble((20, 1), "scaled", inputs="on:10")

USERS = (
    Fault(
        "own law, wrong variance",
        "1/12 stated for the sum of two uniforms",
        refused=lambda: fanin.simulate(own(triangular, 1.0 / 12.0, 2.4), 1000),
    ),
    Fault(
        "own law, wrong kurtosis",
        "3 stated for the sum of two uniforms",
        refused=lambda: fanin.simulate(own(triangular, 1.0 / 6.0, 3.0), 1000),
    ),
    Fault("own law, mean not 0", "0.01 off", refused=lambda: fanin.simulate(own(shifted, 1.0 / 6.0, 2.4), 1000)),
    Fault(
        "own activation, wrong derivative",
        "1 - z^2 for 1 - tanh(z)^2",
        refused=sampled((20, 30), "scaled", OwnActivation(quarter, wrong_slope), "on:10"),
    ),
    Fault(
        "labels as one more column",
        "17 columns for 16 inputs",
        refused=sampled((16, 1), inputs=Inputs.rows(np.concatenate([PIXELS, PIXELS[:, :1]], axis=1))),
    ),
    Fault(
        "targets of another network",
        "three for ten outputs",
        refused=sampled((20, 30, 10), cost="quadratic", targets=(0.0, 1.0, 0.0)),
    ),
    Fault("missing values in the data", "NaN in one row", refused=lambda: Inputs.rows(np.where(PIXELS == 37, np.nan, PIXELS))),
    Fault("one seed for both sides", "two runs that drew the same numbers are compared", refused=same_numbers),
    Fault(
        "data not scaled",
        "0 to 255 in place of 0 to 1",
        BRIGHT,
        ("z.variance",),
        {"it": Ensemble((16, 1), "lecun_normal", inputs=Inputs.rows(PIXELS))},
    ),
    Fault(
        "a row repeated",
        "the last picture is there 21 times",
        BRIGHT,
        ("z.variance", "z.kurtosis", "z.law"),
        {"it": Ensemble((16, 1), "lecun_normal", inputs=Inputs.rows(REPEATED))},
    ),
    Fault(
        "labels in place of the last pixel",
        "a column of 0 to 9 left in the data",
        BRIGHT,
        ("z.variance",),
        {"it": Ensemble((16, 1), "lecun_normal", inputs=Inputs.rows(LABELLED))},
    ),
    Fault(
        "targets of -1 for outputs of a sigmoid",
        "labels made for tanh; 0 is meant",
        ZERO,
        ("delta.meansquare",),
        {"it": Ensemble((20, 30, 10), "scaled", "sigmoid", "on:10", cost="quadratic", targets=(-1.0,) * 10)},
    ),
    Fault(
        "biases left at the framework's default",
        "weights drawn again by He, biases still U(+-1/sqrt n)",
        FEW,
        ("z.variance",),
        {"it": Ensemble((64, 1), "normal:2/fan_in+uniform:0.3333333/fan_in", inputs="on:8")},
    ),
    Fault(
        "fan of a packed matrix",
        "three matrices in one: Glorot sees (3E, E)",
        PACKED,
        ("z.variance",),
        {"it": Ensemble((64, 64), "uniform:0.5/fan_avg", inputs="on:32")},
    ),
    Fault(
        "weights of three values",
        "0 and +-sqrt 3, with the first five moments of N(0, 1)",
        NORMAL,
        ("z.law", "z.tail[1]"),
        {"it": Ensemble((20, 1), Scheme(Law.from_function(three_values, 1.0, 3.0)), inputs="on:4")},
    ),
    Fault(
        "dropout left on",
        "half of the inputs doubled at random",
        neuron("lecun_normal"),
        ("z.variance", "z.kurtosis"),
        {"it": Ensemble((20, 1), "normal:2/fan_in,sparse=0.5,raw", inputs="on:10")},
    ),
    Fault(
        "weights rounded to float16",
        "11 bits of each",
        SMALL,
        sampled={"it": Ensemble((20, 1), Scheme(Law.from_function(halved, 0.0025, 3.0)), inputs="on:4")},
        unseen="relative errors of 2^-12 that average out: variance changes by 3e-8. Seen by nobody at any feasible "
        "size, and without effect",
    ),
    Fault(
        "one-hot targets for none",
        "a class where all outputs should be 0",
        ZERO,
        sampled={"it": Ensemble((20, 30, 10), "scaled", "sigmoid", "on:10", cost="quadratic", targets="one-hot")},
        unseen="z is symmetric at initialization, so that (a - 1)^2 has the law of a^2. Seen by the sign of delta, which "
        "is not recorded",
    ),
)
