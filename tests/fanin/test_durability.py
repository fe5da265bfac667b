"""Small versions of the campaigns on durability: damaged stores, kills, failing disks, malformed stores; and faults that they find.

Nothing here is left to chance but the instants of the kills, and a right program fails at none of them.
"""

import dataclasses
import itertools
import json
import shutil
import sqlite3
import tracemalloc
import zlib

import pytest

from fanin.block_ranges import Range
from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.store import Store, database, reading, salvage, soundness, specification
from fanin.summary_row import Row
from tests.campaigns import combinations, damage, failing_disk, fuzz_stores, kills
from tests.campaigns.small_stores import RUNS, digests, make, remembered, simulated
from tests.campaigns.small_stores import specification as specification_of

STORES = range(150)


def test_damaged_stores():
    found = damage.damage(3989, 39989)
    assert "a page of it cleared 9 times" in found
    assert "taken up, nothing lost" in found


def not_stepped_over(link, table, columns):
    """Rows up to the first that cannot be read."""
    yield from salvage._until_error(link, f"SELECT rowid, {columns} FROM {table} WHERE rowid >= ?", 1)


DAMAGE = {
    "rows are lost that can be read": (salvage, "_found", not_stepped_over),
    "Error": (salvage, "_until_error", lambda link, query, at: iter(link.execute(query, (at,)))),
    "without a word|a wrong digest|decompressing": (Row, "is_whole", lambda *_: True),
}


@pytest.mark.parametrize("message", DAMAGE)
def test_faults_in_saving_are_found(monkeypatch, tmp_path, message):
    path = tmp_path / "runs"
    with remembered() as asked:
        digests()
        data = make(path)
        risk = damage.risk_of_store(path)
        monkeypatch.setattr(*DAMAGE[message])
        changes = itertools.chain(damage.every_lost_page(data, risk), damage.every_flip(data, risk, 20011))
        with pytest.raises(AssertionError, match=message):
            damage.outcomes(path, {}, changes, asked)


def test_combinations():
    found = combinations.combinations({"threads": (3,), "processes": (2,)}, (4, 32))
    assert found.startswith("8 combinations (threads 3 to 3, processes 2 to 2; tasks of 4 to 32 blocks)")


def test_kills():
    found = kills.kills(20, 0, 0)
    assert "runs ended with the digest" in found


def test_a_row_that_was_committed_and_is_gone_is_found(tmp_path):
    path, run = tmp_path / "runs", RUNS[0]
    assert kills._check_kept(path, run, set()) == "before there was a store"
    with remembered():
        simulated(run, path)
    assert kills._check_kept(path, run, {Range(0, 2)}) == "within the run"
    with sqlite3.connect(path) as link:
        link.execute("DELETE FROM summaries WHERE first = 0")
    link.close()
    with pytest.raises(AssertionError, match="1 committed rows are lost, the first block"):
        kills._check_kept(path, run, {Range(0, 2)})
    path.write_bytes(b"")
    with pytest.raises(AssertionError, match="after a kill the store is refused"):
        kills._check_kept(path, run, {Range(0, 2)})


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler is installed")
def test_failing_disks():
    found = failing_disk.failing_disk(29, apart=False, errors=("ENOSPC",))
    assert "broke off (4)" in found
    assert "ended with the digest" in found


def test_no_compiler(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(SystemExit, match=r"no C compiler \(cc\) is installed"):
        failing_disk.shim(tmp_path)


SENTENCE = "broke off: {} could not be written: the disk is full"
ENDED = failing_disk.Ended(4, json.dumps({"error": SENTENCE, "exit_code": 4}) + "\n", f"fanin: {SENTENCE}\n", 9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"code": 1}, "exit code 1"),
        ({"err": "Traceback (most recent call last):\n"}, "not one sentence"),
        ({"err": ENDED.err + ENDED.err}, "not one sentence"),
        ({"out": "{}"}, "not one sentence"),
        ({"out": ""}, "not one sentence"),
        ({"code": 3, "out": json.dumps({"digest": "0"})}, "a wrong digest"),
        ({"kept": (Range(0, 128),)}, "committed rows are lost"),
    ],
)
def test_what_a_failing_disk_must_not_do(tmp_path, changes, words):
    path = str(tmp_path / "runs")
    fault = failing_disk.Fault(path, 1, "EIO", on=False, scene="new")
    ended = dataclasses.replace(ENDED, **changes)
    out, err = (text.replace("{}", path) for text in (ended.out, ended.err))
    with pytest.raises(AssertionError, match=words):
        failing_disk.check(fault, dataclasses.replace(ended, out=out, err=err), b"", ("1", "1"))


def test_malformed_stores():
    found = fuzz_stores.run(STORES)
    assert found.total() == len(STORES)
    for outcome in ("raw read, resumed", "raw refused, refused", "cell read, resumed", "schema refused, refused"):
        assert found[outcome] > 2
    assert found["specification read, resumed"] > 20
    assert found["row read, broke off"] > 10


