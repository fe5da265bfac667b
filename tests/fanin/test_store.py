"""Stores: what was finished is kept, nothing is summed twice, and damage is found, said and computed again."""

import os
import sqlite3
import stat
from concurrent import futures

import numpy as np
import pytest

import fanin
from fanin import Store
from fanin.block_ranges import Range
from fanin.broken_off import BrokenOff
from fanin.engine.errors import SpecificationError
from fanin.layer_bytes import to_bytes
from fanin.store import database
from fanin.store.reading import extent, find_run, merge, result_of, unsound
from fanin.store.specification import read_specification, specification_of
from fanin.summary_row import Row
from tests.own_law import triangular

ENSEMBLE = fanin.Ensemble((12, 1), "standard")
OTHER = fanin.Ensemble((8, 6, 2), "he_normal", "relu", cost="linear")
NETWORKS = 100_000  # 48 whole blocks, and a part that no store keeps


def run(store=None, networks=NETWORKS, seed=1, ensemble=ENSEMBLE, **options):
    sampled = []
    found = fanin.simulate(ensemble, networks, seed, store=store, progress=sampled.append, **{"blocks_per_task": 4} | options)
    assert sum(sampled) == networks
    return found


@pytest.fixture(scope="module")
def digest():
    return run().digest


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.fanin"


def change(path, statement, *values):
    with sqlite3.connect(path) as link:
        link.execute(statement, values)
    link.close()


def computed(monkeypatch):
    """Ranges that are sampled from now on."""
    from fanin import summing

    found, sample = [], summing.sample_here
    monkeypatch.setattr(summing, "sample_here", lambda job, stop, task: found.append(task.blocks) or sample(job, stop, task))
    return found


def test_a_rerun_samples_only_the_part_that_is_not_kept(path, digest, monkeypatch):
    assert run(path).digest == digest
    sampled = computed(monkeypatch)
    assert run(path).digest == digest
    assert sampled == [Range(48, 49)]


def test_a_longer_run_extends_and_a_shorter_one_uses_what_fits(path, digest, monkeypatch):
    run(path, 50_000)
    sampled = computed(monkeypatch)
    assert run(path).digest == digest
    assert min(one.first for one in sampled) == 24
    sampled.clear()
    assert run(path, 60_000).digest == run(networks=60_000).digest
    assert sampled[0].first == 28


def test_other_runs_live_beside_it(path, digest):
    run(path)
    assert run(path, seed=2).digest == run(seed=2).digest
    assert run(path, 5000, ensemble=OTHER).digest == run(networks=5000, ensemble=OTHER).digest
    assert run(path, 5000, ensemble=OTHER, method="conditional").method == "conditional"
    assert run(path).digest == digest
    with Store(path) as store:
        runs = store.runs()
        assert [(one.ensemble.widths, one.seed, one.method) for one in runs] == [
            ((12, 1), 1, "direct"),
            ((12, 1), 2, "direct"),
            ((8, 6, 2), 1, "direct"),
            ((8, 6, 2), 1, "conditional"),
        ]
        assert extent(store, runs[0]).networks == 48 * 2048


def test_overlapping_rows_are_not_summed_twice(path, tmp_path, digest, monkeypatch):
    """Stores that were computed in tasks of other lengths, put into one."""
    with Store(path, write=True) as store:
        for blocks in (2, 8, 16, 4):
            run(tmp_path / str(blocks), blocks_per_task=blocks)
            merge(store, tmp_path / str(blocks), print)
    change(path, "DELETE FROM summaries WHERE blocks > 4 AND first >= 16 OR blocks = 16 AND first = 0")
    sampled = computed(monkeypatch)
    assert run(path).digest == digest
    assert sampled == [Range(48, 49)]
    with Store(path) as store:
        found = store.runs()[0]
        assert extent(store, found).blocks == 48
        assert extent(store, found).rows > 24
        assert unsound(store, found) == 0
        held = [one for one, _ in store.held(found.key, Range(0, 22))]
        assert held == [Range(0, 8), Range(8, 16), Range(16, 20), Range(20, 22)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE summaries SET data = substr(data, 1, 200) WHERE first = 8",
        "UPDATE summaries SET data = zeroblob(300) WHERE first = 8",
        "UPDATE summaries SET data = 'text' WHERE first = 8",
        "UPDATE summaries SET sha256 = zeroblob(32) WHERE first = 8",
        "UPDATE summaries SET data = (SELECT data FROM summaries WHERE first = 4) WHERE first = 8",
        "UPDATE summaries SET (data, sha256) = (SELECT data, sha256 FROM summaries WHERE first = 4) WHERE first = 8",
        "UPDATE summaries SET first = 7 WHERE first = 8",
        "UPDATE summaries SET blocks = -4 WHERE first = 8",
        "UPDATE summaries SET blocks = 3 WHERE first = 8",
        "UPDATE summaries SET first = 'eight' WHERE first = 8",
        "UPDATE summaries SET first = 1e300 WHERE first = 8",
        "UPDATE summaries SET first = 9223372036854775800 WHERE first = 8",
    ],
)
def test_a_damaged_row_is_found_said_and_computed_again(path, digest, statement, monkeypatch):
    run(path)
    change(path, statement)
    said = []
    sampled = computed(monkeypatch)
    with Store(path, write=True, notice=said.append) as store:
        assert run(store).digest == digest
        assert sampled == [Range(8, 12), Range(48, 49)]
        assert len(said) <= 1
    with Store(path, notice=said.append) as store:
        assert unsound(store, store.runs()[0]) + store.unread <= 1  # what stands in a wrong place stays there, and is said
    assert all("damaged" in one for one in said)
    assert said or "first = 9" in statement or "first = 7" in statement


