"""Coverage, with trained networks, of intervals for the effect of dropout on new examples: repeatedly drawn pools of MNIST.

    python -m benchmarks.pools --data ROOT [--pools 200] [--score loss]

Prints a table of docs/statistics.md ("Which population"). MNIST's 70,000 images are the population. Each pool has 500 of them.
Under each of 40 seeds, 100 are test examples, either redrawn or always the same, and networks with and without dropout are
trained on the rest. The networks are also tested on 10,000 images that are in no pool, which gives the effect on new examples:
on average over pools, which also differ in training examples, and for the networks of this pool. Intervals are Student's over
seeds.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy

from dropbench.data.mnist import load
from dropbench.report.statistics.distributions import t_quantile
from dropbench.report.statistics.two_way import Differences, error

POOL, TESTED, NEW, SEEDS = 500, 100, 10_000, 40
RATES = (0.0, 0.2, 0.5)
WIDTH, EPOCHS, BATCH, LEARNING_RATE = 32, 15, 50, 0.01


def trained(x: Tensor, y: Tensor, rows: NDArray[np.int64], seed: int) -> list[Tensor]:
    """Train networks with one hidden layer for each rate and each seed; return their weights and biases.

    x: [n, features]. rows: [seeds, n_train], the training rows of each seed.
    """
    draw = torch.Generator().manual_seed(seed)
    k, features = len(rows), x.shape[1]
    shapes = ((features, WIDTH), (1, WIDTH), (WIDTH, 10), (1, 10))
    drawn = [
        (torch.rand(k, *s, generator=draw) * 2 - 1) / math.sqrt(f)
        for s, f in zip(shapes, (features, features, WIDTH, WIDTH), strict=True)
    ]
    weights = [w.repeat(len(RATES), 1, 1).requires_grad_() for w in drawn]
    kept = torch.tensor(RATES).repeat_interleave(k)[:, None, None]
    optimizer = torch.optim.Adam(weights, LEARNING_RATE)
    for _ in range(EPOCHS):
        order = torch.rand(rows.shape, generator=draw).argsort(1)
        for places in order.split(BATCH, 1):
            batch = torch.from_numpy(rows).gather(1, places)
            noise = torch.rand(k, batch.shape[1], WIDTH, generator=draw).repeat(len(RATES), 1, 1)
            logits = forward(weights, x[batch].repeat(len(RATES), 1, 1), (noise >= kept) / (1 - kept))
            loss = cross_entropy(logits.flatten(0, 1), y[batch].repeat(len(RATES), 1).flatten()) * len(weights[0])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return [w.detach() for w in weights]


def forward(weights: list[Tensor], x: Tensor, mask: Tensor | float = 1.0) -> Tensor:
    """Return logits [replicas, n, 10] of x [replicas, n, features], or of x [n, features], which all replicas share."""
    first, bias, second, last = weights
    return (x @ first + bias).relu() * mask @ second + last


def scored(weights: list[Tensor], x: Tensor, y: Tensor, score: str) -> NDArray[np.float64]:
    """Return, as [rates, seeds, n], whether each network is right on each example, or its loss."""
    logits = forward(weights, x)
    if score == "accuracy":
        told = logits.argmax(-1) == y
    else:
        told = -logits.log_softmax(-1).gather(-1, y.expand(len(logits), -1)[..., None])[..., 0]
    return told.double().unflatten(0, (len(RATES), -1)).numpy()


def pools(
    x: Tensor, y: Tensor, count: int, fixed: bool, score: str
) -> Iterator[tuple[list[list[Differences]], NDArray[np.float64]]]:
    """Yield for each pool the differences by nonzero rate and seed, and the mean differences on new examples, [rates - 1]."""
    for number in range(count):
        random = np.random.default_rng([number, fixed])
        pool = NEW + random.choice(len(x) - NEW, POOL, replace=False)
        order = random.permuted(np.tile(np.arange(POOL), (1 if fixed else SEEDS, 1)), axis=1)
        order = np.repeat(order, SEEDS // len(order), axis=0)
        tested, rest = np.sort(order[:, :TESTED], axis=1), order[:, TESTED:]
        weights = trained(x, y, pool[rest], number)
        of_pool = scored(weights, x[pool], y[pool], score)
        of_new = scored(weights, x[:NEW], y[:NEW], score).mean(-1)
        there = np.take_along_axis(of_pool, np.broadcast_to(tested, (len(RATES), *tested.shape)), -1)
        by_rate = [[Differences(*pair) for pair in zip(tested, arm - there[0], strict=True)] for arm in there[1:]]
        yield by_rate, (of_new[1:] - of_new[0]).mean(1)


def table(x: Tensor, y: Tensor, count: int, score: str) -> Iterator[str]:
    """Yield the lines of the table."""
    unit, scale, span = ("points", 100, 1.0) if score == "accuracy" else ("nats", 1, 0.0)
    intervals = "seeds alone | seeds and examples"
    yield f"| dropout | test split | effect, {unit} | seeds | all pools: {intervals} | this pool: {intervals} | wider |"
    yield "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for fixed in (False, True):
        studies = [*pools(x, y, count, fixed, score)]
        effects = np.array([effect for _, effect in studies])
        for i, rate in enumerate(RATES[1:]):
            truth = effects[:, i].mean()
            for n in (6, 10, 20, 40):
                t, held, widths = t_quantile(0.975, n - 1), [], []
                for (by_rate, _), here in zip(studies, effects[:, i], strict=True):
                    some = by_rate[i][:n]
                    mean, found = np.mean([d.values.mean() for d in some]), error(some, span)
                    held.append([abs(mean - target) <= t * e for target in (truth, here) for e in found])
                    widths.append(found)
                wide = np.mean(widths, axis=0)
                told = " | ".join(f"{share:.3f}" for share in np.mean(held, axis=0))
                split = "one" if fixed else "redrawn"
                yield f"| {rate} | {split} | {scale * truth:+.3g} | {n} | {told} | {wide[1] / wide[0]:.2f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pools", type=int, default=200)
    parser.add_argument("--score", choices=("accuracy", "loss"), default="accuracy")
    options = parser.parse_args()
    images = load(options.data, download=False)
    x = avg_pool2d(images.x.float().reshape(-1, 1, 28, 28), 4).flatten(1)
    x = (x - x.mean()) / x.std()
    for line in table(x, images.y.long(), options.pools, options.score):
        print(line, flush=True)


if __name__ == "__main__":
    main()
