"""What is sampled: laws of weights, laws of inputs, ensembles. Plain frozen types; imports no numba.

An `Ensemble` is the law of a random network and of its input. Every value is checked here, once; kernels assume.
`canonical` gives the one text that a digest and a stream label are made from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fanin.engine import stream
from fanin.engine.activation_spec import SIGMOIDAL, OwnActivation, check_activation
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs, parse_inputs
from fanin.engine.recipes import parse_scheme
from fanin.engine.schemes import Scheme

COSTS = ("none", "linear", "quadratic", "cross-entropy", "softmax")
"""Costs of an output a with target y: C = u.a with a random direction u ~ N(0, I); |a - y|^2 / 2; the cross-entropies of Nielsen,
Neural Networks and Deep Learning, ch. 3, for sigmoid outputs and for softmax(z). With "none" there is no backward pass."""

TARGETS = ("random", "one-hot")
MAX_TAILS = 16
MAX_POINTS = 8
MAX_RECORDED = 128
_FEWER_RECORDED = 64
_FLOAT32_MAX = 3.4028234663852886e38
_LARGEST_TARGET = 1e6


@dataclass(frozen=True, init=False, repr=False)
class Ensemble:
    """The law of a random network and of its input.

    Parameters
    ----------
    widths : tuple of int
        Sizes of input, hidden layers and output: (fan_in, 1) for one neuron, (784, 30, 10) for a network.
    scheme : Scheme or str, or a sequence of them
        Laws of weights and bias, for all layers or one for each: a name ("standard", "scaled", "he_normal", ...) or "LAW" or
        "LAW+BIASLAW", where a law is "normal:0.5" (standard deviation) or "uniform:2/fan_in" (variance over a fan); see
        `fanin.Law` for all families.
    activation : str or OwnActivation, or a sequence of them
        Of all layers, the output included, or one for each: "sigmoid", "tanh", "relu", "leaky_relu[:SLOPE]", "elu[:ALPHA]", "selu",
        "gelu", "silu", "softplus", "hard_tanh", "erf", "identity".
    inputs : Inputs or str
        "half-on", "on:K", "subset:K", "bernoulli:P", "gaussian:STD", "uniform:LOW:HIGH", "sparse:ZERO:STD", "ar1:RHO:STD";
        "pair:Q:C" for two inputs of squared length Q times fan-in and correlation C; `fanin.load_inputs` reads digits and files.
    tails : tuple of float
        Thresholds t > 0 at which P(|z| > t) is recorded. They do not change what is drawn.
    points : int
        Inputs that go through one and the same network. Quantities are those of the first; `correlation` compares it with the
        second.
    cost : str
        One of `COSTS`. What is sent back from the output; "none": no backward pass.
    targets : str or sequence of float
        For the last three costs: "random" (independent bits; for softmax a random class), "one-hot" (a random class), or values.
    slow : tuple of float
        Thresholds at which the share of neurons with |delta| below is recorded. They do not change what is drawn.

    Raises
    ------
    SpecificationError
        A ValueError that names the argument, the value received and what would be right.

    Examples
    --------
    >>> ensemble = Ensemble(widths=(1000, 1), scheme="scaled")
    >>> ensemble.weight_variance, ensemble.bias_variance
    (0.001, 1.0)
    """

    widths: tuple[int, ...]
    scheme: Scheme | tuple[Scheme, ...]
    activation: str | OwnActivation | tuple[str | OwnActivation, ...]
    inputs: Inputs
    tails: tuple[float, ...]
    points: int
    cost: str
    targets: str | tuple[float, ...]
    slow: tuple[float, ...]

    def __init__(
        self,
        widths: Sequence[int],
        scheme: Scheme | str | Sequence[Scheme | str] = "standard",
        activation: str | OwnActivation | Sequence[str | OwnActivation] = "sigmoid",
        inputs: Inputs | str = "half-on",
        tails: Sequence[float] = (1.0, 5.0),
        points: int = 1,
        cost: str = "none",
        targets: str | Sequence[float] = "random",
        slow: Sequence[float] = (0.001,),
    ) -> None:
        sizes = _checked_widths(widths)
        inputs = parse_inputs(inputs) if isinstance(inputs, str) else inputs
        if not isinstance(inputs, Inputs):
            raise SpecificationError(f"inputs must be a description or an Inputs, not {inputs!r}")
        values = {
            "widths": sizes,
            "scheme": _for_layers("scheme", scheme, len(sizes) - 1, _checked_scheme),
            "activation": _for_layers("activation", activation, len(sizes) - 1, check_activation),
            "inputs": inputs,
            "tails": _thresholds("tails", tails, "of |z|"),
            "points": _checked_points(points, inputs),
            "cost": cost,
            "targets": _checked_targets(targets, cost, sizes[-1]),
            "slow": _thresholds("slow", slow, "of |delta|"),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if cost == "cross-entropy" and self.activations[-1] != "sigmoid":
            raise SpecificationError(
                f"the cost cross-entropy goes with sigmoid outputs; the last activation is {self.activations[-1]}: write softmax"
            )
        for layer, one in enumerate(self.schemes, 1):
            for name, law in (("weights", one.weights), ("bias", one.bias)):
                if law is not None and not (size := abs(law.parent_std(*sizes[layer - 1 : layer + 1]))) <= _FLOAT32_MAX:
                    raise SpecificationError(
                        f"the standard deviation of the {name} of layer {layer} is {size:g}; it must be finite in float32"
                    )
        object.__setattr__(self, "inputs", inputs.resolved(sizes[0]))  # last: the default may not fit, and must not hide the rest

    @property
    def depth(self) -> int:
        """Number of layers of weights, L; the output is layer L."""
        return len(self.widths) - 1

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """The scheme of each layer, first to last."""
        return self.scheme if isinstance(self.scheme, tuple) else (self.scheme,) * self.depth

    @property
    def activations(self) -> tuple[str | OwnActivation, ...]:
        """The activation of each layer, first to last."""
        return self.activation if isinstance(self.activation, tuple) else (self.activation,) * self.depth

    @property
    def is_network(self) -> bool:
        """Whether it takes more than the sampler of one sigmoidal layer: further layers, a cost, several inputs."""
        plain = self.depth == 1 and self.points == 1 and self.cost == "none"
        return not (plain and self.activation in SIGMOIDAL)

    @property
    def recorded(self) -> tuple[int, ...]:
        """Layers that are recorded: all up to a depth of 128; beyond it 64, evenly spaced, with the first and the last."""
        if self.depth <= MAX_RECORDED:
            return tuple(range(1, self.depth + 1))
        last = _FEWER_RECORDED - 1
        return tuple(1 + (k * (self.depth - 1) + last // 2) // last for k in range(_FEWER_RECORDED))

    @property
    def first_layer(self) -> Ensemble:
        """Layer 1 alone, as it sees the first of its inputs."""
        inputs = Inputs.fixed(self.inputs.vectors(self.fan_in)[0]) if self.inputs.given_points else self.inputs
        return Ensemble(self.widths[:2], self.schemes[0], self.activations[0], inputs, self.tails)

    @property
    def first_scheme(self) -> Scheme:
        """The scheme of layer 1."""
        return self.schemes[0]

    @property
    def fan_in(self) -> int:
        """Number of inputs."""
        return self.widths[0]

    @property
    def weight_variance(self) -> float:
        """Variance of one weight of the first layer."""
        return self.first_scheme.weights.variance(*self.widths[:2])

    @property
    def weight_mean(self) -> float:
        """Mean of one weight of the first layer: zero unless weights are constant."""
        return self.first_scheme.weights.mean(*self.widths[:2])

    @property
    def bias_variance(self) -> float:
        """Variance of one bias of the first layer; 0 without biases."""
        bias = self.first_scheme.bias
        return 0.0 if bias is None else bias.variance(*self.widths[:2])

    @property
    def bias_mean(self) -> float:
        """Mean of one bias of the first layer: zero unless biases are constant."""
        bias = self.first_scheme.bias
        return 0.0 if bias is None else bias.mean(*self.widths[:2])

    @property
    def has_bias(self) -> bool:
        """Whether biases are drawn, or constants other than zero."""
        return self.bias_variance > 0.0 or self.bias_mean != 0.0

    @property
    def neurons(self) -> int:
        """Neurons of a layer that are sampled: two where there are two, for the dependence between them."""
        return min(self.widths[1], 2)

    def canonical(self) -> dict[str, Any]:
        """Everything that defines the ensemble and its recording, in plain values; data by its sha256."""
        plain = {
            "activation": _plain(self.activation),
            "inputs": self.inputs.canonical(),
            "scheme": _plain(self.scheme),
            "tails": list(self.tails),
            "widths": list(self.widths),
        }
        if not self.is_network:
            return plain
        targets = self.targets if isinstance(self.targets, str) else list(self.targets)
        return plain | {"cost": self.cost, "points": self.points, "slow": list(self.slow), "targets": targets}

    def stream_label(self, method: str) -> str:
        """The label of the stream that this ensemble draws from: distinct for each law and each sampler."""
        law = {key: value for key, value in self.canonical().items() if key not in ("tails", "slow")}
        return f"{method}:{hashlib.sha256(canonical_json(law).encode()).hexdigest()}"

    def __repr__(self) -> str:
        scheme = [str(one) for one in self.scheme] if isinstance(self.scheme, tuple) else str(self.scheme)
        more = f", points={self.points}" if self.points > 1 else ""
        more += f", cost={self.cost!r}" if self.cost != "none" else ""
        return (
            f"Ensemble(widths={self.widths}, scheme={scheme!r}, activation={self.activation!r}, inputs={str(self.inputs)!r}{more})"
        )


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, shortest exact decimals."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """An activation, a scheme or a tuple of them in plain values."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str) else value.canonical()


