"""Maps, fixed points, depth scales and the edge of chaos: against published and recomputed numbers, sampling, and their own
laws.
"""

import math
import re

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import FUNCTIONS, ActivationFunction, own_activation
from fanin.stats.flat_share import flat_share
from fanin.stats.mean_field import (
    chi,
    correlation_map,
    correlation_slope,
    depth_scales,
    edge_of_chaos,
    fixed_points,
    propagate,
    variance_map,
    variance_slope,
)
from tests.stats.high_precision import expectation

NAMES = sorted(FUNCTIONS)


def shown(value, text):
    """Whether a number agrees with all digits shown."""
    digits = len(text.partition(".")[2])
    return abs(value - float(text)) <= 0.5000001 * 10.0**-digits


# --- Numbers of REFERENCE.md


def test_sigmoid_recursion():
    standard = propagate("sigmoid", math.sqrt(1000.0), 1.0, depth=40, input_square=0.5)
    scaled = propagate("sigmoid", 1.0, 1.0, depth=40, input_square=0.5)
    for layers, variances, chis in (
        (standard, ["501", "483.2346937", "482.9132456", "482.9071542"], ["2.9667559", "3.0206551", "3.0216576", "3.0216766"]),
        (scaled, ["1.5", "1.3072373", "1.3022714", "1.3021340"], ["0.0403591", "0.0419160", None, "0.0419597"]),
    ):
        for layer, q, factor in zip((0, 1, 2, 38), variances, chis, strict=False):
            assert shown(layers[layer].q.value, q)
            assert factor is None or shown(layers[layer].chi.value, factor)
        assert [layer.q.label for layer in layers[:4]] == ["exact", "exact", "limit", "limit"]
        assert layers[0].q.next_term == ""
        assert layers[5].q.next_term == "1/n"
        assert layers[-1].chi is None
        assert layers[-1].gradient.value == 1.0
    assert 0.83 < flat_share("sigmoid", standard[-1].q.value).value < 0.84
    assert shown(flat_share("sigmoid", 501.0).value, "0.8376998003")
    assert flat_share("sigmoid", 1.5).value == pytest.approx(1.814564e-4, abs=5e-11)
    assert standard[0].gradient.value > 2.9**39
    assert scaled[0].gradient.value < 24.0**-38


def test_edges_of_chaos():
    for bias, weight, q in ((0.05, "1.1225390048", "0.1536919358"), (0.2, "1.3041458401", "0.5120785042")):
        edge = edge_of_chaos("tanh", bias_std=bias)
        assert shown(edge.weight_std, weight)
        assert shown(edge.q_star, q)
        assert edge.stable
        assert edge.weight_std_error < 1e-12 > edge.q_star_error
    erf = edge_of_chaos("erf", bias_std=math.sqrt(0.184139678))
    assert erf.weight_std**2 == pytest.approx(1.756203683, abs=2e-9)
    assert erf.q_star == pytest.approx(1.0, abs=2e-9)


def test_rays_have_one_edge():
    edge = edge_of_chaos("relu")
    assert (edge.stable, edge.q_star) == (True, None)
    assert edge.weight_std == pytest.approx(math.sqrt(2), rel=1e-15)
    assert edge_of_chaos("leaky_relu:0.5").weight_std == pytest.approx(math.sqrt(2 / 1.25), rel=1e-15)
    for name in ("relu", "leaky_relu", "identity"):
        edge = edge_of_chaos(name, bias_std=0.1)
        assert (edge.weight_std, edge.stable, edge.points) == (None, False, ())
        assert "the variance grows by bias_std^2 in every layer" in edge.sentence


@pytest.mark.parametrize("name", ["silu", "gelu"])
def test_unstable_points_are_words(name):
    edge = edge_of_chaos(name, bias_std=0.2)
    assert (edge.weight_std, edge.q_star, edge.stable) == (None, None, False)
    assert [round(point.slope, 2) for point in edge.points] == [1.10]
    assert [point.stability for point in edge.points] == ["unstable"]
    assert "only at fixed points that do not attract" in edge.sentence
    # Iteration from just beside the point leaves it.
    point = edge.points[0]
    q = 1.001 * point.q_star
    for _ in range(60):
        q = variance_map(name, q, point.weight_std, 0.2).value
    assert abs(q / point.q_star - 1.0) > 0.1


@pytest.mark.parametrize("bias", [0.0, 0.2, 1.0, 3.0])
def test_softplus_has_none(bias):
    edge = edge_of_chaos("softplus", bias_std=bias)
    assert (edge.weight_std, edge.points) == (None, ())
    assert "chi is not 1 at any fixed point" in edge.sentence


