"""Named schemes: their variances by formulas written down again here, their names, and the table that shows them."""

import math
import sys

import numpy as np
import pytest

import fanin
from fanin.cli import main
from fanin.engine.recipes import ALIASES, SCHEMES, parse_scheme
from fanin.scheme_table import table, variance_formula

CUT = 0.7737413035  # variance of N(0, 1) given |w| < 2

# Variance of a weight for fan-in n and fan-out m, and of a bias (None: no bias).
VARIANCES = {
    "standard": (lambda n, m: 1.0, lambda n: 1.0),
    "scaled": (lambda n, m: 1 / n, lambda n: 1.0),
    "lecun_normal": (lambda n, m: 1 / n, None),
    "lecun_uniform": (lambda n, m: 1 / n, None),
    "glorot_normal": (lambda n, m: 2 / (n + m), None),
    "glorot_uniform": (lambda n, m: 2 / (n + m), None),
    "he_normal": (lambda n, m: 2 / n, None),
    "he_uniform": (lambda n, m: 2 / n, None),
    "orthogonal": (lambda n, m: 1 / max(n, m), None),
    "torch.linear": (lambda n, m: 1 / (3 * n), lambda n: 1 / (3 * n)),
    "torch.embedding": (lambda n, m: 1.0, None),
    "torch.xavier_uniform_": (lambda n, m: 2 / (n + m), None),
    "torch.xavier_normal_": (lambda n, m: 2 / (n + m), None),
    "torch.kaiming_uniform_": (lambda n, m: 2 / n, None),
    "torch.kaiming_normal_": (lambda n, m: 2 / n, None),
    "torch.trunc_normal_": (lambda n, m: CUT, None),
    "torch.orthogonal_": (lambda n, m: 1 / max(n, m), None),
    "keras.dense": (lambda n, m: 2 / (n + m), None),
    "keras.glorot_uniform": (lambda n, m: 2 / (n + m), None),
    "keras.glorot_normal": (lambda n, m: 2 / (n + m), None),
    "keras.he_normal": (lambda n, m: 2 / n, None),
    "keras.he_uniform": (lambda n, m: 2 / n, None),
    "keras.lecun_normal": (lambda n, m: 1 / n, None),
    "keras.lecun_uniform": (lambda n, m: 1 / n, None),
    "keras.random_normal": (lambda n, m: 0.0025, None),
    "keras.random_uniform": (lambda n, m: 0.1**2 / 12, None),
    "keras.truncated_normal": (lambda n, m: 0.0025 * CUT, None),
    "flax.dense": (lambda n, m: 1 / n, None),
    "jax.lecun_normal": (lambda n, m: 1 / n, None),
    "jax.glorot_normal": (lambda n, m: 2 / (n + m), None),
    "jax.he_normal": (lambda n, m: 2 / n, None),
    "jax.normal": (lambda n, m: 1e-4, None),
    "jax.truncated_normal": (lambda n, m: 1e-4 * CUT, None),
    "haiku.linear": (lambda n, m: CUT / n, None),
    "caffe.xavier": (lambda n, m: 1 / n, None),
    "caffe.msra": (lambda n, m: 2 / n, None),
    "bert": (lambda n, m: 4e-4 * CUT, None),
    "gpt2": (lambda n, m: 4e-4, None),
}


def test_every_scheme_is_here():
    assert set(VARIANCES) == set(SCHEMES)
    assert all(scheme.source for scheme in SCHEMES.values())


@pytest.mark.parametrize("name", VARIANCES)
def test_variances(name):
    weight, bias = VARIANCES[name]
    for n, m in ((784, 30), (10, 1000)):
        ensemble = fanin.Ensemble((n, m), name)
        assert ensemble.weight_variance == pytest.approx(weight(n, m), rel=1e-9)
        assert ensemble.bias_variance == pytest.approx(0.0 if bias is None else bias(n), rel=1e-9)
        formula = variance_formula(SCHEMES[name].weights)
        assert eval(formula.replace("(3n)", "(3*n)"), {"n": n, "m": m, "max": max}) == pytest.approx(weight(n, m), rel=1e-5)


def test_sampled_variances():
    """Of z for 500 of 1000 inputs on: published values for the defaults, at 200,000 networks to 2.5 % (5 sigma: 1.6 %)."""
    for name, expected in (
        ("torch.linear", 501 / 3000),
        ("keras.dense", 1000 / 1030),
        ("flax.dense", 0.5),
        ("haiku.linear", 0.386871),
    ):
        found = fanin.simulate(fanin.Ensemble((1000, 30), name), networks=200_000, seed=6).estimates()["z.variance"]
        assert abs(found / expected - 1) < 0.025
    assert 5 * math.sqrt(2 / 200_000) < 0.025


def test_other_names_and_typing_errors():
    assert parse_scheme("xavier_uniform") is SCHEMES["glorot_uniform"]
    assert set(ALIASES.values()) <= set(SCHEMES)
    for text, sentence in (
        ("kaiming", "did you mean kaiming_normal or kaiming_uniform"),
        ("he_norml", "did you mean he_normal"),
        ("", "known are standard, scaled"),
        ("qqqq", "known are standard, scaled"),
        ("normal:1+normal:1+normal:1", "at most one for the bias"),
        ("normal:1+orthogonal:1", "a bias cannot be orthogonal"),
    ):
        with pytest.raises(fanin.SpecificationError) as refused:
            parse_scheme(text)
        assert sentence in str(refused.value)


@pytest.fixture
def printed(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fanin", "schemes", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return run


def test_the_table_and_the_numbers(printed, monkeypatch):
    code, out, _ = printed()
    assert code == 0
    lines = out.splitlines()
    for name in SCHEMES:
        assert any(line.startswith(f"{name} ") for line in lines)
    assert any("haiku.linear" in line and "0.773741/n" in line for line in lines)
    assert len(lines) == len(SCHEMES) + 1  # in a pipe a scheme has one line
    narrow = table(40)
    assert all(f"{name}\n" in narrow for name in SCHEMES)
    code, out, _ = printed("he_normal", "--fan-in", "784")
    assert code == 0
    rows = dict(line.split("  ", 1) for line in map(str.strip, out.splitlines()))
    assert float(rows["weight standard deviation"]) == pytest.approx(np.sqrt(2 / 784))
    assert rows["weight variance"].strip() == "2/n"
    for arguments, sentence in (
        (["--fan-in", "3"], "needs a scheme"),
        (["he_normal", "--fan-in", "0"], "it must be at least 1"),
        (["he_norml"], "did you mean he_normal"),
    ):
        code, out, err = printed(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert sentence in err
