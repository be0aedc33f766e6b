"""Checks that a composed configuration has the form on which all later code relies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dropbench.config.options import KEYS
from dropbench.config.several import nodes
from dropbench.errors import UsageError, nearest
from dropbench.identity import BESIDE
from dropbench.values import written

_NODES = ("model", "dropout", "data", "train", "metric", "eval", "execute")
"""The keys whose values are mappings."""
_SEVERAL = {"metric": "measure", BESIDE: "use"}
"""The groups from which a run may choose several options, each under its name, with a verb for messages."""


def checked_tree(tree: dict[str, Any]) -> dict[str, Any]:
    """Returns the tree, with an empty `regularizer` if it has none.

    Raises UsageError for an unknown key, for a plain value where a mapping is needed, and for a variant without a rate.
    """
    if unknown := [key for key in tree if key not in KEYS]:
        raise UsageError(f"'{unknown[0]}' is not a key here; {nearest(unknown[0], KEYS)}")
    for key in _NODES:
        if not isinstance(node := tree.get(key), Mapping):
            # What looks like the choice of an option replaces the whole node in Hydra.
            hint = f"write eval.mode={written(node)}" if key == "eval" else f"it must hold keys, such as {key}.name"
            raise UsageError(f"{key}={written(node)}: {hint}")
    for key, node in nodes(tree["dropout"]).items():
        if "rate" not in node:  # it would drop nothing, and be the arm without dropout
            raise UsageError(no_rate(node.get("name")))
        if not isinstance(schedule := node.get("schedule", {}), Mapping):
            group = f"{key}.schedule".replace(".", "/")
            raise UsageError(f"{key}.schedule={written(schedule)}: write {group}={written(schedule)}")
    return {**tree, BESIDE: tree.get(BESIDE) or {}}


def no_rate(variant: object) -> str:
    """Returns what to write in the file of a variant that lacks the keys of all variants."""
    return f"dropout/{variant}.yaml sets no rate; begin it with the keys that every variant has: defaults: [_common]"


EPOCHS, UPDATES = "train.epochs", "train.updates"
"""The keys for the length of training, of which a run has one."""


def check_budget(tree: Mapping[str, Any], typed: Mapping[str, Any]) -> None:
    """Lets typed epochs replace updates that a file may set. Raises UsageError if both are typed."""
    if typed.get(EPOCHS) is None:
        return
    if (updates := typed.get(UPDATES)) is not None:
        raise UsageError(
            f"{EPOCHS}={written(typed[EPOCHS])} and {UPDATES}={written(updates)}: both say how long a run trains; "
            "leave one out"
        )
    tree["train"]["updates"] = None


def check_names(tree: Mapping[str, Any], chosen: Mapping[str, Sequence[str]]) -> None:
    """Raises UsageError for an option whose name differs from that of its file, by which it is found again.

    chosen: the options of each group that was typed; for dropout the arm's variants.
    """
    parts = [(group, tree[group], chosen.get(group)) for group in ("model", "data", "train", "execute")]
    schedules = {key: names for key, names in chosen.items() if key.endswith("/schedule")}
    for i, (key, node) in enumerate(nodes(tree["dropout"]).items()):
        parts.append(("dropout", node, chosen["dropout"][i : i + 1] if "dropout" in chosen else None))
        own = schedules.get(f"{key}.schedule".replace(".", "/"), schedules.get("dropout/schedule"))
        parts.append(("dropout/schedule", node.get("schedule", {}), own))
    for group, node, options in parts:
        for option in options or ():
            if node.get("name") not in (None, option):
                raise UsageError(
                    f"{group}={option} has the name {written(node['name'])}; write name: {option} in {group}/{option}.yaml"
                )
    _check_several(tree, chosen)


def _check_several(tree: Mapping[str, Any], chosen: Mapping[str, Sequence[str]]) -> None:
    """Checks the groups from which a run may choose several options: each is a mapping below its name."""
    for group, purpose in _SEVERAL.items():
        for option in chosen.get(group, ()):
            if option not in tree[group]:
                raise UsageError(
                    f"{group}={option}: {group}/{option}.yaml must hold one key, {option}, with all of the {group} below it"
                )
        for key, node in tree[group].items():
            if not isinstance(node, Mapping):
                raise UsageError(
                    f"{group}.{key}={written(node)}: write {group}=[{key}] to {purpose} it, and {group}.{key}.KEY=... for "
                    "its options"
                )
            if node.get("name") not in (None, key):
                raise UsageError(
                    f"{group}.{key} has the name {written(node['name'])}; write name: {key} in {group}/{key}.yaml"
                )
