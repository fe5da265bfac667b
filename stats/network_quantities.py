"""Quantities of a layer of a network by name: what each estimates from a `LayerSummary`, and the interval that decides about it.

A name is a base and, where it needs one, an argument in brackets: `z.tail[5]`, `delta.quantile[0.95]`. The network is the
observation: see `clusters` for moments and `network_bins` for quantiles. Where a network is not finite, or its delta are beyond
the range of the sums, every interval is the whole line.

Bounded statistics (shares, cosines, moments of a bounded phi or phi') have intervals that hold at every size; those of other
moments are asymptotic. `.lognorm.variance` rests on the assumption that the logarithm has a kurtosis of at most
`LARGEST_LOG_KURTOSIS`: its fourth moment is not recorded.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fanin.engine.accumulators import FLAT
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import LayerSummary
from fanin.engine.spec import Ensemble
from fanin.stats.activation_functions import ActivationFunction, find_activation
from fanin.stats.clusters import NOTHING, cluster_mean, clustered, mean_in_range, mean_square, plain_mean, pooled_moment, tail_size
from fanin.stats.intervals import Interval, proportion
from fanin.stats.network_bins import bin_quantile, field_distance, size_quantile

FORWARD = (
    "z.mean",
    "z.variance",
    "z.skewness",
    "z.kurtosis",
    "z.tail",
    "z.quantile",
    "phi.mean",
    "phi.variance",
    "phi.saturated",
    "phi.quantile",
    "slope.mean",
    "slope.variance",
    "slope.meansquare",
    "slope.below",
    "slope.median",
    "slope.quantile",
    "q",
    "q.lognorm.mean",
    "q.lognorm.variance",
    "share.dead",
)
FIELD = ("field.mean", "field.variance", "field.kurtosis", "field.law", "independence.neurons")
PAIR = ("correlation", "delta.correlation")
CHANGE = tuple(f"change.{what}.{how}" for what in ("activation", "cost") for how in ("meansquare", "median"))
BACKWARD = (
    "delta.meansquare",
    "delta.kurtosis",
    "delta.median",
    "delta.quantile",
    "delta.below",
    "delta.lognorm.mean",
    "delta.lognorm.variance",
    "grad.meansquare",
    "grad.median",
    "grad.quantile",
    "grad.lognorm.mean",
    "grad.lognorm.variance",
    "jacobian.norm",
    "jacobian.lognorm.mean",
    "jacobian.lognorm.variance",
)
NETWORK_QUANTITIES = (*FORWARD, *FIELD, *BACKWARD, *PAIR, *CHANGE)

MAPPED = ("sigmoid", "tanh", "erf")
"""Activations of which phi' falls with |z| and phi rises with z, so that their quantiles are those of z, mapped."""

LARGEST_LOG_KURTOSIS = 9.0
"""Of ln q, ln mean delta^2 and the like: that of ln chi^2 is 7 for one neuron and nears 3 as neurons or layers become many."""

_ARGUMENT = {"z.tail": "threshold", "delta.below": "threshold", "slope.below": "threshold"}
_ARGUMENT |= {name: "probability" for name in NETWORK_QUANTITIES if name.endswith(".quantile")} | dict.fromkeys(CHANGE, "change")


def network_quantities() -> tuple[str, ...]:
    """The bases of all names."""
    return NETWORK_QUANTITIES


def split_network_name(name: str) -> tuple[str, float | None]:
    """Base and argument of a quantity's name.

    >>> split_network_name("delta.quantile[0.95]")
    ('delta.quantile', 0.95)
    """
    match = re.fullmatch(r"([a-z.]+)(?:\[([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\])?", name)
    if match is None or match[1] not in NETWORK_QUANTITIES:
        near = difflib.get_close_matches(name.partition("[")[0], NETWORK_QUANTITIES, n=1, cutoff=0.0)[0]
        raise SpecificationError(f"{name!r} is not a quantity of a network; the nearest is {near}")
    return match[1], None if match[2] is None else float(match[2])


