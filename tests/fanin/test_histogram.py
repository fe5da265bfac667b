"""Histograms: exact counts, recorded edges, and the protocol by which other packages plot them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fanin
from fanin.engine.accumulators import bin_edges
from fanin.stats.binned import ascending_bins

NETWORKS, FEW = 20_000, 300
ENSEMBLE = fanin.Ensemble((20, 1), "scaled")


@pytest.fixture(scope="module")
def result():
    return fanin.simulate(ENSEMBLE, networks=NETWORKS, seed=4)


@pytest.fixture(scope="module")
def few():
    return fanin.simulate(ENSEMBLE, networks=FEW, seed=4)


@pytest.fixture(scope="module")
def z():
    """Every z of the run of few networks, one by one."""
    return np.array([fanin.replay(ENSEMBLE, 4, index).z for index in range(FEW)], np.float32)


@pytest.mark.parametrize("bins", [1, 7, 100, [-2.0, -0.5, 0.0, 0.3, 4.0], [0.1, 0.2]])
def test_counts_are_those_of_numpy_on_the_same_edges(few, z, bins):
    """Counted one by one: a bin of negative z is open at its lower end, one of positive z at its upper end."""
    histogram = few.histogram(bins=bins)
    edges = histogram.edges
    place = np.where(z < 0, np.searchsorted(edges, z, "left"), np.searchsorted(edges, z, "right"))
    counted = np.bincount(place, minlength=edges.size + 1)
    assert histogram.counts().tolist() == counted[1:-1].tolist()
    assert histogram.outside == (counted[0], counted[-1])


@given(
    st.one_of(
        st.integers(1, 3000),
        st.lists(st.floats(-1e38, 1e38), min_size=2, max_size=30, unique=True).map(sorted),
        st.lists(st.floats(-6, 6).map(lambda x: round(x, 3)), min_size=2, max_size=30, unique=True).map(sorted),
    )
)
def test_no_network_is_lost_and_no_bin_is_split(result, bins):
    try:
        histogram = result.histogram(bins=bins)
    except fanin.SpecificationError:  # edges so close together that one recorded edge is nearest to all
        assert isinstance(bins, list)
        assert bins[-1] - bins[0] <= 2.0**-7 * max(map(abs, bins)) + 1e-40
        return
    assert histogram.counts().sum() + sum(histogram.outside) == NETWORKS
    assert np.isin(np.abs(histogram.edges), bin_edges()).all()
    assert (np.diff(histogram.edges) > 0).all()
    if isinstance(bins, list):
        wanted = np.array(bins)
        off = np.abs(wanted[:, None] - histogram.edges[None, :]).min(axis=1)
        assert (off <= np.abs(wanted) * 2.0**-8 + 1e-40).all()


def test_every_recorded_bin(result):
    edges, counts = ascending_bins(result.layers[1])
    histogram = result.histogram(bins=None)
    assert np.array_equal(histogram.edges, edges)
    assert np.array_equal(histogram.counts(), counts)


def test_density_is_that_of_the_theory(result, false_failure):
    """DKW: the distribution function is within 0.027 at 2e4 networks; a variance wrong by a tenth is 0.012 away at most there."""
    histogram = result.histogram(bins=200)
    share = np.cumsum(histogram.density() * np.diff(histogram.edges))
    from scipy import special

    bound = np.sqrt(np.log(2 / false_failure) / (2 * NETWORKS))
    away = lambda std: np.abs(share - special.ndtr(histogram.edges[1:] / std)).max()  # noqa: E731
    assert away(np.sqrt(1.5)) < bound < away(1.0)


def test_the_protocol(result):
    """What uhi.typing.plottable asks of a histogram, an axis and its traits, name by name."""
    histogram = result.histogram(bins=10)
    (axis,) = histogram.axes
    assert histogram.kind == "COUNT"
    for method in (histogram.values, histogram.variances):
        assert method().dtype == np.float64
        assert method().shape == (len(axis),)
    assert histogram.counts().dtype == np.int64
    assert np.array_equal(histogram.values(), histogram.counts())
    assert (axis.traits.circular, axis.traits.discrete) == (False, False)
    assert list(axis) == [axis[i] for i in range(len(axis))]
    assert axis[-1] == axis[len(axis) - 1]
    assert axis[0][1] == axis[1][0]
    with pytest.raises(IndexError):
        _ = axis[len(axis)]
    assert axis == result.histogram(bins=10).axes[0]
    assert axis != result.histogram(bins=9).axes[0]
    counts, edges = histogram.to_numpy()
    assert (counts.size + 1, edges[0]) == (edges.size, axis[0][0])
    assert axis.label == "z"
    assert repr(histogram).startswith("<fanin.Histogram of 20,000 networks, 10 bins of z from ")


def test_the_serialized_form_holds_everything(result):
    histogram = result.histogram(bins=[-1.0, 0.0, 1.0])
    form = histogram._to_uhi_()
    assert form["uhi_schema"] == 1
    assert form["storage"]["values"].tolist() == [histogram.outside[0], *histogram.counts(), histogram.outside[1]]
    assert form["axes"][0]["edges"].tolist() == [-1.0, 0.0, 1.0]
    assert {"type", "underflow", "overflow", "circular"} <= set(form["axes"][0])


def test_nothing_finite_and_one_value():
    overflow = fanin.simulate(fanin.Ensemble((4, 1), "constant:1e38"), networks=3000)
    assert overflow.histogram().counts().sum() == 0
    assert overflow.histogram().density().sum() == 0.0
    constant = fanin.simulate(fanin.Ensemble((4, 1), "constant:0.5"), networks=3000).histogram()
    assert constant.counts().tolist() == [3000]
    assert constant.axes[0][0] == (1.0, 1.0078125)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": 2}, "layer is 2; the result has layer 1"),
        ({"bins": 0}, "bins is 0; it must lie between 1 and 65280"),
        ({"bins": True}, "at least two edges"),
        ({"bins": "many"}, "not 'many'"),
        ({"bins": [1.0]}, "at least two edges"),
        ({"bins": [1.0, 0.0]}, "ascending"),
        ({"bins": [0.0, float("nan")]}, "finite"),
        ({"bins": [1.0, 1.001]}, "so close together"),
    ],
)
def test_refusals(result, options, message):
    with pytest.raises(fanin.SpecificationError, match=message):
        result.histogram(**options)
