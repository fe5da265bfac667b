"""Names of quantities and what of them is recorded: every sentence that refuses one, and what passes just beside it."""

import math

import pytest

from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.spec import Ensemble
from fanin.stats.network_names import (
    ARGUMENT,
    NETWORK_QUANTITIES,
    changed_input,
    check_network_recorded,
    has_field,
    network_quantities,
    split_network_name,
)

PLAIN = Ensemble((8, 5, 4), "scaled", "tanh", tails=(1.0, 2.5))
BACK = Ensemble((8, 5, 4), "scaled", ["tanh", "relu"], "pair:1:0.5", cost="linear", slow=(0.001, 0.1))
DEEP = Ensemble((4,) * 131, "scaled", "tanh")
NO_TAILS = Ensemble((8, 5), "scaled", "tanh", tails=(), cost="linear", slow=())
MIXED = Ensemble((8, 5, 4, 3), ["glorot_uniform", "normal:1,sparse=0.5", "normal:1+uniform:1"], "tanh")
ONE = Ensemble((8, 1, 4), "scaled", "tanh")


def refusal(call):
    with pytest.raises(SpecificationError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("z.variance", ("z.variance", None)),
        ("z.tail[5]", ("z.tail", 5.0)),
        ("z.tail[.5]", ("z.tail", 0.5)),
        ("z.tail[1.25e-3]", ("z.tail", 0.00125)),
        ("delta.below[1E+2]", ("delta.below", 100.0)),
        ("change.cost.median[0.1]", ("change.cost.median", 0.1)),
    ],
)
def test_names_are_split(name, found):
    assert split_network_name(name) == found


@pytest.mark.parametrize("name", ["z.tail[", "z.tail[]", "z.tail[-1]", "z.tail[1]x", "z.variance ", "Z.variance", "z.tail[1e]", ""])
def test_other_names_are_refused(name):
    assert refusal(lambda: split_network_name(name)).startswith(f"{name!r} is not a quantity of a network; the nearest is ")


def test_the_nearest_name():
    assert refusal(lambda: split_network_name("z.tial[5]")).endswith("is not a quantity of a network; the nearest is z.tail")
    assert refusal(lambda: split_network_name("grad.quantil")).endswith("the nearest is grad.quantile")


def test_the_list_of_names():
    assert network_quantities() == NETWORK_QUANTITIES
    assert len(set(NETWORK_QUANTITIES)) == len(NETWORK_QUANTITIES) == 46
    quantiles = {"z.quantile", "phi.quantile", "slope.quantile", "delta.quantile", "grad.quantile"}
    assert {name for name, kind in ARGUMENT.items() if kind == "probability"} == quantiles
    changes = {f"change.{what}.{how}" for what in ("activation", "cost") for how in ("meansquare", "median")}
    assert {name for name, kind in ARGUMENT.items() if kind == "change"} == changes
    assert {name for name, kind in ARGUMENT.items() if kind == "threshold"} == {"z.tail", "delta.below", "slope.below"}


REFUSED = [
    (PLAIN, 0, "z.mean", "layer 0 is not recorded; of 2 layers those recorded are 1 to 2"),
    (PLAIN, 3, "z.mean", "layer 3 is not recorded; of 2 layers those recorded are 1 to 2"),
    (DEEP, 2, "z.mean", "layer 2 is not recorded; of 130 layers those recorded are 1, 3, ..., 130"),
    (PLAIN, 1, "z.mean[1]", "z.mean[1] takes no argument; write z.mean"),
    (PLAIN, 1, "z.quantile", "z.quantile needs a probability between 0 and 1, such as z.quantile[0.95]"),
    (PLAIN, 1, "z.quantile[0]", "z.quantile[0] needs a probability between 0 and 1, such as z.quantile[0.95]"),
    (PLAIN, 1, "z.quantile[1]", "z.quantile[1] needs a probability between 0 and 1, such as z.quantile[0.95]"),
    (
        PLAIN,
        1,
        "change.activation.median",
        "change.activation.median needs the size of the change, such as change.activation.median[0.01]",
    ),
    (
        PLAIN,
        1,
        "change.activation.median[0]",
        "change.activation.median[0] needs the size of the change, such as change.activation.median[0.01]",
    ),
    (
        PLAIN,
        1,
        "change.activation.median[1e999]",
        "change.activation.median[1e999] needs the size of the change, such as change.activation.median[0.01]",
    ),
    (PLAIN, 1, "slope.below[0.02]", "slope.below[0.02] is not recorded; slope.below[0.01] is"),
    (PLAIN, 1, "slope.below", "slope.below is not recorded; slope.below[0.01] is"),
    (PLAIN, 1, "z.tail[5]", "z.tail[5] is not recorded; the thresholds (tails) of the ensemble are 1, 2.5"),
    (PLAIN, 1, "z.tail", "z.tail is not recorded; the thresholds (tails) of the ensemble are 1, 2.5"),
    (NO_TAILS, 1, "z.tail[5]", "z.tail[5] is not recorded; the thresholds (tails) of the ensemble are none"),
    (BACK, 1, "delta.below[0.01]", "delta.below[0.01] is not recorded; the thresholds (slow) of the ensemble are 0.001, 0.1"),
    (NO_TAILS, 1, "delta.below[0.01]", "delta.below[0.01] is not recorded; the thresholds (slow) of the ensemble are none"),
    *(
        (PLAIN, 1, name, f"{name} needs a backward pass, and the ensemble has no cost; give it cost='linear', say")
        for name in ("delta.median", "grad.meansquare", "jacobian.norm", "change.cost.median[0.1]", "delta.below[0.001]")
    ),
    (PLAIN, 1, "correlation", "correlation compares two inputs, and the ensemble has one; give it inputs pair:1:0.5, say"),
    (
        NO_TAILS,
        1,
        "delta.correlation",
        "delta.correlation compares two inputs, and the ensemble has one; give it inputs pair:1:0.5, say",
    ),
    *(
        (MIXED, layer, "field.mean", f"field.mean needs Gaussian weights and Gaussian or no biases in layer {layer}")
        for layer in (1, 2, 3)
    ),
    (ONE, 1, "independence.neurons", "independence.neurons needs a layer of at least two neurons; layer 1 has 1"),
    *(
        (BACK, 2, name, f"{name} is known for sigmoid, tanh, erf, by the quantiles of z; layer 2 has relu")
        for name in ("phi.quantile[0.5]", "slope.median", "slope.quantile[0.5]", "change.activation.median[0.1]")
    ),
    (
        PLAIN,
        2,
        "change.activation.median[0.1]",
        "change.activation.median[0.1] is about a weight of layer 1; it was asked of layer 2",
    ),
    (BACK, 2, "change.cost.meansquare[0.1]", "change.cost.meansquare[0.1] is about a weight of layer 1; it was asked of layer 2"),
]


