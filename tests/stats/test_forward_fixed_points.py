"""Fixed points and depth scales of erf, whose maps are closed: values in mpmath, and errors that are what they are made of. Further
the words of the answer, and what is searched.
"""

import math
import re

import mpmath as mp
import numpy as np
import pytest

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import find_activation, own_activation
from fanin.stats.edge_of_chaos import edge_of_chaos
from fanin.stats.fixed_points import _phase, _point, _scale, depth_scales, fixed_points
from tests.stats.erf_maps import UNIT, growth, pair, pair_slope, slope, square


def fixed(w2, b2):
    return mp.findroot(lambda q: w2 * square(q) + b2 - q, w2 + b2)


def residual(w2, b2, q):
    return (w2 * square(q) * UNIT + 2.0**-52 * (b2 + q)) / (1 - w2 * growth(q))


CASES = [(1.0, 0.3), (1.6, 0.2), (0.7, 1.5), (3.0, 0.4), (1.25, 0.05)]


@pytest.mark.parametrize(("weight", "bias"), CASES)
def test_fixed_points(weight, bias):
    w2, b2 = mp.mpf(weight) ** 2, mp.mpf(bias) ** 2
    q = fixed(w2, b2)
    found = fixed_points("erf", weight, bias)
    (point,) = found.points
    assert point.q == pytest.approx(float(q), rel=1e-13, abs=0.0)
    assert abs(point.q - q) <= point.error
    assert point.chi == pytest.approx(float(w2 * slope(q)), rel=1e-13, abs=0.0)
    assert point.slope == pytest.approx(float(w2 * growth(q)), rel=1e-13, abs=0.0)
    assert point.error == pytest.approx(float(residual(w2, b2, q)), rel=1e-6, abs=0.0)
    assert (point.stability, point.error_kind, point.label) == ("stable", "bound", "limit")
    assert found.stable == (point,)
    assert found.sentence == f"The variance settles at {float(q):.6g}."


@pytest.mark.parametrize(("weight", "bias"), CASES)
def test_depth_scales(weight, bias):
    w2, b2 = mp.mpf(weight) ** 2, mp.mpf(bias) ** 2
    q = fixed(w2, b2)
    found, error = depth_scales("erf", weight, bias), residual(w2, b2, q)
    chi, steep = w2 * slope(q), w2 * growth(q)
    xi = -1 / mp.log(steep)
    assert found.q_star == pytest.approx(float(q), rel=1e-13, abs=0.0)
    assert found.chi == pytest.approx(float(chi), rel=1e-13, abs=0.0)
    assert found.phase == ("ordered" if chi < 1 else "chaotic")
    assert found.xi_q.value == pytest.approx(float(xi), rel=1e-12, abs=0.0)
    steep_error = UNIT * steep + w2 * abs(mp.diff(growth, q)) * error
    assert found.xi_q.error == pytest.approx(float(xi**2 * steep_error / steep), rel=1e-4, abs=0.0)
    chi_error = UNIT * chi + w2 * abs(mp.diff(slope, q)) * error
    if chi < 1:
        c, c_error, tilt, tilt_error = mp.mpf(1), mp.mpf(0), chi, chi_error
    else:
        c = mp.findroot(lambda c: (w2 * pair(q, c) + b2) / q - c, (0.01, 0.9), solver="anderson")
        tilt = w2 * pair_slope(q, c)
        c_error = (UNIT * w2 * pair(q, c) / q + 2.0**-50 + chi_error) / (1 - tilt)
        tilt_error = UNIT * tilt + chi_error + w2 * abs(mp.diff(lambda c: pair_slope(q, c), c)) * c_error
    assert found.c_star.value == pytest.approx(float(c), rel=1e-12, abs=0.0)
    assert found.c_star.error == pytest.approx(float(c_error), rel=1e-4, abs=0.0)
    assert abs(found.c_star.value - c) <= found.c_star.error
    xi = -1 / mp.log(tilt)
    assert found.xi_c.value == pytest.approx(float(xi), rel=1e-10, abs=0.0)
    assert found.xi_c.error == pytest.approx(float(xi**2 * tilt_error / tilt), rel=1e-3, abs=0.0)
    for one in (found.xi_q, found.c_star, found.xi_c):
        assert (one.label, one.next_term, one.error_kind) == ("limit", "1/n", "bound")
        assert one.source == "Poole et al. 2016; Schoenholz et al. 2017"


