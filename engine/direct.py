"""The direct sampler: every weight that meets a non-zero input is drawn. It is the ground truth for every law.

Lanes are networks. A block of `stream.BLOCK` networks advances together: for each input, one weight per network is drawn and
added to that network's own sum, in the order of the inputs and with one rounding per step (fma). Nothing is reassociated, so
the bits do not depend on the width of the machine's vectors. Inputs that are zero in every lane are skipped.

Of a layer the first neuron is recorded, and the second, where there is one, for the dependence between the two. Where networks see
inputs of their own, each network's weights meet the input of its partner (half a block away) as well: a crossed design that
splits the variance into that over inputs given the weights and that over weights given the input.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fanin.engine import stream
from fanin.engine._jit import kernel
from fanin.engine._llvm import fma
from fanin.engine.accumulators import PARAMETER_LIMIT, Accumulators
from fanin.engine.activations import ActivationRow, activation_row
from fanin.engine.buffers import staggered
from fanin.engine.haar import add_normal, project, reflect, reflection
from fanin.engine.inputs import Inputs
from fanin.engine.math import F
from fanin.engine.network_inputs import AR1, BERNOULLI, CORRELATED, DRAWN, FIXED, IN_TURN, ROWS, input_plan
from fanin.engine.record import empty_record, empty_scratch, record_block, record_neurons, record_parts, to_accumulators
from fanin.engine.rows import HALF, Row, Words, draw_row, draw_words, empty_words, law_row, unsigned
from fanin.engine.schemes import Law
from fanin.engine.spec import Ensemble

NAME = "direct"

_WEIGHT, _BIAS, _INPUT, _ROW = (np.uint64(role) for role in (stream.WEIGHT, stream.BIAS, stream.INPUT, stream.ROW))
_LAYER = np.uint64(1)
_ZERO = np.uint64(0)
_LIMIT = F(PARAMETER_LIMIT)


class Plan(NamedTuple):
    """One ensemble as a kernel reads it."""

    key: tuple[np.uint64, np.uint64]
    fan_in: int
    neurons: int  # 1 or 2
    weights: Row
    order: int  # of the orthogonal matrix that the weights are part of; 0 for independent weights
    gain: np.float32  # of that matrix
    has_bias: bool
    bias: Row
    activation: ActivationRow
    input_kind: int
    input_count: int  # inputs that are on (subset), 2**32 times the probability (bernoulli), number of rows (rows)
    input_row: Row
    memory: tuple[np.float32, np.float32]  # of an autoregressive input: weight of the last input and of the new draw
    crossed: bool  # whether weights meet the inputs of partners too
    data: np.ndarray  # float32: (fan_in, 1) fixed input, (fan_in, rows) data by columns, (fan_in, fan_in) factor, (1, 1) otherwise
    tails: np.ndarray  # float32


class Lanes(NamedTuple):
    """Buffers of one block: words, then values by network."""

    words: Words
    x: np.ndarray  # float32, one input
    w: np.ndarray  # float32, one parameter
    z: np.ndarray  # float32, first neuron
    other: np.ndarray  # float32, second neuron
    crossed: np.ndarray  # float32, first neuron with the input of the partner
    outside: np.ndarray  # int32, parameters beyond the limit
    choice: np.ndarray  # int64: inputs chosen so far (subset) or the row (rows)
    latent: np.ndarray  # float32 (k, BLOCK): what correlated inputs are made of
    square: np.ndarray  # float32, squared length of a row of normals
    first: np.ndarray  # float32, its first coordinate
    left: np.ndarray  # float32 (order, BLOCK), what a reflection has left of the input


def empty_lanes(plan: Plan) -> Lanes:
    """Buffers for one block."""
    block = (stream.BLOCK, np.float32)
    x, w, z, other, crossed, square, first, outside = staggered(*([block] * 7), (stream.BLOCK, np.int32))
    latent, left = (
        np.zeros((rows, stream.BLOCK), np.float32)
        for rows in (
            {AR1: 1, CORRELATED: plan.fan_in}.get(plan.input_kind, 1),
            plan.order if plan.neurons > 1 else 1,
        )
    )
    return Lanes(empty_words(), x, w, z, other, crossed, outside, np.zeros(stream.BLOCK, np.int64), latent, square, first, left)


@kernel
def draw_parameter(plan, lanes, row, role, index, block):
    """One weight or bias for every network of a block, into lanes.w."""
    draw_row(row, lanes.words, plan.key, role, index, _LAYER, block, lanes.w)


@kernel
def _choose_rows(words, rows, choice):
    """A row for each network: uniform but for at most one part in 2**32 per row."""
    for i in range(words.size):
        choice[i] = (unsigned(words[i]) * rows) >> np.int64(32)


@kernel
def _toss(words, threshold, x):
    """1 where the word lies below the threshold, else 0."""
    for i in range(words.size):
        x[i] = F(1.0) if unsigned(words[i]) < threshold else F(0.0)


@kernel
def _select(words, left, wanted, chosen, x):
    """Selection sampling (Fan, Muller and Rezucha 1962): on with probability (still wanted) / (inputs left)."""
    scale = np.float64(left) * 2.0**-32
    for i in range(words.size):
        on = (np.float64(unsigned(words[i])) + 0.5) * scale < np.float64(wanted - chosen[i])
        x[i] = F(1.0) if on else F(0.0)
        chosen[i] += np.int64(on)


@kernel
def _gather(column, choice, x):
    for i in range(x.size):
        x[i] = column[choice[i]]


@kernel
def add_multiple(out, x, factor):
    """out += factor * x, factor one number."""
    for i in range(out.size):
        out[i] = fma(factor, x[i], out[i])


@kernel
def begin_input(plan, lanes, block):
    """Prepare `lanes.choice` or `lanes.latent` for the inputs of a block."""
    lanes.choice[:] = 0
    if plan.input_kind == ROWS:
        draw_words(lanes.words, 0, plan.key, _ROW, _ZERO, _LAYER, block)
        _choose_rows(lanes.words.read[0, :HALF], plan.input_count, lanes.choice[:HALF])
        _choose_rows(lanes.words.read[1, :HALF], plan.input_count, lanes.choice[HALF:])
    elif plan.input_kind == IN_TURN:
        for i in range(stream.BLOCK):
            lanes.choice[i] = (np.int64(block) * np.int64(stream.BLOCK) + i) % plan.input_count
    elif plan.input_kind == CORRELATED:
        for k in range(plan.fan_in):
            draw_row(plan.input_row, lanes.words, plan.key, _INPUT, np.uint64(k), _LAYER, block, lanes.latent[k])


@kernel
def draw_input(plan, lanes, j, block):
    """Input j of every network of a block, into lanes.x. To be called for j = 0, 1, ... in turn."""
    if plan.input_kind in (ROWS, IN_TURN):
        _gather(plan.data[j], lanes.choice, lanes.x)
    elif plan.input_kind == CORRELATED:
        lanes.x[:] = F(0.0)
        for k in range(j + 1):
            if plan.data[j, k] != F(0.0):
                add_multiple(lanes.x, lanes.latent[k], plan.data[j, k])
    elif plan.input_kind in (DRAWN, AR1):
        draw_row(plan.input_row, lanes.words, plan.key, _INPUT, np.uint64(j), _LAYER, block, lanes.x)
        if plan.input_kind == AR1:
            if j > 0:
                lanes.x[:] = lanes.x * plan.memory[1]
                add_multiple(lanes.x, lanes.latent[0], plan.memory[0])
            lanes.latent[0][:] = lanes.x
    else:
        draw_words(lanes.words, 0, plan.key, _INPUT, np.uint64(j), _LAYER, block)
        for half in range(2):
            part = slice(half * HALF, half * HALF + HALF)
            words, x = lanes.words.read[half, :HALF], lanes.x[part]
            if plan.input_kind == BERNOULLI:
                _toss(words, plan.input_count, x)
            else:
                _select(words, plan.fan_in - j, plan.input_count, lanes.choice[part], x)


@kernel
def add_weighted(z, w, x):
    """z += w * x lane by lane."""
    for i in range(z.size):
        z[i] = fma(w[i], x[i], z[i])


@kernel
def _add_counted(z, w, x, outside):
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
def _add_inputs(plan, lanes, block, stop):
    """Add what each input brings to every sum of a block.

    Arrays are taken out of `plan` and `lanes` before the loop: a call with the whole of them counts references to every array.
    """
    fixed, data, weights, words = plan.input_kind == FIXED, plan.data, plan.weights, lanes.words
    x, w, z, other, crossed, outside = lanes.x, lanes.w, lanes.z, lanes.other, lanes.crossed, lanes.outside
    for j in range(plan.fan_in):
        if stop[0] != 0:
            return
        if fixed:
            if data[j, 0] == F(0.0):
                continue
        else:
            draw_input(plan, lanes, j, block)
            if _all_zero(x):
                continue
        draw_row(weights, words, plan.key, _WEIGHT, np.uint64(j), _LAYER, block, w)
        if fixed:
            _add_scaled(z, w, data[j, 0], outside)
        else:
            _add_counted(z, w, x, outside)
        if plan.crossed:
            add_weighted(crossed[:HALF], w[:HALF], x[HALF:])
            add_weighted(crossed[HALF:], w[HALF:], x[:HALF])
        if plan.neurons > 1:
            draw_row(weights, words, plan.key, _WEIGHT, np.uint64(plan.fan_in + j), _LAYER, block, w)
            if fixed:
                add_multiple(other, w, data[j, 0])
            else:
                add_weighted(other, w, x)


@kernel
def _rotate(plan, lanes, block, stop):
    """z of one or two rows of an orthogonal matrix of order plan.order, whose further columns meet inputs of zero."""
    z, other, w, square = lanes.z, lanes.other, lanes.w, lanes.square
    square[:] = F(0.0)
    for j in range(plan.order):
        if stop[0] != 0:
            return
        if j < plan.fan_in:
            if plan.input_kind == FIXED:
                lanes.x[:] = plan.data[j, 0]
            else:
                draw_input(plan, lanes, j, block)
        else:
            lanes.x[:] = F(0.0)
        draw_parameter(plan, lanes, plan.weights, _WEIGHT, np.uint64(j), block)
        add_normal(z, square, w, lanes.x)
        if plan.crossed:
            add_weighted(lanes.crossed[:HALF], w[:HALF], lanes.x[HALF:])
            add_weighted(lanes.crossed[HALF:], w[HALF:], lanes.x[:HALF])
        if plan.neurons > 1:
            lanes.left[j][:] = lanes.x
            if j == 0:
                lanes.first[:] = w
    if plan.neurons > 1:
        other[:] = square
        reflection(z, other, lanes.first, lanes.left[0])
        for j in range(1, plan.order):
            draw_parameter(plan, lanes, plan.weights, _WEIGHT, np.uint64(j), block)
            reflect(lanes.left[j], w, other)
    project(z, square, plan.gain)
    if plan.crossed:
        project(lanes.crossed, square, plan.gain)
    if plan.neurons > 1:
        other[:] = F(0.0)
        square[:] = F(0.0)
        for j in range(1, plan.order):
            if stop[0] != 0:
                return
            draw_parameter(plan, lanes, plan.weights, _WEIGHT, np.uint64(plan.order + j), block)
            add_normal(other, square, w, lanes.left[j])
        project(other, square, plan.gain)


@kernel
def preactivate(plan, lanes, block, stop):
    """z of every network of a block, into lanes.z (and other, crossed). A non-zero stop[0] breaks off after the current input."""
    for values in (lanes.z, lanes.other, lanes.crossed):
        values[:] = F(0.0)
    lanes.outside[:] = 0
    begin_input(plan, lanes, block)
    if plan.order > 0:
        _rotate(plan, lanes, block, stop)
    else:
        _add_inputs(plan, lanes, block, stop)
        if stop[0] != 0:
            return
    if plan.has_bias:
        draw_parameter(plan, lanes, plan.bias, _BIAS, _ZERO, block)
        _add_scaled(lanes.z, lanes.w, F(1.0), lanes.outside)
        if plan.crossed:
            add_multiple(lanes.crossed, lanes.w, F(1.0))
        if plan.neurons > 1:
            draw_parameter(plan, lanes, plan.bias, _BIAS, np.uint64(1), block)
            add_multiple(lanes.other, lanes.w, F(1.0))


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
        if plan.neurons > 1:
            record_neurons(record, scratch, lanes.other[:count])
        if plan.crossed:
            record_parts(record, scratch, lanes.crossed[:count])


def make_plan(ensemble: Ensemble, seed: int) -> Plan:
    """The plan of an ensemble under a seed. A shared random input is drawn here: the one that network 0 would get."""
    inputs, n = ensemble.inputs, ensemble.fan_in
    found = input_plan(inputs, n)
    data = np.ascontiguousarray(found.data.T) if found.kind in (FIXED, ROWS, IN_TURN) else found.data
    weights, bias = ensemble.scheme.weights, ensemble.scheme.bias
    order = max(ensemble.widths[:2]) if weights.family == "orthogonal" else 0
    plan = Plan(
        key=tuple(np.uint64(word) for word in stream.stream_key(seed, ensemble.stream_label(NAME))),
        fan_in=n,
        neurons=ensemble.neurons,
        weights=law_row(weights, *ensemble.widths[:2]),
        order=order,
        gain=np.float32(math.sqrt(ensemble.weight_variance * order)),
        has_bias=ensemble.has_bias,
        bias=law_row(bias or Law("constant", 0.0), *ensemble.widths[:2]),
        activation=activation_row(ensemble.activation),
        input_kind=found.kind,
        input_count=found.count,
        input_row=found.row,
        memory=found.memory,
        crossed=found.kind != FIXED and not inputs.shared,
        data=data,
        tails=np.array(ensemble.tails, np.float32),
    )
    if inputs.shared and found.kind != FIXED:
        plan = plan._replace(data=_draw_inputs(plan, 0, 0).reshape(n, 1), input_kind=FIXED)
    return plan


def _draw_inputs(plan: Plan, block: int, lane: int) -> np.ndarray:
    """The whole input vector of one network, float32 (fan_in)."""
    if plan.input_kind == FIXED:
        return plan.data[:, 0].copy()
    lanes, values = empty_lanes(plan), np.empty(plan.fan_in, np.float32)
    begin_input(plan, lanes, np.uint64(block))
    for j in range(plan.fan_in):
        draw_input(plan, lanes, j, np.uint64(block))
        values[j] = lanes.x[lane]
    return values


def drawn_input(ensemble: Ensemble, seed: int) -> Inputs:
    """The one input that all networks of a run see, where a random one is shared."""
    return Inputs.fixed(make_plan(ensemble, seed).data[:, 0])


def block_size(_ensemble: Ensemble) -> int:
    """Networks of a block."""
    return stream.BLOCK


def sample(plan: Plan, first: int, last: int, networks: int, stop: np.ndarray | None = None) -> dict[int, Accumulators]:
    """Sample blocks first .. last - 1, of which the first `networks` networks count, and summarise them: layer 1.

    `first` is even, so that no pair of adjacent blocks is split, and the last block holds at least one network that counts:
    ValueError otherwise. Raises InterruptedError when `stop` was set meanwhile.
    """
    if first % 2 or -(-networks // stream.BLOCK) != last - first:
        raise ValueError(f"blocks {first} to {last} are not those of {networks} networks")
    stop = np.zeros(1, np.int64) if stop is None else stop
    record = empty_record(plan.tails.size)
    sample_blocks(plan, empty_lanes(plan), empty_scratch(), record, first, last, networks, stop)
    if stop[0]:
        raise InterruptedError("sampling was stopped")
    return {1: to_accumulators(record, networks)}


def compile_kernels(plan: Plan) -> None:
    """Compile the kernels, or load them from the cache, by sampling nothing."""
    sample(plan, 0, 0, 0)


class Network(NamedTuple):
    """One network, drawn again: x and the first neuron's weights float32 (fan_in), its bias and z float32.

    Weights never drawn are NaN.
    """

    x: np.ndarray
    weights: np.ndarray
    bias: np.float32
    z: np.float32


def replay(ensemble: Ensemble, seed: int, index: int) -> Network:
    """Network `index` of a run, alone: the parameters and z that `sample` had for it, bit for bit."""
    plan = make_plan(ensemble, seed)
    block, lane = divmod(index, stream.BLOCK)
    lanes, at = empty_lanes(plan), np.uint64(block)
    x = _draw_inputs(plan, block, lane)
    weights = np.full(max(plan.fan_in, plan.order), np.nan, np.float32)
    for j in np.flatnonzero(x).tolist() if plan.order == 0 else range(plan.order):
        draw_parameter(plan, lanes, plan.weights, _WEIGHT, np.uint64(j), at)
        weights[j] = lanes.w[lane]
    if plan.order:
        square = np.float64(weights) @ np.float64(weights)
        weights = (weights * (plan.gain / np.sqrt(square))).astype(np.float32)[: plan.fan_in]
    bias = np.float32(0.0)
    if plan.has_bias:
        draw_parameter(plan, lanes, plan.bias, _BIAS, _ZERO, at)
        bias = lanes.w[lane]
    preactivate(plan, lanes, at, np.zeros(1, np.int64))
    return Network(x, weights, bias, lanes.z[lane])
