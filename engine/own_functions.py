"""What a user's own function computes from, as a hash: two functions that compute other things have other hashes."""

from __future__ import annotations

import hashlib
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def function_hash(function: Callable[..., Any]) -> str:
    """sha256 of the source of a function (of its byte code, where there is no source), and of the values that its defaults, what it
    closes over and the globals that it names have now."""
    digest = hashlib.sha256()
    for part in _parts(function, set()):
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()


def _parts(value: Any, seen: set[int]) -> Iterator[bytes]:
    """What a value is made of, in bytes that are the same in every process."""
    plain = getattr(value, "py_func", value)
    if isinstance(plain, types.FunctionType):
        yield b"function"
        if id(plain) not in seen:
            seen.add(id(plain))
            yield from _of_function(plain, seen)
    elif isinstance(plain, types.CodeType):
        yield plain.co_code
        yield from _parts(plain.co_consts, seen)
    elif isinstance(plain, (np.ndarray, np.generic)):
        yield f"{plain.dtype.str} {plain.shape}".encode()
        yield plain.tobytes()
    elif isinstance(plain, (tuple, list)):
        yield f"{type(plain).__name__} {len(plain)}".encode()
        for one in plain:
            yield from _parts(one, seen)
    elif isinstance(plain, frozenset):
        yield f"frozenset {sorted(map(repr, plain))}".encode()
    elif plain is None or isinstance(plain, (bool, int, float, complex, str, bytes)):
        yield f"{type(plain).__name__} {plain!r}".encode()
    else:  # a module, a type or a function of C, which Numba knows by its name
        named = plain if hasattr(plain, "__name__") else type(plain)
        yield f"{getattr(named, '__module__', '')} {named.__name__}".encode()


def _of_function(function: types.FunctionType, seen: set[int]) -> Iterator[bytes]:
    code = function.__code__
    try:
        yield textwrap.dedent(inspect.getsource(function)).encode()
    except (OSError, TypeError):
        yield from _parts(code, seen)
    if function.__name__ == "<lambda>":  # several of them may share their lines
        yield from _parts(code, seen)
    yield from _parts(function.__defaults__, seen)
    for cell in function.__closure__ or ():
        try:
            yield from _parts(cell.cell_contents, seen)
        except ValueError:  # nothing is in it yet
            yield b"empty"
    for name in sorted(_names(code)):
        if name in function.__globals__:
            yield name.encode()
            yield from _parts(function.__globals__[name], seen)


def _names(code: types.CodeType) -> set[str]:
    """Names of globals and attributes in a function and in those within it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found