def test_scales_without_biases():
    """c* = 0 is a fixed point, found without a search; q* = 0 below the edge."""
    found = depth_scales("erf", 1.5)
    q = fixed(mp.mpf(2.25), mp.mpf(0))
    assert found.q_star == pytest.approx(float(q), rel=1e-12, abs=0.0)
    assert (found.c_star.value, found.c_star.error) == (0.0, 0.0)
    tilt = 2.25 * pair_slope(q, 0)
    assert found.xi_c.value == pytest.approx(float(-1 / mp.log(tilt)), rel=1e-12, abs=0.0)
    at_zero = depth_scales("erf", 0.7)
    chi = 0.49 * 4 / math.pi
    assert (at_zero.q_star, at_zero.phase, at_zero.c_star, at_zero.xi_c) == (0.0, "ordered", None, None)
    assert at_zero.chi == pytest.approx(chi, rel=1e-14, abs=0.0)
    assert at_zero.xi_q.value == pytest.approx(-1 / math.log(chi), rel=1e-13, abs=0.0)
    assert at_zero.xi_q.error == pytest.approx(at_zero.xi_q.value**2 * UNIT, rel=1e-6, abs=0.0)
    (point,) = fixed_points("erf", 0.7).points
    assert (point.q, point.error, point.stability) == (0.0, 0.0, "stable")
    unstable, stable = fixed_points("erf", 1.5).points
    assert (unstable.q, unstable.stability, stable.stability) == (0.0, "unstable", "stable")


def step_up(z):
    """tanh, and at |z| = 20 another rise by 60: two stable fixed points."""
    return np.tanh(z) + 30.0 * (np.tanh((z - 20.0) / 3.0) + np.tanh((z + 20.0) / 3.0))


def step_up_slope(z):
    inner, outer = np.clip(z, -300.0, 300.0), 30.0 / 3.0
    bells = [1.0 / np.cosh((inner + side) / 3.0) ** 2 for side in (-20.0, 20.0)]
    return 1.0 / np.cosh(inner) ** 2 + outer * (bells[0] + bells[1])


def test_several_stable_points(monkeypatch):
    """The search for the correlation's fixed point, which takes seconds here, is left out."""
    monkeypatch.setattr("fanin.stats.fixed_points._chaotic", lambda *_: (0.5, 0.0, 0.5, 0.0))
    own = own_activation(step_up, step_up_slope, name="steps")
    found = fixed_points(own, 0.8, 0.3)
    assert [point.stability for point in found.points] == ["stable", "unstable", "stable"]
    low, high = found.stable
    assert found.sentence == f"The variance settles at {low.q:.6g} or {high.q:.6g}."
    with pytest.raises(
        SpecificationError, match=re.escape(f"several stable fixed points here ({low.q:.6g}, {high.q:.6g}); give q")
    ):
        depth_scales(own, 0.8, 0.3)
    assert depth_scales(own, 0.8, 0.3, q_star=0.0).q_star == low.q
    assert depth_scales(own, 0.8, 0.3, q_star=1e4).q_star == high.q
    assert depth_scales(own, 0.8, 0.3, q_star=0.5 * (low.q + high.q) - 0.1).q_star == low.q
    assert depth_scales(own, 0.8, 0.3, q_star=0.5 * (low.q + high.q) + 0.1).q_star == high.q
    with pytest.raises(SpecificationError, match="q_star is -1"):
        depth_scales(own, 0.8, 0.3, q_star=-1.0)


