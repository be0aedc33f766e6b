"""The cost of storing each run's test predictions (test.npz): processor time in training, and bytes on disk.

    python -m benchmarks.keeping [--data ROOT]

For each cohort, it prints the processor time of training, the share of it that storing takes, and the size of a run's file.
Data sets that are not in ROOT are left out.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch

from dropbench.config.compose import composer
from dropbench.engine.build import build
from dropbench.engine.said import Said
from dropbench.errors import UsageError
from dropbench.planning.outline import outline
from dropbench.planning.plan import make
from dropbench.planning.sources import load
from dropbench.store import predictions

DEMO = ("study=three_arm", "data.n_train=300", "data.val_fraction=0.5", "data.label_noise=0.1", "train.epochs=20")
MNIST = ("data=mnist", "data.n_train=6000", "train.epochs=8", "dropout=none,standard", "seed=0")

PTB = (
    "data=ptb",
    "model=lm",
    "metric=loss",
    "data.n_train=60000",
    "model.hidden=64",
    "train.epochs=1",
    "dropout=standard",
)
MR = ("data=mr", "model=rnn", "train.epochs=1", "model.hidden=16", "dropout=standard")


def main() -> None:
    """Print a line for each data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DROPBENCH_DATA"))
    options = parser.parse_args()
    if options.data:
        os.environ["DROPBENCH_DATA"] = options.data
    torch.set_num_threads(1)
    for words in (DEMO, MNIST, PTB, MR):
        try:
            report(words)
        except UsageError as error:
            print(f"left out: {error}")


def report(words: Sequence[str]) -> None:
    """Train the runs of one plan as a cohort and print the cost."""
    with composer() as c:
        plan = make(words, c)
    table = load(plan.specs[0].data, plan.settings)
    specs = [s for s in plan.specs if s.train == plan.specs[0].train]
    training = build(specs, outline(specs[0].model, table), table, torch.device("cpu"))
    clock = Clock()
    with clock.of(Said, "__call__"), clock.of(Said, "arrays"):
        began = time.process_time()
        results = list(training.run())
        whole = time.process_time() - began
        began = time.process_time()
        sizes = [len(written(r.predictions)) for r in results if r.predictions is not None]
        packed = time.process_time() - began
    size, right = statistics.mean(sizes), statistics.mean(r.metrics.get("test_accuracy", 0.0) for r in results)
    print(
        f"{words[0]}: {len(specs)} runs in {whole:.2f} s, of which {clock.seconds:.4f} s ({clock.seconds / whole:.2%}) to keep "
        f"what the test split said, and {packed:.4f} s ({packed / whole:.2%}) more to pack it; {size:,.0f} bytes a run at "
        f"{right:.1%} right, {size / 1e4:.2f} GB for 100,000 runs",
        flush=True,
    )


class Clock:
    """Adds up the processor time of methods, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def of(self, cls: type, name: str) -> Iterator[None]:
        """Return a context in which calls of a method of a class are timed."""
        method = getattr(cls, name)

        def timed(*arguments: Any) -> Any:
            began = time.process_time()
            try:
                return method(*arguments)
            finally:
                self.seconds += time.process_time() - began

        with patch.object(cls, name, timed):
            yield


def written(said: dict[str, Any]) -> bytes:
    """Return the contents of one run's file."""
    arrays = {name: array for name, array in said.items() if name != "total"}
    return predictions.dumped(predictions.Predictions(int(said["total"]), **arrays))


if __name__ == "__main__":
    main()
