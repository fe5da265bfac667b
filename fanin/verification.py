"""`verify`: from a study, an ensemble or a result to verdicts with one error rate."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from concurrent import futures
from typing import Any

from fanin.engine import direct
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.engine.stream import MAX_NETWORKS, MAX_SEED
from fanin.report import Report
from fanin.result import Result
from fanin.sampling import check_method, simulate, whole_number
from fanin.stats.predictions import Theory
from fanin.stats.quantities import check_recorded, measure
from fanin.stats.verdict import Claim, judge
from fanin.studies import Study
from fanin.study_file import find_study

ALPHA = 0.01


def verify(
    subject: Study | Ensemble | Result | Report | str = "single-neuron",
    *,
    networks: int | float | None = None,
    seed: int = 501,
    method: str = "direct",
    threads: int | None = None,
    executor: futures.Executor | None = None,
    alpha: float = ALPHA,
    tolerance: float = 1.0,
    progress: Callable[[int], object] | None = None,
) -> Report:
    """Sample a study and judge its claims, or judge a result or report that is already there.

    Parameters
    ----------
    subject : Study, Ensemble, Result, Report or str
        A study, the name of a built-in one or the path of a TOML file; an ensemble, which is judged against its theory; or a result
        or report, which is judged (again) without sampling.
    networks : int, optional
        Networks per ensemble; by default what the study says.
    seed, method, threads, executor, progress
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
    check_factor(tolerance)
    check_method(method)
    if isinstance(subject, Report):
        study, results = subject.study, subject.results
    elif isinstance(subject, Result):
        study = Study("result", "A result that was there.", {_label(subject.ensemble): subject.ensemble}, networks=subject.networks)
        results = {label: subject for label in study.ensembles}
    else:
        study = study_of(subject)
        size = whole_number(study.networks if networks is None else networks, "networks", 1, MAX_NETWORKS)
        claims_of(study, whole_number(seed, "seed", 0, MAX_SEED), size)  # what cannot be judged is refused before any work
        results = {
            label: simulate(
                ensemble,
                networks=study.networks if networks is None else networks,
                seed=seed,
                method=method,
                threads=threads,
                executor=executor,
                progress=progress,
            )
            for label, ensemble in study.ensembles.items()
        }
    return judge_all(study, results, alpha, tolerance)


def claims_of(study: Study, seed: int, networks: int) -> list[Claim]:
    """All claims of a study, in the order of its report: theory of each ensemble, then the study's own."""
    claims: list[Claim] = []
    for label, ensemble in study.ensembles.items():
        theory = theory_of(ensemble, seed, networks)
        for quantity in theory.names() if study.quantities is None else study.quantities:
            check_recorded(quantity, theory.ensemble)
            prediction = theory.predict(quantity)
            claims.append(
                Claim(
                    id=f"{label}/1/{quantity}",
                    ensemble=label,
                    layer=1,
                    quantity=quantity,
                    predicted=prediction.value,
                    tolerance=prediction.tolerance,
                    error=prediction.error,
                    source=prediction.source,
                )
            )
        for claim in study.claims:
            if claim.ensemble == label:
                check_recorded(claim.quantity, theory.ensemble)
                theory.check_moments(claim.quantity)
                if claim.quantity == "z.law" and theory.law is None:
                    raise SpecificationError(
                        f"{claim.id} is a distance from the law that theory predicts, and it predicts none here"
                    )
                claims.append(claim)
    if lost := [claim for claim in study.claims if claim.ensemble not in study.ensembles]:
        raise SpecificationError(
            f"{lost[0].id} is about the ensemble {lost[0].ensemble!r}; the study has {', '.join(study.ensembles)}"
        )
    if not claims:
        raise SpecificationError(f"the study {study.name} claims nothing; give it quantities or claims")
    return claims


def judge_all(study: Study, results: dict[str, Result], alpha: float = ALPHA, tolerance: float = 1.0) -> Report:
    """Judge what was sampled. One simultaneous interval per claim: each may miss with probability alpha over their number."""
    first = next(iter(results.values()))
    own = claims_of(study, first.seed, first.networks)
    claims = [dataclasses.replace(claim, tolerance=claim.tolerance * tolerance) for claim in own]
    theories = {label: theory_of(ensemble, first.seed, first.networks) for label, ensemble in study.ensembles.items()}
    verdicts = []
    for claim in claims:
        result, theory = results[claim.ensemble], theories[claim.ensemble]
        interval = measure(claim.quantity, result.layers[claim.layer], theory.ensemble, alpha / len(claims), theory.law)
        verdicts.append(judge(claim, interval, result.networks))
    return Report(study=study, results=results, verdicts=verdicts, alpha=alpha, tolerance=tolerance)


def theory_of(ensemble: Ensemble, seed: int, networks: int) -> Theory:
    """Theory of an ensemble; a shared random input is first drawn, and then held fixed."""
    inputs = ensemble.inputs
    if inputs.drawn_once:
        ensemble = dataclasses.replace(ensemble, inputs=direct.drawn_input(ensemble, seed))
    return _theory(ensemble, networks if inputs.in_turn else None)


_theory = functools.lru_cache(maxsize=16)(Theory)


def study_of(subject: Any) -> Study:
    """A study itself, by its name or path, or of one ensemble."""
    if isinstance(subject, Study):
        return subject
    if isinstance(subject, Ensemble):
        return Study(
            "ensemble", f"One neuron with {subject.fan_in} inputs and {subject.activation} activation.", {_label(subject): subject}
        )
    if isinstance(subject, str):
        return find_study(subject)
    raise SpecificationError(f"verify takes a study, an ensemble, a result or a report, not {type(subject).__name__}")


def _label(ensemble: Ensemble) -> str:
    return str(ensemble.scheme)


def check_alpha(alpha: float) -> None:
    """Refuse an error rate that is none."""
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0.0 < alpha < 1.0:
        raise SpecificationError(f"alpha is {alpha!r}; it must lie between 0 and 1, both excluded")


def check_factor(factor: float) -> None:
    """Refuse a factor of the tolerance that is none."""
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 0.0 < factor < math.inf:
        raise SpecificationError(f"the tolerance factor is {factor!r}; it must be a positive finite number")
