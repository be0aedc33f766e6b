"""What was wrong with an override that Hydra refused, as a sentence that says what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dropbench.config.options import GROUPS, KEYS, called, options
from dropbench.errors import UsageError, nearest
from dropbench.values import flatten


def explained(
    overrides: Sequence[str], error: Exception, extra: Sequence[Path], merged: Callable[[Sequence[str]], Any]
) -> UsageError:
    """Which of the overrides is at fault, and what it might have meant.

    Parameters
    ----------
    overrides : sequence of str
        Simple ones, as they were typed.
    error : Exception
        What Hydra or OmegaConf said; its own words are the last resort.
    extra : sequence of Path
        The user's folders of options.
    merged : callable
        Gives Hydra's configuration for overrides; asked for that of the chosen options alone.
    """
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    said = UsageError(" ".join(str(error).split()))
    given = {text.partition("=")[0].lstrip("+"): text.partition("=")[2] for text in overrides}
    chosen = {key: value for key, value in given.items() if key in GROUPS}
    if fault := next(filter(None, (_no_option(group, value, extra) for group, value in chosen.items())), None):
        return UsageError(fault)
    try:
        tree: Any = OmegaConf.to_container(merged([f"{group}={value}" for group, value in chosen.items()]))
    except HydraException:  # not the overrides: an option's own file
        return said
    leaves = flatten(tree, whole=())
    valid = {key.rsplit(".", n)[0] for key in leaves for n in range(key.count(".") + 1)} | set(GROUPS)
    for key, value in given.items():
        if key not in valid:
            return UsageError(_no_key(key, value, leaves, extra, study="study" in chosen))
    return said


def _no_option(group: str, value: str, extra: Sequence[Path]) -> str | None:
    """What is wrong with the choice of an option, or of a list of them, or None."""
    known = options(group, extra)
    for name in (n.strip("'\" ") for n in value.strip("[]").split(",")):
        if name not in known:
            kind = group.rpartition("/")[2]
            meant = " or ".join(f"{group}={option}" for option in called(group, name, extra))
            near = f"what goes by that name is here {meant}" if meant else nearest(name, known)
            return f"{group}={name}: there is no such {kind}; {near}"
    return None


def _no_key(key: str, value: str, leaves: Mapping[str, Any], extra: Sequence[Path], *, study: bool) -> str:
    """What to write in place of a key that the chosen options do not have. study: whether a study is chosen."""
    if key.startswith("study.") and not study:
        return f"{key} needs a study beside it: study={' or '.join(options('study', extra))}"
    parent, _, last = key.rpartition(".")
    if leaves.get(parent, ...) is None:
        return f"'{key}' is not a key here; write '{parent}={{{last}: {value}}}'"
    group = parent.replace(".", "/")
    if group in GROUPS and (owners := _having(last, options(group, extra))):
        return (
            f"'{key}' is no key of {group}={leaves.get(f'{parent}.name')}; it is one of {group}={' or '.join(owners)}"
        )
    if not parent and (whole := [k for k in (*GROUPS, *leaves) if k.endswith((f"/{key}", f".{key}"))]):
        return f"'{key}' is not a key here; write {' or '.join(f'{k}={value}' for k in whole)}"
    return f"'{key}' is not a key here; {_near_key(key, leaves)}"


def _having(key: str, files: Mapping[str, Path]) -> list[str]:
    """The options whose file sets that key."""
    return [
        n for n, f in files.items() if re.search(rf"^{re.escape(key)}:", f.read_text(encoding="utf-8"), re.MULTILINE)
    ]


_DECLARED = re.compile(r"^metric\.\w+\.(also|direction|range|unit|region|tasks)\b")
"""What a metric's file says of it, which is a key without being a setting."""


def _near_key(key: str, keys: Iterable[str]) -> str:
    """Near keys of the same group if it is one, else of all: a whole list would be a wall."""
    group, last = key.partition(".")[0], key.rpartition(".")[2]
    visible = [k for k in keys if not k.endswith(("_target_", ".name", ".version")) and not _DECLARED.search(k)]
    beside = [k for k in visible if k.startswith(f"{group}.")] or [*KEYS, *GROUPS]
    near = nearest(key, [*beside, *(k for k in visible if "." in key and k.rpartition(".")[2] == last)])
    return near if len(near) < 400 else f"{near.rpartition('valid: ')[0]}`dropbench train --cfg` shows every key"
