"""Studies: ensembles that belong together, with the claims about them beyond those that theory makes of every ensemble."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from fanin.data import load_inputs
from fanin.engine.errors import SpecificationError
from fanin.engine.spec import Ensemble
from fanin.stats.verdict import REFUTED, Claim


@dataclass(frozen=True)
class Study:
    """A question put to some ensembles.

    ensembles : by label. claims : what is claimed beyond the predictions of theory for each ensemble. networks : default
    number of networks per ensemble, at which every claim is decided. quantities : those compared with theory, in every layer for
    which theory predicts them; by default all that theory predicts of each ensemble. method : the sampler, by default. methods : of
    ensembles that have one of their own. compared : pairs of labels whose ensembles are one and the same, sampled by two methods:
    every quantity of one is compared with that of the other.
    """

    name: str
    purpose: str
    ensembles: dict[str, Ensemble]
    claims: tuple[Claim, ...] = field(default=())
    networks: int = 10_000_000
    quantities: tuple[str, ...] | None = None
    method: str = "direct"
    methods: dict[str, str] = field(default_factory=dict)
    compared: tuple[tuple[str, str], ...] = field(default=())


def _single_neuron() -> Study:
    return Study(
        "single-neuron",
        "One neuron with 1000 inputs, half of them on: N(0,1) parameters against weights scaled by 1/sqrt(fan-in).",
        {
            "standard": Ensemble((1000, 1), "standard"),
            "scaled": Ensemble((1000, 1), "scaled"),
            "coin-flips": Ensemble((1000, 1), "standard", inputs="bernoulli:0.5"),
        },
    )


def _random_inputs() -> Study:
    gaussian = Claim(
        id="standard/1/z.kurtosis/gaussian",
        ensemble="standard",
        layer=1,
        quantity="z.kurtosis",
        predicted=3.0,
        tolerance=0.01,
        source="a Gaussian z, which random inputs do not give",
        expected=REFUTED,
    )
    return Study(
        "random-inputs",
        "One neuron with 100 inputs, each on with probability 1/2: the variance is as for exactly half, but z is not Gaussian.",
        {
            "standard": Ensemble((100, 1), "standard", inputs="bernoulli:0.5"),
            "scaled": Ensemble((100, 1), "scaled", inputs="bernoulli:0.5"),
        },
        (gaussian,),
    )


def _real_inputs() -> Study:
    digits = load_inputs("digits")
    return Study(
        "real-inputs",
        "One neuron that sees scikit-learn's handwritten digits (64 pixels from 0 to 1), a random one for every network.",
        {"standard": Ensemble((64, 1), "standard", inputs=digits), "scaled": Ensemble((64, 1), "scaled", inputs=digits)},
    )


def _deep() -> Study:
    widths = (1000,) * 11
    return Study(
        "deep",
        "Ten sigmoid layers of width 1000: saturation, gradients and what a small change of one weight does, layer by layer.",
        {scheme: Ensemble(widths, scheme, cost="quadratic") for scheme in ("standard", "scaled")},
        networks=100_000,
        quantities=DEEP,
        method="conditional",
    )


DEEP = (
    "z.variance",
    "phi.saturated",
    "slope.median",
    "slope.meansquare",
    "slope.below[0.01]",
    "q",
    "delta.meansquare",
    "delta.median",
    "delta.lognorm.mean",
    "grad.meansquare",
    "change.activation.meansquare[0.1]",
    "change.activation.median[0.1]",
    "change.cost.meansquare[0.1]",
    "change.cost.median[0.1]",
)
"""What the study "deep" compares with theory, in every layer where theory predicts it."""


def _costs() -> Study:
    widths = (1000, 1000, 10)
    return Study(
        "costs",
        "Quadratic cost against cross-entropy: the cost lifts the saturation of the output, and leaves the hidden layer's.",
        {
            f"{scheme}, {cost}": Ensemble(widths, scheme, cost=cost)
            for scheme in ("standard", "scaled")
            for cost in ("quadratic", "cross-entropy")
        },
        networks=600_000,
        quantities=(
            "phi.saturated",
            "slope.median",
            "slope.meansquare",
            "delta.meansquare",
            "delta.median",
            "delta.lognorm.mean",
            "grad.meansquare",
        ),
        method="conditional",
    )


def _depth() -> Study:
    """tanh with bias_std 0.05: weight_std 1.1225390048 is the edge of chaos, q* = 0.1536919358; 24 layers of 1000."""
    ensembles, claims = {}, []
    for label, weight_std in (("ordered", 0.9), ("critical", 1.1225390048), ("chaotic", 1.5)):
        start = _fixed_variance("tanh", weight_std, 0.05)
        square = (start - 0.05**2) / weight_std**2
        ensembles[label] = Ensemble(
            (1000,) * 25, f"normal:{weight_std**2!r}/fan_in+normal:0.05", "tanh", f"pair:{square!r}:0.9", cost="linear"
        )
        claims.append(_gradient_scale(label, weight_std, start, 2, 22))
    return Study(
        "depth",
        "Edge of chaos: gradients and the correlation of two inputs against depth, for three scales of tanh networks.",
        ensembles,
        tuple(claims),
        networks=60_000,
        quantities=("z.variance", "correlation", "delta.lognorm.mean", "delta.meansquare", "jacobian.norm", "delta.correlation"),
        method="conditional",
    )


def _fixed_variance(activation: str, weight_std: float, bias_std: float) -> float:
    """The stable fixed point of the variance."""
    from fanin.stats.mean_field import fixed_points

    return fixed_points(activation, weight_std, bias_std).stable[0].q


def _gradient_scale(label: str, weight_std: float, variance: float, first: int, last: int) -> Claim:
    """The depth scale of the gradient: ln |delta|^2 grows by ln chi for each layer on its way back."""
    from fanin.stats.mean_field import chi

    growth = chi("tanh", variance, weight_std).value
    layers = last - first
    scale = "infinite" if abs(growth - 1.0) < 1e-6 else f"{-1.0 / math.log(growth):.4g} layers"
    return Claim(
        id=f"{label}/{first}/delta.lognorm.mean/against layer {last}",
        ensemble=label,
        layer=first,
        quantity="delta.lognorm.mean",
        predicted=layers * math.log(growth),
        tolerance=0.005 * layers + 0.02 * abs(layers * math.log(growth)),
        source=f"chi = {growth:.6g} for each of {layers} layers, depth scale {scale}: Schoenholz et al. 2017",
        label="limit",
        against=label,
        against_layer=last,
    )


def _finite_width() -> Study:
    he = "he_normal"
    return Study(
        "finite-width",
        "Laws that hold at every width: kurtosis of z, and log-norms, of narrow networks.",
        {
            "relu 30": Ensemble((30, 30, 30, 30), he, "relu", "on:30"),
            "relu 100": Ensemble((100, *(100,) * 10), he, "relu", "on:100"),
            "identity 30": Ensemble((30, *(30,) * 4), "lecun_normal", "identity", "on:30"),
            "tanh 5": Ensemble((20, 5, 20), "scaled", "tanh", "on:20"),
            "sigmoid 1000": Ensemble((1000, 1000, 1000, 1000), "standard"),
        },
        networks=1_200_000,
        quantities=("z.variance", "z.kurtosis", "q.lognorm.mean", "q.lognorm.variance", "share.dead"),
        method="conditional",
    )


def _samplers() -> Study:
    pairs = {
        "sigmoid": Ensemble((40, 30, 20, 10), "standard", cost="cross-entropy"),
        "tanh": Ensemble((20, 30, 20, 30, 10), "normal:2/fan_in+normal:0.3", "tanh", "pair:1:0.5", cost="quadratic"),
        "relu": Ensemble((20, 100, 80, 60, 20), "he_normal", "relu", cost="softmax"),
        "mixed": Ensemble((40, 30, 40, 20), "scaled", ("gelu", "softplus", "erf"), "gaussian", cost="linear"),
    }
    return Study(
        "samplers",
        "The direct against the conditional sampler: every quantity of every layer, forward and backward.",
        {f"{name} {method}": ensemble for name, ensemble in pairs.items() for method in ("direct", "conditional")},
        networks=400_000,
        methods={f"{name} {method}": method for name in pairs for method in ("direct", "conditional")},
        compared=tuple((f"{name} direct", f"{name} conditional") for name in pairs),
    )


STUDIES: dict[str, Callable[[], Study]] = {
    "single-neuron": _single_neuron,
    "random-inputs": _random_inputs,
    "real-inputs": _real_inputs,
    "deep": _deep,
    "costs": _costs,
    "depth": _depth,
    "finite-width": _finite_width,
    "samplers": _samplers,
}
"""Built-in studies by name; call one to get the `Study`."""


@functools.cache
def built_in(name: str) -> Study:
    """A built-in study.

    >>> built_in("single-neuron").networks
    10000000
    """
    if name not in STUDIES:
        raise SpecificationError(f"study is {name!r}; known are {', '.join(STUDIES)}")
    return STUDIES[name]()
