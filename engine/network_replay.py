"""Networks of a direct run, drawn again: one with every number of its two passes, or many for their Jacobians.

Guarantee: inputs, targets, weights, biases, z, phi, phi' and delta of a replayed network are those that `network_direct.sample` had
for it, bit for bit, from the counters alone. The sampler never forms an orthogonal matrix: it is multiplied out here in float64 and
rounded once, while z and delta come from the sampler's reflections.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from fanin.engine import costs, direct, stream
from fanin.engine._jit import kernel
from fanin.engine._llvm import fma
from fanin.engine.activations import ActivationRow, activate
from fanin.engine.errors import SpecificationError
from fanin.engine.math import F
from fanin.engine.network_direct import NAME, DirectPlan, empty_record, empty_state, make_plan, padded_width, start_block
from fanin.engine.network_haar import draw_reflection, rotate
from fanin.engine.network_lanes import Rows, draw_values
from fanin.engine.network_passes import run_forward
from fanin.engine.network_plan import draw_block_inputs, empty_inputs
from fanin.engine.network_record import dot
from fanin.engine.neuron_vectors import normalise
from fanin.engine.rows import Row, empty_words
from fanin.engine.spec import Ensemble

_WEIGHT, _BIAS = np.uint64(stream.WEIGHT), np.uint64(stream.BIAS)
_FORWARD, _BACK = np.int64(0), np.int64(1)
_LIMIT = 2.0**120
_MAX_BYTES = 1 << 30


@dataclass(frozen=True, eq=False)
class ReplayedNetwork:
    """One network of a direct run, drawn again. All arrays are float32 but for `exponents`.

    x : (points, inputs); targets : (points, outputs), where a cost needs them, or the direction of the cost "linear".
    weights, biases : of each layer, (fan_out, fan_in) and (fan_out).
    z, phi, slope : of each layer, (points, neurons): pre-activations, activations and their derivatives.
    delta : of each layer, (points, neurons); empty without a cost. delta * 2**exponents is dC/dz.
    exponents : int64 (depth, points).

    From the first layer on that is not finite, all further numbers of the passes are NaN.
    """

    x: np.ndarray
    targets: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    z: tuple[np.ndarray, ...]
    phi: tuple[np.ndarray, ...]
    slope: tuple[np.ndarray, ...]
    delta: tuple[np.ndarray, ...]
    exponents: np.ndarray


@kernel
def _multiply(weights, vectors, out):
    """out[a] = W vectors[a], each sum in the order of the weights."""
    for a in range(vectors.shape[0]):
        for i in range(weights.shape[0]):
            total = F(0.0)
            for j in range(weights.shape[1]):
                total = fma(weights[i, j], vectors[a, j], total)
            out[a, i] = total


@kernel
def _multiply_back(weights, vectors, out):
    """out[a] = W^T vectors[a]."""
    out[:] = F(0.0)
    for a in range(vectors.shape[0]):
        for i in range(weights.shape[0]):
            for j in range(weights.shape[1]):
                out[a, j] = fma(weights[i, j], vectors[a, i], out[a, j])


def _row(rows: Rows, layer: int) -> Row:
    return Row(int(rows.address[layer]), int(rows.sets[layer]), rows.sizes[layer], int(rows.zeros[layer]), rows.constant[layer])


def _values(plan: DirectPlan, layer: int, block: int, lane: int, role: np.uint64, networks: int, count: int) -> np.ndarray:
    """Parameters of a layer, float32 (networks, count), for the networks of a block from `lane` on."""
    network, out, w = plan.network, np.empty((networks, count), np.float32), np.empty(stream.BLOCK, np.float32)
    row = _row(plan.weights if role == _WEIGHT else plan.biases, layer)
    draw_values(row, empty_words(), network.key, role, np.uint64(layer + 1), np.uint64(block), w, network.lanes, lane, out)
    return out


def layer_weights(plan: DirectPlan, layer: int, block: int, lane: int, networks: int) -> np.ndarray:
    """The weights of a layer, float32 (networks, fan_out, fan_in), for the networks of a block from `lane` on."""
    network = plan.network
    below, above, lanes = int(network.widths[layer]), int(network.widths[layer + 1]), network.lanes
    if not plan.is_orthogonal[layer]:
        return _values(plan, layer, block, lane, _WEIGHT, networks, above * below).reshape(networks, above, below)
    order, row, words = max(below, above), _row(plan.weights, layer), empty_words()
    g, weights = (
        np.zeros((-(-order * lanes // stream.BLOCK), stream.BLOCK), np.float32),
        np.empty((networks, above, below), np.float32),
    )
    left = np.broadcast_to(np.eye(order, below), (networks, order, below)).copy()
    for k in range(above):
        draw_reflection(row, words, network.key, np.uint64(layer + 1), np.uint64(block), lanes, order, k, g)
        unit = g.reshape(-1, lanes)[: order - k, lane : lane + networks].T.astype(float)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        along = (unit[:, None] @ left)[:, 0]
        sign = np.where(unit[:, :1] >= 0.0, 1.0, -1.0)
        weights[:, k] = plan.gain[layer] * along
        lost = (along + sign * left[:, 0]) / (1.0 + np.abs(unit[:, :1]))
        left = left[:, 1:] - unit[:, 1:, None] * lost[:, None]
    return weights


def _rotated(plan: DirectPlan, layer: int, block: int, lane: int, vectors: np.ndarray, direction: np.int64) -> np.ndarray:
    """W or W^T times the vectors of one network, (points, neurons), for orthogonal weights: the sampler's own reflections."""
    network = plan.network
    below, above, lanes, points = int(network.widths[layer]), int(network.widths[layer + 1]), network.lanes, len(vectors)
    order = max(below, above)
    given, out = np.zeros((order, points, lanes), np.float32), np.zeros((order, points, lanes), np.float32)
    given[: vectors.shape[1]] = vectors.T[:, :, None]
    rotate(
        _row(plan.weights, layer),
        empty_words(),
        network.key,
        np.uint64(layer + 1),
        np.uint64(block),
        np.zeros((-(-order * lanes // stream.BLOCK), stream.BLOCK), np.float32),
        given.reshape(-1),
        out.reshape(-1),
        np.zeros((2, lanes), np.float32),
        lanes,
        points,
        below,
        above,
        plan.gain[layer],
        direction,
        np.zeros(1, np.int64),
    )
    return np.ascontiguousarray(out[: above if direction == _FORWARD else below, :, lane].T)


def _are_finite(*arrays: np.ndarray) -> bool:
    return all(bool((np.abs(array) < _LIMIT).all()) for array in arrays)


def replay_network(ensemble: Ensemble, seed: int, index: int, method: str = NAME) -> ReplayedNetwork:
    """Network `index` of a direct run, alone.

    Parameters
    ----------
    ensemble : Ensemble
    seed : int
        Of the run.
    index : int
        From 0.
    method : str
        "direct"; the conditional sampler has no weights to show.

    Raises
    ------
    SpecificationError
        Another method, or an index that no run reaches.

    Examples
    --------
    >>> network = replay_network(Ensemble((4, 3, 2), "scaled", "tanh", "gaussian"), 501, 7)
    >>> [weights.shape for weights in network.weights], network.z[1].shape
    ([(3, 4), (2, 3)], (1, 2))
    """
    if method != NAME:
        raise SpecificationError(
            f"the method is {method!r}; only networks of the direct sampler have weights to replay: take direct"
        )
    plan = make_plan(ensemble, seed)
    network, lanes = plan.network, plan.network.lanes
    if not 0 <= index < stream.MAX_BLOCKS * lanes:
        raise SpecificationError(f"the network's index is {index}; it must be from 0 to {stream.MAX_BLOCKS * lanes - 1}")
    block, lane = divmod(int(index), lanes)
    drawn = empty_inputs(network)
    draw_block_inputs(network, drawn, np.uint64(block))
    x, targets, depth, widths = drawn.x[lane].copy(), drawn.targets[lane].copy(), ensemble.depth, ensemble.widths
    weights = tuple(layer_weights(plan, layer, block, lane, 1)[0] for layer in range(depth))
    biases = tuple(_values(plan, layer, block, lane, _BIAS, 1, widths[layer + 1])[0] for layer in range(depth))
    z, phi, slope = (tuple(np.full((len(x), n), np.nan, np.float32) for n in widths[1:]) for _ in range(3))
    seen, is_finite = x, True
    for layer in range(depth):
        if not is_finite:
            break
        if plan.is_orthogonal[layer]:
            z[layer][:] = _rotated(plan, layer, block, lane, seen, _FORWARD)
        else:
            _multiply(weights[layer], seen, z[layer])
        if plan.has_bias[layer]:
            with np.errstate(over="ignore", invalid="ignore"):
                z[layer][:] += biases[layer]
        is_finite = _are_finite(z[layer])
        if is_finite:
            row = ActivationRow(
                int(network.phi_address[layer]), network.phi_sizes[layer], network.phi_offset[layer], network.phi_gain[layer]
            )
            for a in range(len(x)):
                activate(row, z[layer][a], phi[layer][a], slope[layer][a])
            seen, is_finite = phi[layer], _are_finite(phi[layer], slope[layer])
    delta, exponents = (), np.zeros((depth, len(x)), np.int64)
    if network.cost != costs.NONE:
        delta = tuple(np.full((len(x), n), np.nan, np.float32) for n in widths[1:])
        if is_finite:
            outputs = z[-1], phi[-1], slope[-1]
            for a in range(len(x)):
                costs.output_delta(
                    network.cost, network.is_sigmoid_output, *(values[a] for values in outputs), targets[a], delta[-1][a]
                )
            _send_back(plan, block, lane, weights, slope, delta, exponents)
    return ReplayedNetwork(x, targets, weights, biases, z, phi, slope, delta, exponents)


def _send_back(
    plan: DirectPlan,
    block: int,
    lane: int,
    weights: tuple[np.ndarray, ...],
    slope: tuple[np.ndarray, ...],
    delta: tuple[np.ndarray, ...],
    exponents: np.ndarray,
) -> None:
    """Fill delta below the output, and all exponents."""
    for layer in range(len(delta) - 1, -1, -1):
        if not _are_finite(delta[layer]):
            delta[layer][:] = np.nan
            return
        for a, one in enumerate(delta[layer]):
            vector = np.zeros(padded_width(one.size), np.float32)
            vector[: one.size] = one
            exponents[layer, a] += normalise(vector, dot(vector, vector, one.size, np.zeros(16)), one.size)
            one[:] = vector[: one.size]
        if layer == 0:
            return
        shift = plan.exponent[layer]
        sent, back = delta[layer] * np.float32(2.0**-shift), np.empty_like(delta[layer - 1])
        if plan.is_orthogonal[layer]:
            back[:] = _rotated(plan, layer, block, lane, sent, _BACK)
        else:
            _multiply_back(weights[layer], sent, back)
        if not _are_finite(back):
            return
        delta[layer - 1][:] = back * slope[layer - 1]
        exponents[layer - 1] = exponents[layer] + shift


def jacobian_singular_values(ensemble: Ensemble, networks: int, seed: int) -> np.ndarray:
    """Singular values of the derivative of the outputs phi(z_L) with respect to the first input, of networks of a direct run.

    The networks are those of the run, with weights drawn again; products and singular values are float64, by BLAS and LAPACK: good
    to rounding but not the same bits on every machine, and in no digest.

    Parameters
    ----------
    ensemble : Ensemble
    networks : int
        The first ones of the run.
    seed : int
        Of the run.

    Returns
    -------
    numpy.ndarray
        Shape (networks, min(inputs, outputs)), descending. NaN for a network that is not finite.

    Raises
    ------
    SpecificationError
        The matrices of one block of networks need more than 1 GiB.

    Examples
    --------
    >>> jacobian_singular_values(Ensemble((4, 4), "orthogonal", "identity", "gaussian"), 2, 501).round(5).tolist()
    [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """
    plan, widths = make_plan(ensemble, seed)._replace(segment=ensemble.depth), ensemble.widths
    lanes, inputs = plan.network.lanes, widths[0]
    largest = max(above * below for below, above in itertools.pairwise(widths))
    needed = lanes * (
        12 * largest + 16 * max(widths[1:]) * inputs + 8 * ensemble.depth * ensemble.points * padded_width(max(widths))
    )
    if needed > _MAX_BYTES:
        raise SpecificationError(
            f"the Jacobians of widths {widths} need {needed / 2**30:.1f} GiB, because {lanes} networks are always drawn together; "
            "take smaller widths, that need at most 1 GiB"
        )
    state, drawn, record = empty_state(plan), empty_inputs(plan.network), empty_record(plan)
    out = np.full((networks, min(inputs, widths[-1])), np.nan)
    for block in range(-(-networks // lanes)):
        count = min(lanes, networks - block * lanes)
        start_block(plan, state, drawn, block)
        run_forward(plan, state, drawn.words, record, np.uint64(block), 0, 0, ensemble.depth, np.zeros(1, np.int64))
        jacobian = np.eye(inputs)[None]
        with np.errstate(over="ignore", invalid="ignore"):
            for layer in range(ensemble.depth):
                slope = state.slope[layer, :count, 0, : widths[layer + 1], None].astype(float)
                weights = layer_weights(plan, layer, block, 0, count).astype(float)
                jacobian = slope * (weights @ jacobian if layer else weights)
        whole = np.flatnonzero((state.reached[:count] == ensemble.depth) & np.isfinite(jacobian).all(axis=(1, 2)))
        out[block * lanes + whole] = np.linalg.svd(jacobian[whole], compute_uv=False)
    return out


def replay(ensemble: Ensemble, seed: int, index: int) -> ReplayedNetwork | direct.Network:
    """Network `index` of a direct run, alone, with every number it had: bit for bit, from the counters.

    Examples
    --------
    >>> network = replay(Ensemble((4, 3, 2), "scaled", "tanh", cost="linear"), seed=1, index=7)
    >>> [weights.shape for weights in network.weights], network.delta[0].shape
    ([(3, 4), (2, 3)], (1, 3))
    >>> replay(Ensemble((10, 1)), seed=1, index=7).weights.shape
    (10,)
    """
    return replay_network(ensemble, seed, index) if ensemble.is_network else direct.replay(ensemble, seed, index)