def test_half_stable_points_of_gelu_and_silu():
    """Roberts, Yaida and Hanin 2022, The Principles of Deep Learning Theory, sec. 5.3.4: slope and chi are 1 together at
    K* = (3 + sqrt 17)/2, C_W = 1.98305826, C_b = 0.17292239 for GELU, and 14.32017362, 1.98800468, 0.55514317 for SWISH.
    """
    for name, weight, bias, q in (
        ("gelu", 1.98305826, 0.17292239, (3 + math.sqrt(17)) / 2),
        ("silu", 1.98800468, 0.55514317, 14.32017362),
    ):
        (point,) = edge_of_chaos(name, bias_std=math.sqrt(bias)).points
        assert point.slope == pytest.approx(1.0, abs=1e-8)
        assert point.weight_std**2 == pytest.approx(weight, abs=1e-8)
        assert point.q_star == pytest.approx(q, rel=1e-6)
    # Beyond these biases the point is stable: these activations do have an edge of chaos there.
    assert edge_of_chaos("gelu", bias_std=0.42).stable
    assert not edge_of_chaos("gelu", bias_std=0.41).stable


def test_selu_normalises_itself():
    """Klambauer et al. 2017: mean 0 and variance 1 are kept, and the fixed point attracts."""
    (point,) = [one for one in fixed_points("selu", 1.0).points if one.q > 0]
    assert point.q == pytest.approx(1.0, abs=1e-13)
    assert point.stability == "stable"
    assert point.slope == pytest.approx(0.782648, abs=5e-7)


def test_edges_at_zero():
    """Without biases tanh, erf, hard tanh, ELU and SELU have q* = 0, reached slowly; GELU and SiLU leave it."""
    for name, weight in (("tanh", 1.0), ("erf", math.sqrt(math.pi) / 2), ("hard_tanh", 1.0), ("elu", 1.0)):
        edge = edge_of_chaos(name)
        assert (edge.q_star, edge.stable) == (0.0, True)
        assert edge.weight_std == pytest.approx(weight, rel=1e-14)
        assert [point.stability for point in fixed_points(name, edge.weight_std).points] == ["stable"]
        assert depth_scales(name, edge.weight_std).xi_q.value == math.inf
    for name in ("gelu", "silu"):
        edge = edge_of_chaos(name)
        assert not edge.stable
        assert edge.points[0].weight_std == pytest.approx(2.0)


# --- Laws


@given(st.sampled_from(["tanh", "erf", "sigmoid", "elu", "selu", "hard_tanh"]), st.floats(1e-3, 5.0))
@settings(max_examples=30)
def test_chi_is_one_on_the_edge(name, bias):
    edge = edge_of_chaos(name, bias_std=bias)
    assert edge.stable
    error = 1e-12 + 10.0 * edge.q_star_error / edge.q_star
    assert chi(name, edge.q_star, edge.weight_std).value == pytest.approx(1.0, abs=error)
    assert variance_map(name, edge.q_star, edge.weight_std, bias).value == pytest.approx(edge.q_star, rel=error)
    assert variance_slope(name, edge.q_star, edge.weight_std).value < 1.0


@given(st.sampled_from(NAMES), st.floats(-2, 2), st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 5), st.floats(0, 3))
@settings(max_examples=30)
def test_correlation_map(name, log_q, c1, c2, weight, bias):
    """It maps [-1, 1] into itself, keeps 1, and does not fall where phi is monotone."""
    q = 10.0**log_q
    low, high = sorted((c1, c2))
    first, second, top = (correlation_map(name, c, q, weight, bias) for c in (low, high, 1.0))
    assert -1.0 <= first.value <= 1.0 >= second.value >= -1.0
    assert top.value == pytest.approx(1.0, abs=1e-13)
    if FUNCTIONS[name].monotone:
        assert second.value >= first.value - first.error - second.error
    assert abs(second.value) <= correlation_map(name, abs(high), q, weight, bias).value + 1e-12


