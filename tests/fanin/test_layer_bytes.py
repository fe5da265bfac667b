"""Summaries as bytes: what is written is what is read, and nothing else is read."""

import dataclasses
import itertools
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fanin
from fanin.block_ranges import Range, cut, gaps
from fanin.engine.accumulators import SUMS
from fanin.engine.errors import SpecificationError
from fanin.layer_bytes import _expected_ranks, _rank_bytes, _Source, from_bytes, to_bytes
from fanin.sampling import step_of
from fanin.studies import built_in
from fanin.summary_row import Row
from fanin.tasks import Job

ENSEMBLES = {
    "neuron": (fanin.Ensemble((20, 1), "standard"), "direct"),
    "two neurons": (fanin.Ensemble((20, 2), "scaled", "relu", "bernoulli:0.5"), "direct"),
    "network": (fanin.Ensemble((10, 10, 3), "he_normal", "relu", cost="linear"), "direct"),
    "conditional": (fanin.Ensemble((10, 10, 3), "scaled", "tanh", inputs="pair:1:0.5"), "conditional"),
    "narrow": (fanin.Ensemble((3, 1, 1), "he_normal", "relu", "on:2", cost="quadratic"), "direct"),
    "overflow": (fanin.Ensemble((4, 300, 1), "normal:1e30", "relu"), "direct"),
}


@pytest.fixture(scope="module", params=ENSEMBLES)
def sampled(request):
    ensemble, method = ENSEMBLES[request.param]
    networks = step_of(ensemble, method)
    return ensemble, method, networks, fanin.simulate(ensemble, networks, 3, method).layers


def hashes(layers):
    return {number: layer.sha256() for number, layer in layers.items()}


def test_what_is_written_is_what_is_read(sampled):
    ensemble, method, networks, layers = sampled
    data = to_bytes(layers)
    assert hashes(from_bytes(data, ensemble, method, networks)) == hashes(layers)
    assert to_bytes(from_bytes(data, ensemble, method, networks)) == data


def test_another_length_is_refused(sampled):
    ensemble, method, networks, layers = sampled
    data = to_bytes(layers)
    for broken in (b"", data[:-1], data + b"\0", data[1:], data[: len(data) // 2]):
        with pytest.raises(SpecificationError, match="the bytes are not the summary of such a task"):
            from_bytes(broken, ensemble, method, networks)
    if isinstance(layers[min(layers)].sums, dict) and layers[min(layers)].finite:
        with pytest.raises(SpecificationError):
            from_bytes(data, ensemble, method, networks + 1)


@settings(max_examples=300)
@given(at=st.floats(0.0, 1.0, exclude_max=True), bit=st.integers(0, 7), name=st.sampled_from(["neuron", "network"]))
def test_a_flipped_bit_is_refused_or_another_summary(at, bit, name):
    """Never a traceback, and never the same summary: one summary has one form."""
    ensemble, method = ENSEMBLES[name]
    networks = step_of(ensemble, method)
    layers = fanin.simulate(ensemble, networks, 3, method).layers
    data = bytearray(to_bytes(layers))
    data[int(at * len(data))] ^= 1 << bit
    try:
        found = from_bytes(bytes(data), ensemble, method, networks)
    except SpecificationError:
        return
    assert hashes(found) != hashes(layers)


@given(
    value=st.one_of(
        st.sampled_from([0, 1, -1, 1 << 2096, -(1 << 2096), (2**53 - 1) << 2000, -(2**53 - 1)]),
        st.builds(lambda odd, shift: odd << shift, st.integers(-(2**90), 2**90), st.integers(0, 2000)),
    )
)
def test_sums_of_every_size(value):
    """Sums are integers of up to 2098 bits: float64 block sums and what they add up to."""
    ensemble, method = ENSEMBLES["neuron"]
    layer = fanin.simulate(ensemble, 4096, 3).layers[1]
    changed = dataclasses.replace(layer, sums=layer.sums | {SUMS[0]: value, SUMS[-1]: -value})
    assert hashes(from_bytes(to_bytes({1: changed}), ensemble, method, 4096)) == {1: changed.sha256()}


@given(neurons=st.lists(st.integers(1, 10**9), max_size=150), seed=st.integers(0, 2**32))
def test_sums_of_ranks_are_kept_whole_however_far_from_what_is_expected(neurons, seed):
    kept = np.array(neurons, np.int64)
    ranks = np.random.default_rng(seed).integers(0, 64 * kept, endpoint=True)
    source = _Source(b"".join(_rank_bytes(kept, ranks)))
    means = source.steps(-(-kept.size // 32))
    assert np.array_equal(source.numbers(kept.size) + _expected_ranks(kept, means), ranks)
    assert source.at == len(source.data)


def test_rows_of_the_deep_study_are_short():
    """Bytes of a task of 8,192 networks for each layer; without what is expected of ranks they are 21,500 and 6,100."""
    for label, most in (("standard", 17_000), ("scaled", 5_500)):
        job = Job(built_in("deep").ensembles[label], 501, "conditional", "key")
        layers = job.sampler.sample(job.plan, 0, 64, 64 * 128)
        assert len(zlib.compress(to_bytes(layers))) < most * len(layers)


def test_a_row_that_was_changed_or_moved_is_refused():
    row = Row.of("key", Range(0, 2), b"summary")
    assert row.summary("key") == b"summary"
    for key, changed in (
        ("other", row),
        ("key", dataclasses.replace(row, blocks=Range(2, 4))),
        ("key", dataclasses.replace(row, data=zlib.compress(b"summarz"))),
        ("key", dataclasses.replace(row, data=row.data[:-1])),
        ("key", dataclasses.replace(row, data=row.data + b"x")),
        ("key", dataclasses.replace(row, data=b"")),
        ("key", dataclasses.replace(row, sha256=bytes(32))),
    ):
        with pytest.raises(SpecificationError, match="is damaged"):
            changed.summary(key)
        assert not changed.is_whole(key)


@given(first=st.integers(0, 10**6), size=st.integers(0, 3000), power=st.integers(0, 12))
def test_a_range_is_cut_into_aligned_ones(first, size, power):
    whole = Range(first, first + size)
    parts = list(cut(whole, 1 << power))
    assert all(one.is_aligned and one.blocks <= 1 << power for one in parts)
    assert [one.first for one in parts[1:]] == [one.last for one in parts[:-1]]
    assert sum(one.blocks for one in parts) == size
    if parts:
        assert (parts[0].first, parts[-1].last) == whole


@given(marks=st.lists(st.integers(0, 60), min_size=2, unique=True), keep=st.integers(0, 2**40))
def test_gaps_and_what_is_held_make_up_the_whole(marks, keep):
    marks = sorted(marks)
    pieces = [Range(*pair) for pair in itertools.pairwise(marks)]
    held = [piece for k, piece in enumerate(pieces) if keep >> k & 1]
    found = list(gaps(Range(marks[0], marks[-1]), held))
    blocks = [block for one in (*found, *held) for block in range(*one)]
    assert sorted(blocks) == list(range(marks[0], marks[-1]))
    assert all(np.diff([one.first for one in found]) > 1)
    assert all(one.blocks for one in found)
