"""What a run keeps: merging adds every part, the hash sees every part, and bins lie where the bits of a float32 say."""

import hashlib
import struct
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanin.engine import accumulators, exact, layer_summary
from fanin.engine.accumulators import BINS, COUNTS, SUMS, Accumulators, bin_edges
from fanin.engine.layer_summary import SIZES, STEPS, Bins, LayerSummary, line_edges, size_edges
from fanin.engine.stream import BLOCK


def filled(seed):
    """Accumulators of which every part holds something of its own."""
    random = np.random.default_rng(seed)
    return Accumulators(
        networks=int(random.integers(10**6, 10**9)),
        sums={name: int(random.integers(-(2**62), 2**62)) << 900 for name in SUMS},
        counts={name: int(random.integers(1, 10**6)) for name in COUNTS},
        tails=tuple(random.integers(1, 10**6, 2).tolist()),
        lanes=random.integers(-99, 99, (2, BLOCK)),
        bins=random.integers(0, 99, BINS),
        smallest=float(np.float32(-random.random() - 1)),
        largest=float(np.float32(random.random() + 1)),
    )


def summary(seed):
    """A summary of a layer of which every part holds something of its own."""
    random = np.random.default_rng(seed)
    sums = {name: int(random.integers(-(2**62), 2**62)) << 900 for name in layer_summary.sum_names(2, 1)}
    counts = {name: int(random.integers(1, 10**6)) for name in layer_summary.COUNTS}
    bins = {name: Bins.of(random.integers(0, 3, (20, 2)), 7) for name in layer_summary.VARIABLES}
    return LayerSummary(int(random.integers(10**8, 10**9)), 100, sums, counts, bins)


def test_sums_have_these_names():
    relations = ("neighbours", "partners", "lanes", "blocks", "neurons")
    expected = {f"z^{k}" for k in range(1, 9)} | {f"{one}^{k}" for one in ("phi", "slope") for k in (1, 2, 3, 4)}
    expected |= {f"{one}^{k}" for one in relations for k in (1, 2, 4)} | {"blocksum^2", "blocksum^4", "outside^1", "outside^2"}
    expected |= {f"given.{one}^{k}" for one in ("weights", "input") for k in (1, 2)}
    assert set(SUMS) == expected
    assert len(SUMS) == len(expected)
    assert (BINS, accumulators.PARAMETER_LIMIT, accumulators.FLAT, accumulators.SATURATION_MARGIN) == (65536, 3.0, 0.01, 0.01)


def test_merging_adds_every_part():
    one, other = filled(1), filled(2)
    both = one.merge(other)
    assert both.networks == one.networks + other.networks
    assert all(both.sum(name) == one.sum(name) + other.sum(name) for name in SUMS)
    assert all(both.counts[name] == one.counts[name] + other.counts[name] for name in COUNTS)
    assert both.tails == (one.tails[0] + other.tails[0], one.tails[1] + other.tails[1])
    assert np.array_equal(both.lanes - one.lanes, other.lanes)
    assert np.array_equal(both.bins - one.bins, other.bins)
    assert both.smallest == min(one.smallest, other.smallest)
    assert both.largest == max(one.largest, other.largest)
    assert both == other.merge(one)
    assert hash(both) == hash(other.merge(one))
    assert both.finite == both.networks - both.counts["nonfinite"]
    with pytest.raises(ValueError, match="zip"):
        one.merge(replace(other, tails=other.tails[:1]))


def test_a_sum_is_in_units_of_the_smallest_float64():
    assert replace(filled(1), sums={"z^1": 3 << 1074}).sum("z^1") == 3
    assert replace(filled(1), sums={"z^1": -1}).sum("z^1") == Fraction(-5e-324)
    assert exact.UNIT_EXPONENT == -1074
    assert replace(summary(1), sums={"z^1": 3 << 1073}).sum("z^1") == Fraction(3, 2)


@pytest.mark.parametrize("value", [2.0**-1022, 2.0**-1023, 1.5 * 2.0**-1022, 2.0**-1021, 0.0, -0.0, 1.0])
def test_the_smallest_normal_numbers_are_added_exactly(value):
    limbs = np.zeros(exact.LIMBS, np.int64)
    exact.add_exactly(limbs, value)
    exact.add_exactly(limbs, value)
    assert Fraction(exact.to_integer(limbs), 1 << 1074) == 2 * Fraction(value)
    assert (limbs[: exact.LIMBS] >= 0).all()


def test_hash_is_that_of_the_contents_in_order_of_names():
    one = filled(3)
    parts = [struct.pack("<Q", one.networks)]
    for name in sorted(SUMS):
        low = one.sums[name] & ((1 << 8 * 280) - 1)  # two's complement
        parts.append(name.encode() + bytes(low >> 8 * k & 0xFF for k in range(280)))
    parts += [name.encode() + struct.pack("<Q", one.counts[name]) for name in sorted(COUNTS)]
    parts += [struct.pack("<2Q", *one.tails)]
    parts += [struct.pack(f"<{part.size}q", *part.ravel().tolist()) for part in (one.lanes, one.bins)]
    parts += [struct.pack("<2f", one.smallest, one.largest)]
    assert one.sha256() == hashlib.sha256(b"".join(parts)).hexdigest()
    assert one != one.sha256()


