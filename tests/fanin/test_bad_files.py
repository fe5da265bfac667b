"""Files that are broken, malicious or no files, and options without sense: refused in one sentence, soon and in little memory."""

import gzip
import io
import os
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import fanin
from fanin import data, load_inputs
from tests.campaigns.broken_files import idx
from tests.input_files import IMAGES, TABLE, refusal


def zipped(members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def announced(*shape, code=8):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


def _header(text):
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text


_NPY = saved(TABLE)
_NPZ = zipped({"a.npy": _NPY, "b.npy": _NPY})
_GZ = gzip.compress(idx(IMAGES), mtime=0)
FILES = {
    "trailing.npy": (_NPY + b"\0", "it holds 225 bytes of data and its header announces 224"),
    "short.npy": (_NPY[:-1], "it holds 223 bytes of data and its header announces 224"),
    "header.npy": (_NPY[:40], "its header is not the description of one array"),
    "version.npy": (_NPY.replace(b"NUMPY\x01", b"NUMPY\x04"), "a version from 1.0 to 3.0"),
    "long.npy": (b"\x93NUMPY\x02\0\xff\xff\xff\xff", "its header is said to have 4294967295 bytes"),
    "object.npy": (saved(np.array([[{}]], dtype=object)), "its elements are of the type '|O'"),
    "record.npy": (saved(np.zeros((2, 2), "f4,f4")), "its header is not the description of one array"),
    "time.npy": (saved(np.zeros((2, 2), "M8[s]")), "its elements are of the type"),
    "complex.npy": (saved(np.zeros((2, 2), complex)), "must hold real numbers"),
    "text.npy": (saved(np.array([["a"]])), "must hold real numbers"),
    "bool.npy": (saved(np.ones((2, 2), bool))[:-1] + b"\x05", "its truth values hold the byte 5"),
    "flat.npy": (saved(np.ones(4)), "has shape (4,); it must have 2 dimension(s)"),
    "none.npy": (saved(np.ones((0, 4))), "and not be empty"),
    "code.npy": (_NPY.replace(b"(7, 4), ", b"[].x(),"), "is not the description of one array"),
    "deep.npy": (_header(b"{'shape': " + b"(" * 8990), "is not the description of one array"),
    "key.npy": (_header(b"{'descr': '|u1', 'descr': '|u1', 'shape': (1, 1), }"), "is not the description of one array"),
    "single.npy": (_header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (1)}") + b"1", "is not the description"),
    "many.npy": (
        _header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (" + b"999999999999," * 400 + b")}"),
        "far more",
    ),
    "several.npz": (_NPZ, "holds 2 arrays; add ,array=NAME with one of a, b"),
    "several.npz,array=c": (_NPZ, "holds no array of the name 'c'; it holds a, b"),
    "twice.npz,array=a": (_NPZ.replace(b"b.npy", b"a.npy"), "holds 2 arrays of the name 'a'"),
    "empty.npz": (zipped({}), "is not a whole .npz archive"),
    "other.npz": (zipped({"read.me": b"1"}), "holds no array"),
    "broken.npz": (_NPZ[:-30], "is not a whole .npz archive"),
    "before.npz": (b"#!" + _NPZ, "something stands before its first member"),
    "after.npz": (_NPZ + b"\0", "after its end"),
    "flip.npz,array=a": (_NPZ[:120] + bytes([_NPZ[120] ^ 1]) + _NPZ[121:], "is not a whole .npz archive"),
    "bzip.npz": (zipped({"a.npy": _NPY}, zipfile.ZIP_BZIP2), "another method than deflate"),
    "lock.npz": (zipped({"a.npy": _NPY}).replace(b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\x01\0"), "encrypted"),
    "pickle.npz": (zipped({"a.npy": saved(np.array([[{}]], dtype=object))}), "is not a whole .npy file of numbers"),
    "directory.npz": (zipped({f"{i}{'x' * 900}.npy": b"" for i in range(1200)}), "its directory takes more than"),
    "names.npz": (zipped({f"array_{i}.npy": _NPY for i in range(50)}), "array_19 and 30 more"),
    "empty.csv": (b"", "is empty"),
    "blank.csv": (b" \n\n", "has blank lines only"),
    "gap.csv": (b"1\n\n2\n", "has a blank line, number 2"),
    "ragged.csv": (b"1,2\n3\n", "the number of columns changed from 2 to 1"),
    "hole.csv": (b"1,,2\n", "could not convert string ''"),
    "point.csv": (b"1;2\n", "is not a table of numbers separated by commas: could not convert string '1"),
    "long.csv": (b"x" * 100_000, "xxx to float64 at row 0, column 1"),
    "nul.csv": (b"1,2\0\n", "could not convert string '2\\x00'"),
    "mac.csv": (b"1,2\r3,4\r", "is not a table of numbers"),
    "utf16.csv": ("1,2\n".encode("utf-16"), "is not a text file in UTF-8"),
    "labels-idx1-ubyte": (announced(4) + b"1234", "has one dimension, as labels have"),
    "scalar.idx": (b"\0\0\x08\0\1", "has shape (); it must have 2"),
    "magic.idx": (b"\x89PNG\r\n", "it begins with the bytes 89 50 4e 47, which must be 00 00, a type (08, 09, 0b"),
    "type.idx": (b"\0\0\x0a\2" + bytes(8), "it begins with the bytes 00 00 0a 02"),
    "stub.idx": (b"\0\0", "it begins with the bytes 00 00,"),
    "header.idx": (announced(3, 2)[:-1], "it ends within its header"),
    "short.idx": (announced(3, 2) + b"12345", "it holds 5 bytes of data and its header announces 6"),
    "trailing.idx": (announced(3, 2) + b"1234567", "it holds 7 bytes of data and its header announces 6"),
    "empty.idx": (announced(0, 2), "and not be empty"),
    "absurd.idx": (announced(*[(1 << 32) - 1] * 255), "its header announces far more"),
    "nan.idx": (idx(np.array([[np.nan, 1.0]])), "holds nan at (0, 0)"),
    "short.idx.gz": (_GZ[:-12], "breaks off within its gzip stream"),
    "sum.idx.gz": (_GZ[:-8] + bytes(4) + _GZ[-4:], "is not a whole gzip file: incorrect data check"),
    "trailing.idx.gz": (_GZ + b"\0", "has bytes after the end of its gzip stream"),
    "twice.idx.gz": (_GZ + _GZ, "has bytes after the end of its gzip stream"),
    "inside.idx.gz": (gzip.compress(announced(3, 2) + b"12345"), "it holds 5 bytes of data and its header announces 6"),
    "over.idx.gz": (gzip.compress(announced(3, 2) + b"1234567"), "it goes on after the 6 bytes"),
    "absurd.idx.gz": (gzip.compress(announced(*[(1 << 32) - 1] * 60)), "it must have at most 16777216 rows"),
    "deep.idx.gz": (gzip.compress(announced(*[1] * 255) + b"1"), "has shape 255 dimensions"),
    "large.idx.gz": (gzip.compress(announced(1 << 24, 1 << 20)), "GiB; this machine lends"),
    "bomb.npz": (zipped({"a.npy": _NPY.replace(b"(7, 4), }   ", b"(7, 99999)}")}), "is not a whole .npy file"),
    "a.npy.gz": (gzip.compress(_NPY), "is not a file of inputs; its name must end in .npy, .npz, .csv, .idx or -ubyte"),
    "b.txt": (b"1,2\n", "is not a file of inputs"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files_are_refused_in_a_sentence(write, name):
    content, sentence = FILES[name]
    path, _, options = name.partition(",")
    assert sentence in refusal(f"{write(path, content)},{options}".rstrip(","))


@pytest.mark.parametrize(
    ("piece", "count", "sentence"),
    [(b"\n", 1 << 24, "has more than 16777216 lines"), (b"\0", (1 << 26) + 1, "has a line of more than 67108864 bytes")],
)
def test_endless_text_is_refused(write, piece, count, sentence):
    assert sentence in refusal(write("x.csv", piece * count))


def test_only_regular_files_are_opened(tmp_path):
    (tmp_path / "folder.npy").mkdir()
    assert "is not a file" in refusal(tmp_path / "folder.npy")
    os.mkfifo(tmp_path / "pipe.csv")
    assert "is not a file" in refusal(tmp_path / "pipe.csv")
    for target, name in (("/dev/zero", "zero.npy"), ("/dev/stdin", "in.csv")):
        (tmp_path / name).symlink_to(target)
        assert re.search("is not a file|is empty|cannot be read", refusal(tmp_path / name))
    (tmp_path / "gone.idx").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.npz").symlink_to(tmp_path / "self.npz")
    for name in ("gone.idx", "self.npz", "none.csv", f"{'n' * 300}.npy", "x.npy/y.npy"):
        (tmp_path / "x.npy").touch()
        assert "cannot be read" in refusal(tmp_path / name)
    (tmp_path / "linked.npy").symlink_to(tmp_path / "whole.npy")
    np.save(tmp_path / "whole.npy", TABLE)
    assert load_inputs(str(tmp_path / "linked.npy")).data.shape == (7, 4)


def test_absurd_descriptions_are_refused_soon(tmp_path):
    with pytest.raises(fanin.SpecificationError, match="described by a text, not by PosixPath; a path is given as str"):
        load_inputs(tmp_path / "x.npy")
    for text in ("," * 100_000, "x.npy" + ",shared" * 50_000, ",".join(["x.npy"] * 50_000), "é" * 100_000 + ".csv"):
        with pytest.raises(fanin.SpecificationError):
            load_inputs(text)


def test_lack_of_memory_is_a_sentence(write, monkeypatch):
    def exhausted(*_arguments):
        raise MemoryError

    monkeypatch.setattr(data, "read_npy", exhausted)
    assert "needs more memory than this process may have" in refusal(write("x.npy", TABLE))


def test_bombs_are_refused_before_they_are_inflated(write, monkeypatch):
    """64 MiB of zeros in 64 kB, announced as such, where 16 MiB are lent."""
    monkeypatch.setattr("fanin.data.files.memory_lent", lambda: 1 << 24)
    zeros = bytes(1 << 26)
    header = _header(b"{'descr': '|u1', 'fortran_order': False, 'shape': (8192, 8192)}")
    packed = write("x.idx.gz", gzip.compress(announced(8192, 8192) + zeros)), write("x.npz", zipped({"a.npy": header + zeros}))
    for path in packed:
        tracemalloc.start()
        try:
            assert "needs 1.56 GiB; this machine lends 0.0156 GiB" in refusal(path)
            assert tracemalloc.get_traced_memory()[1] < 1 << 21
        finally:
            tracemalloc.stop()


OPTIONS = {
    "shared,in-turn": "have the options shared and in-turn, which contradict each other",
    "row=1,shared": "have the options shared and row",
    "in-turn,row=1": "have the options in-turn and row",
    "scale=1,scale=2": "have the option scale twice",
    "standardise,standardise=all": "have the option standardise twice",
    "shared,shared": "have the option shared twice",
    "row=7": "has 7 rows; row=7 must be from 0 to 6",
    "row=-1": "row=-1; it must be a whole number from 0",
    "row=": "it must be a whole number from 0",
    "row=1.5": "it must be a whole number from 0",
    "row": "have the option 'row'; known are scale=F",
    "scale=0": "the scale of",
    "scale=nan": "it must be a finite number other than 0",
    "scale=two": "is 'two'; it must be a finite number other than 0",
    "threshold=inf": "it must be a finite number",
    "threshold": "have the option 'threshold'; known are",
    "unit=3": "have the option 'unit=3'",
    "standardise=rows": "have the option 'standardise=rows'",
    "standardize": "known are scale=F, standardise",
    "shared=yes": "have the option 'shared=yes'",
    "array=x": "only an .npz archive holds arrays by name",
    "array=": "write the name of an array after it",
    "scale=1e308": "must be finite in float32",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_options_that_make_no_sense_are_refused(write, options):
    path = write("x.npy", TABLE)
    assert OPTIONS[options] in refusal(f"{path},{options}")
    assert options.startswith(("array=x", "scale=1e308", "row=7")) or OPTIONS[options] in refusal(f"digits,{options}")


def test_tables_that_cannot_be_prepared_are_refused(write):
    same = write("same.npy", np.full((3, 2), 7.0))
    assert "holds the value 7 only; unit needs" in refusal(f"{same},unit")
    assert "holds the value 7 only; standardise=all needs" in refusal(f"{same},standardise=all")
    assert "has no column with two different values" in refusal(f"{same},standardise")
    assert "has no column with two different values" in refusal(f"{write('one.npy', TABLE[:1])},standardise")
    large = write("large.npy", np.array([[1e305, 0.0], [1.0, 2.0]]))
    assert "too large for standardise; scale them first" in refusal(f"{large},standardise")
    assert load_inputs(f"{large},threshold=5").data.tolist() == [[1, 0], [0, 0]]
    assert "holds nan at (1, 0)" in refusal(f"{write('nan.npy', np.array([[1.0], [np.nan]]))},threshold=1")
    assert "must be printable" in refusal("a\nb.npy")
    assert "must be printable" in refusal("a\udc80.npy")
    assert "must be printable" in refusal("a\0.npy")
