"""The conditional sampler with recording on and off, in one process and thread: python -m benchmarks.network_recording NETWORKS."""

from __future__ import annotations

import json
import sys
import time


def main(networks: str) -> None:
    """Sample and print {"recorded", "bare"}: networks per second of 100 layers of 1000 tanh neurons, forward and backward."""
    from fanin.engine.machine import widen_vectors

    widen_vectors()
    import numpy as np

    from fanin import Ensemble
    from fanin.engine import conditional

    plan = conditional.make_plan(Ensemble((1000,) * 101, "scaled", "tanh", cost="linear"), 501)
    bare = plan._replace(record_at=np.full(100, -1))
    count, rates = int(networks), []
    for one in (plan, bare):
        conditional.sample(one, 0, 1, plan.lanes)
        start = time.perf_counter()
        conditional.sample(one, 0, count // plan.lanes, count // plan.lanes * plan.lanes)
        rates.append(count / (time.perf_counter() - start))
    print(json.dumps({"recorded": rates[0], "bare": rates[1]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
