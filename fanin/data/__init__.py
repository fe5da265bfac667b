"""Inputs by description: laws, scikit-learn's digits, or what a file holds that the user names.

Files are read without pickle, within half of the machine's memory, and only if they are whole; anything else is refused in one
sentence. What was done to the values on the way is part of the result: `str(inputs)` reads as the text that gives the same inputs.
"""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from fanin.data.files import opened
from fanin.data.idx import NAMES as IDX_NAMES
from fanin.data.idx import read_idx
from fanin.data.preparation import Preparation, is_option, parse, refuse_what_is_not_finite
from fanin.data.tables import read_csv, read_npy, read_npz
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import MAX_CORRELATED, Inputs, parse_inputs

_COVARIANCE = "covariance:"
_DIGITS_STEP = ("scale", 1.0 / 16.0)
_LONGEST_NAME = 4096
_NO_ARCHIVE = "inputs {} have the option array={}; only an .npz archive holds arrays by name"
_ENDINGS = ".npy, .npz, .csv, .idx or -ubyte (IDX also with .gz)"


def load_inputs(text: str, folder: str | os.PathLike[str] = "") -> Inputs:
    """Inputs from a description: a law that `Ensemble` reads, "digits", the name of a file, or "covariance:FILE".

    A file holds a table of numbers, one row per input vector: .npy; .npz, with "array=NAME" where it holds several; .csv without
    a header line; IDX as MNIST has it (train-images-idx3-ubyte, x.idx, ...), plain or gzipped. Images (three or more dimensions)
    are flattened to rows. "covariance:FILE[,shared]" gives Gaussian inputs with the covariance matrix in an .npy, .npz or .csv
    file.

    Options follow after commas. Steps apply in the order written, each at most once:

    - "scale=F" multiplies by F.
    - "standardise" gives each column mean 0 and standard deviation 1; a constant column becomes 0. "standardise=all" does so with
      one mean and one standard deviation for the whole table.
    - "unit" takes the smallest value of the table to 0 and the largest to 1.
    - "threshold=T" gives 1 where a value is greater than T and 0 elsewhere.

    Each network sees a row drawn at random, unless one of these says otherwise: "shared" (one row, drawn, for all networks),
    "in-turn" (network i sees row i modulo the number of rows), "row=K" (row K, from 0, for all networks).

    "digits" are 1797 images of 64 pixels from 0 to 16, multiplied by 1/16 before the first step: "digits,threshold=0.5" is 1 where
    a pixel is more than half on. Where "scale=F" is given, it takes the place of that factor, and the steps before it see 0 to 16.

    A file is looked for in `folder`, by default the current one. Its name may hold commas: the longest beginning of the text that
    ends before a comma or with the text, has one of the endings above and exists is the name; where none exists, the name ends
    before the first option.

    Raises
    ------
    SpecificationError
        Where the text is not understood, the file cannot be read as a whole table of finite numbers, or an extra is not installed.

    Examples
    --------
    >>> load_inputs("bernoulli:0.5").kind
    'bernoulli'
    >>> print(load_inputs("digits,threshold=0.5,in-turn"))
    digits,scale=0.0625,threshold=0.5,in-turn
    """
    if not isinstance(text, str):
        raise SpecificationError(f"inputs are described by a text, not by {type(text).__name__}; a path is given as str(path)")
    if not text.isprintable():
        raise SpecificationError(f"inputs are {text[:200]!r}; a description and the name of a file must be printable")
    if text.startswith(_COVARIANCE):
        return _covariance(text.removeprefix(_COVARIANCE), folder)
    if text == "digits" or text.startswith("digits,"):
        return _digits(parse(text.split(",")[1:], "digits"))
    name, words = _split(text, folder)
    if not _is_readable(name):
        if os.path.sep in name or os.path.isfile(os.path.join(folder, name)):
            raise SpecificationError(f"{name} is not a file of inputs; its name must end in {_ENDINGS}")
        return parse_inputs(text)
    preparation = parse(words, name)
    try:
        table = np.ascontiguousarray(_read(name, folder, preparation.array))
        return preparation.inputs(table.reshape(len(table), -1), name)
    except MemoryError:
        raise SpecificationError(f"{name} needs more memory than this process may have") from None


def _is_readable(name: str) -> bool:
    return name.lower().endswith((".npy", ".npz", ".csv")) or _is_idx(name)


def _is_idx(name: str) -> bool:
    return IDX_NAMES.fullmatch(os.path.basename(name)) is not None


def _split(text: str, folder: str | os.PathLike[str]) -> tuple[str, list[str]]:
    """The name of a file and the options after it."""
    commas = [at for at, letter in enumerate(text[:_LONGEST_NAME]) if letter == ","]
    ends = [*commas, len(text)] if len(text) <= _LONGEST_NAME else commas
    files = [end for end in ends if _is_readable(text[:end])]
    if existing := [end for end in files if os.path.lexists(os.path.join(folder, text[:end]))]:
        return _cut(text, existing[-1])
    options = [end for end in commas if is_option(text[end + 1 : end + 20].partition(",")[0])]
    before = options[0] if options else len(text)
    if before not in files and files:
        return _cut(text, files[0])
    return _cut(text, before)


def _cut(text: str, end: int) -> tuple[str, list[str]]:
    return text[:end], text[end + 1 :].split(",") if end < len(text) else []


def _read(name: str, folder: str | os.PathLike[str], array: str) -> np.ndarray:
    """The array in a file, of two or more dimensions."""
    if array and not name.lower().endswith(".npz"):
        raise SpecificationError(_NO_ARCHIVE.format(name, array))
    with opened(os.path.join(folder, name)) as (file, size):
        if name.lower().endswith(".npy"):
            return read_npy(file, size, name)
        if name.lower().endswith(".npz"):
            return read_npz(file, size, name, array)
        if name.lower().endswith(".csv"):
            return read_csv(file, size, name)
        return read_idx(file, size, name)


def _covariance(text: str, folder: str | os.PathLike[str]) -> Inputs:
    name, words = _split(text, folder)
    source = f"{_COVARIANCE}{name}"
    if not _is_readable(name) or _is_idx(name):
        raise SpecificationError(f"{source} is not a file with a covariance matrix; its name must end in .npy, .npz or .csv")
    preparation = parse(words, source)
    if preparation != Preparation(shared=preparation.shared, array=preparation.array):
        raise SpecificationError(f"inputs {source} have the options {','.join(words)}; known here are array=NAME and shared")
    matrix = _read(name, folder, preparation.array)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) > MAX_CORRELATED:
        raise SpecificationError(f"{source} has shape {matrix.shape}; it must be square, with at most {MAX_CORRELATED} rows")
    refuse_what_is_not_finite(matrix, source)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        inputs = Inputs.correlated(matrix, shared=preparation.shared, source=source)
    return dataclasses.replace(inputs, preparation=str(preparation))


def _digits(preparation: Preparation) -> Inputs:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SpecificationError("the digits come with scikit-learn, which is not installed; pip install 'fanin[data]'") from None
    if preparation.array:
        raise SpecificationError(_NO_ARCHIVE.format("digits", preparation.array))
    if "scale" not in dict(preparation.steps):
        preparation = dataclasses.replace(preparation, steps=(_DIGITS_STEP, *preparation.steps))
    return preparation.inputs(np.asarray(load_digits(return_X_y=True)[0]), "digits")
