"""`dropbench list`: what exists, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dropbench.cli.console import Shown
from dropbench.errors import UsageError, nearest

_SECTIONS = {
    "variants": "dropout",
    "schedules": "dropout/schedule",
    "models": "model",
    "data": "data",
    "studies": "study",
    "metrics": "metric",
}
"""What the sections are called, and the groups of conf/ that they show."""


def list_options(
    section: str | None, overrides: Sequence[str], conf: Sequence[Path], *, as_json: bool, quiet: bool
) -> int:
    """Shows the options of one section, or of all for None, with the line that opens each file. Returns the exit code, 0.

    Sites are those of the model and data that `overrides` choose. Raises UsageError for a section that does not exist.
    """
    from dropbench.config.options import options

    if section == "sites":
        from dropbench.cli.sites import list_sites

        return list_sites(overrides, conf, as_json=as_json, quiet=quiet)
    if overrides:
        raise UsageError(f"list {section} takes no settings such as {overrides[0]}; `dropbench list sites` does")
    if section is not None and section not in _SECTIONS:
        raise UsageError(f"list {section}: there is no such section; {nearest(section, [*_SECTIONS, 'sites'])}")
    folders = [folder.resolve() for folder in conf]
    headlines = {
        name: {option: _headline(file) for option, file in options(group, folders).items()}
        for name, group in _SECTIONS.items()
        if section in (None, name)
    }
    shown = Shown(quiet, as_json)
    if as_json:
        shown.json(headlines)
    else:
        shown.options(headlines)
    return 0


def _headline(file: Path) -> str:
    """An option's line: the comment that opens its file."""
    first = file.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""
