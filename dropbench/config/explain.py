"""Explains an override that Hydra refused, in a sentence that says what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.config import several
from dropbench.config.options import GROUPS, KEYS, group_of, options, text_of
from dropbench.config.regularizers import chosen, meant
from dropbench.config.shape import no_rate
from dropbench.config.typed import text
from dropbench.errors import UsageError, nearest
from dropbench.identity import BESIDE
from dropbench.values import flatten

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


def explained(
    overrides: Sequence[Override], error: Exception, extra: Sequence[Path], files: Callable[[], Any]
) -> UsageError:
    """Returns an error that says which override is wrong and what it might have meant.

    Parameters
    ----------
    overrides : sequence of Override
        Simple overrides.
    error : Exception
        The error from Hydra or OmegaConf; its own text is the last resort.
    extra : sequence of Path
        The user's folders of options.
    files : callable
        Returns the merged files of the chosen options.
    """
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

    said = UsageError(_plainly(error, {o.key_or_group: _as_typed(o) for o in overrides}, extra))
    try:
        tree: Any = OmegaConf.to_container(files())
    except (HydraException, OmegaConfBaseException, ValueError, OSError):  # the error is in an option's own file
        return said
    leaves = flatten(tree, whole=False)
    valid = {key.rsplit(".", n)[0] for key in leaves for n in range(key.count(".") + 1)} | set(GROUPS)
    study = any(override.key_or_group == "study" for override in overrides)
    nodes = several.nodes(tree["dropout"]) if isinstance(tree.get("dropout"), Mapping) else {}
    variants = [str(node.get("name")) for node in nodes.values() if isinstance(node, Mapping)]
    if isinstance(error, InterpolationKeyError) and len(variants) > 1 and "'dropout." in str(error):
        return several.ambiguous(f"a setting refers to {str(error).split(chr(39))[1]}", variants)
    for override in overrides:
        if (key := override.key_or_group) not in valid and group_of(key) is None:
            value = text(override.value())
            if told := several.hint(key, value, variants, options("dropout", extra)):
                return UsageError(told)
            beside = next((chosen(o.value()) for o in overrides if o.key_or_group == BESIDE), [])
            return UsageError(_no_key(key, value, leaves, extra, study=study, beside=beside))
    return said


def _as_typed(override: Override) -> str:
    """Returns an override without the quotes that the expansion of a sweep puts around an interpolation."""
    value = override.value()
    return f"{override.key_or_group}={value}" if isinstance(value, str) else str(override.input_line)


def _plainly(error: Exception, typed: Mapping[str, str], extra: Sequence[Path]) -> str:
    """Returns an error of Hydra or OmegaConf without their own words. typed: the overrides as typed, by key."""
    from hydra.errors import MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    said = " ".join(re.split(r"\n\s*full_key: ", str(error))[0].split())
    if isinstance(error, MissingConfigException) and (found := re.match(r"In '(.+?)': Could not load '(.+?)'", said)):
        group, _, name = found[2].rpartition("/")
        return f"{found[1]}.yaml: its defaults name {name}, of which there is no file; {nearest(name, options(group, extra))}"
    if not isinstance(error, OmegaConfBaseException) or not error.full_key:
        return said
    line = typed.get(error.full_key, error.full_key)
    if said.startswith("Cannot merge"):
        return (
            f"{line}: it must be {'a list, such as [a,b]' if error.object_type is list else 'a dict, such as {a: 1}'}"
        )
    if key := re.fullmatch(r"Interpolation key '(.+)' not found", said):
        return f"{line}: ${{{key[1]}}} refers to no key; `dropbench train --cfg` shows every key"
    return f"{line}: {re.sub(r'^[A-Za-z]+ raised while resolving interpolation: ', '', said)}"


def _no_key(
    key: str, value: str, leaves: Mapping[str, Any], extra: Sequence[Path], *, study: bool, beside: Sequence[str]
) -> str:
    """Returns a sentence on what to write in place of a key that the chosen options do not have.

    study: whether a study is chosen. beside: the chosen regularizers.
    """
    if key.startswith("study.") and not study:
        names = [name for name in options("study", extra) if "/" not in name]  # studies in folders are too many to list
        return f"{key} needs a study; add study={' or '.join(names)}"
    parent, _, last = key.rpartition(".")
    if parent == "execute.slurm" and not any(k.startswith("execute.slurm.") for k in leaves):
        return f"'{key}' is a key of execute=slurm; add execute=slurm, or leave it out"
    if leaves.get(parent, ...) is None:
        return f"'{key}' is not a key here; write '{parent}={{{last}: {value}}}'"
    group = parent.replace(".", "/")
    group = several.SCHEDULE if group_of(group) == several.SCHEDULE else group
    if key == "dropout.rate":
        return no_rate(leaves.get("dropout.name"))
    own = [k.rpartition(".")[2] for k in leaves if k.startswith(f"{parent}.") and not k.endswith("_target_")]
    mistyped = difflib.get_close_matches(last, own, n=1, cutoff=0.8)  # though another option may have such a key
    if group in GROUPS and not mistyped and (owners := _having(last, options(group, extra))):
        return f"'{key}' is not a key of {group}={leaves.get(f'{parent}.name')}; it belongs to {group}={' or '.join(owners)}"
    if not parent and (whole := [k for k in (*GROUPS, *leaves) if k.endswith((f"/{key}", f".{key}"))]):
        return f"'{key}' is not a key here; write {' or '.join(f'{k}={value}' for k in whole)}"
    if hint := meant(key, value, beside, extra):
        return f"'{key}' is not a key here; {hint}"
    if last in _RATES and f"{parent}.rate" in leaves:
        return f"'{key}' is not a key here; write {parent}.rate={value}"
    return f"'{key}' is not a key here; {_near_key(key, leaves)}"


_RATES = ("p", "prob", "probability", "drop_prob", "dropout_rate", "drop_rate")
"""Names that people type for a rate."""


def _having(key: str, files: Mapping[str, Path]) -> list[str]:
    """Returns the options whose file sets that key."""
    return [n for n, f in files.items() if re.search(rf"^{re.escape(key)}:", text_of(f), re.MULTILINE)]


_DECLARED = re.compile(
    r"^(metric\.\w+\.(also|of_task|direction|range|unit|region|tasks|needs)|regularizer\.\w+\.(strength|none_at))\b"
)
"""Keys that the file of a metric or regularizer uses to describe it, and that are not settings."""


def _near_key(key: str, keys: Iterable[str]) -> str:
    """Returns similar keys of the same group or, if there is no such group, of all; a list of all keys would be too long."""
    group, last = key.partition(".")[0], key.rpartition(".")[2]
    visible = [k for k in keys if not k.endswith(("_target_", ".name", ".version")) and not _DECLARED.search(k)]
    # A study's arms may contain the same mistyped key.
    visible = [k for k in visible if group == "study" or not k.startswith("study.")]
    beside = [k for k in visible if k.startswith(f"{group}.")] or [*KEYS, *GROUPS]
    near = nearest(key, [*beside, *(k for k in visible if "." in key and k.rpartition(".")[2] == last)])
    return near if len(near) < 400 else f"{near.rpartition('valid: ')[0]}`dropbench train --cfg` shows every key"