def check_network_recorded(name: str, ensemble: Ensemble, layer: int) -> None:
    """Refuse a quantity that a run of this ensemble does not record of this layer, before it is sampled.

    Raises
    ------
    SpecificationError
        One sentence that says what is not recorded, and what would be.
    """
    base, argument = split_network_name(name)
    if layer not in ensemble.recorded:
        raise SpecificationError(f"layer {layer} is not recorded; of {ensemble.depth} layers those recorded are {_few(ensemble)}")
    _check_argument(name, base, argument, ensemble)
    backward = base.startswith(("delta.", "grad.", "jacobian.", "change.cost."))
    if backward and ensemble.cost == "none":
        raise SpecificationError(f"{name} needs a backward pass, and the ensemble has no cost; give it cost='linear', say")
    if base in PAIR and ensemble.points < 2:
        raise SpecificationError(f"{name} compares two inputs, and the ensemble has one; give it inputs pair:1:0.5, say")
    if base in FIELD and not has_field(ensemble, layer):
        raise SpecificationError(f"{name} needs Gaussian weights and Gaussian or no biases in layer {layer}")
    if base == "independence.neurons" and ensemble.widths[layer] < 2:
        raise SpecificationError(f"{name} needs a layer of at least two neurons; layer {layer} has 1")
    if base in ("phi.quantile", "slope.median", "slope.quantile", "change.activation.median"):
        check_mapped(name, ensemble, layer)
    if base in CHANGE:
        changed_input(name, ensemble, layer)


def _check_argument(name: str, base: str, argument: float | None, ensemble: Ensemble) -> None:
    kind = _ARGUMENT.get(base)
    if kind is None:
        if argument is not None:
            raise SpecificationError(f"{name} takes no argument; write {base}")
    elif kind == "probability":
        if argument is None or not 0.0 < argument < 1.0:
            raise SpecificationError(f"{name} needs a probability between 0 and 1, such as {base}[0.95]")
    elif kind == "change":
        if argument is None or not 0.0 < argument < math.inf:
            raise SpecificationError(f"{name} needs the size of the change, such as {base}[0.01]")
    elif base == "slope.below":
        if argument != FLAT:
            raise SpecificationError(f"{name} is not recorded; {base}[{FLAT:g}] is")
    else:
        kept = ensemble.tails if base == "z.tail" else ensemble.slow
        if argument not in kept:
            listed = ", ".join(f"{t:g}" for t in kept) or "none"
            word = "tails" if base == "z.tail" else "slow"
            raise SpecificationError(f"{name} is not recorded; the thresholds ({word}) of the ensemble are {listed}")


def _few(ensemble: Ensemble) -> str:
    recorded = ensemble.recorded
    return f"1 to {ensemble.depth}" if len(recorded) == ensemble.depth else f"{recorded[0]}, {recorded[1]}, ..., {recorded[-1]}"


def has_field(ensemble: Ensemble, layer: int) -> bool:
    """Whether the layer's pre-activations, standardised given what it sees, are independent N(0, 1)."""
    scheme = ensemble.schemes[layer - 1]
    laws = [law for law in (scheme.weights, scheme.bias) if law is not None and law.gain]
    return scheme.weights.gain > 0.0 and all(law.family == "normal" and not law.zero for law in laws)


def check_mapped(name: str, ensemble: Ensemble, layer: int) -> None:
    """Refuse quantiles of phi and phi' that are not those of z, mapped."""
    if ensemble.activations[layer - 1] not in MAPPED:
        raise SpecificationError(
            f"{name} is known for {', '.join(MAPPED)}, by the quantiles of z; layer {layer} has {ensemble.activations[layer - 1]}"
        )


def changed_input(name: str, ensemble: Ensemble, layer: int) -> float:
    """The value of the input whose weight is changed: the root mean square of the inputs that are not 0."""
    inputs = ensemble.inputs
    if layer != 1:
        raise SpecificationError(f"{name} is about a weight of layer 1; it was asked of layer {layer}")
    if inputs.kind == "subset":
        values = np.ones(min(inputs.count, 1))
    elif inputs.is_random:
        raise SpecificationError(f"{name} needs an input that is fixed; inputs are {inputs}")
    else:
        values = inputs.vectors(ensemble.fan_in)[0].astype(float)
    values = values[values != 0.0]
    if values.size == 0:
        raise SpecificationError(f"{name} needs an input that is not 0 everywhere; inputs are {inputs}")
    return math.sqrt(float((values**2).mean()))


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


def measure_network(name: str, summary: LayerSummary, ensemble: Ensemble, layer: int, error: float) -> Interval:
    """Estimate and interval of a quantity of one layer.

    error : the probability with which the interval may miss.
    """
    check_network_recorded(name, ensemble, layer)
    base, argument = split_network_name(name)
    interval = _measure(base, argument, _Layer(summary, ensemble, layer), error)
    counts = summary.counts
    lost = bool(counts["nonfinite"])
    if base.startswith(("delta.", "grad.", "jacobian.", "change.cost.")):
        lost = lost or counts["backward"] < summary.networks or (bool(counts["extreme"]) and ".lognorm." not in base)
    return replace(interval, low=-math.inf, high=math.inf) if lost else interval


