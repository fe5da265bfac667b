"""Networks in files and pictures: what is written is what is read, made-up layers are refused, pictures show the estimates.

Everything here is exact: no test can fail by chance.
"""

import dataclasses
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fanin
from fanin import plot, result_file
from fanin.engine.activation_spec import OwnActivation
from fanin.engine.layer_summary import BINS, LOWEST, STEPS, Bins, line_edges
from fanin.html_profile import profiles
from fanin.layer_series import series_of
from fanin.plot.verdict_map import map_rows
from fanin.result_file.network_layer import read_scaled, scaled
from fanin.result_file.state import read_state, write_state
from fanin.stats.network_quantities import measure_network
from fanin.stats.verdict import Claim
from fanin.study_example import EXAMPLE
from tests.fanin.test_html import Page

NETWORKS = 300


@pytest.fixture(scope="module")
def report():
    """A sigmoid network with a cost, and a ReLU network of two inputs; one of each claim that only networks have."""
    ensembles = {
        "sigmoid": fanin.Ensemble((6, 5, 4, 3), "standard", "sigmoid", cost="quadratic", slow=(0.1, 0.001), tails=(2.0,)),
        "relu": fanin.Ensemble((4, 9, 9), ["he_normal", "scaled"], ["relu", "tanh"], "pair:1:0.5", cost="linear"),
    }
    claims = (
        Claim("sigmoid/2/z.variance/own", "sigmoid", 2, "z.variance", 3.0, 1.0, "made up"),
        Claim("sigmoid/1/q/other", "sigmoid", 1, "q", 0.0, 0.1, "made up", against="relu", against_layer=2),
    )
    study = fanin.Study("nets", "Two networks.", ensembles, claims, NETWORKS, methods={"relu": "conditional"}, method="conditional")
    return fanin.verify(study, seed=3)


@pytest.mark.parametrize("suffix", [".json", ".nc"])
def test_a_loaded_report_is_the_report(report, tmp_path, suffix):
    path = tmp_path / f"run{suffix}"
    report.save(path)
    loaded = result_file.load_report(path)
    assert loaded.to_dict() == report.to_dict()
    assert loaded.study == report.study
    assert [v.claim for v in loaded.verdicts] == [v.claim for v in report.verdicts]
    for label, result in report.results.items():
        assert loaded.results[label].layers == result.layers
        assert loaded.results[label].digest == result.digest


ENSEMBLES = {
    "one input, one neuron": fanin.Ensemble((1, 1, 1), "he_normal", "relu", "gaussian", cost="linear"),
    "no cost": fanin.Ensemble((2, 3), "normal:1+constant:0.5", "softplus"),
    "softmax": fanin.Ensemble((2, 3, 3), "normal:1", ["elu:0.5", "hard_tanh"], cost="softmax", targets="one-hot", slow=()),
    "points": fanin.Ensemble(
        (3, 5, 6), "scaled", "leaky_relu:-0.5", fanin.Inputs.points(np.eye(3)), cost="quadratic", targets=[0.5] * 6
    ),
    "overflow": fanin.Ensemble((4, 4, 4, 4), "normal:1e20", "relu", cost="linear"),
    "large": fanin.Ensemble((4, 4, 4, 4), "normal:1e7", "identity", "gaussian", cost="linear"),
    "small": fanin.Ensemble((4, 4, 4, 4), "normal:1e-9", "identity", "gaussian", cost="linear"),
    "zero": fanin.Ensemble((4, 4, 4), "normal:0", "relu", "gaussian", cost="linear"),
    "dead": fanin.Ensemble((2, 1, 1, 1, 1, 2), "he_normal", "relu", "gaussian", cost="linear"),
    "not monotone": fanin.Ensemble(
        (2, 4, 4), "normal:2", ["gelu", "silu"], "gaussian", cost="quadratic", targets=[0.0, 1.0, 1.0, 0.0]
    ),
    "deeper than is recorded": fanin.Ensemble((3,) * 140, "he_normal", "relu", "gaussian", cost="linear"),
    "one layer": fanin.Ensemble((6, 2), "scaled"),
}


def written(ensemble, result):
    """A report of one result as plain values, through JSON."""
    state = write_state(fanin.Study("s", "p", {"x": ensemble}), {"x": result})
    return json.loads(json.dumps(state))