@given(st.sampled_from(NAMES), st.floats(-1.5, 1.5), st.floats(-0.95, 0.95))
@settings(max_examples=20)
def test_slopes_are_derivatives(name, log_q, c):
    """phi' off by one per cent would be seen: both slopes come from phi', both differences from phi alone."""
    q, step = 10.0**log_q, 1e-4
    by_q = (variance_map(name, q * (1 + step), 1.3).value - variance_map(name, q * (1 - step), 1.3).value) / (2 * step * q)
    assert variance_slope(name, q, 1.3).value == pytest.approx(by_q, rel=2e-6)
    next_q = variance_map(name, q, 1.3).value
    near = [correlation_map(name, c + side * step, q, 1.3).value * next_q / q for side in (-1, 1)]
    slope = correlation_slope(name, c, q, 1.3)
    assert slope.value == pytest.approx((near[1] - near[0]) / (2 * step), abs=1e-5)


def test_a_slope_off_by_a_factor_breaks_the_laws():
    """Planted: phi' 1 % too large, past the check of own_activation."""
    right = FUNCTIONS["tanh"]
    wrong = ActivationFunction("wrong", right.value, lambda z: 1.01 * right.slope(z))
    by_q = (variance_map(wrong, 1.0001, 1.0).value - variance_map(wrong, 0.9999, 1.0).value) / 2e-4
    assert abs(variance_slope(wrong, 1.0, 1.0).value / by_q - 1.0) > 0.009


def test_slope_is_chi_plus_the_curvature():
    for q in (0.3, 2.0):
        truth = expectation("tanh", lambda phi, slope, z: slope**2 - 2 * phi**2 * slope, math.sqrt(q))
        assert variance_slope("tanh", q, 1.5).value == pytest.approx(2.25 * float(truth), rel=1e-13)


