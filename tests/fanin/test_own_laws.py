"""A law of the user's own: checked before it is used, the same on every path, part of the digest."""

from concurrent import futures

import numba
import numpy as np
import pytest

import fanin
from fanin.engine.math import log
from tests.own_law import triangular

TWO_SIXTHS = 1.0 / 6.0


def ensemble(law, inputs="on:4"):
    return fanin.Ensemble((8, 1), fanin.Scheme(law, fanin.Law("normal", 1.0)), inputs=inputs)


@pytest.fixture(scope="module")
def law():
    return fanin.Law.from_function(triangular, variance=TWO_SIXTHS, kurtosis=2.4)


def test_it_is_sampled_and_judged(law):
    """The sum of two uniforms: variance 1/6, kurtosis 2.4. Moments are predicted, the whole law is not."""
    report = fanin.verify(ensemble(law), networks=2**20, tolerance=5)
    words = {verdict.claim.quantity: verdict for verdict in report.verdicts}
    assert {verdict.verdict for verdict in report.verdicts} <= {"confirmed", "undecided"}
    assert words["z.variance"].claim.predicted == pytest.approx(4 / 6 + 1)
    assert words["z.kurtosis"].claim.predicted == pytest.approx(3 + 4 * (2.4 - 3) / 36 / (4 / 6 + 1) ** 2)
    assert "z.law" not in words
    assert "triangular" in repr(report)


def test_one_that_is_not_symmetric_is_not_taken_for_symmetric():
    """An exponential less its mean: mean 0, variance 1, kurtosis 9, skewness 2."""

    def exponential(first, second):
        return np.float32(-log(np.float32((np.float64(first) + 0.5) * 2.0**-32)) - np.float32(1.0))

    report = fanin.verify(ensemble(fanin.Law.from_function(exponential, 1.0, 9.0), "on:1"), networks=2**20, tolerance=5)
    words = {verdict.claim.quantity: verdict.verdict for verdict in report.verdicts}
    assert {"z.variance", "z.kurtosis", "independence.neighbours"} <= set(words)
    assert not {"z.skewness", "phi.mean"} & set(words)
    assert "refuted" not in words.values()


def test_it_is_scaled_over_a_fan(law):
    scaled = fanin.Law.from_function(triangular, TWO_SIXTHS, 2.4, gain=2.0, over="fan_in")
    found = fanin.simulate(ensemble(scaled, "on:8"), networks=2**18, seed=2).estimates()
    assert found["z.variance"] == pytest.approx(2.0 + 1.0, rel=0.03)
    assert scaled != law


def test_replay_and_processes_give_the_same_bits(law):
    import multiprocessing

    result = fanin.simulate(ensemble(law), networks=20_000, seed=5)
    network = fanin.replay(ensemble(law), 5, 7)
    assert (np.abs(network.weights[:4]) <= 1).all()
    with futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert fanin.simulate(ensemble(law), networks=20_000, seed=5, executor=executor).digest == result.digest


def test_another_function_is_another_digest(law):
    def other(first, second):
        return np.float32((np.float64(first) - np.float64(second)) * 2.0**-32)

    theirs = fanin.simulate(ensemble(fanin.Law.from_function(other, TWO_SIXTHS, 2.4)), networks=4096, seed=1).digest
    assert theirs != fanin.simulate(ensemble(law), networks=4096, seed=1).digest


def test_the_engine_s_functions_may_be_used():
    @numba.njit
    def exponential_difference(first, second):
        size = -log(np.float32((np.float64(first) + 0.5) * 2.0**-32))
        return size if second & np.uint32(1) else -size

    report = fanin.verify(ensemble(fanin.Law.from_function(exponential_difference, 2.0, 6.0)), networks=2**20, tolerance=5)
    assert report.exit_code in (0, 3)


def nothing(first, second):
    return np.float32(0.0)


def wide(first, second):
    return np.float64(first)


def broken(first, second):
    return np.float32(first.no_such_thing)


def infinite(first, second):
    return np.float32(np.inf) if first & np.uint32(1023) == 0 else np.float32(0.1)


def one(first):
    return np.float32(first)


@pytest.mark.parametrize(
    ("function", "variance", "kurtosis", "sentence"),
    [
        (triangular, 0.17, 2.4, "the variance of the law triangular is stated as 0.17, and 1,048,576 draws give 0.16"),
        (triangular, TWO_SIXTHS, 3.0, "the kurtosis of the law triangular is stated as 3, and 1,048,576 draws give 2.4"),
        (nothing, 1.0, 3.0, "the variance of the law nothing is stated as 1, and 1,048,576 draws give 0"),
        (infinite, 1.0, 3.0, "the law infinite returns inf; every value must be finite"),
        (wide, 1.0, 3.0, "the law wide returns float64; it must return numpy.float32"),
        (broken, 1.0, 3.0, "the law broken cannot be compiled for two uint32 words"),
        (one, 1.0, 3.0, "the law one cannot be compiled for two uint32 words"),
        (triangular, -1.0, 3.0, "the variance of a law of one's own is -1.0"),
        (triangular, 1.0, float("nan"), "the kurtosis of a law of one's own is nan"),
        (3, 1.0, 3.0, "needs a function of two words, not 3"),
    ],
)
def test_a_statement_that_does_not_fit_is_refused(function, variance, kurtosis, sentence):
    with pytest.raises(fanin.SpecificationError) as refused:
        fanin.simulate(ensemble(fanin.Law.from_function(function, variance, kurtosis)), networks=1000)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
