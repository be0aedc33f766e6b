"""The group `regularizer`, from which a run may choose several options, or none."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.config.options import called, options, text_of
from dropbench.config.several import names_of
from dropbench.errors import UsageError, nearest
from dropbench.identity import BESIDE
from dropbench.spec import CONSTANT
from dropbench.values import number, written

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

NONE: tuple[list[str], ...] = ([], ["none"], ["null"])
"""The names that mean that no regularizer is chosen."""


def chosen(value: Any) -> list[str]:
    """Returns the names that an override of the group chooses."""
    names = names_of(value)
    return [] if names in NONE else names


def met(overrides: Sequence[Override], extra: Sequence[Path]) -> tuple[list[Override], list[str], dict[str, str]]:
    """Removes the keys of regularizers that are not chosen here.

    In a grid or a study some arms have a regularizer and others do not, but its keys are typed only once. Returns the other
    overrides, the chosen regularizers, and by regularizer one of the removed keys. Keys of unknown regularizers stay, so that
    an error explains them.
    """
    names = next((chosen(o.value()) for o in overrides if o.key_or_group == BESIDE), [])
    typed = any(o.key_or_group.startswith(f"{BESIDE}.") for o in overrides)
    known = options(BESIDE, extra) if typed else {}  # only if needed, because it takes a millisecond
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


def meant(key: str, value: str, beside: Sequence[str], extra: Sequence[Path]) -> str | None:
    """Returns what to type instead of an unknown key that names a regularizer: `mixup`, `train.sam`, `model.mixup_alpha`.

    Parameters
    ----------
    key, value : str
        The key and the value as typed.
    beside : sequence of str
        The regularizers that are chosen already.
    extra : sequence of Path
        The user's folders of options.
    """
    known = options(BESIDE, extra)
    words = key.split(".")
    if words[0] == BESIDE and len(words) == 2 and (owners := [n for n in known if words[1] in _options(known[n])]):
        shown = " or ".join(
            f"{BESIDE}.{name}.{words[1]}={value}" for name in ([n for n in owners if n in beside] or owners[:3])
        )
        return f"write the name of the regularizer before its option: {shown}"
    if words[0] == BESIDE and words[1:2] and words[1] in beside:  # an option of a chosen regularizer is mistyped
        return None
    for word in words:
        for name, option in _read(word, known, extra):
            given = option or (words[-1] if words[-1] in _options(known[name]) else "")
            together = f"{BESIDE}=[{','.join(dict.fromkeys([*beside, name]))}]"
            if not given and number(value) is None:  # such as train.ema=true
                return f"{name} is a regularizer: type {together}"
            return f"{name} is a regularizer: type {together} {BESIDE}.{name}.{given or _strength(known[name])}={value}"
    return None


def elsewhere(group: str, name: str, extra: Sequence[Path]) -> str | None:
    """Returns what to write for an option that its group lacks, if it is in `dropout`, in `regularizer` or a key of `train`."""
    name = name.removeprefix("train.") if group == BESIDE else name  # as `list regularizers` shows it
    if group == BESIDE and f"{name}:" in re.findall(r"^\w+:", text_of(options("train")["default"]), re.MULTILINE):
        return f"write train.{name}=... instead"
    if (other := {BESIDE: "dropout", "dropout": BESIDE}.get(group)) is None:
        return None
    if names := [name] if name in options(other, extra) else called(other, name, extra):
        return f"write {' or '.join(f'{other}={one}' for one in names)} instead"
    return None


def _read(word: str, known: Mapping[str, Path], extra: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yields the regularizers that a word may mean, each with the option that it also names, as in `mixup_alpha`."""
    for name, file in known.items():
        if word == name:
            yield name, ""
        for option in _options(file):
            if word == f"{name}_{option}":
                yield name, option
    yield from ((name, "") for name in called(BESIDE, word, extra))
    yield from ((name, "") for name in difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.8))


def _options(file: Path) -> list[str]:
    """Returns the options that a regularizer's file sets."""
    fixed = ("_target_", "name", "version", "strength", "none_at", "schedule")
    return [key for key in re.findall(r"^  (\w+):", text_of(file), re.MULTILINE) if key not in fixed]


def _strength(file: Path) -> str:
    found = re.search(r"^  strength: (\w+)", text_of(file), re.MULTILINE)
    return found[1] if found else "KEY"


def schedule_of(node: Any, key: str, extra: Sequence[Path]) -> Any:
    """Returns the schedule of a strength as a part, typed as a name or with options as `{name: linear_up, over: 0.5}`.

    Raises UsageError if there is no such schedule, or it has no such option.
    """
    from omegaconf import OmegaConf

    typed = dict(node) if isinstance(node, Mapping) else {"name": CONSTANT.name if node is None else str(node)}
    known = options("dropout/schedule", extra)
    name = str(typed.get("name"))
    if name not in known:
        raise UsageError(f"{key}={written(node)}: there is no such schedule; {nearest(name, known)}")
    tree: Any = OmegaConf.to_container(OmegaConf.load(known[name]))
    if unknown := [one for one in typed if one not in tree]:
        raise UsageError(f"{key}={written(node)}: {name} has no option {unknown[0]}; {nearest(unknown[0], tree)}")
    return {**tree, **typed}
