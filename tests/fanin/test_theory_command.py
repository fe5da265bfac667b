"""`fanin theory`: a table of 80 columns in ASCII, one JSON object, one sentence for bad input."""

import io
import json

import numpy as np
import pytest
from cyclopts import App, CycloptsError
from rich.console import Console

from fanin.engine.errors import SpecificationError
from fanin.stats.activation_functions import FUNCTIONS, own_activation
from fanin.theory_command import register
from fanin.theory_table import collect, meaning, print_theory


@pytest.fixture
def theory(capsys):
    """Run the command in this process: exit code and standard output."""
    app = App(name="fanin")
    register(app)

    def run(*arguments):
        code = app(["theory", *map(str, arguments)], exit_on_error=False, print_error=False, result_action="return_value")
        return code, capsys.readouterr().out

    return run


def layers_of(text):
    """The numbers of the layers that a table shows."""
    rows = [line.split() for line in text.splitlines() if line.rstrip().endswith(("exact", "limit"))]
    return [int(cells[0]) for cells in rows if cells[0].isdigit()]


def test_table(theory):
    code, out = theory("tanh", "--bias-std", "0.05")
    assert code == 0
    assert "weight_std 1.122539005, bias_std 0.05" in out
    assert "weight_std is that of the edge of chaos" in out
    lines = out.splitlines()
    assert layers_of(out) == list(range(1, 11))
    assert any(line.split()[:2] == ["0.1536919358", "1"] for line in lines)
    assert "tanh is at the edge of chaos at weight_std 1.122539005, bias_std 0.05, q* 0.1536919358." in " ".join(out.split())


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("options", [(), ("--bias-std", "0.2", "--depth", "20", "--weight-std", "1.2"), ("--weight-std", "1.7")])
def test_every_activation_prints_plain_text(theory, name, options):
    code, out = theory(name, *options)
    assert code == 0
    assert out.isascii()
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert "nan" not in out


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_json(theory, name):
    code, out = theory(name, "--json", "--bias-std", "0.2", "--depth", "4")
    report = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert code == 0
    assert out.count("\n") == 1
    assert report["activation"] == name
    assert [layer["layer"] for layer in report["layers"]] == [1, 2, 3, 4]
    assert [layer["q"]["label"] for layer in report["layers"]] == ["exact", "exact", "limit", "limit"]
    for layer in report["layers"]:
        assert 0 <= layer["q"]["error"] <= 1e-12 * layer["q"]["value"]
        assert layer["q"]["error_kind"] == "bound"
    edge = report["edge_of_chaos"]
    assert edge["stable"] == (edge["weight_std"] is not None)
    assert edge["sentence"].startswith(name)


def test_both_stories_are_told(theory):
    _, standard = theory("sigmoid", "--weight-std", 1000**0.5, "--bias-std", 1, "--input-square", 0.5)
    _, scaled = theory("sigmoid", "--weight-std", 1, "--bias-std", 1, "--input-square", 0.5)
    last = " ".join(standard.split()).rpartition("Back to")[2]
    assert "the mean-square gradient grows 2.06e+04-fold, although 83.5 % of the neurons of layer 10 are flat" in last
    last = " ".join(scaled.split()).rpartition("Back to")[2]
    assert "shrinks" in last
    assert "0.0" in last


def test_deep_networks_are_summarised(theory):
    _, out = theory("erf", "--weight-std", "0.9", "--depth", "200")
    assert layers_of(out) == [1, 2, 3, 5, 10, 20, 50, 100, 200]
    _, out = theory("erf", "--weight-std", "0.9", "--depth", "200", "--layers")
    assert layers_of(out) == list(range(1, 201))


def test_no_edge_is_an_answer(theory):
    _, out = theory("gelu", "--bias-std", "0.2")
    text = " ".join(out.split())
    assert "gelu has no edge of chaos for bias_std 0.2" in text
    assert "gelu: weight_std 1, bias_std 0.2" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rleu"], "did you mean relu?"),
        (["tanh", "--weight-std", "-1"], "weight_std is -1.0; it must be a finite number at least 0"),
        (["tanh", "--bias-std", "nan"], "bias_std is nan"),
        (["tanh", "--depth", "0"], "depth is 0; it must be a whole number from 1 to 10000"),
        (["tanh", "--depth", "1e12"], "depth is 1000000000000"),
        (["tanh", "--correlation", "1.5"], "correlation is 1.5"),
        (["tanh", "--input-square", "inf"], "input_square is inf"),
        (["softplus", "--weight-std", "3000", "--depth", "40"], "take fewer layers or a smaller weight_std"),
    ],
)
def test_bad_input(theory, arguments, words):
    with pytest.raises(SpecificationError) as caught:
        theory(*arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments", [["tanh", "--depth", "1.5"], ["tanh", "--weight-std", "x"], [], ["tanh", "relu"], ["tanh", "--nope"]]
)
def test_bad_usage(theory, arguments):
    with pytest.raises(CycloptsError):
        theory(*arguments)


def test_narrow_terminals_and_own_activations():
    own = own_activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2, name="my_tanh")
    report = collect(own, weight_std=1.3, bias_std=0.2, depth=3)
    buffer = io.StringIO()
    print_theory(report, Console(file=buffer, width=50, color_system=None))
    text = buffer.getvalue()
    assert max(map(len, text.splitlines())) <= 50
    assert "my_tanh: weight_std 1.3" in text
    assert report.to_dict()["layers"][2]["q"]["error_kind"] == "estimate"
    assert meaning(collect("tanh", depth=1)) == "0.276 % of the neurons of layer 1 are flat."  # P(|g| > 2.993)
    assert "No gradient reaches layer 1" in meaning(collect("tanh", weight_std=0.0, bias_std=1.0, depth=3))
