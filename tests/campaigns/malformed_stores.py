"""Malformed stores, each a pure function of its number. Kinds:

- raw: bytes changed, pages cleared, exchanged or copied.
- cell: a value of any type in any column, NULL and text that is not UTF-8 among them.
- schema: tables, columns, triggers, views, pragmas and names that no store has.
- specification: the text of a run edited, as it is or under the key that fits, with rows that fit that key.
- row: a summary changed in its bytes or in its numbers, under the sha256 that fits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import random
import sqlite3
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fanin
from fanin.block_ranges import Range
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import canonical_json
from fanin.layer_bytes import from_bytes, to_bytes
from fanin.summary_row import Row
from tests.campaigns.fuzz_results import _forged_networks, _forged_neurons, edited
from tests.campaigns.small_stores import BLOCKS, MEMORY, RUNS, make, networks_of, specification

_KINDS = ("raw", "cell", "cell", "schema", "specification", "specification", "row", "row")
_BOMB = functools.cache(lambda: zlib.compress(bytes(1 << 28)))

_VALUES: tuple[Any, ...] = (
    *(None, 0, 1, -1, 2, 3, 4, 7, 8, 2**31, 2**53, 2**63 - 1, 2**63 - 2, -(2**63), 2**46, 2**62),
    *(0.0, -0.0, 0.5, 2.0, 1e300, -1e300, float("inf"), float("-inf"), float("nan"), 5e-324),
    *("", "0", "2", "2.0", " 4", "x", "'; DROP TABLE runs; --", "a\nb\x1b[2J", "\x00", "é" * 300, "x" * 5000, "[" * 5000),
    *(b"", b"\0", b"x", bytes(32), bytes(5000), b"\xff\xfe", zlib.compress(b""), zlib.compress(b"x" * 5000)),
)
_TEXTS = ("NaN", "Infinity", "-Infinity", "1e999", str(2**64), str(-(2**63) - 1), "1" * 5000, "[" * 50_000, '{"a":' * 50_000)
_NAMES = ('a"b', "x'; DROP TABLE runs; --", "sqlite_odd", "RUNS", "runs ", "é\n", "a" * 2000)
_STATEMENTS = (
    "ALTER TABLE runs RENAME TO {name}",
    "ALTER TABLE summaries RENAME COLUMN data TO {name}",
    "ALTER TABLE summaries ADD COLUMN {name}",
    "CREATE TABLE {name} (a, b)",
    "CREATE VIEW {name} AS SELECT * FROM summaries",
    "CREATE INDEX {name} ON summaries (blocks)",
    "CREATE INDEX {name} ON summaries (abs(first))",
    "CREATE TRIGGER {name} AFTER INSERT ON summaries BEGIN DELETE FROM summaries; END",
    "CREATE TRIGGER {name} BEFORE INSERT ON summaries BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER {name} AFTER UPDATE ON runs BEGIN UPDATE runs SET key = 'x'; END",
    "DROP TABLE runs",
    "DROP TABLE summaries",
    "DROP TABLE runs; CREATE VIEW runs AS SELECT 1 AS id, 'x' AS key, '{{}}' AS specification",
    "DELETE FROM runs",
    "DELETE FROM summaries",
    "ANALYZE",
    "REINDEX",
    "PRAGMA user_version = {number}",
    "PRAGMA application_id = {number}",
    "PRAGMA auto_vacuum = 1; VACUUM",
    "PRAGMA page_size = 512; VACUUM",
    "PRAGMA page_size = 65536; VACUUM",
    "VACUUM",
    "INSERT INTO runs SELECT id + 10, key || 'x', specification FROM runs",
    "UPDATE runs SET id = id + {number}",
    "UPDATE runs SET key = {name}",
    "UPDATE summaries SET run = run + 1 WHERE first = 0",
    "UPDATE summaries SET first = first + 2 * {number} WHERE run = 1",
    "INSERT INTO summaries SELECT run, first + 100 * {number}, blocks, sha256, data FROM summaries",
    "INSERT OR IGNORE INTO summaries SELECT run, 0, 4, sha256, data FROM summaries",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'runs'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = rootpage + {number}",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET name = {name} WHERE name = 'runs'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = {name} WHERE name = 'summaries'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_master SET type = {name}, tbl_name = NULL",
    "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name LIKE 'sqlite_auto%'",
)


@functools.cache
def original() -> bytes:
    """The bytes of a store."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        return make(Path(name) / "runs")


