"""The direct sampler of networks: every weight is drawn, forward and again backward. It is the ground truth for every law.

Lanes are networks: a block advances layer by layer, and each weight is drawn from its counter for all networks of the block when it
is met (`network_passes`). What is recorded is what the conditional sampler records, with the standardised field binned besides.

Memory is bounded: what the backward pass needs is kept for all layers where it fits `_KEPT_BYTES`, else for segments of layers, of
which the forward pass runs again. What is kept does not change a result.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fanin.engine import costs, stream
from fanin.engine._reductions import WIDTH
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import LayerSummary
from fanin.engine.network_lanes import Rows, by_layer
from fanin.engine.network_passes import begin_back, resume, run_back, run_forward
from fanin.engine.network_plan import (
    BlockInputs,
    NetworkPlan,
    check_network,
    draw_block_inputs,
    empty_inputs,
    lanes_of,
    network_plan,
    weight_rows,
)
from fanin.engine.network_record import NetworkRecord, empty_network_record, end_block, to_summary
from fanin.engine.spec import Ensemble

NAME = "direct"
MAX_VALUES = 1 << 20
"""Neurons of the widest layer times inputs, at most."""

_KEPT_BYTES = 1 << 28
_SCALED_FROM = 40  # binary exponent of a weight's size from which on delta is scaled before it meets the weights


class DirectPlan(NamedTuple):
    """One ensemble of networks; arrays have an entry for each layer of weights, 0 for the first."""

    network: NetworkPlan
    weights: Rows
    biases: Rows
    has_bias: np.ndarray  # bool
    is_orthogonal: np.ndarray  # bool
    gain: np.ndarray  # float32, of an orthogonal matrix
    exponent: np.ndarray  # int64: delta is divided by 2**exponent before it meets weights of that size
    segment: int  # layers whose state is kept at once for the backward pass


class State(NamedTuple):
    """Buffers of a block. Vectors of neurons are float32, padded with zeros, one for each network and input; values are flat
    (`network_lanes`)."""

    x: np.ndarray  # (lanes, points, stride of the inputs)
    kept: np.ndarray  # (segments, lanes, points, stride): activations that a segment starts from
    phi: np.ndarray  # (segment, lanes, points, stride)
    slope: np.ndarray  # (segment, lanes, points, stride)
    z: np.ndarray  # (lanes, points, stride), of the layer at hand
    delta: np.ndarray  # (lanes, points, stride)
    back: np.ndarray  # (lanes, points, largest stride)
    below: np.ndarray  # values of what a layer sees, or sends back
    above: np.ndarray  # values of its neurons
    live: np.ndarray  # int64
    w: np.ndarray  # float32 (BLOCK)
    reflection: np.ndarray  # float32 (rows, BLOCK)
    sums: np.ndarray  # float32 (2, lanes)
    reached: np.ndarray  # int64 (lanes): the first layer that is not finite
    is_sent: np.ndarray  # bool (lanes): whether the network is in the backward pass
    exponents: np.ndarray  # int64 (lanes, points): delta * 2**exponent is dC/dz
    buffer: np.ndarray  # float32 (largest stride)
    totals: np.ndarray  # float64 (16)


def padded_width(width: int) -> int:
    """Length of a vector of neurons in memory, filled up with zeros."""
    return (width + 31) // 32 * 32 + WIDTH


def empty_state(plan: DirectPlan) -> State:
    """Buffers for one block."""
    network, segment = plan.network, plan.segment
    lanes, points, depth, widest = network.lanes, network.points, network.widths.size - 1, int(network.widths.max())
    stride, longest = padded_width(int(network.widths[1:].max())), padded_width(widest)
    segments = -(-depth // segment) if network.cost != costs.NONE else 1
    rows = -(-widest * lanes // stream.BLOCK) if plan.is_orthogonal.any() else 1

    def vectors(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    return State(
        vectors(lanes, points, padded_width(int(network.widths[0]))),
        vectors(segments, lanes, points, stride),
        vectors(segment, lanes, points, stride),
        vectors(segment, lanes, points, stride),
        vectors(lanes, points, stride),
        vectors(lanes, points, stride),
        vectors(lanes, points, longest),
        vectors(widest * points * lanes),
        vectors(widest * points * lanes),
        np.zeros(widest + 1, np.int64),
        vectors(stream.BLOCK),
        vectors(rows, stream.BLOCK),
        vectors(2, lanes),
        np.zeros(lanes, np.int64),
        np.zeros(lanes, np.bool_),
        np.zeros((lanes, points), np.int64),
        vectors(longest),
        np.zeros(16),
    )


def start_block(plan: DirectPlan, state: State, drawn: BlockInputs, block: int) -> None:
    """Draw the inputs and targets of a block."""
    network = plan.network
    draw_block_inputs(network, drawn, np.uint64(block))
    state.x[:, :, : network.widths[0]] = drawn.x
    state.reached[:] = network.widths.size - 1


def run_block(
    plan: DirectPlan, state: State, drawn: BlockInputs, record: NetworkRecord, block: int, counted: int, stop: np.ndarray
) -> None:
    """Sample one block and record its first `counted` networks. A non-zero stop[0] breaks off.

    In Python, so that each pass is compiled once and not again within a larger kernel.
    """
    network, depth, segment, at = plan.network, plan.network.widths.size - 1, plan.segment, np.uint64(block)
    start_block(plan, state, drawn, block)
    run_forward(plan, state, drawn.words, record, at, counted, 0, depth, stop)
    if network.cost != costs.NONE and not stop[0]:
        begin_back(plan, state, drawn.targets)
        for first in range((depth - 1) // segment * segment, -1, -segment):
            last = min(depth, first + segment)
            if last < depth:
                run_forward(plan, state, drawn.words, record, at, -1, first, last, stop)
                resume(plan, state, last - 1)
            run_back(plan, state, drawn.words, drawn.targets, record, at, counted, first, last, stop)
    if stop[0]:
        raise InterruptedError("sampling was stopped")
    end_block(record)


def check(ensemble: Ensemble) -> None:
    """Refuse what does not fit the memory of a block or the counters."""
    widest = max(ensemble.widths)
    if widest * ensemble.points > MAX_VALUES:
        many = f" and {ensemble.points} inputs" if ensemble.points > 1 else ""
        raise SpecificationError(f"a width is {widest}{many}; the direct sampler of networks takes at most {MAX_VALUES} of both")
    check_network(ensemble)


def block_size(ensemble: Ensemble) -> int:
    """Networks of a block."""
    return lanes_of(ensemble)


def make_plan(ensemble: Ensemble, seed: int) -> DirectPlan:
    """The plan of an ensemble under a seed."""
    check(ensemble)
    network, depth = network_plan(ensemble, seed, NAME), ensemble.depth
    rows, laws = weight_rows(ensemble), [scheme.weights for scheme in ensemble.schemes]
    fans = list(zip(ensemble.widths[:-1], ensemble.widths[1:], strict=True))
    sizes = [abs(law.parent_std(*fan)) for law, fan in zip(laws, fans, strict=True)]
    exponents = [math.frexp(size)[1] if size > 0.0 else 0 for size in sizes]
    bytes_kept = depth * 8 * network.lanes * network.points * padded_width(max(ensemble.widths[1:]))
    segment = depth if bytes_kept <= _KEPT_BYTES else math.isqrt(depth - 1) + 1
    return DirectPlan(
        network=network,
        weights=by_layer([weight for weight, _ in rows]),
        biases=by_layer([bias for _, bias in rows]),
        has_bias=np.array([bias.sets > 0 or bias.constant != 0.0 for _, bias in rows]),
        is_orthogonal=np.array([law.family == "orthogonal" for law in laws]),
        gain=np.array([size * math.sqrt(max(fan)) for size, fan in zip(sizes, fans, strict=True)], np.float32),
        exponent=np.array([min(max(e, -120), 120) if abs(e) > _SCALED_FROM else 0 for e in exponents], np.int64),
        segment=segment if ensemble.cost != "none" else 1,
    )


def empty_record(plan: DirectPlan) -> NetworkRecord:
    """A record of no networks."""
    layers = int((plan.network.record_at >= 0).sum())
    return empty_network_record(layers, plan.network.tails, plan.network.slow, with_field=True)


def sample(plan: DirectPlan, first: int, last: int, networks: int, stop: np.ndarray | None = None) -> dict[int, LayerSummary]:
    """Sample blocks first .. last - 1, of which the first `networks` networks count, and summarise each recorded layer.

    ValueError where the last block holds no network that counts. Raises InterruptedError when `stop` was set meanwhile.
    """
    network = plan.network
    if -(-networks // network.lanes) != last - first:
        raise ValueError(f"blocks {first} to {last} are not those of {networks} networks")
    stop = np.zeros(1, np.int64) if stop is None else stop
    record, drawn, state = empty_record(plan), empty_inputs(network), empty_state(plan)
    for block in range(first, last):
        run_block(plan, state, drawn, record, block, min(network.lanes, networks - (block - first) * network.lanes), stop)
    layers = np.flatnonzero(network.record_at >= 0)
    return {int(layer) + 1: to_summary(record, at, int(network.widths[layer + 1]), networks) for at, layer in enumerate(layers)}


def compile_kernels(plan: DirectPlan) -> None:
    """Compile the kernels, or load them from the cache, by running a block that is stopped at once."""
    state, drawn, record, stop = empty_state(plan), empty_inputs(plan.network), empty_record(plan), np.ones(1, np.int64)
    at = np.uint64(0)
    start_block(plan, state, drawn, 0)
    run_forward(plan, state, drawn.words, record, at, 0, 0, 0, stop)
    if plan.network.cost != costs.NONE:
        begin_back(plan, state, drawn.targets)
        resume(plan, state, 0)
        run_back(plan, state, drawn.words, drawn.targets, record, at, 0, 0, 0, stop)
    end_block(record)
