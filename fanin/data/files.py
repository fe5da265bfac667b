"""Regular files, read in bounded memory: what every reader of input files builds on.

Only a regular file is opened, so that a pipe or a device cannot hang the program. What needs more than half of the machine's
memory is refused before it is allocated. Bytes arrive in pieces of CHUNK, so that a compressed file gives no more than was asked.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import stat
import zlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import MAX_ROWS

CHUNK = 1 << 16
MAX_COLUMNS = 1 << 31
MAX_DIMENSIONS = 64
BYTES_PER_VALUE = 24
"""What a value takes beyond its bytes in the file while it is prepared: float64, float32 and the sums of `standardise`."""
_UNKNOWN_MEMORY = 1 << 33  # of a system that does not tell: half of it, 4 GiB, is lent


class Stream(Protocol):
    """Bytes in order: a file, a member of an archive, or what a gzip file holds."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the beginning of the buffer and say how much; 0 at the end."""
        ...


@contextlib.contextmanager
def opened(name: str) -> Iterator[tuple[io.BufferedReader, int]]:
    """A regular file that is not empty, and its size in bytes; whatever the system refuses is a `SpecificationError`."""
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):
            raise SpecificationError(f"{name} is not a file")
        with open(name, "rb", opener=lambda path, flags: os.open(path, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):  # it was replaced in between
                raise SpecificationError(f"{name} is not a file")
            if status.st_size == 0:
                raise SpecificationError(f"{name} is empty; it must hold a table of numbers, one row per input vector")
            yield file, status.st_size
    except OSError as error:
        raise SpecificationError(f"{name} cannot be read: {error.strerror or error}") from None


def memory_lent() -> int:
    """Half of the machine's memory, in bytes."""
    known = hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names
    return (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else _UNKNOWN_MEMORY) // 2


def refuse_if_too_large(name: str, needed: int) -> None:
    """Refuse what needs more bytes than are lent."""
    if needed > (lent := memory_lent()):
        raise SpecificationError(
            f"{name} needs {needed / 2**30:.3g} GiB; this machine lends {lent / 2**30:.3g} GiB (half of its memory)"
        )


def refuse_shape(name: str, shape: tuple[int, ...], itemsize: int) -> None:
    """Refuse what is no table, or too large a one; each of its values takes `itemsize` bytes in the file."""
    if not 2 <= len(shape) <= MAX_DIMENSIONS or 0 in shape:
        shown = shape if len(shape) <= MAX_DIMENSIONS else f"{len(shape)} dimensions"
        raise SpecificationError(
            f"{name} has shape {shown}; it must have 2 dimension(s) or more (at most {MAX_DIMENSIONS}), one row per input vector, "
            "and not be empty"
        )
    rows, columns = shape[0], math.prod(shape[1:])
    if rows > MAX_ROWS or columns > MAX_COLUMNS:
        raise SpecificationError(
            f"{name} has shape {shape}; it must have at most {MAX_ROWS} rows and {MAX_COLUMNS} values in each of them"
        )
    refuse_if_too_large(name, rows * columns * (itemsize + BYTES_PER_VALUE))


def refuse_other_length(complaint: str, held: int, announced: int) -> None:
    """Refuse a file that holds more or fewer bytes of data than its header announces."""
    if held != announced:
        shown = f"{announced}" if announced < 1 << 64 else "far more"
        raise SpecificationError(f"{complaint}: it holds {held} bytes of data and its header announces {shown}")


def read_bytes(stream: Stream, size: int) -> np.ndarray:
    """The next `size` bytes, or as many as there are."""
    data, done = np.empty(size, np.uint8), 0
    while done < size:
        got = stream.readinto(data.data[done : done + CHUNK])
        if not got:
            break
        done += got
    return data[:done]


class Inflated(io.RawIOBase):
    """What one gzip stream (RFC 1952) holds; its check sum and length are compared at its end.

    `readinto` raises `zlib.error` for a damaged stream and `EOFError` for one that breaks off.
    """

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Inflate at most as much as the buffer takes; 0 at the end of the stream."""
        while not self._zlib.eof:
            packed = self._zlib.unconsumed_tail or self._file.read(CHUNK)
            if not packed:
                raise EOFError
            if piece := self._zlib.decompress(packed, len(buffer)):
                buffer[: len(piece)] = piece
                return len(piece)
        return 0

    def remainder(self) -> int:
        """Bytes of the file that follow the stream, as far as they are seen."""
        return len(self._zlib.unused_data) + len(self._file.read(CHUNK))
