"""What the numbers of a network mean, in plain words: the typical neuron and the mean square each get their say.

Guarantee: every number in a sentence is an estimate of the run, rounded; or, of the variance of z and the mean square of phi, what
theory knows exactly, where the run does not contradict it. What the run does not pin down is said to be "as far as these networks
show". Where the median of |delta| and its root mean square tell opposite stories, both are told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fanin.layer_profile import SMALLEST, Profile

HIGH, LOW = 0.2, 0.05
"""Shares of saturated neurons from which, and up to which, a layer counts as saturated and as not."""

_NEARLY_NONE, _SMALL = 0.01, 0.2  # median |delta| over its root mean square; 0.67 for a Gaussian
FEW = 100
"""Networks below which a sentence begins with how few they are."""

_SHOWN = " as far as these networks show"
_CONSTANT = 1e-6  # relative, of what theory knows exactly
_MOST_LOST = 0.5  # of the networks, beyond which nothing is said of the others
_STEADY = 1.1  # a change in all by less is none
_PER_LAYER = 1.5  # a factor per layer from here on is said as one, a smaller one in percent
_APART = 2.0  # factors of single steps that differ by more are an average


@dataclass(frozen=True)
class Trend:
    """How a positive number changes from one end of the layers `first` to `last` to the other.

    rate : of its logarithm per layer, on average. even : whether each step is about that. swing : logarithm of its largest value
    over its smallest.
    """

    first: int
    last: int
    rate: float
    even: bool
    swing: float

    def words(self, towards_input: bool) -> str:
        """As "grows 3.0-fold per layer towards the input"."""
        steps, size = self.last - self.first, abs(self.rate)
        total, verb, where = size * steps, "grows" if self.rate > 0.0 else "falls", " towards the input" if towards_input else ""
        layers = f"over {steps} layers"
        if steps == 1:
            where = (
                f" from layer {self.last} to layer {self.first}" if towards_input else f" from layer {self.first} to {self.last}"
            )
            layers = where.strip()
        if total < math.log(_STEADY):
            if self.swing > math.log(_PER_LAYER):
                return f"ends about where it began{where}, {fold(self.swing)} between its smallest and largest {layers}"
            return f"keeps its size (within {percent(max(math.expm1(total), 0.001))}) {layers}"
        if steps == 1:
            return f"{verb} {fold(size)}{where}"
        average = "" if self.even else " on average"
        if size < math.log(_PER_LAYER):
            share = math.expm1(size) if self.rate > 0.0 else -math.expm1(-size)
            return f"{verb} by {percent(share)} per layer{where}{average}, {fold(total)} {layers}"
        return f"{verb} {fold(size)} per layer{where}{average}"


def network_story(profile: Profile, output: bool = False) -> str:
    """One sentence without a capital and a full stop.

    output : whether to say what the typical neuron of the output sends back, as studies of several costs want it.
    """
    return f"{few_networks(profile.networks)}{_story(profile, output)}"


def few_networks(networks: int) -> str:
    """What a sentence on few networks begins with.

    >>> few_networks(4), few_networks(1), few_networks(100)
    ('in only 4 networks: ', 'in only 1 network: ', '')
    """
    return f"in only {networks} network{'' if networks == 1 else 's'}: " if networks < FEW else ""


def _story(profile: Profile, output: bool) -> str:
    finite = profile.networks - profile.counts["nonfinite"]
    if not finite[0]:
        return "no network gave a finite pre-activation"
    lost = 1.0 - float(finite[-1]) / profile.networks
    if lost > _MOST_LOST:
        shares = 1.0 - finite / profile.networks
        at = int(np.argmax(shares > _MOST_LOST))
        return f"{percent(float(shares[at]))} of the networks are not finite in layer {profile.layers[at]}"
    state, mood = _saturation(profile)
    parts = [f"{percent(lost)} of the networks are not finite in layer {profile.layers[-1]}"] if lost else []
    parts += [state] if state else []
    if dead := _dead(profile):
        parts.append(dead)
    if not state:
        parts += _forward(profile)
    if correlation := _correlation(profile):
        parts.append(correlation)
    if not profile.has_backward:
        return _joined(parts if state is None or len(parts) > 1 else parts + _forward(profile))
    typical, nothing = _typical_neuron(profile)
    parts += [typical] if typical else []
    if output and math.isfinite(sent := profile.at("delta.median", profile.ensemble.depth)):
        parts.append(f"the output's typical |delta| is {sent:.2g}")
    gradient, rate = _gradient(profile)
    if not gradient:
        return _joined(parts)
    bad = mood == "high" or nothing
    contrast = rate >= 0.0 if bad else mood == "low" and abs(rate) > math.log(_PER_LAYER)
    return f"{_joined(parts)}, {'yet' if contrast else 'and'} {gradient}" if parts else gradient


def trend(layers: np.ndarray, values: np.ndarray, towards_input: bool) -> Trend | None:
    """The change per layer of a positive number; None unless two layers have one."""
    known = np.isfinite(values) & (values > 0.0)
    if known.sum() < 2:
        return None
    layers, logs = layers[known], np.log(values[known])
    return _log_trend(layers, -logs if towards_input else logs)


def _log_trend(layers: np.ndarray, logs: np.ndarray) -> Trend:
    rates = np.diff(logs) / np.diff(layers)
    rate = float((logs[-1] - logs[0]) / (layers[-1] - layers[0]))
    even = bool(rates.max() - rates.min() < math.log(_APART))
    return Trend(int(layers[0]), int(layers[-1]), rate, even, float(np.ptp(logs)))


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else "nothing was recorded"


def _saturation(profile: Profile) -> tuple[str | None, str]:
    """How many neurons are saturated, and whether that is "high", "low" or neither."""
    bounded = profile.bounded & np.isfinite(profile.values["phi.saturated"])
    if not bounded.any():
        return None, ""
    shares, layers = profile.values["phi.saturated"][bounded], profile.layers[bounded]
    low, high = float(shares.min()), float(shares.max())
    mood = "high" if low >= HIGH else "low" if high <= LOW and bounded.all() else ""
    where = _where(profile, bounded)
    anywhere = where.replace(" in every", " in any")
    if high == 0.0:
        return f"no neuron{anywhere} is saturated", mood
    if high < 0.005:
        return f"almost nothing saturates (at most {percent(high)} of the neurons{anywhere})", mood
    if high <= LOW:
        return f"few neurons are saturated (at most {percent(high)}{anywhere})", mood
    if percent(low) == percent(high):
        return f"{percent(high)} of the neurons are saturated{where}", mood
    if high - low <= 0.05 and high <= 1.5 * low:
        return f"{percent(low)} to {percent(high)} of the neurons are saturated{where}", mood
    least, most = (f"{percent(shares[at])} (layer {layers[at]})" for at in (int(shares.argmin()), int(shares.argmax())))
    return f"from {least} to {most} of the neurons of a layer are saturated", mood


def _where(profile: Profile, some: np.ndarray) -> str:
    hidden = profile.layers < profile.ensemble.depth
    if profile.ensemble.depth == 1:
        return ""
    if some.all():
        return " in every layer"
    if not some[hidden].any():
        return " in the output"
    if some.sum() == 1:
        return f" in layer {profile.layers[some][0]}"
    return " in every hidden layer" if some[hidden].all() and not some[~hidden].any() else " in every layer that can be"


def _dead(profile: Profile) -> str:
    """Layers of zeros only."""
    shares = np.where(profile.rectified & (profile.layers < profile.ensemble.depth), profile.values["share.dead"], 0.0)
    at = int(np.nanargmax(shares))
    if not shares[at] > 0.0:
        return ""
    return f"{percent(float(shares[at]))} of the networks are dead (layer {profile.layers[at]} is all zeros)"


def _forward(profile: Profile) -> list[str]:
    """What becomes of the variance of z, and of a typical network's mean square of phi."""
    variance, exact = profile.values["z.variance"], profile.exact["z.variance"]
    is_pinned, is_exact = bool(profile.pinned["z.variance"].all()), bool(np.isfinite(exact).all())
    variance = exact if is_exact else variance
    found = trend(profile.layers, variance, towards_input=False)
    ending = "" if is_pinned else " by theory (these networks are too few to show that)" if is_exact else _SHOWN
    if found is None:
        return [] if not np.isfinite(variance[0]) else [f"the variance of z is {variance[0]:.3g}{ending}"]
    if is_exact and np.ptp(variance) <= _CONSTANT * variance[0]:
        parts = [f"the variance of z is {variance[0]:.4g} in every layer{ending}"]
    elif math.log(_STEADY) < abs(found.rate) * (found.last - found.first) < math.log(10.0):
        ends = f"from {variance[0]:.4g} in layer {found.first} to {variance[-1]:.4g} in layer {found.last}"
        parts = [f"the variance of z goes {ends}{ending}"]
    else:
        parts = [f"the variance of z {found.words(False)}{ending}"]
    # The output's q is that of few neurons; the last hidden layer's is the network's.
    layer = int(profile.layers[profile.layers < profile.ensemble.depth][-1]) if profile.ensemble.depth > 1 else 1
    at = int(np.searchsorted(profile.layers, layer))
    known = float(profile.exact["q"][at])
    mean, typical = profile.at("q", layer), math.exp(min(profile.at("q.lognorm.mean", layer), 700.0))
    mean, ending = (known, "") if math.isfinite(known) else (mean, "" if profile.pinned["q"][at] else _SHOWN)
    if mean > 0.0 and typical < 0.8 * mean:
        parts.append(f"in a typical network the mean square of phi in layer {layer} is {typical / mean:.2g} of its mean{ending}")
    return parts