def changed(data: bytes, change: Callable[[sqlite3.Connection], object]) -> bytes:
    """The bytes of a store after SQL on it; as they were where SQLite refuses that."""
    link = sqlite3.connect(":memory:", isolation_level=None)
    try:
        link.deserialize(data[:18] + b"\1\1" + data[20:])  # in memory there is no write-ahead log
        with contextlib.suppress(sqlite3.Error, UnicodeEncodeError):
            change(link)
        found = link.serialize()
    finally:
        link.close()
    return found[:18] + data[18:20] + found[20:]


def _raw(data: bytes, rng: random.Random) -> bytes:
    out, pages = bytearray(data), len(data) // 4096
    for _ in range(rng.choice((1, 1, 2, 5, 50))):
        at, page, other = rng.randrange(len(out)), rng.randrange(pages), rng.randrange(pages)
        match rng.randrange(7):
            case 0 | 1:
                out[at] ^= 1 << rng.randrange(8)
            case 2:
                out[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1", rng.randbytes(4)))[: len(out) - at]
            case 3:
                out[page * 4096 : page * 4096 + 4096] = bytes(4096)
            case 4:
                out[page * 4096 : page * 4096 + 4096] = out[other * 4096 : other * 4096 + 4096]
            case 5:
                at = page * 4096 + rng.randrange(20)  # where a page says what it is
                out[at] = rng.randrange(256)
            case _:
                at = rng.randrange(100)  # the header of the file
                out[at] = rng.randrange(256)
    return bytes(out[: rng.randrange(len(out))] if rng.random() < 0.05 else out)


def _cell(link: sqlite3.Connection, rng: random.Random) -> None:
    """A value of any kind in any column."""
    tables = {"runs": ("id", "key", "specification"), "summaries": ("run", "first", "blocks", "sha256", "data")}
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        table = rng.choice(tuple(tables))
        column, value = rng.choice(tables[table]), rng.choice(_VALUES)
        written: dict[str, Any] = {}
        if value is None:  # the declaration forbids it, and is what a store's must be
            link.execute("PRAGMA writable_schema = ON")
            written = dict(link.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
            link.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE sql IS NOT NULL")
            link.execute("PRAGMA schema_version = 1000")
        number = rng.randrange(8)
        given = "CAST(? AS TEXT)" if isinstance(value, bytes) and rng.random() < 0.3 else "?"
        with contextlib.suppress(sqlite3.Error):
            link.execute(f"UPDATE {table} SET {column} = {given} WHERE rowid = {number}", (value,))
        for name, sql in written.items():
            link.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, name))


def _schema(link: sqlite3.Connection, rng: random.Random) -> None:
    """Statements that no store has seen."""
    name = '"' + rng.choice(_NAMES).replace('"', '""') + '"'
    text = rng.choice(_STATEMENTS)
    if " = {name}" in text:
        name = "'" + rng.choice(_NAMES).replace("'", "''") + "'"
    link.executescript(text.format(name=name, number=rng.choice((0, 1, 2, 3, -1, 7, 2**31 - 1))))


def _specification(link: sqlite3.Connection, rng: random.Random) -> None:
    """The text of a run edited."""
    number, key, text = rng.choice(link.execute("SELECT id, key, specification FROM runs").fetchall())
    choice = rng.randrange(6)
    if choice < 3:
        text = json.dumps(edited(text.encode(), rng), separators=(",", ":"))
    elif choice == 3:
        places = [at for at, letter in enumerate(text) if letter in ":,[{"]
        at = rng.choice(places) + 1
        text = text[:at] + rng.choice(_TEXTS) + (text[at:] if rng.random() < 0.5 else "")
    elif choice == 4:
        name = rng.choice(('"seed":1', '"stream":2', '"method":"direct"', '"arrays":{}'))
        text = text.replace(name, f"{name},{name}", 1)
    else:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(("", "\0", "\ud800", "é", '"', "}", "\x1b", "9")) + text[at + rng.randrange(2) :]
    new = key
    if rng.random() < 0.8:  # the key that fits, and rows that fit the key
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError, SpecificationError):
            head = json.loads(text)["head"]
            new = hashlib.sha256(canonical_json(head).encode()).hexdigest()
    link.execute("UPDATE runs SET key = ?, specification = ? WHERE id = ?", (new, text.encode("utf-8", "surrogatepass"), number))
    link.execute("UPDATE runs SET specification = CAST(specification AS TEXT) WHERE id = ?", (number,))
    if new != key:
        _seal(link, number, key, new)


