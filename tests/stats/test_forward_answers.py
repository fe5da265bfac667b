"""What the theory of networks answers without a layer of its own, names by default, and what a sampler assumes."""

import math

import numpy as np
import pytest

from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.network_theory import NetworkTheory, assumed

PLAIN = Ensemble((8, 5, 4), "scaled", "tanh", tails=(1.0, 2.5))
BACK = Ensemble((8, 5, 4), "scaled", ["tanh", "relu"], "pair:1:0.5", cost="linear", slow=(0.001, 0.1))


def refusal(call):
    with pytest.raises(SpecificationError) as caught:
        call()
    return str(caught.value)


def test_values_that_hold_in_every_layer():
    ensemble = Ensemble((40, 30, 20), "scaled", "tanh", "on:40")
    theory = NetworkTheory(ensemble)
    for name, value, tolerance in (
        ("field.mean", 0.0, 0.005),
        ("field.variance", 1.0, 0.005),
        ("field.kurtosis", 3.0, 0.02),
        ("field.law", 0.0, 0.005),
        ("independence.neurons", 0.0, 0.005),
        ("z.skewness", 0.0, 0.01),
    ):
        for layer in (1, 2):
            found = theory.predict(layer, name)
            assert (found.value, found.error, found.tolerance, found.label, found.next_term) == (value, 0.0, tolerance, "exact", "")
    for layer, variance in ((1, 2.0), (2, theory.layers[1].gaussian.q)):
        assert theory.predict(layer, "z.mean").tolerance == pytest.approx(0.005 * math.sqrt(variance))
    assert theory.predict(1, "z.mean").source == "weights and biases are symmetric about 0, or have mean 0"
    assert (
        theory.predict(1, "field.law").source == "z given what the layer sees is N(0, s^2|h|^2 + sb^2), independently over neurons"
    )


def test_symmetry():
    theory = NetworkTheory(Ensemble((40, 30, 20), ["constant:0.1+normal:1", "scaled"], "tanh"))
    for name in ("z.mean", "z.skewness"):
        words = refusal(lambda name=name: theory.predict(1, name))
        assert words == f"theory does not predict {name} in layer 1: its weights or biases have a mean other than 0"
        words = refusal(lambda name=name: theory.predict(2, name))
        assert words.startswith(f"theory does not predict {name} in layer 2: weights or biases of layer 1 have a mean")
    unknown = NetworkTheory(Ensemble((40, 30, 20), ["student:1,df=3", "scaled"], "tanh"))
    assert unknown.layers == []
    assert unknown.predict(1, "z.mean").tolerance == pytest.approx(0.005 * math.sqrt(unknown.first.variance))
    assert unknown.predict(1, "z.skewness").value == 0.0
    assert "fourth moment" in refusal(lambda: unknown.predict(2, "z.mean"))
    assert "fourth moment" in refusal(lambda: unknown.predict(1, "q"))


def test_one_layer_answers_where_its_law_is_known():
    """Uniform weights: z by its own law, phi of a sigmoid too; of others what is Gaussian in the limit. Quantiles have a margin of
    0.03 in rank, six times that of one neuron."""
    uniform = NetworkTheory(Ensemble((200, 50), "uniform:0.1", "sigmoid"))
    for name in ("z.tail[1]", "z.quantile[0.9]", "phi.mean", "phi.saturated", "phi.quantile[0.9]", "slope.mean", "slope.median"):
        assert uniform.predict(1, name).label == "exact", name
    single = uniform._one_layer.predict("z.quantile[0.9]")
    assert uniform.predict(1, "z.quantile[0.9]").tolerance == pytest.approx(6.0 * single.tolerance)
    assert uniform.predict(1, "slope.median").tolerance == pytest.approx(6.0 * uniform._one_layer.predict("slope.median").tolerance)
    assert uniform.predict(1, "z.tail[1]").tolerance == uniform._one_layer.predict("z.tail[1]").tolerance
    assert uniform.predict(1, "q").label == "limit"
    other = NetworkTheory(Ensemble((200, 50), "uniform:0.1", "gelu"))
    assert other.predict(1, "z.tail[1]").label == "exact"
    assert other.predict(1, "phi.mean").label == "limit"
    heavy = NetworkTheory(Ensemble((20, 50), "normal:1", "tanh", "sparse:0.9:1"))
    found = heavy.predict(1, "z.kurtosis")
    assert found.value > 3.5
    assert found.tolerance == pytest.approx(0.05 * (found.value - 3.0))


