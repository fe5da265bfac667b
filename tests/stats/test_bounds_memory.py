"""Large questions are answered piece by piece: what is held at a time stays small, and the pieces give the whole."""

import tracemalloc

import numpy as np
import pytest
from scipy import special

from fanin.stats import preactivation, quadrature
from fanin.stats.activation_functions import FUNCTIONS
from fanin.stats.quadrature import Term, gaussian_means
from fanin.stats.symmetric_law import SymmetricLaw


def peak(work):
    """Megabytes that a call holds at most, and its result."""
    tracemalloc.start()
    try:
        found = work()
        return tracemalloc.get_traced_memory()[1] / 2.0**20, found
    finally:
        tracemalloc.stop()


def test_distribution_at_many_places():
    """8 million products of places and frequencies, of which 4 million are held, twice."""
    law = SymmetricLaw(lambda t: np.exp(-0.5 * t**2), lambda t: np.exp(-0.5 * t**2), (1.0, 3.0, 15.0, 105.0))
    z = np.linspace(-5.0, 5.0, 30_000)
    megabytes, found = peak(lambda: law.cdf(z))
    assert found == pytest.approx(special.ndtr(z), abs=1e-12)
    assert 50.0 < megabytes < 90.0
    again = law.cdf(z.reshape(3, 100, 100))
    assert np.array_equal(again.ravel(), found)


def test_many_means_at_once():
    """16 places a panel would do, 32 are held: 5 million of them in pieces of 2 million."""
    stds = np.full(12_000, 1.0)
    megabytes, (found, _) = peak(lambda: gaussian_means(FUNCTIONS["relu"], [Term(2)], 0.0, stds))
    assert found == pytest.approx(np.full((12_000, 1), 0.5))
    assert megabytes < 160.0


def test_pieces_of_means(monkeypatch):
    """No more than the limit at a time, and no smaller pieces than it asks for."""
    sizes = []
    plain = quadrature._panels

    def counted(function, terms, mean, std, lo, hi):
        sizes.append(lo.size * 32)
        return plain(function, terms, mean, std, lo, hi)

    monkeypatch.setattr(quadrature, "_panels", counted)
    monkeypatch.setattr(quadrature, "_MAX_CELLS", 20_000)
    means = np.linspace(-3.0, 3.0, 400)
    pieces, errors = gaussian_means(FUNCTIONS["tanh"], [Term(1), Term(2)], means, 1.2)
    assert max(sizes) <= 21_000
    assert len(sizes) < 1.6 * sum(sizes) / 20_000
    monkeypatch.setattr(quadrature, "_MAX_CELLS", 1 << 21)
    whole, _ = gaussian_means(FUNCTIONS["tanh"], [Term(1), Term(2)], means, 1.2)
    assert np.abs(whole - pieces).max() <= errors.max()


@pytest.mark.parametrize(("size", "width"), [(1000, 50), (256, 3), (256, 5000), (1, 1)])
def test_pieces_of_frequencies(size, width, monkeypatch):
    monkeypatch.setattr(preactivation, "_MAX_CELLS", 4096)
    t = np.arange(float(size))
    parts = preactivation._parts(t, width)
    assert np.array_equal(np.concatenate(parts), t)
    filled = [part for part in parts if part.size]
    assert all((part.size - 1) * width <= 4096 for part in filled)
    assert len(filled) <= size * width / 4096 + 1 or width > 4096
