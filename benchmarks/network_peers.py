"""Deep networks in PyTorch: a program that samples them and prints {"networks", "square"}.

    python -m benchmarks.network_peers torch-backward 20

"backward": 100 layers of 1000 tanh neurons, N(0, 1/1000) weights, N(0, 1) biases, forward and backward from a random direction of
the output. "forward": 10 such layers, forward. `square` is the mean square of the last pre-activation. Every network draws its
weights anew into one buffer; gradients of weights, which would cost more, are not formed.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

WIDTH = 1000
DEPTHS = {"forward": 10, "backward": 100}


def with_torch(what: str, own_threads: int, threads: int, networks: int, seed: int) -> float:
    """Mean square of the last pre-activation, sampled with threads inside an operation, or in threads of ours."""
    import torch

    torch.set_num_threads(own_threads)
    depth = DEPTHS[what]

    def share(thread: int) -> float:
        generator = torch.Generator().manual_seed(2 * seed + thread)
        layers = depth if what == "backward" else 1
        weights = [torch.empty(WIDTH, WIDTH) for _ in range(layers)]
        bias, direction, square = torch.empty(WIDTH), torch.empty(WIDTH), 0.0
        for _ in range(networks // threads):
            seen = [torch.zeros(WIDTH)]
            seen[0][: WIDTH // 2] = 1.0
            z = seen[0]
            for layer in range(depth):
                w = weights[layer % layers].normal_(0.0, WIDTH**-0.5, generator=generator)
                z = torch.addmv(bias.normal_(generator=generator), w, seen[-1])
                seen.append(torch.tanh(z))
            square += float(z @ z) / WIDTH
            if what == "backward":
                back = direction.normal_(generator=generator)
                for layer in range(depth - 1, -1, -1):
                    back = weights[layer].T @ (back * (1.0 - seen[layer + 1] ** 2))
        return square

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(share, range(threads))) / (networks // threads * threads)


VARIANTS: dict[str, Callable[[int, int], float]] = {
    f"torch-{what}{name}": functools.partial(with_torch, what, own, threads)
    for what in DEPTHS
    for name, own, threads in (("", 1, 1), ("-2inside", 2, 1), ("-2threads", 1, 2))
}


def main(variant: str, networks: str, seed: str = "501") -> None:
    """Sample and print."""
    print(json.dumps({"networks": int(networks), "square": VARIANTS[variant](int(networks), int(seed))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
