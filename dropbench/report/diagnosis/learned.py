"""Finds networks that have learned next to nothing: no arm can be compared with such a baseline, and such an arm is no help."""

from __future__ import annotations

import pandas as pd

from dropbench.report.diagnosis import remedies
from dropbench.report.diagnosis.evidence import Evidence
from dropbench.report.tables.collapsed import constant, counted, unlearned
from dropbench.report.tables.comparison import Diagnosis, Step
from dropbench.report.tables.facts import has_learned_nothing
from dropbench.report.tables.majority import balanced
from dropbench.values import count


def nothing_learned(e: Evidence) -> list[Diagnosis]:
    """Find that the baseline has learned next to nothing in most of its seeds."""
    if not has_learned_nothing(e.comparison):
        return []
    done = counted(e.comparison.runs_of(e.baseline))
    flat = done[unlearned(done)]
    return [
        Diagnosis(
            "nothing learned",
            (e.baseline,),
            f"{_says(e.comparison.base, flat, len(done))} What a regularizer does to such a network says nothing.",
            "train it for longer; with a rare class, also measure balanced accuracy",
            (Step(remedies.longer(e.configs[e.baseline]), e.seeds(e.baseline)),),
            "That shows whether it learns to tell the classes apart.",
        )
    ]


def one_class_arms(e: Evidence) -> dict[str, str]:
    """Return the arms whose accuracy is only the share of one class, and in how many seeds; empty for any other measure."""
    return constant(e.comparison.runs, e.others) if e.score.metric == "accuracy" else {}


def one_answer(e: Evidence) -> list[Diagnosis]:
    """Find arms that are better in accuracy and give all test examples the same class."""
    runs = e.comparison.runs
    return [
        Diagnosis(
            "one class",
            (label,),
            f"{label} changes {e.score.spoken} by {e.against(e.score)[label]}, but it gives all test examples the same class "
            f"in {seeds}, so its accuracy is only the share of that class.",
            f"compare by a measure that counts each class alike: {balanced(runs)}",
            (),
            "",
        )
        for label, seeds in one_class_arms(e).items()
        if label in e.against(e.score) and e.against(e.score)[label].verdict == "better"
    ]


def _says(base: str, flat: pd.DataFrame, known: int) -> str:
    share, seeds = 100 * flat["majority"].max(), f"{len(flat)} of {count(known, 'seed')}"
    if flat["one_class"].all():
        return (
            f"The baseline ({base}) gives all test examples the same class in {seeds}, so its accuracy is the share of that "
            f"class, at most {share:.1f} %."
        )
    return (
        f"In {seeds} the baseline ({base}) is right on at most {100 * flat['train_accuracy'].max():.1f} % of its own training "
        f"examples, with a loss no lower than that of a constant answer; always answering the most frequent class is right on "
        f"{share:.1f} %."
    )
