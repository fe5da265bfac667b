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
from fanin.engine.errors import SpecificationError
from fanin.engine.inputs import Inputs, parse_inputs
from fanin.engine.recipes import parse_scheme
from fanin.engine.schemes import Scheme

ACTIVATIONS = ("sigmoid", "tanh")
MAX_TAILS = 16
_FLOAT32_MAX = 3.4028234663852886e38


@dataclass(frozen=True, init=False, repr=False)
class Ensemble:
    """The law of a random layer and of its input.

    Parameters
    ----------
    widths : tuple of int
        Input and layer size: (fan_in, 1) for one neuron, (fan_in, fan_out) for a layer, of which two neurons are sampled.
    scheme : Scheme or str
        Laws of weights and bias: a name ("standard", "scaled", "he_normal", ...) or "LAW" or "LAW+BIASLAW", where a law is
        "normal:0.5" (standard deviation) or "uniform:2/fan_in" (variance over a fan); see `fanin.Law` for all families.
    activation : str
        "sigmoid" or "tanh".
    inputs : Inputs or str
        "half-on", "on:K", "subset:K", "bernoulli:P", "gaussian:STD", "uniform:LOW:HIGH", "sparse:ZERO:STD", "ar1:RHO:STD";
        `fanin.load_inputs` reads digits and files.
    tails : tuple of float
        Thresholds t > 0 at which P(|z| > t) is recorded. They do not change what is drawn.

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
    scheme: Scheme
    activation: str
    inputs: Inputs
    tails: tuple[float, ...]

    def __init__(
        self,
        widths: Sequence[int],
        scheme: Scheme | str = "standard",
        activation: str = "sigmoid",
        inputs: Inputs | str = "half-on",
        tails: Sequence[float] = (1.0, 5.0),
    ) -> None:
        sizes = _checked_widths(widths)
        scheme = parse_scheme(scheme) if isinstance(scheme, str) else scheme
        if not isinstance(scheme, Scheme):
            raise SpecificationError(f"scheme must be a name or a Scheme, not {scheme!r}")
        if activation not in ACTIVATIONS:
            raise SpecificationError(f"activation is {activation!r}; known are {', '.join(ACTIVATIONS)}")
        inputs = parse_inputs(inputs) if isinstance(inputs, str) else inputs
        if not isinstance(inputs, Inputs):
            raise SpecificationError(f"inputs must be a description or an Inputs, not {inputs!r}")
        values = {"widths": sizes, "scheme": scheme, "activation": activation, "inputs": inputs.resolved(sizes[0])}
        for name, value in (values | {"tails": _checked_tails(tails)}).items():
            object.__setattr__(self, name, value)
        for name, law in (("weights", self.scheme.weights), ("bias", self.scheme.bias)):
            if law is not None and not (size := abs(law.parent_std(*sizes[:2]))) <= _FLOAT32_MAX:
                raise SpecificationError(f"the standard deviation of the {name} is {size:g}; it must be finite in float32")

    @property
    def fan_in(self) -> int:
        """Number of inputs."""
        return self.widths[0]

    @property
    def weight_variance(self) -> float:
        """Variance of one weight of the first layer."""
        return self.scheme.weights.variance(*self.widths[:2])

    @property
    def weight_mean(self) -> float:
        """Mean of one weight of the first layer: zero unless weights are constant."""
        return self.scheme.weights.mean(*self.widths[:2])

    @property
    def bias_variance(self) -> float:
        """Variance of one bias of the first layer; 0 without biases."""
        bias = self.scheme.bias
        return 0.0 if bias is None else bias.variance(*self.widths[:2])

    @property
    def bias_mean(self) -> float:
        """Mean of one bias of the first layer: zero unless biases are constant."""
        bias = self.scheme.bias
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
        return {
            "activation": self.activation,
            "inputs": self.inputs.canonical(),
            "scheme": self.scheme.canonical(),
            "tails": list(self.tails),
            "widths": list(self.widths),
        }

    def stream_label(self, method: str) -> str:
        """The label of the stream that this ensemble draws from: distinct for each law and each sampler."""
        law = {key: value for key, value in self.canonical().items() if key != "tails"}
        return f"{method}:{hashlib.sha256(canonical_json(law).encode()).hexdigest()}"

    def __repr__(self) -> str:
        return (
            f"Ensemble(widths={self.widths}, scheme={str(self.scheme)!r}, activation={self.activation!r}, "
            f"inputs={str(self.inputs)!r})"
        )


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, shortest exact decimals."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checked_widths(widths: Any) -> tuple[int, ...]:
    try:
        sizes = tuple(int(width) for width in widths)
        if any(size != width for size, width in zip(sizes, widths, strict=True)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise SpecificationError(f"widths must be whole numbers such as (1000, 1), not {widths!r}") from None
    if any(size < 1 for size in sizes):
        raise SpecificationError(f"widths are {sizes}; every layer needs at least 1 neuron")
    if len(sizes) < 2:
        raise SpecificationError(f"widths are {sizes}; a network needs an input and an output size, such as 1000,1")
    if len(sizes) > 2:
        raise SpecificationError(
            f"widths are {','.join(map(str, sizes))}; this version samples one layer: widths n,m such as {sizes[0]},{sizes[1]}"
        )
    if 2 * max(sizes) > stream.MAX_INDEX:
        raise SpecificationError(f"widths are {sizes}; the counters address layers of at most {stream.MAX_INDEX // 2} neurons")
    return sizes


def _checked_tails(tails: Any) -> tuple[float, ...]:
    try:
        values = tuple(float(t) for t in tails)
    except (TypeError, ValueError):
        raise SpecificationError(f"tails must be thresholds such as (1.0, 5.0), not {tails!r}") from None
    if not all(0.0 < t < _FLOAT32_MAX for t in values):
        raise SpecificationError(f"tails are {values}; thresholds of |z| must be positive and finite")
    if len(values) > MAX_TAILS or len(set(values)) < len(values):
        raise SpecificationError(f"tails are {values}; give at most {MAX_TAILS} thresholds, each once")
    return values
