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
        with open(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            beside.replace(target)
        else:
            _link(beside, target)
    finally:
        beside.unlink(missing_ok=True)


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
