"""The netCDF-4 form of a result file: the JSON document in one variable, the labelled data of each ensemble in a group of its own.

Guarantee: the file ends in a seal, the sha256 of all that stands before it, and a file whose seal does not fit never reaches the
HDF5 library. (HDF5 ignores what follows the end that its superblock states.) Within, metadata is of HDF5 1.10's forms, which carry
checksums, and data carries Fletcher's; the size that the document announces is bounded before it is read. Only the document is
read back: the groups are copies for other tools.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fanin.engine.errors import SpecificationError

if TYPE_CHECKING:
    import xarray

PACKAGES = ("h5py", "h5netcdf")
_NAME = "document"
_SEAL = re.compile(rb"\nfanin sha256 ([0-9a-f]{64})\n")
_SEAL_SIZE = len(b"\nfanin sha256 \n") + 64
_CHUNK = 1 << 20
_FILTERS = {"gzip": 1, "fletcher32": 3}


def seal(data: bytes) -> bytes:
    """The data followed by its seal."""
    return data + b"\nfanin sha256 " + hashlib.sha256(data).hexdigest().encode() + b"\n"


def pack(document: bytes, datasets: dict[str, xarray.Dataset]) -> bytes:
    """A netCDF-4 file of a document and the labelled data of each ensemble, by its label."""
    import h5netcdf

    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w", libver=("v110", "v110")) as file:
        file.attrs["title"] = "fanin result file: variable 'document' holds it as JSON in UTF-8, groups hold copies of its data"
        _write(file, _NAME, ("byte",), np.frombuffer(document, np.uint8), {})
        for label, dataset in datasets.items():
            group = file.create_group(_group_name(label, {_NAME, *file.groups}))
            group.attrs["label"] = label
            for name, value in dataset.attrs.items():
                group.attrs[name] = int(value) if isinstance(value, bool) else value
            for name, variable in dataset.variables.items():
                attributes = variable.attrs | _coordinates(dataset, str(name))
                _write(group, str(name), tuple(map(str, variable.dims)), variable.to_numpy(), attributes)
    return seal(buffer.getvalue())


def _group_name(label: str, taken: set[str]) -> str:
    """A label as netCDF allows names: letters, digits and _.-, a letter first, each name once."""
    name = re.sub("[^A-Za-z0-9_.-]", "_", label)
    name = name if re.match("[A-Za-z]", name) else f"ensemble_{name}"
    while name in taken:
        name += "_"
    return name


def _coordinates(dataset: xarray.Dataset, name: str) -> dict[str, str]:
    """The attribute by which CF's conventions name the coordinates of a variable that are not dimensions."""
    own = [str(key) for key, coordinate in dataset[name].coords.items() if key not in coordinate.dims]
    return {"coordinates": " ".join(own)} if own and name in dataset.data_vars else {}


def _write(group: Any, name: str, dimensions: tuple[str, ...], values: np.ndarray, attributes: dict[Any, Any]) -> None:
    """One variable, deflated and with checksums, and the dimensions that are new. A variable of no values is left out."""
    import h5py

    if values.size == 0:
        return
    for dimension, size in zip(dimensions, values.shape, strict=True):
        if dimension not in group.dimensions:
            group.dimensions[dimension] = size
    text = values.dtype.kind in "OU"
    chunks = tuple(min(size, _CHUNK) for size in values.shape)
    options = {} if text else {"compression": "gzip", "compression_opts": 4, "fletcher32": True, "chunks": chunks}
    variable = group.create_variable(name, dimensions, h5py.string_dtype() if text else values.dtype, **options)
    variable[...] = values.astype(object) if text else values
    for key, value in attributes.items():
        variable.attrs[key] = value


def unpack(path: Path, most: int) -> bytes:
    """The document of a file. most : the size in bytes that it may have."""
    _check_seal(path)
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            return _document(h5py, file, most)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
        if isinstance(error, SpecificationError):
            raise
        raise SpecificationError("it is not a whole netCDF-4 file; it was changed or damaged") from None


def _document(h5py: Any, file: Any, most: int) -> bytes:
    """The bytes of the document, once its form is known to be the one that `pack` writes."""
    if not isinstance(file.get(_NAME, getlink=True), h5py.HardLink):
        raise SpecificationError(f"it has no variable {_NAME!r}; it was not written by fanin")
    dataset = file[_NAME]
    plain = isinstance(dataset, h5py.Dataset) and dataset.dtype == np.uint8 and dataset.ndim == 1
    if not plain or dataset.is_virtual or dataset.external or dataset.chunks is None:
        raise SpecificationError(f"its variable {_NAME!r} is not a list of bytes; it was not written by fanin")
    filters = dataset.id.get_create_plist()
    if {filters.get_filter(i)[0] for i in range(filters.get_nfilters())} != set(_FILTERS.values()):
        raise SpecificationError(f"its variable {_NAME!r} is not deflated with checksums; it was not written by fanin")
    if not 0 < dataset.size <= most or dataset.chunks[0] > _CHUNK:
        raise SpecificationError(f"its document has {dataset.size} bytes; this machine reads at most {most}")
    return dataset[()].tobytes()


def _check_seal(path: Path) -> None:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size - _SEAL_SIZE
        digest = hashlib.sha256()
        while size > 0 and (piece := file.read(min(size, _CHUNK))):
            digest.update(piece)
            size -= len(piece)
        found = _SEAL.fullmatch(file.read())
    if found is None:
        raise SpecificationError("it does not end in the seal of a result file; it is cut off, changed, or not written by fanin")
    if found[1].decode() != digest.hexdigest():
        raise SpecificationError("it does not fit its seal; it was changed or damaged")
