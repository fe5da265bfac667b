"""A small store cut off at every byte, without each of its pages and with every bit flipped: no digest is wrong, and no row is lost
that can still be read.

After each change every run is gone on with. Where the store is refused, it is merged into a new one, and the runs go on from that.
What may be lost follows from the pages of the file: at most the rows that have bytes on a page that was changed, and none where it
is a page of an index; the pages of the schema, of the runs and at the top of the table of rows hold the way to all others. The log
of a killed run is cut off and changed likewise: at most what was committed from there on is lost.
"""

from __future__ import annotations

import collections
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from fanin import Store
from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.store.reading import merge
from fanin.tasks import Task
from tests.campaigns.small_stores import (
    MEMORY,
    ROWS,
    RUNS,
    Rows,
    clear,
    digests,
    make,
    remembered,
    resumed,
    rows_of,
    sentence_of,
    simulated,
    specification,
)

PAGE = 4096
_HEADER, _FRAME = 32, 24 + PAGE  # bytes of a write-ahead log
Change = tuple[bytes, Rows]
"""Bytes of a file, and the rows that may be lost by what was done to them."""


def every_cut(data: bytes, at_risk: Callable[[int, bool], Rows], stride: int) -> Iterator[Change]:
    """The bytes cut off at every byte."""
    for size in range(0, len(data), stride):
        yield data[:size], at_risk(size, True)


def every_flip(data: bytes, at_risk: Callable[[int, bool], Rows], stride: int) -> Iterator[Change]:
    """The bytes with each bit flipped."""
    for bit in range(0, 8 * len(data), stride):
        at = bit // 8
        yield data[:at] + bytes([data[at] ^ 1 << bit % 8]) + data[at + 1 :], at_risk(at, False)


def every_lost_page(data: bytes, at_risk: Callable[[int, bool], Rows]) -> Iterator[Change]:
    """The bytes without those of each page."""
    for at in range(0, len(data), PAGE):
        yield data[:at] + bytes(PAGE) + data[at + PAGE :], at_risk(at, False)


def risk_of_store(path: Path) -> Callable[[int, bool], Rows]:
    """What may be lost by a change of a byte of a store, or of all from there on."""
    link = sqlite3.connect(path)
    every = frozenset((specification(run).key, 2 * k) for run in RUNS for k in range(run[2]))
    tree = link.execute("SELECT name, path, pageno, pagetype FROM dbstat WHERE name = 'summaries'").fetchall()
    top = {page for name, page in link.execute("SELECT name, pageno FROM dbstat") if name in ("sqlite_schema", "runs")}
    top |= {page for *_, page, kind in tree if kind == "internal"}
    query = "SELECT key, first FROM summaries JOIN runs ON runs.id = run ORDER BY summaries.rowid"
    keys = link.execute(query).fetchall()
    link.close()
    leaves = sorted((place, page) for _, place, page, kind in tree if kind == "leaf")
    if len(leaves) != len(keys):
        raise AssertionError("a leaf of the table holds more than one row")
    held = {place: frozenset([key]) for (place, _), key in zip(leaves, keys, strict=True)}
    on = {page: held[place.partition("+")[0]] for _, place, page, kind in tree if kind != "internal"}

    def at_risk(at: int, all_after: bool) -> Rows:
        page = at // PAGE + 1
        if page in top or (all_after and page <= max(top)):
            return every
        if all_after:
            return frozenset[tuple[str, int]]().union(*(rows for other, rows in on.items() if other >= page))
        return on.get(page, frozenset())

    return at_risk


def risk_of_log(log: bytes, rows: list[Rows]) -> Callable[[int, bool], Rows]:
    """The same for a write-ahead log. rows : those that are committed after each of its transactions."""
    ends = [start + _FRAME for start in range(_HEADER, len(log), _FRAME) if any(log[start + 4 : start + 8])]

    def at_risk(at: int, _all_after: bool) -> Rows:
        before = sum(end <= at for end in ends) if at >= _HEADER else 0
        return rows[-1] - (rows[before - 1] if before else frozenset())

    return at_risk