@pytest.mark.parametrize("name", ENSEMBLES)
def test_every_kind_of_network(name):
    """Layers whose sums left the range of float64, layers of zeros, and ensembles that are not networks, conditionally sampled."""
    ensemble = ENSEMBLES[name]
    result = fanin.simulate(ensemble, networks=200, seed=5, method="conditional")
    study, results = read_state(written(ensemble, result), {})
    assert study.ensembles["x"] == ensemble
    assert repr(study.ensembles["x"]) == repr(ensemble)
    assert (results["x"].digest, results["x"].layers) == (result.digest, result.layers)
    assert sorted(results["x"].layers) == list(ensemble.recorded)


def test_a_hundred_layers_take_little_room():
    """The bins of wide layers and of gradients over fifty orders of magnitude: 20 kB a layer."""
    ensemble = fanin.Ensemble((64,) * 101, "standard", cost="linear")
    result = fanin.simulate(ensemble, networks=400, seed=5, method="conditional")
    assert len(json.dumps(written(ensemble, result))) < 2_000_000


def test_functions_are_refused_before_they_are_sampled(tmp_path):
    own = OwnActivation(abs, abs, name="size")
    study = fanin.Study("s", "p", {"x": fanin.Ensemble((4, 1), activation=["tanh", own][1:])})
    with pytest.raises(fanin.SpecificationError, match=r"x\.activation is the function size of your own; .* only activations by"):
        result_file.check_target(tmp_path / "a.json", study=study)


def sums(state, layer="2"):
    return state["results"]["x"]["layers"][layer]["sums"]


def counts(state, layer="2"):
    return state["results"]["x"]["layers"][layer]["counts"]


def layer_of(state, layer="2"):
    return state["results"]["x"]["layers"][layer]


