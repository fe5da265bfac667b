"""The conditional sampler: the weights of a network are integrated out, exactly, for Gaussian weights.

Given what a layer sees, h_a for the inputs a of one network, the pre-activations of its neurons are independent draws of
N(0, s^2 h_a . h_b + sb^2): a layer costs as many draws as it has neurons. The backward pass stays exact (Bolthausen 2014, An
iterative construction of solutions of the TAP equations): with U = W H, D = [delta_a], G = H^T H and Z iid N(0,1),

    W^T D = H G^+ U^T D + s (I - H G^+ H^T) Z R^T,  R R^T = D^T D,

in law given everything forward; and U^T D is Z^T D less the share of the biases, for which one normal per input stands. Every
weight is used once forward and once backward, so the networks have exactly the law of the direct sampler's.

An orthogonal W = gain Q[:m, :n] of Haar's law has a form of its own for one input: Q h is uniform on the sphere of radius |h|, and
given it Q^T sends the part of delta along Q h back along h, the rest to a uniform direction across h.

Neurons are the inner axis. The numbers of the forward pass are drawn again for the backward pass, segment by segment, where a
network is too large to be kept. Matrices between inputs are float64 and written out (`small`); nothing calls LAPACK.
"""

from __future__ import annotations

import numpy as np

from fanin.engine import costs
from fanin.engine._jit import kernel
from fanin.engine._llvm import call_activation
from fanin.engine.conditional_layer import empty_state, preactivate, rotate, rotate_back, send_back
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import LayerSummary
from fanin.engine.math import F
from fanin.engine.network_plan import (
    BlockInputs,
    NetworkPlan,
    check_network,
    draw_block_inputs,
    empty_inputs,
    is_gaussian,
    is_orthogonal,
    lanes_of,
    network_plan,
)
from fanin.engine.network_record import (
    dot,
    empty_network_record,
    end_block,
    is_finite_layer,
    record_backward,
    record_delta_pair,
    record_forward,
    record_jacobian,
    record_nonfinite,
    record_pair,
    to_summary,
)
from fanin.engine.neuron_vectors import grams, normalise, padded_end, times
from fanin.engine.spec import Ensemble

NAME = "conditional"
MAX_WIDTH = 1 << 18


@kernel
def _activate(plan, state, layer, place, count):
    z, phi, slope, sizes = state.z[place], state.phi[place], state.slope[place], plan.phi_sizes[layer]
    end = padded_end(count)
    for a in range(plan.points):
        call_activation(
            plan.phi_address[layer],
            z[a].ctypes.data,
            np.int64(count),
            sizes.ctypes.data,
            phi[a].ctypes.data,
            slope[a].ctypes.data,
        )
        z[a, count:end] = F(0.0)
        phi[a, count:end] = F(0.0)
        slope[a, count:end] = F(0.0)
    grams(phi, count, state.totals, state.gram[layer + 1])


@kernel
def _is_small(vector, count, totals):
    """Whether all numbers are below 2**120: by the sum of squares, which is cheap, or else one by one."""
    return dot(vector, vector, count, totals) < 2.0**240 or is_finite_layer(vector, count, totals)


