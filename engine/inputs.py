"""Laws of the input of a network: fixed, random or rows of data. Plain types; imports numpy only.

An input is fresh for every network, or `shared`: then all networks see one and the same draw.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fanin.engine.errors import SpecificationError

KINDS = ("on", "subset", "bernoulli", "gaussian", "fixed", "rows")
HALF = -1  # the count of a half-on input until the number of inputs is known
MAX_ROWS = 1 << 24


@dataclass(frozen=True, eq=False)
class Inputs:
    """A law of inputs; make one with the class methods or from text with `parse_inputs`.

    kind "on": the first `count` inputs are 1, the rest 0. "subset": `count` inputs chosen at random. "bernoulli": each is 1
    with probability `parameter`. "gaussian": N(0, parameter**2). "fixed": the vector `data`, shape (n,). "rows": one row of
    `data`, shape (rows, n), drawn uniformly. `data` is float32 and already multiplied by `scale`.
    """

    kind: str
    count: int = 0
    parameter: float = 0.0
    shared: bool = False
    data: np.ndarray | None = None
    scale: float = 1.0
    source: str = ""

    @classmethod
    def on(cls, count: int = HALF) -> Inputs:
        """The first `count` inputs are on; exactly half of them by default."""
        return cls("on", count=count, shared=True)

    @classmethod
    def subset(cls, count: int = HALF, shared: bool = False) -> Inputs:
        """A random subset of exactly `count` inputs is on."""
        return cls("subset", count=count, shared=shared)

    @classmethod
    def bernoulli(cls, probability: float, shared: bool = False) -> Inputs:
        """Each input is on with the given probability, rounded to a multiple of 2**-32."""
        if not _is_number(probability) or not 0.0 <= probability <= 1.0:
            raise SpecificationError(f"the probability of an input is {probability!r}; it must lie between 0 and 1")
        return cls("bernoulli", parameter=float(probability), shared=shared)

    @classmethod
    def gaussian(cls, std: float = 1.0, shared: bool = False) -> Inputs:
        """Each input is N(0, std**2)."""
        if not _is_number(std) or not 0.0 <= std < 1e38:
            raise SpecificationError(f"the standard deviation of an input is {std!r}; it must be a finite number, at least 0")
        return cls("gaussian", parameter=float(std), shared=shared)

    @classmethod
    def fixed(cls, values: Any) -> Inputs:
        """All networks see the given vector."""
        return cls("fixed", shared=True, data=_checked_array(values, 1, 1.0, "values"), source="values")

    @classmethod
    def rows(cls, values: Any, scale: float = 1.0, shared: bool = False, source: str = "rows") -> Inputs:
        """Each network sees one row of `values`, shape (rows, n), multiplied by `scale`."""
        if not _is_number(scale) or not math.isfinite(scale) or scale == 0.0:
            raise SpecificationError(f"the scale of {source} is {scale!r}; it must be a finite number other than 0")
        return cls("rows", shared=shared, data=_checked_array(values, 2, float(scale), source), scale=float(scale), source=source)

    def resolved(self, n: int) -> Inputs:
        """This law for n inputs: half-on becomes a count, and sizes that do not fit are refused."""
        inputs = self
        if self.kind not in KINDS:
            raise SpecificationError(f"the kind of inputs is {self.kind!r}; known are {', '.join(KINDS)}")
        if self.kind in ("on", "subset"):
            if self.count == HALF:
                if n % 2:
                    raise SpecificationError(f"half-on needs an even number of inputs, not {n}; write on:{n // 2}")
                inputs = dataclasses.replace(self, count=n // 2)
            if isinstance(inputs.count, bool) or not isinstance(inputs.count, int) or not 0 <= inputs.count <= n:
                raise SpecificationError(f"{inputs.count!r} of {n} inputs cannot be on; give a whole number from 0 to {n}")
        if self.data is not None and self.data.shape[-1] != n:
            columns = self.data.shape[-1]
            raise SpecificationError(f"{self.source} has {columns} columns and the network {n} inputs; the two must agree")
        return inputs

    def canonical(self) -> dict[str, Any]:
        """What defines the law, in plain values; data by its sha256."""
        digest = None
        if self.data is not None:
            digest = [list(self.data.shape), hashlib.sha256(np.ascontiguousarray(self.data, "<f4").tobytes()).hexdigest()]
        return {
            "count": self.count,
            "data": digest,
            "kind": self.kind,
            "parameter": self.parameter,
            "shared": self.shared,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Inputs) and self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(str(self.canonical()))

    def __str__(self) -> str:
        shared = ",shared" if self.shared and self.kind not in ("on", "fixed") else ""
        if self.kind in ("on", "subset"):
            return f"{self.kind}:{'half' if self.count == HALF else self.count}{shared}"
        if self.kind in ("bernoulli", "gaussian"):
            return f"{self.kind}:{self.parameter:g}{shared}"
        return f"{self.source}{f',scale={self.scale:g}' if self.scale != 1.0 else ''}{shared}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _checked_array(values: Any, dimensions: int, scale: float, source: str) -> np.ndarray:
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError):
        raise SpecificationError(f"{source} must hold real numbers, not {type(values).__name__} of other things") from None
    if array.ndim != dimensions or array.size == 0:
        raise SpecificationError(f"{source} has shape {array.shape}; it must have {dimensions} dimension(s) and not be empty")
    if dimensions == 2 and array.shape[0] > MAX_ROWS:
        raise SpecificationError(f"{source} has {array.shape[0]} rows; at most {MAX_ROWS} can be drawn from evenly")
    with np.errstate(over="ignore"):
        data = np.ascontiguousarray(array * np.float64(scale), dtype=np.float32)
    if not np.isfinite(data).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(data))[0])
        raise SpecificationError(f"{source} holds {array[at]} at {at}; every value times the scale must be finite in float32")
    data.setflags(write=False)
    return data


def parse_inputs(text: str) -> Inputs:
    """Inputs from "half-on", "on:K", "subset:K", "bernoulli:P" or "gaussian[:STD]", each with ",shared" to share one draw.

    >>> parse_inputs("bernoulli:0.5,shared")
    Inputs(kind='bernoulli', count=0, parameter=0.5, shared=True, data=None, scale=1.0, source='')
    """
    name, *options = text.split(",")
    kind, colon, value = name.partition(":")
    if unknown := [option for option in options if option != "shared"]:
        raise SpecificationError(f"inputs {text!r} have the option {unknown[0]!r}; known here is 'shared'")
    shared = bool(options)
    try:
        if kind == "half-on" and not colon:
            if shared:
                raise SpecificationError("half-on is shared by all networks already; write half-on")
            return Inputs.on()
        if kind == "on":
            return Inputs.on(int(value))
        if kind == "subset":
            return Inputs.subset(HALF if value == "half" else int(value), shared)
        if kind == "bernoulli":
            return Inputs.bernoulli(float(value), shared)
        if kind == "gaussian":
            return Inputs.gaussian(float(value) if colon else 1.0, shared)
    except SpecificationError:
        raise
    except ValueError:
        raise SpecificationError(f"inputs are {text!r}; {value!r} is not a number that fits {kind}:") from None
    raise SpecificationError(
        f"inputs are {text!r}; known are half-on, on:K, subset:K, bernoulli:P, gaussian:STD; digits and files: fanin.load_inputs"
    )
