"""The direct sampler: every weight that meets a non-zero input is drawn. It is the ground truth for every law.

Lanes are networks. A block of `stream.BLOCK` networks advances together: for each input, one weight per network is drawn and
added to that network's own sum, in the order of the inputs and with one rounding per step (fma). Nothing is reassociated, so
the bits do not depend on the width of the machine's vectors. Inputs that are zero in every lane are skipped.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fanin.engine import stream
from fanin.engine._jit import inline, kernel
from fanin.engine._llvm import fma
from fanin.engine.accumulators import PARAMETER_LIMIT, Accumulators
from fanin.engine.buffers import staggered
from fanin.engine.laws import fill_normal, fill_uniform
from fanin.engine.math import F
from fanin.engine.philox import fill_words
from fanin.engine.record import empty_record, empty_scratch, record_block, to_accumulators
from fanin.engine.spec import ACTIVATIONS, Ensemble

NAME = "direct"

_NORMAL, _UNIFORM = 0, 1
_FIXED, _SUBSET, _BERNOULLI, _GAUSSIAN, _ROWS = range(5)
_WEIGHT, _BIAS, _INPUT, _ROW = (np.uint64(role) for role in (stream.WEIGHT, stream.BIAS, stream.INPUT, stream.ROW))
_LAYER = np.uint64(1)
_ZERO = np.uint64(0)
_LIMIT = F(PARAMETER_LIMIT)
_HALF = stream.BLOCK // 2


class Plan(NamedTuple):
    """One ensemble as a kernel reads it."""

    key: tuple[np.uint64, np.uint64]
    fan_in: int
    weight_family: int
    weight_std: np.float32
    bias_family: int
    bias_std: np.float32
    activation: int
    input_kind: int
    input_count: int  # inputs that are on (subset), 2**32 times the probability (bernoulli), number of rows (rows)
    input_std: np.float32
    data: np.ndarray  # float32: (fan_in, 1) fixed input, (fan_in, rows) data by columns, (1, 1) otherwise
    tails: np.ndarray  # float32


class Lanes(NamedTuple):
    """Buffers of one block: words as drawn (uint64) and as read (int32), then values by network (float32, int32)."""

    words: tuple[np.ndarray, np.ndarray]
    halves: tuple[np.ndarray, np.ndarray]
    x: np.ndarray
    w: np.ndarray
    z: np.ndarray
    outside: np.ndarray
    choice: np.ndarray  # int64: inputs chosen so far (subset) or the row (rows)


def empty_lanes() -> Lanes:
    """Buffers for one block."""
    half = stream.BLOCK // 2
    first, second, x, w, z, outside = staggered(
        (half // 2, np.uint64),
        (half // 2, np.uint64),
        (stream.BLOCK, np.float32),
        (stream.BLOCK, np.float32),
        (stream.BLOCK, np.float32),
        (stream.BLOCK, np.int32),
    )
    halves = (first.view(np.int32), second.view(np.int32))
    return Lanes((first, second), halves, x, w, z, outside, np.zeros(stream.BLOCK, np.int64))


@inline
def _draw(plan, lanes, role, index, block):
    fill_words(lanes.words[0], lanes.words[1], plan.key, role, index, _LAYER, block)


@inline
def draw_parameter(plan, lanes, family, std, role, index, block):
    """One weight or bias for every network of a block, into lanes.w."""
    _draw(plan, lanes, role, index, block)
    if family == _NORMAL:
        fill_normal(lanes.halves[0], lanes.halves[1], std, lanes.w)
    else:
        fill_uniform(lanes.halves[0], lanes.halves[1], std, lanes.w)


@inline
def _unsigned(word):
    """A word read as int32 as a number from 0 to 2**32 - 1 in int64."""
    return np.int64(word) & np.int64(0xFFFFFFFF)


@kernel
def _choose_rows(words, rows, choice):
    """A row for each network: uniform but for at most one part in 2**32 per row."""
    for i in range(words.size):
        choice[i] = (_unsigned(words[i]) * rows) >> np.int64(32)


@kernel
def _toss(words, threshold, x):
    """1 where the word lies below the threshold, else 0."""
    for i in range(words.size):
        x[i] = F(1.0) if _unsigned(words[i]) < threshold else F(0.0)


@kernel
def _select(words, left, wanted, chosen, x):
    """Selection sampling (Fan, Muller and Rezucha 1962): on with probability (still wanted) / (inputs left)."""
    scale = np.float64(left) * 2.0**-32
    for i in range(words.size):
        on = (np.float64(_unsigned(words[i])) + 0.5) * scale < np.float64(wanted - chosen[i])
        x[i] = F(1.0) if on else F(0.0)
        chosen[i] += np.int64(on)


@kernel
def _gather(column, choice, x):
    for i in range(x.size):
        x[i] = column[choice[i]]


@inline
def begin_input(plan, lanes, block):
    """Prepare `lanes.choice` for the inputs of a block."""
    lanes.choice[:] = 0
    if plan.input_kind == _ROWS:
        _draw(plan, lanes, _ROW, _ZERO, block)
        _choose_rows(lanes.halves[0], plan.input_count, lanes.choice[:_HALF])
        _choose_rows(lanes.halves[1], plan.input_count, lanes.choice[_HALF:])


@inline
def draw_input(plan, lanes, j, block):
    """Input j of every network of a block, into lanes.x. To be called for j = 0, 1, ... in turn."""
    if plan.input_kind == _ROWS:
        _gather(plan.data[j], lanes.choice, lanes.x)
        return
    _draw(plan, lanes, _INPUT, np.uint64(j), block)
    if plan.input_kind == _GAUSSIAN:
        fill_normal(lanes.halves[0], lanes.halves[1], plan.input_std, lanes.x)
    elif plan.input_kind == _BERNOULLI:
        _toss(lanes.halves[0], plan.input_count, lanes.x[:_HALF])
        _toss(lanes.halves[1], plan.input_count, lanes.x[_HALF:])
    else:
        left = plan.fan_in - j
        _select(lanes.halves[0], left, plan.input_count, lanes.choice[:_HALF], lanes.x[:_HALF])
        _select(lanes.halves[1], left, plan.input_count, lanes.choice[_HALF:], lanes.x[_HALF:])


@kernel
def _add_weighted(z, w, x, outside):
    """z += w * x lane by lane, and count the weights beyond the limit."""
    for i in range(z.size):
        z[i] = fma(w[i], x[i], z[i])
        outside[i] += np.int32(abs(w[i]) > _LIMIT)


@kernel
def _add_scaled(z, w, x, outside):
    """z += w * x with one x for all lanes, and count the weights beyond the limit."""
    for i in range(z.size):
        z[i] = fma(w[i], x, z[i])
        outside[i] += np.int32(abs(w[i]) > _LIMIT)


@kernel
def _all_zero(x):
    for value in x:
        if value != F(0.0):
            return False
    return True


@kernel
def preactivate(plan, lanes, block, stop):
    """z of every network of a block, into lanes.z. stop: int64 (1); a non-zero value breaks off after the current input."""
    z, x, w, outside = lanes.z, lanes.x, lanes.w, lanes.outside
    z[:] = F(0.0)
    outside[:] = 0
    begin_input(plan, lanes, block)
    for j in range(plan.fan_in):
        if stop[0] != 0:
            return
        if plan.input_kind == _FIXED:
            if plan.data[j, 0] == F(0.0):
                continue
            draw_parameter(plan, lanes, plan.weight_family, plan.weight_std, _WEIGHT, np.uint64(j), block)
            _add_scaled(z, w, plan.data[j, 0], outside)
        else:
            draw_input(plan, lanes, j, block)
            if _all_zero(x):
                continue
            draw_parameter(plan, lanes, plan.weight_family, plan.weight_std, _WEIGHT, np.uint64(j), block)
            _add_weighted(z, w, x, outside)
    if plan.bias_std > F(0.0):
        draw_parameter(plan, lanes, plan.bias_family, plan.bias_std, _BIAS, _ZERO, block)
        _add_scaled(z, w, F(1.0), outside)


@kernel
def sample_blocks(plan, lanes, scratch, record, first, last, networks, stop):
    """Sample blocks first .. last - 1 and record the first `networks` networks counted from the start of block `first`."""
    for block in range(first, last):
        preactivate(plan, lanes, np.uint64(block), stop)
        if stop[0] != 0:
            return
        count = min(np.int64(stream.BLOCK), networks - (block - first) * np.int64(stream.BLOCK))
        has_previous = block % 2 == 1 and block > first
        record_block(record, scratch, lanes.z[:count], lanes.outside, plan.tails, plan.activation, has_previous)


def make_plan(ensemble: Ensemble, seed: int) -> Plan:
    """The plan of an ensemble under a seed. A shared random input is drawn here: the one that network 0 would get."""
    inputs, n = ensemble.inputs, ensemble.fan_in
    kind, count, data = _FIXED, 0, np.zeros((1, 1), np.float32)
    if inputs.kind == "on":
        data = np.zeros((n, 1), np.float32)
        data[: inputs.count] = 1.0
    elif inputs.kind == "fixed":
        data = inputs.data.reshape(n, 1)
    elif inputs.kind == "rows":
        kind, count, data = _ROWS, inputs.data.shape[0], np.ascontiguousarray(inputs.data.T)
    elif inputs.kind == "subset":
        kind, count = _SUBSET, inputs.count
    elif inputs.kind == "bernoulli":
        kind, count = _BERNOULLI, round(inputs.parameter * 2**32)
    else:
        kind = _GAUSSIAN
    families = {"normal": _NORMAL, "uniform": _UNIFORM}
    bias = ensemble.scheme.bias
    plan = Plan(
        key=tuple(np.uint64(word) for word in stream.stream_key(seed, ensemble.stream_label(NAME))),
        fan_in=n,
        weight_family=families[ensemble.scheme.weights.family],
        weight_std=np.float32(math.sqrt(ensemble.weight_variance)),
        bias_family=families[bias.family] if bias else _NORMAL,
        bias_std=np.float32(math.sqrt(ensemble.bias_variance)),
        activation=ACTIVATIONS.index(ensemble.activation),
        input_kind=kind,
        input_count=count,
        input_std=np.float32(inputs.parameter if inputs.kind == "gaussian" else 0.0),
        data=data,
        tails=np.array(ensemble.tails, np.float32),
    )
    if inputs.shared and kind != _FIXED:
        plan = plan._replace(data=_draw_inputs(plan, 0, 0).reshape(n, 1), input_kind=_FIXED)
    return plan


def _draw_inputs(plan: Plan, block: int, lane: int) -> np.ndarray:
    """The whole input vector of one network, float32 (fan_in)."""
    if plan.input_kind == _FIXED:
        return plan.data[:, 0].copy()
    lanes, values = empty_lanes(), np.empty(plan.fan_in, np.float32)
    begin_input(plan, lanes, np.uint64(block))
    for j in range(plan.fan_in):
        draw_input(plan, lanes, j, np.uint64(block))
        values[j] = lanes.x[lane]
    return values


def sample(plan: Plan, first: int, last: int, networks: int, stop: np.ndarray | None = None) -> Accumulators:
    """Sample blocks first .. last - 1, of which the first `networks` networks count, and summarise them.

    `first` is even, so that no pair of adjacent blocks is split, and the last block holds at least one network that counts:
    ValueError otherwise. Raises InterruptedError when `stop` was set meanwhile.
    """
    if first % 2 or -(-networks // stream.BLOCK) != last - first:
        raise ValueError(f"blocks {first} to {last} are not those of {networks} networks")
    stop = np.zeros(1, np.int64) if stop is None else stop
    record = empty_record(plan.tails.size)
    sample_blocks(plan, empty_lanes(), empty_scratch(), record, first, last, networks, stop)
    if stop[0]:
        raise InterruptedError("sampling was stopped")
    return to_accumulators(record, networks)


def compile_kernels(plan: Plan) -> None:
    """Compile the kernels, or load them from the cache, by sampling nothing."""
    sample(plan, 0, 0, 0)


class Network(NamedTuple):
    """One network, drawn again: x and weights float32 (fan_in), bias and z float32. Weights never drawn are NaN."""

    x: np.ndarray
    weights: np.ndarray
    bias: np.float32
    z: np.float32


def replay(ensemble: Ensemble, seed: int, index: int) -> Network:
    """Network `index` of a run, alone: the parameters and z that `sample` had for it, bit for bit."""
    plan = make_plan(ensemble, seed)
    block, lane = divmod(index, stream.BLOCK)
    lanes, at = empty_lanes(), np.uint64(block)
    x = _draw_inputs(plan, block, lane)
    weights = np.full(plan.fan_in, np.nan, np.float32)
    for j in np.flatnonzero(x).tolist():
        draw_parameter(plan, lanes, plan.weight_family, plan.weight_std, _WEIGHT, np.uint64(j), at)
        weights[j] = lanes.w[lane]
    bias = np.float32(0.0)
    if plan.bias_std > 0:
        draw_parameter(plan, lanes, plan.bias_family, plan.bias_std, _BIAS, _ZERO, at)
        bias = lanes.w[lane]
    preactivate(plan, lanes, at, np.zeros(1, np.int64))
    return Network(x, weights, bias, lanes.z[lane])
