"""The rows of a store one by one, also of one whose pages do not fit together.

Guarantee: a row is found wherever the pages that hold it and those above them in its table can be read. No index is used, what
cannot be read is stepped over, and time is bounded by the size of the file. Nothing is believed: each row goes by its sha256.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from fanin.block_ranges import Range
from fanin.engine.errors import SpecificationError
from fanin.result_file.strict_json import shown
from fanin.store.specification import Specification, read_specification
from fanin.summary_row import Row

_STEPS = 4000
"""Row numbers tried in succession where nothing can be read: more rows than hang on one page."""
_ROWS_OF_PAGE = 512
_LAST = 2**63 - 1


def every_row(link: sqlite3.Connection, name: str, notice: Callable[[str], object]) -> Iterator[tuple[Specification, Row] | None]:
    """Rows that are as they were made, with their runs; None for each place at which something is lost, which is reported.

    name : of the file, for what is said.
    """
    runs: dict[Any, Specification] = {}
    for found in _found(link, "runs", "key, specification"):
        if found is None:
            notice(f"a run of {name} cannot be read, and none of its rows")
            yield None
            continue
        number, key, text = found
        try:
            runs[number] = read_specification(None, text)
        except SpecificationError as error:
            notice(f"run {shown(key)} of {name} cannot be used: {error}")
            yield None
    unknown = set()
    for found in _found(link, "summaries", "run, first, blocks, sha256, data"):
        if found is None:
            notice(f"some rows of {name} cannot be read, since it is damaged there")
            yield None
            continue
        run, row = runs.get(found[1]), _row(*found[2:])
        if run is None:
            if found[1] not in unknown:
                unknown.add(found[1])
                notice(f"rows of a run of {name} cannot be used, since their run is not known")
            yield None
        elif row is None:
            notice(f"a row of run {run.key[:12]} of {name} is damaged: its blocks are {shown(found[2])}, {shown(found[3])}")
            yield None
        elif row.is_whole(run.key):
            yield run, row
        else:
            notice(f"{row.blocks} of run {run.key[:12]} cannot be used, since {name} is damaged there")
            yield None


def _row(first: Any, blocks: Any, sha256: Any, data: Any) -> Row | None:
    """A row whose values are of the right kinds."""
    if type(first) is not int or type(blocks) is not int or not Range(first, first + blocks).is_aligned:
        return None
    return Row(Range(first, first + blocks), *(value if isinstance(value, bytes) else b"" for value in (sha256, data)))


def _found(link: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[Any, ...] | None]:
    """Row numbers and columns in the order of numbers; None for each place at which something cannot be read."""
    query = f"SELECT rowid, {columns} FROM {table} NOT INDEXED WHERE rowid >= ? ORDER BY rowid"
    try:
        left = (link.execute("PRAGMA page_count").fetchone()[0] + 1) * _ROWS_OF_PAGE + _STEPS
    except sqlite3.Error:
        left = _STEPS
    at, failed = 1, 0
    while left > 0 and failed < _STEPS:
        for row in _until_error(link, query, at):
            if row is None:
                break
            yield row
            at, failed, left = min(row[0] + 1, _LAST), 0, left - 1
            if left <= 0:
                return
        else:
            return
        # an error in looking for the next row comes before the row that was found is given
        row = next(_until_error(link, f"{query} LIMIT 1", at), None)
        if row is not None:
            yield row
            at, failed = min(row[0] + 1, _LAST), 0
        else:
            if failed == 0:
                yield None
            at, failed = min(at + 1, _LAST), failed + 1
        left -= 1


def _until_error(link: sqlite3.Connection, query: str, at: int) -> Iterator[tuple[Any, ...] | None]:
    """The rows of a query, and None in the place of the first one that cannot be read."""
    try:
        yield from link.execute(query, (at,))
    except sqlite3.Error:
        yield None
