"""The campaigns at small sizes pass and catch planted faults; what they would see at full size is computed from exact counts."""

import math
from importlib import import_module

import numpy as np
import pytest
from scipy import stats

from fanin.engine import stream
from tests.campaigns import exhaustive, laws, normals, orthogonal, random123, scores, seeds, serial, targets
from tests.campaigns.__main__ import CAMPAIGNS, main
from tests.campaigns.tally import Tally, edges

SMALL = 2_000_000


def exact_tally(target, cells, count, law=None):
    """A tally whose counts are what the law (by default the target) gives on average."""
    tally = Tally(target.cells(cells))
    inner = edges(tally.cells.bounds[1:-1])
    tail = 2 * (law or target.law).sf(np.concatenate([[0.0], inner, [np.inf]]))
    tally.counts[:] = np.round(count * -np.diff(tail) / 2)
    tally.drawn = int(tally.counts.sum())
    return tally


# Cells.


@pytest.mark.parametrize("name", laws.CONTINUOUS)
def test_cells_hold_what_lies_between_their_edges(name):
    """The table finds the cell that a search among the midpoints finds, at both sides of every edge too."""
    _, target = laws.CONTINUOUS[name]
    tally = Tally(target.cells(512))
    inner = tally.cells.bounds[1:-1].astype(np.uint32)
    sizes = np.concatenate([inner, inner - 1, [1, 0x7F7FFFFF]]).astype(np.uint32).view(np.float32)
    values = np.concatenate([sizes, -sizes, np.random.default_rng(1).normal(size=4096).astype(np.float32)])
    tally.add(values.reshape(1, -1))
    cell = np.searchsorted(edges(inner), np.abs(values).astype(float))
    expected = np.zeros_like(tally.counts)
    np.add.at(expected, ((values < 0).astype(int), cell), 1)
    assert np.array_equal(tally.counts, expected)
    assert tally.cells.chances.sum() == pytest.approx(1.0, abs=1e-12)
    assert tally.cells.chances == pytest.approx(np.diff(-target.tail(np.concatenate([[0], edges(inner), [np.inf]]))), abs=1e-14)


def test_tallies_count_zeros_apart():
    tally = Tally(targets.NORMAL.cells(16))
    tally.add(np.array([[0.0, -0.0, 1.0, -2.0]], np.float32))
    assert (tally.zeros, tally.drawn, tally.counts.sum()) == (2, 4, 2)
    assert tally.sums[:3].tolist() == [-1.0, 5.0, -7.0]
    assert tally.beyond(int(np.float32(1.0).view(np.uint32)) >> 16) == (1, 1)


# Scores.


def test_scores_of_counts_are_standard_normal(false_failure):
    for trials, chance in ((10**9, 3e-9), (10**9, 0.3), (10**5, 0.99999)):
        middle = round(trials * chance)
        assert abs(scores.of_count(middle, trials, chance)) < 0.7
        step = math.ceil(10 * math.sqrt(trials * chance * (1 - chance)))
        if middle + step < trials:
            assert scores.of_count(middle + step, trials, chance) > scores.bound(100)
    assert scores.of_count(0, 10**6, 1e-9) == 0.0
    assert scores.of_count(20, 10**9, 3e-9) == pytest.approx(stats.norm.isf(stats.poisson(3).sf(19)))
    assert 2 * 50 * stats.norm.sf(scores.bound(50)) == pytest.approx(false_failure)


# Normals.


def test_normals_pass():
    said = normals.normals(SMALL, cells=1024)
    assert said.startswith("2,048,000 normals, none zero, 2,048 cells: ")
    assert "beyond -5 " in said


def stick_sign(page):
    page[:, 100:120] = np.abs(page[:, 100:120])


def stick_last_bit(page):
    page.view(np.uint32)[...] &= np.uint32(0xFFFFFFFE)


def repeat_radius(page):
    """As if both coordinates of a point came from words of which one bit is stuck: the halves of a block are equal in size."""
    page[::50, 1024:] = page[::50, :1024] * np.sign(page[::50, 1024:])


