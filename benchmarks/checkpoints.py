"""The cost of saving checkpoints of a cohort: the share of its training time, at the default of `execute.checkpoint`.

    python -m benchmarks.checkpoints [--data ROOT] [--every 30s]

Each line is one cohort that trains for about a minute on one thread, with the wall-clock seconds of its saves, including the
disk's, and the size of a checkpoint. MNIST and PTB are left out if they are not in ROOT.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from dropbench.config.compose import composer
from dropbench.errors import UsageError
from dropbench.execute.checkpoint import Saver
from dropbench.execute.cohort import carry_out
from dropbench.execute.cohorts import cohorts
from dropbench.planning.plan import make
from dropbench.store.checkpoints import Checkpoints

COHORTS = {
    "small MLPs on digits": ("dropout.rate=0.0,0.2,0.5", "seed=range(0,20)", "train.epochs=700"),
    "4 MLPs of 1024 units on MNIST": (
        *("data=mnist", "model.widths=[1024,1024]", "seed=range(0,4)", "train.epochs=5"),
        "execute.cohort=4",
    ),
    "4 CNNs on digits": ("model=cnn", "seed=range(0,4)", "train.epochs=60"),
    "2 language models on PTB": (
        *("data=ptb", "model=lm", "metric=loss", "data.n_train=300000", "seed=range(0,2)", "train.epochs=1"),
    ),
}


def main() -> None:
    """Print a line for each cohort."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DROPBENCH_DATA"))
    parser.add_argument("--every", default="30s")
    options = parser.parse_args()
    if options.data:
        os.environ["DROPBENCH_DATA"] = options.data
    for name, words in COHORTS.items():
        try:
            with tempfile.TemporaryDirectory() as folder:
                told = measured([*words, f"execute.checkpoint={options.every}", f"results={folder}", "device=cpu"])
            print(f"{name}: {told}", flush=True)
        except UsageError as error:
            print(f"{name}: left out: {error}", flush=True)


def measured(words: Sequence[str]) -> str:
    """Train the first cohort of a plan and return the cost of its saves in words."""
    with composer() as c:
        plan = make(words, c)
    cohort = cohorts(plan.specs, plan.outlines, plan.settings, "cpu", 1)[0]
    save, seconds, sizes = Saver._save, list[float](), list[int]()

    def timed(saver: Saver) -> None:
        began = time.perf_counter()
        save(saver)
        seconds.append(time.perf_counter() - began)
        work = Path(plan.settings.results) / "work"
        sizes.append(sum(path.stat().st_size for path in work.iterdir()))

    def listen(event: Any) -> None:
        """Ignore events."""

    with patch.object(Saver, "_save", timed):
        began = time.perf_counter()
        outcomes = list(carry_out(cohort, plan.settings, "cpu", listen))
        whole = time.perf_counter() - began
    assert len(outcomes) == len(cohort) and not Checkpoints(plan.settings.results).latest().keys() - {
        s.run_id for s in cohort.specs
    }
    size = max(sizes, default=0) / 1e6
    return (
        f"{len(cohort)} runs in {whole:.1f} s, of which {sum(seconds):.3f} s in {len(seconds)} saves "
        f"({sum(seconds) / whole:.2%}), {size:.1f} MB each"
    )


if __name__ == "__main__":
    main()