def _seal(link: sqlite3.Connection, number: int, old: str, new: str) -> None:
    rows = link.execute("SELECT first, blocks, sha256, data FROM summaries WHERE run = ?", (number,)).fetchall()
    for first, blocks, sha256, data in rows:
        row = Row(Range(first, first + blocks), sha256, data)
        sealed = Row.of(new, row.blocks, row.summary(old))
        link.execute("UPDATE summaries SET sha256 = ? WHERE run = ? AND first = ?", (sealed.sha256, number, first))


def _row(link: sqlite3.Connection, rng: random.Random) -> None:
    """A summary that was changed, under the sha256 that fits."""
    number, first, blocks, sha256, data = rng.choice(link.execute("SELECT * FROM summaries").fetchall())
    run = RUNS[number - 1]
    key, ensemble = specification(run).key, run[0]
    networks = blocks * networks_of_block(ensemble)
    summary = bytearray(Row(Range(first, first + blocks), sha256, data).summary(key))
    packed = None
    match rng.randrange(6):
        case 0:
            for _ in range(rng.choice((1, 1, 3, 30))):
                summary[rng.randrange(len(summary))] = rng.choice((0, 1, 255, rng.randrange(256)))
        case 1:
            at = rng.randrange(len(summary))
            summary[at : at + rng.choice((0, 1, 4, 9))] = rng.randbytes(rng.choice((0, 1, 4, 9)))
        case 2:
            summary = summary[: rng.randrange(len(summary))] if rng.random() < 0.5 else summary + bytes(rng.randrange(9))
        case 3 if rng.random() < 0.02:
            packed = _BOMB()
        case 4 if rng.random() < 0.5:  # one that holds others, with the numbers of one of them
            first, blocks = first & ~(2 * blocks - 1), 2 * blocks
        case _:
            summary = bytearray(_other_numbers(bytes(summary), ensemble, networks, rng))
    blocks_of = Range(first, first + blocks)
    row = Row.of(key, blocks_of, bytes(summary))
    if packed is not None:
        row = dataclasses.replace(row, data=packed)
    link.execute("INSERT OR REPLACE INTO summaries VALUES (?, ?, ?, ?, ?)", (number, first, blocks, row.sha256, row.data))


def networks_of_block(ensemble: fanin.Ensemble) -> int:
    """Networks of a block."""
    return (networks_of(ensemble, 1) - 10) // BLOCKS


def _other_numbers(summary: bytes, ensemble: fanin.Ensemble, networks: int, rng: random.Random) -> bytes:
    """A summary with other numbers in it, as far as they can be written."""
    layers: dict[int, Any] = dict(from_bytes(summary, ensemble, "direct", networks))
    number = rng.choice(list(layers))
    forge = _forged_networks if ensemble.is_network else _forged_neurons
    layers[number] = dataclasses.replace(layers[number], **forge(layers[number], rng))
    with contextlib.suppress(OverflowError, ValueError), np.errstate(all="ignore"):
        return to_bytes(layers)
    return summary


def mutant(number: int) -> tuple[str, bytes]:
    """Kind and bytes of one store."""
    rng = random.Random(number)
    kind, data = rng.choice(_KINDS), original()
    if kind == "raw":
        return kind, _raw(data, rng)
    change = {"cell": _cell, "schema": _schema, "specification": _specification, "row": _row}[kind]
    return kind, changed(data, lambda link: change(link, rng))