def network_estimates(summary: LayerSummary, ensemble: Ensemble, layer: int) -> dict[str, float]:
    """Point estimates of everything that is recorded of a layer, by name."""
    names = [name for name in NETWORK_QUANTITIES if name not in _ARGUMENT]
    names += [f"z.tail[{t:g}]" for t in ensemble.tails] + [f"delta.below[{t:g}]" for t in ensemble.slow]
    names += [f"slope.below[{FLAT:g}]", *(f"{variable}.quantile[{p}]" for variable in ("z", "delta", "grad") for p in (0.05, 0.95))]
    found = {}
    for name in names:
        try:
            found[name] = measure_network(name, summary, ensemble, layer, 0.01).estimate
        except SpecificationError:  # not recorded of this ensemble
            continue
    return found


def _measure(base: str, argument: float | None, layer: _Layer, error: float) -> Interval:
    summary, ensemble = layer.summary, layer.ensemble
    shares = {"phi.saturated": "saturated", "slope.below": "flat"}
    if base == "z.tail":
        return mean_in_range(summary, f"tail:{ensemble.tails.index(argument or 0.0)}", 1.0, error)
    if base == "delta.below":
        return mean_in_range(summary, f"slow:{ensemble.slow.index(argument or 0.0)}", 1.0, error)
    if base in shares:
        return mean_in_range(summary, shares[base], 1.0, error)
    if base in PAIR:
        return mean_in_range(summary, "cosine" if base == "correlation" else "delta.cosine", 2.0, error)
    if base == "share.dead":
        return proportion(summary.counts["dead"], summary.finite, error) if summary.finite else NOTHING
    if base == "field.law":
        return field_distance(summary, error)
    if base.endswith((".quantile", ".median")) and base not in CHANGE:
        return _quantile(base, 0.5 if argument is None else argument, layer, error)
    if ".lognorm." in base:
        statistic, _, moment = base.partition(".lognorm.")
        return _log_norm(f"ln {statistic}", moment, summary, error)
    if base in FIELD:
        return _field(base, summary, error)
    if base in CHANGE:
        return _change(base, argument or 0.0, layer, error)
    return _moment(base, layer, error)


def _moment(base: str, layer: _Layer, error: float) -> Interval:
    """Moments of z, phi, phi', delta and the gradient over all neurons together."""
    summary = layer.summary
    variable, _, what = base.partition(".")
    steady = summary.finite * cluster_mean(summary, "z^2").share ** 2  # means rest on squares, which z^2 bounds
    match base:
        case "z.mean":
            return plain_mean(summary, "z^1", error, steady)
        case "z.variance" | "z.skewness" | "z.kurtosis" | "phi.variance" | "slope.variance":
            return pooled_moment(what, summary, variable, error)
        case "phi.mean" | "slope.mean":
            span = _span(layer.function, variable, 1)
            name = f"{variable}^1"
            effective = tail_size(summary, "slope^2") if variable == "slope" else steady
            return plain_mean(summary, name, error, effective) if math.isinf(span) else mean_in_range(summary, name, span, error)
        case "slope.meansquare" | "q":
            name = "slope^2" if variable == "slope" else "phi^2"
            span = _span(layer.function, "slope" if variable == "slope" else "phi", 2)
            return mean_square(summary, name, error) if math.isinf(span) else mean_in_range(summary, name, span, error)
        case "delta.meansquare":
            return mean_square(summary, "delta^2", error, "delta^4")
        case "delta.kurtosis":
            return _delta_kurtosis(summary, error)
        case "grad.meansquare":
            return mean_square(summary, "grad^2", error)
        case _:
            return mean_square(summary, "jacobian", error)


def _span(function: ActivationFunction | None, variable: str, power: int) -> float:
    """Length of the range of phi, phi^2, phi' or phi'^2; infinite where it is not known to be bounded."""
    if function is None:
        return math.inf
    if variable == "slope":
        steep = function.steepest
        return steep**2 if power == 2 else steep if function.monotone else 2.0 * steep
    low, high = function.low, function.high
    if not math.isfinite(high - low):
        return math.inf
    return high - low if power == 1 else max(low**2, high**2)


def _quantile(base: str, p: float, layer: _Layer, error: float) -> Interval:
    summary = layer.summary
    variable = base.partition(".")[0]
    if variable in ("z", "delta", "grad"):
        interval = bin_quantile(summary, variable, p, error)
        return interval if variable == "z" else replace(interval, low=max(interval.low, 0.0))
    function = layer.function
    assert function is not None
    if variable == "phi":
        return _mapped(bin_quantile(summary, "z", p, error), function.value)
    interval = size_quantile(summary, 1.0 - p, error)  # phi' falls with |z|
    return _mapped(replace(interval, low=max(interval.low, 0.0)), function.slope)


