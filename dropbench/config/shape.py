"""Whether a composed configuration has the form that everything after it counts on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dropbench.config.options import KEYS
from dropbench.errors import UsageError, nearest
from dropbench.values import written

_NODES = ("model", "dropout", "data", "train", "metric", "eval", "execute")
"""The keys that hold others."""


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
    for name, node in tree["metric"].items():
        if not isinstance(node, Mapping):
            raise UsageError(
                f"metric.{name}={written(node)}: write metric=[{name}] to measure it, and metric.{name}.KEY=... for its options"
            )
    return tree


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
    metrics = chosen.get("metric") or []
    for option in metrics if isinstance(metrics, list) else [metrics]:
        if option not in tree["metric"]:
            raise UsageError(
                f"metric={option}: metric/{option}.yaml must hold one key, {option}, and all of the metric below it"
            )
    for key, node in tree["metric"].items():
        if node.get("name") not in (None, key):
            raise UsageError(
                f"metric.{key} has the name {written(node['name'])}; write name: {key} in metric/{key}.yaml"
            )