def repeat_weight(page):
    page[400:420:2] = page[399:419:2]


def sort_pairs(page):
    page[:100] = np.sort(page[:100].reshape(100, -1, 2), axis=2).reshape(100, -1)


FAULTS = {
    "a size wrong by 0.5 %": lambda page: np.multiply(page, np.float32(1.005), out=page),
    "a mean of 0.005": lambda page: np.add(page, np.float32(0.005), out=page),
    "signs": stick_sign,
    "last bits": stick_last_bit,
    "lag 1024": repeat_radius,
    "lag 2048": repeat_weight,
    "runs up": sort_pairs,
    "a cut at 3.5": lambda page: np.clip(page, np.float32(-3.5), np.float32(3.5), out=page),
    "one block": lambda page: page.__setitem__(slice(0, 20), SAME),
}
SAME = np.random.default_rng(2).normal(size=(20, stream.BLOCK)).astype(np.float32)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_normals_are_caught(fault):
    with pytest.raises(SystemExit, match="beyond"):
        normals.normals(SMALL, fault=FAULTS[fault], cells=1024)


def test_a_zero_is_caught():
    with pytest.raises(SystemExit, match="normals are zero"):
        normals.normals(SMALL, fault=lambda page: page.__setitem__((3, 4), 0.0), cells=1024)


def test_what_ten_thousand_million_normals_would_show():
    """Exact counts at 1e10: a perfect law fits; naive edges do not, and the second moment shows a deviation off by 1e-4."""
    count, limit = 10**10, scores.bound(60)
    right = exact_tally(targets.NORMAL, normals.CELLS, count)
    assert scores.of_cells(right.counts.sum(axis=0), right.cells.chances) < -limit  # no noise at all: closer than any sample
    freedom = normals.CELLS - 1

    def with_noise(counts, chances):
        """The score where the chi-square of pure noise is added to that of the deviation."""
        expected = counts.sum() * chances
        return scores.of_chi_square(float(((counts - expected) ** 2 / expected).sum()) + freedom, freedom)

    both = right.counts.sum(axis=0)
    assert abs(with_noise(both, right.cells.chances)) < 0.1
    assert with_noise(both, np.full(normals.CELLS, 1 / normals.CELLS)) > limit
    wide = exact_tally(targets.NORMAL, normals.CELLS, count, stats.norm(scale=1.001))
    assert with_noise(wide.counts.sum(axis=0), right.cells.chances) > limit
    right.sums[1] = count * 1.0001**2
    assert targets.moment_scores(right, targets.NORMAL)["moment 2"] > 2 * limit


def test_tails_of_a_radius_of_32_bits():
    for t in (4.0, 5.0, 6.0):
        assert normals.radius_tail(t) == pytest.approx(float(targets.NORMAL.tail(t)), rel=0.002)
    assert normals.radius_tail(6.77) == 0.0


def test_runs_are_counted():
    values = np.random.default_rng(3).normal(size=5000).astype(np.float32)
    found = serial.Serial()
    for part in np.split(values, 5):
        found.add(part)
    changes = np.flatnonzero(np.diff(values > 0))
    lengths = np.diff(np.concatenate([[-1], changes]))
    assert np.array_equal(found.of_one_sign, np.bincount(lengths, minlength=found.of_one_sign.size))
    rising, at = [], 0
    while True:
        end = at
        while end + 1 < values.size and values[end + 1] > values[end]:
            end += 1
        if end + 1 >= values.size:
            break
        rising.append(end - at + 1)
        at = end + 2
    assert np.array_equal(found.of_rising, np.bincount(rising, minlength=found.of_rising.size))
    products = [float((values.reshape(5, -1)[:, :-1].astype(float) * values.reshape(5, -1)[:, 1:]).sum())]
    assert found.sums[0, 0] == pytest.approx(products[0])
    assert found.pairs[0] == 5 * 999


# Laws.


