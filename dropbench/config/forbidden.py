"""Refuses what the command line may not set: the class of a part, and Hydra's own settings and file locations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dropbench.config.options import GROUPS
from dropbench.errors import UsageError
from dropbench.identity import BESIDE
from dropbench.values import written

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


def refuse(override: Override) -> None:
    """Raises UsageError for an override that would set more than the settings of the chosen options.

    A class or function may be named by `_target_` only in a YAML file of conf/ or of a --conf folder, because a name typed on
    the command line could be that of anything that is installed.
    """
    line, key, package = override.input_line or "", override.key_or_group, override.package
    if key.partition("/")[0].partition(".")[0] == "hydra" or (package or "").startswith("hydra"):
        raise UsageError(f"{line}: dropbench does not start Hydra jobs, so Hydra's own settings cannot be set")
    if package is not None:
        raise UsageError(f"{line}: Hydra's @ for moving an option is not supported; write {key}=... without it")
    if any("_target_" in name for name in (key, *_keys(override._value))):
        group = key.partition(".")[0]
        group = group if group in GROUPS else "model"
        raise UsageError(
            f"{line}: a _target_ can only be set in a file; put it into a YAML file of yours, such as mine/{group}/mine.yaml,"
            f" and type --conf mine {group}=mine"
        )
    if key.split(".")[0] in GROUPS and key.endswith((".name", ".version")):
        raise UsageError(f"{line}: the name and version of an option are set in its file; choose another option")
    if key.startswith(f"{BESIDE}.") and key.endswith((".strength", ".none_at")):
        raise UsageError(
            f"{line}: strength and none_at are set in the regularizer's file and cannot be typed; type the option that "
            f"strength names instead: dropbench train {BESIDE}=[{key.split('.')[1]}] --cfg shows it"
        )
    if key.startswith("metric.") and key.endswith(".direction"):
        raise UsageError(
            f"{line}: whether higher or lower values of a metric are better is set in its file and cannot be typed"
        )
    if key in GROUPS and (line.startswith("+") or override.is_delete()):
        raise UsageError(f"{line}: the group {key} already has an option; write {line.lstrip('+')}")


def check_targets(tree: Any, files: Any, key: str = "") -> None:
    """Raises UsageError if the class or function of a part is not the one that its file names literally.

    `refuse` rejects overrides that set one; this function finds those set by an interpolation.
    """
    if isinstance(tree, Mapping):
        known = files if isinstance(files, Mapping) else {}
        if "_target_" in tree and tree["_target_"] != known.get("_target_"):
            raise UsageError(
                f"{key}._target_={written(tree['_target_'])}: a _target_ must be the import path in the option's own file, "
                "which no other setting may change"
            )
        for name, inner in tree.items():
            check_targets(inner, known.get(name), f"{key}.{name}".lstrip("."))
    elif isinstance(tree, list):
        for inner in tree:
            check_targets(inner, None, key)


def _keys(value: Any) -> Iterator[str]:
    """Yields the keys of all mappings in a value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _keys(inner)
    elif isinstance(inner := getattr(value, "list", value), list | tuple):  # the values of a sweep
        for one in inner:
            yield from _keys(one)
