"""What comes back, layer by layer, against a table: values, errors and tolerances in ensembles that reach every branch.

`python -m tests.stats.test_bounds_networks` writes the table again. Its values are those that `test_backward_laws`,
`test_network_theory` and `test_network_limits` hold against integrals and samples; here no error and no tolerance may widen unseen.
"""

import dataclasses
import functools
import math

import numpy as np
import pytest

from fanin.engine.activation_spec import OwnActivation
from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.stats.backward_theory import BackwardLayer
from fanin.stats.network_theory import NetworkTheory
from tests.stats.bounds_table import differences, read, refused, row, write

NAMES = (
    *("delta.meansquare", "delta.kurtosis", "delta.median", "delta.quantile[0.9]", "delta.below[0.001]", "delta.below[0.2]"),
    *("delta.lognorm.mean", "grad.meansquare", "grad.median", "grad.quantile[0.85]", "grad.lognorm.mean"),
    *("jacobian.norm", "jacobian.lognorm.mean", "correlation", "delta.correlation"),
)

PARTS = tuple(field.name for field in dataclasses.fields(BackwardLayer) if field.name != "law")


@functools.cache
def own():
    return OwnActivation(
        lambda z: np.float32(abs(z)), lambda z: np.float32(math.copysign(1.0, z)), kinks=(0.0,), low=0.0, high=math.inf, name="abs"
    )


def line(n):
    return Inputs.fixed(np.linspace(-1.0, 2.0, n).astype(np.float32))


ENSEMBLES = {
    "pair": lambda: Ensemble((40, 150, 300, 200), "normal:1.5/fan_in+normal:0.2", "tanh", "pair:1:0.5", cost="linear"),
    "mixed": lambda: Ensemble(
        (50, 900, 400, 50), "normal:1.5/fan_in+normal:0.3", ["gelu", "hard_tanh", "sigmoid"], cost="quadratic"
    ),
    "one-hot": lambda: Ensemble((60, 8000, 9000, 10), "scaled", "sigmoid", cost="cross-entropy", targets="one-hot"),
    "one output": lambda: Ensemble((30, 500, 1), "scaled", "sigmoid", cost="quadratic", targets="one-hot"),
    "targets": lambda: Ensemble(
        (50, 70000, 60000, 300), "scaled", ["elu", "selu", "tanh"], line(50), cost="quadratic", targets=(0.5, -1, 0.5) * 100
    ),
    "equal": lambda: Ensemble((99, 300, 300), "normal:1/fan_in", "sigmoid", line(99), cost="cross-entropy", targets=(0.5,) * 300),
    "tall": lambda: Ensemble((100, 800, 600), ["scaled", "orthogonal:2/fan_max"], "tanh", cost="quadratic", targets=(0.25,) * 600),
    "wide": lambda: Ensemble(
        (1000, 6000, 9000, 500), ["scaled", "orthogonal:2/fan_max", "normal:0.02"], "tanh", "sparse:0.5:2", cost="quadratic"
    ),
    "relu": lambda: Ensemble((50, 400, 300, 700, 90), "he_normal", "relu", line(50), cost="linear"),
    "dead": lambda: Ensemble((60, 12, 4000, 3000), "he_uniform", "relu", "gaussian", cost="linear"),
    "sparse": lambda: Ensemble(
        (3000, 9000, 5000, 4000), "normal:1/fan_in,sparse=0.5+laplace:0.5", "silu", "bernoulli:0.4", cost="linear"
    ),
    "student": lambda: Ensemble((700, 900, 500, 400), "student:1/fan_in,df=12", "silu", "ar1:0.5:2", cost="linear"),
    "output linear": lambda: Ensemble((20, 5), "scaled", "sigmoid", "on:20", cost="linear", slow=(0.001, 0.2)),
    "output quadratic": lambda: Ensemble((20, 5), "scaled", "tanh", "uniform:-1:2", cost="quadratic", slow=(0.001, 0.2)),
    "output entropy": lambda: Ensemble((20, 5), "glorot_uniform", "sigmoid", "subset:7", cost="cross-entropy", slow=(0.001, 0.2)),
    "rows": lambda: Ensemble(
        (4, 600, 300), "lecun_normal", "erf", Inputs.rows(np.arange(12.0).reshape(3, 4)), points=2, cost="linear"
    ),
    "points": lambda: Ensemble(
        (40, 500, 300, 20), "scaled", ["leaky_relu:-0.3", "elu:2.5", "identity"], "uniform:-1:2", points=2, cost="linear"
    ),
    "correlated": lambda: Ensemble(
        (60, 5000, 3000), "normal:1/fan_in", "tanh", Inputs.correlated(np.eye(60) + 0.01), points=2, cost="linear"
    ),
    "given": lambda: Ensemble((4, 900, 900), "scaled", "gelu", Inputs.points([[1, 0, 1, 0], [2, 0, 0.5, 0]]), cost="linear"),
    "own": lambda: Ensemble((30, 300, 200), "normal:1/fan_in+normal:0.2", own(), "pair:1:0.3", cost="linear"),
    "narrow": lambda: Ensemble((5, 20000, 30, 20000), "normal:1/fan_in+normal:0.1", "identity", "on:5", cost="linear"),
    "saturated": lambda: Ensemble((900, 9000, 9000, 9000), "standard", "sigmoid", "pair:1:0.9", cost="linear"),
    "vanishing": lambda: Ensemble((10, *(10**7,) * 100), "scaled", "sigmoid", "on:10", cost="linear"),
    "softmax": lambda: Ensemble((50, 300, 20), "he_normal", ["relu", "identity"], cost="softmax"),
}


def table(case):
    ensemble = ENSEMBLES[case]()
    if len(ensemble.slow) == 1:
        ensemble = dataclasses.replace(ensemble, slow=(0.001, 0.2))
    theory, found = NetworkTheory(ensemble), {}
    found["delta.lognorm.variance 1"] = refused(lambda: row(theory.predict(1, "delta.lognorm.variance").value))
    layers = ensemble.recorded if ensemble.depth < 9 else (1, 30, ensemble.depth)
    for layer in layers:
        for name in NAMES:
            if ensemble.points == 1 and "correlation" in name:
                continue

            def predicted(layer=layer, name=name):
                one = theory.predict(layer, name)
                return row(one.value, one.error, one.tolerance)

            found[f"{name} {layer}"] = refused(predicted)
        if theory._backward._all:
            back = theory._backward._all[layer - 1]
            found[f"layer {layer}"] = row(*(getattr(back, part) for part in PARTS))
    return found


@pytest.mark.parametrize("case", ENSEMBLES)
def test_table(case):
    assert not differences(table(case), read(__file__)[case], value=1e-7, floor=1e-12)


if __name__ == "__main__":
    write(__file__, {case: table(case) for case in ENSEMBLES})
