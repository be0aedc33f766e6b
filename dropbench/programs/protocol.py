"""The comparison of none, half and all of a dropout rate, in two settings of which it is known what it should say."""

from __future__ import annotations

import tempfile
from collections.abc import Collection

from dropbench.api.training import sweep

SEEDS = 8
OVERFITS = (
    "data.n_train=100",
    "data.label_noise=0.3",
    "model.widths=[128,128]",
    "train.epochs=60",
    "train.eval_every=10",
)
UNDERFITS = ("data.n_train=400", "model.widths=[8]", "train.epochs=20", "train.lr=0.01", "train.eval_every=5")
"""Few examples, a third of them with wrong labels, for a wide network; and eight hidden units, of which half are dropped."""
HELPS, HARMS = "helping", "too aggressive"


def told_apart(seed: int) -> float:
    """The share of the two settings in which the diagnosis of a whole study is right, less one half: -.5, 0 or .5.

    A study is `study=three_arm dropout.rate=0.5` over eight seeds. Where the network overfits by construction, dropout is to be
    called helping and not too aggressive; where it underfits, too aggressive and not helping.
    """
    return (right(seed, OVERFITS, HELPS, HARMS) + right(seed, UNDERFITS, HARMS, HELPS)) / 2 - 0.5


def right(seed: int, setting: Collection[str], true: str, false: str) -> bool:
    """Whether the diagnosis of the target rate has the one rule and not the other."""
    rules = diagnosed(seed, setting)
    return true in rules and false not in rules


def diagnosed(seed: int, setting: Collection[str]) -> set[str]:
    """The rules that speak of the target rate."""
    first = SEEDS * seed
    words = (
        "study=three_arm",
        "dropout=standard",
        "dropout.rate=0.5",
        "data=digits",
        "data.val_fraction=0.5",
        *setting,
    )
    with tempfile.TemporaryDirectory(prefix="dropbench-") as folder:
        here = (f"seed=range({first},{first + SEEDS})", f"results={folder}", "execute.workers=1")
        (comparison,) = sweep(*words, *here, quiet=True).report.comparisons
    return {d.rule for d in comparison.diagnosis or () if "target" in d.arms}
