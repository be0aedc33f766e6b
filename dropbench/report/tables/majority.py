"""What a constant answer would reach: the share of the test examples that have the most frequent class."""

from __future__ import annotations

import math

import pandas as pd

from dropbench.report.statistics import moments
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.notes.note import Note

LITTLE = 0.25
"""A score is near that of the constant answer if it avoids less than this share of the constant answer's errors. A number of
points would not do: from 97 to 99.5 % a network has learned much, from 60 to 62.5 % it has not."""


def majority(comparison: Comparison) -> list[Note]:
    """Say how often the most frequent class would be right; the short form has it only if the accuracy is hardly better.

    The accuracy is that of the baseline, or without a baseline that of the best arm. Runs whose records lack the share, such as
    old ones and those of regression, are not counted.
    """
    constant, known = _accuracies(comparison)
    if not known:
        return []
    accuracy = comparison.measures.read("test_accuracy")
    label = comparison.baseline if comparison.baseline in known else max(known, key=known.__getitem__)
    share = (
        f"Always answering the most frequent class would be right on {accuracy.level(constant)} % of the test examples"
    )
    if not _hardly(known[label], constant):
        return [Note(f"{share}.", "")]
    more = "no more" if known[label] <= constant else "little more"
    who = f"the baseline ({comparison.base})" if label == comparison.baseline else label
    said = f"{share}; {who} reaches {accuracy.level(known[label])} %, which is {more}."
    return [Note(f"{said} Balanced accuracy counts every class the same: {balanced(comparison.runs)}.", said)]


def no_arm_learned(comparison: Comparison) -> str:
    """Return a sentence if not even the best arm is much better than the most frequent class; otherwise nothing."""
    constant, known = _accuracies(comparison)
    if not known or not _hardly(max(known.values()), constant):
        return ""
    accuracy, best = comparison.measures.read("test_accuracy"), max(known, key=known.__getitem__)
    frequent, reached = accuracy.level(constant), accuracy.level(known[best])
    return (
        f"No arm is much better than always answering the most frequent class: that is right on {frequent} % of the test "
        f"examples, and {best}, the best, on {reached} %, so this answer is worth little."
    )


def _accuracies(comparison: Comparison) -> tuple[float, dict[str, float]]:
    """Return the share of the most frequent class, and the mean test accuracy of each arm; of no arm if either is unknown."""
    done = comparison.runs[comparison.runs["status"] == "completed"]
    constant = moments.mean(said.get("majority", math.nan) for said in done["classes"].tolist())
    if math.isnan(constant) or "test_accuracy" not in done:
        return constant, {}
    accuracy = comparison.measures.read("test_accuracy")
    means = {label: moments.mean(comparison.scores(label, accuracy).values()) for label in comparison.labels}
    return constant, {label: mean for label, mean in means.items() if math.isfinite(mean)}


def _hardly(accuracy: float, constant: float) -> bool:
    return accuracy - constant < LITTLE * (1 - constant)


def balanced(runs: pd.DataFrame) -> str:
    """Return what to type to see balanced accuracy: `--metric` if these runs measured it, else the setting that measures it."""
    measured = "test_balanced_accuracy" in runs and runs["test_balanced_accuracy"].notna().any()
    return "--metric balanced_accuracy" if measured else "metric=[loss,accuracy,balanced_accuracy]"
