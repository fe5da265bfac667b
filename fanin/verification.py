"""`verify`: from a study, an ensemble or a result to verdicts with one error rate."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

from fanin.claims import claims_of, methods_of
from fanin.engine import direct
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.engine.stream import MAX_NETWORKS, MAX_SEED
from fanin.judges import judge_of
from fanin.report import Report
from fanin.result import Layer, Result
from fanin.sampling import check_method, placed, sampled, whole_number
from fanin.stats.evidence import Evidence, Unknown
from fanin.stats.network_theory import NetworkTheory
from fanin.stats.predictions import Theory
from fanin.stats.two_sample import compared, is_scale
from fanin.stats.verdict import judge, judged
from fanin.store import Store
from fanin.studies import Study
from fanin.study_file import find_study
from fanin.summing import Place

ALPHA = 0.01
_PAUSE, _SHARE = 5.0, 0.02  # seconds between two looks at a run of fixed size, and the share of time that they take, at most
_LEAST_ALPHA = 1e-300  # its parts are still float64 numbers


def verify(
    subject: Study | Ensemble | Result | Report | str = "single-neuron",
    *,
    networks: int | float | None = None,
    seed: int = 501,
    method: str | None = None,
    threads: int | None = None,
    executor: futures.Executor | None = None,
    store: str | os.PathLike[str] | Store | None = None,
    alpha: float = ALPHA,
    tolerance: float = 1.0,
    progress: Callable[[int], object] | None = None,
    until: str | None = None,
    max_networks: int | float | None = None,
    look: Callable[[Report], object] | None = None,
) -> Report:
    """Sample a study and judge its claims, or judge a result or report that is already there.

    Parameters
    ----------
    subject : Study, Ensemble, Result, Report or str
        A study, the name of a built-in one or the path of a TOML file; an ensemble, which is judged against its theory; or a result
        or report, which is judged (again) without sampling.
    networks : int, optional
        Networks per ensemble; by default what the study says.
    until : str, optional
        "decided": sample in rounds that grow by at most a quarter, and stop as soon as every claim is confirmed or refuted. The
        error rate holds although the run is watched: intervals are those of confidence sequences.
    max_networks : int, optional
        Where a run until decided ends at the latest; by default at 100 times what the study says.
    look : callable, optional
        Called with a report on what was sampled so far: after each round of a run until decided; otherwise every few seconds, with
        what is not sampled yet undecided.
    method : str, optional
        As for `simulate`; by default what the study says, which is "direct" as a rule. "auto" takes the conditional sampler where
        it is exact and assumes nothing of what the study claims.
    seed, threads, executor, store, progress
        As for `simulate`.
    alpha : float
        Probability that any of the report's verdicts is wrong, at most.
    tolerance : float
        Factor on the tolerance of every claim.

    Raises
    ------
    SpecificationError
        For a value that cannot be sampled or judged.

    Examples
    --------
    >>> report = verify(Ensemble(widths=(10, 1)), networks=2**20, tolerance=10)
    >>> report.exit_code
    0
    """
    check_alpha(alpha)
    if until is not None and tolerance == 0.0:
        raise SpecificationError(
            "the tolerance factor is 0: no run confirms a claim without a tolerance, and until decided would never end; give a "
            "small factor such as 0.1"
        )
    check_factor(tolerance)
    if method is not None:
        check_method(method)
    check_until(until, networks, max_networks)
    watched = until is not None
    if isinstance(subject, (Report, Result)):
        sampling = {"networks": networks, "until": until, "method": method, "threads": threads, "executor": executor}
        if given := [name for name, value in (sampling | {"store": store}).items() if value is not None]:
            what = type(subject).__name__.lower()
            raise SpecificationError(f"{given[0]} is about sampling, and a {what} is only judged again; leave it out")
    if isinstance(subject, Report):
        study, results, watched = subject.study, subject.results, subject.watched
    elif isinstance(subject, Result):
        study = Study("result", "A result that was there.", {_label(subject.ensemble): subject.ensemble}, networks=subject.networks)
        results, watched = {label: subject for label in study.ensembles}, subject.watched
    else:
        study = study_of(subject)
        size = whole_number(study.networks if networks is None else networks, "networks", 1, MAX_NETWORKS)
        seed = whole_number(seed, "seed", 0, MAX_SEED)
        methods = methods_of(study, method, seed, size)
        most = None if max_networks is None else whole_number(max_networks, "max_networks", 1, MAX_NETWORKS)
        if not watched:
            claims_of(study, methods, seed, size)  # what cannot be judged is refused before any work
        with placed(threads, executor, store, progress) as place:
            if watched:
                from fanin.watching import watch

                return watch(study, methods, seed, alpha, tolerance, most, place, look)
            results = _sampled(study, size, seed, methods, place, alpha, tolerance, look)
    return judge_all(study, results, alpha, tolerance, watched)


def _sampled(
    study: Study,
    networks: int,
    seed: int,
    methods: dict[str, str],
    place: Place,
    alpha: float,
    tolerance: float,
    look: Callable[[Report], object] | None,
) -> dict[str, Result]:
    """The results of a run of fixed size, with a look at what there is so far now and then."""
    results: dict[str, Result] = {}
    last = took = 0.0

    def so_far(label: str, layers: dict[int, Layer]) -> None:
        nonlocal last, took
        now = time.monotonic()
        if look is None or now - last < max(_PAUSE, took / _SHARE):
            return
        found = Result(
            study.ensembles[label], next(iter(layers.values())).networks, seed, methods[label], layers, 0.0, place.workers
        )
        look(judge_all(study, results | {label: found}, alpha, tolerance, methods=methods))
        last = time.monotonic()
        took = last - now

    for label, ensemble in study.ensembles.items():
        here = dataclasses.replace(place, so_far=functools.partial(so_far, label))
        results[label] = sampled(ensemble, networks, seed, methods[label], here)
    return results


def judge_all(
    study: Study,
    results: dict[str, Result],
    alpha: float = ALPHA,
    tolerance: float = 1.0,
    watched: bool = False,
    methods: dict[str, str] | None = None,
) -> Report:
    """Judge what was sampled. One simultaneous interval per claim: each may miss with probability alpha over their number.

    watched : whether the size of the run was chosen by looking at it. methods : sampler by ensemble, where some of the ensembles
    are not sampled yet: nothing is known of these.
    """
    first = next(iter(results.values()))
    methods = methods or {label: result.method for label, result in results.items()}
    own = claims_of(study, methods, first.seed, first.networks)
    claims = [dataclasses.replace(claim, tolerance=claim.tolerance * tolerance) for claim in own]
    judges = {
        label: judge_of(label, ensemble, methods[label], first.seed, first.networks) for label, ensemble in study.ensembles.items()
    }
    streams = {label: (result.seed, result.ensemble.stream_label(result.method)) for label, result in results.items()}
    error = alpha / judged(claims)

    def evidence(label: str, quantity: str, layer: int) -> Evidence:
        if label not in results and label in methods:
            return Unknown()
        return judges[label].evidence(quantity, layer, results[label].layers[layer])

    verdicts = []
    for claim in claims:
        found = evidence(claim.ensemble, claim.quantity, claim.layer)
        if claim.against:
            other = evidence(claim.against, claim.quantity, claim.against_layer or claim.layer)
            independent = streams.get(claim.ensemble) != streams.get(claim.against)
            found = compared(found, other, scale=is_scale(claim.quantity), independent=independent)
        verdicts.append(judge(claim, found, results[claim.ensemble].networks if claim.ensemble in results else 0, error, watched))
    return Report(study=study, results=results, verdicts=verdicts, alpha=alpha, tolerance=tolerance, watched=watched)


def theory_of(ensemble: Ensemble, seed: int, networks: int) -> Theory | NetworkTheory:
    """Theory of an ensemble that is sampled directly; a shared random input is first drawn, and then held fixed."""
    return judge_of("theory", ensemble, direct.NAME, seed, networks).theory


def study_of(subject: Any) -> Study:
    """A study itself, by its name or path, or of one ensemble."""
    if isinstance(subject, Study):
        return subject
    if isinstance(subject, Ensemble):
        return Study("ensemble", _purpose(subject), {_label(subject): subject}, networks=_size(subject))
    if isinstance(subject, str):
        return find_study(subject)
    raise SpecificationError(f"verify takes a study, an ensemble, a result or a report, not {type(subject).__name__}")


def _purpose(ensemble: Ensemble) -> str:
    if not ensemble.is_network:
        return f"One neuron with {ensemble.fan_in} inputs and {ensemble.activation} activation."
    widths = [str(width) for width in ensemble.widths]
    shown = "-".join(widths if len(widths) <= 8 else [*widths[:3], "...", widths[-1]])
    return f"A network of {ensemble.depth} layer{'s' if ensemble.depth > 1 else ''} of weights, widths {shown}."


def _size(ensemble: Ensemble) -> int:
    """Networks of an ensemble of one's own: 1e7 single neurons, fewer networks the larger they are, but at least 1000."""
    if not ensemble.is_network:
        return 10_000_000
    weights = sum(a * b for a, b in zip(ensemble.widths[:-1], ensemble.widths[1:], strict=True))
    return 10 ** min(6, max(3, 10 - math.ceil(math.log10(weights))))


