"""What a step costs with each regularizer, beside the same step without one.

    python -m benchmarks.regularizers [results/reference/regularizers.md] [--quick]

An update is timed on random images of the size of MNIST, under dropout 0.5: of `mlp` (two layers of 128), one run and a stack
of ten, and of `cnn` (32 and 64 channels, 128 units), one run; batches of 64, one thread, whose time on the processor counts.
In each block each regularizer takes some steps right after as many without any, so that a machine that becomes slower slows
both. A cost is the median over blocks of the one time by the other; low and high are the extreme blocks. Evaluation is not in
it: with `swa` and batch norm each passes over the training examples once more.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from dropbench.config.compose import Composer, composer
from dropbench.config.options import options
from dropbench.data.base import Table
from dropbench.data.batch import Batch
from dropbench.engine.build import build
from dropbench.engine.train import Training
from dropbench.execute.environment import versions
from dropbench.hardware.blas import use_threads
from dropbench.planning.outline import outline
from dropbench.planning.regularizers import cannot

NONE = "none"
STACKS = (("mlp", 1, 20), ("mlp", 10, 10), ("cnn", 1, 3))
"""A model, the runs of a stack of it, and the steps of one measurement."""
_TRAINING = 640
"""Examples to train on: ten batches."""


def table() -> Table:
    """Random images of the size of MNIST, of which each class has as many."""
    n = 2 * _TRAINING
    x = torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return Table("random", x, torch.arange(n) % 10, "CHW", 10)


class Stepping:
    """A stack in training, of which the next steps can be taken again and again."""

    def __init__(self, c: Composer, data: Table, model: str, regularizer: str, runs: int) -> None:
        chosen = {} if regularizer == NONE else {"regularizer": f"[{regularizer}]"}
        given = {"model": model, "data.n_train": str(_TRAINING), "dropout.rate": "0.5", **chosen}
        specs = [c.compose({k: f"{k}={v}" for k, v in (*given.items(), ("seed", seed))}).spec for seed in range(runs)]
        found = outline(specs[0].model, data)
        self.reason = cannot(specs[0], found, data)
        self.training: Training | None = None if self.reason else build(specs, found, data, torch.device("cpu"))
        self._batches = self._next()

    def _next(self) -> Iterator[Batch]:
        assert self.training is not None
        while True:
            yield from self.training.replicas.batches.epoch()

    def seconds(self, steps: int) -> float:
        """How long so many updates take, of which the first one is not counted."""
        assert self.training is not None
        self.training.regularization.at(0.5)
        began = 0.0
        for i in range(steps + 1):
            if i == 1:
                began = time.process_time()
            self.training.train_step(next(self._batches), 1.0)
        return time.process_time() - began


def costs(
    c: Composer, data: Table, model: str, runs: int, steps: int, blocks: int
) -> dict[str, tuple[float, float, float]]:
    """Median, least and largest cost by regularizer, of those that can be used there."""
    all_of = {name: Stepping(c, data, model, name, runs) for name in (NONE, *sorted(options("regularizer")))}
    usable = {name: one for name, one in all_of.items() if one.reason is None}
    ratios: dict[str, list[float]] = {name: [] for name in usable if name != NONE}
    for _ in range(blocks):
        for name, of_name in ratios.items():
            without = usable[NONE].seconds(steps)
            of_name.append(usable[name].seconds(steps) / without)
    return {n: (statistics.median(r), min(r), max(r)) for n, r in ratios.items()}


def page(found: Sequence[dict[str, tuple[float, float, float]]], blocks: int) -> str:
    """The table as markdown, with how it was made."""
    heads = [f"{model}, {f'{runs} runs' if runs > 1 else 'one run'}" for model, runs, _ in STACKS]
    names = sorted({name for one in found for name in one})
    rows = [
        " | ".join(
            [
                f"| `{name}`",
                *(
                    f"{one[name][0]:.2f} ({one[name][1]:.2f} to {one[name][2]:.2f})" if name in one else "-"
                    for one in found
                ),
            ]
        )
        + " |"
        for name in names
    ]
    known = versions()
    return "\n".join(
        [
            "# What a step costs with each regularizer",
            "",
            "Time of an update with a regularizer by that of one without, each at its default options: medians over "
            f"{blocks} blocks, in brackets the extremes.",
            "`-`: it cannot be used there. `python -m benchmarks.regularizers` says how it is measured and makes this page. "
            f"torch {known['torch']}, CPU, one thread.",
            "",
            " | ".join(["| regularizer", *heads]) + " |",
            "| --- |" + " ---: |" * len(heads),
            *rows,
            "",
        ]
    )


def main() -> None:
    """Measures, and writes or prints the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--quick", action="store_true", help="two blocks")
    given = parser.parse_args()
    blocks = 2 if given.quick else 9
    use_threads(1)
    data = table()
    with composer() as c:
        text = page([costs(c, data, model, runs, steps, blocks) for model, runs, steps in STACKS], blocks)
    if given.out is None:
        print(text)
    else:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