def _correlation(profile: Profile) -> str:
    known = np.isfinite(profile.values["correlation"])
    if not known.any():
        return ""
    values, layers = profile.values["correlation"][known], profile.layers[known]
    ending = "" if profile.pinned["correlation"][known].all() else _SHOWN
    if layers.size == 1:
        return f"two inputs have the correlation {values[0]:.3f}{ending}"
    ends = f"from {values[0]:.3f} in layer {layers[0]} to {values[-1]:.3f} in layer {layers[-1]}"
    return f"the correlation of two inputs goes {ends}{ending}"


def _typical_neuron(profile: Profile) -> tuple[str, bool]:
    """The median of |delta| next to its root mean square, and whether it is almost nothing. Half of rectified neurons have none."""
    hidden = (profile.layers < profile.ensemble.depth) | (profile.ensemble.depth == 1)
    with np.errstate(invalid="ignore"):  # all delta may be 0
        logs = profile.log_median - profile.log_rms
    at = np.flatnonzero(hidden & ~profile.rectified & ~profile.out_of_range & np.isfinite(profile.log_rms) & ~np.isnan(logs))
    if at.size == 0:
        return "", False
    layer, ratio = int(profile.layers[at[0]]), 10.0 ** float(logs[at[0]])
    if ratio < _NEARLY_NONE:
        size = f"{ratio:.0e} of its root mean square" if ratio > 0.0 else f"below {SMALLEST:.0e}"
        return f"the typical neuron's gradient is almost nothing (the median of |delta| is {size} in layer {layer})", True
    if ratio < _SMALL:
        return f"the typical neuron's |delta| is {ratio:.2g} of its root mean square in layer {layer}", False
    return "", False


