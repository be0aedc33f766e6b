"""The format of a report: as typed with --format or --json, or else what the ending of the file says."""

from __future__ import annotations

from pathlib import Path

from dropbench.errors import UsageError
from dropbench.report.output import ENDINGS, PICTURES

_ALSO = {"text": "rich", "terminal": "rich", **{ending[1:]: fmt for ending, fmt in ENDINGS.items()}}
"""Other words for formats."""


def chosen(typed: str | None, as_json: bool, out: Path | None) -> str:
    """Return the format to show or write a report in; a word that is no format is returned as it is.

    Parameters
    ----------
    typed : str, optional
        The value of --format.
    as_json : bool
        Whether --json was typed.
    out : Path, optional
        The file to write. Without a typed format its ending decides, and a file with any other ending is text.

    Raises
    ------
    UsageError
        If --json and another format were typed, or the file's ending is that of a picture.
    """
    if typed is not None:
        fmt = _ALSO.get(typed.strip().lower(), typed)
        if as_json and fmt != "json":
            raise UsageError(f"--json and --format {typed} are two formats: type one of them")
        return fmt
    if out is not None and not as_json and out.suffix.lower() in PICTURES:
        raise UsageError(
            f"{out}: a report cannot be written as a picture; for figures as SVG, PDF and PNG, type --figures DIR"
        )
    return "json" if as_json else _of(out) or "rich"


def written(fmt: str, out: Path) -> str:
    """Return a line that says which file was written, and in which format if its ending means another one."""
    means = _of(out)
    if means not in (None, fmt):
        return f"written to {out}, as {fmt} because that was typed; its ending means {means}"
    text = fmt == "rich" and out.suffix.lower() not in ("", ".txt", ".log")
    return f"written to {out}" + (f", as text because no format has the ending {out.suffix}" if text else "")


def _of(out: Path | None) -> str | None:
    return None if out is None else ENDINGS.get(out.suffix.lower())
