"""The two passes of the direct sampler through the layers of a block of networks, and what each layer records.

Between layers each network has vectors of neurons of its own, float32 padded with zeros; a layer's weights meet flat values whose
last axis is the network (`network_lanes`, `network_haar`). Both passes draw the weights from the same counters.

A network takes part in nothing but its own count from the layer on where a |z|, |phi| or |phi'| is 2**120 or more, or NaN. Where
what it sends back through a layer overflows, it leaves the backward pass before that layer is recorded.
"""

from __future__ import annotations

import numpy as np

from fanin.engine import costs
from fanin.engine._jit import kernel
from fanin.engine._llvm import call_activation
from fanin.engine.math import F, two_to
from fanin.engine.network_haar import rotate
from fanin.engine.network_lanes import add_biases, count_live, from_lanes, multiply, row_of_layer, to_lanes
from fanin.engine.network_record import (
    FIELD_BINS,
    bin_neurons,
    dot,
    is_finite_layer,
    record_backward,
    record_delta_pair,
    record_forward,
    record_jacobian,
    record_nonfinite,
    record_pair,
)
from fanin.engine.neuron_vectors import normalise


@kernel
def seen_by(plan, state, layer):
    """What a layer sees, a vector for each network and input."""
    if layer == 0:
        return state.x
    if layer % plan.segment == 0:
        return state.kept[layer // plan.segment if plan.network.cost != costs.NONE else 0]
    return state.phi[layer % plan.segment - 1]


@kernel
def _apply(plan, state, words, layer, block, is_back, stop):
    """W times what the layer sees, from state.below into state.above; or W^T the other way."""
    network, row, number = plan.network, row_of_layer(plan.weights, layer), np.uint64(layer + 1)
    below, above, lanes, points = network.widths[layer], network.widths[layer + 1], network.lanes, network.points
    source, target = (state.above, state.below) if is_back else (state.below, state.above)
    if plan.is_orthogonal[layer]:
        gain, g, sums = plan.gain[layer], state.reflection, state.sums
        rotate(row, words, network.key, number, block, g, source, target, sums, lanes, points, below, above, gain, is_back, stop)
    else:
        w, live = state.w, state.live
        if not is_back:
            count_live(source, below, points * lanes, live)
        multiply(row, words, network.key, number, block, w, source, live, target, lanes, points, below, above, is_back, stop)


@kernel
def _is_finite(vectors, count, totals):
    """Whether no number is 2**120 or more, of all inputs. The power sums of the first are in totals then."""
    for a in range(vectors.shape[0] - 1, -1, -1):
        if not is_finite_layer(vectors[a], count, totals):
            return False
    return True


@kernel
def _settle(plan, state, record, layer, g, counted):
    """phi and phi' of one network in one layer, from its z; recorded where it is one of the networks that count."""
    network, place, totals = plan.network, layer % plan.segment, record.totals
    count, at, points = network.widths[layer + 1], network.record_at[layer], network.points
    z, phi, slope, is_first = state.z[g], state.phi[place, g], state.slope[place, g], counted >= 0
    if state.reached[g] > layer and is_first and not _is_finite(z, count, totals):
        state.reached[g] = layer
    if state.reached[g] > layer:
        for a in range(points):
            call_activation(
                network.phi_address[layer],
                z[a].ctypes.data,
                np.int64(count),
                network.phi_sizes[layer].ctypes.data,
                phi[a].ctypes.data,
                slope[a].ctypes.data,
            )
        phi[:, count:] = F(0.0)
        slope[:, count:] = F(0.0)
        if is_first and not (_is_finite(phi, count, totals) and _is_finite(slope, count, totals)):
            state.reached[g] = layer
    if state.reached[g] <= layer:
        phi[:] = F(0.0)
        slope[:] = F(0.0)
    if at < 0 or g >= counted:
        return
    if state.reached[g] <= layer:
        record_nonfinite(record, at)
        return
    below = seen_by(plan, state, layer)[g, 0]
    square = dot(below, below, network.widths[layer], totals)
    deviation = np.sqrt(network.weight_std[layer] ** 2 * square + network.bias_std[layer] ** 2)
    deviation = deviation if network.bias_mean[layer] == 0.0 else 0.0
    has_field = network.has_field[layer]
    is_finite_layer(z[0], count, totals)
    offset, gain = network.phi_offset[layer], network.phi_gain[layer]
    record_forward(record, at, g, z[0], phi[0], slope[0], count, offset, gain, deviation, has_field)
    if has_field and deviation > 0.0:
        field = state.buffer
        for i in range(count):
            field[i] = F(np.float64(z[0, i]) / deviation)
        bin_neurons(record.patterns, record.marks, field, count, np.int64(0), np.int64(1), record.bins[at, FIELD_BINS])
    if points > 1:
        square, other = dot(z[0], z[0], count, totals), dot(z[1], z[1], count, totals)
        record_pair(record, at, z[0], z[1], square, other, count, dot(phi[0], phi[1], count, totals))


@kernel
def run_forward(plan, state, words, record, block, counted, first, last, stop):
    """Layers first .. last - 1 (from 0) of a block, of which the first `counted` networks are recorded; where it is negative, the
    layers run again, and which networks are finite is known."""
    network = plan.network
    for layer in range(first, last):
        below, above = network.widths[layer], network.widths[layer + 1]
        to_lanes(seen_by(plan, state, layer), below, state.below)
        _apply(plan, state, words, layer, block, np.int64(0), stop)
        if stop[0] != 0:
            return
        if plan.has_bias[layer]:
            row, number = row_of_layer(plan.biases, layer), np.uint64(layer + 1)
            add_biases(row, words, network.key, number, block, state.w, state.above, network.lanes, network.points, above)
        from_lanes(state.above, above, state.z)
        for g in range(network.lanes):
            _settle(plan, state, record, layer, g, counted)
        place = layer % plan.segment
        if place == plan.segment - 1:
            to = (layer + 1) // plan.segment if network.cost != costs.NONE else 0
            if to < state.kept.shape[0]:
                state.kept[to][:] = state.phi[place]


@kernel
def _begin_network(plan, state, targets, g):
    """delta of the output of one network."""
    network, depth = plan.network, plan.network.widths.size - 1
    count, place, delta = network.widths[depth], (depth - 1) % plan.segment, state.delta[g]
    delta[:] = F(0.0)
    state.is_sent[g] = state.reached[g] >= depth
    if not state.is_sent[g]:
        return
    for a in range(network.points):
        costs.output_delta(
            network.cost,
            network.is_sigmoid_output,
            state.z[g, a, :count],
            state.phi[place, g, a, :count],
            state.slope[place, g, a, :count],
            targets[g, a],
            delta[a, :count],
        )
        _settle_delta(state, g, a, count, np.int64(0))


@kernel
def _settle_delta(state, g, a, count, exponent):
    """Bring delta of one network and input near 1 by a power of two; what is not finite leaves the backward pass."""
    delta = state.delta[g, a]
    if not is_finite_layer(delta, count, state.totals):
        state.is_sent[g] = False
        state.delta[g][:] = F(0.0)
        return
    state.exponents[g, a] = exponent + normalise(delta, dot(delta, delta, count, state.totals), count)


@kernel
def _multiply_slope(plan, state, layer, g):
    """delta of one network in a layer (from 0), from what came back to its activations."""
    count, slope = plan.network.widths[layer + 1], state.slope[layer % plan.segment, g]
    for a in range(plan.network.points):
        delta, back = state.delta[g, a], state.back[g, a]
        delta[count:] = F(0.0)
        if state.is_sent[g]:
            for i in range(count):
                delta[i] = back[i] * slope[a, i]
            _settle_delta(state, g, a, count, state.exponents[g, a])


@kernel
def _record_back(plan, state, record, layer, g, scale):
    """Record one network's delta in a layer and what it sends back through it, state.back."""
    network, at, totals = plan.network, plan.network.record_at[layer], record.totals
    below_count, count = network.widths[layer], network.widths[layer + 1]
    delta, back, below = state.delta[g], state.back[g, 0], seen_by(plan, state, layer)[g, 0]
    below_square = dot(below, below, below_count, totals) / below_count
    exponent = state.exponents[g, 0]
    record_backward(record, at, delta[0], count, exponent, below_square, below, below_count, state.buffer)
    if network.points > 1:
        record_delta_pair(record, at, delta[0], delta[1], count)
    square = dot(back, back, below_count, totals)
    record_jacobian(record, at, square * scale, exponent + plan.exponent[layer])


@kernel
def run_back(plan, state, words, targets, record, block, counted, first, last, stop):
    """Send delta of layer last - 1 (from 0) back through the layers first .. last - 1; their state is at hand."""
    network = plan.network
    lanes, points = network.lanes, network.points
    for layer in range(last - 1, first - 1, -1):
        below, above, shift = network.widths[layer], network.widths[layer + 1], plan.exponent[layer]
        to_lanes(state.delta, above, state.above)
        if shift != 0:
            factor = F(two_to(-shift))
            for v in range(above * points * lanes):
                state.above[v] *= factor
        _apply(plan, state, words, layer, block, np.int64(1), stop)
        if stop[0] != 0:
            return
        from_lanes(state.below, below, state.back)
        for g in range(lanes):
            if state.is_sent[g] and not _is_finite(state.back[g], below, state.totals):
                state.is_sent[g] = False
            if state.is_sent[g] and network.record_at[layer] >= 0 and g < counted:
                scale = 1.0
                if network.cost == costs.LINEAR:
                    total = 0.0
                    for target in targets[g, 0]:
                        total += np.float64(target) ** 2
                    scale = 1.0 / total
                _record_back(plan, state, record, layer, g, scale)
            for a in range(points):
                state.exponents[g, a] += shift
            if layer > first:
                _multiply_slope(plan, state, layer - 1, g)


@kernel
def begin_back(plan, state, targets):
    """delta of the outputs of all networks."""
    for g in range(plan.network.lanes):
        _begin_network(plan, state, targets, g)


@kernel
def resume(plan, state, layer):
    """delta in a layer (from 0) at the end of a segment, from what came back to its activations."""
    for g in range(plan.network.lanes):
        _multiply_slope(plan, state, layer, g)
