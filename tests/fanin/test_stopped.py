"""How a run ends that is stopped, or cannot say what it has to say: what is printed, what is written, and the exit code."""

import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext

import pytest

from fanin import cli, output, sampling, signals
from fanin.engine.errors import SpecificationError
from fanin.report import Report

WATCHED = ("verify", "--widths", "10,1", "--until", "decided")
SIGNALS = pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)


@pytest.fixture(autouse=True)
def handlers():
    """Those of the tests come back."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def looks(monkeypatch):
    """Networks at the looks of a watched run. `looks.signals` are sent at the third."""

    class Looks(list):
        signals: tuple[int, ...] = ()

        def __call__(self, report, _seconds=0.0):
            self.append(next(iter(report.results.values())).networks)
            if len(self) == 3:
                for number in self.signals:
                    signal.raise_signal(number)
            return "a look"

    found = Looks()
    monkeypatch.setattr("fanin.watch_display.look_line", found)
    return found


@SIGNALS
def test_a_watched_run_that_is_stopped_reports_what_it_saw(fanin, looks, number, code, word, tmp_path):
    """Its sequences hold at every size. A second signal close by is the same wish."""
    looks.signals = (number, number)
    found, out, err = fanin(*WATCHED)
    assert (found, len(looks)) == (code, 3)
    assert f"{looks[-1]:,}" in out
    assert "whenever the run had stopped" in " ".join(out.split())
    assert err.splitlines()[-1] == f"fanin: {word}; the report is printed; with --store FILE the run could be gone on with"
    looks.clear()
    found, _, err = fanin(*WATCHED, "--output", tmp_path / "part.json", "--store", tmp_path / "runs")
    kept = f"what was finished is kept in {tmp_path / 'runs'}; the same command goes on from there"
    assert found == code
    assert err.splitlines()[-1] == f"fanin: {word}; the report is printed and in {tmp_path / 'part.json'}; {kept}"
    code, out, _ = fanin("show", tmp_path / "part.json")
    assert f"{looks[-1]:,}" in out


@SIGNALS
def test_of_a_watched_run_that_is_stopped_json_is_the_report(fanin, looks, number, code, word, monkeypatch):
    looks.signals = (number,)
    monkeypatch.setattr("fanin.watch_display.watching", lambda _console, _quiet: nullcontext(looks))
    found, out, err = fanin(*WATCHED, "--json")
    report = json.loads(out)
    assert (found, report["exit_code"], report["error"]) == (code, code, err.removeprefix("fanin: ").rstrip())
    assert (report["until"], report["networks"]) == ("decided", looks[-1])
    assert report["error"].startswith(f"{word}; the report is printed; ")


def test_a_run_that_is_stopped_before_its_first_look_has_no_report(fanin, monkeypatch):
    monkeypatch.setattr("fanin.watching.judge_all", lambda *_given, **_more: signal.raise_signal(signal.SIGINT))
    found, out, err = fanin(*WATCHED)
    assert (found, out) == (130, "")
    assert err == "fanin: interrupted; nothing was kept; --store FILE keeps what is finished\n"


def test_a_signal_while_the_report_is_written_waits_for_it(fanin, monkeypatch, tmp_path):
    save = Report.save

    def interrupted(self, path, overwrite=False):
        signal.raise_signal(signal.SIGINT)
        save(self, path, overwrite)

    monkeypatch.setattr(Report, "save", interrupted)
    found, out, err = fanin("verify", "--widths", "10,1", "--networks", "1e5", "--output", tmp_path / "run.json")
    assert found == 130
    assert "claims as expected" in out
    assert f"interrupted; the report is printed and in {tmp_path / 'run.json'}" in err
    assert (tmp_path / "run.json").exists()


@pytest.mark.parametrize("error", [OSError("the disk is full"), SpecificationError("run.json is there already")])
def test_a_file_that_cannot_be_written_costs_no_report(fanin, looks, monkeypatch, tmp_path, error):
    """Nor is one printed twice."""

    def save(*_given):
        raise error

    monkeypatch.setattr(Report, "save", save)
    run = ("verify", "--widths", "10,1", "--networks", "1e5", "--output", tmp_path / "run.json")
    found, out, err = fanin(*run)
    assert found == 4
    assert "claims as expected" in out
    assert err == f"fanin: broke off: {error}\n"
    found, out, _ = fanin(*run, "--json")
    report = json.loads(out)
    assert (found, report["exit_code"], report["error"], report["networks"]) == (4, 4, f"broke off: {error}", 100_000)
    looks.signals = (signal.SIGTERM,)
    found, out, err = fanin(*WATCHED, "--output", tmp_path / "run.json")
    assert (found, f"{looks[-1]:,}" in out) == (143, True)
    assert f"terminated; the report is printed; {error}; with --store" in err


def test_finished_reports_of_a_folder_are_in_the_object_of_a_run_that_is_stopped(fanin, monkeypatch, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\nnetworks = 10000\n[ensembles.n]\nwidths = [10, 1]\n')
    run = cli._run

    def stopped(subject, *given, **more):
        if subject.name == "b":
            signal.raise_signal(signal.SIGINT)
        return run(subject, *given, **more)

    monkeypatch.setattr(cli, "_run", stopped)
    found, out, err = fanin("verify", tmp_path, "--json")
    answer = json.loads(out)
    assert (found, answer["exit_code"], [report["study"] for report in answer["reports"]]) == (130, 130, ["a"])
    assert err.startswith("fanin: interrupted; 1 of 2 reports are printed; ")


def test_an_object_whose_print_was_begun_is_the_only_one(fanin, monkeypatch, capsys):
    """A signal while a slow reader takes it."""

    def interrupted(show):
        show()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(output, "_print_for_a_reader", interrupted)
    found, out, _ = fanin("verify", "--widths", "10,1", "--networks", "1e5", "--json")
    assert (found, json.loads(out)["networks"]) == (130, 100_000)


@pytest.mark.parametrize("options", [(), ("--until", "decided")])
def test_a_run_goes_on_where_nobody_reads_its_progress(options):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "fanin", "verify", "--widths", "10,1", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=write, text=True, check=False)
    os.close(write)
    assert done.returncode == 0
    assert "claims as expected" in done.stdout


def test_a_variance_that_is_claimed_to_be_nothing_is_refuted(fanin, tmp_path):
    (tmp_path / "zero.toml").write_text(
        'name = "zero"\nnetworks = 100000\nquantities = ["z.mean"]\n[ensembles.n]\nwidths = [10, 1]\nscheme = "standard"\n'
        'inputs = "half-on"\n[[claims]]\nensemble = "n"\nquantity = "z.variance"\npredicted = 0.0\ntolerance = 0.5\n'
        'expect = "refuted"\n'
    )
    _, out, _ = fanin("verify", tmp_path / "zero.toml", "--json", "--output", tmp_path / "zero.json")
    claim = next(one for one in json.loads(out)["claims"] if one["quantity"] == "z.variance")
    assert (claim["verdict"], claim["p_value"]) == ("refuted", 0.0)


SIZE = ("--networks", "1e9")


@pytest.mark.parametrize("options", [SIZE, (*SIZE, "--executor", "processes", "--workers", "1"), ("--until", "decided")])
def test_a_signal_whose_exception_is_lost_ends_the_run(fanin, monkeypatch, options):
    """As it is inside a callback of the compiler."""
    real = sampling.summed

    def lost(*arguments, **more):
        signals.arrived.append(signal.SIGINT)
        return real(*arguments, **more)

    monkeypatch.setattr(sampling, "summed", lost)
    code, _, said = fanin("verify", "--widths", "4,1", *options)
    assert code == 130
    assert said.splitlines()[-1].startswith("fanin: interrupted")
    assert signals.arrived == []
