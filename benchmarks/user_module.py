"""Claim: with `vmap`, a user's ordinary module trains faster in a stack than one by one, although a stack of one is slower.

First part: digits, 64-128-128-10 with dropout at both hidden layers, batches of 64, AdamW, one thread. It measures microseconds
per training step and replica: of the module called directly (K = 1), of stacks of it by `vmap`, and of dropbench's own `mlp`.
Figures are medians of 15 alternated blocks of 8 steps, and ratios to the module called directly.

Second part: two networks written without dropbench, trained one by one with `model=module`, beside a plain loop over the same
network: milliseconds per step of each, alternated in the same way, and their ratio.

    python benchmarks/user_module.py [plain]

With `plain`, only the second part runs.

Measured on 2 vCPUs (AMD Zen 4), torch 2.13.0 (CPU), with other work on the machine: only ratios count, to about 15 %.
"""

from __future__ import annotations

import statistics
import sys
import time
from itertools import islice

import torch
import torch.nn.functional as F
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
        """Map x [B, F] to logits [B, n_classes]."""
        x = noise("hidden.0", self.first(x).relu())
        logits: Tensor = self.head(noise("hidden.1", self.second(x).relu()))
        return logits


class Net(nn.Module):
    """A perceptron written without dropbench."""

    def __init__(self, in_features: int, num_classes: int, width: int = 128) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(in_features, width),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(0.5),
        )
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, F] to logits [B, n_classes]."""
        logits: Tensor = self.head(self.body(x))
        return logits


class ConvNet(nn.Module):
    """A convolutional network written without dropbench."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.25),
            nn.Flatten(),
            nn.Linear(64 * 16, 128),
            nn.ReLU(),
            nn.Dropout(0.5),
        )
        self.head = nn.Linear(128, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map x [B, C, H, W] to logits [B, n_classes]."""
        logits: Tensor = self.head(self.body(x))
        return logits


def as_it_is(name: str) -> tuple[Training, nn.Module]:
    """Return a run of one of the two networks with `model=module`, and the network itself."""
    typed = {
        "model": "model=module",
        "model.target": f"model.target=user_module:{name}",
        "data": "data=digits",
        "train.batch_size": "train.batch_size=64",
    }
    with composer() as c:
        composed = c.compose(typed)
    spec = composed.spec
    table = load(spec.data, composed.settings)
    training = build([spec], outline(spec.model, table), table, torch.device("cpu"))
    return training, Net(64, 10) if name == "Net" else ConvNet(1, 10)


def beside_a_plain_loop() -> None:
    """Time a step of dropbench, one run at a time, and a step of a plain loop over the same network and batches."""
    stack.unstacked = lambda *run: "as it is"
    for name in ("Net", "ConvNet"):
        training, network = as_it_is(name)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
        times: dict[str, list[float]] = {"ours": [], "plain": []}
        for _ in range(BLOCKS):
            batches = list(islice(training.replicas.batches.epoch(), STEPS))
            began = time.perf_counter()
            for batch in batches:
                training.train_step(batch, 1.0)
            times["ours"].append(time.perf_counter() - began)
            usual = [(batch.x[0].contiguous(), batch.y[0]) for batch in batches]
            began = time.perf_counter()
            for x, y in usual:
                optimizer.zero_grad()
                F.cross_entropy(network(x), y).backward()
                optimizer.step()
            times["plain"].append(time.perf_counter() - began)
        ours, plain = (1e3 * statistics.median(taken) / STEPS for taken in times.values())
        print(
            f"{name:10s} model=module, one by one {ours:6.2f} ms  plain loop {plain:6.2f} ms  ratio {ours / plain:.2f}"
        )


def stacked(replicas: int, builtin: bool = False) -> Training:
    """Return a cohort with ten rates per seed, of `Perceptron` or of dropbench's own `mlp`."""
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
    """Measure all stacks in turn and print the medians."""
    use_threads(1)
    if sys.argv[1:] == ["plain"]:
        return beside_a_plain_loop()
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
    beside_a_plain_loop()


if __name__ == "__main__":
    main()
