"""Files of all formats, whole and broken, against slow, obvious readings of them.

`load_inputs` either gives what the reading gives, in float32, or raises a `SpecificationError` of one line: no other exception, no
warning, at most CPU_SECONDS a file, and no more memory than is lent plus FIXED_MEMORY. Of .csv and IDX files exactly those are
accepted that the reading accepts; .npy and .npz readers may be stricter than NumPy, but accept every whole file.
"""

from __future__ import annotations

import collections
import csv
import gzip
import io
import os
import random
import re
import struct
import tempfile
import time
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path
from unittest import mock

import numpy as np

from fanin import SpecificationError, load_inputs
from tests.campaigns.broken_files import FORMATS, IDX_CODES, File, generate

LENT = 2 << 20
FIXED_MEMORY = 1 << 20
CPU_SECONDS = 2.0
_MEMORY = "/dev/shm"  # a folder in memory, where the system has one: the disk is what takes the time
STEPS = ("", "", "", ",in-turn", ",shared", ",row=0", ",scale=0.5", ",standardise", ",standardise=all", ",unit", ",threshold=0.5")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def read_csv(data: bytes) -> np.ndarray | None:
    """The table in the bytes of a .csv file, by Python's own csv reader; None if there is none."""
    try:
        lines = data.decode("utf-8-sig").rstrip().split("\n")
        cells = [[cell.strip() for cell in row] for row in csv.reader(lines, quoting=csv.QUOTE_NONE)]
    except (UnicodeDecodeError, csv.Error):
        return None
    if any(not line.strip() or "\r" in line.rstrip() for line in lines):
        return None
    if len({len(row) for row in cells}) != 1 or not all(_NUMBER.fullmatch(cell) for row in cells for cell in row):
        return None
    return np.array([[float(cell) for cell in row] for row in cells])


def read_idx(data: bytes) -> np.ndarray | None:
    """The array in the bytes of an IDX file; None if there is none."""
    types = {code: name for name, code in IDX_CODES.items()}
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in types or len(data) < 4 + 4 * data[3]:
        return None
    shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    count, name = 1, types[data[2]]
    for size in shape:
        count *= size
    if len(data) != 4 + 4 * data[3] + count * int(name[1]) or len(shape) > 64 or count == 0:
        return None
    letter = {"u1": "B", "i1": "b", "i2": "h", "i4": "i", "f4": "f", "f8": "d"}[name]
    return np.array(struct.unpack(f">{count}{letter}", data[4 + 4 * data[3] :]), name).reshape(shape)


def read_gzip(data: bytes) -> bytes | None:
    """What one gzip stream holds; None if the data are anything else."""
    try:
        whole, stream = gzip.decompress(data), zlib.decompressobj(wbits=31)
        stream.decompress(data)
    except (OSError, EOFError, zlib.error, struct.error):
        return None
    return None if stream.unused_data or not stream.eof else whole


def read_numpy(data: bytes, array: str) -> np.ndarray | None:
    """What NumPy reads from the bytes of an .npy or .npz file; None if it reads no array of numbers, or not to the end."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not data.startswith(b"PK"):
                buffer = io.BytesIO(data)
                read = np.lib.format.read_array(buffer, allow_pickle=False)
                return read if buffer.tell() == len(data) and read.dtype.kind in "biuf" else None
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                names = [name for name in archive.namelist() if name.endswith(".npy")]
                return read_numpy(archive.read(f"{array}.npy" if array else names[0]), "")
    except Exception:  # whatever NumPy says of a broken file
        return None


def expected(file: File, changed: bool) -> np.ndarray | None:
    """The table that may be read, of two dimensions; None if the file must be refused.

    Its values must be finite, and in float32 unless they are `changed` afterwards.
    """
    if file.format == "csv":
        read = read_csv(file.data)
    elif file.format.startswith("idx"):
        plain = read_gzip(file.data) if file.data[:2] == b"\x1f\x8b" else file.data
        read = None if plain is None else read_idx(plain)
    else:
        read = read_numpy(file.data, file.options.removeprefix(",array="))
    if read is None or read.ndim < 2 or read.size == 0:
        return None
    with np.errstate(all="ignore"):
        table = read.reshape(len(read), -1).astype(np.float64 if changed else np.float32)
    return table if np.isfinite(table).all() else None


def check(file: File, path: Path, steps: str = "") -> str:
    """ "accepted" or "refused"; an AssertionError where the reader does anything else."""
    path.unlink(missing_ok=True)  # faster than to write over it
    path.write_bytes(file.data)
    tracemalloc.reset_peak()
    start, before = time.process_time(), tracemalloc.get_traced_memory()[0]
    sentence = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            inputs = load_inputs(f"{path}{file.options}{steps}")
    except SpecificationError as error:
        sentence = str(error)
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__}: {error}") from error
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1] - before
    assert seconds < CPU_SECONDS, f"{seconds:.1f} s"
    assert peak < LENT + FIXED_MEMORY, f"{peak} bytes"
    changed = steps not in ("", ",in-turn", ",shared", ",row=0")
    table = expected(file, changed)
    if sentence is not None:
        assert sentence.isprintable(), sentence
        assert len(sentence) < 4000, sentence
        assert str(path) in sentence, sentence
        must = file.table is not None or file.format in ("csv", "idx", "idx.gz")
        excused = "this machine lends" in sentence or changed
        assert table is None or not must or excused, f"refused, though whole: {sentence}"
        return "refused"
    assert inputs.data is not None
    assert table is not None, "accepted, though broken"
    assert inputs.data.dtype == np.float32
    assert np.isfinite(inputs.data).all()
    if steps == ",row=0":
        table = table[0]
    assert inputs.data.shape == table.shape
    if not changed:
        assert np.array_equal(inputs.data, table), "read otherwise"
    assert str(inputs) == f"{path}{file.options}{steps}"
    return "accepted"


def fuzz(count: int, seed: int = 1) -> collections.Counter[tuple[str, str]]:
    """How many of `count` files of each format were accepted and refused."""
    rng, found = random.Random(seed), collections.Counter[tuple[str, str]]()
    tracemalloc.start()
    try:
        folder_of_all = _MEMORY if os.path.isdir(_MEMORY) else None
        with (
            tempfile.TemporaryDirectory(dir=folder_of_all) as folder,
            mock.patch("fanin.data.files.memory_lent", return_value=LENT),
        ):
            for index in range(count):
                file, steps = generate(rng), rng.choice(STEPS)
                path = Path(folder) / f"x.{file.format}"
                try:
                    found[file.format, check(file, path, steps)] += 1
                except AssertionError as error:
                    shown = file.data if len(file.data) < 2000 else file.data[:2000] + b"..."
                    raise AssertionError(f"file {index} ({file.format}{file.options}{steps}) {error}: {shown!r}") from error
    finally:
        tracemalloc.stop()
    return found


def fuzz_readers(count: int = 100_000) -> str:
    """One line: how many generated files of each format were accepted and refused."""
    found = fuzz(count)
    words = [f"{kind} {found[kind, 'accepted']:,} read, {found[kind, 'refused']:,} refused" for kind in FORMATS]
    return f"{sum(found.values()):,} files: {'; '.join(words)}"
