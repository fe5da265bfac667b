"""load_inputs: every format against what was written, every option against plain NumPy, and the memory that reading takes."""

import gzip
import hashlib
import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import load_digits

import fanin
from fanin import data, load_inputs
from tests.campaigns.broken_files import idx
from tests.input_files import IMAGES, TABLE, refusal

# Written by idx2numpy 1.2.3 (convert_to_string), an independent implementation of the format.
IDX2NUMPY = {
    "0000080300000003000000020000000200172e455c738aa1b8cfe6fd": (np.arange(12) * 23 % 256).reshape(3, 4),
    "000009020000000100000002807f": [[-128, 127]],
    "00000b0200000002000000020001fffe012c8000": [[1, -2], [300, -32768]],
    "00000c02000000010000000200000001fffeee90": [[1, -70000]],
    "00000d020000000100000003bf0000003e80000040400000": [[-0.5, 0.25, 3.0]],
    "00000e0200000002000000013fb999999999999ac004000000000000": [[0.1], [-2.5]],
}
IDX2NUMPY_DIGITS = "359cd13f0f514122884198b78a131df597421cbf5e93a76678fa96fc548f0d96"
"""sha256 of what idx2numpy 1.2.3 writes for scikit-learn's digits as 1797 images of 8 by 8 bytes."""


@pytest.mark.parametrize("text", IDX2NUMPY)
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_of_another_program_are_read(write, text, packed):
    content = bytes.fromhex(text)
    path = write("train-images-idx3-ubyte", gzip.compress(content) if packed else content)
    assert np.array_equal(load_inputs(str(path)).data, np.asarray(IDX2NUMPY[text], np.float32))


@pytest.mark.parametrize(
    "name",
    [
        "train-images-idx3-ubyte",
        "train-images.idx3-ubyte",
        "t10k-images-idx3-ubyte.gz",
        "x.idx",
        "X.IDX.GZ",
        "a.idx2",
        "b-ubyte.gz",
    ],
)
def test_the_usual_names_of_idx_files(write, name):
    content = idx(IMAGES)
    path = write(name, gzip.compress(content) if name.lower().endswith("gz") else content)
    assert np.array_equal(load_inputs(str(path)).data, IMAGES.reshape(3, 8))


def test_idx_as_published(write):
    """Y. LeCun's description, byte by byte: two zeros, the type 0x0B (short), 3 dimensions, big-endian sizes, C order."""
    content = bytes([0, 0, 0x0B, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 1, 0, 255, 255, 127, 255])
    assert load_inputs(str(write("x.idx", content))).data.tolist() == [[1, 256], [-1, 32767]]


def test_real_images_through_every_format(tmp_path):
    images = load_digits().images.astype(np.uint8)
    packed = idx(images)
    assert hashlib.sha256(packed).hexdigest() == IDX2NUMPY_DIGITS
    rows = images.reshape(1797, 64)
    (tmp_path / "d.idx").write_bytes(packed)
    (tmp_path / "d-images-idx3-ubyte.gz").write_bytes(gzip.compress(packed))
    np.save(tmp_path / "d.npy", images)
    np.savez(tmp_path / "d.npz", images)
    np.savez_compressed(tmp_path / "e.npz", images=images, labels=load_digits().target)
    np.savetxt(tmp_path / "d.csv", rows, delimiter=",", fmt="%d")
    texts = ["d.idx", "d-images-idx3-ubyte.gz", "d.npy", "d.npz", "e.npz,array=images", "d.csv"]
    for text in texts:
        assert np.array_equal(load_inputs(f"{tmp_path}/{text}").data, rows)
        assert load_inputs(f"{tmp_path}/{text},scale=0.0625") == load_inputs("digits")


def test_arrays_of_others_are_read(write):
    """Headers as cnpy (C++) and NPZ.jl (Julia) write them, big-endian values, Fortran order, headers of version 2."""
    for header in (
        b"{'descr': '>f8', 'fortran_order': False, 'shape': (7, 4,), }",
        b'{"shape":(7,4),"fortran_order":False,"descr":">f8"}',
    ):
        for version in (1, 2, 3):
            size = len(header).to_bytes(2 if version == 1 else 4, "little")
            path = write("x.npy", b"\x93NUMPY" + bytes([version, 0]) + size + header + TABLE.astype(">f8").tobytes())
            assert np.array_equal(load_inputs(str(path)).data, TABLE.astype(np.float32))
    cube = np.random.default_rng(6).normal(size=(3, 2, 5))
    assert np.array_equal(load_inputs(str(write("f.npy", np.asfortranarray(cube)))).data, cube.reshape(3, 10).astype(np.float32))
    assert load_inputs(str(write("b.npy", np.array([[True, False]])))).data.tolist() == [[1.0, 0.0]]


