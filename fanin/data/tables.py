"""Tables of numbers in .npy, .npz and .csv files: read whole as their headers announce, or refused; no pickle, no evaluation.

The formats: NumPy Enhancement Proposal 1 for .npy (headers of versions 1 to 3), zip archives of .npy files, stored or deflated, for
.npz; lines of numbers separated by commas for .csv (RFC 4180 without quotes and without a header line).
"""

from __future__ import annotations

import codecs
import itertools
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BufferedReader

import numpy as np

from fanin.data.files import CHUNK, Stream, read_bytes, refuse_if_too_large, refuse_other_length, refuse_shape
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import MAX_ROWS

MAX_HEADER = 10_000
MAX_DIRECTORY = 1 << 20
MAX_LINE = 1 << 26
_ENTRY = re.compile(
    r"""\s*(?P<quote>['"])(?P<key>\w{1,20})(?P=quote)\s*:\s*
    (?: (?P<mark>['"])(?P<text>[^'"\\]*)(?P=mark) | (?P<truth>True|False)
      | \(\s*(?P<sizes>(?:(?:0|[1-9]\d{0,18})L?\s*,\s*)*(?:(?:0|[1-9]\d{0,18})L?\s*)?)\) )\s*(?:,|\Z)""",
    re.VERBOSE | re.ASCII,
)


def read_npy(stream: Stream, size: int, name: str) -> np.ndarray:
    """The array in an .npy file of `size` bytes."""
    complaint = f"{name} is not a whole .npy file of numbers"
    magic = bytes(read_bytes(stream, 8))
    if len(magic) < 8 or magic[:6] != b"\x93NUMPY" or magic[6] not in (1, 2, 3) or magic[7] != 0:
        raise SpecificationError(f"{complaint}: it does not begin as one, with \\x93NUMPY and a version from 1.0 to 3.0")
    width = 2 if magic[6] == 1 else 4
    length = int.from_bytes(bytes(read_bytes(stream, width)), "little")
    if length > MAX_HEADER:
        raise SpecificationError(f"{complaint}: its header is said to have {length} bytes, more than {MAX_HEADER}")
    header = bytes(read_bytes(stream, length))
    entries = _entries(header) if len(header) == length else None
    if entries is None:
        raise SpecificationError(f"{complaint}: its header is not the description of one array")
    described, fortran, shape = entries
    dtype = _numeric(described)
    if dtype is None:
        if re.fullmatch(r"[<>|=]?[cSUa]\d+", described):
            raise SpecificationError(f"{name} must hold real numbers, not elements of the type {described!r}")
        raise SpecificationError(f"{complaint}: its elements are of the type {described[:40]!r}")
    announced = math.prod(shape) * dtype.itemsize
    refuse_other_length(complaint, size - 8 - width - length, announced)
    refuse_shape(name, shape, dtype.itemsize)
    data = read_bytes(stream, announced)
    refuse_other_length(complaint, len(data), announced)
    if dtype.kind == "b" and data.max() > 1:
        raise SpecificationError(f"{complaint}: its truth values hold the byte {data.max()}; they must be 0 or 1")
    return data.view(dtype).reshape(shape, order="F" if fortran else "C")


def _entries(header: bytes) -> tuple[str, bool, tuple[int, ...]] | None:
    """Type, order and shape from the text of a header, which is a Python dictionary of exactly these three."""
    text = header.decode("latin-1").strip(" \t\n\x0c")
    if len(text) < 2 or text[0] != "{" or text[-1] != "}":
        return None
    text, at, found = text[1:-1].rstrip(), 0, {}
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry is None or entry["key"] in found:
            return None
        found[entry["key"]] = entry
        at = entry.end()
    if set(found) != {"descr", "fortran_order", "shape"}:
        return None
    described, truth, sizes = found["descr"]["text"], found["fortran_order"]["truth"], found["shape"]["sizes"]
    if described is None or truth is None or sizes is None or (sizes.strip() and "," not in sizes):
        return None
    return described, truth == "True", tuple(int(size) for size in re.findall(r"\d+", sizes))


def _numeric(described: str) -> np.dtype | None:
    if re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f(2|4|8|12|16))|\?", described) is None:
        return None
    try:
        return np.dtype(described)
    except TypeError:  # a long double of another machine
        return None


