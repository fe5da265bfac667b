"""What a run of a store is: an ensemble, a method and a seed, under a key.

The key is the sha256 of the canonical specification, with the versions of the stream and of what is recorded: a version of fanin
that draws or records otherwise has other keys, and its rows never meet those of this one.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from dataclasses import dataclass
from typing import Any

from fanin.engine import accumulators, layer_summary, stream
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble, canonical_json
from fanin.result_file.plain_values import Reader, Writer, expect, expect_keys, whole
from fanin.result_file.strict_json import compact, parse, shown

_METHODS = ("direct", "conditional")
_LONGEST = 300


@dataclass(frozen=True)
class Specification:
    """A run of a store.

    ensemble : None where it has functions of the user's own, which no file can hold. head : the canonical specification.
    """

    ensemble: Ensemble | None
    method: str
    seed: int
    head: dict[str, Any]

    @functools.cached_property
    def key(self) -> str:
        """sha256 of the canonical specification."""
        return _key(self.head)

    @functools.cached_property
    def text(self) -> str:
        """The specification as it is kept."""
        writer, plain = Writer(), None
        with contextlib.suppress(SpecificationError):
            plain = None if self.ensemble is None else writer.write("Ensemble", self.ensemble, "ensemble")
        return compact({"head": self.head, "ensemble": plain, "arrays": writer.arrays if plain is not None else {}})


def specification_of(ensemble: Ensemble, seed: int, method: str) -> Specification:
    """The specification of a run."""
    head = {"ensemble": ensemble.canonical(), "method": method, "recorded": recorded(), "seed": seed, "stream": stream.VERSION}
    return Specification(ensemble, method, seed, head)


def read_specification(key: Any, text: Any) -> Specification:
    """A specification as it was kept.

    key : None where it was not, or may be damaged: then the specification says it.

    Raises
    ------
    SpecificationError
        Where it is not one, or not that of the key.
    """
    if not isinstance(key, str | None) or not isinstance(text, str):
        raise SpecificationError("its specification is not text")
    value = parse(text.encode())
    expect_keys(value, ("head", "ensemble", "arrays"), "specification")
    head = expect(value["head"], dict, "head")
    if key is not None and _key(head) != key:
        raise SpecificationError("its specification does not have the sha256 of its key; it was changed or damaged")
    expect_keys(head, ("ensemble", "method", "recorded", "seed", "stream"), "head")
    for name, own in (("stream", stream.VERSION), ("recorded", recorded())):
        if head[name] != own:
            raise SpecificationError(f"it is of another version of fanin: its {name} is {shown(head[name])}, and here it is {own}")
    if head["method"] not in _METHODS:
        raise SpecificationError(f"its method is {shown(head['method'])}; it must be {' or '.join(_METHODS)}")
    seed = whole(head["seed"], 0, stream.MAX_SEED, "seed")
    ensemble = None
    if value["ensemble"] is not None:
        ensemble = _ensemble(value)
        if canonical_json(ensemble.canonical()) != canonical_json(head["ensemble"]):
            raise SpecificationError("its ensemble is not that of its head")
    return Specification(ensemble, head["method"], seed, head)


def _ensemble(value: dict[str, Any]) -> Ensemble:
    try:
        return Reader(expect(value["arrays"], dict, "arrays")).read("Ensemble", value["ensemble"], "ensemble")
    except SpecificationError as error:
        words = " ".join(str(error).split())  # which may repeat what the file says at any length
        raise SpecificationError(words if len(words) <= _LONGEST else f"{words[:_LONGEST]}...") from None


@functools.cache
def recorded() -> str:
    """What stands for the list of all that is recorded, in this version."""
    names = (
        accumulators.SUMS,
        accumulators.COUNTS,
        accumulators.BINS,
        layer_summary.sum_names(1, 1),
        layer_summary.COUNTS,
        layer_summary.VARIABLES,
        layer_summary.BINS,
    )
    return hashlib.sha256(repr(names).encode()).hexdigest()[:16]


def _key(head: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(head).encode()).hexdigest()