def test_csv_of_others_is_read(write):
    for content in (b"\xef\xbb\xbf1,2\r\n-3e0 , 4.5\r\n\r\n", b"1,2\n-3,4.5", b" 1,\t2\n-3.0,+4.5\n\n \n"):
        assert load_inputs(str(write("x.csv", content))).data.tolist() == [[1.0, 2.0], [-3.0, 4.5]]


RAW = np.array([[0.0, 5.0, -2.0], [4.0, 5.0, 1.0], [8.0, 5.0, 1.0], [1.0, 5.0, 4.0]])
_SPREAD = np.where(RAW.std(axis=0) > 0, RAW.std(axis=0), 1.0)
STEPS = {
    "scale=0.5": RAW * 0.5,
    "standardise": (RAW - RAW.mean(axis=0)) / _SPREAD,
    "standardise=all": (RAW - RAW.mean()) / RAW.std(),
    "unit": (RAW + 2.0) / 10.0,
    "threshold=1": RAW > 1.0,
    "scale=-1,threshold=-1.5": RAW * -1.0 > -1.5,
    "threshold=1,scale=3": 3.0 * (RAW > 1.0),
    "unit,threshold=0.5": (RAW + 2.0) / 10.0 > 0.5,
    "standardise,scale=2": 2.0 * (RAW - RAW.mean(axis=0)) / _SPREAD,
    "scale=0.00392156862745098": RAW * 0.00392156862745098,
}


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("which", ["", ",shared", ",in-turn", ",row=2"])
def test_options_are_what_numpy_makes_of_them(write, steps, which):
    path = write("x.npy", RAW)
    inputs = load_inputs(f"{path},{steps}{which}")
    expected = np.asarray(STEPS[steps], np.float64)
    expected = expected[2] if which == ",row=2" else expected
    assert inputs.data.shape == expected.shape
    assert inputs.data == pytest.approx(expected, rel=3e-7, abs=1e-7)
    assert (inputs.kind, inputs.shared, inputs.in_turn) == {
        "": ("rows", False, False),
        ",shared": ("rows", True, False),
        ",in-turn": ("rows", False, True),
        ",row=2": ("fixed", True, False),
    }[which]
    assert str(inputs) == f"{path},{steps}{which}"
    assert load_inputs(str(inputs)) == inputs


def test_which_row_may_stand_before_a_step(write):
    path = write("x.npy", RAW)
    inputs = load_inputs(f"{path},row=1,standardise")
    assert str(inputs) == f"{path},standardise,row=1"
    assert inputs == load_inputs(str(inputs))
    assert inputs.data.base is None  # the rest of the table is not kept


def test_standardise_is_exact_to_float32():
    """Against sums in extended precision, also where squares would overflow or vanish, and with a large mean."""
    draws = np.random.default_rng(8).normal(size=(1001, 5))
    for factor, shift in ((1.0, 0.0), (1e200, 0.0), (1e-200, 0.0), (1.0, 1e6)):
        table = draws * factor + shift
        wide = table.astype(np.longdouble)
        for steps, axis in (("standardise", 0), ("standardise=all", None)):
            inputs = data.parse([steps], "x").inputs(table, "x")
            centred = wide - wide.mean(axis=axis)
            scale = np.abs(centred).max()
            expected = centred / scale / np.sqrt(((centred / scale) ** 2).mean(axis=axis))
            assert inputs.data == pytest.approx(np.asarray(expected, np.float64), rel=2e-7, abs=1e-7)


def test_prepared_bits_do_not_depend_on_the_order_in_memory(tmp_path):
    table = np.random.default_rng(9).normal(size=(333, 21))
    np.save(tmp_path / "c.npy", table)
    np.save(tmp_path / "f.npy", np.asfortranarray(table))
    for steps in ("standardise", "standardise=all", "unit"):
        assert load_inputs(f"{tmp_path}/c.npy,{steps}") == load_inputs(f"{tmp_path}/f.npy,{steps}")


def test_digits_take_every_option():
    raw = load_digits().data
    assert np.array_equal(load_inputs("digits").data, raw / 16)
    assert str(load_inputs("digits")) == "digits,scale=0.0625"
    assert np.array_equal(load_inputs("digits,threshold=0.5").data, raw > 8)
    assert np.array_equal(load_inputs("digits,scale=1,threshold=8").data, raw > 8)
    assert np.array_equal(load_inputs("digits,unit,scale=2").data, (raw / 8).astype(np.float32))
    standardised = load_inputs("digits,standardise").data.astype(float)
    constant = raw.std(axis=0) == 0
    assert constant.sum() == 3
    assert (standardised[:, constant] == 0).all()
    assert np.abs(standardised.mean(axis=0)).max() < 1e-6
    assert standardised[:, ~constant].std(axis=0) == pytest.approx(1.0, abs=1e-6)
    assert np.array_equal(load_inputs("digits,row=17").data, (raw[17] / 16).astype(np.float32))
    for options in ("threshold=0.5,in-turn", "standardise=all", "scale=1,shared", "row=3", "threshold=8,scale=1"):
        inputs = load_inputs(f"digits,{options}")
        assert load_inputs(str(inputs)) == inputs


