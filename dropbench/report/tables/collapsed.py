"""Finds arms that answer every test example with the same class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from dropbench.report.tables.majority import balanced
from dropbench.values import count

_SPOKEN = 3
"""The number of arms that a sentence names before it says how many are left."""


def one_class(runs: pd.DataFrame) -> tuple[list[Mapping[str, float]], int]:
    """Return the test classes of the completed runs that give all examples one class, except at most one, and of how many runs.

    Older runs, whose records lack the numbers, are not counted.
    """
    done = runs[runs["status"] == "completed"]
    known = [
        (said, n)
        for said, n in zip(done["classes"].tolist(), done["test_examples"].tolist(), strict=True)
        if said.keys() >= {"answered", "majority"} and isinstance(n, int)
    ]
    return [said for said, n in known if said["answered"] * n > n - 1.5], len(known)


def collapsed(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """Name the arms that predict one class for all test examples, except at most one, in most of their seeds.

    Accuracy does not show this: if a class has 97 % of the examples, such an arm has an accuracy of 97 %. Older runs, whose
    records lack the numbers, are not counted.
    """
    told, shares = [], set()
    of_arms = {str(label): rows for label, rows in runs.groupby("label")}
    for arm in arms:
        same, known = one_class(of_arms.get(arm, runs[:0]))
        if len(same) > known / 2:
            told.append(f"{arm} in {len(same)} of {count(known, 'seed')}")
            shares |= {round(100 * said["majority"], 1) for said in same}
    if not told:
        return []
    rest = f" and {count(len(told) - _SPOKEN, 'more arm')}" if len(told) > _SPOKEN else ""
    share = f"{min(shares):.1f}" if len(shares) == 1 else f"{min(shares):.1f} to {max(shares):.1f}"
    return [
        f"The same class is predicted for every test example by {', '.join(told[:_SPOKEN])}{rest}: the accuracy of such a "
        f"run is only the share of that class (the most frequent class has {share} %). Look at balanced accuracy: "
        f"{balanced(runs)}."
    ]
