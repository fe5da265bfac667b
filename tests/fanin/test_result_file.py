"""Result files: what is written is what is read, to the last bit, and nothing else is read."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray

import fanin
from fanin import result_file
from fanin.engine.accumulators import Accumulators
from fanin.engine.layer_summary import LayerSummary
from fanin.result import Result
from fanin.result_file import netcdf, network_layer, neuron_layer, plain_values
from fanin.result_file import state as state_module
from fanin.verification import judge_all
from fanin.whole_file import write_whole

ROWS = np.random.default_rng(5).normal(size=(9, 6))
INPUTS = {
    "on": "half-on",
    "subset": "subset:2,shared",
    "bernoulli": "bernoulli:0.3",
    "gaussian": "gaussian:2",
    "uniform": "uniform:-1:2",
    "sparse": "sparse:0.1:3",
    "ar1": "ar1:0.5:2",
    "correlated": fanin.Inputs.correlated(ROWS.T @ ROWS, source="covariance.npy"),
    "fixed": fanin.Inputs.fixed(ROWS[0]),
    "rows": fanin.Inputs.rows(ROWS, scale=0.1, source="rows.npy", preparation="standardise"),
    "in turn": fanin.Inputs.rows(ROWS, in_turn=True),
    "shared": fanin.Inputs.rows(ROWS, shared=True),
    "pair": fanin.Inputs.pair(2.0, 0.25),
    "points": fanin.Inputs.points(ROWS[:3]),
}
SCHEMES = (
    *(
        "standard",
        "he_normal",
        "torch.linear",
        "haiku.linear",
        "orthogonal",
        "uniform:1/fan_avg+normal:0.1",
        "laplace:2,sparse=0.25",
    ),
    *("student:1,df=9+constant:0.5", "rademacher:1/fan_in+normal:1", "truncated:1,cut=3,raw", "normal:1,sparse=0.5,raw+uniform:1"),
)


@pytest.fixture(scope="module")
def report():
    own = fanin.Claim("a/1/z.mean/own", "a", 1, "z.mean", 0.5, 0.25, "made up\n", error=float("inf"), expected="refuted")
    study = fanin.Study(
        "mine",
        "Two ensembles that see the same rows.",
        {
            "b/1": fanin.Ensemble((6, 2), "he_normal", "tanh", INPUTS["rows"], (0.5, 1.0)),
            "a": fanin.Ensemble((6, 1), "standard", inputs=INPUTS["rows"]),
        },
        (own,),
        networks=10_000,
        quantities=("z.mean", "z.variance", "z.kurtosis", "phi.mean", "independence.neighbours", "independence.lane.sign"),
    )
    return fanin.verify(study, seed=2**64 - 1, alpha=0.05, tolerance=7)


@pytest.fixture(params=[".json", ".nc"])
def path(request, tmp_path):
    return tmp_path / f"run{request.param}"


def test_a_loaded_report_is_the_report(report, path):
    report.save(path)
    loaded = result_file.load_report(path)
    assert loaded.to_dict() == report.to_dict()
    assert repr(loaded) == repr(report)
    assert loaded.study == report.study
    assert [v.claim for v in loaded.verdicts] == [v.claim for v in report.verdicts]
    for label, result in report.results.items():
        assert loaded.results[label].layers == result.layers
        assert loaded.results[label].provenance == result.provenance
        assert (loaded.results[label].seconds, loaded.results[label].threads) == (result.seconds, result.threads)
    again = path.with_stem("again")
    loaded.save(again)
    assert result_file.load_report(again).to_dict() == report.to_dict()


def test_a_loaded_report_shows_the_machine_of_the_run(report, path):
    origin = {"fanin": "0.0.9", "cpu": "another", "packages": {"numpy": "1.0"}, "cores": 999, "git_revision": None}
    results = {label: dataclasses.replace(result, origin=origin, seconds=1234.5) for label, result in report.results.items()}
    dataclasses.replace(report, results=results).save(path)
    loaded = result_file.load_report(path)
    assert loaded.to_dict()["provenance"] == origin
    assert loaded.to_dict()["fanin"] == fanin.__version__
    assert loaded.seconds == 2469.0


def test_it_is_judged_again_without_sampling(report, path, monkeypatch):
    report.save(path)
    monkeypatch.setattr("fanin.summing.sample_here", None)
    monkeypatch.setattr("fanin.engine.direct.sample", None)
    saved = result_file.read(path)
    assert (saved.alpha, saved.tolerance) == (0.05, 7.0)
    strict = judge_all(saved.study, saved.results, 1e-9, 0.5)
    direct = judge_all(report.study, report.results, 1e-9, 0.5)
    assert [(v.interval, v.verdict) for v in strict.verdicts] == [(v.interval, v.verdict) for v in direct.verdicts]
    assert [v.verdict for v in strict.verdicts] != [v.verdict for v in result_file.load_report(path).verdicts]


@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_of_input(kind, tmp_path):
    ensemble = fanin.Ensemble((6, 1), "scaled", inputs=INPUTS[kind])
    roundtrip(ensemble, tmp_path)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_family_of_laws(scheme, tmp_path):
    roundtrip(fanin.Ensemble((6, 2), scheme), tmp_path)


def roundtrip(ensemble, folder):
    """One ensemble, to a file and back, without judging."""
    result = fanin.simulate(ensemble, networks=2500, seed=3, method="auto")
    report = fanin.Report(fanin.Study("s", "p", {"x": ensemble}), {"x": result}, [], 0.01)
    report.save(folder / "a.json")
    saved = result_file.read(folder / "a.json")
    read = saved.study.ensembles["x"]
    assert read == ensemble
    assert repr(read) == repr(ensemble)
    assert read.scheme.source == ensemble.scheme.source
    for field in dataclasses.fields(fanin.Inputs):
        if field.name != "data":
            assert getattr(read.inputs, field.name) == getattr(ensemble.inputs, field.name)
    if ensemble.inputs.data is not None:
        assert np.array_equal(read.inputs.data, ensemble.inputs.data)
        assert not read.inputs.data.flags.writeable
    assert saved.results["x"].digest == result.digest


@pytest.mark.parametrize("scheme", ["normal:3e38", "constant:1e38"])
def test_networks_that_are_not_finite(scheme, path):
    ensemble = fanin.Ensemble((4, 1), scheme)
    result = fanin.simulate(ensemble, networks=3000)
    assert result.layers[1].counts["nonfinite"]
    fanin.Report(fanin.Study("s", "p", {"x": ensemble}), {"x": result}, [], 0.01).save(path)
    assert result_file.read(path).results["x"].layers == result.layers


def test_every_field_has_a_plain_form():
    """A new field of a specification needs a type that is known; a new field of a result needs code."""
    known = {
        "str",
        "bool",
        "int",
        "float",
        "None",
        "tuple",
        "dict",
        "np",
        "ndarray",
        *plain_values.FUNCTIONS,
        *plain_values.CLASSES,
    }
    for cls in plain_values.CLASSES.values():
        for field in dataclasses.fields(cls):
            assert isinstance(field.type, str)
            assert set(re.findall(r"\w+", field.type)) <= known
    assert {field.name for field in dataclasses.fields(Accumulators)} == set(neuron_layer.FIELDS)
    assert {field.name for field in dataclasses.fields(LayerSummary)} == set(network_layer.FIELDS)
    elsewhere = {"ensemble", "origin", "watched"}  # in the study, the provenance, and the report
    assert {field.name for field in dataclasses.fields(Result)} - elsewhere == set(state_module._RESULT) - {"digest"}


def test_the_json_file_is_the_object_of_the_command_line(report, tmp_path):
    report.save(tmp_path / "run.json")
    document = json.loads((tmp_path / "run.json").read_text())
    state = document.pop("state")
    assert document == report.to_dict()
    assert len(state["arrays"]) == 1  # the rows that both ensembles see


def test_other_tools_read_the_netcdf_file(report, tmp_path):
    path = tmp_path / "run.nc"
    report.save(path)
    with xarray.open_dataset(path, engine="h5netcdf") as root:
        document = json.loads(root.document.values.tobytes())
    assert document["digest"] == report.digest
    expected = report.results["b/1"].to_xarray()
    with xarray.open_dataset(path, group="b_1", engine="h5netcdf") as data:
        xarray.testing.assert_equal(data.load(), expected)
        assert data.attrs.pop("label") == "b/1"
        assert data.attrs == expected.attrs
        assert data.histogram.attrs["units"] == "networks"
    with h5netcdf.File(path) as file:
        assert list(file.groups) == ["b_1", "a"]


def test_all_data_in_the_netcdf_file_has_checksums(report, tmp_path):
    report.save(tmp_path / "run.nc")
    with h5py.File(tmp_path / "run.nc") as file:
        seen = []

        def visit(name, item):
            if isinstance(item, h5py.Dataset) and item.dtype.kind != "O":
                seen.append((name, item.fletcher32))

        file.visititems(visit)
        assert file.id.get_create_plist().get_version()[0] >= 2
    assert len([name for name, _ in seen if not name.endswith(("threshold", "byte", "bin"))]) > 20
    assert all(checked for name, checked in seen if name.split("/")[-1] not in ("byte", "bin", "power4", "sign", "end"))


def test_the_seal_keeps_damaged_files_from_hdf5(report, tmp_path, monkeypatch):
    path = tmp_path / "run.nc"
    report.save(path)
    data = bytearray(path.read_bytes())
    monkeypatch.setattr(h5py, "File", None)
    for at in (0, 9, len(data) // 2, len(data) - 80, len(data) - 1):
        changed = data.copy()
        changed[at] ^= 1
        path.write_bytes(changed)
        with pytest.raises(fanin.SpecificationError, match="changed"):
            result_file.read(path)


REFUSED = [
    (lambda d: d["state"].update(format=99), "format 99"),
    (lambda d: d["state"].update(stream=1), "stream 1"),
    (lambda d: d["state"].update(more=1), r"state\.more is not known"),
    (lambda d: d.update(more=1), r"document\.more is not known"),
    (lambda d: d.pop("seed"), r"document\.seed is missing"),
    (lambda d: d.update(seed=7), "seed does not say what the state says"),
    (lambda d: d.update(alpha=1), "alpha is 1; it must be a number"),
    (lambda d: d.update(alpha=0.0), "alpha is 0.0; it must lie between"),
    (lambda d: d.update(provenance={"a": {"b": {"c": 1}}}), r"provenance\.a\.b is an object of 1"),
    (lambda d: d["state"]["study"].pop("purpose"), r"state\.study\.purpose is missing"),
    (lambda d: d["state"]["study"].update(name="\x1b[2J"), r"state\.study\.name is '\\x1b\[2J'; it must be text"),
    (lambda d: d["state"]["study"].update(networks=True), r"state\.study\.networks is True; it must be a whole number"),
    (lambda d: d["state"]["study"]["claims"][0].update(tolerance=-1.0), r"claims\[0\]: the tolerance of .* is -1\.0"),
    (lambda d: d["state"]["study"]["claims"][0].update(ensemble="c"), r"claims\[0\] is about layer 1 of 'c'"),
    (lambda d: d["state"]["study"]["claims"][0].update(quantity="z.tail[e]"), "not a quantity"),
    (lambda d: ensemble(d).update(activation="rleu"), r"ensembles\.a: activation is 'rleu'; known are"),
    (lambda d: ensemble(d).update(widths=[6, 0]), "every layer needs at least 1 neuron"),
    (lambda d: ensemble(d)["scheme"]["weights"].update(gain=-1.0), r"weights: the variance of a law is -1\.0"),
    (lambda d: ensemble(d)["scheme"]["weights"].update(own=["f"]), "cannot hold a function"),
    (lambda d: ensemble(d)["inputs"].update(kind="gaussian"), "kind 'gaussian' have a table of data"),
    (lambda d: ensemble(d)["inputs"].update(count=3), r"inputs: the count of inputs of the kind rows is 3; it must be 0"),
    (lambda d: ensemble(d)["inputs"].update(scale=0.0), "scale"),
    (lambda d: ensemble(d)["inputs"]["data"].update(shape=[6, 9]), "9 columns"),
    (lambda d: ensemble(d)["inputs"]["data"].update(shape=[2**31, 2**31]), "fits in memory"),
    (lambda d: ensemble(d)["inputs"]["data"].update(sha256="0"), "no such array"),
    (lambda d: d["state"]["arrays"].update(x="AAAA"), r"arrays\.x belongs to no input"),
    (lambda d: d["state"]["arrays"].update(dict.fromkeys(d["state"]["arrays"], "eJw=")), "is not the array"),
    (lambda d: d["state"]["arrays"].update(dict.fromkeys(d["state"]["arrays"], "=!")), "not a deflated array"),
    (lambda d: d["state"]["results"].pop("a"), r"results\.a is missing"),
    (lambda d: result(d).update(networks=0), r"results\.a\.networks is 0; it must lie between"),
    (lambda d: result(d).update(seed=1), "does not have the digest"),
    (lambda d: layer(d)["tails"].append(0), "3 counts; the ensemble has 2"),
    (lambda d: layer(d)["sums"].update({"z^1": "12"}), r"sums\.z\^1 is '12'; it must be a whole number in hexadecimal"),
    (lambda d: layer(d)["sums"].update({"z^2": "0x0"}), r"sums\.z\^2 is less than z\^1 allows"),
    (lambda d: layer(d)["counts"].update(flat=-1), r"counts\.flat is -1; it must lie between"),
    (lambda d: layer(d)["bins"].pop(), "bins hold"),
    (lambda d: layer(d)["bins"].reverse(), r"bins\[1\]\[0\] is"),
    (lambda d: layer(d)["lanes"].pop(), "two lists of 2048"),
    (lambda d: layer(d).update(smallest=0.1), "outermost bin"),
]


def ensemble(document):
    return document["state"]["study"]["ensembles"]["a"]


def result(document):
    return document["state"]["results"]["a"]


def layer(document):
    return result(document)["layers"]["1"]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_does_not_fit_is_named(report, tmp_path, change, message):
    """The checksum is made to fit, so that the checks behind it are seen."""
    path = tmp_path / "run.json"
    report.save(path)
    document = json.loads(path.read_text())
    change(document)
    del document["state"]["sha256"]
    document["state"]["sha256"] = result_file._sha256(document)
    path.write_text(json.dumps(document))
    with pytest.raises(fanin.SpecificationError, match=message) as caught:
        result_file.load_report(path)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(f"{path} cannot be loaded: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"[]", "the document is a list of 0; it must be an object"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": 1e999}', "beyond float64"),
        (b'{"a": 18446744073709551616}', "beyond 64 bits"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "beyond 64 bits"),
        (b'{"a": "\xff"}', "not text in UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 990 + b"1" + b"}" * 990, "nested too deeply|state is"),
        (b'{"state": {}}', "sha256"),
        (b'{"state": 1}', "state is 1; it must be an object"),
        (b"{} {}", "not JSON"),
    ],
)
def test_what_is_no_result_file(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(fanin.SpecificationError, match=message):
        result_file.read(path)


def test_other_netcdf_files_are_refused(tmp_path):
    """Sealed by someone else: not the variable, or not the form of it, that is expected."""
    path = tmp_path / "a.nc"
    options = {"compression": "gzip", "fletcher32": True, "chunks": (10,)}
    values = np.zeros(10, np.uint8)
    made = {
        "no variable": lambda f: None,
        "not a list of bytes": lambda f: f.create_dataset("document", data=np.zeros(10), **options),
        "not deflated with checksums": lambda f: f.create_dataset("document", data=values, chunks=(10,)),
        "no variable 'document'": lambda f: f.__setitem__("document", h5py.ExternalLink("b.h5", "x")),
        "has 99999999999999 bytes": lambda f: f.create_dataset("document", (99999999999999,), np.uint8, **options),
        "not JSON": lambda f: f.create_dataset("document", data=values, **options),
    }
    for message, make in made.items():
        with h5py.File(path, "w") as file:
            make(file)
        path.write_bytes(netcdf.seal(path.read_bytes()))
        with pytest.raises(fanin.SpecificationError, match=message):
            result_file.read(path)


def test_places_that_cannot_be_written_or_read(report, tmp_path):
    taken = tmp_path / "taken.json"
    report.save(taken)
    before = taken.read_bytes()
    (tmp_path / "folder.nc").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    for name, message in {
        "a.txt": "must end in .json or .nc",
        "none/a.json": "does not exist",
        "folder.nc": "is a folder",
        "taken.json": "exists already",
        "x" * 300 + ".json": "File name too long",
    }.items():
        with pytest.raises(fanin.SpecificationError, match=message):
            result_file.check_target(tmp_path / name)
        with pytest.raises(fanin.SpecificationError, match=message):
            report.save(tmp_path / name)
    assert taken.read_bytes() == before
    report.save(taken, overwrite=True)
    for name, message in {
        "none.json": "no such file",
        "pipe.json": "not a file",
        "folder.nc": "not a file",
        "a.txt": "end in",
    }.items():
        with pytest.raises(fanin.SpecificationError, match=message):
            result_file.read(tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.nc", "pipe.json", "taken.json"]


def test_a_file_that_came_meanwhile_is_kept(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("kept")
    with pytest.raises(fanin.SpecificationError, match="exists already"):
        write_whole(target, b"new", overwrite=False)
    assert [target.read_text(), len(list(tmp_path.iterdir()))] == ["kept", 1]


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for act in (result_file.check_target, result_file.read):
        with pytest.raises(fanin.SpecificationError, match=r"needs h5py, which is not installed; pip install 'fanin\[io\]'"):
            act(tmp_path / "a.nc")
    assert result_file.check_target(tmp_path / "a.json")


def test_a_law_of_ones_own_is_refused_before_it_is_sampled(tmp_path):
    def flip(first, second):
        return np.float32(1.0) if first & np.uint32(1) else np.float32(-1.0)

    law = fanin.Law.from_function(flip, variance=1.0, kurtosis=1.0)
    study = fanin.Study("s", "p", {"x": fanin.Ensemble((4, 1), fanin.Scheme(law))})
    with pytest.raises(fanin.SpecificationError, match=r"x\.scheme\.weights\.own is the function flip of your own"):
        result_file.check_target(tmp_path / "a.json", study=study)
    assert not list(tmp_path.iterdir())


def test_json_files_need_no_hdf5(report, tmp_path):
    report.save(tmp_path / "a.json")
    code = (
        f"import sys; from fanin import result_file; result_file.read({str(tmp_path / 'a.json')!r}); "
        "print([m for m in ('h5py', 'h5netcdf', 'xarray', 'numba') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
