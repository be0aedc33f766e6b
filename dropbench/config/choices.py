"""Whether a group has the option that is chosen: Hydra would read any file that the name leads to, `../` included."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.config.options import called, options
from dropbench.config.regularizers import NONE, elsewhere
from dropbench.errors import UsageError, nearest
from dropbench.identity import BESIDE
from dropbench.values import written

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override


def check_choice(override: Override, extra: Sequence[Path]) -> None:
    """Raises UsageError for an option that does not exist, and for several of a group that takes one.

    Hydra would let the last of several count. Metrics are several, and regularizers, which may be none; so will variants be.
    """
    group, value = override.key_or_group, override.value()
    if group == "study" and value is None:
        return
    names = [written(one) for one in (value if isinstance(value, list) else [value])]
    known = options(group, extra)
    if group == BESIDE and names in NONE:
        return
    if not names:
        raise UsageError(f"{group}=[] chooses nothing; {nearest('', known)}")
    for name in names:
        if name not in known:
            raise UsageError(_no_option(group, name, known, extra))
        _check_text(group, name, known[name])
    _check_several(group, names)


def _check_several(group: str, names: Sequence[str]) -> None:
    if group in ("metric", BESIDE):
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"{group}=[{','.join(names)}]: {twice} is in it twice")
    elif len(names) > 1:
        hint = f"to compare them, write {group}={','.join(names)}"
        shown = f"{group}=[{','.join(names)}]"
        if group == "dropout":
            raise UsageError(f"{shown}: an arm with several variants cannot be trained yet; {hint}")
        raise UsageError(f"{shown}: a run has one option of {group}; {hint}")


def _check_text(group: str, name: str, file: Path) -> None:
    try:
        file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{group}={name}: {file} cannot be read: {error}") from error


def _no_option(group: str, name: str, known: dict[str, Path], extra: Sequence[Path]) -> str:
    kind = group.rpartition("/")[2]
    meant = " or ".join(f"{group}={option}" for option in called(group, name, extra))
    near = f"what goes by that name is here {meant}" if meant else elsewhere(group, name, extra) or nearest(name, known)
    return f"{group}={name}: there is no such {kind}; {near}"
