"""Whether a composed configuration has the form that everything after it counts on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dropbench.config.options import KEYS
from dropbench.config.several import nodes
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
    for key, node in nodes(tree["dropout"]).items():
        if not isinstance(schedule := node.get("schedule", {}), Mapping):
            group = f"{key}.schedule".replace(".", "/")
            raise UsageError(f"{key}.schedule={written(schedule)}: write {group}={written(schedule)}")
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


def check_names(tree: Mapping[str, Any], chosen: Mapping[str, Sequence[str]]) -> None:
    """Raises UsageError for an option that is called otherwise than its file, by which it is found again, and for no other.

    chosen: the options of each group that was typed; of dropout the arm's variants.
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
    """The same of groups of which a run may have several options."""
    for group in _SEVERAL:
        for option in chosen.get(group, ()):
            if option not in tree[group]:
                raise UsageError(
                    f"{group}={option}: {group}/{option}.yaml must hold one key, {option}, and all of the {group} below it"
                )
        for key, node in tree[group].items():
            if node.get("name") not in (None, key):
                raise UsageError(
                    f"{group}.{key} has the name {written(node['name'])}; write name: {key} in {group}/{key}.yaml"
                )
