"""Stores: finished tasks of runs in one SQLite file, from which a run is resumed or extended.

A store holds any number of runs; a run is an ensemble, a method and a seed, and has one row for each finished task: an aligned
range of blocks with its summary. Only the parent of a run writes, one transaction for each task.

Guarantee: a row carries the sha256 of its run, its range and its summary, and one that does not fit is reported and never used.
Where rows overlap, one of them holds the other: the larger is used, and nothing is summed twice. A range that is there already is
never replaced by other numbers: that is refused, since one of the two was computed wrongly.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fanin.block_ranges import Range
from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.result_file.strict_json import shown
from fanin.store.database import connect, refuse, transaction
from fanin.store.salvage import every_row
from fanin.store.specification import Specification, read_specification
from fanin.summary_row import Row


class Store:
    """An open store, used by the thread that opened it.

    path : its file. write : open it to be written, and make it where there is none. damaged : read what can be read of a file whose
    pages do not fit together. notice : called with a sentence on each row that cannot be used.

    Raises
    ------
    SpecificationError
        Where the file is not a store of this version, is damaged, read-only or locked.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        write: bool = False,
        damaged: bool = False,
        notice: Callable[[str], object] | None = None,
    ) -> None:
        if not isinstance(path, (str, os.PathLike)) or not str(path) or "\0" in str(path):
            raise SpecificationError(f"store is {path!r}; give the name of a file")
        self.path, self.write = Path(path), write
        self.notice = notice or (lambda _sentence: None)
        self.unread = 0
        self._opened = connect(self.path, write, damaged)
        self._thread = threading.get_ident()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; any thread may."""
        self._opened.close()

    @property
    def _link(self) -> sqlite3.Connection:
        if threading.get_ident() != self._thread:
            raise SpecificationError(f"{self.path} was opened in another thread; open it again in this one")
        return self._opened

    def runs(self) -> list[Specification]:
        """The runs that the store holds, in the order in which they came."""
        found = []
        for key, text in self._rows("SELECT key, specification FROM runs ORDER BY id"):
            try:
                found.append(read_specification(key, text))
            except SpecificationError as error:
                self.unread += 1
                self.notice(f"run {shown(key)} of {self.path} cannot be used: {error}")
        return found

    def ranges(self, key: str) -> Iterator[Range]:
        """The ranges of a run that the store holds, ascending, a range before those that it holds."""
        query = "SELECT first, blocks FROM summaries WHERE run = (SELECT id FROM runs WHERE key = ?) ORDER BY first, blocks DESC"
        for first, blocks in self._rows(query, key):
            if isinstance(first, int) and isinstance(blocks, int) and Range(first, first + blocks).is_aligned:
                yield Range(first, first + blocks)
            else:
                self.unread += 1
                self.notice(f"a row of run {key[:12]} of {self.path} is damaged: its blocks are {shown(first)}, {shown(blocks)}")

    def stored(self, key: str) -> int:
        """Bytes of the summaries of a run, as they are deflated."""
        query = "SELECT coalesce(sum(length(data)), 0) FROM summaries WHERE run = (SELECT id FROM runs WHERE key = ?)"
        return next(self._rows(query, key))[0]

    def row(self, key: str, blocks: Range) -> Row | None:
        """A row as it is kept; None where there is none, or it cannot be read."""
        query = "SELECT sha256, data FROM summaries WHERE run = (SELECT id FROM runs WHERE key = ?) AND first = ? AND blocks = ?"
        try:
            found = self._link.execute(query, (key, blocks.first, blocks.blocks)).fetchone()
        except sqlite3.Error:
            return None
        if found is None or not all(isinstance(value, bytes) for value in found):
            return None
        return Row(blocks, *found)

    def held(
        self, key: str, whole: Range, read: Callable[[Range, bytes], Any] = lambda _blocks, summary: summary
    ) -> Iterator[tuple[Range, Any]]:
        """Summaries of a run within a range that are apart from each other, ascending; damaged ones are reported and left out.

        read : what to make of the bytes of each; one that it refuses is damaged.
        """
        at = whole.first
        for blocks in self.ranges(key):
            if blocks.first < at or blocks.last > whole.last:
                continue
            summary = self.summary(key, blocks)
            if summary is None:
                continue
            try:
                found = read(blocks, summary)
            except SpecificationError as error:
                self.notice(f"{blocks} of run {key[:12]} in {self.path} cannot be used: {error}")
                continue
            yield blocks, found
            at = blocks.last

    def summary(self, key: str, blocks: Range) -> bytes | None:
        """The bytes of a summary; None where the row cannot be used, which is reported."""
        row = self.row(key, blocks)
        try:
            if row is not None:
                return row.summary(key)
        except SpecificationError:
            pass
        self.notice(f"{blocks} of run {key[:12]} cannot be used, since {self.path} is damaged there")
        return None

    def every_row(self) -> Iterator[tuple[Specification, Row] | None]:
        """All rows that can be used, with their runs, also of a damaged file; None for each place where one is lost, reported."""
        return every_row(self._link, str(self.path), self.notice)

    def keep(self, specification: Specification, row: Row) -> bool:
        """Commit a row, and say whether it is new. One that is there with the same summary stays; a damaged one is replaced.

        Raises
        ------
        BrokenOff
            Where the file cannot be written, or the range is there with another summary.
        """
        key, blocks = specification.key, row.blocks
        with transaction(self._link, self.path):
            self._link.execute(
                "INSERT INTO runs (key, specification) VALUES (?, ?) ON CONFLICT (key) DO UPDATE "
                "SET specification = excluded.specification WHERE specification IS NOT excluded.specification",
                (key, specification.text),
            )
            there = self.row(key, blocks)
            if there is not None and there.sha256 != row.sha256 and there.is_whole(key):
                raise BrokenOff(
                    f"{blocks} of run {key[:12]} has other numbers in {self.path} than those that came now: one of two machines is "
                    "faulty or runs other code; the row that was there stays"
                )
            if there is not None and there.is_whole(key):
                return False
            self._link.execute(
                "INSERT OR REPLACE INTO summaries (run, first, blocks, sha256, data) "
                "VALUES ((SELECT id FROM runs WHERE key = ?), ?, ?, ?, ?)",
                (key, blocks.first, blocks.blocks, row.sha256, row.data),
            )
        return True

    def _rows(self, query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Rows of a query; SpecificationError where the file cannot be read."""
        try:
            yield from self._link.execute(query, values)
        except sqlite3.Error as error:
            refuse(self.path, error)