REFUSED = [
    (lambda s: layer_of(s).update(width=5), r"layers\.2\.width is 5; it must lie between 4 and 4"),
    (lambda s: s["results"]["x"]["layers"].pop("3"), r"layers\.3 is missing"),
    (lambda s: s["results"]["x"]["layers"].update({"4": layer_of(s)}), r"layers\.4 is not known"),
    (lambda s: s["results"]["x"].update(method="auto"), "method is 'auto'; it must be direct or conditional"),
    (lambda s: s["results"]["x"].update(seed=4), "does not have the digest"),
    (lambda s: counts(s).update(pairs=1), r"counts\.pairs is 1; it must lie between 0 and 0"),
    (lambda s: counts(s).update(nonfinite=200), r"counts\.(field|backward) is 300; it must lie between 0 and 100"),
    (lambda s: counts(s).update(still=1), r"counts\.still is 1; it must lie between 0 and 0"),
    (lambda s: counts(s).update(backward=299), "hold 1200 neurons; 299 networks have 1196"),
    (lambda s: sums(s).update({"z^1": "0x10p0"}), r"sums\.z\^1 is '0x10p0'; it must be an odd hexadecimal"),
    (lambda s: sums(s).update({"z^1": "0x1p9999"}), r"power of two must lie between -1074 and 1100"),
    (lambda s: sums(s).update({"z^1": "0x1p900"}), r"sums\.z\^1 is no sum of 300 values from"),
    (lambda s: sums(s).update({"z^1": "0x1p40"}), r"sums\.z\^1\*z\^1 is less than z\^1 allows"),
    (lambda s: sums(s).update({"z^2": "0x1p-9"}), r"z\^2 is less than z\^1\*z\^1 allows"),
    (lambda s: sums(s).update({"z^7": "0x1p99"}), r"sums\.z\^7 is more than z\^6 and z\^8 allow"),
    (lambda s: sums(s).update({"z^1*z^2": "0x1p99"}), r"sums\.z\^1\*z\^2 is more than"),
    (lambda s: sums(s).update({"phi^1": "0x1p9"}), r"sums\.phi\^1 is no sum of 300 values from 0 to 1"),
    (lambda s: sums(s).update({"slope^2": "-0x1p0"}), r"sums\.slope\^2 is no sum of 300 values from 0 to 0\.0625"),
    (lambda s: sums(s).update({"saturated": "0x12dp0"}), r"sums\.saturated is no sum of 300 values from 0 to 1"),
    (lambda s: sums(s).update({"tail:0*tail:0": "0x12dp0"}), r"sums\.tail:0\*tail:0 is no sum of 300 squares"),
    (lambda s: sums(s).update({"slow:1": "-0x1p-9"}), r"sums\.slow:1 is no sum"),
    (lambda s: sums(s).update({"cosine": "0x1p0"}), r"sums\.cosine is no sum of 0 values"),
    (lambda s: sums(s).update({"delta^2": "-0x1p0"}), r"sums\.delta\^2 is no sum of 300 values from 0 to 1.07"),
    (lambda s: sums(s).update({"delta.kurtosis": "0x12bp0"}), r"sums\.delta\.kurtosis is no sum of 300 values from 1 to 4"),
    (lambda s: sums(s).update({"ln q": "0x1p20"}), r"sums\.ln q is no sum of 300 values from -400 to 400"),
    (
        lambda s: sums(s).update({"field.pairs": "0x1p30", "field.pairs*field.pairs": "0x1p70"}),
        r"field\.pairs is more than field\^2",
    ),
    (lambda s: sums(s).pop("grad^2"), r"sums\.grad\^2 is missing"),
    (lambda s: layer_of(s)["bins"]["z"].update(shape=[3, BINS + 1]), r"bins\.z\.shape is \[3, 24577\]; it must be 3 rows"),
    (lambda s: layer_of(s)["bins"]["z"].update(sha256="0"), "the file has no such array"),
    (lambda s: layer_of(s)["bins"].update(z=layer_of(s, "1")["bins"]["z"]), r"hold 1500 neurons; 300 networks have 1200"),
    (lambda s: layer_of(s)["bins"].update(delta=layer_of(s)["bins"]["z"]), "hold values that delta does not take"),
    (lambda s: s["study"].update(methods={"x": "direct"}), r"methods\.x is 'direct'; it is not how it was sampled"),
    (lambda s: s["study"].update(compared=[["x", "y"]]), r"compared\[0\] names 'y'"),
    (lambda s: s["study"].update(compared=[["x"]]), r"compared\[0\] has 1 items; it must have 2"),
    (lambda s: s["study"]["claims"][0].update(layer=9), r"claims\[0\] is about layer 9 of 'x'"),
    (lambda s: s["study"]["claims"][0].update(against="y"), r"claims\[0\] is about layer 2 of 'y'"),
    (lambda s: s["study"]["claims"][0].update(quantity="z.law"), "not a quantity"),
    (lambda s: s["study"]["ensembles"]["x"].update(activation=["tanh"]), "activation has 1 values for 3 layers"),
    (lambda s: s["study"]["ensembles"]["x"].update(activation={"name": "f"}), "cannot hold a function"),
    (lambda s: s["study"]["ensembles"]["x"].update(targets=[0.5]), "targets are 1 values"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_does_not_fit_is_named(report, change, message):
    result = report.results["sigmoid"]
    study = fanin.Study("s", "p", {"x": result.ensemble}, (Claim("x/2/q/own", "x", 2, "q", 0.5, 0.1, "made up"),))
    state = json.loads(json.dumps(write_state(study, {"x": result})))
    change(state)
    with pytest.raises(fanin.SpecificationError, match=message) as caught:
        read_state(state, {})
    assert len(str(caught.value).splitlines()) == 1


def doubled(bins):
    return Bins(bins.index, bins.neurons, bins.squares * 2)


def reversed_squares(bins):
    return Bins(bins.index, bins.neurons, bins.squares[::-1])


def shuffled(bins):
    return Bins(bins.index[::-1], bins.neurons, bins.squares)


def emptied(bins):
    return Bins(bins.index, bins.neurons * 0, bins.squares)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (doubled, "squares that add up to"),
        (reversed_squares, "squares that no counts of 300 networks have"),
        (shuffled, "do not ascend"),
        (emptied, "a bin of no neurons"),
    ],
)
def test_made_up_bins_are_refused(report, change, message):
    """Their digest is made to fit."""
    result = report.results["sigmoid"]
    layer = result.layers[2]
    forged = dataclasses.replace(layer, bins=layer.bins | {"z": change(layer.bins["z"])})
    changed = dataclasses.replace(result, layers=result.layers | {2: forged})
    with pytest.raises(fanin.SpecificationError, match=message):
        read_state(written(result.ensemble, changed), {})