def test_other_numbers_for_a_range_are_refused_and_the_range_is_named(path):
    run(path)
    found = specification_of(ENSEMBLE, 1, "direct")
    with Store(path, write=True) as store:
        other = Row.of(found.key, Range(8, 12), to_bytes(run(networks=4 * 2048, seed=2).layers))
        with pytest.raises(BrokenOff, match=r"^blocks 8 to 11 of run .* has other numbers in .* than those that came now"):
            store.keep(found, other)
        assert store.row(found.key, Range(8, 12)).is_whole(found.key)
        assert not store.keep(found, store.row(found.key, Range(8, 12)))


def test_a_range_that_contradicts_those_within_is_found(path):
    run(path)
    found = specification_of(ENSEMBLE, 1, "direct")
    said = []
    with Store(path, write=True, notice=said.append) as store:
        store.keep(found, Row.of(found.key, Range(8, 16), to_bytes(run(networks=8 * 2048, seed=2).layers)))
        assert unsound(store, found) == 1
    assert "blocks 8 to 15" in said[0]
    assert "is not the sum of the 2 rows within" in said[0]


def test_stores_are_merged(path, tmp_path, digest):
    one, two = tmp_path / "one", tmp_path / "two"
    run(one, 60_000)
    run(two)
    run(two, 5000, ensemble=OTHER)
    change(two, "DELETE FROM summaries WHERE first < 24")
    change(two, "UPDATE summaries SET data = zeroblob(9) WHERE first = 32 AND run = 1")
    said = []
    with Store(path, write=True) as store:
        first, second = (merge(store, file, said.append) for file in (one, two))
        assert (first.new, first.there, first.lost) == (7, 0, 0)
        assert (second.there, second.lost) == (1, 1)
        assert said == [f"blocks 32 to 35 of run {store.runs()[0].key[:12]} cannot be used, since {two} is damaged there"]
        assert run(store).digest == digest


