"""Mistakes in the inputs: what a network sees with one thing wrong in it, named and in plain words.

Inputs that cannot be written with the mistake (random bits times 255, say) are left to `near_misses`, which has `scales` for them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from fanin.engine.inputs import Inputs

Named = tuple[str, str, Inputs]


def input_mistakes(inputs: Inputs, n: int) -> Iterator[Named]:
    """Inputs with one mistake: name, sentence, law.

    inputs : resolved, for n inputs.

    Examples
    --------
    >>> [name for name, _, _ in input_mistakes(Inputs.on(5), 10)][:3]
    ['all inputs on', 'one input fewer', 'one input more']
    """
    if inputs.kind in ("on", "subset"):
        yield from _counted(inputs, n)
    elif inputs.kind == "bernoulli":
        yield from _bits(inputs, n)
    elif inputs.kind in ("gaussian", "uniform", "sparse", "ar1"):
        yield from _numbers(inputs)
    elif inputs.data is not None and inputs.kind != "correlated":
        yield from _data(inputs)
    for name, sentence, factor in scales(inputs, n):
        scaled = _scaled(inputs, n, factor)
        if scaled is not None:
            yield name, sentence, scaled


def scales(inputs: Inputs, n: int) -> Iterator[tuple[str, str, float]]:
    """Factors by which all inputs could be wrong: name, sentence, factor."""
    if inputs.kind in ("on", "subset", "bernoulli") or (inputs.data is not None and np.abs(inputs.data).max() <= 1.5):
        yield "0 to 255", "the inputs are 0 to 255 and not 0 to 1", 255.0
    if inputs.data is not None and inputs.kind != "correlated":
        yield "divided by 255", "the inputs are divided by 255 (once more)", 1.0 / 255.0
        largest = float(np.abs(inputs.data).max())
        if largest > 0.0:
            yield "largest is 1", "the inputs are divided by the largest one", 1.0 / largest
    yield "inputs doubled", "the inputs are twice as large", 2.0
    yield "inputs halved", "the inputs are half as large", 0.5
    yield "inputs over sqrt(n)", "the inputs are divided by the root of their number", 1.0 / math.sqrt(n)


def _counted(inputs: Inputs, n: int) -> Iterator[Named]:
    count = inputs.count

    def with_count(number: int) -> Inputs:
        return dataclasses.replace(inputs, count=number)

    if count < n:
        yield "all inputs on", f"all {n} inputs are on (or those that are off are -1)", with_count(n)
    if count > 1:
        yield "one input fewer", "one input fewer is on, or the last one is not read", with_count(count - 1)
    if count < n:
        yield "one input more", "one input more is on", with_count(count + 1)
        if 2 * count != n:
            yield "on and off exchanged", "on and off are exchanged", with_count(n - count)
        flips = f"each input is on with probability {count / n:g}, not exactly {count} of them"
        yield "coin flips", flips, Inputs.bernoulli(count / n)
    if count != n // 2:
        yield "half of the inputs on", "half of the inputs are on", with_count(n // 2)
    yield "gaussian inputs", "the inputs are N(0, 1)", Inputs.gaussian()


def _bits(inputs: Inputs, n: int) -> Iterator[Named]:
    p = inputs.parameters[0]
    yield "all inputs on", "all inputs are on, or those that are off are -1", Inputs.on(n)
    count = round(p * n)
    yield "exactly as many on", f"exactly {count} inputs are on, not each with probability {p:g}", Inputs.subset(count)
    if p != 0.5:
        yield "on and off exchanged", "on and off are exchanged", Inputs.bernoulli(1.0 - p)
        yield "coin flips", "each input is on with probability 1/2", Inputs.bernoulli(0.5)
    yield "gaussian inputs", "the inputs are N(0, 1)", Inputs.gaussian()


def _numbers(inputs: Inputs) -> Iterator[Named]:
    if inputs.kind == "uniform":
        low, high = inputs.parameters
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        if middle:
            yield "centred", "the inputs are centred about 0", Inputs.uniform(-half, half)
        yield "-1 to 1", "the inputs are uniform from -1 to 1", Inputs.uniform(-1.0, 1.0)
        yield "0 to 1", "the inputs are uniform from 0 to 1", Inputs.uniform(0.0, 1.0)
        square = (low * low + low * high + high * high) / 3.0
        yield "gaussian, same mean square", "the inputs are Gaussian, of the same mean square", Inputs.gaussian(math.sqrt(square))
        yield "gaussian inputs", "the inputs are N(0, 1)", Inputs.gaussian()
        return
    *first, std = inputs.parameters
    wrong = {"variance as": ("variance is taken for their standard deviation", std**2)}
    wrong["std as"] = ("standard deviation is taken for their variance", math.sqrt(std))
    wrong["unit"] = ("standard deviation is 1", 1.0)
    for name, (words, value) in wrong.items():
        changed = dataclasses.replace(inputs, parameters=(*first, value))
        yield f"inputs, {name}", f"the inputs' {words}", changed
    if inputs.kind == "gaussian":
        spread = math.sqrt(3.0) * std
        if spread:
            yield "uniform inputs", "the inputs are uniform, of the same variance", Inputs.uniform(-spread, spread)
        yield "0 to 1", "the inputs are uniform from 0 to 1", Inputs.uniform(0.0, 1.0)
        yield "-1 to 1", "the inputs are uniform from -1 to 1", Inputs.uniform(-1.0, 1.0)
    elif inputs.kind == "ar1":
        yield "independent inputs", "the inputs are independent of each other", Inputs.gaussian(std)
    else:
        yield "no zeros", "no input is zero", Inputs.gaussian(std)
        kept = math.sqrt(1.0 - first[0])
        if kept:
            made_up = "the zeros are made up for, by larger inputs"
            yield "zeros made up for", made_up, dataclasses.replace(inputs, parameters=(*first, std / kept))


def _data(inputs: Inputs) -> Iterator[Named]:
    data = inputs.data
    assert data is not None
    if data.min() >= 0.0 and data.max() <= 1.0:
        yield "-1 to 1", "the inputs are -1 to 1 and not 0 to 1", _with(inputs, 2.0 * data - 1.0)
    lost = data.copy()
    lost[..., -1] = 0.0
    yield "last column lost", "the last column is not read", _with(inputs, lost)
    if data.ndim == 2 and inputs.kind == "rows":
        centred = data - data.mean(axis=0, dtype=np.float64)
        spread = np.sqrt((centred**2).mean(axis=0))
        yield "centred", "the columns are centred", _with(inputs, centred)
        yield "standardised", "the columns are standardised", _with(inputs, centred / np.where(spread > 0.0, spread, 1.0))


def _with(inputs: Inputs, data: np.ndarray) -> Inputs:
    values = np.ascontiguousarray(data, dtype=np.float32)
    return dataclasses.replace(inputs, data=values)


def _scaled(inputs: Inputs, n: int, factor: float) -> Inputs | None:
    """The inputs times a factor; None where no law says so."""
    match inputs.kind:
        case "on":
            return Inputs.fixed(factor * inputs.vectors(n)[0])
        case "gaussian" | "uniform":
            return dataclasses.replace(inputs, parameters=tuple(factor * value for value in inputs.parameters))
        case "sparse" | "ar1":
            first, std = inputs.parameters
            return dataclasses.replace(inputs, parameters=(first, factor * std))
        case "pair":
            square, correlation = inputs.parameters
            return dataclasses.replace(inputs, parameters=(factor**2 * square, correlation))
        case "subset" | "bernoulli":
            return None
        case _ if inputs.data is not None:
            with np.errstate(over="ignore"):
                data = inputs.data * np.float32(factor)
            return _with(inputs, data) if np.isfinite(data).all() else None
    return None
