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

KINDS = ("on", "subset", "bernoulli", "gaussian", "uniform", "sparse", "ar1", "correlated", "fixed", "rows", "pair", "points")
HALF = -1  # the count of a half-on input until the number of inputs is known
MAX_ROWS = 1 << 24
MAX_CORRELATED = 2048


@dataclass(frozen=True, eq=False)
class Inputs:
    """A law of inputs; make one with the class methods or from text with `parse_inputs`.

    kind, with its `parameters`:

    - "on": the first `count` inputs are 1, the rest 0. "subset": `count` inputs chosen at random.
    - "bernoulli" (p): each is 1 with probability p. "gaussian" (std): N(0, std**2). "uniform" (low, high).
    - "sparse" (zero, std): 0 with probability `zero`, else N(0, std**2).
    - "ar1" (rho, std): N(0, std**2) with correlation rho**|i - j| between inputs i and j. "correlated": `data`, lower triangular of
      shape (n, n), times independent N(0, 1).
    - "fixed": the vector `data`, shape (n,). "rows": a row of `data`, shape (rows, n), drawn uniformly or, `in_turn`, row i modulo
      the number of rows for network i.
    - "pair" (q, c): two inputs of squared length q * n and correlation c. "points": the inputs `data`, shape (points, n). Both go
      through one and the same network.

    `data` is float32 and as the network sees it: `scale` and `preparation` say what was done to what was read from `source`.
    """

    kind: str
    count: int = 0
    parameters: tuple[float, ...] = ()
    shared: bool = False
    in_turn: bool = False
    data: np.ndarray | None = None
    scale: float = 1.0
    source: str = ""
    preparation: str = ""

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
        probability = _number(probability, "the probability of an input", 0.0, 1.0)
        return cls("bernoulli", parameters=(round(probability * 2**32) / 2**32,), shared=shared)

    @classmethod
    def gaussian(cls, std: float = 1.0, shared: bool = False) -> Inputs:
        """Each input is N(0, std**2)."""
        return cls("gaussian", parameters=(_std(std),), shared=shared)

    @classmethod
    def uniform(cls, low: float = 0.0, high: float = 1.0, shared: bool = False) -> Inputs:
        """Each input is uniform between low and high."""
        low, high = (_number(end, "an end of the inputs' range", -_LARGEST, _LARGEST) for end in (low, high))
        if low >= high:
            raise SpecificationError(f"inputs are uniform from {low:g} to {high:g}; the first must be less than the second")
        return cls("uniform", parameters=(low, high), shared=shared)

    @classmethod
    def sparse(cls, zero: float, std: float = 1.0, shared: bool = False) -> Inputs:
        """Each input is zero with probability `zero` (rounded to a multiple of 2**-32), else N(0, std**2)."""
        zero = _number(zero, "the share of inputs that are zero", 0.0, 1.0)
        return cls("sparse", parameters=(round(zero * 2**32) / 2**32, _std(std)), shared=shared)

    @classmethod
    def ar1(cls, rho: float, std: float = 1.0, shared: bool = False) -> Inputs:
        """Gaussian inputs of which neighbours have the correlation rho: an autoregressive process of order 1."""
        return cls("ar1", parameters=(_number(rho, "the correlation of neighbouring inputs", -1.0, 1.0), _std(std)), shared=shared)

    @classmethod
    def correlated(cls, covariance: Any, shared: bool = False, source: str = "covariance") -> Inputs:
        """Gaussian inputs with the given covariance matrix, shape (n, n), symmetric and positive semidefinite."""
        matrix = _numbers(covariance, 2, source).astype(float)
        n = len(matrix)
        if matrix.shape != (n, n) or n > MAX_CORRELATED:
            raise SpecificationError(f"{source} has shape {matrix.shape}; it must be square, with at most {MAX_CORRELATED} rows")
        if not np.isfinite(matrix).all() or np.abs(matrix - matrix.T).max() > 1e-6 * np.abs(matrix).max():
            raise SpecificationError(f"{source} is not symmetric and finite; a covariance must be")
        return cls("correlated", shared=shared, data=_read_only(_cholesky(matrix, source), source), source=source)

    @classmethod
    def fixed(cls, values: Any) -> Inputs:
        """All networks see the given vector."""
        return cls("fixed", shared=True, data=_checked_array(values, 1, 1.0, "values"), source="values")

    @classmethod
    def rows(
        cls,
        values: Any,
        scale: float = 1.0,
        shared: bool = False,
        source: str = "rows",
        in_turn: bool = False,
        preparation: str = "",
    ) -> Inputs:
        """Each network sees one row of `values`, shape (rows, n), multiplied by `scale`: drawn uniformly, or all `in_turn`."""
        if not _is_number(scale) or not math.isfinite(scale) or scale == 0.0:
            raise SpecificationError(f"the scale of {source} is {scale!r}; it must be a finite number other than 0")
        if shared and in_turn:
            raise SpecificationError(f"{source} cannot be shared and in turn: one row for all networks, or each row in its turn")
        data = _checked_array(values, 2, float(scale), source)
        return cls("rows", shared=shared, in_turn=in_turn, data=data, scale=float(scale), source=source, preparation=preparation)

    @classmethod
    def pair(cls, square: float, correlation: float) -> Inputs:
        """Two inputs for every network, of squared length square * n and with a given correlation (cosine)."""
        square = _number(square, "the mean square of a pair of inputs", 0.0, _LARGEST)
        return cls("pair", parameters=(square, _number(correlation, "the correlation of a pair of inputs", -1.0, 1.0)), shared=True)

    @classmethod
    def points(cls, values: Any) -> Inputs:
        """The given inputs, shape (points, n), go through every network."""
        return cls("points", shared=True, data=_checked_array(values, 2, 1.0, "points"), source="points")

    @property
    def given_points(self) -> int:
        """Inputs that go through every network, where the law says so; else 0."""
        return 2 if self.kind == "pair" else len(self.data) if self.kind == "points" and self.data is not None else 0

    def vectors(self, n: int) -> np.ndarray:
        """The inputs of a law without randomness, float32 (points, n)."""
        if self.kind == "on":
            return np.where(np.arange(n) < self.count, np.float32(1.0), np.float32(0.0))[None, :]
        if self.kind == "pair":
            square, correlation = self.parameters
            half = n // 2
            across = np.where(np.arange(n) < half, math.sqrt((n - half) / half), -math.sqrt(half / (n - half)))
            both = np.array([np.ones(n), correlation + math.sqrt(1.0 - correlation**2) * across])
            return (math.sqrt(square) * both).astype(np.float32)
        if self.data is None or self.is_random:
            raise SpecificationError(f"inputs {self} are random")
        return self.data.reshape(-1, n)

    @property
    def drawn_once(self) -> bool:
        """Whether all networks see one and the same random draw."""
        return self.shared and self.is_random

    @property
    def is_random(self) -> bool:
        """Whether the input has a law, be it drawn for every network or once."""
        return self.kind not in ("on", "fixed", "pair", "points")

    def resolved(self, n: int) -> Inputs:
        """This law for n inputs: half-on becomes a count, and sizes that do not fit are refused."""
        inputs = self
        if self.kind not in KINDS:
            raise SpecificationError(f"the kind of inputs is {self.kind!r}; known are {', '.join(KINDS)}")
        if self.kind in ("on", "subset"):
            if self.count == HALF:
                if n % 2:
                    count = f"{self.kind}:{max(n // 2, 1)}"
                    raise SpecificationError(
                        f"half-on needs an even number of inputs, not {n}; write inputs {count} (--inputs {count})"
                    )
                inputs = dataclasses.replace(self, count=n // 2)
            if isinstance(inputs.count, bool) or not isinstance(inputs.count, int) or not 0 <= inputs.count <= n:
                raise SpecificationError(f"{inputs.count!r} of {n} inputs cannot be on; give a whole number from 0 to {n}")
        if self.kind == "pair" and n < 2:
            raise SpecificationError(f"a pair of inputs needs at least 2 numbers each, not {n}")
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
            "in_turn": self.in_turn,
            "kind": self.kind,
            "parameters": list(self.parameters),
            "shared": self.shared,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Inputs) and self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(str(self.canonical()))

    def __str__(self) -> str:
        options = [option for option in self.preparation.split(",") if option]
        options += [f"scale={self.scale:g}"] if self.scale != 1.0 else []
        options += ["in-turn"] if self.in_turn else []
        options += ["shared"] if self.drawn_once else []
        if self.kind in ("on", "subset"):
            head = f"{self.kind}:{'half' if self.count == HALF else self.count}"
        elif self.kind in ("fixed", "rows", "correlated", "points"):
            head = self.source
        else:
            head = ":".join([self.kind, *(f"{parameter:g}" for parameter in self.parameters)])
        return ",".join([head, *options])


