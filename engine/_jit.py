"""The one place where Numba's options and the place of its cache are chosen.

Numba's cache notices a change in the file of the cached function only, not in the files it calls. The cache
therefore lives in a folder named after the hash of all of the engine's sources: any edit or upgrade starts afresh.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core import config

F = TypeVar("F", bound=Callable[..., Any])


def _cache_folder() -> str | None:
    """Folder for compiled kernels, or None where no folder can be written."""
    sources = sorted(pathlib.Path(__file__).resolve().parent.glob("*.py"))
    stamp = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    base = config.CACHE_DIR or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "fanin"
    )
    folder = os.path.join(base, f"kernels-{stamp}")
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return None
    return folder


_FOLDER = _cache_folder()


def kernel(function: F) -> F:
    """Compile a function: no GIL, strict IEEE arithmetic, NumPy's rules for division, cached."""
    before = config.CACHE_DIR
    config.CACHE_DIR = _FOLDER or before
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=_FOLDER is not None)(function)
    finally:
        config.CACHE_DIR = before


def inline(function: F) -> F:
    """Compile a scalar function that LLVM always inlines into the loop that calls it."""
    return numba.njit(error_model="numpy", forceinline=True)(function)


def compiled_row(signature: Any) -> Callable[[Callable[..., Any]], Callable[[], Any]]:
    """Make a C function of the given signature, compiled (or loaded from the cache) when it is first asked for."""

    def decorate(function: Callable[..., Any]) -> Callable[[], Any]:
        @functools.cache
        def compiled() -> Any:
            before = config.CACHE_DIR
            config.CACHE_DIR = _FOLDER or before
            try:
                return numba.cfunc(signature, error_model="numpy", cache=_FOLDER is not None)(function)
            finally:
                config.CACHE_DIR = before

        return compiled

    return decorate
