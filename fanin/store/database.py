"""The SQLite file of a store: how it is opened, how a transaction is made durable, and what its errors mean in words.

Guarantee: a transaction that was committed is on the disk, and one that was not leaves no trace, also where the process is killed
or the power fails (write-ahead log, full synchronisation). On a network file system, where the log's shared memory does not work,
the older rollback journal is used. A signal that arrives within a transaction is answered after it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.signals import signals_later

FORMAT = 2
APPLICATION = 0x66616E69  # "fani", as SQLite's application id
WAIT = 30.0
"""Seconds that a writer waits for another to finish its transaction."""

_TABLES = (
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, specification TEXT NOT NULL)",
    "CREATE TABLE summaries (run INTEGER NOT NULL, first INTEGER NOT NULL, blocks INTEGER NOT NULL, "
    "sha256 BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (run, first, blocks))",
)
_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "lustre", "gpfs", "beegfs", "ceph", "gluster", "fuse.", "ocfs2", "orangefs", "panfs")
_NO_ROOM = (sqlite3.SQLITE_FULL,)
_FAILING = (*_NO_ROOM, sqlite3.SQLITE_IOERR)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def connect(path: Path, write: bool, damaged: bool = False) -> sqlite3.Connection:
    """Open a store, or make one where there is no file and it is to be written.

    damaged : take also one whose pages do not fit together, to read what can be read.

    Raises
    ------
    SpecificationError
        Where the file is not a store of this version, cannot be opened or is damaged.
    BrokenOff
        Where it is to be written, and the disk is full or fails.
    """
    try:
        is_other = path.exists() and not path.is_file() and not path.is_dir()
    except OSError as error:
        name = str(path) if len(str(path)) <= 100 else f"{str(path)[:97]}..."
        raise SpecificationError(f"{name} cannot be opened: {(error.strerror or 'it fails').lower()}") from None
    if is_other:
        raise SpecificationError(f"{path} is no file; give the name of a store")
    if path.is_dir():
        raise SpecificationError(f"{path} is a folder; give the name of a store")
    if write:
        if not path.parent.is_dir():
            raise SpecificationError(f"{path} cannot be written: the folder {path.parent} does not exist")
        if path.exists() and not os.access(path, os.W_OK):
            raise SpecificationError(f"{path} cannot be written: it is read-only")
    elif not path.is_file():
        raise SpecificationError(f"{path} cannot be read: there is no such file")
    try:
        return _opened(path, "rwc" if write else "ro", damaged)
    except sqlite3.Error as error:
        if write and _code(error) in _FAILING:
            raise BrokenOff(f"{path} could not be written: {_reason(error)}") from None
        if write or _code(error) not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            refuse(path, error)
    try:
        return _opened(path, _other_mode(path), damaged)
    except sqlite3.Error as error:
        refuse(path, error)


def _other_mode(path: Path) -> str:
    """How a store is read that needs files beside it: those of a run that ended early, or that readers share."""
    path = path.resolve()
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        return "rw"  # what was not committed is taken back first
    if any(Path(f"{path}-{end}").exists() for end in ("wal", "journal")):
        words = "is read-only, and a run that ended early left a file beside it; open it once where it can be written"
        raise SpecificationError(f"{path} {words}")
    return "ro&immutable=1"  # nobody else writes it either


def _opened(path: Path, mode: str, damaged: bool) -> sqlite3.Connection:
    """A connection to a store, which is made where it may be."""
    link = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=WAIT, isolation_level=None, check_same_thread=False
    )
    try:
        link.text_factory = _text
        write = mode == "rwc"
        if damaged:
            link.execute("PRAGMA writable_schema = ON")  # reads a file that was cut off as well
        if not write:
            link.execute("PRAGMA query_only = ON")
        if _is_blank(link):
            if path.stat().st_size == 1:  # SQLite takes a single byte for an empty file
                raise SpecificationError(f"{path} is not a store of fanin")
            if not write:
                raise SpecificationError(f"{path} is empty; it is not a store")
            _create(link, path)
        _check(link, path, damaged)
        if write:
            _make_durable(link, path)
    except UnicodeDecodeError:  # of SQLite's words on a schema that was damaged
        link.close()
        raise SpecificationError(_damaged(path)) from None
    except BaseException:
        link.close()
        raise
    return link


def _is_blank(link: sqlite3.Connection) -> bool:
    """Whether there is nothing in a file, as where it is new, or whoever made it was killed before its tables were there."""
    marks = [link.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    return not any(marks) and link.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0


def _text(data: bytes) -> str:
    """Text of a row, also where it was damaged: then it is not what its sha256 says."""
    return data.decode("utf-8", "replace")


def _create(link: sqlite3.Connection, path: Path) -> None:
    _make_durable(link, path)
    with transaction(link, path):
        if link.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:  # nobody was faster
            for table in _TABLES:
                link.execute(table)
            link.execute(f"PRAGMA application_id = {APPLICATION}")
            link.execute(f"PRAGMA user_version = {FORMAT}")


def _check(link: sqlite3.Connection, path: Path, damaged: bool) -> None:
    if link.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise SpecificationError(f"{path} is not a store of fanin")
    version = link.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT:
        age = "a newer version of fanin" if version > FORMAT else "another version of fanin"
        raise SpecificationError(f"{path} is a store of format {version}, of {age}; this one reads format {FORMAT}")
    made = set(link.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT GLOB 'sqlite_autoindex_*'").fetchall())
    if made != {("table", table.split()[2], table) for table in _TABLES}:  # no trigger and no view either
        raise SpecificationError(f"{path} does not have the tables of a store; it was changed or damaged")
    if not damaged and link.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
        raise SpecificationError(_damaged(path))


def _make_durable(link: sqlite3.Connection, path: Path) -> None:
    if is_on_network(path):
        link.execute("PRAGMA journal_mode = DELETE")
        link.execute("PRAGMA synchronous = EXTRA")
    else:
        link.execute("PRAGMA journal_mode = WAL")
        link.execute("PRAGMA synchronous = FULL")


def is_on_network(path: Path) -> bool:
    """Whether a file lies on a network file system, as far as the system says."""
    place, kind, length = str(path.absolute().parent.resolve()), "", -1
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    for line in mounts:
        _, folder, found, *_ = line.split(" ")
        folder = folder.encode().decode("unicode_escape") if "\\" in folder else folder
        inside = place == folder or place.startswith(folder.rstrip("/") + "/")
        if inside and len(folder) >= length:
            kind, length = found, len(folder)
    return kind.startswith(_NETWORK)


@contextmanager
def transaction(link: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All that is done within is kept together, or none of it. Signals wait until it is over.

    Raises
    ------
    BrokenOff
        Where the file cannot be written any longer: a full disk, a failing one, another program that does not end.
    """
    with signals_later():
        try:
            link.execute("BEGIN IMMEDIATE")
            try:
                yield
                link.execute("COMMIT")
            except BaseException:
                if link.in_transaction:
                    link.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise BrokenOff(f"{path} could not be written: {_reason(error)}; all that was committed before is kept") from None


def refuse(path: Path, error: sqlite3.Error) -> NoReturn:
    """An error in reading as a sentence."""
    if _code(error) in _LOCKED:
        raise SpecificationError(f"{path} is locked by another program; wait until it has finished, or take another file") from None
    if _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT):
        raise SpecificationError(_damaged(path)) from None
    if _code(error) == sqlite3.SQLITE_NOTADB:
        raise SpecificationError(f"{path} is not a store of fanin") from None
    if _code(error) == sqlite3.SQLITE_CANTOPEN:
        raise SpecificationError(f"{path} cannot be opened, or a file that belongs beside it") from None
    raise SpecificationError(f"{path} cannot be used: {_reason(error)}") from None


def _damaged(path: Path) -> str:
    return f"{path} is damaged; fanin store merge NEW {path} saves what can still be read to a new store"


def _reason(error: sqlite3.Error) -> str:
    code = _code(error)
    if code in _NO_ROOM:
        return "the disk is full"
    if code in _LOCKED:
        return f"another program has locked it for {WAIT:.0f} s"
    if code == sqlite3.SQLITE_READONLY:
        return "it is open to be read only, or its first page is damaged"
    return str(error)


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