def _checked_widths(widths: Any) -> tuple[int, ...]:
    try:
        sizes = tuple(int(width) for width in widths)
        if any(size != width for size, width in zip(sizes, widths, strict=True)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise SpecificationError(f"widths must be whole numbers such as (1000, 1), not {widths!r}") from None
    if any(size < 1 for size in sizes):
        raise SpecificationError(f"widths are {_short(sizes)}; every layer needs at least 1 neuron")
    if len(sizes) < 2:
        raise SpecificationError(f"widths are {sizes}; a network needs an input and an output size, such as 1000,1")
    if len(sizes) - 1 > stream.MAX_LAYERS:
        raise SpecificationError(f"widths make {len(sizes) - 1} layers; the counters address at most {stream.MAX_LAYERS}")
    if 2 * max(sizes) > stream.MAX_INDEX:
        raise SpecificationError(
            f"widths are {_short(sizes)}; the counters address layers of at most {stream.MAX_INDEX // 2} neurons"
        )
    return sizes


def _short(sizes: tuple[int, ...]) -> str:
    return str(sizes) if len(sizes) <= 8 else f"({', '.join(map(str, sizes[:4]))}, ..., {sizes[-1]})"


def _for_layers(name: str, given: Any, depth: int, check: Any) -> Any:
    """One value for all layers, or a tuple of one for each where they differ."""
    if isinstance(given, (str, Scheme, OwnActivation)) or not isinstance(given, Sequence):
        return check(given)
    if len(given) != depth:
        raise SpecificationError(f"{name} has {len(given)} values for {depth} layers; give one for all, or one for each")
    values = tuple(check(one) for one in given)
    return values[0] if all(value == values[0] for value in values) else values


def _checked_scheme(scheme: Any) -> Scheme:
    scheme = parse_scheme(scheme) if isinstance(scheme, str) else scheme
    if not isinstance(scheme, Scheme):
        raise SpecificationError(f"scheme must be a name or a Scheme, not {scheme!r}")
    return scheme


def _checked_points(points: Any, inputs: Inputs) -> int:
    given = inputs.given_points
    if isinstance(points, bool) or not isinstance(points, int) or not 1 <= points <= MAX_POINTS:
        raise SpecificationError(f"points is {points!r}; it must be a whole number from 1 to {MAX_POINTS}")
    if given and points not in (1, given):
        raise SpecificationError(f"points is {points}, and the inputs {inputs} are {given}; leave points out")
    if points > 1 and not given and (inputs.shared or not inputs.is_random):
        raise SpecificationError(f"points is {points}, and with inputs {inputs} they would all be the same; write pair:1:0.5, say")
    return given or points


def _checked_targets(targets: Any, cost: Any, outputs: int) -> str | tuple[float, ...]:
    if cost not in COSTS:
        raise SpecificationError(f"cost is {cost!r}; known are {', '.join(COSTS)}")
    if isinstance(targets, str):
        if targets not in TARGETS:
            raise SpecificationError(f"targets is {targets!r}; known are {', '.join(TARGETS)}, or a value for each output")
        return targets
    try:
        values = tuple(float(value) for value in targets)
    except (TypeError, ValueError):
        raise SpecificationError(f"targets must be {' or '.join(TARGETS)} or numbers, not {targets!r}") from None
    if len(values) != outputs:
        raise SpecificationError(f"targets are {len(values)} values; give one for each of the {outputs} outputs")
    if wrong := [value for value in values if not abs(value) <= _LARGEST_TARGET]:
        raise SpecificationError(
            f"targets hold {wrong[0]:g}; each must be a number from {-_LARGEST_TARGET:g} to {_LARGEST_TARGET:g}"
        )
    return values


def _thresholds(name: str, given: Any, what: str) -> tuple[float, ...]:
    try:
        values = tuple(float(t) for t in given)
    except (TypeError, ValueError):
        raise SpecificationError(f"{name} must be thresholds such as (1.0, 5.0), not {given!r}") from None
    if not all(0.0 < t < _FLOAT32_MAX for t in values):
        raise SpecificationError(f"{name} are {values}; thresholds {what} must be positive and finite")
    if len(values) > MAX_TAILS or len(set(values)) < len(values):
        raise SpecificationError(f"{name} are {values}; give at most {MAX_TAILS} thresholds, each once")
    return values