@kernel
def _see(plan, state, layer):
    """What a layer sees: float32 (points, stride)."""
    if layer == 0:
        return state.x
    if layer % plan.segment == 0:
        return state.kept[layer // plan.segment]
    return state.phi[layer % plan.segment - 1]


@kernel
def _forward(plan, state, record, network, block, first, last, is_recorded):
    """Layers first .. last - 1 (from 0), recorded or again. Returns the first layer that is not finite, or `last`."""
    for layer in range(first, last):
        place, at = layer % plan.segment, plan.record_at[layer] if is_recorded else -1
        below_count, count = plan.widths[layer], plan.widths[layer + 1]
        if plan.order[layer] > 0:
            rotate(plan, state, layer, place, network, block, count)
        else:
            preactivate(plan, state, layer, place, network, block, below_count, count)
        if is_recorded:
            for a in range(plan.points):
                if not is_finite_layer(state.z[place, plan.points - 1 - a], count, record.totals):
                    return layer
        _activate(plan, state, layer, place, count)
        if is_recorded:
            for a in range(plan.points):
                phi, slope = state.phi[place, a], state.slope[place, a]
                if not (_is_small(phi, count, state.totals) and _is_small(slope, count, state.totals)):
                    return layer
        if at >= 0:  # the sums of powers of the first input's z are in record.totals still
            deviation = np.sqrt(plan.weight_std[layer] ** 2 * state.gram[layer, 0, 0] + plan.bias_std[layer] ** 2)
            record_forward(
                record,
                at,
                network,
                state.z[place, 0],
                state.phi[place, 0],
                state.slope[place, 0],
                count,
                plan.phi_offset[layer],
                plan.phi_gain[layer],
                deviation if plan.bias_mean[layer] == 0.0 else 0.0,
                plan.has_field[layer],
            )
            if plan.points > 1:
                z = state.z[place]
                square, other = dot(z[0], z[0], count, record.totals), dot(z[1], z[1], count, record.totals)
                record_pair(record, at, z[0], z[1], square, other, count, state.gram[layer + 1, 0, 1])
        if place == plan.segment - 1 and layer + 1 < plan.widths.size - 1:
            state.kept[(layer + 1) // plan.segment][:] = state.phi[place]
    return last


@kernel
def _backward(plan, state, record, network, block, first, last, scale):
    """Send delta of layer last - 1 (from 0) back through the layers first .. last - 1; their state is at hand.

    Returns whether it went through: a network whose delta overflows leaves the backward pass.
    """
    points, totals = plan.points, record.totals
    for layer in range(last - 1, first - 1, -1):
        place, at = layer % plan.segment, plan.record_at[layer]
        below_count, count = plan.widths[layer], plan.widths[layer + 1]
        below = _see(plan, state, layer)
        if at >= 0:
            record_backward(
                record,
                at,
                state.delta[0],
                count,
                state.exponents[0],
                state.gram[layer, 0, 0] / below_count,
                below[0],
                below_count,
                state.products,
            )
            if points > 1:
                record_delta_pair(record, at, state.delta[0], state.delta[1], count)
        if plan.order[layer] > 0:
            rotate_back(plan, state, layer, place, network, block, below[0], below_count, count)
        else:
            send_back(plan, state, layer, place, network, block, below, below_count, count)
        if at >= 0:
            square = dot(state.back[0], state.back[0], below_count, totals)
            record_jacobian(record, at, square * scale, state.exponents[0])
        if layer == 0:
            return True
        if layer % plan.segment == 0:
            for a in range(points):
                state.delta[a][:] = state.back[a]
            return True
        for a in range(points):
            if not _multiply_slope(state, a, place - 1, below_count):
                return False
    return True


@kernel
def _multiply_slope(state, a, place, count):
    """delta of input a in the layer below, from what came back to its activations; whether it is finite."""
    delta = state.delta[a]
    times(delta, state.back[a], state.slope[place, a], count)
    delta[count : padded_end(count)] = F(0.0)
    square = dot(delta, delta, count, state.totals)
    state.exponents[a] += normalise(delta, square, count)
    return square < np.inf


@kernel
def _begin_backward(plan, state, targets):
    """delta of the output; returns what the squared norm of the Jacobian is to be multiplied by, 0 where delta is not finite."""
    depth = plan.widths.size - 1
    place, outputs, scale = (depth - 1) % plan.segment, plan.widths[depth], 1.0
    for a in range(plan.points):
        costs.output_delta(
            plan.cost,
            plan.is_sigmoid_output,
            state.z[place, a, :outputs],
            state.phi[place, a, :outputs],
            state.slope[place, a, :outputs],
            targets[a],
            state.delta[a, :outputs],
        )
        state.delta[a, outputs : padded_end(outputs)] = F(0.0)
        square = dot(state.delta[a], state.delta[a], outputs, state.totals)
        if not square < np.inf:
            return 0.0
        state.exponents[a] = normalise(state.delta[a], square, outputs)
    if plan.cost == costs.LINEAR:
        total = 0.0
        for i in range(outputs):
            total += np.float64(targets[0, i]) ** 2
        scale = 1.0 / total
    return scale


@kernel
def _sample_network(plan, state, drawn, record, network, block):
    """Forward through all layers, then back segment by segment.

    `_forward` is called in one place only: each call is compiled into this function in full.
    """
    depth, inputs, scale = plan.widths.size - 1, plan.widths[0], 0.0
    segments = (depth + plan.segment - 1) // plan.segment
    for a in range(plan.points):
        state.x[a, :inputs] = drawn.x[network, a]
    grams(state.x, inputs, state.totals, state.gram[0])
    for step in range(segments + 1):
        first = np.int64(0) if step == 0 else (segments - step) * plan.segment
        last = depth if step == 0 else min(depth, first + plan.segment)
        if step == 0 or last < depth:
            reached = _forward(plan, state, record, network, block, first, last, step == 0)
        if step == 0:
            for layer in range(reached, depth):
                if plan.record_at[layer] >= 0:
                    record_nonfinite(record, plan.record_at[layer])
            if reached < depth or plan.cost == costs.NONE:
                return
            scale = _begin_backward(plan, state, drawn.targets[network])
            if scale == 0.0:
                return
            continue
        if last < depth:
            for a in range(plan.points):
                state.back[a][:] = state.delta[a]
                if not _multiply_slope(state, a, plan.segment - 1, plan.widths[last]):
                    return
        if not _backward(plan, state, record, network, block, first, last, scale):
            return


@kernel
def sample_networks(plan, state, drawn, record, first, last, networks, stop):
    """Sample blocks first .. last - 1 and record the first `networks` networks counted from the start of block `first`."""
    for block in range(first, last):
        draw_block_inputs(plan, drawn, np.uint64(block))
        for network in range(min(plan.lanes, networks - (block - first) * plan.lanes)):
            if stop[0] != 0:
                return
            _sample_network(plan, state, drawn, record, network, np.uint64(block))
        end_block(record)


def check(ensemble: Ensemble) -> None:
    """Refuse what the conditional sampler does not sample exactly."""
    for layer, scheme in enumerate(ensemble.schemes, 1):
        if is_orthogonal(scheme) and ensemble.points > 1:
            raise SpecificationError(
                f"layer {layer} has the scheme {scheme} and points are {ensemble.points}; the conditional sampler sends one input "
                "through orthogonal weights: take method direct"
            )
        if not is_gaussian(scheme) and not is_orthogonal(scheme):
            raise SpecificationError(
                f"layer {layer} has the scheme {scheme}; the conditional sampler is exact for Gaussian weights and biases, and for "
                "orthogonal weights, only: take method direct"
            )
    if max(ensemble.widths) > MAX_WIDTH:
        raise SpecificationError(f"a width is {max(ensemble.widths)}; the conditional sampler takes at most {MAX_WIDTH}")
    check_network(ensemble)


def is_exact(ensemble: Ensemble) -> bool:
    """Whether the conditional sampler samples an ensemble."""
    try:
        check(ensemble)
    except SpecificationError:
        return False
    return True


def block_size(ensemble: Ensemble) -> int:
    """Networks of a block."""
    return lanes_of(ensemble)


def make_plan(ensemble: Ensemble, seed: int) -> NetworkPlan:
    """The plan of an ensemble under a seed."""
    check(ensemble)
    return network_plan(ensemble, seed, NAME)


def sample(plan: NetworkPlan, first: int, last: int, networks: int, stop: np.ndarray | None = None) -> dict[int, LayerSummary]:
    """Sample blocks first .. last - 1, of which the first `networks` networks count, and summarise each recorded layer.

    ValueError where the last block holds no network that counts. Raises InterruptedError when `stop` was set meanwhile.
    """
    if -(-networks // plan.lanes) != last - first:
        raise ValueError(f"blocks {first} to {last} are not those of {networks} networks")
    stop = np.zeros(1, np.int64) if stop is None else stop
    layers = np.flatnonzero(plan.record_at >= 0)
    record = empty_network_record(layers.size, plan.tails, plan.slow, with_field=False)
    drawn: BlockInputs = empty_inputs(plan)
    sample_networks(plan, empty_state(plan), drawn, record, first, last, networks, stop)
    if stop[0]:
        raise InterruptedError("sampling was stopped")
    return {int(layer) + 1: to_summary(record, at, int(plan.widths[layer + 1]), networks) for at, layer in enumerate(layers)}


def compile_kernels(plan: NetworkPlan) -> None:
    """Compile the kernels, or load them from the cache, by sampling nothing."""
    sample(plan, 0, 0, 0)
