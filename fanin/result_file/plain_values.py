"""Specifications as plain values, field by field: how a result file writes ensembles, claims and studies, and builds them again.

Guarantee: what is read was built by the checking constructor of its class and would be written in the same words; anything else
raises a SpecificationError that names the place. The annotations of the dataclasses say what a field may hold, so that a new
field needs no code here unless its type is new.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import math
import zlib
from typing import Any

import numpy as np

from fanin.data.files import memory_lent
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import MAX_CORRELATED, Inputs
from fanin.engine.schemes import Law, Scheme
from fanin.engine.spec import Ensemble
from fanin.result_file.annotations import alternative, inner_type, item_types
from fanin.result_file.strict_json import fit_text, shown
from fanin.stats.verdict import Claim
from fanin.studies import Study

CLASSES = {"Law": Law, "Scheme": Scheme, "Inputs": Inputs, "Ensemble": Ensemble, "Claim": Claim, "Study": Study}
FUNCTIONS = ("OwnLaw", "OwnActivation")
_INFINITE = {"infinity": math.inf, "-infinity": -math.inf}


class Writer:
    """Values of annotated types as plain values; arrays go into `arrays`, by their sha256, each once."""

    def __init__(self) -> None:
        self.arrays: dict[str, str] = {}

    def write(self, kind: str, value: Any, path: str) -> Any:
        """The plain form of a value of type `kind`."""
        kind = alternative(kind, value)
        if kind == "None":
            return None
        if kind.startswith("tuple["):
            kinds = item_types(kind, len(value), path) or []
            return [self.write(one, item, f"{path}[{i}]") for i, (one, item) in enumerate(zip(kinds, value, strict=True))]
        if (inner := inner_type(kind, "dict[str, ", "]")) is not None:
            return {self._text(key, path): self.write(inner, item, f"{path}.{key}") for key, item in value.items()}
        if kind in CLASSES:
            return {
                f.name: self.write(str(f.type), getattr(value, f.name), f"{path}.{f.name}")
                for f in dataclasses.fields(CLASSES[kind])
            }
        match kind:
            case "str":
                return self._text(value, path)
            case "bool":
                return bool(value)
            case "int":
                if int(value) != value:
                    raise SpecificationError(f"{path} is {shown(value)}; it must be a whole number")
                return int(value)
            case "float":
                return self._real(float(value), path)
            case "np.ndarray":
                return self._array(value)
            case _ if kind in FUNCTIONS:
                what = "laws" if kind == "OwnLaw" else "activations"
                raise SpecificationError(
                    f"{path} is the function {value.name} of your own; a result file cannot hold functions, only {what} by name"
                )
        raise TypeError(f"{path}: no plain form of the type {kind} is known")

    @staticmethod
    def _text(value: Any, path: str) -> str:
        if not fit_text(value):
            raise SpecificationError(f"{path} is {shown(value)}; it must be text without control characters")
        return value

    @staticmethod
    def _real(value: float, path: str) -> float | str:
        if math.isnan(value):
            raise SpecificationError(f"{path} is not a number; a result file holds numbers")
        return value if math.isfinite(value) else ("infinity" if value > 0.0 else "-infinity")

    def _array(self, value: np.ndarray) -> dict[str, Any]:
        return self._packed(np.ascontiguousarray(value, "<f4").tobytes(), value.shape)

    def integers(self, value: np.ndarray) -> dict[str, Any]:
        """The plain form of a table of int64: all lowest bytes, then all second bytes and so on, which deflates best."""
        return self._packed(np.ascontiguousarray(value, "<i8").reshape(-1, 1).view(np.uint8).T.tobytes(), value.shape)

    def _packed(self, data: bytes, shape: tuple[int, ...]) -> dict[str, Any]:
        name = hashlib.sha256(data).hexdigest()
        if name not in self.arrays:
            self.arrays[name] = base64.b64encode(zlib.compress(data, 6)).decode()
        return {"shape": list(shape), "sha256": name}


class Reader:
    """Values of annotated types from plain values. `arrays` holds the deflated arrays by their sha256."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        self.arrays = arrays
        self._read: dict[str, np.ndarray] = {}

    def read(self, kind: str, value: Any, path: str) -> Any:
        """A value of type `kind` from its plain form."""
        kind = alternative(kind, value)
        if kind == "None":
            return None
        if kind.startswith("tuple["):
            kinds = item_types(kind, len(expect(value, list, path)), path) or []
            return tuple(self.read(one, item, f"{path}[{i}]") for i, (one, item) in enumerate(zip(kinds, value, strict=True)))
        if (inner := inner_type(kind, "dict[str, ", "]")) is not None:
            items = expect(value, dict, path).items()
            return {self.read("str", key, path): self.read(inner, item, f"{path}.{shown(key)[1:-1]}") for key, item in items}
        if kind in CLASSES:
            return self._object(CLASSES[kind], value, path)
        match kind:
            case "str":
                if not fit_text(value):
                    raise SpecificationError(f"{path} is {shown(value)}; it must be text without control characters")
                return value
            case "bool":
                return expect(value, bool, path)
            case "int":
                return expect(value, int, path)
            case "float":
                return _INFINITE[value] if isinstance(value, str) and value in _INFINITE else expect(value, float, path)
            case "np.ndarray":
                return self._array(value, path)
            case _ if kind in FUNCTIONS:
                raise SpecificationError(f"{path} is {shown(value)}; a result file cannot hold a function")
        raise TypeError(f"{path}: no plain form of the type {kind} is known")

    def _object(self, cls: type, value: Any, path: str) -> Any:
        fields = {f.name: str(f.type) for f in dataclasses.fields(cls)}
        expect_keys(value, fields, path)
        read = {name: self.read(kind, value[name], f"{path}.{name}") for name, kind in fields.items()}
        try:
            return _inputs(**read) if cls is Inputs else cls(**read)
        except SpecificationError as error:
            raise SpecificationError(f"{path}: {error}") from None

    def integers(self, value: Any, rows: int, most: int, path: str) -> np.ndarray:
        """A table of int64 with so many rows and at most so many columns, from its plain form."""
        shape, name = self._head(value, path)
        if len(shape) != 2 or shape[0] != rows or not 0 <= shape[1] <= most:
            raise SpecificationError(f"{path}.shape is {list(shape)!r}; it must be {rows} rows of at most {most} numbers")
        data = np.frombuffer(_inflate(self._found(name, path), name, 8 * rows * shape[1]), np.uint8)
        return np.ascontiguousarray(data.reshape(8, rows * shape[1]).T).view("<i8").astype(np.int64).reshape(shape)

    def _head(self, value: Any, path: str) -> tuple[tuple[int, ...], str]:
        expect_keys(value, ("shape", "sha256"), path)
        return self.read("tuple[int, ...]", value["shape"], f"{path}.shape"), self.read("str", value["sha256"], f"{path}.sha256")

    def _found(self, name: str, path: str) -> Any:
        if name not in self.arrays:
            raise SpecificationError(f"{path}.sha256 is {shown(name)}, and the file has no such array")
        return self.arrays[name]

    def _array(self, value: Any, path: str) -> np.ndarray:
        """An array of announced shape: never more is unpacked than that, and never more than the memory holds."""
        shape, name = self._head(value, path)
        size = 4 * math.prod(shape)
        if not 1 <= len(shape) <= 2 or min(shape) < 1 or size > memory_lent():
            raise SpecificationError(f"{path}.shape is {shown(shape)}; it must be that of a vector or a table that fits in memory")
        if name not in self._read:
            self._read[name] = np.frombuffer(_inflate(self._found(name, path), name, size), "<f4").astype(np.float32)
        array = self._read[name]
        if 4 * array.size != size:
            raise SpecificationError(f"{path}.shape is {shown(shape)}; the array has {array.size} values")
        return array.reshape(shape)


