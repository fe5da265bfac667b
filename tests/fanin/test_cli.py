"""The command line: exit codes, one JSON object, one sentence for bad input, plain text in a pipe."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

SMALL = ["verify", "--widths", "10,1", "--networks", "1e6", "--tolerance", "10"]
SCHEMA = {"id", "scheme", "layer", "quantity", "predicted", "estimate", "low", "high", "tolerance", "label", "verdict"}
SCHEMA |= {"expected", "needed", "source"}


def process(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "fanin", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_json_is_one_object(fanin):
    code, out, err = fanin(*SMALL, "--json", "--seed", "7")
    report = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (code, err) == (0, "")
    assert (report["study"], report["seed"], report["networks"], report["method"]) == ("ensemble", 7, 1_000_000, "direct")
    assert len(report["digest"]) == 64
    assert report["seconds"] > 0
    assert report["provenance"]["threads"] >= 1
    for claim in report["claims"]:
        assert set(claim) >= SCHEMA
        assert claim["verdict"] == "confirmed"
        assert abs(claim["low"] - claim["predicted"]) <= claim["tolerance"] >= abs(claim["high"] - claim["predicted"])
    assert len({claim["id"] for claim in report["claims"]}) == len(report["claims"])
    again = json.loads(fanin(*SMALL, "--json", "--seed", "7", "--threads", "1")[1])
    assert again["digest"] == report["digest"]
    assert again["claims"] == report["claims"]


def test_json_has_null_and_never_nan(fanin):
    for networks in (2, 30, 1):
        code, out, _ = fanin("verify", "--widths", "4,1", "--networks", networks, "--json")
        assert code == 3
    report = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert any(claim["high"] is None for claim in report["claims"])


def test_exit_codes_of_judging(fanin):
    assert fanin(*SMALL)[0] == 0
    assert fanin("verify", "--widths", "10,1", "--networks", "1e4")[0] == 3


def test_numbers_may_be_written_in_three_ways(fanin):
    digests = {
        json.loads(fanin("verify", "--widths", "4,1", "--networks", n, "--json")[1])["digest"] for n in ("3e3", "3_000", "3000")
    }
    assert len(digests) == 1


def test_table_in_a_pipe_is_plain_and_80_columns_wide(fanin):
    _, out, _ = fanin(*SMALL)
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in out
    assert "linear range" in out
    assert any(line.startswith("z.variance") for line in lines)
    assert "start saturated" in lines[-1]


def test_builtin_studies_run(fanin):
    for study, words in (
        ("single-neuron", ["standard", "scaled", "coin-flips", "parameter.within[3]"]),
        ("random-inputs", ["z.kurtosis (gaussian)"]),
        ("real-inputs", ["digits"]),
    ):
        code, out, _ = fanin("verify", study, "--networks", "2e4")
        assert code in (0, 3)
        assert all(word in out for word in words)


def test_env(fanin):
    code, out, _ = fanin("env")
    assert code == 0
    for word in ("fanin", "numba", "numpy", "cpu", "vector_bits", "python"):
        assert any(line.startswith(word) for line in out.splitlines())


def test_module_and_version():
    done = process("--version")
    out, err = done.communicate()
    assert (done.returncode, out.strip(), err) == (0, "0.1.0", "")


BAD = [
    (
        ["verify", "nonsense"],
        "study is 'nonsense'; known are single-neuron, random-inputs, real-inputs, deep, ",
    ),
    (["verify", "--networks", "abc"], "'abc' is not a whole number"),
    (["verify", "--networks", "0"], "networks is 0; it must lie between 1"),
    (["verify", "--networks", "1.5"], "'1.5' is not a whole number"),
    (["verify", "--networks", "nan"], "'nan' is not a whole number"),
    (["verify", "--networks", "inf"], "'inf' is not a whole number"),
    (["verify", "--networks", "1e30"], "it must lie between 1 and 576460752303423488"),
    (["verify", "--seed", "-1"], "seed is -1; it must lie between 0 and 18446744073709551615"),
    (["verify", "--seed", str(2**64)], "it must lie between 0 and 18446744073709551615"),
    (["verify", "--threads", "0"], "threads is 0; it must lie between 1"),
    (["verify", "--alpha", "0"], "alpha is 0.0; it must lie between 0 and 1"),
    (["verify", "--alpha", "1"], "alpha is 1.0"),
    (["verify", "--alpha", "nan"], "alpha is nan"),
    (["verify", "--tolerance", "-2"], "the tolerance factor is -2.0"),
    (["verify", "--tolerance", "inf"], "the tolerance factor is inf"),
    (["verify", "--method", "fast"], "method is 'fast'; known are direct, conditional, auto"),
    (["verify", "--widths", "10"], "a network needs an input and an output size"),
    (["verify", "--widths", "-3,1"], "every layer needs at least 1 neuron"),
    (["verify", "--widths", "x,1"], "widths are 'x,1'"),
    (["verify", "--widths", "99999999999999999999,1"], "the counters address layers of at most 2147483648 neurons"),
    (["verify", "--widths", "2000000000,2", "--scheme", "orthogonal"], "this machine lends"),
    (
        ["verify", "--widths", "10,1", "--scheme", "xavier"],
        "scheme is 'xavier'; did you mean xavier_normal or xavier_uniform or torch.xavier_uniform_?",
    ),
    (["verify", "--widths", "10,1", "--scheme", "normal:-1"], "it must be a finite number, at least 0"),
    (["verify", "--widths", "10,1", "--scheme", "normal:nan"], "it must be a finite number"),
    (["verify", "--widths", "10,1", "--scheme", "normal:1e200"], "beyond float32"),
    (["verify", "--widths", "10,1", "--scheme", "cauchy:1"], "is of the family 'cauchy'; known are normal, uniform"),
    (["verify", "--widths", "10,1", "--scheme", "normal:1/fan"], "scaled over 'fan'; known are fan_in, fan_out, fan_avg"),
    (["verify", "--widths", "10,1", "--activation", "step"], "activation is 'step'; known are sigmoid, tanh, "),
    (["verify", "--widths", "10,1", "--inputs", "bernoulli:1.5"], "it must be a number from 0 to 1"),
    (["verify", "--widths", "10,1", "--inputs", "bernoulli:nan"], "it must be a number from 0 to 1"),
    (["verify", "--widths", "10,1", "--inputs", "on:11"], "11 of 10 inputs cannot be on"),
    (["verify", "--widths", "10,1", "--inputs", "subset:-2"], "-2 of 10 inputs cannot be on"),
    (["verify", "--widths", "11,1"], "half-on needs an even number of inputs, not 11; write inputs on:5 (--inputs on:5)"),
    (["verify", "--widths", "10,1", "--inputs", "gaussian:inf"], "it must be a number from 0 to 1e+38"),
    (["verify", "--widths", "10,1", "--inputs", "poisson"], "known are half-on"),
    (["verify", "--widths", "10,1", "--inputs", "digits"], "digits has 64 columns and the network 10 inputs"),
    (["verify", "--widths", "10,1", "--inputs", "on:0", "--scheme", "he_normal"], "has variance 0; it must be positive"),
    (["verify", "--scheme", "he_normal"], "--scheme needs the size of the neuron"),
    (["verify", "random-inputs", "--widths", "10,1"], "--widths describes a network of your own"),
    (["verify", "--inputs", "/nowhere/x.csv"], "/nowhere/x.csv cannot be read: No such file"),
    (["verify", "--no-such-option"], "no-such-option"),
    (["verify", "--networks"], "networks"),
    (["frobnicate"], "frobnicate"),
]


@pytest.mark.parametrize(("arguments", "sentence"), BAD, ids=[" ".join(arguments[-3:])[:50] for arguments, _ in BAD])
def test_bad_input_is_one_sentence(fanin, arguments, sentence):
    code, out, err = fanin(*arguments)
    assert code == 2
    assert out == ""
    assert sentence in err
    assert err.startswith("fanin: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


FILES = {
    "empty.csv": (b"", "is empty"),
    "blank.csv": (b"\n\n", "must have 2 dimension(s) and not be empty"),
    "ragged.csv": (b"1,2\n3\n", "the number of columns changed from 2 to 1"),
    "text.csv": (b"1,two\n", "could not convert string 'two'"),
    "header.csv": (b"a,b\n1,2\n", "could not convert string 'a'"),
    "nan.csv": (b"1,nan\n", "holds nan at (0, 1)"),
    "inf.csv": (b"1,2\n3,inf\n", "holds inf at (1, 1)"),
    "large.csv": (b"1,1e39\n", "must be finite in float32"),
    "binary.csv": (bytes(range(256)), "is not a text file in UTF-8"),
    "empty.npy": (b"", "is empty"),
    "text.npy": (b"1,2\n3,4\n", "is not a whole .npy file"),
    "data.txt": (b"1,2\n", "its name must end in .npy, .npz, .csv"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_files_are_refused(fanin, tmp_path, name):
    content, sentence = FILES[name]
    (tmp_path / name).write_bytes(content)
    code, out, err = fanin("verify", "--inputs", tmp_path / name)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_bad_arrays_are_refused(fanin, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.ones((5, 4)))
    whole = path.read_bytes()
    for content, sentence in (
        (whole[:-8], "is not a whole .npy file"),
        (whole[:20], "is not a whole .npy file"),
        (whole.replace(b"(5, 4)", b"(5,4e)"), "is not a whole .npy file"),
    ):
        path.write_bytes(content)
        code, _, err = fanin("verify", "--inputs", path)
        assert code == 2
        assert sentence in err
    for array, sentence in (
        (np.ones(4), "must have 2 dimension(s)"),
        (np.ones((0, 4)), "not be empty"),
        (np.array([["a"]]), "must hold real numbers"),
        (np.ones((2, 2), complex), "must hold real numbers"),
        (np.array([[{}]], dtype=object), "is not a whole .npy file of numbers"),
    ):
        np.save(path, array, allow_pickle=True)
        code, _, err = fanin("verify", "--inputs", path)
        assert code == 2
        assert sentence in err


def test_unreadable_path(fanin, tmp_path):
    (tmp_path / "folder.csv").mkdir()
    code, _, err = fanin("verify", "--inputs", tmp_path / "folder.csv")
    assert code == 2
    assert "is not a file" in err


def test_scale_of_a_file_is_part_of_the_result(fanin, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(12).reshape(4, 3))
    runs = [
        json.loads(fanin("verify", "--inputs", f"{path}{scale}", "--networks", 5000, "--json")[1]) for scale in ("", ",scale=2")
    ]
    assert runs[0]["digest"] != runs[1]["digest"]
    variance = [next(c["predicted"] for c in run["claims"] if c["quantity"] == "z.variance") - 1 for run in runs]
    assert variance[1] == pytest.approx(4 * variance[0])
    code, _, err = fanin("verify", "--inputs", f"{path},scale=0")
    assert code == 2
    assert "it must be a finite number other than 0" in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_a_run_at_once(number, code):
    """Even where one block would take minutes."""
    running = process("verify", "--widths", "3000000,1", "--networks", "1e9", "--json")
    time.sleep(6)
    running.send_signal(number)
    sent = time.monotonic()
    out, err = running.communicate(timeout=60)
    assert time.monotonic() - sent < 30
    assert running.returncode == code
    assert json.loads(out) == {"error": err.removeprefix("fanin: ").rstrip(), "exit_code": code}
    assert err.count("\n") == 1
    assert "nothing was kept" in err


def test_a_reader_that_leaves_is_no_error():
    for arguments in (["env"], SMALL, [*SMALL, "--json"]):
        read, write = os.pipe()
        os.close(read)
        command = [sys.executable, "-m", "fanin", *arguments]
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
        os.close(write)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_said():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "fanin", *SMALL]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4
    assert "broke off" in done.stderr
    assert "Traceback" not in done.stderr
