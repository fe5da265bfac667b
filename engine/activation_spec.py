"""Activations as a specification names them: built-in by name, or a user's own pair of functions. Imports no numba."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fanin.engine.errors import SpecificationError
from fanin.engine.own_functions import function_hash

BUILT_IN = (
    "sigmoid",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "softplus",
    "hard_tanh",
    "erf",
    "identity",
)
WITH_SHAPE = {"leaky_relu": (-1.0, 1.0), "elu": (0.0, 100.0)}
"""Activations with a parameter, written "leaky_relu:0.2", and the range of that parameter."""

SIGMOIDAL = ("sigmoid", "tanh")


@dataclass(frozen=True)
class OwnActivation:
    """A user's own activation: phi and phi', each a function from float32 to float32 that Numba compiles.

    kinks : where phi' jumps, for quadrature. low, high : the range of phi, for saturation.
    """

    value: Callable[..., Any]
    slope: Callable[..., Any]
    kinks: tuple[float, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    name: str = "own"

    def canonical(self) -> list[Any]:
        """Name, hashes of the functions, kinks and range: what stands for the pair in a digest."""
        ends = [end if math.isfinite(end) else None for end in (self.low, self.high)]
        return [self.name, function_hash(self.value), function_hash(self.slope), list(self.kinks), ends]

    def __str__(self) -> str:
        return self.name


def check_activation(activation: Any) -> str | OwnActivation:
    """A known activation, or a sentence that says what is known.

    >>> check_activation("leaky_relu:0.2")
    'leaky_relu:0.2'
    """
    if isinstance(activation, OwnActivation):
        return activation
    base, shape = split_activation(activation) if isinstance(activation, str) else ("", None)
    if base not in BUILT_IN:
        raise SpecificationError(f"activation is {activation!r}; known are {', '.join(BUILT_IN)}")
    if shape is not None:
        low, high = WITH_SHAPE.get(base, (math.inf, -math.inf))
        if base not in WITH_SHAPE:
            raise SpecificationError(f"activation is {activation!r}; {base} takes no parameter, only {' and '.join(WITH_SHAPE)} do")
        if not low <= shape <= high or shape == 0.0:
            raise SpecificationError(
                f"activation is {activation!r}; the parameter of {base} is a number other than 0 from {low:g} to {high:g}"
            )
    return activation


def split_activation(activation: str) -> tuple[str, float | None]:
    """Name and parameter of a built-in activation; a parameter that is no number is NaN.

    >>> split_activation("elu:1.5")
    ('elu', 1.5)
    """
    base, colon, text = activation.partition(":")
    if not colon:
        return base, None
    try:
        return base, float(text)
    except ValueError:
        return base, math.nan
