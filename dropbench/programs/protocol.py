"""Compares no dropout, half of a rate and the full rate, in two settings for which the right diagnosis is known."""

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
"""OVERFITS: a wide network on few examples, a third with wrong labels. UNDERFITS: eight hidden units, half of them dropped."""
HELPS, HARMS = "helping", "too aggressive"


def told_apart(seed: int) -> float:
    """Returns the share of the two settings in which a whole study's diagnosis is right, minus one half: -.5, 0 or .5.

    The study is `study=three_arm dropout.rate=0.5` over eight seeds. In the setting that overfits by construction, the right
    diagnosis is that dropout helps and is not too aggressive; in the one that underfits, that it is too aggressive and does
    not help.
    """
    return (right(seed, OVERFITS, HELPS, HARMS) + right(seed, UNDERFITS, HARMS, HELPS)) / 2 - 0.5


def right(seed: int, setting: Collection[str], true: str, false: str) -> bool:
    """Returns whether the diagnosis of the target rate contains the rule `true` and not the rule `false`."""
    rules = diagnosed(seed, setting)
    return true in rules and false not in rules


def diagnosed(seed: int, setting: Collection[str]) -> set[str]:
    """Returns the rules that apply to the target rate."""
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
