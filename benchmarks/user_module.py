"""Claim: `vmap` trains a user's ordinary module faster in a stack than one by one, though slower alone.

Digits, 64-128-128-10 with dropout at both hidden layers, batches of 64, AdamW, one thread: microseconds of a training step
divided by its replicas, of the module called as it is (K = 1), of stacks of it by `vmap`, and of dropbench's own `mlp`.
Blocks of 8 steps, alternated 15 times, medians; ratios to the module as it is.

    python benchmarks/user_module.py

2 vCPUs (AMD Zen 4), torch 2.13.0 (CPU), other work beside it: read the ratios, to about 15 %.
"""

from __future__ import annotations

import statistics
import time
from itertools import islice

import torch
from torch import Tensor, nn

from dropbench.config.compose import composer
from dropbench.engine import stack
from dropbench.engine.build import build
from dropbench.engine.train import Training
from dropbench.hardware.blas import use_threads
from dropbench.planning.outline import outline
from dropbench.planning.sources import load
from dropbench.sites import Site
from dropbench.sites.noise import Noise
from dropbench.spec import Component

STEPS, BLOCKS = 8, 15


class Perceptron(nn.Module):
    """An ordinary module as a user would write it, without a replica axis."""

    eats = ("flat",)

    def __init__(self, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(shape[0], 128), nn.Linear(128, 128)
        self.head = nn.Linear(128, n_classes)
        self.sites = tuple(Site(f"hidden.{i}", "activation", (128,), "F") for i in range(2))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [B, F] to logits [B, n_classes]."""
        x = noise("hidden.0", self.first(x).relu())
        logits: Tensor = self.head(noise("hidden.1", self.second(x).relu()))
        return logits


def stacked(replicas: int, builtin: bool = False) -> Training:
    """A cohort of ten rates a seed, of `Perceptron` or of dropbench's own `mlp`."""
    typed = {"data": "data=digits", "model.widths": "model.widths=[128,128]", "train.batch_size": "train.batch_size=64"}
    with composer() as c:
        composed = c.compose(typed)
    spec = composed.spec
    if not builtin:
        spec = spec.model_copy(update={"model": Component(name="perceptron", _target_="user_module.Perceptron")})
    specs = [
        spec.model_copy(
            update={"seed": k // 10, "dropout": spec.dropout.model_copy(update={"rate": 0.05 * (k % 10 + 1)})}
        )
        for k in range(replicas)
    ]
    table = load(spec.data, composed.settings)
    return build(specs, outline(specs[0].model, table), table, torch.device("cpu"))


def main() -> None:
    """Measures all stacks in turn and prints the medians."""
    use_threads(1)
    stacks = {f"vmap K={k}": stacked(k) for k in (1, 4, 16, 64)}
    stacks |= {f"mlp K={k}": stacked(k, builtin=True) for k in (1, 16, 64)}
    stack.unstacked = lambda *run: "as it is"
    stacks = {"as it is": stacked(1)} | stacks
    times: dict[str, list[float]] = {name: [] for name in stacks}
    for _ in range(BLOCKS):
        for name, one in stacks.items():
            batches = list(islice(one.replicas.batches.epoch(), STEPS))
            began = time.perf_counter()
            for batch in batches:
                one.train_step(batch, 1.0)
            times[name].append((time.perf_counter() - began) / STEPS / one.size)
    reference = statistics.median(times["as it is"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:10s} {1e6 * median:6.0f} us  x {reference / median:.2f}")


if __name__ == "__main__":
    main()
