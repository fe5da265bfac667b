"""What is known of networks of finite width: exact laws, and leading orders in 1/n where no exact law is known.

Fixed non-zero input, independent weights of mean zero, Gaussian unless said otherwise; a statement is about one neuron across
networks. Given the layer below, a pre-activation is N(0, Q) with a random conditional variance Q = weight_std^2 mean_i phi(z_i)^2
+ bias_std^2, so its variance is E Q and its kurtosis 3 E Q^2/(E Q)^2. In the first layer Q is a constant; in the second it is a
mean of n independent terms, whose law is known; so the third layer's moments are known too. For rays through zero (ReLU, leaky
ReLU, identity) E Q and E Q^2 follow through any depth. Hanin and Nica 2020, Products of many large random matrices and gradients
in deep neural networks (log-norms); Yaida 2020, Non-Gaussian processes and neural networks at finite widths (leading orders).

`hidden` lists the widths of the hidden layers between input and output, first to last; layer 1 is fed by the input, and the layer
after k hidden ones is layer k + 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import ActivationFunction, find_activation
from fanin.stats.gaussian_moments import error_kind, moments
from fanin.stats.mean_of_squares import mean_square_rule, square_moments
from fanin.stats.quadrature import BOUND, ESTIMATE, Term, gaussian_means
from fanin.stats.theory_value import EXACT, LEADING, Predicted, checked_real, checked_squares, checked_widths, per_layer

MAX_STD = 1e6

Activations = str | ActivationFunction | Sequence[str | ActivationFunction]
Stds = float | Sequence[float]
_ROUNDING = 1e-14


@dataclass(frozen=True)
class NeuronMoments:
    """Of one pre-activation across networks. ratio : E Q^2/(E Q)^2 of the conditional variance Q. kurtosis : 3 for a Gaussian."""

    variance: Predicted
    ratio: Predicted
    kurtosis: Predicted


def ray_moments(
    activation: Activations,
    hidden: Sequence[int],
    weight_std: Stds,
    bias_std: Stds = 0.0,
    *,
    input_square: float = 1.0,
    input_ratio: float = 1.0,
) -> NeuronMoments:
    """The layer after the hidden ones in a network of ReLU, leaky ReLU or identity: exact at any width and depth.

    Parameters ---------- activation : "relu", "leaky_relu", "leaky_relu:SLOPE" or "identity"; or one for each hidden layer hidden
    : widths of the hidden layers; may be empty weight_std, bias_std : of every layer, or one for each of the len(hidden) + 1
    layers of weights; weight_std is the square root of
        variance times fan-in
    input_square : E |x|^2 / fan-in
    input_ratio : E |x|^4 / (E |x|^2)^2; 1 for a fixed length

    Examples
    --------
    >>> round(ray_moments("relu", [10, 10], weight_std=2**0.5).kurtosis.value, 12)  # 3 (1 + 5/10)^2
    6.75
    """
    widths = checked_widths(hidden)
    (w2, *later), (b2, *later_biases) = _squares(weight_std, bias_std, len(widths) + 1)
    square = checked_real("input_square", input_square, 0.0)
    ratio = checked_real("input_ratio", input_ratio, 1.0)
    second = (w2 * square) ** 2 * ratio + 2.0 * w2 * square * b2 + b2**2
    return _follow_rays(_rays(activation, len(widths)), widths, w2 * square + b2, second, later, later_biases)


def _follow_rays(
    functions: list[ActivationFunction], widths: list[int], first: float, second: float, w2: list[float], b2: list[float]
) -> NeuronMoments:
    """From E Q and E Q^2 of the first layer to those of the last."""
    rays = first, second
    for function, n, weight, bias in zip(functions, widths, w2, b2, strict=True):
        rays = ray_step(function, rays, weight, bias, n)
    first, second = rays
    if not 0.0 < second < 1e300:
        raise SpecificationError("the variance of this network is 0 or out of range: no kurtosis is defined")
    return _exact_moments(first, second / first**2, 1e-15 * (len(widths) + 4), BOUND, "conditional variances, layer by layer")


def ray_step(function: ActivationFunction, rays: tuple[float, float], w2: float, b2: float, n: int) -> tuple[float, float]:
    """E Q and E Q^2 of a layer, from those of the layer below of n neurons."""
    half, spread = ray_constants(function)
    factor, (first, second) = w2 * half, rays
    return factor * first + b2, factor**2 * (1.0 + spread / n) * second + 2.0 * factor * b2 * first + b2**2


def ray_constants(function: ActivationFunction) -> tuple[float, float]:
    """E phi^2 / q, and Var phi^2 / (E phi^2)^2: 5 for ReLU, 2 for the identity."""
    two = function.left_slope**2 + function.right_slope**2
    four = function.left_slope**4 + function.right_slope**4
    return two / 2.0, 6.0 * four / two**2 - 1.0


def _exact_moments(variance: float, ratio: float, relative: float, kind: str, source: str) -> NeuronMoments:
    return NeuronMoments(
        *(
            Predicted(value, EXACT, "", relative * value, kind, source)
            for value in (float(variance), float(ratio), 3.0 * float(ratio))
        )
    )


def second_layer(
    activation: str | ActivationFunction,
    width: int,
    q: float,
    weight_std: float,
    bias_std: float = 0.0,
    *,
    weight_excess: float = 0.0,
    bias_excess: float = 0.0,
) -> NeuronMoments:
    """The layer after one hidden layer of `width` neurons with pre-activations N(0, q): exact for any activation.

    weight_excess, bias_excess : excess kurtosis of one weight and one bias of the second layer, 0 for Gaussian ones and -1.2 for
    uniform ones. With them `ratio` is a third of the kurtosis.

    Examples
    --------
    >>> round(second_layer("relu", 100, q=1.0, weight_std=2**0.5).kurtosis.value, 12)  # 3 (1 + 5/100)
    3.15
    """
    function, q = find_activation(activation), checked_real("q", q, 0.0, 1e70)
    (n,) = checked_widths([width])
    (w2,), (b2,) = _squares(weight_std, bias_std, 1)
    weight_excess = checked_real("weight_excess", weight_excess, -2.0)
    bias_excess = checked_real("bias_excess", bias_excess, -2.0)
    mean, spread, fourth, relative = square_moments(function, q)
    variance = w2 * mean + b2
    if not variance:
        raise SpecificationError("the variance of the second layer is 0: no kurtosis is defined")
    excess = 3.0 * w2**2 * spread / n + weight_excess * w2**2 * fourth / n + bias_excess * b2**2
    ratio = 1.0 + excess / (3.0 * variance**2)
    return _exact_moments(variance, ratio, 4.0 * relative, error_kind(function), "one hidden layer: a mean of independent terms")


def third_layer(activation: Activations, hidden: Sequence[int], q: float, weight_std: Stds, bias_std: Stds = 0.0) -> NeuronMoments:
    """The layer after two hidden layers, the first with pre-activations N(0, q): exact for any activation.

    activation : for both hidden layers, or one for each. weight_std, bias_std : of layers 2 and 3, or one for each.

    The second layer's conditional variance is a mean of n independent terms; expectations over it are taken with the Gauss rule
    that has its moments. What the rule leaves out is an error estimate: the change from one node fewer.

    Examples
    --------
    Nielsen's neuron, N(0,1) parameters and width 1000: not 482.9132456, the infinite-width value.

    >>> round(third_layer("sigmoid", (1000, 1000), q=501.0, weight_std=1000**0.5, bias_std=1.0).variance.value, 7)
    482.9065005
    """
    q = checked_real("q", q, 0.0, 1e30)
    first, second = checked_widths(hidden, exactly=2)
    below, above = (find_activation(one) for one in per_layer("activation", activation, 2))
    (w2, last_w2), (b2, last_b2) = _squares(weight_std, bias_std, 2)
    found = []
    for nodes in (4, 5):
        means, chances = mean_square_rule(below, q, first, nodes)
        variances = w2 * means + b2
        if not (variances > 0.0).all():
            raise SpecificationError("the variance of the second layer can be 0: the third layer is not computed then")
        inner = [square_moments(above, float(one)) for one in variances]
        squares = last_w2 * np.array([one[0] for one in inner]) + last_b2
        spreads = last_w2**2 * np.array([one[1] for one in inner]) / second
        mean = float(chances @ squares)
        found.append((mean, float(chances @ (squares**2 + spreads)) / mean**2))
    (coarse, coarse_ratio), (variance, ratio) = found
    source = "two hidden layers: Gauss rule with the moments of a mean of independent terms"
    errors = abs(variance - coarse) + _ROUNDING * variance, abs(ratio - coarse_ratio) + _ROUNDING * ratio
    return NeuronMoments(
        Predicted(variance, EXACT, "", errors[0], ESTIMATE, source),
        Predicted(ratio, EXACT, "", errors[1], ESTIMATE, source),
        Predicted(3.0 * ratio, EXACT, "", 3.0 * errors[1], ESTIMATE, source),
    )


def deep_leading_order(
    activation: Activations, hidden: Sequence[int], q: float, weight_std: Stds, bias_std: Stds = 0.0
) -> NeuronMoments:
    """The layer after the hidden ones to first order in 1/n, for any activation and depth.

    activation : for every hidden layer, or one for each. q : variance of the first pre-activation. weight_std, bias_std : of the
    layers after the first, or one for each. With K the infinite-width variance, v = Var Q and d = E Q - K, a layer of width n adds
    v' = slope^2 v + weight_std^4 Var phi^2 / n and d' = slope d + (weight_std^2/2) (d^2 E phi^2/dq^2) v.

    Examples
    --------
    >>> round(deep_leading_order("relu", [1000] * 3, q=1.0, weight_std=2**0.5).ratio.value, 12)  # 1 + 3 * 5/1000
    1.015
    """
    variance = checked_real("q", q, 0.0, 1e70, above=True)
    widths = checked_widths(hidden)
    functions = [find_activation(one) for one in per_layer("activation", activation, len(widths))]
    spread = shift = error = 0.0
    for function, n, w2, b2 in zip(functions, widths, *_squares(weight_std, bias_std, len(widths)), strict=True):
        at = moments(function, variance)
        (values,), (errors,) = gaussian_means(function, (Term(2, 0, 4), Term(2, 0, 2), Term(2)), 0.0, math.sqrt(variance))
        weights = np.array([1.0 / variance**2, -6.0 / variance, 3.0]) / (4.0 * variance**2)
        bend, bend_error = float(values @ weights), float(errors @ np.abs(weights))
        slope = w2 * at.growth.item()
        error = abs(slope) * error + w2 * (at.square_error.item() + 0.5 * bend_error * spread)
        shift = slope * shift + 0.5 * w2 * bend * spread
        spread = slope**2 * spread + w2**2 * square_moments(function, variance)[1] / n
        variance = w2 * at.square.item() + b2
        if not 0.0 < variance < 1e70:
            raise SpecificationError(f"the variance of a layer is {variance:.3g}; leading orders are computed from above 0 to 1e70")
    ratio, source = 1.0 + spread / variance**2, "Yaida 2020"
    kind = ESTIMATE if any(error_kind(function) == ESTIMATE for function in functions) else BOUND
    label, order = (LEADING, "1/n^2") if len(widths) > 1 else (EXACT, "")
    relative = 1e-13 * (1 + len(widths))
    return NeuronMoments(
        Predicted(variance + shift, label, order, error + _ROUNDING * variance, kind, source),
        Predicted(ratio, label, order, relative * ratio, kind, source),
        Predicted(3.0 * ratio, label, order, 3.0 * relative * ratio, kind, source),
    )


def neuron_moments(
    activation: Activations, hidden: Sequence[int], q: float, weight_std: Stds, bias_std: Stds = 0.0
) -> NeuronMoments:
    """The best that is known of the layer after the hidden ones: an exact law where there is one, else the leading order.

    Parameters as in `deep_leading_order`. Rays through zero are exact at any depth, other activations up to the third layer.

    Examples
    --------
    >>> [neuron_moments("tanh", [100] * depth, 1.0, 1.5).kurtosis.label for depth in range(5)]
    ['exact', 'exact', 'exact', 'leading order', 'leading order']
    >>> neuron_moments("relu", [100] * 4, 1.0, 1.5).kurtosis.label
    'exact'
    """
    widths = checked_widths(hidden)
    functions = [find_activation(one) for one in per_layer("activation", activation, len(widths))]
    if all(function.homogeneous for function in functions):
        start = checked_real("q", q, 0.0, 1e140, above=True)
        return _follow_rays(functions, widths, start, start**2, *_squares(weight_std, bias_std, len(widths)))
    if len(widths) == 2:
        return third_layer(functions, widths, q, weight_std, bias_std)
    return deep_leading_order(functions, widths, q, weight_std, bias_std)


def _rays(activation: Activations, count: int) -> list[ActivationFunction]:
    functions = [find_activation(one) for one in per_layer("activation", activation, count)]
    for function in functions:
        if not function.homogeneous:
            raise SpecificationError(
                f"activation is {function.name!r}; this law is exact for relu, leaky_relu and identity; "
                "take second_layer, third_layer or deep_leading_order"
            )
    return functions


def _squares(weight_std: Stds, bias_std: Stds, count: int) -> tuple[list[float], list[float]]:
    return checked_squares("weight_std", weight_std, count, MAX_STD), checked_squares("bias_std", bias_std, count, MAX_STD)
