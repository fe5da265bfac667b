"""The Python names: simulate, Result, verify, Report, load_inputs, and what they refuse."""

import json
import os

import numpy as np
import pytest

import fanin
from fanin.stats.predictions import Theory
from fanin.stats.quantities import measure
from fanin.stats.verdict import REFUTED, Claim


@pytest.fixture(scope="module")
def result():
    return fanin.simulate(fanin.Ensemble((20, 1), "scaled", tails=(0.5, 2.0)), networks=300_000, seed=4)


def test_all_names_exist():
    for name in fanin.__all__:
        assert getattr(fanin, name) is not None
    assert set(fanin.__all__) <= set(dir(fanin))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = fanin.nonsense


def test_result(result):
    assert result.layers[1].networks == result.networks == 300_000
    found = result.estimates()
    assert found["z.variance"] == pytest.approx(1.5, rel=0.02)
    assert found["slope.median"] == pytest.approx(0.2118, rel=0.02)
    assert result.digest in repr(result.provenance)
    for shown in ("300,000 networks", "z.variance", "scaled", result.digest[:16]):
        assert shown in repr(result)


def test_xarray(result):
    """Dimensions, units and provenance; the histogram holds every network."""
    data = result.to_xarray()
    layer = data.sel(layer=1)
    assert float(layer.z_moment.sel(power=2)) == pytest.approx(1.5, rel=0.02)
    assert list(data.threshold.values) == [0.5, 2.0]
    assert int(layer.histogram.sum()) == 300_000
    negative = layer.histogram.sel(sign=-1).values
    assert negative.sum() == pytest.approx(150_000, rel=0.02)
    inside = (data.bin_low.values >= 1.0) & (data.bin_high.values <= 2.0)
    assert layer.histogram.values[:, inside].sum() / 3e5 == pytest.approx(0.3117, abs=0.01)
    assert all("units" in variable.attrs for variable in data.data_vars.values())
    for key in ("seed", "digest", "fanin", "cpu_target", "vector_bits", "threads", "packages.numpy", "ensemble", "networks"):
        assert key in data.attrs
    assert data.attrs["digest"] == result.digest


def test_verify_of_a_result_samples_nothing_and_agrees(result):
    report = fanin.verify(result, tolerance=10)
    again = fanin.verify(result.ensemble, networks=300_000, seed=4, tolerance=10)
    assert [v.interval for v in report.verdicts] == [v.interval for v in again.verdicts]
    assert report.digest == again.digest
    assert report.results["scaled"] is result
    assert "claims as expected" in repr(report)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["study"] == "result"


def test_smaller_alpha_and_tolerance_never_decide_more(result):
    words = [[v.verdict for v in fanin.verify(result, alpha=alpha, tolerance=4).verdicts] for alpha in (0.1, 1e-9)]
    for loose, strict in zip(*words, strict=True):
        assert strict in (loose, "undecided")


def test_a_study_of_ones_own():
    ensemble = fanin.Ensemble((4, 1))
    wrong = Claim(
        "a/1/z.variance/wrong", "a", 1, "z.variance", predicted=5.0, tolerance=0.1, source="forgot half", expected=REFUTED
    )
    study = fanin.Study("mine", "Four inputs, two on.", {"a": ensemble}, (wrong,), networks=1_000_000)
    report = fanin.verify(study, tolerance=3)
    verdicts = {v.claim.id: v for v in report.verdicts}
    assert verdicts["a/1/z.variance"].verdict == "confirmed"
    assert verdicts["a/1/z.variance/wrong"].verdict == "refuted"
    assert len(verdicts) == len(report.verdicts)


@pytest.mark.parametrize("inputs", ["gaussian,shared", "bernoulli:0.5,shared", "subset:3,shared"])
def test_a_shared_input_is_drawn_once_and_judged_as_given(inputs):
    ensemble = fanin.Ensemble((8, 1), inputs=inputs)
    report = fanin.verify(ensemble, networks=1_000_000, tolerance=3)
    assert report.exit_code == 0
    x = [fanin.replay(ensemble, 501, index).x for index in (0, 5, 5000)]
    assert np.array_equal(x[0], x[1])
    assert np.array_equal(x[0], x[2])
    variance = next(v.claim.predicted for v in report.verdicts if v.claim.quantity == "z.variance")
    assert variance == pytest.approx((x[0].astype(float) ** 2).sum() + 1)