def test_names_by_default():
    full = Ensemble((300, 300, 300), "he_normal", ["relu", "sigmoid"], "pair:1:0.5", cost="linear", slow=(0.001, 0.01))
    theory = NetworkTheory(full)
    first, second = set(theory.names(1)), set(theory.names(2))
    assert {"share.dead", "independence.neurons", "field.law", "correlation", "delta.below[0.01]", "q.lognorm.variance"} <= first
    assert {"slope.median", "phi.saturated", "delta.correlation", "jacobian.lognorm.mean", "z.tail[5]"} <= second
    assert "slope.median" not in first
    assert "share.dead" not in second
    plain = NetworkTheory(Ensemble((300, 1), "scaled", "tanh"))
    assert plain.names(1) == [
        *("z.mean", "z.variance", "z.skewness", "z.kurtosis", "z.quantile[0.95]", "z.tail[1]", "z.tail[5]"),
        *("phi.mean", "phi.variance", "phi.saturated", "slope.mean", "slope.meansquare", "slope.below[0.01]", "slope.median"),
        *("q", "field.mean", "field.variance", "field.kurtosis", "field.law"),
    ]
    assert not [name for name in NetworkTheory(Ensemble((300, 300), "glorot_uniform", "tanh")).names(1) if "field" in name]


def test_a_prediction_is_made_once():
    theory = NetworkTheory(Ensemble((30, 20), "scaled", "tanh"))
    assert theory.predict(1, "q") is theory.predict(1, "q")


def test_a_tolerance_below_twice_the_error_is_not_judged(monkeypatch):
    theory = NetworkTheory(Ensemble((30, 20), "scaled", "tanh"))
    made = theory.predict(1, "q")
    for error, judged in ((0.51 * made.tolerance, False), (0.5 * made.tolerance, False), (0.49 * made.tolerance, True)):
        theory._found[1, "q"] = type(made)(made.value, error, made.tolerance, made.source, made.label, made.next_term)
        assert ("q" in theory.names(1)) == judged


def test_changes_to_first_order():
    ensemble = Ensemble((100, 50), "scaled", "sigmoid", "on:50", cost="quadratic")
    theory = NetworkTheory(ensemble)
    for what, inner in (("activation", "slope"), ("cost", "delta")):
        square, median = theory.predict(1, f"{inner}.meansquare"), theory.predict(1, f"{inner}.median")
        found = theory.predict(1, f"change.{what}.meansquare[0.2]")
        assert found.value == pytest.approx(0.2 * math.sqrt(square.value), rel=1e-12, abs=0.0)
        assert found.error == pytest.approx(0.1 * square.error / math.sqrt(square.value), rel=1e-12, abs=0.0)
        assert found.tolerance == pytest.approx(0.1 * square.tolerance / math.sqrt(square.value), rel=1e-12, abs=0.0)
        other = theory.predict(1, f"change.{what}.median[0.2]")
        for part in ("value", "error", "tolerance"):
            assert getattr(other, part) == pytest.approx(0.2 * getattr(median, part), rel=1e-12, abs=0.0)
        assert other.source == f"first order in the change; {median.source}"
        assert (other.label, other.next_term) == (median.label, median.next_term)


def test_what_a_sampler_assumes():
    assert assumed("conditional", "correlation", 1, BACK)
    assert not assumed("conditional", "correlation", 2, BACK)
    assert not assumed("conditional", "delta.correlation", 1, BACK)
    assert assumed("conditional", "field.law", 2, PLAIN)
    assert not assumed("direct", "field.law", 2, PLAIN)
    assert not assumed("auto", "z.mean", 1, PLAIN)
    assert refusal(lambda: assumed("direct", "z.mean", 9, PLAIN)).startswith("layer 9 is not recorded")
    assert np.all([assumed("conditional", name, 1, PLAIN) for name in ("q", "phi.mean", "slope.median", "z.tail[1]", "share.dead")])
