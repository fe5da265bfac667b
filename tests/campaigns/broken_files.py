"""Files of all formats that `load_inputs` reads, whole and broken, from a seeded generator.

A whole file comes with the table that was written into it. A broken one is a whole one after some edits (bits, cuts, insertions,
numbers in its header), inside or outside its compression, or bytes made up after its magic number.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
from dataclasses import dataclass

import numpy as np

FORMATS = ("npy", "npz", "csv", "idx", "idx.gz")
IDX_CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
_SPECIAL = (0, 1, 2, 7, 255, 256, 65535, 1 << 16, 1 << 24, 1 << 31, (1 << 32) - 1, (1 << 63) - 1)
_LETTERS = "0123456789" * 3 + ",,,,\n\n\n..--++eE \t\r;x_naif\"'\x00\x0b\x0c\x1c\x85\u2028é٣１"

_NUMBERS = (b"0", b"1", b"9", b"-1", b"999999999999", b"1e3", b"nan", b"", b"2L", b"0x1", b"1_0")
_WORDS = ("'|O'", "'<c8'", "'<f16'", "[('a', '<f8')]", "True", "None", "()", "(3)", ",", "\n", "\n\n", "#", "1,", "é", "\\d")


@dataclass(frozen=True)
class File:
    """A file of a format, the options to read it with, and what was written into it: None once it is broken."""

    format: str
    data: bytes
    options: str = ""
    table: np.ndarray | None = None


def generate(rng: random.Random) -> File:
    """A file: whole, broken or made up."""
    kind, chance = rng.choice(FORMATS), rng.random()
    if chance < 0.1:
        return File(kind, _made_up(rng, kind))
    if chance < 0.15:
        return File(kind, _bomb(rng, kind))
    return _written(rng, kind, broken=chance > 0.4)


def _written(rng: random.Random, kind: str, broken: bool) -> File:
    outside = broken and (kind in ("npy", "csv", "idx") or rng.random() < 0.5)
    inside = broken and not outside
    table, options = _table(rng, kind), ""
    if kind == "csv":
        data = _csv(rng, table)
    elif kind == "npy":
        data = npy(rng, table)
    elif kind == "npz":
        data, options = _npz(rng, table, inside)
    else:
        data = idx(table)
        if kind == "idx.gz":
            data = _gzip(rng, _edited(rng, data) if inside else data)
    return File(kind, _edited(rng, data) if outside else data, options, None if broken else table)


def _table(rng: random.Random, kind: str) -> np.ndarray:
    shape = [rng.randint(1, 6) for _ in range(2 if kind == "csv" else rng.choice((2, 2, 2, 3, 4)))]
    if rng.random() < 0.005:
        shape = [rng.randint(1, 300), rng.randint(1, 300)]
    others = ["u2", "u4", "i8", "u8", "f2", "b1"] if kind in ("npy", "npz") else []
    names = ["f8"] if kind == "csv" else [*IDX_CODES, *others]
    numbers = np.random.default_rng(rng.getrandbits(32))
    drawn = numbers.normal(0.0, rng.choice((1.0, 40.0)), shape)
    with np.errstate(invalid="ignore", over="ignore"):
        table = drawn.astype(rng.choice(names))
    if table.dtype.kind == "f" and rng.random() < 0.15:
        special = (np.nan, np.inf, -np.inf, 1e-45, 6e4, *((1e39, 1e308) if table.dtype == "f8" else ()))
        table.flat[rng.randrange(table.size)] = rng.choice(special)
    return table


def npy(rng: random.Random, table: np.ndarray) -> bytes:
    """An .npy file as NumPy and others write it."""
    table = table.astype(table.dtype.newbyteorder(rng.choice("<>")))
    fortran = rng.random() < 0.3
    quote = rng.choice("''\"")
    sizes = rng.choice((", ", ",")).join(str(size) for size in table.shape)
    header = f"{{'descr': '{table.dtype.str}', 'fortran_order': {fortran}, 'shape': ({sizes}{rng.choice(('', ','))}), }}"
    version, width = rng.choice(((1, 2), (1, 2), (2, 4), (3, 4)))
    text = header.replace("'", quote).encode()
    text += b" " * (-(len(text) + 9 + width) % rng.choice((16, 64))) + b"\n"
    return b"\x93NUMPY" + bytes((version, 0)) + len(text).to_bytes(width, "little") + text + table.tobytes("F" if fortran else "C")


def idx(table: np.ndarray) -> bytes:
    """An IDX file."""
    header = struct.pack(f">BBBB{table.ndim}I", 0, 0, IDX_CODES[table.dtype.str[1:]], table.ndim, *table.shape)
    return header + table.astype(table.dtype.newbyteorder(">")).tobytes()


def _csv(rng: random.Random, table: np.ndarray) -> bytes:
    form, comma = rng.choice((repr, repr, "{:g}".format)), rng.choice((",", ",", ", ", " , "))
    end = rng.choice(("\n", "\n", "\r\n"))
    written = [[form(float(value)) for value in row] for row in table]
    table[:] = [[float(word) for word in row] for row in written]
    text = end.join(comma.join(row) for row in written) + rng.choice(("", end, end + end + " " + end))
    return rng.choice((b"", b"", b"\xef\xbb\xbf")) + text.encode()


def _npz(rng: random.Random, table: np.ndarray, inside: bool) -> tuple[bytes, str]:
    keys = ["arr_0", "images", "x_y"][: rng.choice((1, 1, 2, 3))]
    chosen, buffer = rng.choice(keys), io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    if inside and rng.random() < 0.1:
        method = rng.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for key in keys:
            member = npy(rng, table if key == chosen else _table(rng, "npy"))
            with archive.open(f"{key}.npy", "w", force_zip64=rng.random() < 0.5) as file:
                file.write(_edited(rng, member) if inside and key == chosen and rng.random() < 0.7 else member)
    data = bytearray(buffer.getvalue())
    if inside and rng.random() < 0.5:  # a lie in the directory
        at = data.rfind(b"PK\x01\x02") + rng.choice((8, 10, 16, 20, 24, 28, 30, 32, 42))
        data[at : at + 4] = struct.pack("<I", rng.choice(_SPECIAL) & 0xFFFFFFFF)
    return bytes(data), f",array={chosen}" if len(keys) > 1 or rng.random() < 0.3 else ""


def _gzip(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.5:
        return gzip.compress(data, rng.randint(0, 9), mtime=0)
    buffer = io.BytesIO()
    with gzip.GzipFile("a name", "wb", fileobj=buffer, mtime=0) as file:
        file.write(data)
    return buffer.getvalue()


def _edited(rng: random.Random, data: bytes) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        place = rng.randrange(len(data) + 1) if rng.random() < 0.5 else rng.randrange(min(len(data), 80) + 1)
        kind, end = rng.randrange(9), min(len(data), place + rng.choice((1, 2, 4, 8, 40)))
        if kind == 0 and data:
            place = min(place, len(data) - 1)
            data = data[:place] + bytes((data[place] ^ 1 << rng.randrange(8),)) + data[place + 1 :]
        elif kind == 1:
            data = data[:place]
        elif kind == 2:
            data = data[:place] + rng.randbytes(rng.choice((1, 1, 2, 8))) + data[place:]
        elif kind == 3:
            data = data[:place] + data[end:]
        elif kind == 4:
            data = data[:end] + data[place:]
        elif kind == 5:
            value, form = rng.choice(_SPECIAL), rng.choice((">I", "<I", "<H", "<Q", ">H"))
            packed = struct.pack(form, value & ((1 << 8 * struct.calcsize(form)) - 1))
            data = data[:place] + packed + data[place + len(packed) :]
        elif kind == 6:
            data = data + rng.choice((b"\0", b"\n", data[:30], rng.randbytes(3)))
        elif kind == 7:
            digits = [at for at, byte in enumerate(data[:200]) if 48 <= byte <= 57] or [0]
            at = rng.choice(digits)
            data = data[:at] + rng.choice(_NUMBERS) + data[at + 1 :]
        else:
            data = data[:place] + rng.choice(_WORDS).encode() + data[place:]
    return data


def _made_up(rng: random.Random, kind: str) -> bytes:
    if kind == "csv":
        return "".join(rng.choice(_LETTERS) for _ in range(rng.randint(0, 30))).encode()
    magic = {"npy": b"\x93NUMPY\x01\0", "npz": b"PK\x03\x04", "idx": b"\0\0\x08\x02", "idx.gz": b"\x1f\x8b\x08\0"}[kind]
    return magic[: rng.randint(0, len(magic))] + rng.randbytes(rng.choice((0, 1, 7, 30, 200)))


def _bomb(rng: random.Random, kind: str) -> bytes:
    """Headers that announce much, with much or little behind them."""
    rows, columns = rng.choice((3, 500, 1 << 20)), rng.choice((2, 300, 4096))
    held = min(rows * columns, rng.choice((0, 10, 1 << 20)))
    if kind == "csv":
        piece = rng.choice((b"0,", b"0\n", b"\0", b",", b"\n", b"9", "é".encode()))
        return piece * min(held, rng.choice((1 << 8, 1 << 8, 1 << 12, 1 << 16)))
    header = struct.pack(">BBBBII", 0, 0, 8, 2, rows, columns)
    if kind == "idx":
        return header + bytes(min(held, 1 << 16))
    if kind == "idx.gz":
        return gzip.compress(header + bytes(held), mtime=0)
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, {columns}), }}\n".encode()
    whole = b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text
    if kind == "npy":
        return whole + bytes(min(held, 1 << 16))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", whole + bytes(held))
    data = bytearray(buffer.getvalue())
    if rng.random() < 0.5:  # the directory announces what the header does
        at = data.rfind(b"PK\x01\x02") + 24
        data[at : at + 4] = struct.pack("<I", (len(whole) + rows * columns) & 0xFFFFFFFF)
    return bytes(data)
