"""The group `regularizer`, of which a run may have several, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.config.options import options
from dropbench.errors import UsageError, nearest
from dropbench.identity import BESIDE
from dropbench.spec import CONSTANT
from dropbench.values import written

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

NONE: tuple[list[str], ...] = ([], ["none"], ["null"])
"""How it is typed that there is none."""


def chosen(value: Any) -> list[str]:
    """The names that an override of the group chooses."""
    names = [written(one) for one in (value if isinstance(value, list) else [value])]
    return [] if names in NONE else names


def met(overrides: Sequence[Override], extra: Sequence[Path]) -> tuple[list[Override], list[str], dict[str, str]]:
    """The overrides without keys of regularizers that are not chosen here; what is chosen; those keys, by the regularizer.

    In a grid or a study some arms have a regularizer and others not, and its keys are typed once. Keys of what is no
    regularizer stay, to be explained.
    """
    names = next((chosen(o.value()) for o in overrides if o.key_or_group == BESIDE), [])
    known = options(BESIDE, extra)
    left: dict[str, str] = {}
    kept = []
    for override in overrides:
        group, _, rest = override.key_or_group.partition(".")
        name = rest.partition(".")[0]
        if group == BESIDE and rest and name in known and name not in names:
            left[name] = str(override.input_line or override.key_or_group)
        else:
            kept.append(override)
    return kept, names, left


def schedule_of(node: Any, key: str, extra: Sequence[Path]) -> Any:
    """The schedule of a strength as a part: typed as a name, or as `{name: linear_up, over: 0.5}` with its options.

    Raises UsageError for a name that is no schedule.
    """
    from omegaconf import OmegaConf

    typed = dict(node) if isinstance(node, Mapping) else {"name": CONSTANT.name if node is None else str(node)}
    known = options("dropout/schedule", extra)
    name = str(typed.get("name"))
    if name not in known:
        raise UsageError(f"{key}={written(node)}: there is no such schedule; {nearest(name, known)}")
    tree: Any = OmegaConf.to_container(OmegaConf.load(known[name]))
    if unknown := [one for one in typed if one not in tree]:
        raise UsageError(f"{key}={written(node)}: {name} has no {unknown[0]}; {nearest(unknown[0], tree)}")
    return {**tree, **typed}
