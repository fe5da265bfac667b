"""Mistakes in the laws of weights and biases: a scheme with one thing wrong in it, named and in plain words.

Each mistake is a scheme as somebody could have written it in place of the one that was meant: another fan, a variance taken for a
standard deviation, a law that is cut and not rescaled. Where names stand, the recipe is that of `fanin.engine.recipes`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from fanin.engine.errors import SpecificationError
from fanin.engine.schemes import Law, Scheme, truncated_variance

Named = tuple[str, str, Law]

_WORDS = {"fan_in": "the fan-in", "fan_out": "the fan-out", "fan_avg": "the mean of both fans", "fan_max": "the larger fan"}
_FIXED = ((0.01, "JAX's normal"), (0.02, "GPT-2 and BERT"), (0.05, "Keras's random_normal"))
_PACKED = ((2, "two matrices"), (3, "query, key and value"), (4, "the four gates of an LSTM"))
_GAINS = ((25.0 / 9.0, "5/3 of tanh"), (9.0 / 16.0, "3/4 that PyTorch has for SELU"))
_PYTORCH = Law("uniform", 1.0 / 3.0, "fan_in")
_UNIT = Law("normal", 1.0)


def scheme_mistakes(scheme: Scheme, fan_in: int, fan_out: int) -> dict[str, tuple[str, Scheme]]:
    """Schemes with one mistake, by its name, each with a sentence; the most common ones first.

    Examples
    --------
    >>> from fanin.engine.recipes import parse_scheme
    >>> sentence, mistaken = scheme_mistakes(parse_scheme("lecun_normal"), 100, 50)["truncated, not rescaled"]
    >>> sentence
    'the weights are a normal law cut at 2 standard deviations and not rescaled: 0.7737 of the variance'
    >>> round(100 * mistaken.weights.variance(100, 50), 4)
    0.7737
    """
    found: dict[str, tuple[str, Scheme]] = {}
    for name, sentence, bias in _bias(scheme, fan_in, fan_out):
        found[name] = sentence, Scheme(scheme.weights, bias)
    for name, sentence, weights in _weights(scheme.weights, fan_in, fan_out):
        found[name] = sentence, Scheme(weights, scheme.bias)
    within = "uniform within 1/sqrt(n), as in PyTorch's layers"
    found["PyTorch's weights"] = f"the weights are {within}: variance 1/(3n)", Scheme(_PYTORCH, scheme.bias)
    found["PyTorch's layer"] = f"weights and bias are {within}: variance 1/(3n)", Scheme(_PYTORCH, _PYTORCH)
    found["all N(0, 1)"] = "all weights and biases are N(0, 1)", Scheme(_UNIT, _UNIT)
    return found


def _bias(scheme: Scheme, n: int, m: int) -> Iterator[tuple[str, str, Law | None]]:
    bias, weights = scheme.bias, scheme.weights
    like = None if weights.family == "orthogonal" else weights
    if bias is None or not bias.gain:
        yield "bias N(0, 1)", "there is a bias, N(0, 1)", _UNIT
        if like is not None:
            yield "bias like the weights", "there is a bias, drawn like the weights", like
        yield "bias 1", "every bias is 1", Law("constant", 1.0)
        yield "bias 0.01", "every bias is 0.01", Law("constant", 0.01**2)
        return
    yield "no bias", "the bias is missing", None
    if bias.family == "constant":
        yield "bias of the other sign", "the bias has the other sign", replace(bias, gain=-bias.gain)
        return
    variance, weight = bias.variance(n, m), weights.variance(n, m)
    if like is not None:
        yield "bias like the weights", "the bias is drawn like the weights", like
    yield "two biases", "two biases are added, as in PyTorch's recurrent layers", _times(bias, 2.0)
    yield "bias, std doubled", "the bias has twice its standard deviation (or the same bias is added twice)", _times(bias, 4.0)
    yield "bias, std halved", "the bias has half its standard deviation", _times(bias, 0.25)
    yield "bias N(0, 1)", "the bias is N(0, 1)", _UNIT
    yield "bias, variance as std", "the bias's variance is taken for its standard deviation", _sized(bias, variance**2)
    yield "bias, std as variance", "the bias's standard deviation is taken for its variance", _sized(bias, math.sqrt(variance))
    yield "bias over the fan-in", "the bias is scaled by the fan-in, too", _sized(bias, variance / n)
    again = variance + 2.0 * math.sqrt(variance * weight)
    yield "bias from a weight", "the bias repeats the draw of a weight", _sized(bias, again)
    yield "bias constant", "every bias is one and the same: its standard deviation", Law("constant", variance)


def _weights(law: Law, n: int, m: int) -> Iterator[Named]:
    if law.family == "constant" or not law.gain:
        return
    size = law.parent_std(n, m) ** 2 if law.raw else law.variance(n, m)
    yield from _of_family(law, n, m)
    yield from _of_fan(law, size, n, m)
    yield "variance as std", "the weights' variance is taken for their standard deviation", _sized(law, size**2)
    yield "std as variance", "the weights' standard deviation is taken for their variance", _sized(law, math.sqrt(size))
    yield "LeCun", "the weights have LeCun's variance 1/n", replace(law, gain=1.0, over="fan_in")
    yield "He", "the weights have He's variance 2/n", replace(law, gain=2.0, over="fan_in")
    yield "Glorot", "the weights have Glorot's variance 2/(n+m)", replace(law, gain=1.0, over="fan_avg")
    twice = "the weights have twice their variance (a gain of sqrt(2) too many, or each weight meets two inputs)"
    yield "variance doubled", twice, _times(law, 2.0)
    half = "the weights have half their variance (a gain of sqrt(2) is missing, or the fan is that of a packed matrix)"
    yield "variance halved", half, _times(law, 0.5)
    third = "the weights have a third of their variance, as of three matrices packed"
    yield "a third of the variance", third, _times(law, 1.0 / 3.0)
    yield "std doubled", "the weights have twice their standard deviation", _times(law, 4.0)
    yield "std halved", "the weights have half their standard deviation", _times(law, 0.25)
    yield "weights of variance 1", "the weights have variance 1", _sized(law, 1.0)
    for std, where in _FIXED:
        yield f"weights of std {std:g}", f"the weights have standard deviation {std:g}, as in {where}", _sized(law, std**2)
    yield from _of_zeros(law)


def _of_fan(law: Law, size: float, n: int, m: int) -> Iterator[Named]:
    """The fan is another one, or is counted, used or left out wrongly; the gain likewise."""
    if law.over is None:
        return
    fan = law.gain / size
    for other, words in _WORDS.items():
        if other != law.over:
            yield other, f"the variance is over {words} and not over {_WORDS[law.over]}", replace(law, over=other)
    step = 0.5 if law.over == "fan_avg" else 1.0
    if fan > step:
        yield "fan less 1", "the fan is one too small", _times(law, fan / (fan - step))
    yield "fan plus 1", "the fan is one too large, as if the bias were an input", _times(law, fan / (fan + step))
    yield "1/fan for 1/sqrt(fan)", "the weights are divided by the fan and not by its root", _sized(law, law.gain / fan**2)
    yield "not scaled", "the weights are not scaled by the fan", _sized(law, law.gain)
    if law.over in ("fan_out", "fan_avg"):
        for count, what in _PACKED:
            packed = f"the fan-out is that of {what} packed into one matrix"
            yield f"fan-out times {count}", packed, _sized(law, _over_outputs(law, n, count * m))
            if m % count == 0:
                part = f"the fan-out is that of one part of {what} packed into one matrix"
                yield f"fan-out over {count}", part, _sized(law, _over_outputs(law, n, m // count))
    if law.gain != 1.0:
        yield "no gain", "the gain is missing", _times(law, 1.0 / law.gain)
        yield "gain twice", "the gain is applied twice", _times(law, law.gain)
        yield "root of the gain", "the root of the gain is used in its place", _times(law, law.gain**-0.5)
    for square, whose in _GAINS:
        yield f"gain {whose[:3]}", f"the weights have the gain {whose}", _times(law, square / law.gain)


def _over_outputs(law: Law, n: int, outputs: int) -> float:
    return law.gain / (outputs if law.over == "fan_out" else 0.5 * (n + outputs))


def _of_family(law: Law, n: int, m: int) -> Iterator[Named]:
    """Another law in place of the one that was meant."""
    variance = law.variance(n, m)
    plain = Law("normal", variance)
    third = "the weights are uniform between plus and minus their standard deviation: a third of the variance"
    if law.family == "truncated" and law.shape is not None and not law.zero:
        kept, cut = truncated_variance(law.shape), f"{law.shape:g} standard deviations"
        if law.raw:
            yield "rescaled after the cut", f"the cut law is rescaled: 1/{kept:.4f} of the variance", replace(law, raw=False)
            yield "not cut", f"the weights are normal, not cut at {cut}", Law("normal", law.gain, law.over)
            return
        not_kept = f"the weights are not rescaled after the cut at {cut}: {kept:.4f} of the variance"
        yield "truncated, not rescaled", not_kept, replace(law, raw=True)
        yield "not cut", f"the weights are normal, not cut at {cut}", plain
        yield "rescaled, not cut", f"the weights are rescaled for a cut at {cut}, and not cut", Law("normal", variance / kept)
        yield "uniform up to the std", third, Law("uniform", variance / 3.0)
        return
    if law.zero or law.family == "own":
        return
    if law.family != "normal":
        yield "normal", "the weights are normal", plain
    else:
        kept = truncated_variance(2.0)
        cut = "the weights are a normal law cut at 2 standard deviations and"
        not_kept = f"{cut} not rescaled: {kept:.4f} of the variance"
        yield "truncated, not rescaled", not_kept, Law("truncated", law.gain, law.over, raw=True)
        yield "truncated, rescaled", f"{cut} rescaled", Law("truncated", law.gain, law.over)
        rescaled = "the weights are rescaled for a cut at 2 standard deviations, and not cut"
        yield "rescaled, not cut", rescaled, _times(law, 1.0 / kept)
        yield "orthogonal", "the matrix of the weights is orthogonal", Law("orthogonal", variance)
    if law.family == "uniform":
        limit = "the weights are normal, with the uniform law's limit as standard deviation: three times the variance"
        yield "limit as std", limit, Law("normal", 3.0 * variance)
        yield "uniform up to the std", third, _times(law, 1.0 / 3.0)
    else:
        yield "uniform up to the std", third, Law("uniform", variance / 3.0)
        yield "uniform", "the weights are uniform, of the same variance", Law("uniform", variance)
    if law.family == "laplace":
        yield "std as scale", "the standard deviation is taken for the scale of the Laplace law", _times(law, 2.0)
    if law.family == "student" and law.shape is not None:
        scale = "the standard deviation is taken for the scale of Student's law"
        yield "std as scale", scale, _times(law, law.shape / (law.shape - 2.0))
    if law.family != "rademacher":
        yield "two-valued", "the weights are plus or minus their standard deviation", Law("rademacher", variance)


def _of_zeros(law: Law) -> Iterator[Named]:
    if law.zero:
        yield "no zeros", "no weight is zero", replace(law, zero=0.0, raw=law.raw and law.family == "truncated")
        if law.family != "truncated":
            words = "are made up for" if law.raw else "are not made up for"
            yield "zeros, rescaled or not", f"the zeros {words}, by larger weights", replace(law, raw=not law.raw)
    elif law.family not in ("orthogonal", "truncated"):
        dropped = "half of the weights are zero, as if dropout were on"
        yield "half of the weights zero", dropped, replace(law, zero=0.5, raw=True)
        yield "half zero, half doubled", f"{dropped} and the rest doubled", replace(law, zero=0.5, gain=2.0 * law.gain)


def _times(law: Law, factor: float) -> Law:
    """The law with its variance times a factor."""
    return replace(law, gain=law.gain * factor)


def _sized(law: Law, square: float) -> Law:
    """The law with a given mean square (before what is not rescaled)."""
    if not math.isfinite(square):
        raise SpecificationError(f"a variance is {square!r}; it must be finite")
    return replace(law, gain=square, over=None)
