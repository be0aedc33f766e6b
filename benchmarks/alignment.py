"""Claim: MKL_CBWR=AUTO makes a batched product independent of its neighbours in the stack, at no measurable cost.

For several shapes [K=5, M, I] x [K=5, I, N], on one thread, it counts in how many of 20 trials a replica's product inside the
stack differs from the same product alone in at least one bit. It also measures the GFLOP/s of three products that are typical
of sweeps. Figures are medians of two processes, alternated five times; the setting has to be in the environment before MKL's
first call.

    python benchmarks/alignment.py

The figures in docs/engine.md are from 2 vCPUs (AMD Zen 4), torch 2.13.0 (CPU).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time

SHAPES = ((413, 32, 10), (29, 128, 10), (37, 30, 5), (100, 784, 10), (64, 128, 128), (1000, 512, 10))
TIMED = ((16, 64, 128, 128), (4, 128, 784, 256), (1, 128, 784, 1024))


def measure() -> dict[str, dict[str, float]]:
    """Measure the share of trials that differ, and GFLOP/s, by shape, in the environment of this process."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    different = {}
    for m, i, n in SHAPES:
        trials = 0
        for _ in range(20):
            x, w = torch.randn(5, m, i), torch.randn(5, i, n)
            stacked = torch.bmm(x, w)
            alone = [torch.bmm(x[k : k + 1].clone(), w[k : k + 1].clone()) for k in range(5)]
            trials += not torch.equal(stacked, torch.cat(alone))
        different[f"{m}x{i}x{n}"] = trials / 20
    speed = {}
    for k, b, i, o in TIMED:
        x, w = torch.randn(k, b, i), torch.randn(k, i, o)
        for _ in range(10):
            torch.bmm(x, w)
        began = time.perf_counter()
        for _ in range(100):
            torch.bmm(x, w)
        speed[f"{k}x{b}x{i}x{o}"] = 200 * k * b * i * o / (time.perf_counter() - began) / 1e9
    return {"different": different, "gflops": speed}


def main() -> None:
    """Measure both settings in separate, alternated processes, and print the medians."""
    settings: dict[str, list[dict[str, dict[str, float]]]] = {"unset": [], "AUTO": []}
    for _ in range(5):
        for setting, measured in settings.items():
            environment = {k: v for k, v in os.environ.items() if k != "MKL_CBWR"}
            if setting != "unset":
                environment["MKL_CBWR"] = setting
            done = subprocess.run(
                [sys.executable, __file__, "--child"], env=environment, capture_output=True, check=True
            )
            measured.append(json.loads(done.stdout))
    for what in ("different", "gflops"):
        for name in settings["unset"][0][what]:
            medians = {s: statistics.median(m[what][name] for m in each) for s, each in settings.items()}
            print(f"{what:10s} {name:16s} " + "  ".join(f"{s} {v:.2f}" for s, v in medians.items()))


if __name__ == "__main__":
    if "--child" in sys.argv:
        print(json.dumps(measure()))
    else:
        main()
