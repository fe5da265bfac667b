"""Edges of chaos: those of erf in mpmath, with errors that are what they are made of, and the sentences of the answer."""

import math

import mpmath as mp
import numpy as np
import pytest

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import find_activation
from fanin.stats.edge_of_chaos import CriticalPoint, _answer, edge_of_chaos
from fanin.stats.fixed_points import depth_scales
from tests.stats.erf_maps import UNIT, growth, slope, square


@pytest.mark.parametrize("bias", [0.05, 0.2, 0.7, 2.0])
def test_edges(bias):
    b2 = mp.mpf(bias) ** 2
    ratio = lambda q: square(q) / slope(q)  # noqa: E731
    q = mp.findroot(lambda q: ratio(q) + b2 - q, float(2 * b2 + bias))
    edge = edge_of_chaos("erf", bias_std=bias)
    (point,) = edge.points
    assert edge.q_star == pytest.approx(float(q), rel=1e-12, abs=0.0)
    weight = 1 / mp.sqrt(slope(q))
    assert edge.weight_std == pytest.approx(float(weight), rel=1e-13, abs=0.0)
    doubt = 2 * UNIT * ratio(q) + 2.0**-51 * (ratio(q) + b2 + q)
    error = doubt / (1 - mp.diff(ratio, q))
    assert edge.q_star_error == pytest.approx(float(error), rel=1e-4, abs=0.0)
    assert abs(edge.q_star - q) <= edge.q_star_error
    of_weight = weight**3 / 2 * (abs(mp.diff(slope, q)) * error + UNIT * slope(q))
    assert edge.weight_std_error == pytest.approx(float(of_weight), rel=1e-4, abs=0.0)
    assert point.slope == pytest.approx(float(growth(q) / slope(q)), rel=1e-12, abs=0.0)
    assert (point.stability, edge.stable, edge.error_kind, edge.label) == ("stable", True, "bound", "limit")
    assert edge.sentence == (
        f"erf is at the edge of chaos at weight_std {float(weight):.10g}, bias_std {bias:g}, q* {float(q):.10g}."
    )


def test_edges_at_zero_say_so():
    edge = edge_of_chaos("erf")
    root = math.sqrt(math.pi) / 2
    assert edge.weight_std == pytest.approx(root, rel=1e-15, abs=0.0)
    assert edge.weight_std_error == pytest.approx(4e-16 * root, rel=1e-9, abs=0.0)
    assert (edge.q_star, edge.q_star_error, edge.stable) == (0.0, 0.0, True)
    assert edge.sentence == (
        f"erf is at the edge of chaos at weight_std {root:.10g}, bias_std 0, q* 0. The variance falls to 0, slower than any "
        "exponential."
    )
    (point,) = edge.points
    assert (point.slope, point.stability) == (1.0, "stable")
    assert depth_scales("erf", edge.weight_std).phase == "edge"


def test_edges_of_rays():
    for name, half in (("relu", 0.5), ("leaky_relu:0.5", 0.625), ("identity", 1.0)):
        edge = edge_of_chaos(name)
        weight = 1 / math.sqrt(half)
        (point,) = edge.points
        assert point.weight_std == edge.weight_std == pytest.approx(weight, rel=1e-15, abs=0.0)
        assert point.weight_std_error == edge.weight_std_error == pytest.approx(4e-16 * weight, rel=1e-9, abs=0.0)
        assert (point.q_star, point.slope, point.stability, point.q_star_error) == (None, 1.0, "neutral", 0.0)
        assert (edge.q_star, edge.q_star_error, edge.bias_std) == (None, None, 0.0)
        assert edge.sentence == (
            f"{name} is at the edge of chaos at weight_std {weight:.10g} without biases: every variance stays what it is."
        )
        biased = edge_of_chaos(name, bias_std=0.3)
        assert biased.sentence == (
            f"{name} has no edge of chaos for bias_std 0.3: at chi = 1 (weight_std {weight:.10g}) the variance grows by bias_std^2 "
            "in every layer."
        )
        assert (biased.stable, biased.weight_std_error, biased.q_star_error, biased.bias_std) == (False, None, None, 0.3)
    plain = edge_of_chaos("relu").to_dict()
    assert plain["points"] == [dict(edge_of_chaos("relu").points[0].__dict__)]
    assert plain["label"] == "limit"


@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_points_that_do_not_attract(name):
    edge = edge_of_chaos(name, bias_std=0.2)
    (one,) = edge.points
    assert edge.sentence == (
        f"{name} has no edge of chaos for bias_std 0.2: chi is 1 only at fixed points that do not attract (weight_std "
        f"{one.weight_std:.6g}, q* {one.q_star:.6g}, slope {one.slope:.4g}, unstable): iteration does not settle there."
    )
    assert (edge.weight_std_error, edge.q_star_error, edge.bias_std) == (None, None, 0.2)


