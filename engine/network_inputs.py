"""Inputs of a block of networks: float32 (networks, points, n), drawn in rows of `stream.BLOCK` values that are dealt out in order.

Value v of a block, counted over networks, points and inputs, is value v % BLOCK of row v // BLOCK. The laws are those of `Inputs`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fanin.engine import stream
from fanin.engine._jit import kernel
from fanin.engine._llvm import fma
from fanin.engine.inputs import Inputs
from fanin.engine.math import F
from fanin.engine.rows import HALF, Row, draw_row, draw_words, interval_row, normal_row, unsigned

FIXED, SUBSET, BERNOULLI, DRAWN, AR1, CORRELATED, ROWS, IN_TURN = range(8)
_INPUT, _ROW = np.uint64(stream.INPUT), np.uint64(stream.ROW)
_LAYER = np.uint64(0)


class InputPlan(NamedTuple):
    """A law of inputs as a kernel reads it.

    count : inputs that are on, 2**32 times the probability, or number of rows. memory : of an autoregressive input.
    data : float32, given inputs (points, n), rows (rows, n) or a factor (n, n).
    """

    kind: int
    count: int
    row: Row
    memory: tuple[np.float32, np.float32]
    data: np.ndarray


def input_plan(inputs: Inputs, n: int) -> InputPlan:
    """The plan of a law of inputs. Where all networks share one random draw, that draw is to be put in its place."""
    kind, count, row, memory, data = FIXED, 0, normal_row(0.0), (1.0, 0.0), np.zeros((1, 1), np.float32)
    match inputs.kind:
        case "rows":
            kind, count = IN_TURN if inputs.in_turn else ROWS, inputs.data.shape[0]
            data = inputs.data
        case "subset":
            kind, count = SUBSET, inputs.count
        case "bernoulli":
            kind, count = BERNOULLI, round(inputs.parameters[0] * 2**32)
        case "gaussian":
            kind, row = DRAWN, normal_row(inputs.parameters[0])
        case "uniform":
            kind, row = DRAWN, interval_row(*inputs.parameters)
        case "sparse":
            kind, row = DRAWN, normal_row(inputs.parameters[1], inputs.parameters[0])
        case "ar1":
            rho, std = inputs.parameters
            kind, row, memory = AR1, normal_row(std), (rho, math.sqrt(1.0 - rho**2))
        case "correlated":
            kind, row, data = CORRELATED, normal_row(1.0), inputs.data
        case _:
            data = inputs.vectors(n)
    data = np.ascontiguousarray(data).copy()
    return InputPlan(kind, count, row, (np.float32(memory[0]), np.float32(memory[1])), data)


def given(values: np.ndarray) -> InputPlan:
    """The plan of inputs that all networks see, float32 (points, n)."""
    return InputPlan(FIXED, 0, normal_row(0.0), (np.float32(1.0), np.float32(0.0)), np.ascontiguousarray(values).copy())


@kernel
def deal(row, words, key, role, layer, block, buffer, out):
    """Fill out, float32 (values), from rows of their law. buffer : float32 (BLOCK)."""
    for at in range(0, out.size, stream.BLOCK):
        draw_row(row, words, key, role, np.uint64(at // stream.BLOCK), layer, block, buffer)
        count = min(stream.BLOCK, out.size - at)
        out[at : at + count] = buffer[:count]


@kernel
def deal_words(words, key, role, layer, block, out):
    """Fill out, int64 (values), with words from 0 to 2**32 - 1."""
    for at in range(0, out.size, stream.BLOCK):
        draw_words(words, 0, key, role, np.uint64(at // stream.BLOCK), layer, block)
        for i in range(min(stream.BLOCK, out.size - at)):
            out[at + i] = unsigned(words.read[i // HALF, i % HALF])


@kernel
def _select(words, wanted, x):
    """Selection sampling (Fan, Muller and Rezucha 1962): on with probability (still wanted) / (inputs left)."""
    chosen = 0
    for j in range(x.size):
        scale = np.float64(x.size - j) * 2.0**-32
        on = (np.float64(words[j]) + 0.5) * scale < np.float64(wanted - chosen)
        x[j] = F(1.0) if on else F(0.0)
        chosen += np.int64(on)


@kernel
def _remember(memory, x):
    for j in range(1, x.size):
        x[j] = fma(x[j - 1], memory[0], x[j] * memory[1])


@kernel
def _correlate(factor, latent, x):
    latent[: x.size] = x
    for j in range(x.size):
        total = F(0.0)
        for k in range(j + 1):
            total = fma(factor[j, k], latent[k], total)
        x[j] = total


@kernel
def draw_inputs(plan, words, key, block, buffer, integers, latent, out):
    """Inputs of every network of a block into out, float32 (networks, points, n).

    buffer : float32 (BLOCK). integers : int64 (networks * points * n, or networks * points for rows). latent : float32 (n).
    """
    networks, points, n = out.shape
    flat = out.reshape(networks * points * n)
    kind = plan.kind
    if kind == FIXED:
        for g in range(networks):
            out[g] = plan.data
    elif kind in (ROWS, IN_TURN):
        places = integers[: networks * points]
        if kind == ROWS:
            deal_words(words, key, _ROW, _LAYER, block, places)
        for g in range(networks):
            for k in range(points):
                at = g * points + k
                row = (places[at] * plan.count) >> np.int64(32)
                if kind == IN_TURN:
                    row = ((np.int64(block) * networks + g) * points + k) % plan.count
                out[g, k] = plan.data[row]
    elif kind in (DRAWN, AR1, CORRELATED):
        deal(plan.row, words, key, _INPUT, _LAYER, block, buffer, flat)
        if kind != DRAWN:
            for g in range(networks):
                for k in range(points):
                    if kind == AR1:
                        _remember(plan.memory, out[g, k])
                    else:
                        _correlate(plan.data, latent, out[g, k])
    else:
        deal_words(words, key, _INPUT, _LAYER, block, integers[: flat.size])
        if kind == BERNOULLI:
            for v in range(flat.size):
                flat[v] = F(1.0) if integers[v] < plan.count else F(0.0)
        else:
            for g in range(networks):
                for k in range(points):
                    at = (g * points + k) * n
                    _select(integers[at : at + n], plan.count, out[g, k])
