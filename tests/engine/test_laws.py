"""Weights: accuracy of the transforms at all ends, and goodness of fit with a stated error rate."""

import math

import numba
import numpy as np
import pytest
from scipy import special, stats

from fanin.engine import laws
from fanin.engine.direct import draw_parameter, empty_lanes, make_plan
from fanin.engine.spec import Ensemble

HALF_WORDS = 1 << 16


@numba.njit
def transform(words, radius, x, y):
    for i in range(words.size):
        radius[i] = laws.minus_two_log(words[i])
        x[i], y[i] = laws.circle_point(words[i])


def transformed(words):
    words = np.ascontiguousarray(words, np.uint32)
    out = [np.empty(words.size, np.float32) for _ in range(3)]
    transform(words.view(np.int32), *out)
    return [column.astype(float) for column in out]


@pytest.fixture(scope="module")
def many_words():
    """Both ends, the middle, every power of two and a million others."""
    powers = np.array([1 << k for k in range(32)], np.uint64)
    special_words = np.concatenate([powers, powers - 1, 2**32 - powers, np.arange(4096), 2**32 - 1 - np.arange(4096)])
    special_words = np.concatenate([special_words, 2**31 + np.arange(-4096, 4096)])
    random = np.random.default_rng(1).integers(0, 2**32, 1_000_000)
    return np.concatenate([special_words.astype(np.uint64), random.astype(np.uint64)]).astype(np.uint32)


def test_radius_is_accurate_everywhere(many_words):
    radius, _, _ = transformed(many_words)
    u = (many_words.astype(float) + 0.5) / 2**32
    exact = -2.0 * np.where(u < 0.5, np.log(u), np.log1p(-((2**32 - 1 - many_words.astype(float)) + 0.5) / 2**32))
    assert np.abs(radius / exact - 1.0).max() < 4 * 2**-24
    assert radius.min() > 0.0
    assert math.sqrt(radius.max()) == pytest.approx(math.sqrt(66 * math.log(2)), rel=1e-6)


def test_angle_is_accurate_everywhere(many_words):
    _, x, y = transformed(many_words)
    signed = ((many_words.astype(np.int64) & 0x3FFFFFFF) ^ 0x20000000) - 0x20000000
    angle = (signed + 0.5) * 2 * math.pi / 2**32
    c, s = np.cos(angle), np.sin(angle)
    c = np.where(many_words >> 30 & 1, -c, c)
    exchange = (many_words >> 31).astype(bool)
    assert np.abs(x / np.where(exchange, s, c) - 1.0).max() < 4 * 2**-24
    assert np.abs(y / np.where(exchange, c, s) - 1.0).max() < 4 * 2**-24


def test_no_atom_and_symmetric(many_words):
    """No value is zero, and complementary words give the mirror image of a point."""
    radius, x, y = transformed(many_words)
    assert (radius > 0).all()
    assert (x != 0).all()
    assert (y != 0).all()
    _, x_flipped, y_flipped = transformed(many_words ^ np.uint32(0x3FFFFFFF))
    exchange = (many_words >> 31).astype(bool)
    assert np.array_equal(np.where(exchange, x_flipped, y_flipped), -np.where(exchange, x, y))
    assert np.array_equal(np.where(exchange, y_flipped, x_flipped), np.where(exchange, y, x))


def draws(family, blocks=512, std=1.0, drawn_std=None, seed=3):
    """Weights of some blocks from the stream of a law, drawn with its standard deviation or with another."""
    plan = make_plan(Ensemble((2, 1), f"{family}:{std}"), seed)
    size = np.float32(std if drawn_std is None else drawn_std)
    lanes = empty_lanes()
    out = []
    for block in range(blocks):
        draw_parameter(plan, lanes, plan.weight_family, size, np.uint64(0), np.uint64(0), np.uint64(block))
        out.append(lanes.w.copy())
    return np.concatenate(out)


def z_scores(sample, family):
    """Standardised deviations of moments 1 to 8, of the tail counts and of 1000 equiprobable cells."""
    n = sample.size
    w = sample.astype(float)
    if family == "normal":
        moments = [0 if k % 2 else math.prod(range(1, k, 2)) for k in range(1, 17)]
        uniform = special.ndtr(w)
        tails = {t: 2 * special.ndtr(-t) for t in (1.0, 2.0, 3.0, 4.0)}
    else:
        a = math.sqrt(3.0)
        moments = [0 if k % 2 else a**k / (k + 1) for k in range(1, 17)]
        uniform = (w / a + 1) / 2
        tails = {t: 1 - t / a for t in (0.5, 1.0, 1.5, 1.7)}
    scores = []
    for k in range(1, 9):
        variance = moments[2 * k - 1] - moments[k - 1] ** 2
        scores.append(((w**k).mean() - moments[k - 1]) / math.sqrt(variance / n))
    for t, p in tails.items():
        scores.append(((np.abs(w) > t).sum() - n * p) / math.sqrt(n * p * (1 - p)))
    counts = np.histogram(uniform, bins=1000, range=(0, 1))[0]
    chi_square = ((counts - n / 1000) ** 2 / (n / 1000)).sum()
    scores.append(special.ndtri(min(max(stats.chi2.cdf(chi_square, 999), 1e-300), 1 - 1e-16)))
    return np.abs(scores)


@pytest.mark.parametrize("family", ["normal", "uniform"])
def test_goodness_of_fit(family, false_failure):
    """A million draws; a variance wrong by 1.5 % or a wrong family is seen."""
    sample = draws(family)
    limit = stats.norm.isf(false_failure / 2 / 13)
    assert z_scores(sample, family).max() < limit
    assert z_scores(sample * np.float32(1.0075), family).max() > limit
    assert z_scores(draws({"normal": "uniform", "uniform": "normal"}[family]), family).max() > limit


def test_scaled_draws_are_scaled():
    unit = draws("normal", 4, std=0.25, drawn_std=1.0)
    assert np.array_equal(draws("normal", 4, std=0.25), np.float32(0.25) * unit)


def test_neighbours_are_uncorrelated(false_failure):
    """All pairs within a Philox call and next to each other; a correlation of 0.5 % is seen."""
    blocks = draws("normal").reshape(-1, 2048).astype(float)
    limit = stats.norm.isf(false_failure / 2 / 8)
    for a, b in [
        (blocks[:, :-1], blocks[:, 1:]),
        (blocks[:, :1024], blocks[:, 1024:]),
        (blocks[:, 0:1024:2], blocks[:, 1025::2]),
        (blocks[:-1], blocks[1:]),
    ]:
        for left, right in ((a, b), ((a**2 - 1) / math.sqrt(2), (b**2 - 1) / math.sqrt(2))):
            score = (left * right).mean() * math.sqrt(left.size)
            assert abs(score) < limit
    assert limit / math.sqrt(blocks.size / 4) < 0.0125
