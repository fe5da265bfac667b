"""Files written whole or not at all: beside their place first, then under their name. A failure leaves what was there."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from fanin.engine.errors import SpecificationError


def write_whole(target: Path, content: bytes, overwrite: bool) -> None:
    """Write a file.

    Raises
    ------
    SpecificationError
        Where the file is there already, also one that came meanwhile, and is not to be overwritten.
    OSError
        Where it cannot be written.
    """
    beside = target.with_name(f".fanin-{secrets.token_hex(8)}")
    try:
        _write(beside, target, content, overwrite)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(target)) from None
    finally:
        beside.unlink(missing_ok=True)


def _write(beside: Path, target: Path, content: bytes, overwrite: bool) -> None:
    with open(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if overwrite:
        beside.replace(target)
    else:
        _link(beside, target)


def refuse_unwritable(target: Path) -> None:
    """Refuse a file in whose folder nothing can be written: it is tried, since permissions do not tell of every file system."""
    beside = target.with_name(f".fanin-{secrets.token_hex(8)}")
    try:
        beside.touch(exist_ok=False)
        beside.unlink()
    except OSError as error:
        raise SpecificationError(f"{target} cannot be written: {error.strerror}") from None


def _link(beside: Path, target: Path) -> None:
    taken = f"{target} exists already; give another name, or ask to overwrite it"
    try:
        os.link(beside, target)
    except FileExistsError:
        raise SpecificationError(taken) from None
    except OSError:  # a file system without links
        if target.exists():
            raise SpecificationError(taken) from None
        beside.rename(target)
