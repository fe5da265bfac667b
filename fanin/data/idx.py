"""The IDX format of the MNIST files, plain or in one gzip stream.

Two zero bytes, a type, the number of dimensions, the sizes as 32-bit integers, then the values in C order, all big-endian
(Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, "File formats"). The header says how many bytes
follow: exactly those are read, and a file with fewer or more is refused.
"""

from __future__ import annotations

import math
import re
import zlib
from io import BufferedReader

import numpy as np

from fanin.data.files import Inflated, Stream, read_bytes, refuse_other_length, refuse_shape
from fanin.engine.errors import SpecificationError

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""NumPy's name of each type code."""
NAMES = re.compile(r".*(\.idx|[.-]idx\d+(-\w+)?|-ubyte)(\.gz)?", re.IGNORECASE)
"""The usual endings: train-images-idx3-ubyte, train-images.idx3-ubyte, x.idx, each also with .gz."""


def read_idx(file: BufferedReader, size: int, name: str) -> np.ndarray:
    """The table in an IDX file of `size` bytes; whether it is gzipped is seen from its first two bytes."""
    if file.read(2) != b"\x1f\x8b":
        file.seek(0)
        return _read(file, size, name)
    file.seek(0)
    inflated = Inflated(file)
    try:
        table = _read(inflated, None, name)
    except EOFError:
        raise SpecificationError(f"{name} breaks off within its gzip stream; it is truncated") from None
    except zlib.error as error:
        reason = str(error).partition(": ")[2] or "damaged data"
        raise SpecificationError(f"{name} is not a whole gzip file: {reason}") from None
    if inflated.remainder():
        raise SpecificationError(f"{name} has bytes after the end of its gzip stream; nothing may follow it")
    return table


def _read(stream: Stream, size: int | None, name: str) -> np.ndarray:
    magic = read_bytes(stream, 4)
    if len(magic) < 4 or magic[:2].any() or int(magic[2]) not in TYPES:
        raise SpecificationError(
            f"{name} is not an IDX file: it begins with the bytes {bytes(magic).hex(' ')}, which must be 00 00, a type "
            f"({', '.join(f'{code:02x}' for code in TYPES)}) and the number of dimensions"
        )
    dtype, dimensions = np.dtype(TYPES[int(magic[2])]), int(magic[3])
    if dimensions == 1:
        raise SpecificationError(f"{name} has one dimension, as labels have; inputs need two or more, one row per input vector")
    sizes = read_bytes(stream, 4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise SpecificationError(f"{name} is not a whole IDX file: it ends within its header")
    shape = tuple(int(length) for length in sizes.view(">u4"))
    announced, complaint = math.prod(shape) * dtype.itemsize, f"{name} is not a whole IDX file"
    if size is not None:
        refuse_other_length(complaint, size - 4 - 4 * dimensions, announced)
    refuse_shape(name, shape, dtype.itemsize)
    data = read_bytes(stream, announced)
    refuse_other_length(complaint, len(data), announced)
    if len(read_bytes(stream, 1)):
        raise SpecificationError(f"{complaint}: it goes on after the {announced} bytes of data that its header announces")
    return data.view(dtype).reshape(shape)