class _ShortReads:
    """A file for `zipfile`, which would otherwise read a directory of any size at once."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory takes more than {MAX_DIRECTORY} bytes")
        return self._file.read(MAX_DIRECTORY if size < 0 else size)


def read_npz(file: BufferedReader, size: int, name: str, array: str) -> np.ndarray:
    """The array with the given name in an .npz archive, or its only one."""
    try:
        with zipfile.ZipFile(_ShortReads(file)) as archive:  # type: ignore[arg-type]
            _refuse_surroundings(file, size, len(archive.comment))
            member = _member(archive, name, array)
            with archive.open(member) as stream:
                table = read_npy(stream, member.file_size, f"{name}, array {_key(member)}," if array else name)  # type: ignore[arg-type]
                if stream.read(1):
                    raise zipfile.BadZipFile("a member is longer than its directory says")
                return table
    except SpecificationError:
        raise
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:120] or "it breaks off"
        raise SpecificationError(f"{name} is not a whole .npz archive: {reason}") from None


def _refuse_surroundings(file: BufferedReader, size: int, comment: int) -> None:
    """Refuse bytes before the first member and after the directory's end."""
    for place, signature in ((0, b"PK\x03\x04"), (max(size - 22 - comment, 0), b"PK\x05\x06")):
        file.seek(place)
        if file.read(4) != signature:
            raise zipfile.BadZipFile("something stands before its first member or after its end")


def _key(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _member(archive: zipfile.ZipFile, name: str, array: str) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
    keys = [_key(member) for member in members]
    shown = ", ".join(key if key.isprintable() else repr(key) for key in keys[:20])
    shown += f" and {len(keys) - 20} more" if len(keys) > 20 else ""
    if not members:
        raise SpecificationError(f"{name} holds no array; it must hold at least one member that ends in .npy")
    if not array and len(members) > 1:
        raise SpecificationError(f"{name} holds {len(keys)} arrays; add ,array=NAME with one of {shown[:2000]}")
    wanted = array or keys[0]
    if keys.count(wanted) != 1:
        found = "no array" if wanted not in keys else f"{keys.count(wanted)} arrays"
        raise SpecificationError(f"{name} holds {found} of the name {wanted!r}; it holds {shown[:2000]}")
    member = members[keys.index(wanted)]
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
        raise zipfile.BadZipFile("a member is encrypted or compressed by another method than deflate")
    return member


def read_csv(file: BufferedReader, size: int, name: str) -> np.ndarray:
    """The table in lines of numbers separated by commas, all with as many; blank lines may stand only at the end."""
    try:
        _count(file, size, name)
        file.seek(0)
        lines = _lines(file, size, name)
        first = next(lines, None)
        if first is None:
            raise SpecificationError(f"{name} has blank lines only; it must have 2 dimension(s) and not be empty")
        return np.loadtxt(itertools.chain([first], lines), delimiter=",", ndmin=2, comments=None)
    except UnicodeDecodeError:
        raise SpecificationError(f"{name} is not a text file in UTF-8; a .csv file must hold numbers separated by commas") from None
    except SpecificationError:
        raise
    except ValueError as error:
        reason = " ".join(str(error).split(";")[0].split()).rstrip(".")
        shown = reason if len(reason) <= 160 else f"{reason[:100]}...{reason[-50:]}"
        raise SpecificationError(f"{name} is not a table of numbers separated by commas: {shown}") from None


def _count(file: BufferedReader, size: int, name: str) -> None:
    """Refuse what is not text, or would become too large a table, before any of it is kept."""
    refuse_if_too_large(name, size)
    commas, rows, line, fixed = 0, 1, 0, 12 * min(size, MAX_LINE)
    decoder = codecs.getincrementaldecoder("utf-8")()
    while piece := file.read(CHUNK):
        decoder.decode(piece)
        commas, rows = commas + piece.count(b","), rows + piece.count(b"\n")
        if rows > MAX_ROWS:
            raise SpecificationError(f"{name} has more than {MAX_ROWS} lines; a .csv file must hold one row per input vector")
        end = piece.rfind(b"\n")
        line = len(piece) - 1 - end if end >= 0 else line + len(piece)
        _refuse_long_line(name, line)
        refuse_if_too_large(name, 32 * (commas + rows) + fixed)
    decoder.decode(b"", final=True)


def _refuse_long_line(name: str, length: int) -> None:
    if length > MAX_LINE:
        raise SpecificationError(f"{name} has a line of more than {MAX_LINE} bytes; a .csv file must hold one row per input vector")


def _lines(file: BufferedReader, size: int, name: str) -> Iterator[str]:
    blank, number, done = 0, 0, 0
    while line := file.readline(MAX_LINE + 1):
        number, done = number + 1, done + len(line)
        _refuse_long_line(name, len(line))
        if done > size:
            raise SpecificationError(f"{name} grew while it was read; it must stay as it is")
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        if not text.strip():
            blank = blank or number
        elif blank:
            raise SpecificationError(f"{name} has a blank line, number {blank}; blank lines may stand only at the end")
        else:
            yield text.rstrip()
