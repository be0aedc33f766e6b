"""A baseline that gives every example the same class has learned nothing yet, so no comparison with it says anything."""

from __future__ import annotations

from dropbench.report.diagnosis import remedies
from dropbench.report.diagnosis.evidence import Evidence
from dropbench.report.tables.collapsed import one_class
from dropbench.report.tables.comparison import Diagnosis, Step
from dropbench.values import count


def nothing_learned(e: Evidence) -> list[Diagnosis]:
    """Find that the baseline gives all test examples one class in most of its seeds."""
    same, known = one_class(e.comparison.runs_of(e.baseline))
    if not len(same) > known / 2:
        return []
    share = 100 * max(said["majority"] for said in same)
    return [
        Diagnosis(
            "nothing learned",
            (e.baseline,),
            f"{e.baseline} gives all test examples the same class in {len(same)} of {count(known, 'seed')}, so its accuracy is "
            f"the share of that class, at most {share:.1f} %. What a regularizer does to such a network says nothing.",
            "train it for longer; with a rare class, also measure balanced accuracy",
            (Step(remedies.longer(e.configs[e.baseline]), e.seeds(e.baseline)),),
            "That shows whether it learns to tell the classes apart.",
        )
    ]
