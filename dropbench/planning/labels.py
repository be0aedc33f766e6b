"""Names the runs of a plan by what distinguishes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from dropbench.spec import CONSTANT, NONE, RunSpec
from dropbench.values import AND, flatten, written

if TYPE_CHECKING:
    from dropbench.planning.plan import Plan

_TOLD = re.compile(r"seed|dropout\.(?:[^.]+\.)?(?:rate|rates|placement)\b|data\.path")
_SCHEDULE = re.compile(r"dropout\.(?:[^.]+\.)?schedule\.name")


def arm_names(plan: Plan, specs: Sequence[RunSpec], tuned: Collection[str] = ()) -> dict[str, str]:
    """Returns the name of each run's arm, by run id: its name in the study, or variant, rate and other differences.

    Parameters
    ----------
    plan : Plan
        The names are in its order, whatever the order of training.
    specs : sequence of RunSpec
        The runs of the plan that are to be named and distinguished.
    tuned : collection of str
        Keys that are chosen for each arm separately, so that their values are not part of names.
    """
    by_study = {run: name for name, runs in plan.arms.items() for run in runs}
    settings = differing(specs)
    models, data = len({s.model.name for s in specs}) > 1, len({s.data.called for s in specs}) > 1
    names = {}
    wanted = {s.run_id for s in specs}
    for s in (s for s in plan.specs if s.run_id in wanted):
        parts = [s.model.name] * models + [s.data.called] * data
        parts.append(by_study[s.run_id] if s.run_id in by_study else in_words(s, tuned))
        names[s.run_id] = " ".join([*parts, *settings[s.arm_id]])
    arms = {s.run_id: s.arm_id for s in specs}
    of_names = {(by_study[run], arm) for run, arm in arms.items() if run in by_study}
    several = Counter(name for name, _ in of_names)
    return {run: by_study[run] if several[by_study.get(run, "")] == 1 else name for run, name in names.items()}


def in_words(spec: RunSpec, tuned: Collection[str] = ()) -> str:
    """Returns `none`, `standard 0.5`, `locked 0.4 + weight_drop 0.5`, `mixup 0.2 + sam 0.05`; no values of tuned keys."""
    several = len(spec.variants) > 1
    words = []
    for v in spec.variants:
        if v.name != NONE.name:
            key = f"dropout.{v.name}.rate" if several else "dropout.rate"
            words.append(v.name if key in tuned else f"{v.name} {v.rate:g}")
    for r in spec.regularizers:
        words.append(r.name if f"regularizer.{r.name}.{r.strength}" in tuned else f"{r.name} {r.value:g}")
    return AND.join(words) or NONE.name


def differing(specs: Sequence[RunSpec]) -> dict[str, list[str]]:
    """Returns the settings that distinguish these runs, other than seed, names, rates and placement, by arm id.

    The name of a schedule is one of these settings.
    """
    arms = {s.arm_id: s for s in specs}
    leaves = {arm: flatten(s.as_dict(), whole=False) for arm, s in arms.items()}
    beside = [r for s in arms.values() for r in s.regularizers]
    named = {f"regularizer.{r.name}.{key}" for r in beside for key in ("strength", r.strength)}
    values: dict[str, set[str]] = {}
    for tree in leaves.values():
        for key, value in tree.items():
            dull = key in named or _TOLD.match(key) or key.endswith((".name", "._target_", ".version"))
            if _SCHEDULE.fullmatch(key) or not dull:
                values.setdefault(key, set()).add(written(value))
    several = [key for key, texts in values.items() if len(texts) > 1]
    return {
        arm: [
            f"{k.partition('.')[2].removesuffix('.name')}={written(tree[k])}"
            for k in several
            if k in tree and not (_SCHEDULE.fullmatch(k) and tree[k] == CONSTANT.name)  # constant means no schedule
        ]
        for arm, tree in leaves.items()
    }
