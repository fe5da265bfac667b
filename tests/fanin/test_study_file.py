"""Studies in TOML: what is read, what is refused with its key, and that no text gives anything else."""

import json
import os
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fanin
from fanin.engine.errors import SpecificationError
from fanin.study_example import EXAMPLE, write_example
from fanin.study_file import find_study, load_study, schema
from tests.campaigns.fuzz_studies import fuzz_studies, outcome

ROOT = Path(__file__).resolve().parents[2]
ALPHABET = 'ab1é€\u2028\U0001f600"\\\n\t #=[]{},.\x01'  # what TOML and JSON write in a special way


def test_the_example_is_the_study_it_describes(tmp_path):
    path = write_example(tmp_path / "mine.toml")
    found = load_study(path)
    assert found.name == "example"
    assert found.networks == 10_000_000
    assert list(found.ensembles) == [
        "standard",
        *(f"scaled[{n}-1,{scheme}]" for n in (100, 1000) for scheme in ("scaled", "torch.linear")),
    ]
    assert found.ensembles["scaled[100-1,torch.linear]"] == fanin.Ensemble((100, 1), "torch.linear")
    assert found.quantities == ("z.mean", "z.variance", "z.quantile[0.95]", "z.tail[5]", "phi.saturated", "slope.median")
    (claim,) = found.claims
    assert (claim.id, claim.predicted, claim.tolerance) == ("standard/1/z.variance/without bias", 500.0, 0.1)
    assert claim.expected == "refuted"


def test_the_example_runs(tmp_path):
    """At a twentieth of its size nothing is decided wrongly, and the false claim is refuted or open."""
    report = fanin.verify(str(write_example(tmp_path / "mine.toml")), networks=500_000)
    assert report.exit_code in (0, 3)
    assert len(report.verdicts) == 5 * 6 + 1


def test_every_key_has_its_effect(study):
    """Each key of the schema, changed from its default, changes the study that is read."""
    plain = {"ensembles": {"a": {"widths": [10, 1]}}, "claims": [{"ensemble": "a", "quantity": "z.variance"}]}
    claims = [{"ensemble": "a", "quantity": "z.mean"}]
    network = {"ensembles": {"a": {"widths": [10, 4, 2], "cost": "quadratic", "inputs": "gaussian"}}, "claims": claims}
    changes = {
        "name": "other",
        "purpose": "why",
        "networks": 5,
        "quantities": ["z.mean"],
        "ensembles.a.widths": [12, 1],
        "ensembles.a.scheme": "scaled",
        "ensembles.a.activation": "tanh",
        "ensembles.a.inputs": "on:3",
        "ensembles.a.tails": [2.0],
        "ensembles.a.slow": [0.5],
        "ensembles.a.points": 2,
        "ensembles.a.cost": "softmax",
        "ensembles.a.targets": "one-hot",
        "ensembles.a.method": "conditional",
        "method": "auto",
        "claims.0.layer": 2,
        "claims.0.quantity": "z.mean",
        "claims.0.predicted": 5.0,
        "claims.0.tolerance": "1%",
        "claims.0.name": "mine",
        "claims.0.source": "here",
        "claims.0.expect": "refuted",
    }
    known = {key for key in schema()["properties"] if key not in ("ensembles", "claims")}
    known |= {f"ensembles.a.{key}" for key in schema()["$defs"]["ensemble"]["properties"]}
    known |= {f"claims.0.{key}" for key in schema()["$defs"]["claim"]["properties"] if key != "ensemble"}
    assert set(changes) == known
    for key, value in changes.items():
        base = network if key.endswith(("slow", "points", "targets", "layer")) else plain
        before = shown(study(toml(base)))
        changed = json.loads(json.dumps(base))
        *path, last = (int(part) if part.isdigit() else part for part in key.split("."))
        place = changed
        for part in path:
            place = place[part]
        place[last] = value
        text = toml(changed)
        jsonschema.validate(changed, schema())
        assert shown(study(text)) != before, key


def shown(study):
    ensemble = study.ensembles["a"]
    return repr(study), ensemble.tails, ensemble.slow, ensemble.targets