_LARGEST = 1e38


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _number(value: Any, what: str, least: float, most: float) -> float:
    if not _is_number(value) or not least <= value <= most:
        raise SpecificationError(f"{what} is {value!r}; it must be a number from {least:g} to {most:g}")
    return float(value)


def _std(value: Any) -> float:
    return _number(value, "the standard deviation of an input", 0.0, _LARGEST)


def _numbers(values: Any, dimensions: int, source: str) -> np.ndarray:
    """An array of real numbers with the given number of dimensions."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError):
        raise SpecificationError(f"{source} must hold real numbers, not {type(values).__name__} of other things") from None
    if array.ndim != dimensions or array.size == 0:
        raise SpecificationError(f"{source} has shape {array.shape}; it must have {dimensions} dimension(s) and not be empty")
    return array


def _read_only(array: np.ndarray, source: str) -> np.ndarray:
    """The array as float32, which every value must fit."""
    with np.errstate(over="ignore"):
        data = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(data).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(data))[0])
        raise SpecificationError(f"{source} holds {array[at]} at {at}; every value times the scale must be finite in float32")
    data.setflags(write=False)
    return data


def _checked_array(values: Any, dimensions: int, scale: float, source: str) -> np.ndarray:
    array = _numbers(values, dimensions, source)
    if dimensions == 2 and array.shape[0] > MAX_ROWS:
        raise SpecificationError(f"{source} has {array.shape[0]} rows; at most {MAX_ROWS} can be drawn from evenly")
    with np.errstate(over="ignore", invalid="ignore"):
        return _read_only(array * np.float64(scale) if scale != 1.0 else array, source)


def _cholesky(matrix: np.ndarray, source: str) -> np.ndarray:
    """The lower triangular factor of a positive semidefinite matrix, column by column in a fixed order: the same bits everywhere.

    Products are summed one by one (no BLAS), so that no machine changes their order.
    """
    left, factor = np.tril(matrix), np.zeros_like(matrix)
    small = 1e-10 * max(matrix.diagonal().max(), 0.0)
    for j in range(len(matrix)):
        pivot = left[j, j]
        if pivot < -small or (pivot <= small and np.abs(left[j + 1 :, j]).max(initial=0.0) > 1e3 * small):
            raise SpecificationError(f"{source} is not positive semidefinite: no real inputs have such a covariance")
        if pivot > small:
            factor[j:, j] = left[j:, j] / np.sqrt(pivot)
            column = factor[j + 1 :, j].copy()
            for r in range(0, len(column), 64):  # the lower blocks only; each number as if one by one
                rows = slice(j + 1 + r, j + 1 + r + 64)
                left[rows, j + 1 : rows.stop] -= column[r : r + 64, None] * column[None, : r + 64]
    return factor


def parse_inputs(text: str) -> Inputs:
    """Inputs from a description, with ",shared" to give all networks one draw.

    "half-on", "on:K", "subset:K", "bernoulli:P", "gaussian[:STD]", "uniform[:LOW:HIGH]", "sparse:ZERO[:STD]", "ar1:RHO[:STD]",
    "pair:Q:C".

    >>> parse_inputs("bernoulli:0.5,shared").parameters
    (0.5,)
    """
    name, *options = text.split(",")
    kind, *given = name.split(":")
    if unknown := [option for option in options if option != "shared"]:
        raise SpecificationError(f"inputs {text!r} have the option {unknown[0]!r}; known here is 'shared'")
    shared = bool(options)
    makers = {"bernoulli": (1, 1), "gaussian": (0, 1), "uniform": (0, 2), "sparse": (1, 2), "ar1": (1, 2), "pair": (2, 2)}
    if kind == "half-on" and not given:
        if shared:
            raise SpecificationError("half-on is shared by all networks already; write half-on")
        return Inputs.on()
    try:
        if kind in ("on", "subset") and len(given) == 1:
            count = HALF if given[0] == "half" else int(given[0])
            return Inputs.on(count) if kind == "on" else Inputs.subset(count, shared)
        if kind in makers and makers[kind][0] <= len(given) <= makers[kind][1] and (kind, len(given)) != ("uniform", 1):
            numbers = [float(value) for value in given]
            if kind == "pair" and shared:
                raise SpecificationError(f"inputs {text!r}: a pair is the same for all networks already; leave shared out")
            return Inputs.pair(*numbers) if kind == "pair" else getattr(Inputs, kind)(*numbers, shared=shared)
    except SpecificationError:
        raise
    except ValueError:
        raise SpecificationError(f"inputs are {text!r}; {':'.join(given)!r} is not a number that fits {kind}:") from None
    raise SpecificationError(
        f"inputs are {text!r}; known are half-on, on:K, subset:K, bernoulli:P, gaussian:STD, uniform:LOW:HIGH, sparse:ZERO:STD, "
        "ar1:RHO:STD, pair:Q:C; digits and files: fanin.load_inputs"
    )