def _gradient(profile: Profile) -> tuple[str, float]:
    """The mean-square gradient from the last hidden layer back to the first, with its rate per layer, and the typical network's."""
    squares = profile.values["delta.meansquare"]
    usable = np.isfinite(squares) & (profile.counts["extreme"] == 0)
    if usable.any() and not squares[usable][0] > 0.0:
        return f"no gradient reaches layer {profile.layers[usable][0]}", -math.inf
    hidden = profile.layers < profile.ensemble.depth
    chain = usable & hidden if (usable & hidden).sum() > 1 else usable
    found = trend(profile.layers[chain], squares[chain], towards_input=True)
    if found is None or not usable[0]:
        return _typical_gradient(profile)
    words = f"the mean-square gradient {found.words(True)}"
    if not profile.steady[0]:
        words += _SHOWN
    first = profile.values["delta.lognorm.mean"][0]
    typical = math.exp(first - math.log(squares[0])) if math.isfinite(first) else 1.0
    if typical < 0.2:
        words += f", but in a typical network it is {typical:.1g} of that in layer {profile.layers[0]}"
    return words, found.rate


def _typical_gradient(profile: Profile) -> tuple[str, float]:
    """Where the mean square left the range of its sum there is still its logarithm."""
    logs = profile.values["delta.lognorm.mean"]
    known = np.isfinite(logs)
    if known.sum() < 2:
        return "", 0.0
    layers, logs = profile.layers[known], logs[known]
    found = _log_trend(layers, -logs)
    return f"the typical network's mean-square gradient {found.words(True)}", found.rate


def percent(share: float) -> str:
    """Two significant digits, without an exponent."""
    value = float(f"{100.0 * share:.2g}") if share < 0.1 else 100.0 * share
    if value == 0.0:
        return "0 %"
    digits = max(0, 1 - math.floor(math.log10(value))) if value < 10.0 else 0
    return f"{value:.{digits}f} %"


def fold(log: float) -> str:
    """A factor of at least 1, by its natural logarithm.

    >>> fold(1.1), fold(3.2), fold(28.5), fold(1000.0)
    ('3.0-fold', '25-fold', '2e+12-fold', '1e+434-fold')
    """
    if log > 700.0:
        return f"1e+{log / math.log(10.0):.0f}-fold"
    factor = math.exp(log)
    return f"{factor:.1f}-fold" if factor < 9.95 else f"{float(f'{factor:.2g}'):.0f}-fold" if factor < 1e5 else f"{factor:.0e}-fold"