def test_networks_do_not_become_finite_again():
    ensemble = ENSEMBLES["overflow"]
    result = fanin.simulate(ensemble, networks=200, seed=5, method="conditional")
    lost = [layer.counts["nonfinite"] for layer in result.layers.values()]
    assert lost[0] < lost[-1]
    layers = {1: result.layers[3], 2: result.layers[2], 3: result.layers[1]}
    with pytest.raises(fanin.SpecificationError, match="finite again"):
        read_state(written(ensemble, dataclasses.replace(result, layers=layers)), {})


@given(st.one_of(st.integers(), st.integers(-(2**2000), 2**2000), st.integers(-3, 3).map(lambda k: k << 1074)))
def test_sums_are_exact_in_their_short_form(value):
    assert read_scaled(scaled(value), "x") == value
    assert value == 0 or int(scaled(value).partition("p")[0], 16) % 2


def test_labelled_arrays_hold_the_sums(report):
    result = report.results["relu"]
    data = result.to_xarray()
    layer = result.layers[2]
    assert list(data.layer.values) == [1, 2]
    found = data.sel(layer=2)
    mean = float(layer.sum("delta^2") / layer.holders("delta^2"))
    assert float(found.delta_2.sel(over_networks="mean")) == mean
    square = float(layer.sum("delta^2*delta^2") / layer.holders("delta^2"))
    assert float(found.delta_2.sel(over_networks="variance")) == pytest.approx(square - mean**2)
    assert float(found.cosine.sel(over_networks="mean")) == pytest.approx(result.estimates(2)["correlation"])
    assert int(found["count"].sel(what="backward")) == NETWORKS
    assert int(found.histogram.sel(variable="z").sum()) == NETWORKS * 9
    octave = found.histogram.sel(variable="z", sign=1, octave=-1)
    inside = (layer.bins["z"].index // STEPS) - BINS // STEPS // 2 + LOWEST == -1
    assert int(octave) == int(layer.bins["z"].neurons[inside].sum())
    assert float(found.quantiles.sel(variable="z", rank=0.95)) == pytest.approx(result.estimates(2)["z.quantile[0.95]"])
    assert all("units" in variable.attrs for variable in data.data_vars.values())
    assert data.attrs["digest"] == result.digest


def test_estimates_and_words_of_a_layer(report):
    result = report.results["sigmoid"]
    assert result.is_network
    for layer in (1, 3):
        exact = measure_network("z.variance", result.layers[layer], result.ensemble, layer, 0.01).estimate
        assert result.estimates(layer)["z.variance"] == exact
        assert f"layer {layer}: z.variance {exact:.6g}" in repr(result)
    with pytest.raises(fanin.SpecificationError, match="layer is 4; the result has layer 1, 2, 3"):
        result.estimates(4)


def test_histogram_counts_neurons(report):
    result = report.results["relu"]
    histogram = result.histogram(2, bins=[-1.0, 0.0, 0.5, 1.0])
    assert histogram.counts().sum() + sum(histogram.outside) == NETWORKS * 9
    bins = result.layers[2].bins["z"]
    low = line_edges()[bins.index]
    assert histogram.counts()[1] == bins.neurons[(low >= 0.0) & (low < 0.5)].sum()
    assert histogram.variances() is None
    assert "neurons" in repr(histogram)
    assert result.histogram(1, bins=None).counts().sum() == NETWORKS * 9
    none = fanin.simulate(fanin.Ensemble((4, 4, 4), "normal:1e38", "relu", "gaussian"), networks=50, method="conditional")
    assert none.histogram(2).counts().sum() == 0


def test_html_of_networks(report):
    page = Page(report._repr_html_())
    text = " ".join(page.text)
    assert page.count("svg") == 1
    for shown in ("variance of z", "share saturated", "root mean square", "every claim", "= ", "assumed", report.digest):
        assert shown in text
    listed = sum(v.claim.quantity in text for v in report.verdicts)
    assert listed == len(report.verdicts)
    result = Page(report.results["relu"]._repr_html_())
    assert "layer 2" in " ".join(result.text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "img"}


def test_profiles_stand_where_the_estimates_are():
    """The dots of the variance: the first is at the upper left end of its chart where the variance falls, the last at the right."""
    ensemble = fanin.Ensemble((50, 20, 20, 20), "scaled", "tanh")
    result = fanin.simulate(ensemble, networks=400, method="conditional")
    svg = profiles({"x": result}, 0.01)
    dots = re.search(r'<path d="((?:M[0-9.]+ [0-9.]+h0)+)"', svg)
    places = np.array([[float(v) for v in place.split()] for place in re.findall(r"M([0-9.]+ [0-9.]+)h0", dots[1])])
    estimates = np.log([result.estimates(layer)["z.variance"] for layer in (1, 2, 3)])
    heights = (places[:, 1] - places[0, 1]) / (places[2, 1] - places[0, 1])
    assert heights == pytest.approx((estimates - estimates[0]) / (estimates[2] - estimates[0]), abs=0.02)
    assert np.diff(places[:, 0]) == pytest.approx([85.0, 85.0])


def test_series_hold_interval_and_prediction(report):
    result = report.results["sigmoid"]
    (series,) = series_of({"s": result}, ["delta.meansquare"], 0.03)
    intervals = [measure_network("delta.meansquare", result.layers[k], result.ensemble, k, 0.01) for k in (1, 2, 3)]
    assert series.estimate.tolist() == [interval.estimate for interval in intervals]
    assert series.low.tolist() == [interval.low for interval in intervals]
    assert series.rooted().estimate == pytest.approx(np.sqrt(series.estimate))
    assert series_of({"s": result}, ["correlation"], 0.03) == []


def test_plots_of_networks(report, tmp_path):
    ax = plot.profile(report, "phi.saturated")
    estimates = [report.results["sigmoid"].estimates(layer)["phi.saturated"] for layer in (1, 2, 3)]
    assert any(list(line.get_ydata()) == estimates for line in ax.lines)
    assert len(plot.figure(report).axes) == 5
    found = plot.claims(report)
    assert [label.get_text() for label in found.get_yticklabels()] == [plot.panels.short(n, 34) for n in map_rows(report.verdicts)]
    marks = sum(len(line.get_xdata()) for line in found.lines)
    assert marks == len(report.verdicts)
    for panel in (plot.density, plot.quantiles, plot.tails):
        with pytest.raises(fanin.SpecificationError, match=r"is of networks, and .* draws single layers; take profile"):
            panel(report)
    with pytest.raises(fanin.SpecificationError, match="not a quantity of a network"):
        plot.profile(report, "z.law")
    plot.save(report, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_plots_of_single_layers_beside_networks(tmp_path):
    """A report of both: profiles show the networks, density the single layer, claims both."""
    ensembles = {"net": fanin.Ensemble((4, 3, 3), activation="relu"), "one": fanin.Ensemble((4, 1))}
    results = {
        "net": fanin.simulate(ensembles["net"], networks=50, method="conditional"),
        "one": fanin.simulate(ensembles["one"], networks=50),
    }
    both = fanin.Report(fanin.Study("s", "p", ensembles), results, [], 0.01)
    plot.save(both, tmp_path / "a.png")
    assert len(plot.density(both).child_axes) == 1
    assert Page(both._repr_html_()).count("svg") == 2
    with pytest.raises(fanin.SpecificationError, match="has no networks"):
        plot.profile(dataclasses.replace(both, results={"one": results["one"]}))


@pytest.mark.parametrize(("scheme", "networks"), [("normal:1e38", 50), ("normal:0", 50), ("he_normal", 1)])
def test_odd_networks_have_pictures(scheme, networks, tmp_path):
    """None finite, all zero, one network: no exception and no warning."""
    ensemble = fanin.Ensemble((4, 4, 4), scheme, "relu", "gaussian", cost="linear")
    result = fanin.simulate(ensemble, networks=networks, method="conditional")
    odd = fanin.Report(fanin.Study("s", "p", {"x": ensemble}), {"x": result}, [], 0.01)
    plot.save(odd, tmp_path / "a.png")
    assert "nan" not in str([attributes for _, attributes in Page(odd._repr_html_()).tags]).lower()
    assert repr(result)
    assert result.to_xarray().sizes["layer"] == 2


def test_the_network_of_the_example(study):
    """With the comment signs taken away."""
    text = re.sub(r"(?m)^# (\[ensembles\.network\]|[a-z]+ = )", r"\1", EXAMPLE)
    assert text.count("# [") == 0
    found = study(text)
    assert found.ensembles["network"] == fanin.Ensemble(
        (784, 30, 30, 10), ["scaled", "scaled", "standard"], cost="quadratic", targets="one-hot"
    )
    assert found.methods == {"network": "direct"}


def test_lists_within_lists_are_one_value_for_each_layer(study):
    found = study(
        'method = "auto"\nquantities = ["delta.below[0.5]"]\n[ensembles.g]\n'
        "widths = [[9, 9, 9, 9, 9, 9, 2], [9, 3, 3, 3, 3, 3, 2]]\n"
        'activation = ["relu", ["relu", "relu", "relu", "relu", "relu", "tanh"]]\ninputs = "gaussian"\npoints = [1, 2]\n'
        'cost = "quadratic"\ntargets = ["random", [0, 1]]\nmethod = ["direct", "conditional"]\n'
        '[[claims]]\nensemble = "g"\nquantity = "z.variance"\nlayer = 3\n'
    )
    assert len(found.ensembles) == 2**5
    label = "g[9x6-2,relux5-tanh,2,0-1,conditional]"
    one = fanin.Ensemble(
        (9,) * 6 + (2,), activation=["relu"] * 5 + ["tanh"], inputs="gaussian", points=2, cost="quadratic", targets=[0, 1]
    )
    assert found.ensembles[label] == dataclasses.replace(one, slow=(0.001, 0.5))
    assert found.ensembles[label].slow == (0.001, 0.5)
    assert found.methods[label] == "conditional"
    assert found.method == "auto"
    assert {(claim.layer, claim.id.split("/")[1]) for claim in found.claims} == {(3, "3")}
    assert len(found.claims) == 32


A = "[ensembles.a]\nwidths = [4, 3, 2]\n"
CLAIM = '[[claims]]\nensemble = "a"\nquantity = "z.variance"\n'
BAD = [
    (A + 'scheme = [["standard"]]', "ensembles.a: scheme has 1 values for 2 layers"),
    (A + "activation = [[]]", "ensembles.a.activation[0] is []; it must have at least 1 item(s)"),
    (A + 'activation = [["relu", 2]]', "ensembles.a.activation[0][1] is 2; it must be a text"),
    (A + 'cost = "absolute"', "ensembles.a: cost is 'absolute'; known are"),
    (A + 'cost = "quadratic"\ntargets = [0, [1]]', "ensembles.a: targets is [0, [1]]; a grid of targets is a list of lists"),
    (A + 'cost = "quadratic"\ntargets = [0, 1, 2]', "targets are 3 values; give one for each of the 2 outputs"),
    (A + "points = 9", "ensembles.a.points is 9; it must be at most 8"),
    (A + "points = 2", "ensembles.a: points is 2, and with inputs on:half they would all be the same"),
    (A + "slow = [0]", "ensembles.a.slow[0] is 0; it must be more than 0"),
    (A + 'method = "exact"', "ensembles.a: method is 'exact'; known are direct, conditional, auto"),
    ('method = "exact"\n' + A, "method is 'exact'; it must be direct or conditional or auto"),
    (A + CLAIM + "layer = 0", "claims[0].layer is 0; it must be at least 1"),
    (A + CLAIM + "layer = 3", "claims[0]: layer 3 is not recorded"),
    ("[ensembles.a]\nwidths = [4, 1]\n" + CLAIM + "layer = 2", "claims[0]: layer is 2; the ensemble a has the layer 1 only"),
    (A + CLAIM.replace("z.variance", "delta.medium"), "claims[0].quantity: 'delta.medium' is not a quantity"),
    (A + CLAIM.replace("z.variance", "delta.median"), "claims[0]: delta.median needs a backward pass"),
    (A + 'cost = "cross-entropy"\nactivation = "tanh"', "the cost cross-entropy goes with sigmoid outputs"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD, ids=[sentence for _, sentence in BAD])
def test_what_is_refused(study, text, sentence):
    with pytest.raises(fanin.SpecificationError) as refused:
        study(text)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
