"""Whether a composed configuration has the form that everything after it counts on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dropbench.config.options import KEYS
from dropbench.errors import UsageError, nearest
from dropbench.identity import BESIDE
from dropbench.values import written

_NODES = ("model", "dropout", "data", "train", "metric", "eval", "execute")
"""The keys that hold others."""
_SEVERAL = {"metric": "measure", BESIDE: "use"}
"""Groups of which a run may have several options, each under its name."""


def checked_tree(tree: dict[str, Any]) -> dict[str, Any]:
    """The same. Raises UsageError for a key that is none, and for a value in the place of keys."""
    if unknown := [key for key in tree if key not in KEYS]:
        raise UsageError(f"'{unknown[0]}' is not a key here; {nearest(unknown[0], KEYS)}")
    for key in _NODES:
        if not isinstance(node := tree.get(key), Mapping):
            # What reads like the choice of an option is an override of the node to Hydra.
            hint = f"write eval.mode={written(node)}" if key == "eval" else f"it must hold keys, such as {key}.name"
            raise UsageError(f"{key}={written(node)}: {hint}")
    schedule = tree["dropout"].get("schedule", {})
    if not isinstance(schedule, Mapping):
        raise UsageError(f"dropout.schedule={written(schedule)}: write dropout/schedule={written(schedule)}")
    for group, purpose in _SEVERAL.items():
        for name, node in (tree.get(group) or {}).items():
            if not isinstance(node, Mapping):
                raise UsageError(
                    f"{group}.{name}={written(node)}: write {group}=[{name}] to {purpose} it, and {group}.{name}.KEY=... for "
                    "its options"
                )
    return {**tree, BESIDE: tree.get(BESIDE) or {}}


EPOCHS, UPDATES = "train.epochs", "train.updates"
"""How long a run trains: one of the two."""


def check_budget(tree: Mapping[str, Any], typed: Mapping[str, Any]) -> None:
    """Epochs that are typed stand in place of the updates that a file may say. Raises UsageError where both are typed."""
    if typed.get(EPOCHS) is None:
        return
    if (updates := typed.get(UPDATES)) is not None:
        raise UsageError(
            f"{EPOCHS}={written(typed[EPOCHS])} and {UPDATES}={written(updates)}: a run ends after so many epochs or after so "
            "many updates; leave one out"
        )
    tree["train"]["updates"] = None


def check_names(tree: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    """Raises UsageError for an option that is called otherwise than its file, by which it is found again, and for no other."""
    parts = {group: tree[group] for group in ("model", "dropout", "data", "train", "execute")}
    parts["dropout/schedule"] = tree["dropout"].get("schedule", {})
    for group, node in parts.items():
        (option,) = chosen[group] if isinstance(chosen.get(group), list) else (chosen.get(group),)
        if option is not None and node.get("name") not in (None, option):
            raise UsageError(
                f"{group}={option} has the name {written(node['name'])}; write name: {option} in {group}/{option}.yaml"
            )
    for group in _SEVERAL:
        several = chosen.get(group) or []
        for option in several if isinstance(several, list) else [several]:
            if option not in tree[group]:
                raise UsageError(
                    f"{group}={option}: {group}/{option}.yaml must hold one key, {option}, and all of the {group} below it"
                )
        for key, node in tree[group].items():
            if node.get("name") not in (None, key):
                raise UsageError(
                    f"{group}.{key} has the name {written(node['name'])}; write name: {key} in {group}/{key}.yaml"
                )
