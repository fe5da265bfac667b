"""The published and recomputed numbers for one neuron, to all digits shown."""

import pytest

from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.stats.predictions import Theory

# Quantity, standard (variance 501), scaled (variance 3/2).
TABLE = [
    ("z.variance", 501.0, 1.5),
    ("z.kurtosis", 3.0, 3.0),
    ("z.tail[1]", 0.9643650017, 0.4142161782),
    ("z.tail[5]", 0.8232370249, 4.455709e-05),
    ("phi.saturated", 0.8373417950, 1.754997e-04),
    ("slope.below[0.01]", 0.8376998003, 1.814564e-04),
    ("slope.mean", 0.0177653063, 0.1927626984),
    ("slope.meansquare", 0.0029667559, 0.0403591382),
]


@pytest.mark.parametrize(("quantity", "standard", "scaled"), TABLE)
def test_table(quantity, standard, scaled):
    for scheme, expected in (("standard", standard), ("scaled", scaled)):
        prediction = Theory(Ensemble((1000, 1), scheme)).predict(quantity)
        shown = 1e-10 if expected > 1e-3 else 5e-7 * expected
        assert abs(prediction.value - expected) <= shown
        assert prediction.error < 1e-9


def test_standard_deviations_and_medians():
    standard, scaled = (Theory(Ensemble((1000, 1), scheme)) for scheme in ("standard", "scaled"))
    assert standard.law.std == pytest.approx(22.383029, abs=5e-7)
    assert scaled.law.std == pytest.approx(1.224745, abs=5e-7)
    assert standard.predict("slope.median").value == pytest.approx(2.8e-7, abs=0.05e-7)
    assert scaled.predict("slope.median").value == pytest.approx(0.21, abs=0.005)
    assert standard.predict("parameter.within[3]").value == pytest.approx(0.9973, abs=5e-5)


def test_random_inputs_are_a_scale_mixture():
    for scheme, excess in (("standard", 0.0029880359), ("scaled", 1 / 3000)):
        law = Theory(Ensemble((1000, 1), scheme, inputs="bernoulli:0.5")).law
        assert law.kurtosis - 3 == pytest.approx(excess, abs=1e-10)
    assert Theory(Ensemble((1000, 1), "standard", inputs="bernoulli:0.5")).law.variance == pytest.approx(501)


def test_framework_defaults():
    """PyTorch's Linear: variance 501/3000, excess kurtosis -1.2/501; Keras' Dense(30): 1000/1030; flax: 1/2."""
    law = Theory(Ensemble((1000, 1), "torch.linear")).law
    assert law.variance == pytest.approx(501 / 3000, rel=1e-12)
    assert law.kurtosis - 3 == pytest.approx(-1.2 / 501, rel=1e-9)
    glorot = Ensemble((1000, 1), "glorot_uniform").scheme.weights.variance(1000, 30)
    assert 500 * glorot == pytest.approx(1000 / 1030, rel=1e-12)
    assert Theory(Ensemble((1000, 1), "lecun_normal")).law.variance == pytest.approx(0.5)


def test_fixed_input():
    ensemble = Ensemble((3, 1), "normal:2+normal:3", inputs=Inputs.fixed([1.0, 2.0, 2.0]))
    assert Theory(ensemble).law.variance == pytest.approx(4 * 9 + 9)