def _mapped(interval: Interval, function: Callable[[Any], Any]) -> Interval:
    """The interval of a monotone function of a quantile."""
    estimate, *ends = (float(value) for value in function(np.array([interval.estimate, interval.low, interval.high])))
    return Interval(estimate, min(ends), max(ends), interval.coverage)


def _log_norm(statistic: str, moment: str, summary: LayerSummary, error: float) -> Interval:
    """Mean or variance over networks of a logarithm, given that it is finite."""
    found = cluster_mean(summary, statistic)
    if found.trials == 0:
        return NOTHING
    if moment == "mean":
        return plain_mean(summary, statistic, error)
    spread = found.variance * math.sqrt((LARGEST_LOG_KURTOSIS - 1.0) / found.trials)
    return clustered("variance", found.variance, spread, found.trials, error, math.inf)


def _field(base: str, summary: LayerSummary, error: float) -> Interval:
    """Moments of the standardised field; where a covariance is not recorded, standard errors are added, which bounds that of the
    sum."""
    trials = summary.counts["field"]
    if trials == 0:
        return NOTHING
    parts = [cluster_mean(summary, name) for name in ("field^1", "field^2", "field^3", "field^4")]
    (m1, m2, m3, m4), (e1, e2, e3, _) = ([part.mean for part in parts], [part.standard_error for part in parts])
    steady = trials * parts[1].share ** 4
    if base == "field.mean":
        return clustered("mean", m1, e1, trials, error, steady)
    second = m2 - m1**2
    if base == "field.variance" or not second > 0.0:
        return clustered("variance", second, e2 + 2.0 * abs(m1) * e1, trials, error, steady)
    if base == "independence.neurons":
        pairs = cluster_mean(summary, "field.pairs")
        spread = pairs.standard_error / m2 + abs(pairs.mean) * e2 / m2**2
        return clustered("correlation", pairs.mean / m2, spread, trials, error, steady)
    fourth = m4 - 4.0 * m1 * m3 + 6.0 * m1**2 * m2 - 3.0 * m1**4
    by_second = 6.0 * m1**2 / second**2 - 2.0 * fourth / second**3
    joint = float(summary.sum("field^2*field^4") / trials) - m2 * m4
    spread = parts[3].variance / second**4 + by_second**2 * parts[1].variance + 2.0 * by_second * joint / second**2
    by_first = (-4.0 * m3 + 12.0 * m1 * m2 - 12.0 * m1**3) / second**2 + 4.0 * m1 * fourth / second**3
    error_of = math.sqrt(max(spread, 0.0) / trials) + abs(by_first) * e1 + abs(4.0 * m1) / second**2 * e3
    return clustered("kurtosis", fourth / second**2, error_of, trials, error, trials * parts[3].share ** 4)


def _delta_kurtosis(summary: LayerSummary, error: float) -> Interval:
    """E delta^4 / (E delta^2)^2 over all neurons; the two standard errors are added, their covariance is not recorded."""
    second, fourth = cluster_mean(summary, "delta^2"), cluster_mean(summary, "delta^4")
    if second.trials == 0 or not second.mean**2 > 0.0:
        return NOTHING
    kurtosis = fourth.mean / second.mean**2
    spread = fourth.standard_error / second.mean**2 + 2.0 * kurtosis * second.standard_error / second.mean
    return clustered("kurtosis", kurtosis, spread, second.trials, error, tail_size(summary, "delta^4"))


def _change(base: str, change: float, layer: _Layer, error: float) -> Interval:
    """Of what a change of one first-layer weight does, to first order: change * x * phi'(z), and change * x * delta."""
    factor = change * changed_input(base, layer.ensemble, layer.number)
    inner = {
        "change.activation.meansquare": "slope.meansquare",
        "change.activation.median": "slope.median",
        "change.cost.meansquare": "delta.meansquare",
        "change.cost.median": "delta.median",
    }[base]
    found = _measure(inner, None, layer, error)
    root = (lambda value: math.sqrt(max(value, 0.0))) if base.endswith("meansquare") else (lambda value: value)
    low, high = max(found.low, 0.0), found.high
    return Interval(
        factor * root(found.estimate), factor * root(low), factor * root(high) if high < math.inf else math.inf, found.coverage
    )
