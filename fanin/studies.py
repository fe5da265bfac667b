"""Studies: ensembles that belong together, with the claims about them beyond those that theory makes of every ensemble."""

from __future__ import annotations

import functools
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
    number of networks per ensemble, at which every claim is decided. quantities : those compared with theory; by default all that
    theory predicts of each ensemble.
    """

    name: str
    purpose: str
    ensembles: dict[str, Ensemble]
    claims: tuple[Claim, ...] = field(default=())
    networks: int = 10_000_000
    quantities: tuple[str, ...] | None = None


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


STUDIES: dict[str, Callable[[], Study]] = {
    "single-neuron": _single_neuron,
    "random-inputs": _random_inputs,
    "real-inputs": _real_inputs,
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
