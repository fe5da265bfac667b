"""The command line for networks: one's own, all studies at once, every layer; refusals in one sentence."""

import json

import pytest

from fanin import Ensemble, studies
from fanin.studies import Study, built_in

NETWORK = ["verify", "--widths", "8,6,4,2", "--activation", "tanh", "--scheme", "lecun_normal", "--inputs", "gaussian"]
SMALL = ["--networks", "2e3", "--seed", "3", "--method", "conditional"]


def test_a_network_of_ones_own(fanin):  # noqa: F811
    code, out, err = fanin(*NETWORK, "--cost", "linear", *SMALL, "--tolerance", 100)
    assert (code, err) == (3, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "8-6-4-2 neurons, lecun_normal, tanh, inputs gaussian:1, cost linear" in " ".join(out.split())
    assert "median |delta|" in out
    code, out, _ = fanin(*NETWORK, *SMALL, "--tolerance", 100, "--json")
    report = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (code, report["method"], report["networks"]) == (3, "conditional", 2000)
    assert {claim["layer"] for claim in report["claims"]} == {1, 2, 3}
    assert {claim["verdict"] for claim in report["claims"]} == {"confirmed", "undecided", "assumed"}
    assert all(claim["id"] == f"lecun_normal/{claim['layer']}/{claim['quantity']}" for claim in report["claims"])


def test_every_claim_of_every_layer(fanin):  # noqa: F811
    _, short, _ = fanin(*NETWORK, *SMALL)
    code, out, _ = fanin(*NETWORK, *SMALL, "--layers")
    assert code == 3
    for layer in (1, 2, 3):
        assert f"\nlecun_normal, layer {layer}\n" in out
        assert f"\nlecun_normal, layer {layer}\n" not in short
    assert out.count("\nz.mean ") == 3
    assert short.splitlines()[-1] == out.splitlines()[-1]


def test_values_for_each_layer(fanin):  # noqa: F811
    code, out, _ = fanin(
        *("verify", "--widths", "4,4,2", "--activation", "relu; identity", "--inputs", "pair:1:0.5", "--cost", "quadratic"),
        *("--scheme", "he_normal;truncated:1/fan_in,cut=3+normal:0.1", "--targets", "-1,0.5", "--networks", "2e3"),
    )
    assert code == 3
    text = " ".join(out.split())
    assert "4-4-2 neurons, he_normal; truncated:1/fan_in,cut=3+normal:0.1, relu; identity, inputs pair:1:0.5" in text
    assert "cost quadratic with given targets" in text
    assert "corr" in text
    assert "direct sampler" in text


def test_several_inputs(fanin):  # noqa: F811
    code, out, _ = fanin(*NETWORK, "--points", 2, *SMALL)
    assert code == 3
    assert "2 through each network" in " ".join(out.split())
    assert "the correlation of two inputs goes from" in " ".join(out.split())


def test_auto_says_which_sampler_it_took(fanin):  # noqa: F811
    _, out, _ = fanin(*NETWORK, "--method", "auto", "--networks", 500, "--json")
    assert json.loads(out)["method"] in ("direct", "conditional")


BAD = [
    (["--activation", "tanh;relu"], "activation has 2 values for 3 layers; give one for all, or one for each"),
    (["--scheme", "standard;;scaled"], "scheme is ''"),
    (["--cost", "hinge"], "cost is 'hinge'; known are none, linear, quadratic"),
    (["--cost", "cross-entropy"], "the cost cross-entropy goes with sigmoid outputs"),
    (["--cost", "quadratic", "--targets", "1,2,3"], "targets are 3 values; give one for each of the 2 outputs"),
    (["--cost", "quadratic", "--targets", "nan,1"], "targets hold nan; each must be a number from -1e+06 to 1e+06"),
    (["--cost", "quadratic", "--targets", "1,-2e6"], "targets hold -2e+06; each must be a number"),
    (["--cost", "quadratic", "--targets", "some"], "targets are 'some'; write random, one-hot or a number for each output"),
    (["--targets", "one-hot"], "--targets one-hot needs a cost that has targets; add --cost quadratic, say"),
    (["--cost", "linear", "--targets", "1,2"], "--targets 1,2 needs a cost that has targets"),
    (["--points", "9"], "points is 9; it must be a whole number from 1 to 8"),
    (["--points", "2", "--inputs", "half-on"], "they would all be the same"),
    (["--method", "fast"], "method is 'fast'; known are direct, conditional, auto"),
    (["--method", "conditional", "--scheme", "glorot_uniform"], "conditional"),
]


@pytest.mark.parametrize(("more", "sentence"), BAD, ids=[" ".join(more) for more, _ in BAD])
def test_bad_networks_are_one_sentence(fanin, more, sentence):  # noqa: F811
    given = [word for pair in zip(NETWORK[1::2], NETWORK[2::2], strict=True) if pair[0] not in more for word in pair]
    code, out, err = fanin("verify", *given, *more)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.startswith("fanin: ")
    assert err.count("\n") == 1


def test_bad_widths_are_one_sentence(fanin):  # noqa: F811
    for widths, sentence in (
        ("10,,1", "write layer sizes such as 1000,1 or 784,256,10"),
        ("10,0,1", "every layer needs at least 1 neuron"),
        (",".join(["4"] * 70_000), "the counters address at most"),
        ("3000000000,1,1", "the counters address layers of at most 2147483648 neurons"),
        ("1e3,1", "write layer sizes"),
    ):
        code, out, err = fanin("verify", "--widths", widths)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert sentence in err
    code, _, err = fanin("verify", "--cost", "quadratic")
    assert code == 2
    assert "--cost needs the size of the neuron; add --widths" in err


def test_an_odd_number_of_inputs_gets_advice_that_works_and_hides_nothing(fanin):  # noqa: F811
    for widths, count in (("5,3,3", 2), ("1,3,3", 1)):
        code, out, err = fanin("verify", "--widths", widths)
        assert (code, out) == (2, "")
        assert f"not {widths[0]}; write inputs on:{count} (--inputs on:{count})" in err
        assert Ensemble(tuple(map(int, widths.split(","))), inputs=f"on:{count}").inputs.count == count
    for more, sentence in (
        (["--activation", "step"], "activation is 'step'"),
        (["--scheme", "xavier"], "scheme is 'xavier'"),
        (["--cost", "hinge"], "cost is 'hinge'"),
        (["--cost", "cross-entropy", "--activation", "tanh"], "goes with sigmoid outputs"),
        (["--cost", "quadratic", "--targets", "nan,1,2"], "targets hold nan"),
        (["--scheme", "normal:1e200"], "beyond float32"),
    ):
        code, _, err = fanin("verify", "--widths", "5,3,3", *more)
        assert code == 2
        assert sentence in err


def test_the_help_of_each_command_is_about_it(fanin):  # noqa: F811
    for command, own in (("verify", True), ("show", True), ("init", False), ("env", False), ("schemes", False)):
        _, out, _ = fanin(command, "--help")
        assert ("Examples:" in out) is own
        assert ("fanin verify deep" in out) is (command == "verify")


def test_a_narrow_reader_is_heeded(fanin, tmp_path, monkeypatch):  # noqa: F811
    path = tmp_path / "run.json"
    fanin(*NETWORK, "--cost", "linear", *SMALL, "--output", path)
    wide = fanin("show", path, "--layers")[1]
    assert "tolerance" in wide
    for columns, width in (("60", 60), ("1", 40), ("200", 80), ("many", 80), ("-3", 80)):
        monkeypatch.setenv("COLUMNS", columns)
        _, out, _ = fanin("show", path, "--layers")
        assert max(map(len, out.splitlines())) <= width
        assert (out == wide) is (width == 80)


@pytest.fixture
def two_studies():
    """Two small built-in studies in the place of all."""

    def study(name, scheme):
        ensembles = {scheme: Ensemble((6, 4, 2), scheme, "tanh", "gaussian")}
        return Study(name, "", ensembles, networks=2000, quantities=("z.mean", "phi.mean"), method="conditional")

    chosen = {"first": lambda: study("first", "lecun_normal"), "second": lambda: study("second", "he_normal")}
    every = dict(studies.STUDIES)
    for found in (chosen, every):
        studies.STUDIES.clear()
        studies.STUDIES.update(found)
        built_in.cache_clear()
        if found is chosen:
            yield


def test_all_studies(fanin, two_studies, tmp_path):  # noqa: F811
    code, out, _ = fanin("verify", "all", "--tolerance", 100)
    assert code == 0
    assert out.startswith("first\n2,000 networks")
    assert "\n\nsecond\n2,000 networks" in out
    code, out, _ = fanin("verify", "all", "--json", "--tolerance", 0.001)
    found = json.loads(out)
    assert code in (1, 3)
    assert [report["study"] for report in found["studies"]] == ["first", "second"]
    assert set(found) == {"fanin", "studies"}
    code, out, err = fanin("verify", "all", "--output", tmp_path / "x.json")
    assert (code, out) == (2, "")
    assert "takes one report, and all is 2 studies" in err
    assert fanin("verify", "all", "--widths", "4,4")[0] == 2


def test_all_names_every_study():
    from fanin.subjects import ALL, find_subjects

    assert [getattr(study, "name", None) for study in find_subjects(ALL, {})] == list(studies.STUDIES)


@pytest.mark.parametrize("suffix", ["json", "nc"])
def test_a_network_is_shown_again(fanin, tmp_path, suffix):  # noqa: F811
    path = tmp_path / f"run.{suffix}"
    code, printed, _ = fanin(*NETWORK, "--cost", "linear", *SMALL, "--output", path)
    assert code == 3
    assert fanin("show", path)[:2] == (0, printed)
    code, every, _ = fanin("show", path, "--layers")
    assert code == 0
    assert "\nlecun_normal, layer 3\n" in every
    assert fanin("verify", path, "--layers")[:2] == (3, every)
