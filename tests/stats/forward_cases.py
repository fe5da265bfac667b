"""Ensembles that together reach every branch of the theory of the forward pass, and a record of what it says of them.

`python -m tests.stats.forward_cases` writes the record, forward_record.json, again. It is no proof of a value: values are held by
`test_forward_recursion`, by closed forms and by sampled networks (`test_network_limits`). It holds what those leave room for: how
wide errors and tolerances are, labels, and what is refused in which words.
"""

import json
import math
from pathlib import Path

import numpy as np

from fanin.engine.activation_spec import OwnActivation
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs
from fanin.engine.schemes import Law, Scheme, parse_law
from fanin.engine.spec import Ensemble
from fanin.stats.network_theory import NetworkTheory

RECORD = Path(__file__).with_name("forward_record.json")
FORWARD = (
    *("z.variance", "z.kurtosis", "z.tail[1]", "z.quantile[0.95]", "z.quantile[0.2]"),
    *("phi.mean", "phi.variance", "phi.saturated", "phi.quantile[0.9]"),
    *("slope.mean", "slope.variance", "slope.meansquare", "slope.below[0.01]", "slope.median", "slope.quantile[0.8]"),
    *("q", "q.lognorm.mean", "q.lognorm.variance", "share.dead"),
)


def triangular(first, second):
    return np.float32(first - second)


TRIANGULAR = Law.from_function(triangular, variance=0.02, kurtosis=2.4)
OWN_TANH = OwnActivation(
    lambda z: np.float32(math.tanh(z)), lambda z: np.float32(1.0 - math.tanh(z) ** 2), low=-1.0, high=1.0, name="own_tanh"
)

CASES = {
    "standard": Ensemble((60, 80, 70, 60), "standard", "sigmoid"),
    "tanh": Ensemble((40, 300, 200, 250, 150), "scaled", "tanh"),
    "relu": Ensemble((50, 40, 30, 20), "he_normal", "relu", "on:50"),
    "random input": Ensemble((20, 300, 400, 300), "he_normal", "relu", "gaussian"),
    "random input, tanh": Ensemble((150, 300, 400, 300), "he_normal", "tanh", "gaussian"),
    "relu with biases": Ensemble((20, 200, 100, 150), "normal:2/fan_in+normal:0.5", ["relu", "leaky_relu", "relu"]),
    "uniform": Ensemble((100, 200, 150, 100), "glorot_uniform", "tanh"),
    "torch": Ensemble((64, 200, 100, 100), "torch.linear", "gelu"),
    "uniform biases": Ensemble((64, 200, 100, 100), ["scaled", "normal:1/fan_in+uniform:0.5", "he_normal"], "silu"),
    "sparse": Ensemble((30, 200, 200, 200), "normal:0.3,sparse=0.5", "elu", "on:30"),
    "two-valued": Ensemble((400, 300, 300), "rademacher:1.5/fan_in", "erf"),
    "two-valued, narrow biases": Ensemble((100, 300), "rademacher:1+normal:0.8", "tanh"),
    "two-valued, wide biases": Ensemble((100, 300, 200), "rademacher:1+normal:1.2", "tanh"),
    "two-valued, two-valued biases": Ensemble((100, 300), "rademacher:1+rademacher:2", "tanh"),
    "two-valued, sparse biases": Ensemble((100, 300), "rademacher:1+normal:3,sparse=0.1", "tanh"),
    "own law": Ensemble((200, 300, 300), Scheme(TRIANGULAR, parse_law("normal:0.1")), "tanh"),
    "own law as a bias": Ensemble((200, 300), Scheme(parse_law("uniform:0.1"), TRIANGULAR), "tanh"),
    "orthogonal": Ensemble((100, 120, 150, 120), ["scaled", "orthogonal:1.5/fan_max", "scaled"], "tanh"),
    "orthogonal first": Ensemble((200, 200, 150), "orthogonal:1.5/fan_max", "relu", "on:200"),
    "mixed rays": Ensemble((50, 90, 80, 70, 200), "normal:1.8/fan_in", ["relu", "identity", "tanh", "relu"], "on:50"),
    "rays that end": Ensemble((50, 90, 80, 70), ["he_normal", "glorot_uniform", "he_normal"], "relu", "on:50"),
    "rows": Ensemble((4, 500, 500), "normal:1/fan_in", "tanh", Inputs.rows(np.array([[1, 2, 0, 1], [1, 2, 1, 0.5]]))),
    "unequal rows": Ensemble((3, 5000, 5000), "normal:1/fan_in", "relu", Inputs.rows(np.array([[1, 2, 0], [1, 1, 0.5]]))),
    "wide weights": Ensemble((100, 100, 100, 100), ["scaled", "normal:2e5", "scaled"], "sigmoid"),
    "wide biases": Ensemble((100, 200, 200), ["scaled", "normal:1+normal:2e6"], "tanh"),
    "wide third layer": Ensemble((100, 100, 100, 100), ["scaled", "scaled", "normal:2e5"], "sigmoid"),
    "own activation": Ensemble((60, 200, 200), "lecun_normal", OWN_TANH),
    "narrow": Ensemble((6, 5, 4, 3, 3), "scaled", "sigmoid"),
    "narrow relu": Ensemble((2, 1, 2, 1), "he_normal", "relu", "on:2"),
    "narrow relu, uniform": Ensemble((6, 5, 4, 3), ["he_uniform", "he_uniform", "he_uniform"], "relu"),
    "narrow relu, uniform with biases": Ensemble((6, 5, 4, 3), ["he_uniform", "uniform:1+normal:0.1", "he_uniform"], "relu"),
    "identity": Ensemble((40, 60, 50), "normal:0.9/fan_in", "identity", "on:40"),
    "student": Ensemble((60, 400, 300), ["scaled", "student:1/fan_in,df=12"], "softplus"),
    "selu": Ensemble((60, 400, 300, 300), "lecun_normal", "selu", "on:60"),
    "hard tanh": Ensemble((60, 400, 300, 300), "normal:2/fan_in+normal:0.3", ["hard_tanh", "softplus", "erf"]),
    "small": Ensemble((60, 400, 300), "normal:1e-3", ["tanh", "sigmoid"]),
    "heavy tails": Ensemble((60, 400, 300), ["scaled", "student:1/fan_in,df=8"], "tanh"),
    "heavy biases": Ensemble((60, 400, 300), ["scaled", "normal:1/fan_in+student:1,df=7"], "tanh"),
    "constant": Ensemble((60, 40, 30), ["scaled", "constant:0.1"], "tanh"),
    "constant biases": Ensemble((60, 40, 30), ["scaled", "normal:1/fan_in+constant:0.1"], "tanh"),
    "constant first": Ensemble((60, 40), "constant:0.1+normal:1", "tanh"),
    "no fourth moment": Ensemble((60, 40), "student:1/fan_in,df=4", "tanh"),
    "grows": Ensemble((60, 40, 30), ["scaled", "normal:1e30"], "tanh"),
    "starts large": Ensemble((60, 40), "normal:1e31", "tanh"),
}