FAULTS = {
    "JSONDecodeError|ValueError|RecursionError|KeyError": (specification, "parse", json.loads),
    "a wrong digest|does not keep what is committed|decompressing": (Row, "is_whole", lambda *_: True),
    "can't decode": (database, "_text", lambda data: data.decode()),
    "the check finds nothing": (soundness, "expect_sound", lambda *_: None),
    "was altered": (fuzz_stores, "find_run", lambda store, _key: store.path.write_bytes(b"")),
}


@pytest.mark.parametrize("message", FAULTS)
def test_faults_in_reading_are_found(monkeypatch, message):
    monkeypatch.setattr(*FAULTS[message])
    with pytest.raises(AssertionError, match=message):
        fuzz_stores.run(range(400))


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON summaries BEGIN DELETE FROM summaries; END",
        "CREATE VIEW v AS SELECT * FROM runs",
        "CREATE INDEX i ON summaries (blocks)",
    ],
)
def test_a_store_that_does_more_than_keep_rows_is_refused(tmp_path, statement):
    path = tmp_path / "runs"
    with remembered():
        simulated(RUNS[0], path)
    with sqlite3.connect(path) as link:
        link.execute(statement)
    link.close()
    with pytest.raises(SpecificationError, match="does not have the tables of a store"):
        Store(path, write=True)


def test_a_store_whose_maker_was_killed_before_its_tables_were_there(tmp_path):
    path, run = tmp_path / "runs", RUNS[0]
    link = sqlite3.connect(path)
    link.execute("PRAGMA journal_mode = WAL")
    link.close()
    assert path.stat().st_size > 0
    with pytest.raises(SpecificationError, match="is empty; it is not a store"):
        Store(path)
    with remembered():
        assert simulated(run, path) == digests()[0]


def left_in_a_transaction(path):
    """A store with a rollback journal, as it is left where its writer is killed within a transaction."""
    with remembered():
        simulated(RUNS[0], path)
    link = sqlite3.connect(path, isolation_level=None)
    link.executescript("PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; BEGIN; UPDATE summaries SET data = zeroblob(99999)")
    left = {name: name.read_bytes() for name in (path, path.with_name("runs-journal"))}
    link.close()
    for name, data in left.items():
        name.write_bytes(data)


def test_what_was_not_committed_is_taken_back_also_where_a_store_is_only_read(tmp_path):
    path = tmp_path / "runs"
    left_in_a_transaction(path)
    said = []
    with Store(path, notice=said.append) as store:
        assert reading.unsound(store, store.runs()[0]) == 0
        assert len(list(store.ranges(specification_of(RUNS[0]).key))) == RUNS[0][2]
        with pytest.raises(BrokenOff, match="could not be written: it is open to be read only"):
            store.keep(specification_of(RUNS[0]), Row.of("key", Range(0, 2), b""))
    assert not said


def test_a_store_on_a_disk_that_cannot_be_written(tmp_path, monkeypatch):
    path = tmp_path / "runs"
    left_in_a_transaction(path)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(
        SpecificationError, match="is read-only, and a run that ended early left a file beside it; open it once where"
    ):
        Store(path)
    path.with_name("runs-journal").unlink()
    assert database._other_mode(path) == "ro&immutable=1"


@pytest.mark.parametrize("change", ["key = upper(key)", "specification = replace(specification, 'seed', 'need')"])
def test_a_run_whose_own_row_is_damaged(tmp_path, change):
    """Its rows are used all the same: by whoever asks for the run, or, where the specification stands, by merging."""
    path, new, run = tmp_path / "runs", tmp_path / "new", RUNS[0]
    with remembered() as asked:
        simulated(run, path)
        with sqlite3.connect(path) as link:
            link.execute(f"UPDATE runs SET {change}")
            link.execute("DELETE FROM summaries WHERE first = 0")
        link.close()
        said = []
        with Store(new, write=True) as store:
            found = reading.merge(store, path, said.append)
        asked.clear()
        if change.startswith("key"):
            assert (found.new, found.lost, said) == (run[2] - 1, 0, [])
            simulated(run, new)
        else:
            assert (found.new, found.lost) == (0, run[2])
            assert len(said) == 2
            simulated(run, path)
            with Store(path) as store:
                assert [one.seed for one in store.runs()] == [run[1]]  # mended by what was sampled
        assert len(asked) == 2


def test_a_row_that_inflates_without_end_takes_no_memory():
    row = dataclasses.replace(Row.of("key", Range(0, 2), b""), data=zlib.compress(bytes(1 << 26)))
    tracemalloc.start()
    try:
        assert not row.is_whole("key")
        assert tracemalloc.get_traced_memory()[1] < 1 << 23
    finally:
        tracemalloc.stop()