def test_sentences():
    assert fixed_points("gelu", 1.6, 0.2).sentence == "The variance grows without limit from every start."
    found = fixed_points("gelu", 1.5, 0.2)
    assert found.sentence == (
        f"The variance settles at {found.points[0].q:.6g}; the variance grows without limit from above {found.points[1].q:.6g}."
    )
    cubic = own_activation(lambda z: z**3, lambda z: 3.0 * z**2, name="cube")
    assert "the variance grows beyond 1e+15 from above" in fixed_points(cubic, 1.0).sentence
    assert fixed_points("relu", 1.0, 0.5).sentence == "The variance settles at 0.5."
    assert fixed_points("relu", 2.0).sentence == "The variance grows 2-fold per layer from above 0."
    assert fixed_points("relu", math.sqrt(2.0), 0.1).sentence == (
        "The variance grows by bias_std^2 in every layer; there is no fixed point."
    )
    assert fixed_points("relu", 2.0, 1.0).sentence == (
        "The variance grows 2-fold per layer from every start; there is no fixed point."
    )
    (zero,) = fixed_points("relu", 0.5).points
    assert (zero.q, zero.stability, zero.error, zero.error_kind) == (0.0, "stable", 0.0, "bound")
    (point,) = fixed_points("relu", 1.2, 0.5).points
    assert point.q == pytest.approx(0.25 / 0.28, rel=1e-14, abs=0.0)
    assert (point.chi, point.slope) == (pytest.approx(0.72), pytest.approx(0.72))
    assert point.error == pytest.approx(4e-15 * point.q / 0.28, rel=1e-9, abs=0.0)
    none = own_activation(lambda z: z, np.ones_like, name="line")
    assert fixed_points(none, 1.0).sentence == "No fixed point of the variance is stable."


@pytest.mark.parametrize("weight", [0.0, 1e-3, 300.0, 1e5])
def test_fixed_points_of_extreme_weights(weight):
    """The sigmoid is 1/2 near 0, and 0 or 1 for wide z."""
    (point,) = fixed_points("sigmoid", weight, 1e-5).points
    assert point.q == pytest.approx(weight**2 * (0.25 if weight < 1 else 0.5) + 1e-10, rel=0.02, abs=0.0)
    assert point.stability == "stable"


def test_every_sigmoid_start_is_searched():
    """The smallest variance with biases is start; the search begins a thousand times below it."""
    for bias in (1e-16, 1e-8, 1e3, 1e6):
        (point,) = fixed_points("tanh", 0.5, bias).points
        assert point.q == pytest.approx(bias**2 / 0.75 if bias < 1 else bias**2 + 0.25, rel=1e-5, abs=0.0)


def test_chi_next_to_one():
    """Beyond the edge by 1e-9 the correlation's fixed point is still told from 1, and says how badly it is known."""
    edge = edge_of_chaos("erf", bias_std=0.3)
    near = depth_scales("erf", edge.weight_std * (1.0 + 1e-6), 0.3)
    assert near.phase == "chaotic"
    assert 0.0 < 1.0 - near.c_star.value < 1e-4
    assert depth_scales("erf", edge.weight_std * (1.0 - 1e-6), 0.3).phase == "ordered"
    at = depth_scales("erf", edge.weight_std, 0.3)
    assert (at.phase, at.c_star.value, at.c_star.error, at.xi_c.value, at.xi_c.error) == ("edge", 1.0, 0.0, math.inf, 0.0)


def test_phases_and_scales_at_the_edge():
    assert [_phase(1.0 + at, 1e-3) for at in (-0.0041, -0.0039, 0.0039, 0.0041)] == ["ordered", "edge", "edge", "chaotic"]
    for steep in (0.9, -0.9):
        assert _scale(steep, 0.0251, "bound").value == math.inf
        found = _scale(steep, 0.0249, "bound")
        assert found.value == pytest.approx(-1 / math.log(0.9), rel=1e-12, abs=0.0)
        assert found.error == pytest.approx(found.value**2 * 0.0249 / 0.9, rel=1e-12, abs=0.0)
    assert (_scale(0.0, 0.0, "estimate").value, _scale(0.0, 0.1, "estimate").error_kind) == (0.0, "estimate")
    assert (_scale(1.0, 0.0, "bound").value, _scale(1.0, 0.1, "bound").error) == (math.inf, 0.0)