SLOW = ("two-valued, sparse biases", "narrow relu, uniform", "narrow relu, uniform with biases", "no fourth moment")
"""Cases where the law of z in the first layer takes a second or more."""


def layer_record(one):
    """The numbers of a ForwardLayer; a Number as value, error and words."""
    numbers = [one.gaussian.q, one.spread, one.shift, one.square, one.bias, one.survival, one.loss, float(one.normal)]
    found = (one.variance, one.kurtosis, one.q)
    return numbers, [[part.value, part.error, f"{part.label}; {part.next_term}; {part.source}"] for part in found]


def said(theory, layer, name):
    """A prediction as value, error, tolerance and words, or the words of what is refused."""
    try:
        found = theory.predict(layer, name)
    except SpecificationError as refused:
        return [str(refused).replace(name, "it").replace(f"layer {layer}", "layer L")]
    return [found.value, found.error, found.tolerance, f"{found.label}; {found.next_term}; {found.source}"]


def record(label):
    """All that is held of a case: layers, predictions of the first and the last layer where they are quick, why theory ends."""
    theory = NetworkTheory(CASES[label])
    layers = [] if label in SLOW else sorted({1, CASES[label].depth})
    predictions = {f"{layer} {name}": said(theory, layer, name) for layer in layers for name in FORWARD}
    return {"layers": [layer_record(one) for one in theory.layers], "predictions": predictions, "reason": theory.reason}


def _packed(record, words):
    """Numbers to 12 digits, words as their place in a list."""
    if isinstance(record, str):
        return f"@{words.setdefault(record, len(words))}"
    if isinstance(record, float):
        return float(f"{record:.12g}")
    if isinstance(record, dict):
        return {name: _packed(part, words) for name, part in record.items()}
    return [_packed(part, words) for part in record] if isinstance(record, list | tuple) else record


def _unpacked(record, words):
    if isinstance(record, str):
        return words[int(record[1:])]
    if isinstance(record, dict):
        return {name: _unpacked(part, words) for name, part in record.items()}
    return [_unpacked(part, words) for part in record] if isinstance(record, list) else record


def recorded():
    """The record as it was written."""
    kept = json.loads(RECORD.read_text())
    return {label: _unpacked(part, kept["words"]) for label, part in kept["cases"].items()}


if __name__ == "__main__":
    places: dict[str, int] = {}
    lines = [f"{json.dumps(label)}: {json.dumps(_packed(record(label), places))}" for label in CASES]
    RECORD.write_text(f'{{"words": {json.dumps(list(places), indent=0)},\n"cases": {{\n' + ",\n".join(lines) + "}}\n")