def toml(table):
    """TOML for tables of the form of a study, from JSON values."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if key not in ("ensembles", "claims")]
    for label, ensemble in table["ensembles"].items():
        lines += [f"[ensembles.{json.dumps(label)}]", *(f"{key} = {json.dumps(value)}" for key, value in ensemble.items())]
    for claim in table.get("claims", []):
        lines += ["[[claims]]", *(f"{key} = {json.dumps(value)}" for key, value in claim.items())]
    return "\n".join(lines)


def test_the_published_schema_is_the_one_in_force():
    published = json.loads((ROOT / "docs" / "study.schema.json").read_text())
    assert published == schema()
    jsonschema.Draft202012Validator.check_schema(published)


def test_grids(study):
    found = study(
        '[ensembles.g]\nwidths = [[4, 1], [6, 2]]\nactivation = ["sigmoid", "tanh"]\ninputs = ["on:2", "gaussian"]\n'
        'tails = [[1.0], [2.0, 3.0]]\n[[claims]]\nensemble = "g"\nquantity = "z.kurtosis"\n'
        '[[claims]]\nensemble = "g[4-1,tanh,gaussian,1]"\nquantity = "z.variance"\npredicted = 3\ntolerance = "2%"'
    )
    assert len(found.ensembles) == 16
    ensemble = found.ensembles["g[6-2,tanh,gaussian,2-3]"]
    assert (ensemble.widths, ensemble.activation, str(ensemble.inputs), ensemble.tails) == (
        (6, 2),
        "tanh",
        "gaussian:1",
        (2.0, 3.0),
    )
    assert len(found.claims) == 17
    assert found.claims[-1].tolerance == pytest.approx(0.06)
    assert {claim.predicted for claim in found.claims if claim.ensemble.endswith("on:2,1]")} == {3.0}


def test_thresholds_named_by_quantities_and_claims_are_recorded(study):
    found = study(
        'quantities = ["z.tail[2]"]\n[ensembles.a]\nwidths = [4, 1]\n[ensembles.b]\nwidths = [4, 1]\ntails = [0.5]\n'
        '[[claims]]\nensemble = "b"\nquantity = "z.tail[7]"'
    )
    assert found.ensembles["a"].tails == (1.0, 5.0, 2.0)
    assert found.ensembles["b"].tails == (0.5, 2.0, 7.0)


def test_data_files_are_looked_for_beside_the_study(tmp_path, monkeypatch):
    folder = tmp_path / "studies"
    folder.mkdir()
    np.save(folder / "x.npy", np.arange(12.0).reshape(4, 3))
    (folder / "s.toml").write_text('[ensembles.a]\ninputs = "x.npy,scale=2"')
    monkeypatch.chdir(tmp_path)
    ensemble = load_study("studies/s.toml").ensembles["a"]
    assert ensemble.widths == (3, 1)
    assert ensemble.inputs.data.max() == 22.0


A = "[ensembles.a]\nwidths = [10, 1]\n"
BAD = [
    ("", "the study has no ensembles; it must have one"),
    ("[ensembles]", "ensembles is {}; it must have at least 1 key(s)"),
    ("network = 5\n" + A, "network is not a key; the nearest is networks"),
    ("[ensembles.a]\nwidht = [10, 1]", "ensembles.a.widht is not a key; the nearest is widths"),
    (A + '[[claims]]\nensemble="a"\nquantity="z.mean"\nsauce="x"', "claims[0].sauce is not a key; the nearest is source"),
    (A + '[[claims]]\nensemble="a"', "claims[0] has no quantity; it must have one"),
    ("networks = 'many'\n" + A, "networks is 'many'; it must be a whole number"),
    ("networks = 1.5\n" + A, "networks is 1.5; it must be a whole number"),
    ("networks = true\n" + A, "networks is True; it must be a whole number"),
    ("networks = nan\n" + A, "networks is nan; it must be a whole number"),
    ("networks = 0\n" + A, "networks is 0; it must be at least 1"),
    ("networks = 1e30\n" + A, "networks is 1e+30; it must be at most 576460752303423488"),
    ("[ensembles.a]\nwidths = [10.5, 1]", "ensembles.a.widths[0] is 10.5; it must be a whole number or a list"),
    ("[ensembles.a]\nwidths = [[4, 1], 3]", "ensembles.a: widths is [[4, 1], 3]; a grid of widths is a list of lists"),
    ("[ensembles.a]\nwidths = [4]", "a network needs an input and an output size"),
    ("[ensembles.a]", "ensembles.a: widths are missing"),
    (A + "scheme = 'he_norml'", "ensembles.a: scheme is 'he_norml'; did you mean"),
    (A + "scheme = ['standard', 'standard']", "ensembles.a: the grid holds a[standard] twice"),
    (A + "activation = 'rleu'", "ensembles.a: activation is 'rleu'; known are sigmoid, tanh"),
    (A + "inputs = 'poisson'", "ensembles.a: inputs are 'poisson'"),
    (A + "tails = [-1.0]", "ensembles.a.tails[0] is -1.0; it must be more than 0"),
    (A + "tails = [1979-05-27]", "ensembles.a.tails[0] is datetime.date(1979, 5, 27); it must be a number or a list"),
    (A + "inputs = ''", "ensembles.a.inputs is ''; it must have at least 1 character(s)"),
    (A + '[[claims]]\nensemble="b"\nquantity="z.mean"', "claims[0]: ensemble is 'b'; the nearest label is a"),
    (A + '[[claims]]\nensemble="a"\nquantity="z.man"', "claims[0].quantity: 'z.man' is not a quantity"),
    (A + '[[claims]]\nensemble="a"\nquantity="z.mean"\npredicted=nan', "claims[0]: predicted is nan; it must be a finite number"),
    (
        A + '[[claims]]\nensemble="a"\nquantity="z.mean"\ntolerance="x"',
        "claims[0].tolerance is 'x'; it must be a number, or a share",
    ),
    (A + '[[claims]]\nensemble="a"\nquantity="z.mean"\ntolerance=-1', "claims[0].tolerance is -1; it must be at least 0"),
    (A + '[[claims]]\nensemble="a"\nquantity="z.mean"\ntolerance=inf', "it must be a finite number"),
    (
        A + '[[claims]]\nensemble="a"\nquantity="z.mean"\nexpect="maybe"',
        "claims[0].expect is 'maybe'; it must be confirmed or refuted",
    ),
    (A + '[[claims]]\nensemble="a"\nquantity="z.mean"\nname="x"\n' * 2, "have one name"),
    (A + 'inputs="gaussian,shared"\n[[claims]]\nensemble="a"\nquantity="z.mean"', "depends on the run"),
    (A + 'scheme="student:1,df=3"\n[[claims]]\nensemble="a"\nquantity="z.variance"', "needs the moment of order 4 of z"),
    ('quantities = ["z.mean", "z.mean"]\n' + A, "quantities is ['z.mean', 'z.mean']; each may stand there once"),
    ("[ensembles.a\nwidths=3", "is not TOML: "),
    ("a = 1\na = 2", "is not TOML: "),
    ("x = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    ("networks = " + "9" * 5000 + "\n" + A, "too many digits"),
    (A + "x = '\x00'", "is not TOML: "),
    ("[ensembles.a]\nwidths = [" + ",".join(f"[{n},1]" for n in range(1, 1100)) + "]", "the grid makes 1,099 ensembles"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD, ids=[text[-40:] for text, _ in BAD])
def test_what_is_refused(study, text, sentence):
    with pytest.raises(SpecificationError, match=r"study\.toml") as refused:
        study(text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_cannot_be_judged_is_refused_before_sampling(study):
    for head, sentence in (
        ('quantities = ["z.tail[0.1]", "slope.below[0.5]"]\n' + A, "slope.below[0.5] is not recorded"),
        ('quantities = ["z.quantile[1.5]"]\n' + A, "needs a probability between 0 and 1"),
        ('quantities = ["z.variance[3]"]\n' + A, "takes no argument"),
        ('quantities = ["independence.neurons"]\n' + A, "needs a layer of at least two neurons"),
        ('quantities = ["z.variance.given.input"]\n' + A, "needs inputs that differ between networks"),
        ('quantities = ["z.law"]\n' + A + 'inputs = "gaussian"\nscheme = "constant:1"', "theory does not know the law of z"),
        ('quantities = ["z.skewness"]\n' + A + 'scheme = "normal:1+constant:1"', "symmetric about zero"),
        ("quantities = []\n" + A, "claims nothing; give it quantities or claims"),
    ):
        with pytest.raises(SpecificationError) as refused:
            fanin.verify(study(head), networks=10**15)
        assert sentence in str(refused.value)


def test_files_that_are_none(tmp_path):
    for name, content, sentence in (
        ("folder.toml", None, "is not a file"),
        ("absent.toml", "", "does not exist"),
        ("latin.toml", b"\xff\xfe", "is not a text in UTF-8"),
        ("large.toml", b"#" * (1 << 20) + b"#", "a study has at most 1,048,576"),
    ):
        path = tmp_path / name
        if content is None:
            path.mkdir()
        elif content:
            path.write_bytes(content)
        with pytest.raises(SpecificationError, match=sentence):
            load_study(path)
    with pytest.raises(SpecificationError, match=r"known are single-neuron, .*, .toml files"):
        find_study("nonsense")


def test_the_example_is_never_written_over_anything(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("mine")
    with pytest.raises(SpecificationError, match="is there already and is left alone"):
        write_example(path)
    assert path.read_text() == "mine"
    with pytest.raises(SpecificationError, match=re.escape("must end in .toml")):
        write_example(tmp_path / "a.txt")
    with pytest.raises(SpecificationError, match="cannot be written"):
        write_example(tmp_path / "absent" / "a.toml")
    assert os.listdir(tmp_path) == ["a.toml"]


def test_fuzz():
    """1500 generated texts: a study or one sentence, nothing else. A reader that lets an exception pass is caught."""
    assert "1,500 texts" in fuzz_studies(1500)

    def careless(path):
        load_study(path)
        return json.loads(Path(path).read_text())

    with pytest.raises(AssertionError, match="JSONDecodeError"):
        outcome(EXAMPLE.encode(), careless)


@given(st.text(ALPHABET, max_size=40), st.sampled_from(["name", "purpose", "source"]))
@settings(max_examples=50)
def test_texts_are_kept_as_written(text, key):
    table = {"ensembles": {"a": {"widths": [4, 1]}}, "claims": [{"ensemble": "a", "quantity": "z.mean"}]}
    (table if key != "source" else table["claims"][0])[key] = text
    try:
        document = toml(table).encode()
    except UnicodeEncodeError:
        return
    found = outcome(document, load_study)
    if isinstance(found, fanin.Study):
        assert text == (found.claims[0].source if key == "source" else getattr(found, key))
