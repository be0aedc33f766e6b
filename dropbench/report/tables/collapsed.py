"""Finds runs that have learned next to nothing, and arms that answer every test example with the same class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from dropbench.report.tables.majority import balanced
from dropbench.values import count

_LITTLE, _NEARLY = 0.05, 0.98
_SPOKEN = 3
"""The number of arms that a sentence names before it says how many are left."""


def counted(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the completed runs of which it is known how they answer, with two columns more.

    `majority` is the share of the most frequent class of the test examples. `one_class` tells whether all test examples, except
    at most one, get the same class, although they have several. Older runs, whose records lack the numbers, are left out.
    """
    whole = [
        status == "completed" and said.keys() >= {"answered", "majority"} and isinstance(n, int)
        for status, said, n in zip(runs["status"], runs["classes"], runs["test_examples"].tolist(), strict=True)
    ]
    done = runs[whole]
    answered, majority = (
        done["classes"].map(lambda said, k=key: said[k]).astype(float) for key in ("answered", "majority")
    )
    examples = done["test_examples"].astype(float)
    several = majority * examples <= examples - 1.5
    return done.assign(majority=majority, one_class=(answered * examples > examples - 1.5) & several)


def unlearned(done: pd.DataFrame) -> Any:
    """Return which of the `counted` runs have learned next to nothing, as booleans.

    Such a run gives all test examples one class; or it is hardly better even on its training examples: right on at most m +
    0.05 (1 - m) of them, where m is the share of the most frequent class, with a loss of at least the smallest entropy that
    labels can have with this share. The accuracy alone does not tell: where 95 % have one class, a network may have learned
    much about who has the other one, and still be right on 95 %. Nothing follows from either where all test examples have one
    class, or where `train.class_weights` has the network pay for the frequent classes with errors.
    """
    if not {"train_accuracy", "train_loss"} <= set(done):
        return done["one_class"]
    m = done["majority"]
    near = (done["train_accuracy"].astype(float) <= m + _LITTLE * (1 - m)) & (m < 1)
    if "train.class_weights" in done:
        near &= done["train.class_weights"].isna()
    entropy = -(m * np.log(m) + (1 - m) * np.log1p(-m.where(m < 1, 0.0)))
    return done["one_class"] | (near & (done["train_loss"].astype(float) >= _NEARLY * entropy))


def constant(runs: pd.DataFrame, arms: Sequence[str]) -> dict[str, str]:
    """Return the arms that predict one class for all test examples, except at most one, in most of their seeds: in how many.

    For example `{"target": "9 of 10 seeds"}`.
    """
    told = {}
    of_arms = {str(label): rows["one_class"] for label, rows in counted(runs).groupby("label")}
    for arm in (arm for arm in arms if arm in of_arms):
        flat = of_arms[arm]
        if flat.sum() > len(flat) / 2:
            told[arm] = f"{flat.sum()} of {count(len(flat), 'seed')}"
    return told


def collapsed(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """Name the arms that predict one class for all test examples, except at most one, in most of their seeds.

    Accuracy does not show this: if a class has 97 % of the examples, such an arm has an accuracy of 97 %.
    """
    found = constant(runs, arms)
    if not found:
        return []
    told = [f"{arm} in {seeds}" for arm, seeds in found.items()]
    done = counted(runs)
    shares = {round(100 * share, 1) for share in done[done["one_class"] & done["label"].isin(found)]["majority"]}
    rest = f" and {count(len(told) - _SPOKEN, 'more arm')}" if len(told) > _SPOKEN else ""
    share = f"{min(shares):.1f}" if len(shares) == 1 else f"{min(shares):.1f} to {max(shares):.1f}"
    return [
        f"The same class is predicted for every test example by {', '.join(told[:_SPOKEN])}{rest}: the accuracy of such a "
        f"run is only the share of that class (the most frequent class has {share} %). Look at balanced accuracy: "
        f"{balanced(runs)}."
    ]
