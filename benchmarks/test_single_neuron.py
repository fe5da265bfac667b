"""Networks of one neuron per second: fanin against Numba, NumPy, PyTorch and JAX, each at its best.

Whole processes are timed. A rate is the difference in networks of a large and a small run over their difference in seconds, so that
imports and compilation drop out. All subjects take turns, round after round; a ratio is the median over the rounds of fanin's rate
over the peer's in the same round. fanin records, judges and prints all that `verify` does by default; peers keep the sum of z^2.

Every round also measures what a second thread brings to plain arithmetic. Where the machine did not lend its second core, two
threads of fanin are not required to beat one thread of a peer by as much.
"""

from __future__ import annotations

import importlib.util
import math
import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from benchmarks.processes import Ended, run_module, run_neuron

ROUNDS = 3
TWO_CORES = 1.7  # times the arithmetic of one thread
FANIN, FANIN_ONE = "fanin", "fanin, 1 thread"
SIZES = {
    FANIN: (1_000_000, 12_000_000),
    FANIN_ONE: (1_000_000, 7_000_000),
    "numba-1001": (10_000, 160_000),
    "numpy-1001-2threads": (50_000, 500_000),
    "numpy-501": (50_000, 500_000),
    "numpy-501-2threads": (100_000, 1_000_000),
    "torch-1001": (100_000, 800_000),
    "torch-1001-2inside": (100_000, 800_000),
    "torch-501": (200_000, 1_600_000),
    "torch-501-2inside": (200_000, 1_600_000),
    "torch-501-2threads": (300_000, 3_000_000),
    "torch-501-2processes": (300_000, 3_000_000),
    "jax-501": (100_000, 1_200_000),
}
"""The small and the large run of each subject: about two seconds apart."""


class Requirement(NamedTuple):
    """How many times as fast as the best of some variants fanin must be, and should be.

    module : what has to be installed.
    two_cores : whether the comparison presumes them, the variants using only one.
    """

    module: str
    variants: tuple[str, ...]
    floor: float
    goal: float
    two_cores: bool = False


_ONE_TORCH_PROCESS = ("torch-1001", "torch-1001-2inside", "torch-501", "torch-501-2inside")
REQUIREMENTS = {
    "Numba as everyone writes it": Requirement("numba", ("numba-1001",), 50, 80),
    "the best NumPy": Requirement("numpy", ("numpy-1001-2threads", "numpy-501", "numpy-501-2threads"), 12, 20),
    "the best PyTorch that one Python thread drives": Requirement("torch", _ONE_TORCH_PROCESS, 6, 12, two_cores=True),
    "the best PyTorch": Requirement("torch", (*_ONE_TORCH_PROCESS, "torch-501-2threads", "torch-501-2processes"), 3.5, 5),
}


class Measured(NamedTuple):
    """One value for each round: networks per second of every subject; the gain of a second thread in plain arithmetic."""

    rates: dict[str, list[float]]
    gains: list[float]

    def ratio(self, variant: str) -> float:
        """How many times as fast as a variant fanin is."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.rates[FANIN], self.rates[variant], strict=True))


@pytest.fixture(scope="module")
def measured() -> Measured:
    """All subjects that are installed, in turns."""
    run_neuron(1_000_000, 2)  # fills the cache of kernels
    subjects = [name for name in SIZES if name.startswith("fanin") or importlib.util.find_spec(name.split("-")[0])]
    measured = Measured({name: [] for name in subjects}, [])
    for _ in range(ROUNDS):
        measured.gains.extend(run_module("benchmarks.second_thread", "1").json()["arithmetic"])
        for name in subjects:
            measured.rates[name].append(_rate(name))
    print("", *_table(measured), sep="\n")
    return measured


def test_rate(benchmark: Any, measured: Measured) -> None:
    benchmark.extra_info |= {name: statistics.median(rates) for name, rates in measured.rates.items()}
    ended = benchmark.pedantic(run_neuron, args=(SIZES[FANIN][1], 2), rounds=1)
    variance = next(claim for claim in ended.json()["claims"] if claim["quantity"] == "z.variance")
    assert abs(variance["estimate"] / 501.0 - 1.0) < _allowance(SIZES[FANIN][1])


@pytest.mark.parametrize("peer", REQUIREMENTS)
def test_ratio(measured: Measured, peer: str) -> None:
    required = REQUIREMENTS[peer]
    pytest.importorskip(required.module)
    ratio, variant = min((measured.ratio(variant), variant) for variant in required.variants)
    print(f"\n{ratio:.2f} times {peer} ({variant}): required {required.floor:g}, goal {required.goal:g}")
    gain = statistics.median(measured.gains)
    if ratio < required.floor and required.two_cores and gain < TWO_CORES:
        pytest.skip(f"needs two cores: a second thread brought {gain:.2f} times the arithmetic of one")
    assert ratio >= required.floor


def _rate(name: str) -> float:
    small, large = (_run(name, networks) for networks in SIZES[name])
    return (large[0] - small[0]) / (large[1].seconds - small[1].seconds)


def _run(name: str, networks: int) -> tuple[int, Ended]:
    """The number of networks sampled, which a peer rounds up, and the process."""
    if name.startswith("fanin"):
        return networks, run_neuron(networks, 1 if name == FANIN_ONE else 2)
    ended = run_module("benchmarks.peers", name, str(networks))
    result = ended.json()
    assert abs(result["squares"] / result["networks"] / 501.0 - 1.0) < _allowance(result["networks"]), f"{name} samples another law"
    return result["networks"], ended


def _allowance(networks: int) -> float:
    """Six standard errors of the mean of z^2 / 501: a right sampler exceeds it once in 5e8 runs."""
    return 6.0 * math.sqrt(2.0 / networks)


def _table(measured: Measured) -> Iterator[str]:
    yield f"{'million networks/s':<24}{'median':>9}{'lowest':>9}{'highest':>9}{'fanin/it':>10}"
    for name, rates in measured.rates.items():
        numbers = "".join(f"{rate / 1e6:>9.3f}" for rate in (statistics.median(rates), min(rates), max(rates)))
        yield f"{name:<24}{numbers}{measured.ratio(name):>10.2f}"
    yield f"a second thread brings {statistics.median(measured.gains):.2f} times the arithmetic of one"
