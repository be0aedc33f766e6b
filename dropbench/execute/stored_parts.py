"""Finds the parts of a stored run by the names of their options; import paths in a record are not trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dropbench.config.networks import network, network_path, reach_working_folder
from dropbench.config.options import conf_dir, options
from dropbench.config.parts import checked_options, part_of
from dropbench.config.source_hash import source_hash
from dropbench.errors import UsageError
from dropbench.identity import HOST, OWN, code
from dropbench.store import Record

_UNKNOWN = "unknown"
"""The source hash that a record of the first schema has for a user's part."""


class StoredPart(NamedTuple):
    """A class or function, and the options that a run gave it."""

    cls: Any
    options: dict[str, Any]


def stored_part(
    group: str, node: Mapping[str, Any], fields: Sequence[str], record: Record, extra: Sequence[Path]
) -> StoredPart:
    """Returns a part of a stored run as its option defines it now, which must be the same as when the run was trained.

    Parameters
    ----------
    group : str
        The group of its option: `model`, `dropout`, `data`.
    node : mapping
        Its part of the run's configuration.
    fields : sequence of str
        Keys of the node that are not options of the class.
    record : Record
        The run's record, which has the hashes of the user's code.
    extra : sequence of Path
        The user's folders of options.

    Raises
    ------
    UsageError
        If the option does not exist any more, has another version, or its code has changed.
    """
    from omegaconf import OmegaConf

    name = str(node.get("name"))
    if (file := options(group, extra).get(name)) is None:
        raise UsageError(
            f"run {record.run_id} has {group}={name}, which is not an option here; give the folder that holds it: conf=DIR"
        )
    option: Any = OmegaConf.to_container(OmegaConf.load(file))
    target, version = str(option["_target_"]), option.get("version", 1)
    if version != node.get("version", 1):
        raise UsageError(
            f"run {record.run_id} has {group}={name} in version {node.get('version', 1)}, and here it has version {version}, "
            "which computes something else"
        )
    if target == HOST:
        runs = code(target, {**option, **node})
        reach_working_folder()
        _same_code(f"{group}={name}", network_path(runs), record)
        network(runs)
    elif not (file.is_relative_to(conf_dir()) and target.startswith(OWN)):
        _same_code(f"{group}={name}", target, record)
    fixed = {"name", "_target_", "version", *fields}
    given = {key: value for key, value in node.items() if key not in fixed}
    return StoredPart(part_of(group, target), checked_options(group, target, given))


def _same_code(part: str, target: str, record: Record) -> None:
    if record.sources.get(target) not in (_UNKNOWN, source_hash(target)):
        raise UsageError(
            f"run {record.run_id} was made by other code of {part} ({target}): the present code would compute "
            "something else"
        )
