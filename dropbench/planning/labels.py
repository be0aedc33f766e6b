"""What tells the runs of a plan apart, for the names by which they are shown."""

from __future__ import annotations

from collections.abc import Sequence

from dropbench.spec import CONSTANT, RunSpec
from dropbench.values import flatten, written


def differing(specs: Sequence[RunSpec]) -> dict[str, list[str]]:
    """The settings that tell these runs apart beside seed, names, rates and placement, by arm id; the schedule is one."""
    told, schedule = ("seed", "dropout.rate", "dropout.rates", "dropout.placement"), "dropout.schedule.name"
    leaves = {s.arm_id: flatten(s.as_dict(), whole=()) for s in specs}
    values: dict[str, set[str]] = {}
    for tree in leaves.values():
        for key, value in tree.items():
            if key == schedule or not (key.startswith(told) or key.endswith((".name", "._target_", ".version"))):
                values.setdefault(key, set()).add(written(value))
    several = [key for key, texts in values.items() if len(texts) > 1]
    return {
        arm: [
            f"{k.partition('.')[2].removesuffix('.name')}={written(tree[k])}"
            for k in several
            if k in tree and (k, tree[k]) != (schedule, CONSTANT.name)  # the absence of one
        ]
        for arm, tree in leaves.items()
    }