def test_hash_of_a_layer_of_a_network_is_that_of_its_contents():
    one = summary(3)
    parts = [struct.pack("<2Q", one.networks, one.width)]
    for name in sorted(one.sums):
        low = one.sums[name] & ((1 << 8 * 280) - 1)
        parts.append(name.encode() + bytes(low >> 8 * k & 0xFF for k in range(280)))
    parts += [name.encode() + struct.pack("<Q", one.counts[name]) for name in sorted(one.counts)]
    for name in sorted(one.bins):
        bins = one.bins[name]
        parts += [name.encode(), struct.pack(f"<{bins.index.size}i", *bins.index.tolist())]
        parts += [struct.pack(f"<{part.size}q", *part.tolist()) for part in (bins.neurons, bins.squares)]
    assert one.sha256() == hashlib.sha256(b"".join(parts)).hexdigest()
    assert one != one.sha256()


@given(st.floats(0, allow_infinity=False, width=32))
def test_a_float32_lies_in_the_bin_of_its_upper_bits(value):
    edges = bin_edges()
    at = int(np.float32(value).view(np.uint32)) >> 16
    assert edges[at] <= value < edges[at + 1]
    assert int(np.float32(-value).view(np.uint32)) >> 16 == at + BINS // 2


def test_bins_end_where_float32_ends():
    edges = bin_edges()
    assert (edges.size, edges[0], edges[-1]) == (0x7F80 + 1, 0.0, 2.0**128)
    assert edges.dtype == np.float64
    assert (np.diff(edges) > 0).all()


def test_merging_layers_of_networks_adds_every_part():
    one, other = summary(1), summary(2)
    both = one.merge(other)
    assert (both.networks, both.width) == (one.networks + other.networks, 100)
    assert all(both.sum(name) == one.sum(name) + other.sum(name) for name in one.sums)
    assert all(both.counts[name] == one.counts[name] + other.counts[name] for name in one.counts)
    assert both == other.merge(one)
    assert hash(both) == hash(other.merge(one))
    for name, bins in both.bins.items():
        dense = np.zeros((2, 40), np.int64)
        for part in (one.bins[name], other.bins[name]):
            dense[0, part.index] += part.neurons
            dense[1, part.index] += part.squares
        assert np.array_equal(bins.index, np.union1d(one.bins[name].index, other.bins[name].index))
        assert np.array_equal(np.stack([bins.neurons, bins.squares]), dense[:, bins.index])
        assert bins.index.dtype == np.int32
    assert Bins.empty().merge(one.bins["z"]).neurons.tolist() == one.bins["z"].neurons.tolist()


def test_only_bins_that_hold_neurons_are_kept():
    bins = Bins.of(np.array([[0, 0], [3, 9], [0, 0], [1, 7]]))
    assert (bins.index.tolist(), bins.neurons.tolist(), bins.squares.tolist()) == ([1, 3], [3, 1], [9, 7])
    assert Bins.of(np.array([[0, 0], [3, 9]]), 5).index.tolist() == [6]


def test_holders_are_the_networks_that_have_the_statistic():
    one = summary(4)
    counts, finite = one.counts, one.networks - one.counts["nonfinite"]
    expected = dict.fromkeys((*layer_summary.MOMENTS, "saturated", "flat", "tail:0", "tail:1"), finite)
    expected |= dict.fromkeys(layer_summary.FIELD, counts["field"])
    expected |= {"ln q": finite - counts["dead"], "cosine": counts["pairs"], "overlap": counts["pairs"]}
    expected |= dict.fromkeys(("delta^2", "grad^2", "jacobian", "slow:0"), counts["backward"])
    expected |= dict.fromkeys(("delta.kurtosis", "ln delta"), counts["backward"] - counts["still"])
    expected |= {"ln grad": counts["backward"] - counts["still.grad"]}
    expected |= {"ln jacobian": counts["backward"] - counts["still.jacobian"], "delta.cosine": counts["backward.pairs"]}
    names = layer_summary.statistics(2, 1)
    assert set(expected) == set(names)
    assert {name: one.holders(name) for name in names} == expected
    assert one.finite == finite
    assert [replace(one, width=width).binned for width in (1, 63, 64, 65, 1000)] == [1, 63, 64, 64, 64]


def test_sums_of_a_layer_of_a_network_have_these_names():
    names = layer_summary.sum_names(2, 1)
    statistics = layer_summary.statistics(2, 1)
    squares = {f"{one}*{one}" for one in statistics} - {f"z^{k}*z^{k}" for k in (5, 6, 7, 8)}
    powers = {"z^1*z^2", "z^1*z^3", "z^1*z^4", "z^2*z^3", "z^2*z^4", "z^3*z^4"}
    products = powers | {"phi^1*phi^2", "slope^1*slope^2", "field^2*field^4"}
    logarithms = {f"ln {one}" + f"*ln {one}" * k for one in ("q", "delta", "grad", "jacobian") for k in (2, 3)}
    assert set(names) == {*statistics} | squares | products | logarithms
    assert len(names) == len(set(names))
    assert {f"z^{k}" for k in range(1, 9)} | {f"phi^{k}" for k in range(1, 5)} < set(statistics)
    assert "slope^3" not in statistics


def test_octaves_are_divided_evenly():
    edges = size_edges()
    assert (edges.size, SIZES) == (384 * 32 + 1, 384 * 32)
    assert (edges[0], edges[-1]) == (0.0, np.inf)
    octave = np.searchsorted(edges, 1.0)
    assert edges[octave] == 1.0
    assert octave == 256 * 32
    assert edges[octave : octave + STEPS + 1].tolist() == [1 + k / 32 for k in range(33)]
    assert edges[octave + STEPS + 1] == 2 + 2 / 32
    assert (edges[1], edges[-2]) == (2.0**-256 * (1 + 1 / 32), 2.0**127 * (1 + 31 / 32))
    line = line_edges()
    assert line.size == 2 * SIZES + 1 == layer_summary.BINS + 1
    assert np.array_equal(line, -line[::-1])
    assert (np.diff(line) > 0).all()
    assert np.array_equal(line[SIZES:], edges)