def test_points_with_a_slope_near_one():
    """The slope of erf's map is closed, so that weights give it to four units of rounding, and five and a half."""
    erf, q, b2 = find_activation("erf"), 0.5, 0.25
    for away, stability in ((-5.5, "stable"), (-2.5, "neutral"), (2.5, "neutral"), (5.5, "unstable")):
        w2 = float((1 + away * UNIT) / growth(mp.mpf(q)))
        point = _point(erf, q, w2, b2)
        assert point.stability == stability
        if stability == "neutral":
            assert point.error == math.inf
        else:
            residual = float(w2 * square(mp.mpf(q)) * UNIT + 2.0**-52 * (b2 + q))
            assert point.error == pytest.approx(residual / abs(point.slope - 1.0), rel=1e-9, abs=0.0)


def test_small_fixed_points_without_biases():
    zero, point = fixed_points("tanh", 1.02).points
    assert point.q == pytest.approx(0.0202, rel=0.05)
    assert (zero.stability, point.stability) == ("unstable", "stable")


def test_arguments():
    for call, words in (
        (lambda: fixed_points("tanh", -1e-9), "weight_std is -1e-09; it must be a finite number at least 0 and at most 1e+06"),
        (lambda: fixed_points("tanh", 1.0, -1e-9), "bias_std is -1e-09; it must be a finite number at least 0 and at most 1e+06"),
        (lambda: fixed_points("tanh", 1.0, 1000000.5), "bias_std is 1000000.5"),
        (lambda: fixed_points("tanh", 1000000.5), "weight_std is 1000000.5"),
        (lambda: depth_scales("tanh", 1.0, 0.3, -1e-9), "q_star is -1e-09; it must be a finite number at least 0"),
    ):
        with pytest.raises(SpecificationError) as caught:
            call()
        assert words in str(caught.value)


# --- What is searched: values with their errors, over a range that holds every root


def searched(monkeypatch, name, weight, bias):
    """What the search for roots is given: the function, low and high."""
    given = []
    monkeypatch.setattr("fanin.stats.fixed_points.find_roots", lambda *parts: given.append(parts) or [])
    fixed_points(name, weight, bias)
    (found,) = given
    return found


@pytest.mark.parametrize(("weight", "bias"), [(1.3, 0.2), (0.01, 30.0), (500.0, 1e-4)])
def test_errors_of_the_excess(monkeypatch, weight, bias):
    q = np.array([1e-3, 0.7, 300.0])
    w2, b2 = mp.mpf(weight) ** 2, mp.mpf(bias) ** 2
    evaluate, _, _ = searched(monkeypatch, "erf", weight, bias)
    values, errors = evaluate(q)
    right = [[w2 * square(at) + b2 - at, w2 * square(at) * UNIT + 2.0**-52 * (b2 + at)] for at in map(mp.mpf, q)]
    assert values == pytest.approx([float(one) for one, _ in right], rel=1e-9, abs=0.0)
    assert errors == pytest.approx([float(one) for _, one in right], rel=1e-9, abs=0.0)


@pytest.mark.parametrize(
    ("name", "weight", "bias", "low", "high"),
    [
        ("tanh", 1.3, 0.0, 1e-9, 1e9),
        ("tanh", 1.3, 1e-5, 1e-13, 1e9),
        ("tanh", 1.3, 1e-160, 1e-290, 1e9),
        ("tanh", 1e5, 3e5, 1e-9, 4.0 * (1e10 + 9e10)),
        ("sigmoid", 2.0, 1e-9, 1e-9, 1e9),
        ("sigmoid", 1e-5, 1e-9, 2.5e-14, 1e9),
        ("gelu", 1.3, 0.2, 1e-9, 1e12),
        ("softplus", 1e4, 3e4, 1e-9, 1e6 * 4.0 * (1e8 * math.log(2.0) ** 2 + 9e8)),
    ],
)
def test_range_of_the_search(monkeypatch, name, weight, bias, low, high):
    """Bounded activations: from a thousandth of the start to beyond the largest variance that they can give. Others: a million
    times further, for those whose variance grows."""
    found = searched(monkeypatch, name, weight, bias)
    assert found[1:] == (pytest.approx(low, rel=1e-6, abs=0.0), pytest.approx(high, rel=1e-6, abs=0.0))