def _inflate(text: Any, name: str, size: int) -> bytes:
    path = f"state.arrays.{shown(name)[1:-1]}"
    try:
        packed = base64.b64decode(expect(text, str, path), validate=True)
        unpack = zlib.decompressobj()
        data = unpack.decompress(packed, size + 1)
    except (binascii.Error, zlib.error, ValueError) as error:
        if isinstance(error, SpecificationError):
            raise
        raise SpecificationError(f"{path} is not a deflated array in base64") from None
    if len(data) != size or not unpack.eof or unpack.unused_data or hashlib.sha256(data).hexdigest() != name:
        raise SpecificationError(f"{path} is not the array that it stands for")
    return data


def _inputs(**given: Any) -> Inputs:
    """Inputs by the class method of their kind, held against the fields that were given."""
    kind, shared, parameters, data = given["kind"], given["shared"], given["parameters"], given["data"]
    if (data is None) != (kind not in ("correlated", "fixed", "rows", "points")):
        raise SpecificationError(f"inputs of the kind {shown(kind)} have {'no' if data is None else 'a table of'} data")
    made: Inputs
    match kind, len(parameters):
        case "on", 0:
            made = Inputs.on(given["count"])
        case "subset", 0:
            made = Inputs.subset(given["count"], shared)
        case ("bernoulli" | "gaussian", 1) | ("uniform" | "sparse" | "ar1", 2):
            made = getattr(Inputs, kind)(*parameters, shared=shared)
        case "pair", 2:
            made = Inputs.pair(*parameters)
        case (("fixed" | "points"), 0):
            made = Inputs.fixed(data) if kind == "fixed" else Inputs.points(data)
        case "rows", 0:
            made = Inputs.rows(data, 1.0, shared, given["source"], given["in_turn"], given["preparation"])
            Inputs.rows(np.zeros((1, 1)), given["scale"])  # refuses a scale that is none
            made = dataclasses.replace(made, scale=given["scale"])
        case "correlated", 0:
            if data.ndim != 2 or data.shape[0] != data.shape[1] or len(data) > MAX_CORRELATED or np.triu(data, 1).any():
                raise SpecificationError(
                    f"the factor of a covariance has shape {data.shape}; it must be square and lower triangular"
                )
            Inputs.rows(data)  # refuses what is not finite
            made = Inputs("correlated", shared=shared, data=data, source=given["source"])
            data.setflags(write=False)
        case _:
            raise SpecificationError(f"inputs of the kind {shown(kind)} with {len(parameters)} parameters are not known")
    for field in dataclasses.fields(Inputs):
        if field.name != "data" and getattr(made, field.name) != given[field.name]:
            value, right = given[field.name], getattr(made, field.name)
            raise SpecificationError(f"the {field.name} of inputs of the kind {kind} is {shown(value)}; it must be {shown(right)}")
    return made


_NAMES = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number with a point",
}


def expect(value: Any, kind: type, path: str) -> Any:
    """The value, which must be of the given plain type; true and false are not numbers."""
    if type(value) is not kind:
        raise SpecificationError(f"{path} is {shown(value)}; it must be {_NAMES[kind]}")
    return value


def expect_keys(value: Any, keys: Any, path: str) -> None:
    """Refuse what is not an object with exactly these keys."""
    expect(value, dict, path)
    for key in keys:
        if key not in value:
            raise SpecificationError(f"{path}.{key} is missing")
    if unknown := [key for key in value if key not in keys]:
        raise SpecificationError(f"{path}.{shown(unknown[0])[1:-1]} is not known here; known are {', '.join(keys)}")


def whole(value: Any, least: int, most: int, path: str) -> int:
    """A whole number in a range."""
    if not least <= expect(value, int, path) <= most:
        raise SpecificationError(f"{path} is {value}; it must lie between {least} and {most}")
    return value
