"""Checks that a chosen option exists in its group, because Hydra would read any file that the name leads to, even by `../`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.config.options import called, group_of, options
from dropbench.config.own_file import own_file, own_network
from dropbench.config.regularizers import NONE, elsewhere
from dropbench.config.several import GROUP, OWN_RATES, RECIPE, names_of, recipe
from dropbench.errors import UsageError, nearest
from dropbench.identity import BESIDE
from dropbench.values import number

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


def check_choice(override: Override, extra: Sequence[Path]) -> None:
    """Raises UsageError for an option that does not exist, and for several options of a group that takes one.

    Hydra would silently use the last of several. There may be several metrics, variants and regularizers, each once; there may
    also be no regularizer.
    """
    typed, value = override.key_or_group, override.value()
    group = group_of(typed) or typed
    if group == "study" and value is None:
        return
    names = names_of(value)
    known = options(group, extra)
    if group == BESIDE and names in NONE:
        return
    recipes = options(RECIPE, extra) if group == GROUP else {}
    if len(names) == 1 and names[0] not in known and names[0] in recipes:
        recipe(names[0], extra)
        return
    if not names:
        raise UsageError(f"{group}=[] is an empty list; {nearest('', known)}")
    for name in names:
        if name not in known:
            if name in recipes:
                raise UsageError(
                    f"{group}={_shown(names)}: {name} is a recipe and cannot be combined; write {group}={name}"
                )
            if group == GROUP and name == OWN_RATES:
                raise UsageError(
                    f"{group}={_shown(names)}: {name} stands for all that the network itself drops, and cannot be combined; "
                    f"write {group}={name}"
                )
            raise UsageError(
                _no_option(group, name, [*known, *recipes, *([OWN_RATES] if group == GROUP else [])], extra)
            )
        _check_text(group, name, known[name])
    _check_several(group, typed, names)


def _check_several(group: str, typed: str, names: list[str]) -> None:
    several = ("metric", GROUP, BESIDE)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None and group in several:
        instead = f"; to give each site its own rate, set dropout.{twice}.rates" if group == GROUP else ""
        raise UsageError(f"{group}={_shown(names)}: {twice} is listed twice{instead}")
    if len(names) > 1 and group not in several:
        raise UsageError(
            f"{typed}={_shown(names)}: a run can use only one option of {group}; to compare them, write "
            f"{typed}={','.join(names)}"
        )


def _shown(names: list[str]) -> str:
    return f"[{','.join(names)}]"


def _check_text(group: str, name: str, file: Path) -> None:
    try:
        file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{group}={name}: {file} cannot be read: {error}") from error


def _no_option(group: str, name: str, known: Sequence[str], extra: Sequence[Path]) -> str:
    kind = group.rpartition("/")[2]
    meant = " or ".join(f"{group}={option}" for option in called(group, name, extra))
    own = own_file(name) if group == "data" else own_network(name) if group == "model" else None
    if own is not None:
        one = "data set" if group == "data" else group
        return f"{group}={name} looks like a file of yours, and {group} takes the name of a {one}; type {own}"
    if group == GROUP and (rate := number(name)) is not None and 0 <= rate < 1:
        typed = "dropout=none" if rate == 0 else f"dropout.rate={name}"
        return f"dropout={name}: dropout takes the name of a variant, such as standard; type {typed}"
    if group == "study" and "/" not in name:
        known = [option for option in known if "/" not in option]  # studies in folders are too many to list
    near = f"here it is called {meant}" if meant else elsewhere(group, name, extra) or nearest(name, known)
    return f"{group}={name}: there is no such {kind}; {near}"