def _label(ensemble: Ensemble) -> str:
    return "layers" if isinstance(ensemble.scheme, tuple) else str(ensemble.scheme)


def check_until(until: str | None, networks: object, max_networks: object) -> None:
    """Refuse an end of a run that is none, and options that do not go with it."""
    if until not in (None, "decided"):
        raise SpecificationError(f"until is {until!r}; the only word known is decided")
    if until is not None and networks is not None:
        raise SpecificationError(f"networks is {networks}, and a run until decided chooses its size; give max_networks instead")
    if until is None and max_networks is not None:
        raise SpecificationError(f"max_networks is {max_networks}, which is for a run until decided; give networks instead")


def check_alpha(alpha: float) -> None:
    """Refuse an error rate that is none."""
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0.0 < alpha < 1.0:
        raise SpecificationError(f"alpha is {alpha!r}; it must lie between 0 and 1, both excluded")
    if alpha < _LEAST_ALPHA:
        raise SpecificationError(f"alpha is {alpha!r}; it must be at least {_LEAST_ALPHA:g}")


def check_factor(factor: float) -> None:
    """Refuse a factor of the tolerance that is none."""
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 0.0 < factor < math.inf:
        raise SpecificationError(f"the tolerance factor is {factor!r}; it must be a positive finite number")