@given(st.floats(1e-3, 1e3), st.floats(-1, 1), st.floats(0.1, 4))
def test_relu_is_homogeneous(q, c, weight):
    """Variances scale, correlations do not see the scale, and are the arc-cosine kernel (Cho and Saul 2009)."""
    assert variance_map("relu", q, weight).value == pytest.approx(weight**2 * q / 2, rel=1e-14)
    kernel = (math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c) / math.pi
    assert correlation_map("relu", c, q, weight).value == pytest.approx(kernel, abs=1e-14)
    assert correlation_slope("relu", c, q, math.sqrt(2)).value == pytest.approx(1 - math.acos(c) / math.pi, abs=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_maps_against_sampling(name, false_failure):
    """Means over 2e5 pairs, at 1e-6 over all 36 comparisons; an error of 4 % is seen in each."""
    rng, draws = np.random.default_rng(4), 200_000
    q, q2, c, weight = 1.7, 0.6, 0.55, 1.4
    first, other = rng.standard_normal((2, draws))
    u1, u2 = math.sqrt(q) * first, math.sqrt(q2) * (c * first + math.sqrt(1 - c * c) * other)
    function = FUNCTIONS[name]
    deviations = stats.norm.isf(false_failure / 72)
    scale = math.sqrt(math.prod(variance_map(name, v, weight).value for v in (q, q2)))
    for sample, found in (
        (weight**2 * function.value(u1) ** 2, variance_map(name, q, weight).value),
        (weight**2 * function.slope(u1) ** 2, chi(name, q, weight).value),
        (weight**2 * function.value(u1) * function.value(u2), scale * correlation_map(name, c, q, weight, q_other=q2).value),
    ):
        error = deviations * sample.std() / math.sqrt(draws)
        assert abs(sample.mean() - found) <= error + 1e-12
        assert error <= 0.04 * sample.mean()


# --- Fixed points and depth scales


def test_all_fixed_points_are_found():
    found = fixed_points("gelu", 1.5, 0.2)
    assert [point.stability for point in found.points] == ["stable", "unstable"]
    assert "grows without limit from above" in found.sentence
    low, high = (point.q for point in found.points)
    for start in (0.99 * high, 0.04):
        deep = propagate("gelu", 1.5, 0.2, depth=600, input_square=(start - 0.04) / 1.5**2)
        assert deep[-1].q.value == pytest.approx(low)
    # Two fixed points just before they merge, closer than the grid.
    low, high = 1.5, 1.6
    assert fixed_points("gelu", high, 0.2).points == ()
    for _ in range(22):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if len(fixed_points("gelu", middle, 0.2).points) == 2 else (low, middle)
    two = fixed_points("gelu", low, 0.2).points
    assert 1.0 < two[1].q / two[0].q < 1.01


def test_fixed_points_of_rays():
    assert fixed_points("relu", math.sqrt(2)).sentence == "Every variance is a fixed point: the variance stays what it is."
    (point,) = fixed_points("relu", 1.0, 1.0).points
    assert (point.q, point.stability) == (2.0, "stable")
    (point,) = fixed_points("relu", 2.0).points
    assert (point.q, point.stability) == (0.0, "unstable")
    assert fixed_points("relu", 2.0, 1.0).points == ()
    assert "2-fold" in fixed_points("relu", 2.0, 1.0).sentence


@pytest.mark.parametrize(("weight", "bias", "phase"), [(1.0, 0.3, "ordered"), (1.6, 0.2, "chaotic"), (2.5, 0.0, "chaotic")])
def test_depth_scales_are_what_the_maps_do(weight, bias, phase):
    scales = depth_scales("tanh", weight, bias)
    assert scales.phase == phase
    assert scales.xi_c.label == "limit"
    q, c_star = scales.q_star, scales.c_star.value
    distance = 1e-4
    moved = variance_map("tanh", q + distance, weight, bias).value - q
    assert -1 / math.log(moved / distance) == pytest.approx(scales.xi_q.value, rel=1e-3)
    moved = correlation_map("tanh", c_star - distance, q, weight, bias).value - c_star
    assert -1 / math.log(-moved / distance) == pytest.approx(scales.xi_c.value, rel=1e-2)
    start = (q - bias**2) / weight**2
    deep = propagate("tanh", weight, bias, depth=60, input_square=start, correlation=0.7)
    assert deep[-1].correlation.value == pytest.approx(c_star, abs=5e-3)
    if bias == 0.0:
        assert c_star == 0.0


def test_scales_at_the_edge_and_at_zero():
    edge = edge_of_chaos("tanh", bias_std=0.2)
    scales = depth_scales("tanh", edge.weight_std, 0.2)
    assert (scales.phase, scales.xi_c.value, scales.c_star.value) == ("edge", math.inf, 1.0)
    scales = depth_scales("tanh", 0.5)
    assert (scales.q_star, scales.c_star, scales.xi_c) == (0.0, None, None)
    assert scales.xi_q.value == pytest.approx(-1 / math.log(0.25))
    near = depth_scales("tanh", edge.weight_std * 1.0001, 0.2)
    assert near.phase == "chaotic"
    assert 0.99 < near.c_star.value < 1.0
    assert near.xi_c.value > 1000


def test_layers_of_their_own():
    """A network with a scheme and an activation per layer is the composition of its maps."""
    layers = propagate(["relu", "tanh", "gelu"], [1.1, 1.2, 1.3], [0.0, 0.1, 0.2], depth=3, input_square=0.7, correlation=0.3)
    first = 1.1**2 * 0.7
    second = variance_map("relu", first, 1.2, 0.1).value
    assert layers[0].q.value == pytest.approx(first)
    assert layers[1].q.value == second
    assert layers[2].q.value == variance_map("tanh", second, 1.3, 0.2).value
    assert layers[1].chi.value == chi("tanh", second, 1.3).value
    assert layers[0].gradient.value == pytest.approx(layers[0].chi.value * layers[1].chi.value)
    assert layers[1].correlation.value == pytest.approx(correlation_map("relu", 0.3, first, 1.2, 0.1).value, rel=1e-15)
    wrong = propagate(["relu", "tanh", "gelu"], [1.1, 1.3, 1.2], [0.0, 0.1, 0.2], depth=3, input_square=0.7)
    assert abs(wrong[1].q.value / second - 1.0) > 0.1  # weights of the wrong layer are no small matter


def test_errors_cover_the_truth_through_many_layers():
    """Forty layers against mpmath for erf, whose map is closed; the stated error covers the difference and stays small."""
    with mp.workdps(40):
        w2, b2 = mp.mpf(1.3) ** 2, mp.mpf(0.2) ** 2
        q = w2 + b2
        for layer in propagate("erf", 1.3, 0.2, depth=40):
            assert abs(layer.q.value - q) <= layer.q.error
            assert layer.q.error < 1e-13
            q = w2 * 2 / mp.pi * mp.asin(2 * q / (1 + 2 * q)) + b2


def test_own_activation_says_estimate():
    own = own_activation(np.tanh, lambda z: 1.0 - np.tanh(z) ** 2, name="my_tanh")
    edge = edge_of_chaos(own, bias_std=0.05)
    assert edge.error_kind == "estimate"
    assert shown(edge.weight_std, "1.1225390048")
    layers = propagate(["tanh", own, "tanh"], 1.0, depth=3)
    assert [layer.q.error_kind for layer in layers] == ["bound", "bound", "estimate"]
    assert depth_scales(own, 1.6, 0.2).xi_c.value == pytest.approx(depth_scales("tanh", 1.6, 0.2).xi_c.value, rel=1e-9)


def test_odd_activations_of_ones_own():
    """No slope at 0, no slope anywhere, no bound on growth: answers in words, no warning."""
    constant = own_activation(lambda z: np.full(np.shape(z), 0.3), np.zeros_like, name="constant")
    nothing = own_activation(np.zeros_like, np.zeros_like, name="nothing")
    for function in (constant, nothing):
        for bias in (0.0, 0.2):
            assert edge_of_chaos(function, bias_std=bias).points == ()
    assert fixed_points(constant, 2.0).points[0].q == pytest.approx(0.36)
    square = own_activation(lambda z: np.maximum(z, 0.0) ** 2, lambda z: 2.0 * np.maximum(z, 0.0), [0.0], "square")
    edge = edge_of_chaos(square, bias_std=0.2)
    assert [point.stability for point in edge.points] == ["unstable"]
    assert edge_of_chaos(square).points == ()
    found = fixed_points(square, 1.0, 0.2)
    assert [point.stability for point in found.points] == ["stable", "unstable"]
    assert "the variance grows beyond" in found.sentence
    absolute = own_activation(np.abs, np.sign, [0.0], "absolute")
    assert [point.stability for point in edge_of_chaos(absolute).points] == ["neutral"]
    assert edge_of_chaos("leaky_relu:-1").stable


BAD = [
    (lambda: variance_map("tanh", 1.0, -1.0), "weight_std is -1.0; it must be a finite number at least 0"),
    (lambda: variance_map("tanh", math.nan, 1.0), "q is nan; it must be a finite number at least 0"),
    (lambda: variance_map("tanh", 1.0, 1.0, "x"), "bias_std is 'x'; it must be a number"),
    (lambda: variance_map("tahn", 1.0, 1.0), "did you mean tanh?"),
    (lambda: variance_map("tanh", 1e30, 1.0), "q is 1e+30; it must be a finite number at least 0 and at most 1e+20"),
    (lambda: variance_slope("sigmoid", 0.0, 1.0), "the slope of the variance map of sigmoid is computed for q above 0"),
    (lambda: correlation_map("tanh", 1.1, 1.0, 1.0), "c is 1.1; it must be a finite number at least -1 and at most 1"),
    (lambda: correlation_map("tanh", 0.5, 1.0, 1.0, q_other=0.0), "one of the two variances is 0"),
    (lambda: propagate("tanh", 1.0, depth=0), "depth is 0; it must be a whole number from 1 to 10000"),
    (lambda: propagate("tanh", 1.0, depth=10**9), "depth is 1000000000; it must be a whole number from 1 to 10000"),
    (lambda: propagate("tanh", 1.0, depth=2.5), "depth is 2.5; it must be a whole number"),
    (lambda: propagate("tanh", [1.0, 1.0], depth=3), "weight_std has 2 values for 3 layers"),
    (lambda: propagate("tanh", 1.0, depth=3, input_square=-1.0), "input_square is -1.0"),
    (lambda: propagate("relu", 1e3, depth=100), "is above 1e+290; take fewer layers or a smaller weight_std"),
    (lambda: edge_of_chaos("tanh", bias_std=-0.1), "bias_std is -0.1; it must be a finite number at least 0"),
    (lambda: edge_of_chaos("tanh", bias_std=True), "bias_std is True; it must be a number"),
    (lambda: depth_scales("relu", 2.0), "relu has no depth scales here: The variance grows 2-fold"),
    (lambda: flat_share("tanh", 1.0, 0.0), "threshold is 0.0; it must be a finite number above 0"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_bad_input(call, words):
    with pytest.raises(SpecificationError, match=re.escape(words)) as caught:
        call()
    assert "\n" not in str(caught.value)


@given(st.sampled_from(NAMES), st.floats(-2, 3), st.floats(0.005, 0.9))
@settings(max_examples=40)
def test_flat_share_against_a_fine_grid(name, log_q, threshold):
    """Probabilities of 40,001 equal cells: an interval of phi' that is missed or doubled would be seen."""
    x = np.linspace(-8, 8, 40_001)
    cells = np.diff(stats.norm.cdf(x))
    middle = 0.5 * (x[1:] + x[:-1])
    flat = np.abs(FUNCTIONS[name].slope(10.0 ** (log_q / 2) * middle)) < threshold
    assert flat_share(name, 10.0**log_q, threshold).value == pytest.approx(cells[flat].sum(), abs=2e-3)
