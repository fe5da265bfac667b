"""Inputs by description: laws, scikit-learn's digits, or the rows of a file that the user names.

Files are read without pickle. A file that would not fit in memory, is ragged, truncated, empty or holds text is refused in one
sentence. Values are multiplied by a declared scale: 1 for files, 1/16 for digits, whose pixels run from 0 to 16.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs, parse_inputs

SUFFIXES = (".npy", ".csv")


def load_inputs(text: str) -> Inputs:
    """Inputs from "digits", the path of an .npy or .csv file, or any law that `Ensemble` reads.

    "digits" and files take the options ",scale=FACTOR" and ",shared".

    Raises
    ------
    SpecificationError
        Where the file cannot be read as a table of finite numbers, one row per input vector, or an extra is not installed.

    Examples
    --------
    >>> load_inputs("bernoulli:0.5").kind
    'bernoulli'
    """
    name, *options = text.split(",")
    if name != "digits" and Path(name).suffix.lower() not in SUFFIXES:
        if os.path.sep in name or Path(name).is_file():
            raise SpecificationError(f"{name} is not a file of inputs; it must end in {' or '.join(SUFFIXES)}")
        return parse_inputs(text)
    scale, shared = 1.0 / 16.0 if name == "digits" else 1.0, False
    for option in options:
        key, _, value = option.partition("=")
        if option == "shared":
            shared = True
        elif key == "scale":
            scale = _scale(value, name)
        else:
            raise SpecificationError(f"inputs {name} have the option {option!r}; known are scale=FACTOR and shared")
    table = _digits() if name == "digits" else _read(Path(name))
    return Inputs.rows(table, scale=scale, shared=shared, source=name)


def _scale(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SpecificationError(f"the scale of {name} is {text!r}; it must be a number such as 0.0625") from None


def _digits() -> np.ndarray:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SpecificationError("the digits come with scikit-learn, which is not installed; pip install 'fanin[data]'") from None
    return np.asarray(load_digits(return_X_y=True)[0])


def _read(path: Path) -> np.ndarray:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise SpecificationError(f"{path} is not a file")
        if size == 0:
            raise SpecificationError(f"{path} is empty; it must hold a table of numbers, one row per input vector")
        table = _read_npy(path) if path.suffix.lower() == ".npy" else _read_csv(path, size)
    except OSError as error:
        raise SpecificationError(f"{path} cannot be read: {error.strerror or error}") from None
    return table


def _refuse_if_too_large(path: Path, needed: int) -> None:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        if needed > half:
            raise SpecificationError(
                f"{path} needs {needed / 2**30:.1f} GiB; this machine lends {half / 2**30:.1f} GiB (half of its memory)"
            )


def _read_npy(path: Path) -> np.ndarray:
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, TypeError, OverflowError):
        raise SpecificationError(f"{path} is not a whole .npy file of numbers") from None
    if not isinstance(table, np.ndarray):
        raise SpecificationError(f"{path} is an archive; it must be an .npy file of one array")
    _refuse_if_too_large(path, 3 * 8 * table.size)
    return table


def _read_csv(path: Path, size: int) -> np.ndarray:
    _refuse_if_too_large(path, 12 * size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of a file without data, which is refused below by its shape
            return np.loadtxt(path, delimiter=",", ndmin=2, comments=None, encoding="utf-8")
    except UnicodeDecodeError:
        raise SpecificationError(f"{path} is not a text file in UTF-8; a .csv file must hold numbers separated by commas") from None
    except ValueError as error:
        reason = str(error).split(";")[0].split("\n")[0].rstrip(".")
        raise SpecificationError(f"{path} is not a table of numbers separated by commas: {reason}") from None
