"""Quantities of a layer of a network by name: what each estimates from a `LayerSummary`, and the evidence that decides about it.

A name is a base and, where it needs one, an argument in brackets: `z.tail[5]`, `delta.quantile[0.95]`. The network is the
observation: see `clusters` for moments and `network_bins` for quantiles. Where a network is not finite, or its delta are beyond
the range of the sums, every interval is the whole line.

Bounded statistics (shares, cosines, and moments of a bounded phi or phi' over less than `evidence_kinds.MANY` networks) have
intervals that hold at every size; those of other moments are asymptotic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fanin.engine.accumulators import FLAT
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import LayerSummary
from fanin.engine.spec import Ensemble
from fanin.stats.activation_functions import ActivationFunction, find_activation
from fanin.stats.clusters import (
    cluster_mean,
    clustered,
    mean_in_range,
    mean_square,
    plain_mean,
    pooled_moment,
    tail_size,
    variance_of_log,
)
from fanin.stats.evidence import Evidence, Mapped, Unknown
from fanin.stats.evidence_kinds import BoundedMean, GaussianVariance, Proportion, Studentised
from fanin.stats.intervals import Interval
from fanin.stats.network_bins import bin_quantile, field_distance, size_quantile
from fanin.stats.network_names import (
    ARGUMENT,
    CHANGE,
    FIELD,
    NETWORK_QUANTITIES,
    PAIR,
    changed_input,
    check_network_recorded,
    split_network_name,
)


@dataclass(frozen=True)
class _Layer:
    """What a measurement needs: the summary, its ensemble and the layer's number."""

    summary: LayerSummary
    ensemble: Ensemble
    number: int

    @property
    def function(self) -> ActivationFunction | None:
        """The built-in activation of the layer; None for one's own."""
        activation = self.ensemble.activations[self.number - 1]
        return find_activation(activation) if isinstance(activation, str) else None


def network_evidence(name: str, summary: LayerSummary, ensemble: Ensemble, layer: int) -> Evidence:
    """What a run says of a quantity of one layer."""
    check_network_recorded(name, ensemble, layer)
    base, argument = split_network_name(name)
    found = _evidence(base, argument, _Layer(summary, ensemble, layer))
    counts = summary.counts
    lost = bool(counts["nonfinite"] or counts["underflow"])
    if base.startswith(("delta.", "grad.", "jacobian.", "change.cost.")):
        lost = lost or counts["backward"] < summary.networks or (bool(counts["extreme"]) and ".lognorm." not in base)
    return Unknown(found.estimate, lost=True) if lost else found


def measure_network(name: str, summary: LayerSummary, ensemble: Ensemble, layer: int, error: float) -> Interval:
    """Estimate and interval of a quantity of one layer in a run of fixed size. error : the probability with which it may miss."""
    return network_evidence(name, summary, ensemble, layer).interval(error)


def recorded_names(ensemble: Ensemble, layer: int) -> list[str]:
    """Names of all that is recorded of a layer, with some arguments where a name needs one."""
    names = [name for name in NETWORK_QUANTITIES if name not in ARGUMENT]
    names += [f"z.tail[{t:g}]" for t in ensemble.tails] + [f"delta.below[{t:g}]" for t in ensemble.slow]
    names += [f"slope.below[{FLAT:g}]", *(f"{variable}.quantile[{p}]" for variable in ("z", "delta", "grad") for p in (0.05, 0.95))]
    return [name for name in names if _is_recorded(name, ensemble, layer)]


def _is_recorded(name: str, ensemble: Ensemble, layer: int) -> bool:
    try:
        check_network_recorded(name, ensemble, layer)
    except SpecificationError:
        return False
    return True


def network_estimates(summary: LayerSummary, ensemble: Ensemble, layer: int) -> dict[str, float]:
    """Point estimates of everything that is recorded of a layer, by name."""
    found = {}
    for name in recorded_names(ensemble, layer):
        try:
            found[name] = network_evidence(name, summary, ensemble, layer).estimate
        except SpecificationError:  # the field is binned by the direct sampler only
            continue
    return found


def _evidence(base: str, argument: float | None, layer: _Layer) -> Evidence:
    summary, ensemble = layer.summary, layer.ensemble
    shares = {"phi.saturated": "saturated", "slope.below": "flat"}
    if base == "z.tail":
        return mean_in_range(summary, f"tail:{ensemble.tails.index(argument or 0.0)}", 0.0, 1.0)
    if base == "delta.below":
        return mean_in_range(summary, f"slow:{ensemble.slow.index(argument or 0.0)}", 0.0, 1.0)
    if base in shares:
        return mean_in_range(summary, shares[base], 0.0, 1.0)
    if base in PAIR:
        return mean_in_range(summary, "cosine" if base == "correlation" else "delta.cosine", -1.0, 1.0)
    if base == "share.dead":
        return Proportion(summary.counts["dead"], summary.finite) if summary.finite else Unknown()
    if base == "field.law":
        return field_distance(summary)
    if base.endswith((".quantile", ".median")) and base not in CHANGE:
        return _quantile(base, 0.5 if argument is None else argument, layer)
    if ".lognorm." in base:
        statistic, _, moment = base.partition(".lognorm.")
        return _log_norm(f"ln {statistic}", moment, summary)
    if base in FIELD:
        return _field(base, layer)
    if base in CHANGE:
        return _change(base, argument or 0.0, layer)
    return _moment(base, layer)


