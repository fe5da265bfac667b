"""`Result`: what a run found, with its digest, its estimates and its labelled form."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fanin.engine import stream
from fanin.engine.accumulators import BINS, Accumulators, bin_edges
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
    threads : threads (or workers) that were asked for.
    origin : versions and machine of the run, for a result that was read from a file; None for one sampled here.
    """

    ensemble: Ensemble
    networks: int
    seed: int
    method: str
    layers: dict[int, Layer]
    seconds: float
    threads: int
    origin: dict[str, Any] | None = None

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

    def estimates(self) -> dict[str, float]:
        """Estimates of all recorded quantities of layer 1, by name.

        Non-finite networks are left out of them; their number is `layers[1].counts["nonfinite"]`.
        """
        from fanin.stats.quantities import estimates

        return estimates(self.layers[1], self.ensemble)

    def histogram(self, layer: int = 1, bins: int | Sequence[float] | np.ndarray | None = 100) -> Histogram:
        """Counts of z over the whole line, for `hist`, `mplhep`, `histoprint` and numpy.

        Parameters
        ----------
        layer : int
            From 1.
        bins : int, sequence of float or None
            About how many bins of even width; or the edges wanted; or None for every recorded bin. No recorded bin is ever split:
            the edges are the recorded ones nearest to those wanted (within 0.4 % of their size), and edges that fall together
            are one.

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
        """Estimates, tail probabilities and the histogram of z by layer, with units and provenance as attributes."""
        import xarray

        layers = sorted(self.layers)
        kept = [self.layers[layer] for layer in layers]
        half = BINS // 2
        edges = bin_edges()
        finite = edges.size - 1
        data = xarray.Dataset(
            {
                "z_moment": (
                    ("layer", "power"),
                    [[float(a.sum(f"z^{k}") / a.finite) if a.finite else np.nan for k in range(1, 9)] for a in kept],
                    {"long_name": "raw moment of the pre-activation", "units": "1"},
                ),
                "phi_moment": (
                    ("layer", "power4"),
                    [[float(a.sum(f"phi^{k}") / a.finite) if a.finite else np.nan for k in range(1, 5)] for a in kept],
                    {"long_name": "raw moment of the activation", "units": "1"},
                ),
                "slope_moment": (
                    ("layer", "power4"),
                    [[float(a.sum(f"slope^{k}") / a.finite) if a.finite else np.nan for k in range(1, 5)] for a in kept],
                    {"long_name": "raw moment of phi'(z)", "units": "1"},
                ),
                "z_tail": (
                    ("layer", "threshold"),
                    [[count / a.finite if a.finite else np.nan for count in a.tails] for a in kept],
                    {"long_name": "P(|z| > threshold)", "units": "1"},
                ),
                "count": (
                    ("layer", "what"),
                    [[a.networks, *a.counts.values()] for a in kept],
                    {"long_name": "networks, or pairs of networks", "units": "networks"},
                ),
                "z_extreme": (
                    ("layer", "end"),
                    [[a.smallest, a.largest] for a in kept],
                    {"long_name": "extremes of the pre-activation", "units": "1"},
                ),
                "histogram": (
                    ("layer", "sign", "bin"),
                    [[a.bins[half : half + finite], a.bins[:finite]] for a in kept],
                    {"long_name": "networks by the size of z", "units": "networks"},
                ),
            },
            coords={
                "layer": layers,
                "power": list(range(1, 9)),
                "power4": list(range(1, 5)),
                "threshold": ("threshold", list(self.ensemble.tails), {"long_name": "threshold of |z|"}),
                "what": ["networks", *kept[0].counts],
                "end": ["smallest", "largest"],
                "sign": [-1, 1],
                "bin_low": ("bin", edges[:-1], {"long_name": "least |z| of a bin"}),
                "bin_high": ("bin", edges[1:], {"long_name": "end of a bin in |z|, excluded"}),
            },
            attrs={"ensemble": repr(self.ensemble), "networks": self.networks} | _flat(self.provenance),
        )
        return data

    def _repr_html_(self) -> str:
        from fanin.html import result_html

        return result_html(self)

    def __repr__(self) -> str:
        found = self.estimates()
        shown = ", ".join(f"{name} {found[name]:.6g}" for name in ("z.mean", "z.variance", "phi.saturated", "slope.median"))
        return (
            f"<fanin.Result of {self.networks:,} networks, seed {self.seed}, {self.method}, {self.seconds:.2f} s\n"
            f"  {self.ensemble!r}\n  {shown}\n  digest {self.digest[:16]}>"
        )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values under dotted names, without None: what netCDF attributes can hold."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[prefix + key] = str(value) if isinstance(value, int) and value > 2**62 else value
    return flat