@pytest.mark.parametrize(("scheme", "p"), [("he_uniform", 0.2), ("he_normal", 0.05)])
def test_a_law_with_an_atom_is_confirmed_as_such(scheme, p):
    """Without a bias z is 0 when no input is on: with probability 0.41 and 0.81. A law without the atom is refuted."""
    ensemble = fanin.Ensemble((4, 1), scheme, inputs=f"bernoulli:{p}")
    report = fanin.verify(ensemble, networks=4_000_000, tolerance=2)
    words = {v.claim.quantity: v.verdict for v in report.verdicts}
    assert "refuted" not in words.values()
    assert (words["z.law"], words["slope.median"], words["z.tail[1]"]) == ("confirmed",) * 3
    other = fanin.Ensemble((4, 1), f"{scheme}", inputs="on:1")
    assert measure("z.law", report.results[scheme].layers[1], ensemble, 1e-4, Theory(other).law).low > 0.1


def test_digits_are_rows_of_64_pixels_between_0_and_1():
    inputs = fanin.load_inputs("digits")
    assert inputs.data.shape == (1797, 64)
    assert (inputs.data.min(), inputs.data.max()) == (0.0, 1.0)
    assert fanin.load_inputs("digits,scale=1").data.max() == 16.0
    assert fanin.load_inputs("digits,shared").shared


@pytest.mark.parametrize("suffix", ["csv", "npy"])
def test_a_file_is_read_as_written(tmp_path, suffix):
    table = np.random.default_rng(1).normal(size=(9, 5))
    path = tmp_path / f"x.{suffix}"
    np.savetxt(path, table, delimiter=",") if suffix == "csv" else np.save(path, table)
    read = fanin.load_inputs(f"{path},scale=0.5")
    assert np.array_equal(read.data, (table * 0.5).astype(np.float32))
    ensemble = fanin.Ensemble((5, 1), "scaled", inputs=read)
    seen = {fanin.replay(ensemble, 1, index).x.tobytes() for index in range(200)}
    assert seen == {row.tobytes() for row in read.data}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: fanin.simulate("half-on"), "ensemble must be a fanin.Ensemble, not str"),
        (lambda: fanin.simulate(fanin.Ensemble((2, 1)), networks=True), "networks is True"),
        (lambda: fanin.simulate(fanin.Ensemble((2, 1)), networks=0.5), "networks is 0.5"),
        (lambda: fanin.simulate(fanin.Ensemble((2, 1)), executor=3), "executor must be a concurrent.futures.Executor"),
        (lambda: fanin.simulate(fanin.Ensemble((2, 1)), blocks_per_task=3), "blocks_per_task is 3; it must be a power of two"),
        (lambda: fanin.verify(3), "verify takes a study, an ensemble, a result or a report, not int"),
        (lambda: fanin.Ensemble((2, 1), scheme=3), "scheme must be a name or a Scheme"),
        (lambda: fanin.Ensemble((2, 1), inputs=3), "inputs must be a description or an Inputs"),
        (lambda: fanin.Ensemble((2.5, 1)), "widths must be whole numbers"),
        (lambda: fanin.Ensemble((float("nan"), 1)), "widths must be whole numbers"),
        (lambda: fanin.Ensemble(5), "widths must be whole numbers"),
        (lambda: fanin.Ensemble((2, 1), tails=(-1.0,)), "thresholds of |z| must be positive"),
        (lambda: fanin.Ensemble((2, 1), tails=(1.0, 1.0)), "each once"),
        (lambda: fanin.Inputs.fixed([1.0, float("nan")]), "holds nan at (1,)"),
        (lambda: fanin.Inputs.rows([[1.0], [1.0, 2.0]]), "must hold real numbers"),
        (lambda: fanin.Law("normal", float("inf")), "must be a finite number"),
        (lambda: fanin.Ensemble((2, 1), "normal:1/fan_in+cauchy:1"), "is of the family 'cauchy'"),
        (lambda: fanin.load_inputs("digits,size=3"), "known are scale=F, standardise"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(call, sentence):
    with pytest.raises(fanin.SpecificationError) as refused:
        call()
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_extra_is_refused_by_name(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(fanin.SpecificationError, match=r"pip install 'fanin\[data\]'"):
        fanin.load_inputs("digits")


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="needs a system that tells its memory")
def test_what_does_not_fit_is_refused_before_it_is_allocated(tmp_path):
    path = tmp_path / "huge.npy"
    header = np.lib.format.header_data_from_array_1_0(np.zeros((1, 1))) | {"shape": (1 << 22, 1 << 12)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 8 * (1 << 34))
    with pytest.raises(fanin.SpecificationError, match="GiB; this machine lends"):
        fanin.load_inputs(str(path))