def test_laws_pass():
    said = laws.laws(SMALL // 4)
    assert said.count("\n") == len(laws.CONTINUOUS) + 2


def test_a_fault_of_one_law_fails_the_campaign():
    with pytest.raises(SystemExit, match=r"student:1,df=2\.5"):
        laws.laws(SMALL // 4, faults={"student:1,df=2.5": lambda page: np.multiply(page, np.float32(1.03), out=page)})


def test_faults_of_two_valued_laws_are_caught():
    _, found = laws.two_valued(SMALL, fault=stick_sign)
    assert abs(found["signs"]) > scores.bound(500)
    _, found = laws.two_valued(SMALL, fault=lambda page: page[:, 1:40:2].__setitem__(slice(None), page[:, 0:40:2]))
    assert abs(found["equal neighbours"]) > scores.bound(500)
    with pytest.raises(SystemExit, match="neither"):
        laws.two_valued(SMALL, fault=lambda page: page.__setitem__((0, 0), 0.25))


def test_what_a_thousand_million_draws_would_show():
    """Exact counts at 1e9 of a law with a size off by 0.1 %: cells and tails show it where moments do not exist."""
    for name in ("student:1,df=2.5", "truncated:1,cut=2.0", "laplace:1"):
        target = laws.CONTINUOUS[name][1]
        law = target.law
        shifted = law.dist(*law.args, **(law.kwds | {"scale": law.kwds.get("scale", 1.0) * 1.001}))
        p = float(2 * shifted.sf(target.quantile(0.1)))
        assert abs(scores.of_count(round(10**9 * p), 10**9, 0.1)) > scores.bound(500)


@pytest.mark.parametrize("name", exhaustive.ONE_WORD)
def test_laws_over_every_4096th_word(name):
    law = exhaustive.enumerate_law(name, cells=256, step=4096)
    assert law.zeros == 0
    assert law.symmetric
    assert law.distance < 2 * 4096 / 2**32
    assert abs(law.moments[0]) < 2e-5
    assert law.endings < 0.05


def test_exhaustive_says_what_it_found():
    assert exhaustive.exhaustive(step=1 << 12).count("symmetric") == len(exhaustive.ONE_WORD)


# Orthogonal matrices.


def test_orthogonal_passes():
    said = orthogonal.orthogonal(((2, 256, 40_000), (4, 1024, 40_000), (5, 256, 20_000)))
    assert said.count("orthonormal within") == 3


def only_positive(rows):
    rows[0] *= np.where(rows[0, :1] < 0, np.float32(-1.0), np.float32(1.0))


def parallel(rows):
    rows[1, :, ::2] = np.stack([-rows[0, 1, ::2], rows[0, 0, ::2], -rows[0, 3, ::2], rows[0, 2, ::2]])


ORTHOGONAL_FAULTS = {
    "off by": lambda rows: np.multiply(rows, np.float32(1.0001), out=rows),
    "signs": only_positive,
    "Q11": parallel,
}


@pytest.mark.parametrize("fault", ORTHOGONAL_FAULTS)
def test_faults_of_orthogonal_matrices_are_caught(fault):
    with pytest.raises(SystemExit, match=fault):
        orthogonal.orthogonal(((4, 256, 40_000),), fault=ORTHOGONAL_FAULTS[fault])


# The command.


def test_seeds_are_counted():
    assert seeds.seeds("random-inputs", 2, networks=20_000).startswith("0 of 2 seeds wholly as expected, 0 with a wrong word, 2")


def test_every_campaign_can_be_run(capsys):
    for module, function, *_ in CAMPAIGNS.values():
        assert callable(getattr(import_module(f"tests.campaigns.{module}"), function))
    assert main(["nothing"]) == 2
    assert "unknown campaign nothing; known are random123" in capsys.readouterr().err


def test_the_command_says_what_is_wrong(monkeypatch, capsys):
    def stop(count):
        raise SystemExit(f"{count} words differ")

    monkeypatch.setattr(random123, "random123", stop)
    monkeypatch.setitem(CAMPAIGNS, "random123", ("random123", "random123", 7))
    assert main(["random123"]) == 1
    out = capsys.readouterr().out
    assert "stream version" in out
    assert "random123: WRONG: 7 words differ (0 s)" in out
