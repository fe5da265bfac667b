"""Quantities of networks from layer to layer: estimates, intervals and predictions as arrays, for pictures.

Guarantee: intervals hold for all points of a call at once, with the error alpha over their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import LOWEST, LayerSummary
from fanin.judges import NetworkJudge, judge_of
from fanin.report import Report
from fanin.result import Result
from fanin.stats.network_names import check_network_recorded
from fanin.stats.network_quantities import network_evidence
from fanin.stats.network_theory import NetworkTheory

_ZERO = 2.0 ** (LOWEST + 1)  # below it a quantile is that of neurons whose value is 0


@dataclass(frozen=True, eq=False)
class Series:
    """One quantity of one ensemble by layer; NaN where there is none. low, high : the interval. predicted : by theory."""

    label: str
    quantity: str
    layers: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    predicted: np.ndarray

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not np.isfinite(self.estimate).any()

    def rooted(self) -> Series:
        """The square root of it all."""
        roots = (np.sqrt(np.maximum(values, 0.0)) for values in (self.estimate, self.low, self.high, self.predicted))
        return Series(self.label, self.quantity, self.layers, *roots)


def networks_of(report: Report) -> dict[str, Result]:
    """The results of a report that are of networks."""
    return {label: result for label, result in report.results.items() if result.is_network}


def series_of(results: dict[str, Result], quantities: Sequence[str], alpha: float, watched: bool = False) -> list[Series]:
    """The quantities of each ensemble, in the order of ensembles; what none of its layers records is left out."""
    wanted = [
        (label, quantity, layer)
        for label, result in results.items()
        for quantity in quantities
        for layer in sorted(result.layers)
        if _is_recorded(result, quantity, layer)
    ]
    theories = {label: _theory(results[label]) for label, _, _ in wanted}
    found = []
    for label, quantity in dict.fromkeys((label, quantity) for label, quantity, _ in wanted):
        layers = [layer for one, other, layer in wanted if (one, other) == (label, quantity)]
        rows = [_row(theories[label], results[label], quantity, layer, alpha / len(wanted), watched) for layer in layers]
        found.append(Series(label, quantity, np.array(layers), *np.array(rows).T))
    return [series for series in found if not series.is_empty]


def _theory(result: Result) -> NetworkTheory | None:
    """The theory of what was sampled; None where it knows nothing of it."""
    try:
        judge = judge_of("series", result.ensemble, result.method, result.seed, result.networks)
    except SpecificationError:
        return None
    assert isinstance(judge, NetworkJudge)
    return judge.theory


def _is_recorded(result: Result, quantity: str, layer: int) -> bool:
    try:
        check_network_recorded(quantity, result.ensemble, layer)
    except SpecificationError:
        return False
    return True


def _row(
    theory: NetworkTheory | None, result: Result, quantity: str, layer: int, error: float, watched: bool
) -> tuple[float, float, float, float]:
    kept = result.layers[layer]
    assert isinstance(kept, LayerSummary)
    interval = network_evidence(quantity, kept, result.ensemble, layer).interval(error, watched)
    if quantity in ("delta.median", "grad.median") and interval.estimate < _ZERO:
        return math.nan, math.nan, math.nan, math.nan
    try:
        predicted = math.nan if theory is None else float(theory.predict(layer, quantity).value)
    except SpecificationError:
        predicted = math.nan
    return interval.estimate, interval.low, interval.high, predicted
