"""Initialization schemes: the laws of weights and biases, by name or spelled out. Plain types; imports no numba.

A law is a family and a variance; the variance is a number, or a gain over fan-in n, fan-out m or their mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fanin.engine.errors import SpecificationError

FAMILIES = ("normal", "uniform")
FANS = ("fan_in", "fan_out", "fan_avg")


@dataclass(frozen=True)
class Law:
    """A law of zero mean: its variance is `gain`, or `gain` divided by a fan.

    Examples
    --------
    >>> Law("normal", 2.0, "fan_in").variance(fan_in=50, fan_out=1)
    0.04
    """

    family: str
    gain: float
    over: str | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise SpecificationError(f"the family of a law is {self.family!r}; known are {', '.join(FAMILIES)}")
        if self.over is not None and self.over not in FANS:
            raise SpecificationError(f"a variance is scaled over {self.over!r}; known are {', '.join(FANS)}")
        if isinstance(self.gain, bool) or not isinstance(self.gain, (int, float)) or not 0.0 <= self.gain < math.inf:
            raise SpecificationError(f"the variance of a law is {self.gain!r}; it must be a finite number, at least 0")
        object.__setattr__(self, "gain", float(self.gain))

    def variance(self, fan_in: int, fan_out: int) -> float:
        """Variance of one draw for the given fans."""
        return self.gain / {None: 1.0, "fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.over]

    def __str__(self) -> str:
        return f"{self.family}:{self.gain:g}/{self.over}" if self.over else f"{self.family}:{math.sqrt(self.gain):g}"

    def canonical(self) -> list[Any]:
        """The law in plain values."""
        return [self.family, self.gain, self.over]


@dataclass(frozen=True)
class Scheme:
    """Laws of the weights and of the bias (None: no bias), with the source of the recipe."""

    weights: Law
    bias: Law | None = None
    name: str = ""
    source: str = ""

    def __str__(self) -> str:
        return self.name or (f"{self.weights}+{self.bias}" if self.bias else str(self.weights))

    def canonical(self) -> dict[str, Any]:
        """The laws in plain values; name and source do not count."""
        return {"bias": None if self.bias is None else self.bias.canonical(), "weights": self.weights.canonical()}


_UNIT = Law("normal", 1.0)
_NIELSEN = "Nielsen, Neural Networks and Deep Learning, ch. 3"
_LECUN = "LeCun, Bottou, Orr and Mueller 1998, sec. 4.6"
_GLOROT = "Glorot and Bengio 2010, eq. 12 and 16"
_HE = "He, Zhang, Ren and Sun 2015, eq. 10"

SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme(_UNIT, _UNIT, "standard", _NIELSEN),
        Scheme(Law("normal", 1.0, "fan_in"), _UNIT, "scaled", _NIELSEN),
        Scheme(Law("normal", 1.0, "fan_in"), None, "lecun_normal", _LECUN),
        Scheme(Law("uniform", 1.0, "fan_in"), None, "lecun_uniform", _LECUN),
        Scheme(Law("normal", 1.0, "fan_avg"), None, "glorot_normal", _GLOROT),
        Scheme(Law("uniform", 1.0, "fan_avg"), None, "glorot_uniform", _GLOROT),
        Scheme(Law("normal", 2.0, "fan_in"), None, "he_normal", _HE),
        Scheme(Law("uniform", 2.0, "fan_in"), None, "he_uniform", _HE),
        Scheme(
            Law("uniform", 1.0 / 3.0, "fan_in"), Law("uniform", 1.0 / 3.0, "fan_in"), "torch.linear", "PyTorch, torch.nn.Linear"
        ),
    )
}


def parse_law(text: str) -> Law:
    """Read "normal:0.5" (standard deviation) or "uniform:2/fan_in" (variance over a fan).

    >>> parse_law("normal:0.5").gain
    0.25
    """
    family, _, size = text.partition(":")
    number, slash, fan = size.partition("/")
    try:
        value = float(number)
    except ValueError:
        raise SpecificationError(
            f"{text!r} is not a law; write normal:0.5 for a standard deviation or uniform:2/fan_in for a scaled variance"
        ) from None
    if not 0.0 <= value < math.inf:
        raise SpecificationError(f"the law {text!r} has size {number}; it must be a finite number, at least 0")
    if slash:
        return Law(family, value, fan)
    if value * value == math.inf:
        raise SpecificationError(f"the law {text!r} has a standard deviation beyond float32")
    return Law(family, value * value)


def parse_scheme(text: str) -> Scheme:
    """A scheme by name, or "WEIGHTLAW" or "WEIGHTLAW+BIASLAW".

    >>> str(parse_scheme("uniform:1/fan_avg+normal:0.1"))
    'uniform:1/fan_avg+normal:0.1'
    """
    if text in SCHEMES:
        return SCHEMES[text]
    if ":" not in text:
        raise SpecificationError(
            f"scheme is {text!r}; known are {', '.join(SCHEMES)}, or a law such as normal:2/fan_in or normal:0.1+normal:1"
        )
    weights, plus, bias = text.partition("+")
    return Scheme(parse_law(weights), parse_law(bias) if plus else None)
