"""Finds arms that answer every test example with the same class."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from dropbench.report.records.frame import by_label
from dropbench.values import count

_SPOKEN = 3
"""The number of arms that a sentence names before it says how many are left."""


def collapsed(runs: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """Name the arms that predict one class for all test examples, except at most one, in most of their seeds.

    Accuracy does not show this: if a class has 97 % of the examples, such an arm has an accuracy of 97 %. Older runs, whose
    records lack the numbers, are not counted.
    """
    told, shares = [], set()
    done = runs[runs["status"] == "completed"]
    classes, sizes = by_label(done, "classes"), by_label(done, "test_examples")
    for arm in arms:
        known = [
            (said, n)
            for said, n in zip(classes.get(arm, []), sizes.get(arm, []), strict=True)
            if said.keys() >= {"answered", "majority"} and isinstance(n, int)
        ]
        same = [said for said, n in known if said["answered"] * n > n - 1.5]
        if len(same) > len(known) / 2:
            told.append(f"{arm} in {len(same)} of {count(len(known), 'seed')}")
            shares |= {round(100 * said["majority"], 1) for said in same}
    if not told:
        return []
    rest = f" and {count(len(told) - _SPOKEN, 'more arm')}" if len(told) > _SPOKEN else ""
    share = f"{min(shares):.1f}" if len(shares) == 1 else f"{min(shares):.1f} to {max(shares):.1f}"
    measured = "test_balanced_accuracy" in runs and runs["test_balanced_accuracy"].notna().any()
    look = "--metric balanced_accuracy" if measured else "metric=[loss,accuracy,balanced_accuracy]"
    return [
        f"The same class is predicted for every test example by {', '.join(told[:_SPOKEN])}{rest}: the accuracy of such a "
        f"run is only the share of that class (the most frequent class has {share} %). Look at balanced accuracy: {look}."
    ]