def _moment(base: str, layer: _Layer) -> Evidence:
    """Moments of z, phi, phi', delta and the gradient over all neurons together."""
    summary = layer.summary
    variable, _, what = base.partition(".")
    steady = summary.finite * cluster_mean(summary, "z^2").share ** 2  # means rest on squares, which z^2 bounds
    match base:
        case "z.mean":
            return plain_mean(summary, "z^1", steady)
        case "z.variance" | "z.skewness" | "z.kurtosis" | "phi.variance" | "slope.variance":
            return pooled_moment(what, summary, variable)
        case "phi.mean" | "slope.mean":
            least, most = _range(layer.function, variable, 1)
            name = f"{variable}^1"
            effective = tail_size(summary, "slope^2") if variable == "slope" else steady
            return _bounded(summary, name, least, most, plain_mean(summary, name, effective))
        case "slope.meansquare" | "q":
            name = "slope^2" if variable == "slope" else "phi^2"
            least, most = _range(layer.function, "slope" if variable == "slope" else "phi", 2)
            return _bounded(summary, name, least, most, mean_square(summary, name))
        case "delta.meansquare":
            return mean_square(summary, "delta^2")
        case "delta.kurtosis":
            return mean_square(summary, "delta.kurtosis")
        case "grad.meansquare":
            return mean_square(summary, "grad^2")
        case _:
            return mean_square(summary, "jacobian")


def _bounded(summary: LayerSummary, name: str, least: float, most: float, plain: Evidence) -> Evidence:
    """The mean of a statistic that may be bounded: in a run of fixed size by its bounds while networks are few, watched by them
    always, as a sequence has one rule."""
    found = Unknown() if math.isinf(most - least) else mean_in_range(summary, name, least, most)
    if not isinstance(found, BoundedMean) or not isinstance(plain, Studentised):
        return plain
    return replace(found, plain=plain)


def _range(function: ActivationFunction | None, variable: str, power: int) -> tuple[float, float]:
    """Between what phi, phi^2, phi' or phi'^2 lie; infinite where they are not known to be bounded."""
    if function is None:
        return -math.inf, math.inf
    if variable == "slope":
        steep = function.steepest
        return (0.0, steep**2) if power == 2 else (0.0 if function.monotone else -steep, steep)
    low, high = function.low, function.high
    if not math.isfinite(high - low):
        return -math.inf, math.inf
    return (low, high) if power == 1 else (0.0, max(low**2, high**2))


def _quantile(base: str, p: float, layer: _Layer) -> Evidence:
    summary = layer.summary
    variable = base.partition(".")[0]
    if variable in ("z", "delta", "grad"):
        found = bin_quantile(summary, variable, p)
        return found if variable == "z" else Mapped(found, _same, 0.0)
    function = layer.function
    assert function is not None
    if variable == "phi":
        return Mapped(bin_quantile(summary, "z", p), function.value)
    return Mapped(size_quantile(summary, 1.0 - p), function.slope, 0.0)  # phi' falls with |z|


def _same(value: Any) -> Any:
    return value


def _log_norm(statistic: str, moment: str, summary: LayerSummary) -> Evidence:
    """Mean or variance over networks of a logarithm, given that it is finite."""
    found = cluster_mean(summary, statistic)
    if found.trials == 0:
        return Unknown()
    if moment == "mean":
        return plain_mean(summary, statistic)
    return variance_of_log(summary, statistic)


def _field(base: str, layer: _Layer) -> Evidence:
    """Moments of the standardised field; where a covariance is not recorded, standard errors are added, which bounds that of the
    sum."""
    summary = layer.summary
    trials = summary.counts["field"]
    if trials == 0:
        return Unknown()
    parts = [cluster_mean(summary, name) for name in ("field^1", "field^2", "field^3", "field^4")]
    (m1, m2, m3, m4), (e1, e2, e3, _) = ([part.mean for part in parts], [part.standard_error for part in parts])
    steady = trials * parts[1].share ** 4
    if base == "field.mean":
        return clustered("mean", m1, e1, trials, steady)
    second = m2 - m1**2
    if base == "field.variance" or not second > 0.0:
        found = clustered("variance", second, e2 + 2.0 * abs(m1) * e1, trials, steady, e1)
        neurons = trials * layer.ensemble.widths[layer.number]  # all are independent
        return GaussianVariance(found, neurons, neurons * m2)
    if base == "independence.neurons":
        pairs = cluster_mean(summary, "field.pairs")
        spread = pairs.standard_error / m2 + abs(pairs.mean) * e2 / m2**2
        return clustered("correlation", pairs.mean / m2, spread, trials, steady)
    fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1**2 * m2 - 3.0 * m1**4
    by_second = 6.0 * m1**2 / second**2 - 2.0 * fourth / second**3
    joint = float(summary.sum("field^2*field^4") / trials) - m2 * m4
    spread = parts[3].variance / second**4 + by_second**2 * parts[1].variance + 2.0 * by_second * joint / second**2
    by_first = (-4.0 * m3 + 12.0 * m1 * m2 - 12.0 * m1**3) / second**2 + 4.0 * m1 * fourth / second**3
    error_of = math.sqrt(max(spread, 0.0) / trials) + abs(by_first) * e1 + abs(4.0 * m1) / second**2 * e3
    return clustered("kurtosis", fourth / second**2, error_of, trials, trials * parts[3].share ** 4)


def _change(base: str, change: float, layer: _Layer) -> Evidence:
    """Of what a change of one first-layer weight does, to first order: change * x * phi'(z), and change * x * delta."""
    factor = change * changed_input(base, layer.ensemble, layer.number)
    inner = {
        "change.activation.meansquare": "slope.meansquare",
        "change.activation.median": "slope.median",
        "change.cost.meansquare": "delta.meansquare",
        "change.cost.median": "delta.median",
    }[base]
    if base.endswith("meansquare"):
        return Mapped(_evidence(inner, None, layer), lambda value: factor * np.sqrt(np.maximum(value, 0.0)), 0.0)
    return Mapped(_evidence(inner, None, layer), lambda value: factor * value, 0.0)