def gone_on(path: Path, asked: list[tuple[str, Task]], at_risk: Rows, silent: bool) -> str:
    """What became of a damaged store, in words; an AssertionError where it is not as it should be.

    silent : the damage looks like something that was never written: an empty file, or a log that ends sooner.
    """
    said: list[str] = []
    asked.clear()
    refusal = resumed(path, said)
    words = "taken up"
    if refusal is not None:
        new = path.with_name("new")
        clear(new)
        try:
            with Store(new, write=True, notice=said.append) as store:
                merge(store, path, said.append)
            words = "merged"
        except (SpecificationError, BrokenOff) as error:
            sentence_of(error, path)
            words = "not merged"
        asked.clear()
        if (refusal_of_new := resumed(new, said)) is not None:
            raise AssertionError(f"the new store is refused: {refusal_of_new}")
    lost = rows_of(asked)
    if not lost <= at_risk:
        raise AssertionError(f"{words} ({refusal}), and {len(lost - at_risk)} rows are lost that can be read")
    if any(not one.isprintable() or len(one) > 500 for one in said):
        raise AssertionError(f"no sentences: {said}")
    if not lost:
        return f"{words}, nothing lost"
    if refusal is None and not said and not silent:
        raise AssertionError("rows are lost without a word")
    return f"{words}, {'all' if len(lost) == ROWS else 'one row' if len(lost) == 1 else 'several rows'} sampled again"


def outcomes(
    path: Path, others: dict[Path, bytes], changes: Iterator[Change], asked: list[tuple[str, Task]]
) -> collections.Counter[str]:
    """What became of a file that was changed in many ways. others : files that go with it, as they were."""
    found: collections.Counter[str] = collections.Counter()
    main = next(iter(others), path)
    for number, (data, at_risk) in enumerate(changes):
        clear(main)
        for other, kept in others.items():
            other.write_bytes(kept)
        path.write_bytes(data)
        try:
            found[gone_on(main, asked, at_risk, silent=bool(others) or not data)] += 1
        except BaseException as error:
            raise AssertionError(f"change {number} of {path.name}: {type(error).__name__}: {error}") from error
    return found


def killed(folder: Path) -> tuple[Path, bytes, bytes, list[Rows]]:
    """Store and log of a run that ended without closing it, and the rows after each transaction."""
    path, rows = folder / "killed", [frozenset[tuple[str, int]]()]  # the first makes the tables
    with Store(path, write=True) as store:
        keep = store.keep

        def kept(specification, row):
            rows.append(rows[-1] | {(specification.key, row.blocks.first)})
            return keep(specification, row)

        store.keep = kept
        for run in RUNS:
            simulated(run, store)
        return path, path.read_bytes(), Path(f"{path}-wal").read_bytes(), rows


def damage(stride: int = 1, log_stride: int = 31) -> str:
    """Every `stride`-th byte at which a store can be cut off, and every `stride`-th of its bits flipped; of a log likewise."""
    try:
        return _damage(stride, log_stride)
    except AssertionError as wrong:
        raise SystemExit(str(wrong)) from wrong


def _damage(stride: int, log_stride: int) -> str:
    words = []
    with tempfile.TemporaryDirectory(dir=MEMORY) as name, remembered() as asked:
        digests()
        path = Path(name) / "runs"
        data = make(path)
        risk = risk_of_store(path)
        killed_path, main, log, rows = killed(Path(name))
        of_log, log_path = risk_of_log(log, rows), Path(f"{killed_path}-wal")
        for what, found in (
            ("a store cut off", outcomes(path, {}, every_cut(data, risk, stride), asked)),
            ("a page of it cleared", outcomes(path, {}, every_lost_page(data, risk), asked)),
            ("a bit of it flipped", outcomes(path, {}, every_flip(data, risk, stride), asked)),
            ("the log of a killed run cut off", outcomes(log_path, {killed_path: main}, every_cut(log, of_log, log_stride), asked)),
            ("a bit of that flipped", outcomes(log_path, {killed_path: main}, every_flip(log, of_log, log_stride), asked)),
        ):
            words.append(f"{what} {found.total():,} times ({', '.join(f'{key} {found[key]:,}' for key in sorted(found))})")
    return f"{len(data):,} bytes of store, {len(log):,} of log: {'; '.join(words)}"


if __name__ == "__main__":
    import sys

    print(damage(*map(int, sys.argv[1:])))
