"""What tells the runs of a plan apart, for the names by which they are shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dropbench.spec import CONSTANT, NONE, DropoutSpec, RunSpec
from dropbench.values import BESIDE, flatten, written

if TYPE_CHECKING:
    from dropbench.planning.plan import Plan

_TOLD = re.compile(r"seed|dropout\.(?:[^.]+\.)?(?:rate|rates|placement)\b|data\.path")
_SCHEDULE = re.compile(r"dropout\.(?:[^.]+\.)?schedule\.name")


def arm_names(plan: Plan, specs: Sequence[RunSpec]) -> dict[str, str]:
    """What each run's arm is called, by run id: as its study names it alone, or by variant, rate and what else differs.

    Parameters
    ----------
    plan : Plan
        Its order is that of the names, whatever the order of training.
    specs : sequence of RunSpec
        Those of its runs that are to be named, and told apart.
    """
    by_study = {run: name for name, runs in plan.arms.items() for run in runs}
    settings = differing(specs)
    models, data = len({s.model.name for s in specs}) > 1, len({s.data.called for s in specs}) > 1
    names = {}
    wanted = {s.run_id for s in specs}
    for s in (s for s in plan.specs if s.run_id in wanted):
        parts = [s.model.name] * models + [s.data.called] * data
        parts.append(by_study[s.run_id] if s.run_id in by_study else in_words(s.variants))
        names[s.run_id] = " ".join([*parts, *settings[s.arm_id]])
    arms = {s.run_id: s.arm_id for s in specs}
    of_names = {(by_study[run], arm) for run, arm in arms.items() if run in by_study}
    several = Counter(name for name, _ in of_names)
    return {run: by_study[run] if several[by_study.get(run, "")] == 1 else name for run, name in names.items()}


def in_words(variants: Sequence[DropoutSpec]) -> str:
    """`none`, `standard 0.5`, `locked 0.4 + weight_drop 0.5`."""
    return BESIDE.join(v.name if v.name == NONE.name else f"{v.name} {v.rate:g}" for v in variants)


def differing(specs: Sequence[RunSpec]) -> dict[str, list[str]]:
    """The settings that tell these runs apart beside seed, names, rates and placement, by arm id; the schedule is one."""
    leaves = {s.arm_id: flatten(s.as_dict(), whole=False) for s in specs}
    values: dict[str, set[str]] = {}
    for tree in leaves.values():
        for key, value in tree.items():
            if _SCHEDULE.fullmatch(key) or not (_TOLD.match(key) or key.endswith((".name", "._target_", ".version"))):
                values.setdefault(key, set()).add(written(value))
    several = [key for key, texts in values.items() if len(texts) > 1]
    return {
        arm: [
            f"{k.partition('.')[2].removesuffix('.name')}={written(tree[k])}"
            for k in several
            if k in tree and not (_SCHEDULE.fullmatch(k) and tree[k] == CONSTANT.name)  # the absence of one
        ]
        for arm, tree in leaves.items()
    }