def test_the_range_grows_with_the_biases():
    assert edge_of_chaos("softplus", bias_std=4e3).sentence == (
        "softplus has no edge of chaos for bias_std 4000: chi is not 1 at any fixed point of the variance up to 2e+19."
    )
    edge = edge_of_chaos("tanh", bias_std=2000.0)
    assert edge.q_star == pytest.approx(4e6, rel=0.01, abs=0.0)
    assert edge.stable


def test_the_first_of_several_stable_points_is_the_answer():
    """Made by hand: no activation with two is known."""
    unstable, low, high = (
        CriticalPoint(weight, q, 0.5, stability, 1e-15, 1e-14)
        for weight, q, stability in ((0.5, 0.1, "unstable"), (1.25, 0.75, "stable"), (2.5, 7.0, "stable"))
    )
    edge = _answer(find_activation("tanh"), 0.5, (unstable, low, high))
    assert (edge.weight_std, edge.q_star, edge.weight_std_error, edge.q_star_error) == (1.25, 0.75, 1e-15, 1e-14)
    assert (edge.activation, edge.bias_std, edge.stable, edge.points) == ("tanh", 0.5, True, (unstable, low, high))
    assert edge.sentence == (
        "tanh is at the edge of chaos at weight_std 1.25, bias_std 0.5, q* 0.75. So it is at weight_std 2.5 with q* 7."
    )
    third = CriticalPoint(3.0, 9.0, 0.5, "stable", 0.0, 0.0)
    assert _answer(find_activation("tanh"), 0.5, (low, high, third)).sentence.endswith(
        "So it is at weight_std 2.5 with q* 7, weight_std 3 with q* 9."
    )
    none = _answer(find_activation("tanh"), 0.5, (unstable, unstable))
    one = "weight_std 0.5, q* 0.1, slope 0.5, unstable"
    assert none.sentence == (
        f"tanh has no edge of chaos for bias_std 0.5: chi is 1 only at fixed points that do not attract ({one}; {one}): iteration "
        "does not settle there."
    )


def test_an_edge_with_a_slope_near_one():
    """Small biases: E phi^2 / E phi'^2 is q - 4/3 q^3 for tanh, so that q* is (3/4 bias_std^2)^(1/3) and the slope 1 - 2 q*. The
    rounding of q outgrows the cube, and then the error is infinite and the point neutral.
    """
    for bias in (1e-5, 1e-7, 1e-8, 1e-9):
        edge = edge_of_chaos("tanh", bias_std=bias)
        q = (0.75 * bias**2) ** (1 / 3)
        assert edge.q_star is not None
        assert edge.q_star_error is not None
        assert abs(edge.q_star - q) <= edge.q_star_error + 3.0 * q**2
        assert edge.q_star_error < 0.01 * q
        assert edge.points[0].slope == pytest.approx(1.0 - 2.0 * q, abs=0.02 * q)
    edge = edge_of_chaos("tanh", bias_std=1e-10)
    assert [(point.stability, point.q_star_error) for point in edge.points] == [("neutral", math.inf)]
    assert not edge.stable


@pytest.mark.parametrize("bias", [0.2, 1e-4, 30.0])
def test_what_is_searched(monkeypatch, bias):
    """Values with their errors, from 1e-9 to 1e12, or as far beyond the biases."""
    given = []
    monkeypatch.setattr("fanin.stats.edge_of_chaos.find_roots", lambda *parts: given.append(parts) or [])
    edge_of_chaos("erf", bias_std=bias)
    ((evaluate, low, high),) = given
    q, b2 = np.array([1e-3, 0.7, 300.0]), mp.mpf(bias) ** 2
    values, errors = evaluate(q)
    ratios = [square(at) / slope(at) for at in map(mp.mpf, q)]
    assert values == pytest.approx([float(one + b2 - at) for one, at in zip(ratios, q, strict=True)], rel=1e-9, abs=1e-15)
    doubts = [2 * UNIT * one + 2.0**-51 * (one + b2 + at) for one, at in zip(ratios, q, strict=True)]
    assert errors == pytest.approx([float(one) for one in doubts], rel=1e-9, abs=0.0)
    assert (low, high) == (1e-9, pytest.approx(1e12 * max(1.0, bias**2)))


def test_arguments():
    for bias in (-1e-9, 1000000.5):
        with pytest.raises(SpecificationError, match=r"bias_std is .*; it must be a finite number at least 0 and at most 1e\+06"):
            edge_of_chaos("tanh", bias_std=bias)
    assert edge_of_chaos("tanh", bias_std=1e6).stable
