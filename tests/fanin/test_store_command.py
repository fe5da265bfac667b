"""`fanin store` and `fanin verify --store`: what a user sees."""

import json
import sqlite3

import pytest
from rich.console import Console

import fanin as library
from fanin import progress_display

OWN = ("verify", "--widths", "12,1", "--networks", "2e5")


@pytest.fixture
def store(fanin, tmp_path):
    path = tmp_path / "runs"
    assert fanin(*OWN, "--store", path)[0] == 3
    return path


def change(path, statement):
    with sqlite3.connect(path) as link:
        link.execute(statement)
    link.close()


def key(path, at=0):
    with library.Store(path) as opened:
        return opened.runs()[at].key[:12]


def test_list(fanin, store):
    code, out, err = fanin("store", "list", store)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{key(store)}  196,608 networks in ")
    assert lines[1] == "  12-1 standard sigmoid, inputs on:6, direct, seed 501"
    change(store, "DELETE FROM summaries WHERE first = 0")
    assert "without block 0" in fanin("store", "list", store)[1]
    found = json.loads(fanin("store", "list", store, store, "--json")[1])["stores"]
    assert [one["runs"][0]["seed"] for one in found] == [501, 501]


def test_show(fanin, store):
    code, out, _ = fanin("store", "show", store)
    assert code == 0
    assert "196,608" in out
    assert "z.variance" in out
    plain = json.loads(fanin("store", "show", store, key(store)[:5], "--json")[1])
    assert plain["networks"] == 196_608
    assert plain["estimates"]["1"]["z.variance"] == pytest.approx(7.0, rel=0.05)
    change(store, "DELETE FROM summaries WHERE first = 0")
    assert "the first block of run" in fanin("store", "show", store)[1]


def test_check(fanin, store):
    assert fanin("store", "check", store)[::2] == (0, "")
    change(store, "UPDATE summaries SET data = zeroblob(9) WHERE first = 0")
    code, out, err = fanin("store", "check", store)
    assert code == 1
    assert out.endswith("of 1 runs, 1 cannot be used\n")
    assert "of run" in err
    assert "cannot be used, since" in err


def test_merge_and_export(fanin, store, tmp_path):
    target, result = tmp_path / "all", tmp_path / "run.json"
    code, out, err = fanin("store", "merge", target, store)
    assert (code, err) == (0, "")
    assert "rows new, 0 there already" in out
    assert fanin("store", "merge", target, store)[1].startswith(f"{store}: 0 rows new, ")
    code, out, err = fanin("store", "export", target, "--output", result)
    assert (code, err) == (0, "")
    report = library.load_report(result)
    assert report.results["standard"].digest == library.simulate(library.Ensemble((12, 1)), 196_608).digest
    before = result.read_bytes()
    assert fanin("store", "export", target, "--output", result)[0] == 2
    assert result.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list",), "no store is given; name at least one file"),
        (("check", "no-such-file"), "no-such-file cannot be read: there is no such file"),
        (("merge", "{}", "{}"), "{} is the store to write; it cannot be merged into itself"),
        (("merge", "{}", "no-such-file"), "no-such-file cannot be read: there is no such file"),
        (("show", "{}", "zzz"), "0 runs of {} begin with 'zzz'; it holds {key}"),
        (("export", "{}", "--output", "run.txt"), "run.txt is not a result file; its name must end in .json or .nc"),
    ],
)
def test_bad_input(fanin, store, arguments, words):
    before = store.read_bytes()
    code, out, err = fanin("store", *(str(store) if one == "{}" else one for one in arguments))
    assert (code, out) == (2, "")
    assert err == f"fanin: {words.replace('{}', str(store)).replace('{key}', key(store))}\n"
    assert store.read_bytes() == before


def test_a_damaged_file_is_refused_and_saved_by_merging(fanin, store, tmp_path):
    """A page in the middle that is gone: what can be read goes to a new store, and the rest is sampled again."""
    fanin(*OWN, "--store", store, "--seed", "2")
    whole = bytearray(store.read_bytes())
    pages = len(whole) // 4096
    for page in range(2, pages):
        broken = whole.copy()
        broken[page * 4096 : (page + 1) * 4096] = bytes(4096)
        store.write_bytes(broken)
        code, out, err = fanin(*OWN, "--store", store, "--json")
        if code == 2:
            assert (out, err) == (
                "",
                f"fanin: {store} is damaged; fanin store merge NEW {store} saves what can still be read to a new store\n",
            )
            target = tmp_path / f"new{page}"
            code, _, err = fanin("store", "merge", target, store)
            assert code in (0, 1, 2), err
            assert err.count("Traceback") == 0
            code, out, _ = fanin(*OWN, "--store", target, "--json")
        assert code == 3
        assert json.loads(out)["digest"] == json.loads(fanin(*OWN, "--json")[1])["digest"]


def test_a_watched_run_goes_on(fanin, tmp_path):
    own = ("verify", "--widths", "12,1", "--until", "decided", "--tolerance", "20", "--json")
    one = json.loads(fanin(*own)[1])
    first = json.loads(fanin(*own, "--store", tmp_path / "runs")[1])
    second = json.loads(fanin(*own, "--store", tmp_path / "runs")[1])
    assert one["digest"] == first["digest"] == second["digest"]


def test_progress_in_a_log(monkeypatch, capsys):
    """A line now and then: networks, rate, time left, claims decided so far."""
    monkeypatch.setattr(progress_display, "_EVERY", 0.0)
    clock = iter(range(0, 10_000, 2))
    monkeypatch.setattr(progress_display.time, "monotonic", lambda: float(next(clock)))
    report = library.verify(library.Ensemble((12, 1)), networks=200_000)
    with progress_display.sampling(Console(stderr=True), 10**9, False) as (progress, look):
        progress.held(5 * 10**8)  # of a store: done, and nothing of the rate
        progress(10**6)
        look(report)
        progress(10**6)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "500,000,000 of 1,000,000,000 networks"
    assert lines[1] == "501,000,000 of 1,000,000,000 networks"  # what was compiled before says nothing of the rate
    assert lines[2].startswith("502,000,000 of 1,000,000,000 networks, 1.67e+05 a second, 49 min 48 s left, ")
    assert "claims decided" in lines[2]


def test_looks_at_a_run_of_fixed_size(monkeypatch):
    """Every claim is there from the first look on; those of ensembles that are not sampled yet are undecided."""
    monkeypatch.setattr("fanin.verification._PAUSE", 0.0)
    monkeypatch.setattr("fanin.verification._SHARE", 1e9)
    looks = []
    report = library.verify("single-neuron", networks=300_000, look=looks.append)
    assert {len(look.verdicts) for look in looks} == {len(report.verdicts)}
    assert len(looks[0].results) == 1
    assert len(looks[-1].results) == len(report.results)
    assert [verdict.verdict for verdict in looks[-1].verdicts] == [verdict.verdict for verdict in report.verdicts]
    assert looks[-1].digest == report.digest