def test_a_merge_that_finds_two_machines_apart_names_the_range(path, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    run(one)
    found = specification_of(ENSEMBLE, 1, "direct")
    with Store(two, write=True) as store:
        store.keep(found, Row.of(found.key, Range(4, 8), to_bytes(run(networks=4 * 2048, seed=2).layers)))
    with Store(path, write=True) as store:
        merge(store, one, print)
        with pytest.raises(BrokenOff, match="blocks 4 to 7 of run"):
            merge(store, two, print)
        assert extent(store, found).blocks == 48


def test_the_result_of_a_store_is_that_of_its_whole_blocks(path):
    run(path)
    change(path, "DELETE FROM summaries WHERE first = 32")
    with Store(path) as store:
        found = find_run(store, None)
        assert result_of(store, found).digest == run(networks=32 * 2048).digest
        assert extent(store, found).first_gap == 32
    change(path, "DELETE FROM summaries WHERE first = 0")
    with Store(path) as store, pytest.raises(SpecificationError, match=r"the first block of run .* is not in"):
        result_of(store, found)


def test_runs_are_found_by_the_beginning_of_their_key(path):
    run(path)
    run(path, seed=2)
    with Store(path) as store:
        keys = [one.key for one in store.runs()]
        assert find_run(store, keys[1][:6]).seed == 2
        with pytest.raises(SpecificationError, match="holds 2 runs; say which: "):
            find_run(store, None)
        with pytest.raises(SpecificationError, match=r"0 runs of .* begin with 'xyz'"):
            find_run(store, "xyz")


def test_functions_of_ones_own_are_kept_but_not_exported(path):
    ensemble = fanin.Ensemble((4, 1), fanin.Scheme(fanin.Law.from_function(triangular, 1.0 / 6.0, 2.4), None))
    whole = run(networks=5000, ensemble=ensemble).digest
    assert run(path, 5000, ensemble=ensemble).digest == whole == run(path, 5000, ensemble=ensemble).digest
    with Store(path) as store:
        assert store.runs()[0].ensemble is None
        with pytest.raises(SpecificationError, match="has functions of your own, which a store cannot hold"):
            result_of(store, store.runs()[0])


def test_a_full_disk_keeps_what_was_committed(path, digest):
    run(path, 20_000)
    with Store(path, write=True) as store:
        pages = store._link.execute("PRAGMA page_count").fetchone()[0]
        store._link.execute(f"PRAGMA max_page_count = {pages + 8}")
        with pytest.raises(
            BrokenOff, match=f"{path} could not be written: the disk is full; all that was committed before is kept"
        ):
            run(store)
        kept = extent(store, store.runs()[0]).blocks
    with Store(path) as store:
        assert extent(store, store.runs()[0]).blocks == kept >= 8
    assert run(path).digest == digest


def test_a_store_that_another_program_writes(path, monkeypatch):
    run(path, 20_000)
    link = sqlite3.connect(path, isolation_level=None)
    link.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(database, "WAIT", 0.05)
    with pytest.raises(BrokenOff, match="another program has locked it for 0 s"):
        run(path)
    link.execute("COMMIT")
    link.close()
    run(path)


def test_a_store_that_another_program_holds_alone(path, monkeypatch):
    run(path, 20_000)
    link = sqlite3.connect(path, isolation_level=None)
    link.execute("PRAGMA locking_mode = EXCLUSIVE")
    link.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(database, "WAIT", 0.05)
    with pytest.raises(SpecificationError, match="is locked by another program; wait until it has finished"):
        Store(path)
    link.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda path: path.write_bytes(b"not a store of any kind, but long enough to be read as one" * 20),
            "is not a store of fanin",
        ),
        (lambda path: path.write_bytes(b""), "is empty; it is not a store"),
        (lambda path: path.write_bytes(b"x"), "is not a store of fanin"),
        (lambda path: path.mkdir(), "is a folder; give the name of a store"),
        (os.mkfifo, "is no file; give the name of a store"),
        (lambda path: None, "cannot be read: there is no such file"),
        (lambda path: change(path, "CREATE TABLE t (a)"), "is not a store of fanin"),
        (
            lambda path: (run(path, 5000), change(path, "PRAGMA user_version = 3")),
            "is a store of format 3, of a newer version of fanin",
        ),
        (lambda path: (run(path, 5000), change(path, "PRAGMA user_version = 0")), "is a store of format 0, of another version"),
        (lambda path: (run(path, 5000), change(path, "PRAGMA application_id = 5")), "is not a store of fanin"),
        (lambda path: (run(path, 5000), change(path, "ALTER TABLE runs ADD COLUMN x")), "does not have the tables of a store"),
        (lambda path: (run(path, 5000), change(path, "DROP TABLE summaries")), "does not have the tables of a store"),
        (lambda path: (run(path, 5000), change(path, "CREATE TABLE more (a)")), "does not have the tables of a store"),
    ],
)
def test_what_is_not_a_store_is_refused_in_one_sentence(path, make, words):
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(SpecificationError) as refusal:
        Store(path)
    assert words in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_places_that_cannot_be_written(path, tmp_path, monkeypatch):
    with pytest.raises(SpecificationError, match=r"cannot be written: the folder .* does not exist"):
        Store(tmp_path / "no" / "runs", write=True)
    with pytest.raises(SpecificationError, match="is a folder"):
        Store(tmp_path, write=True)
    run(path, 5000)
    path.chmod(stat.S_IRUSR)
    monkeypatch.setattr(os, "access", lambda file, how: not (str(file) == str(path) and how == os.W_OK))  # root may write all
    with pytest.raises(SpecificationError, match="cannot be written: it is read-only"):
        run(path)


def test_a_store_belongs_to_the_thread_that_opened_it(path):
    run(path, 5000)
    with Store(path) as store, futures.ThreadPoolExecutor(1) as pool:
        words = f"{path} was opened in another thread; open it again in this one"
        with pytest.raises(SpecificationError) as refusal:
            pool.submit(store.runs).result()
        assert str(refusal.value) == words
        assert len(store.runs()) == 1


