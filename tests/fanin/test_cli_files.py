"""Files of the command line: studies, folders, results, plots; what is refused is refused before anything is sampled."""

import json

import pytest

SMALL = """quantities = ["z.mean", "z.law"]
networks = 20000
[ensembles.a]
widths = [10, 1]
scheme = ["standard", "scaled"]
"""
RUN = ["verify", "--widths", "10,1", "--networks", "1e6", "--tolerance", "10"]


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_a_study_file_is_run(fanin, study):  # noqa: F811
    code, out, err = fanin("verify", study, "--tolerance", 20)
    assert (code, err) == (0, "")
    assert out.startswith("small\n20,000 networks per ensemble")
    assert "4 of 4 claims as expected" in out
    assert "From " in out
    code, out, _ = fanin("verify", study, "--json", "--networks", 3000, "--seed", 2)
    assert (code, json.loads(out)["networks"], json.loads(out)["seed"]) == (3, 3000, 2)


def test_init_writes_a_study_that_runs(fanin, tmp_path):  # noqa: F811
    path = tmp_path / "new.toml"
    assert fanin("init", path)[0] == 0
    code, _, err = fanin("init", path)
    assert (code, err.count("\n")) == (2, 1)
    assert "is there already" in err
    code, out, _ = fanin("verify", path, "--networks", "2e4")
    assert code in (0, 3)
    assert "scaled[100-1,torch.linear]" in out
    assert fanin("init")[0] == 2


def test_a_folder_runs_all_its_studies(fanin, study):  # noqa: F811
    (study.parent / "more.toml").write_text(SMALL + '[[claims]]\nensemble = "a"\nquantity = "z.mean"\npredicted = 9\n')
    (study.parent / "notes.txt").write_text("not a study")
    code, out, _ = fanin("verify", study.parent, "--tolerance", 20)
    assert code == 1  # the mean is not 9: refuted, and not expected to be
    assert out.index("more\n") < out.index("small\n")
    code, out, _ = fanin("verify", study.parent, "--json")
    reports = json.loads(out)["reports"]
    assert [report["study"] for report in reports] == ["more", "small"]
    for option in ("--output", "--plot"):
        code, out, err = fanin("verify", study.parent, option, study.parent / "x.json")
        assert (code, out) == (2, "")
        assert "takes one report, and the folder holds 2 studies" in err
    (study.parent / "bad.toml").write_text("networks = 0")
    code, out, err = fanin("verify", study.parent)
    assert (code, out) == (2, "")
    assert "bad.toml: " in err
    empty = study.parent / "empty"
    empty.mkdir()
    code, _, err = fanin("verify", empty)
    assert code == 2
    assert "is a folder without a .toml file" in err


@pytest.mark.parametrize("suffix", ["json", "nc"])
def test_a_result_is_shown_and_judged_again(fanin, tmp_path, suffix):  # noqa: F811
    path = tmp_path / f"run.{suffix}"
    code, printed, _ = fanin(*RUN, "--output", path)
    assert code == 0
    assert fanin("show", path) == (0, printed, "")
    report = json.loads(fanin("show", path, "--json")[1])
    assert report["networks"] == 1_000_000
    assert fanin("verify", path)[:2] == (0, printed)
    code, out, _ = fanin("verify", path, "--tolerance", 0.01, "--alpha", 0.5, "--json")
    again = json.loads(out)
    assert code in (1, 3)
    assert (again["digest"], again["alpha"], again["tolerance_factor"]) == (report["digest"], 0.5, 0.01)
    assert again["seconds"] == report["seconds"]
    code, _, err = fanin("verify", path, "--seed", 3)
    assert code == 2
    assert "--seed is about sampling" in err


def test_a_result_is_never_lost_or_overwritten(fanin, tmp_path):  # noqa: F811
    path = tmp_path / "run.json"
    path.write_text("mine")
    for target, sentence in (
        (path, "exists already"),
        (tmp_path / "absent" / "run.nc", "does not exist"),
        (tmp_path / "run.pkl", "must end in .json or .nc"),
    ):
        code, out, err = fanin("verify", "--networks", "1e15", "--output", target)  # 1e15 would take years: nothing is sampled
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert sentence in err
    assert path.read_text() == "mine"
    assert fanin(*RUN, "--output", path, "--overwrite")[0] == 0
    assert fanin("show", path)[0] == 0
    code, _, err = fanin(*RUN, "--overwrite")
    assert code == 2
    assert "--overwrite goes with --output" in err


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_plots(fanin, tmp_path, suffix, magic):  # noqa: F811
    path = tmp_path / f"run.{suffix}"
    assert fanin(*RUN, "--plot", path)[0] == 0
    assert path.read_bytes().startswith(magic)


def test_plots_that_cannot_be_drawn_are_refused_first(fanin, tmp_path):  # noqa: F811
    for target, sentence in ((tmp_path / "run.gif", ".png, .svg or .pdf"), (tmp_path / "absent" / "run.png", "does not exist")):
        code, out, err = fanin("verify", "--networks", "1e15", "--plot", target)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert sentence in err


def test_files_that_are_no_results(fanin, tmp_path):  # noqa: F811
    for name, content in (("a.json", b"{}"), ("b.json", b"\x00" * 9), ("c.nc", b"CDF\x01"), ("d.nc", b"")):
        (tmp_path / name).write_bytes(content)
        for command in ("show", "verify"):
            code, out, err = fanin(command, tmp_path / name)
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert name in err
    assert fanin("show", tmp_path / "absent.json")[0] == 2
