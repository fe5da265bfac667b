"""Runs of deep networks for the benchmarks: python -m benchmarks.network_runs NAME NETWORKS [THREADS].

Prints {"networks", "seconds", "digest", "variance"}: the digest of the run and the variance of z in its last layer.
"""

from __future__ import annotations

import json
import sys


def main(name: str, networks: str, threads: str = "2") -> None:
    """Sample and print."""
    from fanin.engine.machine import widen_vectors

    widen_vectors()
    from fanin import Ensemble, simulate

    method, depth, width, cost = {
        "backward": ("conditional", 100, 1000, "linear"),
        "forward": ("direct", 10, 1000, "none"),
        "deep": ("conditional", 10_000, 1000, "linear"),
    }.get(name) or ("conditional", 20, int(name), "linear")
    ensemble = Ensemble((width,) * (depth + 1), "scaled", "tanh", cost=cost)
    result = simulate(ensemble, networks=int(networks), method=method, threads=int(threads))
    variance = result.estimates(depth)["z.variance"]
    print(json.dumps({"networks": int(networks), "seconds": result.seconds, "digest": result.digest, "variance": variance}))


if __name__ == "__main__":
    main(*sys.argv[1:])
