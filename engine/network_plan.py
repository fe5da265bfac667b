"""A network as the kernels of both samplers read it: numbers and addresses by layer, inputs, cost, what is recorded."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fanin.engine import costs, stream
from fanin.engine._jit import kernel
from fanin.engine._reductions import WIDTH
from fanin.engine.activation_spec import OwnActivation, split_activation
from fanin.engine.activations import ActivationRow, activation_row, own_activation_row
from fanin.engine.errors import SpecificationError
from fanin.engine.network_inputs import InputPlan, draw_inputs, given, input_plan
from fanin.engine.network_record import MAX_LANES
from fanin.engine.rows import Row, Words, empty_words, law_row
from fanin.engine.schemes import Law, Scheme
from fanin.engine.spec import Ensemble

LEAST_LANES = 8
_LANE_VALUES = 1 << 20  # values of one vector of a block: networks times points times neurons
_WHOLE_STATE = 1 << 18  # values that may be kept for the backward pass of one network instead of being computed again


class NetworkPlan(NamedTuple):
    """One ensemble of networks. Arrays have an entry for each layer of weights, 0 for the first."""

    key: tuple[np.uint64, np.uint64]
    widths: np.ndarray  # int64 (depth + 1)
    points: int
    lanes: int  # networks of a block
    segment: int  # layers whose state is kept at once for the backward pass
    stride: int  # of a vector of neurons in memory
    weight_std: np.ndarray  # float64
    bias_std: np.ndarray  # float64
    bias_mean: np.ndarray  # float64
    order: np.ndarray  # int64, of the orthogonal matrix that the weights are part of; 0 for independent weights
    has_field: np.ndarray  # bool
    phi_address: np.ndarray  # int64
    phi_sizes: np.ndarray  # float32 (depth, 2)
    phi_offset: np.ndarray  # float32
    phi_gain: np.ndarray  # float32
    record_at: np.ndarray  # int64, -1 where a layer is not recorded
    is_sigmoid_output: bool
    cost: int
    target_kind: int
    targets: np.ndarray  # float32 (outputs)
    directions: Row
    inputs: InputPlan
    tails: np.ndarray  # float32
    slow: np.ndarray  # float32


class BlockInputs(NamedTuple):
    """Inputs and targets of the networks of a block, and the buffers they are drawn with."""

    words: Words
    x: np.ndarray  # float32 (lanes, points, inputs)
    targets: np.ndarray  # float32 (lanes, points, outputs)
    buffer: np.ndarray  # float32 (BLOCK)
    integers: np.ndarray  # int64
    latent: np.ndarray  # float32 (inputs)


def lanes_of(ensemble: Ensemble) -> int:
    """Networks of a block: a power of two that the specification alone decides."""
    lanes = MAX_LANES
    while lanes > LEAST_LANES and lanes * ensemble.points * max(ensemble.widths) > _LANE_VALUES:
        lanes //= 2
    return lanes


def is_gaussian(scheme: Scheme) -> bool:
    """Whether pre-activations are Gaussian given what the layer sees."""
    return scheme.weights.family == "normal" and not scheme.weights.zero and _has_plain_bias(scheme)


def is_orthogonal(scheme: Scheme) -> bool:
    """Whether weights are part of an orthogonal matrix, with Gaussian, constant or no biases."""
    return scheme.weights.family == "orthogonal" and not scheme.weights.zero and _has_plain_bias(scheme)


def _has_plain_bias(scheme: Scheme) -> bool:
    bias = scheme.bias
    return bias is None or (bias.family in ("normal", "constant") and not bias.zero)


def row_of(activation: str | OwnActivation) -> ActivationRow:
    """The compiled row of an activation of a specification."""
    if isinstance(activation, OwnActivation):
        return own_activation_row(activation.value, activation.slope, activation.low, activation.high)
    return activation_row(*split_activation(activation))


def network_plan(ensemble: Ensemble, seed: int, method: str) -> NetworkPlan:
    """The plan of an ensemble under a seed. An input that all networks share is drawn here: the one that network 0 would get."""
    depth, widths = ensemble.depth, ensemble.widths
    stds = np.zeros((3, depth))
    for k, scheme in enumerate(ensemble.schemes):
        fans, bias = widths[k : k + 2], scheme.bias or Law("constant", 0.0)
        stds[:, k] = (math.sqrt(scheme.weights.variance(*fans)), math.sqrt(bias.variance(*fans)), bias.mean(*fans))
    rows = {activation: row_of(activation) for activation in set(ensemble.activations)}
    phi = [rows[activation] for activation in ensemble.activations]
    record_at = np.full(depth, -1)
    record_at[np.array(ensemble.recorded) - 1] = np.arange(len(ensemble.recorded))
    given_targets = ensemble.targets if not isinstance(ensemble.targets, str) else np.zeros(widths[-1])
    state = depth * ensemble.points * max(widths[1:])
    plan = NetworkPlan(
        key=tuple(np.uint64(word) for word in stream.stream_key(seed, ensemble.stream_label(method))),
        widths=np.array(widths, np.int64),
        points=ensemble.points,
        lanes=lanes_of(ensemble),
        segment=depth if state <= _WHOLE_STATE else math.isqrt(depth - 1) + 1,
        stride=(max(widths) + 31) // 32 * 32 + WIDTH,
        weight_std=stds[0],
        bias_std=stds[1],
        bias_mean=stds[2],
        order=np.array([max(widths[k : k + 2]) * is_orthogonal(scheme) for k, scheme in enumerate(ensemble.schemes)], np.int64),
        has_field=np.array([is_gaussian(scheme) and scheme.weights.gain > 0.0 for scheme in ensemble.schemes]),
        phi_address=np.array([row.address for row in phi], np.int64),
        phi_sizes=np.array([row.sizes for row in phi]),
        phi_offset=np.array([row.offset for row in phi]),
        phi_gain=np.array([row.gain for row in phi]),
        record_at=record_at,
        is_sigmoid_output=ensemble.activations[-1] == "sigmoid",
        cost=("none", "linear", "quadratic", "cross-entropy", "softmax").index(ensemble.cost),
        target_kind=costs.target_kind(ensemble),
        targets=np.array(given_targets, np.float32),
        directions=costs.DIRECTIONS,
        inputs=input_plan(ensemble.inputs, widths[0]),
        tails=np.array(ensemble.tails, np.float32),
        slow=np.array(ensemble.slow, np.float32),
    )
    if ensemble.inputs.drawn_once:
        drawn = empty_inputs(plan)
        draw_block_inputs(plan, drawn, np.uint64(0))
        plan = plan._replace(inputs=given(drawn.x[0]))
    return plan


def weight_rows(ensemble: Ensemble) -> list[tuple[Row, Row]]:
    """Rows of weights and bias of each layer."""
    fans = zip(ensemble.widths[:-1], ensemble.widths[1:], strict=True)
    none = Law("constant", 0.0)
    return [
        (law_row(scheme.weights, *fan), law_row(scheme.bias or none, *fan))
        for scheme, fan in zip(ensemble.schemes, fans, strict=True)
    ]


def empty_inputs(plan: NetworkPlan) -> BlockInputs:
    """Buffers for one block."""
    inputs, outputs = int(plan.widths[0]), int(plan.widths[-1])
    values = plan.lanes * plan.points * max(inputs, outputs)
    return BlockInputs(
        empty_words(),
        np.zeros((plan.lanes, plan.points, inputs), np.float32),
        np.zeros((plan.lanes, plan.points, outputs), np.float32),
        np.zeros(stream.BLOCK, np.float32),
        np.zeros(values, np.int64),
        np.zeros(inputs, np.float32),
    )


@kernel
def draw_block_inputs(plan, drawn, block):
    """Draw the inputs and targets of every network of a block."""
    draw_inputs(plan.inputs, drawn.words, plan.key, block, drawn.buffer, drawn.integers, drawn.latent, drawn.x)
    costs.draw_targets(
        plan.target_kind, plan.targets, plan.directions, drawn.words, plan.key, block, drawn.buffer, drawn.integers, drawn.targets
    )


def check_network(ensemble: Ensemble) -> None:
    """Refuse a network whose rows of values the counters cannot address."""
    lanes = lanes_of(ensemble)
    for below, above in zip(ensemble.widths[:-1], ensemble.widths[1:], strict=True):
        if lanes * below * above // stream.BLOCK >= stream.MAX_INDEX:
            raise SpecificationError(f"widths hold the pair {below}, {above}; the counters address fewer weights than that")
