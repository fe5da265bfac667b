"""`Report`: the verdicts of a run, as an object, as JSON and as an exit code."""

from __future__ import annotations

import functools
import hashlib
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fanin
from fanin.engine.schemes import Scheme
from fanin.provenance import provenance
from fanin.result import Result
from fanin.stats.verdict import REFUTED, UNDECIDED, Verdict

if TYPE_CHECKING:
    from fanin.diagnosis import Diagnosis
    from fanin.studies import Study

AS_EXPECTED, NOT_AS_EXPECTED, NOT_DECIDED = 0, 1, 3


@dataclass(frozen=True, eq=False)
class Report:
    """The verdicts on all claims of a study.

    results : the results by ensemble. verdicts : one for each claim. alpha : probability of any wrong verdict, at most.
    tolerance : the factor on the tolerance of every claim. watched : whether the run was watched, and stopped where all was
    decided; then every interval holds at all its sizes at once. Printed, it is the table of the command line.
    """

    study: Study
    results: dict[str, Result]
    verdicts: list[Verdict]
    alpha: float
    tolerance: float = 1.0
    watched: bool = False

    @property
    def exit_code(self) -> int:
        """0: all as expected. 1: something is decided otherwise. 3: something is undecided."""
        if any(v.verdict != UNDECIDED and not v.as_expected for v in self.verdicts):
            return NOT_AS_EXPECTED
        return NOT_DECIDED if any(v.verdict == UNDECIDED for v in self.verdicts) else AS_EXPECTED

    @property
    def seconds(self) -> float:
        """Wall time of sampling and merging, all ensembles together."""
        return sum(result.seconds for result in self.results.values())

    @functools.cached_property
    def digest(self) -> str:
        """sha256 over the digests of the results, in the order of their labels."""
        parts = [f"{label}:{self.results[label].digest}" for label in sorted(self.results)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @functools.cached_property
    def diagnoses(self) -> list[Diagnosis]:
        """What fits the claims that are refuted and were not expected to be."""
        if not any(v.verdict == REFUTED and not v.as_expected for v in self.verdicts):
            return []
        from fanin.diagnosis import diagnose

        return diagnose(self)

    def to_dict(self) -> dict[str, Any]:
        """The report in plain values, as `fanin verify --json` prints it: None where a number is not finite."""
        first = next(iter(self.results.values()))
        return {
            "fanin": fanin.__version__,
            "study": self.study.name,
            "seed": first.seed,
            "networks": first.networks,
            "method": first.method if len({result.method for result in self.results.values()}) == 1 else "several",
            "alpha": float(self.alpha),
            "tolerance_factor": float(self.tolerance),
            "until": "decided" if self.watched else None,
            "seconds": self.seconds,
            "digest": self.digest,
            "ensembles": {
                label: {
                    "ensemble": result.ensemble.canonical(),
                    "inputs": str(result.ensemble.inputs),
                    "method": result.method,
                    "digest": result.digest,
                }
                for label, result in self.results.items()
            },
            "claims": [self._claim(verdict) for verdict in self.verdicts],
            "diagnosis": [found.to_dict() for found in self.diagnoses],
            "provenance": provenance(first.threads) if first.origin is None else first.origin,
        }

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write the report with all it needs to be shown and judged again: a .json or .nc file (`fanin.load_report`).

        Raises
        ------
        SpecificationError
            For another suffix, a file that is there already (unless `overwrite`), a folder that cannot be written to, a law of
            one's own, or a package that is not installed.
        """
        from fanin.result_file import save_report

        save_report(self, path, overwrite)

    def _repr_html_(self) -> str:
        from fanin.html import report_html

        return report_html(self)

    def _claim(self, verdict: Verdict) -> dict[str, Any]:
        claim, interval = verdict.claim, verdict.interval
        return {
            "id": claim.id,
            "ensemble": claim.ensemble,
            "scheme": _shown(self.results[claim.ensemble].ensemble.scheme),
            "layer": claim.layer,
            "quantity": claim.quantity,
            "predicted": claim.predicted,
            "prediction_error": or_null(claim.error),
            "estimate": or_null(interval.estimate),
            "low": or_null(interval.low),
            "high": or_null(interval.high),
            "coverage": interval.coverage,
            "tolerance": claim.tolerance,
            "label": claim.label,
            "verdict": verdict.verdict,
            "expected": claim.expected,
            "needed": verdict.networks_needed,
            "p_value": None if claim.assumed else verdict.p_value,
            "smallest_detectable": None if claim.assumed else or_null(verdict.smallest_detectable),
            "source": claim.source,
        }

    def __repr__(self) -> str:
        from fanin.table import plain_text

        return plain_text(self)


def _shown(scheme: Scheme | tuple[Scheme, ...]) -> str:
    """A scheme, or those of the layers."""
    return "; ".join(map(str, scheme)) if isinstance(scheme, tuple) else str(scheme)


def or_null(value: float) -> float | None:
    """A number as JSON has them: None for what is not finite."""
    return value if math.isfinite(value) else None
