"""`Result`: what a run found, with its digest, its estimates and its labelled form."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fanin.engine import stream
from fanin.engine.accumulators import Accumulators
from fanin.engine.errors import SpecificationError
from fanin.engine.layer_summary import LayerSummary
from fanin.engine.spec import Ensemble, canonical_json
from fanin.provenance import provenance

if TYPE_CHECKING:
    import xarray

    from fanin.histogram import Histogram


Layer = Accumulators | LayerSummary
"""What is kept of a layer: of one neuron of a single layer, or of all neurons of a layer of a network."""


@dataclass(frozen=True, eq=False)
class Result:
    """The summary of a run.

    ensemble, networks, seed, method : what was sampled.
    layers : accumulators by layer, from 1.
    seconds : wall time of sampling and merging.
    threads : threads or workers.
    origin : versions and machine of the run, for a result that was read from a file; None for one sampled here.
    watched : whether the size of the run was chosen by looking at it: then it is judged by confidence sequences.
    """

    ensemble: Ensemble
    networks: int
    seed: int
    method: str
    layers: dict[int, Layer]
    seconds: float
    threads: int
    origin: dict[str, Any] | None = None
    watched: bool = False

    @property
    def is_network(self) -> bool:
        """Whether all neurons of the layers of networks were recorded, in `LayerSummary`, and not one neuron of a single layer."""
        return all(isinstance(layer, LayerSummary) for layer in self.layers.values())

    @functools.cached_property
    def digest(self) -> str:
        """sha256 over specification, method, version of the stream, range of networks and accumulators."""
        head = {
            "ensemble": self.ensemble.canonical(),
            "method": self.method,
            "networks": [0, self.networks],
            "seed": self.seed,
            "stream": stream.VERSION,
        }
        parts = [canonical_json(head), *(f"{layer}:{self.layers[layer].sha256()}" for layer in sorted(self.layers))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @functools.cached_property
    def provenance(self) -> dict[str, Any]:
        """Seed, versions, CPU, vector width, threads and git revision of the run."""
        origin = provenance(self.threads) if self.origin is None else self.origin
        return {"seed": self.seed, "method": self.method, "digest": self.digest} | origin

    def estimates(self, layer: int = 1) -> dict[str, float]:
        """Estimates of all recorded quantities of a layer, by name.

        Parameters
        ----------
        layer : int
            From 1; of a network every recorded layer, of a single layer the first only.

        Non-finite networks are left out of them; their number is `layers[1].counts["nonfinite"]`.
        """
        if layer not in self.layers:
            raise SpecificationError(f"layer is {layer!r}; the result has layer {_listed(sorted(self.layers))}")
        kept = self.layers[layer]
        if isinstance(kept, LayerSummary):
            from fanin.stats.network_quantities import network_estimates

            return network_estimates(kept, self.ensemble, layer)
        from fanin.stats.quantities import estimates

        return estimates(kept, self.ensemble)

    def histogram(self, layer: int = 1, bins: int | Sequence[float] | np.ndarray | None = 100) -> Histogram:
        """Counts of z over the whole line, for `hist`, `mplhep`, `histoprint` and numpy: of networks where one neuron of a single
        layer is recorded, of up to 256 neurons of each network otherwise.

        Parameters
        ----------
        layer : int
            From 1.
        bins : int, sequence of float or None
            About how many bins of even width; or the edges wanted; or None for every recorded bin. No recorded bin is ever split:
            the edges are the recorded ones nearest to those wanted (within 0.4 % of their size; of networks within 1.6 %), and
            edges that fall together are one.

        Examples
        --------
        >>> from fanin import Ensemble, simulate
        >>> histogram = simulate(Ensemble((10, 1)), networks=4096, seed=1).histogram(bins=[-1, 0, 1])
        >>> histogram.edges, int(histogram.counts().sum()) + sum(histogram.outside)
        (array([-1.,  0.,  1.]), 4096)
        """
        from fanin.histogram import histogram_of

        return histogram_of(self, layer, bins)

    def to_xarray(self) -> xarray.Dataset:
        """Moments, shares, counts and the histogram of z by layer, with units and provenance as attributes.

        Of networks there is one variable for each statistic, such as `delta_2` for the mean square of delta: its mean over networks
        and its variance between networks.
        """
        from fanin.labelled_data import labelled

        return labelled(self)

    def _repr_html_(self) -> str:
        from fanin.html import result_html

        return result_html(self)

    def __repr__(self) -> str:
        shown = "\n  ".join(self._lines())
        return (
            f"<fanin.Result of {self.networks:,} networks, seed {self.seed}, {self.method}, {self.seconds:.2f} s\n"
            f"  {self.ensemble!r}\n  {shown}\n  digest {self.digest[:16]}>"
        )

    def _lines(self) -> list[str]:
        """A few estimates: of networks those of the first and the last layer."""
        if not self.is_network:
            found = self.estimates()
            names = ("z.mean", "z.variance", "phi.saturated", "slope.median")
            return [", ".join(f"{name} {found[name]:.6g}" for name in names)]
        lines = []
        for layer in dict.fromkeys((min(self.layers), max(self.layers))):
            found = self.estimates(layer)
            names = ("z.variance", "z.kurtosis", "phi.saturated", "delta.median", "delta.meansquare")
            lines.append(f"layer {layer}: " + ", ".join(f"{name} {found[name]:.6g}" for name in names if name in found))
        return lines


def _listed(numbers: list[int]) -> str:
    shown = [str(number) for number in numbers]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:3], "...", shown[-1]])