@pytest.mark.parametrize(
    ("mounts", "on_network"),
    [
        ("/dev/sda / ext4 rw 0 0\n", False),
        ("/dev/sda / ext4 rw 0 0\nserver:/home / nfs4 rw 0 0\n", True),
        ("server:/ / nfs rw 0 0\n/dev/sdb {} ext4 rw 0 0\n", False),
        ("/dev/sda / ext4 rw 0 0\nhost {} fuse.sshfs rw 0 0\n", True),
        ("/dev/sda / ext4 rw 0 0\nhost {}x nfs rw 0 0\n", False),
    ],
)
def test_on_a_network_file_system_the_rollback_journal_is_used(path, digest, monkeypatch, mounts, on_network):
    read = database.Path.read_text
    text = mounts.replace("{}", str(path.parent.resolve()))
    monkeypatch.setattr(
        database.Path, "read_text", lambda self, **how: text if str(self) == "/proc/self/mounts" else read(self, **how)
    )
    assert database.is_on_network(path) == on_network
    with Store(path, write=True) as store:
        assert run(store).digest == digest
        assert store._link.execute("PRAGMA journal_mode").fetchone()[0] == ("delete" if on_network else "wal")
        assert store._link.execute("PRAGMA synchronous").fetchone()[0] == (3 if on_network else 2)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"seed":1', '"seed":2', "does not have the sha256 of its key"),
        ('"stream":2', '"stream":2,"stream":2', "stands twice"),
        ('"seed":1', '"seed":NaN', "holds NaN"),
        ('"seed":1', '"seed":1e999', "beyond float64"),
        ('"seed":1', f'"seed":{2**70}', "beyond 64 bits"),
        ('{"head"', "[" * 100_000 + '{"head"', "nested too deeply"),
        ('{"head"', '{"hat"', "head is missing"),
        ('"ensemble":{"activation"', '"ensemble":[{"activation"', "it is not JSON"),
    ],
)
def test_a_specification_that_was_changed_is_refused(old, new, words):
    found = specification_of(ENSEMBLE, 1, "direct")
    assert read_specification(found.key, found.text).ensemble == ENSEMBLE
    assert old in found.text
    with pytest.raises(SpecificationError, match=words):
        read_specification(found.key, found.text.replace(old, new, 1))


def test_a_run_of_another_version_is_left_alone_and_said(path, digest, monkeypatch):
    from fanin.store import specification

    with monkeypatch.context() as patch:
        patch.setattr(specification, "recorded", lambda: "0123456789abcdef")
        run(path)
    said = []
    with Store(path, write=True, notice=said.append) as store:
        assert run(store).digest == digest
        assert len(store.runs()) == 1
    assert "of another version of fanin: its recorded is '0123456789abcdef'" in said[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (5, "store is 5; give the name of a file"),
        ("", "store is ''; give"),
        ("a\0b", "give the name"),
        ("x" * 300, "file name too long"),
    ],
)
@pytest.mark.parametrize("write", [False, True])
def test_names_that_no_file_has(name, words, write):
    with pytest.raises(SpecificationError, match=words):
        Store(name, write=write)


def test_a_store_that_is_open_to_be_read_is_refused_before_any_work(path):
    run(path, 5000)
    with Store(path) as store, pytest.raises(SpecificationError, match="is open to be read only; open it with write=True"):
        fanin.simulate(fanin.Ensemble((4, 1)), 5000, store=store)


def own_activation(factor):
    def value(z):
        return factor * z

    def slope(_z):
        return factor

    return fanin.OwnActivation(value, slope)


FACTOR = np.float32(1.0)


def times(z):
    return FACTOR * z


def slope_of_times(_z):
    return FACTOR


def test_functions_that_differ_only_in_what_they_close_over_or_name_are_others(path, monkeypatch):
    """A store or a worker that took one for the other would give its numbers."""
    ones, threes = (own_activation(np.float32(factor)) for factor in (1.0, 3.0))
    assert ones.canonical() != threes.canonical()
    ensembles = [fanin.Ensemble((4, 3, 2), "scaled", own) for own in (ones, threes)]
    kept = [fanin.simulate(ensemble, 2000, store=path).digest for ensemble in ensembles]
    assert kept == [fanin.simulate(ensemble, 2000).digest for ensemble in ensembles]
    assert kept[0] != kept[1]
    before = fanin.OwnActivation(times, slope_of_times).canonical()
    assert before == fanin.OwnActivation(times, slope_of_times).canonical()
    monkeypatch.setitem(globals(), "FACTOR", np.float32(3.0))
    assert before != fanin.OwnActivation(times, slope_of_times).canonical()
    pair = [lambda z: z, lambda z: z + z]
    assert fanin.OwnActivation(pair[0], pair[0]).canonical() != fanin.OwnActivation(pair[1], pair[0]).canonical()
    codes = [eval(compile(f"lambda z: {factor} * z", "nowhere", "eval")) for factor in (1.0, 3.0)]
    assert fanin.OwnActivation(codes[0], times).canonical() != fanin.OwnActivation(codes[1], times).canonical()


def test_the_log_of_a_store_is_looked_for_beside_the_file_and_not_beside_a_link_to_it(path, tmp_path, monkeypatch):
    """A store that cannot be written, with a log that still has rows, would be read as if it had none."""
    link = tmp_path / "link"
    link.symlink_to(path)
    path.with_name(f"{path.name}-wal").touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(SpecificationError, match="is read-only, and a run that ended early left a file beside it"):
        database._other_mode(link)
