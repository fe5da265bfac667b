"""The two sides of a comparison: what A and B stand for, which of their ensembles and layers go together, and their runs.

Guarantee: whatever cannot be compared is refused before anything is sampled, and two sides never draw the same numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanin.claims import methods_of
from fanin.engine.errors import SpecificationError
from fanin.engine.recipes import parse_scheme
from fanin.engine.spec import Ensemble
from fanin.engine.stream import MAX_NETWORKS, MAX_SEED
from fanin.report import Report
from fanin.result import Result
from fanin.sampling import simulate, whole_number
from fanin.studies import STUDIES, Study, built_in
from fanin.study_file import SUFFIX, load_study
from fanin.subjects import ALL, RESULTS, is_folder, own_study
from fanin.verification import study_of

NEURON = "1000,1"
"""Widths of what a scheme makes unless told otherwise."""


@dataclass(frozen=True, eq=False)
class Side:
    """One side.

    name : as the user gave it. study : its ensembles. results : of the ensembles; empty until they are sampled. methods, seed,
    networks : how they are or will be sampled. watched : whether the run was stopped by what it showed.
    """

    name: str
    study: Study
    results: dict[str, Result]
    methods: dict[str, str]
    seed: int
    networks: int
    watched: bool = False

    @property
    def is_sampled(self) -> bool:
        """Whether its results are there."""
        return bool(self.results)

    def stream(self, label: str) -> tuple[str, int]:
        """What decides the numbers that an ensemble draws."""
        return self.study.ensembles[label].stream_label(self.methods[label]), self.seed


def side_of(
    subject: Any,
    letter: str,
    own: dict[str, Any] | None = None,
    networks: int | float | None = None,
    seed: int = 501,
    method: str | None = None,
) -> Side:
    """What a result, a report, a study, an ensemble or a text stands for.

    letter : A or B, for complaints. own : options of a network of one's own by name, for a scheme. networks, seed, method : of what
    is to be sampled.
    """
    if isinstance(subject, Result):
        label = "layers" if isinstance(subject.ensemble.scheme, tuple) else str(subject.ensemble.scheme)
        study = Study("result", "", {label: subject.ensemble}, networks=subject.networks)
        return _sampled_side(_name(study), study, {label: subject}, subject.watched)
    if isinstance(subject, Report):
        return _sampled_side(_name(subject.study), subject.study, subject.results, subject.watched)
    if isinstance(subject, str) and Path(subject).suffix.lower() in RESULTS:
        from fanin.result_file import read

        saved = read(subject)
        return _sampled_side(subject, saved.study, saved.results, saved.watched)
    if isinstance(subject, str):
        name, study = subject, _study_of_text(subject, letter, own or {})
    elif isinstance(subject, (Study, Ensemble)):
        study = study_of(subject)
        name = _name(study)
    else:
        raise SpecificationError(
            f"{letter} is {type(subject).__name__}; it must be a result, a report, a study, an ensemble or the name of one of these"
        )
    size = whole_number(study.networks if networks is None else networks, "networks", 1, MAX_NETWORKS)
    seed = whole_number(seed, "seed", 0, MAX_SEED)
    return Side(name, study, {}, methods_of(study, method, seed, size), seed, size)


def _name(study: Study) -> str:
    """Its own; of a study that was made for one ensemble, that of the ensemble."""
    return next(iter(study.ensembles)) if study.name in ("ensemble", "result") else study.name


def is_scheme(text: str) -> bool:
    """Whether a text can only be a scheme: no study and no result."""
    named = text in (ALL, *STUDIES) or Path(text).suffix.lower() in (*RESULTS, SUFFIX)
    return not named and not is_folder(text)


def is_result(text: str) -> bool:
    """Whether a text names a result file, which is not sampled."""
    return Path(text).suffix.lower() in RESULTS


def _study_of_text(text: str, letter: str, own: dict[str, Any]) -> Study:
    if not text.strip():
        raise SpecificationError(f"{letter} is empty; it must be a result file, a study or a scheme such as he_normal")
    if text == ALL or is_folder(text):
        raise SpecificationError(f"{letter} is {text!r}, which is several studies; compare takes one on each side")
    if text in STUDIES:
        return built_in(text)
    if Path(text).suffix.lower() == SUFFIX:
        return load_study(text)
    for one in text.split(";"):
        try:
            parse_scheme(one.strip())
        except SpecificationError as error:
            if ":" in one or ";" in text:
                raise
            raise SpecificationError(
                f"{letter} is {text!r}, which is no study ({', '.join(STUDIES)}), no {', '.join((SUFFIX, *RESULTS))} file and no "
                f"scheme ({str(error).partition('; ')[2].partition(' For a law')[0].rstrip('?.')})"
            ) from None
    return own_study({"scheme": text, **({} if _has_size(own) else {"widths": NEURON}), **own})


def _has_size(own: dict[str, Any]) -> bool:
    """Whether options say how large a network is: its widths, or data."""
    from fanin.data import load_inputs

    return "widths" in own or ("inputs" in own and load_inputs(own["inputs"]).data is not None)


def _sampled_side(name: str, study: Study, results: dict[str, Result], watched: bool) -> Side:
    first = next(iter(results.values()))
    methods = {label: result.method for label, result in results.items()}
    return Side(name, study, dict(results), methods, first.seed, first.networks, watched)


@dataclass(frozen=True)
class Pairing:
    """An ensemble of A with one of B."""

    label: str
    a: str
    b: str
    layers: tuple[int, ...]


def pair(a: Side, b: Side) -> tuple[list[Pairing], list[str]]:
    """Which ensembles and layers go together, and what is to be said of those that do not.

    One ensemble goes with one; else equal labels go together; else, where both sides have as many, the first with the first.
    """
    ours, theirs = list(a.study.ensembles), list(b.study.ensembles)
    notes = []
    if len(ours) == len(theirs) == 1:
        pairs = [(ours[0], theirs[0])]
    elif common := [label for label in ours if label in theirs]:
        pairs = [(label, label) for label in common]
        for letter, labels in (("A", ours), ("B", theirs)):
            if alone := [label for label in labels if label not in common]:
                notes.append(f"only in {letter}, and not compared: {', '.join(alone)}")
    elif len(ours) == len(theirs):
        pairs = list(zip(ours, theirs, strict=True))
    else:
        raise SpecificationError(
            f"A has {len(ours)} ensembles ({_few(ours)}) and B has {len(theirs)} ({_few(theirs)}), none of the same label; compare "
            "one with one, as many with as many, or give them the same labels"
        )
    found = []
    for one, other in pairs:
        label = one if one == other else f"{one} against {other}"
        found.append(Pairing(label, one, other, _layers(label, a, b, one, other, notes)))
    return found, notes


def _layers(label: str, a: Side, b: Side, one: str, other: str, notes: list[str]) -> tuple[int, ...]:
    """Layers that both record, counted from the input."""
    recorded, depths = [], []
    for side, name in ((a, one), (b, other)):
        ensemble = side.study.ensembles[name]
        whole = ensemble.is_network or side.methods[name] == "conditional"
        recorded.append(ensemble.recorded if whole else (1,))
        depths.append(ensemble.depth)
        if ensemble.inputs.in_turn and a.networks != b.networks:
            raise SpecificationError(
                f"{name} takes rows in turn, and {a.networks} networks see other rows than {b.networks}; sample both with as many"
            )
    if any(side.study.ensembles[name].inputs.drawn_once for side, name in ((a, one), (b, other))):
        notes.append(f"{label}: all networks of a side see one input that was drawn for it, which is part of what differs")
    layers = tuple(layer for layer in recorded[0] if layer in recorded[1])
    if depths[0] != depths[1]:
        notes.append(
            f"{label}: A has {depths[0]} layers and B has {depths[1]}; {len(layers)} recorded by both are compared, counted from "
            "the input"
        )
    return layers


def apart(a: Side, b: Side, pairs: list[Pairing]) -> tuple[Side, Side]:
    """Both, one of them from the next seed where they would draw the same numbers.

    Raises
    ------
    SpecificationError
        Where both are sampled already.
    """
    for one in pairs:
        if a.stream(one.a) == b.stream(one.b):
            if not b.is_sampled:
                return a, dataclasses.replace(b, seed=_next(b.seed))
            if not a.is_sampled:
                return dataclasses.replace(a, seed=_next(a.seed)), b
            raise SpecificationError(
                f"{one.label}: A and B drew the same numbers (one law, the {b.methods[one.b]} sampler, seed {b.seed}), so that "
                "their difference says nothing; sample one of them with another seed"
            )
    return a, b


def _next(seed: int) -> int:
    return seed + 1 if seed < MAX_SEED else 0


def sampled(
    side: Side, pairs: list[str], threads: int | None, executor: futures.Executor | None, progress: Callable[[int], object] | None
) -> Side:
    """A side with its results, those of the ensembles in a pair."""
    if side.is_sampled:
        return side
    results = {
        label: simulate(
            side.study.ensembles[label],
            side.networks,
            side.seed,
            side.methods[label],
            threads=threads,
            executor=executor,
            progress=progress,
        )
        for label in pairs
    }
    return dataclasses.replace(side, results=results)


def _few(labels: list[str]) -> str:
    return ", ".join(labels if len(labels) <= 6 else [*labels[:5], "..."])