def test_networks_see_rows_as_told(write):
    path = write("x.npy", TABLE)
    turn = fanin.Ensemble((4, 1), inputs=load_inputs(f"{path},in-turn"))
    assert all(np.array_equal(fanin.replay(turn, 1, i).x, TABLE[i % 7].astype(np.float32)) for i in (0, 6, 7, 100))
    fixed = fanin.Ensemble((4, 1), inputs=load_inputs(f"{path},row=5"))
    assert all(np.array_equal(fanin.replay(fixed, 1, i).x, TABLE[5].astype(np.float32)) for i in (0, 1, 100))


def test_covariance_from_a_file(tmp_path):
    matrix = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 0.7]])
    np.save(tmp_path / "m.npy", matrix)
    np.savetxt(tmp_path / "m.csv", matrix, delimiter=",")
    np.savez(tmp_path / "m.npz", sigma=matrix, other=matrix[:2])
    for text in ("m.npy", "m.csv", "m.npz,array=sigma", "m.npy,shared"):
        inputs = load_inputs(f"covariance:{tmp_path}/{text}")
        factor = inputs.data.astype(float)
        assert (inputs.kind, inputs.shared) == ("correlated", text.endswith("shared"))
        assert factor @ factor.T == pytest.approx(matrix, abs=1e-6)
        assert str(inputs) == f"covariance:{tmp_path}/{text}"
        assert load_inputs(str(inputs)) == inputs
    np.save(tmp_path / "bad.npy", -matrix)
    np.save(tmp_path / "skew.npy", np.tril(matrix))
    np.save(tmp_path / "huge.npy", matrix * 1e300)
    np.save(tmp_path / "cube.npy", np.ones((4, 2, 2)))
    np.save(tmp_path / "nan.npy", np.full((2, 2), np.nan))
    for name, sentence in {
        "bad.npy": "is not positive semidefinite",
        "skew.npy": "is not symmetric",
        "huge.npy": "must be finite in float32",
        "cube.npy": "has shape (4, 2, 2); it must be square",
        "nan.npy": "holds nan at (0, 0)",
        "m.npz": "holds 2 arrays",
        "m.npz,array=other": "has shape (2, 3); it must be square",
        "m.npy,scale=2": "known here are array=NAME and shared",
        "m.npy,in-turn": "known here are array=NAME and shared",
        "m.npy,wide": "have the option 'wide'; known are",
        "none.npy": "cannot be read: No such file",
        "m.idx": "must end in .npy, .npz or .csv",
    }.items():
        assert sentence in refusal(f"covariance:{tmp_path}/{name}")


def test_commas_in_the_names_of_files(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("a,b.npy", TABLE)
    write("a,scale=2.npy", RAW)
    write("x.npy", TABLE)
    write("x.npy,shared.npy", RAW)
    assert load_inputs("a,b.npy,scale=2").data.shape == (7, 4)
    assert load_inputs("a,scale=2.npy").data.shape == (4, 3)
    assert load_inputs("a,scale=2.npy,shared,unit").shared
    assert load_inputs("x.npy,shared").data.shape == (7, 4)
    assert load_inputs("x.npy,shared.npy").data.shape == (4, 3)
    assert "a,c.npy cannot be read: No such file" in refusal("a,c.npy,scale=2")
    assert "inputs x.npy have the option 'wide'" in refusal("x.npy,wide")
    assert "inputs none.npy have the option 'wide'" in refusal("none.npy,wide")
    assert "x.npy have the option ''" in refusal("x.npy,")


@pytest.mark.parametrize("name", ["x.npy", "f.npy", "x.npz", "x.csv", "row.csv", "x.idx", "x.idx.gz", "d.idx"])
@pytest.mark.parametrize("steps", ["", ",standardise", ",standardise=all", ",unit", ",threshold=0.5,scale=2", ",row=1"])
def test_memory_stays_within_what_is_asked_for(tmp_path, monkeypatch, name, steps):
    """Whatever the format and the steps, at most what the reader has compared with the machine's memory, plus a constant."""
    table = np.random.default_rng(3).integers(0, 255, size=(500, 300)).astype(np.uint8)
    path = tmp_path / name
    if name.endswith("npz"):
        np.savez_compressed(path, table.astype(float))
    elif name.endswith("npy"):
        np.save(path, np.asfortranarray(table.astype(float)) if name[0] == "f" else table.astype(float))
    elif name.endswith("csv"):
        rows = table.reshape(2, -1) if name == "row.csv" else table
        path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    else:
        content = idx(table.astype(float) if name[0] == "d" else table)
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    asked = []
    for module in ("fanin.data.files", "fanin.data.tables"):
        monkeypatch.setattr(f"{module}.refuse_if_too_large", lambda name, needed: asked.append(needed))
    load_inputs(f"{path}{steps}")
    tracemalloc.start()
    try:
        load_inputs(f"{path}{steps}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < max(asked) + (1 << 19)
