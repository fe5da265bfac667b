"""What a network does from layer to layer: estimates of every recorded layer as arrays, for tables and words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fanin.engine.activation_spec import OwnActivation
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import LOWEST, OCTAVES, LayerSummary
from fanin.engine.spec import Ensemble
from fanin.judges import NetworkJudge, judge_of
from fanin.result import Result
from fanin.stats.activation_functions import find_activation
from fanin.stats.network_quantities import measure_network
from fanin.stats.theory_value import EXACT

NAMES = (
    "z.variance",
    "z.kurtosis",
    "phi.saturated",
    "slope.median",
    "q",
    "q.lognorm.mean",
    "share.dead",
    "delta.meansquare",
    "delta.median",
    "delta.lognorm.mean",
    "correlation",
)
SMALLEST, LARGEST = 2.0 ** (LOWEST + 1), 2.0 ** (LOWEST + OCTAVES - 1)
"""Sizes between which bins tell |delta| apart, with an octave to spare at both ends."""

_ERROR = 0.01
_PINNED_ERROR = 1e-4
_PINNED = {"z.variance": 0.1, "q": 0.1, "correlation": 0.05}
"""Half-width of an interval up to which an estimate is pinned down: relative, of a correlation absolute."""

_EXACT = ("z.variance", "q")
_AGREES = 0.01


@dataclass(frozen=True, eq=False)
class Profile:
    """Estimates by layer.

    layers : the recorded ones, ascending. values : by name, one number for each of `layers`, NaN where there is none. steady : of
    each layer, whether the mean square of delta has an error: where not, few networks carry it. counts : of networks, by layer.
    pinned : by name, of each layer, whether the networks show the value to a tenth (a correlation to 0.05). exact : by name, what
    theory knows exactly of each layer; NaN where it knows nothing, or where the networks contradict it or some are not finite.
    """

    ensemble: Ensemble
    networks: int
    layers: np.ndarray
    values: dict[str, np.ndarray]
    steady: np.ndarray
    counts: dict[str, np.ndarray]
    pinned: dict[str, np.ndarray]
    exact: dict[str, np.ndarray]

    @property
    def has_backward(self) -> bool:
        """Whether something was sent back."""
        return self.ensemble.cost != "none"

    @property
    def bounded(self) -> np.ndarray:
        """Of each layer, whether its phi has two ends, so that a neuron can be saturated."""
        return self._where(is_bounded)

    @property
    def rectified(self) -> np.ndarray:
        """Of each layer, whether phi is 0 for all negative z, so that a layer can be dead."""
        return self._where(lambda activation: activation == "relu")

    @property
    def by_network(self) -> bool:
        """Whether "typical" is said of networks: about half of rectified neurons have no delta, so that a median says nothing."""
        return bool((self.rectified & (self.layers < self.ensemble.depth)).any())

    def _where(self, holds: Callable[[str | OwnActivation], bool]) -> np.ndarray:
        return np.array([holds(self.ensemble.activations[layer - 1]) for layer in self.layers])

    @property
    def out_of_range(self) -> np.ndarray:
        """Of each layer, whether the sum of delta^2 misses networks, so that only the logarithms tell its size."""
        return self.counts["extreme"] > 0

    @property
    def log_rms(self) -> np.ndarray:
        """log10 of the root mean square of delta; of its geometric mean over networks where it is out of range. -inf for 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log10(self.values["delta.meansquare"]) / 2.0
        return np.where(self.out_of_range, self.log_typical, logs)

    @property
    def log_typical(self) -> np.ndarray:
        """log10 of the geometric mean over networks of the root mean square of delta over a layer, where that is not 0."""
        return self.values["delta.lognorm.mean"] / (2.0 * math.log(10.0))

    @property
    def log_median(self) -> np.ndarray:
        """log10 of the median of |delta|; -inf below the range of the bins, inf above."""
        median = self.values["delta.median"]
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log10(median)
        return np.where(median < SMALLEST, -np.inf, np.where(median >= LARGEST, np.inf, logs))

    def at(self, name: str, layer: int) -> float:
        """One estimate."""
        return float(self.values[name][np.searchsorted(self.layers, layer)])


def is_bounded(activation: str | OwnActivation) -> bool:
    """Whether the range of an activation has two ends."""
    function = find_activation(activation) if isinstance(activation, str) else activation
    return math.isfinite(function.high - function.low)


def has_profile(result: Result) -> bool:
    """Whether whole layers are recorded: of networks, and of single layers by the conditional sampler."""
    return all(isinstance(layer, LayerSummary) for layer in result.layers.values())


def profile_of(result: Result, label: str = "profile") -> Profile:
    """The profile of a result on networks. label : of the ensemble in its report, whose theory need not be made again."""
    layers = sorted(result.layers)
    values = {name: np.full(len(layers), math.nan) for name in NAMES}
    steady = np.zeros(len(layers), bool)
    pinned = {name: np.zeros(len(layers), bool) for name in _PINNED}
    exact = _exact(result, layers, label)
    counts: dict[str, list[int]] = {}
    for at, layer in enumerate(layers):
        summary = result.layers[layer]
        assert isinstance(summary, LayerSummary)
        for name in NAMES:
            try:
                error = _PINNED_ERROR if name in _PINNED else _ERROR
                interval = measure_network(name, summary, result.ensemble, layer, error)
            except SpecificationError:  # not recorded of this ensemble
                continue
            values[name][at] = interval.estimate
            if name == "delta.meansquare":
                steady[at] = math.isfinite(interval.high)
            if name in _PINNED:
                unit = 1.0 if name == "correlation" else abs(interval.estimate)
                pinned[name][at] = (interval.high - interval.low) / 2.0 <= _PINNED[name] * unit
            if name in exact:
                room = _AGREES * abs(exact[name][at])
                if summary.counts["nonfinite"] or not interval.low - room <= exact[name][at] <= interval.high + room:
                    exact[name][at] = math.nan
        for name, count in summary.counts.items():
            counts.setdefault(name, []).append(count)
    kept = {name: np.array(column) for name, column in counts.items()}
    return Profile(result.ensemble, result.networks, np.array(layers), values, steady, kept, pinned, exact)


def _exact(result: Result, layers: list[int], label: str) -> dict[str, np.ndarray]:
    """What theory knows exactly, by name and layer."""
    found = {name: np.full(len(layers), math.nan) for name in _EXACT}
    try:
        judge = judge_of(label, result.ensemble, result.method, result.seed, result.networks)
    except SpecificationError:  # theory knows nothing of this ensemble
        return found
    assert isinstance(judge, NetworkJudge)
    for name, values in found.items():
        for at, layer in enumerate(layers):
            try:
                prediction = judge.theory.predict(layer, name)
            except SpecificationError:  # nothing of this layer
                continue
            if prediction.label == EXACT:
                values[at] = prediction.value
    return found
