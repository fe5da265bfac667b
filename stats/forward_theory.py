"""Pre-activations of every layer of a network: exact where a law is known, else to leading order in 1/n, else in the limit.

Layer 1 has the law of `preactivation`, for all laws of weights and inputs. From layer 2 on stands a recursion over conditional
variances Q (see `finite_width`): the variance K of the limit, the spread v = Var Q and the shift d = E Q - K of leading order. A
first layer that is not Gaussian (random inputs, weights of other laws) enters as a spread of a third of its excess kurtosis times
K^2, weights of other laws by their fourth cumulant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fanin.engine.spec import Ensemble
from fanin.stats.finite_width import MAX_STD, NeuronMoments, ray_constants, ray_step, second_layer, third_layer
from fanin.stats.gaussian_layer import GaussianLayer, gaussian_layer, layer_function
from fanin.stats.network_names import has_field
from fanin.stats.parameter import parameter_law
from fanin.stats.preactivation import Preactivation, preactivation
from fanin.stats.theory_value import Predicted

EXACT, ASYMPTOTIC, LIMIT = "exact", "asymptotic", "limit"
RAYS = "conditional variances of rays through zero, layer by layer: Hanin and Nica 2020"
SECOND = "one hidden layer: a mean of independent terms"
THIRD = "two hidden layers: Gauss rule with the moments of a mean of independent terms"
YAIDA = "leading order in 1/n: Yaida 2020"
MEAN_FIELD = "infinite width: Poole et al. 2016; Schoenholz et al. 2017"
_RANGE = 1e-60, 1e60
_LEAST_FREEDOM = 8.0


@dataclass(frozen=True)
class Number:
    """A number of the theory: its numerical error, what it is, and the order of what it leaves out."""

    value: float
    error: float
    label: str
    next_term: str = ""
    source: str = ""


@dataclass(frozen=True)
class ForwardLayer:
    """One layer.

    gaussian : z ~ N(0, K) of the limit. normal : whether that is its exact law. variance, kurtosis : of z.
    q : E phi^2. spread : Var Q / K^2 to leading order, with what else keeps z from being Gaussian: a third of its excess
    kurtosis, about. shift : |E Q - K| / K to leading order. square : weight variance times fan-in. bias : bias variance. survival :
    probability that q is not 0, None where it is not known. loss : a bound of the probability that the
    layer is dead, and of what steps in the law of z change.
    """

    gaussian: GaussianLayer
    normal: bool
    variance: Number
    kurtosis: Number
    q: Number
    spread: float
    shift: float
    square: float
    bias: float
    survival: float | None
    loss: float


@dataclass
class _Walk:
    """Where the recursion stands. blur : a bound of the shift by what keeps z from being Gaussian. rays : (E Q, E Q^2) while they
    are exact. gaussian : whether all layers so far are Gaussian given the one below, from a normal first one. survival :
    probability that the layer sees or adds something other than 0."""

    limit: float
    error: float
    spread: float
    shift: float
    blur: float
    excess: float
    rays: tuple[float, float] | None
    gaussian: bool
    survival: float | None


def forward_layers(ensemble: Ensemble, networks: int | None) -> tuple[Preactivation, list[ForwardLayer], str]:
    """What is known of z in layer 1; the layers that theory follows; why it does not follow the next one (empty: there is none)."""
    first = preactivation(ensemble.first_layer, networks)
    reason = _first_reason(ensemble, first)
    if reason:
        return first, [], reason
    size, ratio = float(first.variance), float(first.kurtosis) / 3.0
    normal = has_field(ensemble, 1) and abs(ratio - 1.0) < 1e-12
    rays = (size, ratio * size**2) if has_field(ensemble, 1) else None
    alive = 1.0 if normal or (first.law is not None and first.law.atom < 1e-12) else None
    spread = 0.0 if normal else abs(ratio - 1.0) * size**2
    # Rows of data keep lengths of their own however many inputs there are: what follows has no limit, and S says so.
    apart = 1.0 if ensemble.inputs.kind == "rows" and ratio > 1.001 else 0.0
    walk = _Walk(size, 1e-15 * size, spread, 0.0, 0.0, apart, rays, normal, alive)
    layers: list[ForwardLayer] = []
    for layer in range(1, ensemble.depth + 1):
        if layer > 1 and (reason := _step(ensemble, layer, layers[-1], walk)):
            return first, layers, reason
        layers.append(_layer(ensemble, layer, layers, walk, first))
    return first, layers, ""


def _first_reason(ensemble: Ensemble, first: Preactivation) -> str:
    if not first.centred:
        return "weights or biases of layer 1 have a mean other than 0"
    if not math.isfinite(first.kurtosis):
        return "the fourth moment of z in layer 1 is not known"
    return "" if _RANGE[0] <= first.variance <= _RANGE[1] else "the variance of z in layer 1 is out of range"


def _scales(ensemble: Ensemble, layer: int) -> tuple[float, float]:
    """Weight variance times fan-in, and bias variance."""
    scheme, fans = ensemble.schemes[layer - 1], ensemble.widths[layer - 1 : layer + 1]
    return scheme.weights.variance(*fans) * fans[0], 0.0 if scheme.bias is None else scheme.bias.variance(*fans)


def _excesses(ensemble: Ensemble, layer: int) -> tuple[float, float] | None:
    """Excess kurtosis of one weight and one bias; None where weights are not independent."""
    scheme, fans = ensemble.schemes[layer - 1], ensemble.widths[layer - 1 : layer + 1]
    if scheme.weights.family == "orthogonal":
        return None
    found = []
    for law in (scheme.weights, scheme.bias):
        square, fourth = parameter_law(law, *fans).moments[:2]
        found.append(float(fourth / square**2 - 3.0) if square else 0.0)
    return found[0], found[1]


def _step(ensemble: Ensemble, layer: int, last: ForwardLayer, walk: _Walk) -> str:
    """From the layer below to this one; a reason where theory does not go there."""
    scheme, fans = ensemble.schemes[layer - 1], ensemble.widths[layer - 1 : layer + 1]
    for law in (scheme.weights, scheme.bias):
        if law is not None and law.mean(*fans):
            return f"weights or biases of layer {layer} have a mean other than 0"
        if law is not None and law.family == "student" and law.shape is not None and law.shape <= _LEAST_FREEDOM:
            return f"parameters of layer {layer} have tails too heavy for sampled moments"
    n, below = fans[0], last.gaussian
    w2, b2 = _scales(ensemble, layer)
    square = w2 * below.mean(2)
    if not _RANGE[0] <= square + b2 <= _RANGE[1]:
        return f"the variance of z in layer {layer} is {square + b2:.3g}, out of range"
    slope = w2 * below.growth
    walk.blur = abs(slope) * walk.blur + 0.5 * w2 * abs(below.bend) * walk.excess * walk.limit**2
    walk.shift = slope * walk.shift + 0.5 * w2 * below.bend * walk.spread
    walk.spread = slope**2 * walk.spread + w2**2 * below.spread / n
    walk.error = abs(slope) * walk.error + w2 * below.error(2) + 1e-15 * square
    walk.limit = square + b2
    weight, bias = _excesses(ensemble, layer) or (6.0, 0.0)  # rows of orthogonal matrices have -6/(n + 2)
    walk.excess += (abs(weight) * w2**2 * below.mean(4) / n + abs(bias) * b2**2) / (3.0 * walk.limit**2)
    field = has_field(ensemble, layer)
    walk.gaussian = walk.gaussian and field
    followed = field and below.function.homogeneous
    walk.rays = ray_step(below.function, walk.rays, w2, b2, n) if walk.rays and followed else None
    walk.survival = None if not field else 1.0 if b2 else last.survival
    return ""


def _layer(ensemble: Ensemble, layer: int, layers: list[ForwardLayer], walk: _Walk, first: Preactivation) -> ForwardLayer:
    gaussian = gaussian_layer(ensemble.activations[layer - 1], walk.limit)
    w2, b2 = _scales(ensemble, layer)
    variance, kurtosis = _of_z(ensemble, layer, layers, walk, first, w2, b2)
    return ForwardLayer(
        gaussian=gaussian,
        normal=layer == 1 and walk.gaussian,
        variance=variance,
        kurtosis=kurtosis,
        q=_of_q(ensemble, layer, walk, first, gaussian),
        spread=walk.spread / walk.limit**2 + walk.excess,
        shift=(abs(walk.shift) + walk.blur) / walk.limit,
        square=w2,
        bias=b2,
        survival=(survival := _survival(ensemble, layer, walk.survival)),
        loss=_loss(ensemble, [*(one.gaussian for one in layers), gaussian], survival)
        + (_steps(ensemble, first) if layer == 1 else 0.0),
    )


def _steps(ensemble: Ensemble, first: Preactivation) -> float:
    """How far the law of z in layer 1 is from any smooth one: about the largest atom of a sum of two-valued or sparse weights, by
    its excess kurtosis. Biases that are wider than the steps smooth them."""
    scheme, fans = ensemble.schemes[0], ensemble.widths[:2]
    smooth = scheme.weights.family not in ("rademacher", "own") and not scheme.weights.zero
    bias = scheme.bias is not None and scheme.bias.family != "rademacher" and not scheme.bias.zero
    if smooth or (bias and _scales(ensemble, 1)[1] > scheme.weights.variance(*fans)):
        return 0.0
    return min(math.sqrt(abs(float(first.kurtosis) - 3.0)), 1.0)


def _loss(ensemble: Ensemble, layers: list[GaussianLayer], survival: float | None) -> float:
    """Of death of the last of some layers; where the chance is not known, that all its phi are 0, or all below are and there are no
    biases."""
    if survival is not None:
        return 1.0 - survival
    lost = 0.0
    for layer, one in enumerate(layers, 1):
        if _scales(ensemble, layer)[1]:
            lost = 0.0
        z, chance = one.nodes
        lost += float(chance[one.function.value(z) == 0.0].sum()) ** ensemble.widths[layer]
    return min(lost, 1.0)


def _survival(ensemble: Ensemble, layer: int, seen: float | None) -> float | None:
    activation = ensemble.activations[layer - 1]
    if seen is None or not isinstance(activation, str) or not has_field(ensemble, layer):
        return None
    if activation == "relu":
        return seen * (1.0 - 0.5 ** ensemble.widths[layer])
    return 1.0 if layer_function(activation).value(np.zeros(1))[0] else seen


def _of_z(
    ensemble: Ensemble, layer: int, layers: list[ForwardLayer], walk: _Walk, first: Preactivation, w2: float, b2: float
) -> tuple[Number, Number]:
    """Variance and kurtosis of z."""
    rounding = 1e-13 * layer
    if layer == 1:
        size, kurtosis = float(first.variance), float(first.kurtosis)
        return Number(size, 1e-12 * size, EXACT), Number(kurtosis, 1e-12 * kurtosis, EXACT)
    if walk.rays:
        mean, second = walk.rays
        kurtosis = 3.0 * second / mean**2
        return Number(mean, rounding * mean, EXACT, "", RAYS), Number(kurtosis, rounding * kurtosis, EXACT, "", RAYS)
    limit = Number(walk.limit, walk.error, LIMIT, "1/n", MEAN_FIELD), Number(3.0, 0.0, LIMIT, "1/n", MEAN_FIELD)
    stds = math.sqrt(w2), math.sqrt(b2)
    if layer == 2 and layers[0].normal and max(stds) <= MAX_STD:
        excesses = _excesses(ensemble, 2)
        variance = Number(walk.limit, walk.error, EXACT, "", SECOND)
        if excesses is None:
            return variance, limit[1]
        function, n = layers[0].gaussian.function, ensemble.widths[1]
        law = second_layer(function, n, first.variance, *stds, weight_excess=excesses[0], bias_excess=excesses[1])
        return variance, _number(law.kurtosis, SECOND)
    if not walk.gaussian:
        return limit
    if layer == 3 and max(stds) <= MAX_STD and _third_known(ensemble):
        law = _third(ensemble, first, w2, b2)
        return _number(law.variance, THIRD), _number(law.kurtosis, THIRD)
    relative = walk.spread / walk.limit**2
    value = walk.limit + walk.shift
    kurtosis = 3.0 * (1.0 + relative)
    error = walk.error + rounding * walk.limit
    return Number(value, error, ASYMPTOTIC, "1/n^2", YAIDA), Number(kurtosis, rounding * kurtosis, ASYMPTOTIC, "1/n^2", YAIDA)


def _of_q(ensemble: Ensemble, layer: int, walk: _Walk, first: Preactivation, gaussian: GaussianLayer) -> Number:
    """E phi^2."""
    if gaussian.function.homogeneous and (walk.rays or (layer == 1 and first.symmetric)):
        value = ray_constants(gaussian.function)[0] * (walk.rays[0] if walk.rays else first.variance)
        return Number(value, 1e-13 * layer * value, EXACT, "", RAYS)
    value, error = gaussian.mean(2), gaussian.error(2) + abs(gaussian.growth) * walk.error
    if layer == 1 and walk.gaussian:
        return Number(value, error, EXACT, "", "z is Gaussian")
    if not walk.gaussian:
        return Number(value, error, LIMIT, "1/n", MEAN_FIELD)
    if layer == 2 and _third_known(ensemble):
        return _number(_third(ensemble, first, 1.0, 0.0).variance, THIRD)
    value += gaussian.growth * walk.shift + 0.5 * gaussian.bend * walk.spread
    return Number(value, error, ASYMPTOTIC, "1/n^2", YAIDA)


def _third_known(ensemble: Ensemble) -> bool:
    """Whether layer 2 is within the range of `third_layer`."""
    return max(math.sqrt(one) for one in _scales(ensemble, 2)) <= MAX_STD


def _third(ensemble: Ensemble, first: Preactivation, w2: float, b2: float) -> NeuronMoments:
    """The layer after layer 2, with weights and biases of the given scale."""
    functions = [layer_function(one) for one in ensemble.activations[:2]]
    second = _scales(ensemble, 2)
    stds = [math.sqrt(second[0]), math.sqrt(w2)], [math.sqrt(second[1]), math.sqrt(b2)]
    return third_layer(functions, ensemble.widths[1:3], first.variance, *stds)


def _number(found: Predicted, source: str) -> Number:
    return Number(found.value, found.error, EXACT if found.label == "exact" else ASYMPTOTIC, found.next_term, source)