def test_what_is_not_recorded():
    for ensemble, layer, name, words in REFUSED:
        assert refusal(lambda at=(name, ensemble, layer): check_network_recorded(*at)) == words


RECORDED = [
    (PLAIN, 2, "z.mean"),
    (DEEP, 130, "z.mean"),
    (PLAIN, 1, "z.quantile[0.999]"),
    (PLAIN, 1, "z.quantile[0.001]"),
    (PLAIN, 1, "change.activation.median[1e300]"),
    (PLAIN, 1, "slope.below[0.01]"),
    (PLAIN, 1, "z.tail[2.5]"),
    (BACK, 2, "delta.below[0.1]"),
    (BACK, 2, "delta.correlation"),
    (BACK, 2, "correlation"),
    (BACK, 1, "change.cost.median[0.1]"),
    (ONE, 1, "field.law"),
    (ONE, 2, "independence.neurons"),
    (Ensemble((8, 2), "scaled", "tanh"), 1, "independence.neurons"),
    (BACK, 1, "phi.quantile[0.5]"),
    (BACK, 2, "slope.meansquare"),
]


def test_what_is_recorded():
    for ensemble, layer, name in RECORDED:
        check_network_recorded(name, ensemble, layer)


@pytest.mark.parametrize(
    ("scheme", "field"),
    [
        ("normal:1", True),
        ("normal:1+normal:1", True),
        ("normal:1+constant:0", True),  # no bias
        ("normal:1+uniform:1", False),
        ("normal:1+normal:1,sparse=0.5", False),
        ("normal:1,sparse=0.5", False),
        ("uniform:1", False),
        ("truncated:1", False),
        ("normal:0+normal:1", False),
        ("orthogonal:1/fan_max", False),
    ],
)
def test_which_layers_have_a_field(scheme, field):
    assert has_field(Ensemble((8, 8), scheme, "tanh"), 1) == field
    assert has_field(Ensemble((8, 8, 8), ["uniform:1", scheme], "tanh"), 2) == field


def test_the_input_that_is_changed():
    """The root mean square of those that are not 0."""
    name = "change.activation.median[0.1]"
    for inputs, size in (
        ("on:3", 1.0),
        ("half-on", 1.0),
        ("subset:3", 1.0),
        (Inputs.fixed([3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0]), math.sqrt(12.5)),
        (Inputs.points([[2.0, 0.0] * 4, [5.0] * 8]), 2.0),
    ):
        assert changed_input(name, Ensemble((8, 5), "scaled", "tanh", inputs), 1) == pytest.approx(size, rel=1e-15, abs=0.0)
    words = refusal(lambda: changed_input(name, PLAIN, 0))
    assert words == f"{name} is about a weight of layer 1; it was asked of layer 0"
    for inputs in ("subset:0", "on:0"):
        words = refusal(lambda inputs=inputs: changed_input(name, Ensemble((8, 5), "scaled", "tanh", inputs), 1))
        assert words == f"{name} needs an input that is not 0 everywhere; inputs are {inputs}"
    words = refusal(lambda: changed_input(name, Ensemble((8, 5), "scaled", "tanh", "gaussian"), 1))
    assert words.startswith(f"{name} needs an input that is fixed; inputs are gaussian")
