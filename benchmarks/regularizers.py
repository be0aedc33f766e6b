"""The cost of a training step with each regularizer, relative to the same step without one.

    python -m benchmarks.regularizers [results/reference/regularizers.md] [--quick] [--only NAME,NAME]

Updates are timed with dropout 0.5. On random images of the size of MNIST: `mlp` (two layers of 128), one run and a stack of
ten, and `cnn` (32 and 64 channels, 128 units), one run. On a table of 20 columns, half of them categories: `mlp`, ten runs. On
running text: `lm` (two layers of 200), one run. Batches of 64, one thread, processor time. In each block, each regularizer
takes some steps right after the same number of steps without any, so that a machine that slows down affects both. A cost is the
median over blocks of the ratio of the two times; low and high are the extreme blocks. Evaluation is not included; with `swa`
and batch norm, each evaluation passes over the training examples once more.

A second table has the same in plain PyTorch, with the regularizers of torch, torchvision and timm or a few lines written by
hand (benchmarks.regularizer_peers), each compared with the same loop without any. Denormal numbers are flushed to zero in this
process: they slow a plain loop that goes on for thousands of updates (from 1.8 to 2.7 ms for `mlp`), which is no regularizer's
cost.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from benchmarks import variants
from benchmarks.regularizer_peers import Plain, peers
from dropbench.config.compose import Composer, composer
from dropbench.config.options import options
from dropbench.data.base import Table
from dropbench.data.batch import Batch
from dropbench.data.tabular.load import table as of_columns
from dropbench.engine.build import build
from dropbench.engine.train import Training
from dropbench.execute.environment import versions
from dropbench.hardware.blas import use_threads
from dropbench.planning.outline import outline
from dropbench.planning.regularizers import cannot

NONE = "none"
STACKS = (
    ("mlp", "images", 1, 20),
    ("mlp", "images", 10, 10),
    ("cnn", "images", 1, 3),
    ("mlp", "table", 10, 10),
    ("lm", "text", 1, 2),
)
"""The model, its data, the number of runs in the stack, and the number of steps of one measurement."""
PEERS = (("mlp", 0, 20), ("cnn", 2, 3))
"""The models of plain PyTorch, the places in STACKS with which they are compared, and the steps of one measurement."""
_TRAINING = 640
"""The number of training examples: ten batches."""


def tables(folder: Path) -> dict[str, Table]:
    """Return random data by the names in STACKS, with ten classes of equal size; folder: a place for a temporary file."""
    n, generator = 2 * _TRAINING, torch.Generator().manual_seed(0)
    y = torch.arange(n) % 10
    draw = np.random.default_rng(0)
    columns = [draw.normal(size=n).round(3) for _ in range(10)] + [draw.choice(list("abcd"), n) for _ in range(10)]
    lines = [",".join([*(f"c{i}" for i in range(20)), "y"])]
    lines += [",".join([*map(str, row), f"k{label}"]) for *row, label in zip(*columns, y.tolist(), strict=True)]
    (folder / "columns.csv").write_text("\n".join(lines), encoding="utf-8")
    return {
        "images": Table("images", torch.rand(n, 1, 28, 28, generator=generator), y, "CHW", 10),
        "table": of_columns(folder, False, path=str(folder / "columns.csv"), target="y"),
        "text": variants.tables()["running"],
    }


Cost = tuple[float, float, float]
"""The median, smallest and largest ratio."""


class Timed(Protocol):
    """What can take any number of updates."""

    def seconds(self, steps: int) -> float:
        """Return the processor seconds of this many updates, after one that is not counted."""


class Stepping:
    """A stack in training that can take any number of further steps."""

    def __init__(self, c: Composer, data: Table, model: str, regularizer: str, runs: int) -> None:
        chosen = {} if regularizer == NONE else {"regularizer": f"[{regularizer}]"}
        fewer = {} if model == "lm" else {"data.n_train": str(_TRAINING)}
        given = {"model": model, "dropout.rate": "0.5", **fewer, **chosen}
        first = c.compose({k: f"{k}={v}" for k, v in given.items()}).spec
        specs = [first.model_copy(update={"seed": seed}) for seed in range(runs)]
        found = outline(specs[0].model, data)
        self.reason = cannot(specs[0], found, data)
        self.training: Training | None = None if self.reason else build(specs, found, data, torch.device("cpu"))
        self._batches = self._next()

    def _next(self) -> Iterator[Batch]:
        assert self.training is not None
        while True:
            yield from self.training.replicas.batches.epoch()

    def seconds(self, steps: int) -> float:
        """Return the processor seconds of this many updates, after one that is not counted."""
        assert self.training is not None
        self.training.regularization.at(0.5)
        began = 0.0
        for i in range(steps + 1):
            if i == 1:
                began = time.process_time()
            self.training.train_step(next(self._batches), 1.0)
        return time.process_time() - began


def usable(c: Composer, data: Mapping[str, Table], only: Collection[str]) -> list[dict[str, Stepping]]:
    """Return, for each stack, training without a regularizer and with each that fits; AssertionError if one fits no stack."""
    found = []
    for model, of, runs, _ in STACKS:
        every = {name: Stepping(c, data[of], model, name, runs) for name in (NONE, *sorted(only))}
        found.append({name: one for name, one in every.items() if one.reason is None})
    missing = set(only).difference(*found)
    assert not missing, f"no stack of STACKS can be trained with {missing}"
    return found


def costs(stack: Mapping[str, Timed], steps: int, blocks: int) -> dict[str, Cost]:
    """Return the median, smallest and largest cost by regularizer."""
    ratios: dict[str, list[float]] = {name: [] for name in stack if name != NONE}
    for _ in range(blocks):
        for name, of_name in ratios.items():
            without = stack[NONE].seconds(steps)
            of_name.append(stack[name].seconds(steps) / without)
    return {n: (statistics.median(r), min(r), max(r)) for n, r in ratios.items()}


def beside(
    found: Sequence[Mapping[str, Cost]], stacks: Sequence[Mapping[str, Timed]], blocks: int, only: Collection[str]
) -> tuple[list[str], str]:
    """Measure the same in plain PyTorch. Return the lines of a table, and how long updates without any take."""
    whose, columns, bare = dict[str, str](), list[tuple[Mapping[str, Cost], float]](), list[str]()
    for model, place, steps in PEERS:
        theirs = {name: one for name, one in peers(model).items() if name in only}
        whose |= {name: said for name, (said, _) in theirs.items()}
        plain = Plain(model)
        ours, there = (
            1000 * statistics.median(one.seconds(steps) for _ in range(blocks)) / steps
            for one in (stacks[place][NONE], plain)
        )
        added = costs({NONE: plain, **{name: step for name, (_, step) in theirs.items()}}, steps, blocks)
        columns += [(found[place], ours), (added, there)]
        bare.append(f"of `{model}` takes {ours:.2f} ms here and {there:.2f} ms there")
    heads = [text for model, _, _ in PEERS for text in (f"{model}, here", f"{model}, theirs")]
    rows = [
        " | ".join(
            [
                f"| `{name}` | {said}",
                *(f"{of[name][0]:.2f}, {(of[name][0] - 1) * ms:+.2f} ms" if name in of else "-" for of, ms in columns),
            ]
        )
        + " |"
        for name, said in sorted(whose.items())
    ]
    head = " | ".join(["| regularizer | theirs", *heads]) + " |"
    return [head, "| --- | --- |" + " ---: |" * len(heads), *rows], "; ".join(bare)


def _cost(cost: Cost | None) -> str:
    return "-" if cost is None else f"{cost[0]:.2f} ({cost[1]:.2f} to {cost[2]:.2f})"


def page(found: Sequence[Mapping[str, Cost]], blocks: int, theirs: Sequence[str], bare: str) -> str:
    """Return the tables in Markdown, with a description of how they were made. bare: the times of an update without any."""
    heads = [f"{model}, {data}, {f'{runs} runs' if runs > 1 else 'one run'}" for model, data, runs, _ in STACKS]
    names = sorted({name for one in found for name in one})
    rows = [
        " | ".join(
            [
                f"| `{name}`",
                *(_cost(one.get(name)) for one in found),
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
            "The time of an update with a regularizer, divided by that of an update without, each at its default options: "
            f"medians over {blocks} blocks, and in brackets the extremes.",
            "`-`: it cannot be used there. `python -m benchmarks.regularizers` says how it is measured and makes this page. "
            f"torch {known['torch']}, CPU, one thread.",
            "",
            " | ".join(["| regularizer", *heads]) + " |",
            "| --- |" + " ---: |" * len(heads),
            *rows,
            "",
            "## Beside plain PyTorch",
            "",
            "The same networks, batches and optimizer in an ordinary loop, one run: an update with the regularizer of another "
            "library, or with the few lines that people write, divided by one without, and what it adds in milliseconds. "
            f"An update without any {bare}.",
            "",
            *theirs,
            "",
        ]
    )


def main() -> None:
    """Measure, and write or print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--quick", action="store_true", help="two blocks")
    parser.add_argument(
        "--only", default=",".join(options("regularizer")), help="regularizers, with commas between them"
    )
    given = parser.parse_args()
    blocks, only = 2 if given.quick else 9, given.only.split(",")
    use_threads(1)
    torch.set_flush_denormal(True)
    with composer() as c, tempfile.TemporaryDirectory() as folder:
        stacks = usable(c, tables(Path(folder)), only)
    found = [costs(stack, steps, blocks) for stack, (*_, steps) in zip(stacks, STACKS, strict=True)]
    text = page(found, blocks, *beside(found, stacks, blocks, only))
    if given.out is None:
        print(text)
    else:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
