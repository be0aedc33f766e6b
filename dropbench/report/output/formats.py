"""A Report in any of FORMATS. The modules that a format needs are imported when it is first used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dropbench.errors import UsageError, nearest
from dropbench.report.output import FORMATS
from dropbench.report.output.export import as_csv, as_json, write_parquet
from dropbench.report.tables.report import Report

PAGE = 130
"""The width of a table that a document has room for, in characters."""
READABLE = 110
"""The width of a table that a browser shows without scrolling, in characters."""


def render(
    report: Report, fmt: str = "rich", width: int | None = None, *, wide: bool = False, tables: Sequence[str] = ()
) -> str:
    """Return the report as text in any of FORMATS except parquet.

    Parameters
    ----------
    width : int or None
        For `rich`, the width in characters; None takes the terminal's.
    wide : bool
        Whether to show all columns of the tables instead of the most important ones.
    tables : sequence of str
        For markdown and LaTeX, the names (of NAMES) of the tables to write; empty for all.

    Raises
    ------
    UsageError
        For an unknown format, for parquet, which is not text, and for the verdict of a report that compares no arms.
    """
    if fmt == "rich":
        from dropbench.report.output.terminal import text

        return text(report, width, wide)
    if fmt == "markdown":
        from dropbench.report.output.markup import markdown

        return markdown(report, None if wide else PAGE, tables)
    if fmt == "latex":
        from dropbench.report.output.latex import latex

        return latex(report, None if wide else PAGE, tables)
    if fmt == "html":
        from dropbench.report.output.page import page

        return page(report, None if wide else READABLE)
    if fmt == "csv":
        return as_csv(report)
    if fmt == "json":
        return as_json(report)
    if fmt == "verdict":
        return _verdicts(report)
    if fmt == "parquet":
        raise UsageError(
            "--format parquet is not text and cannot be printed: name a file to write it to, as in --out report.parquet"
        )
    raise UsageError(f"--format {fmt}: {nearest(fmt, FORMATS)}")


def _verdicts(report: Report) -> str:
    """Return a line for each headline and for each comparison. Raises UsageError for a report that compares no arms."""
    from dropbench.report.tables.answer import answers

    if not report.comparisons:
        raise UsageError("--format verdict: only a comparison of arms has a verdict; leave out --format verdict")
    return "\n".join([*report.headlines, *answers(report.comparisons)])


def write(report: Report, fmt: str, file: Path, *, wide: bool = False, tables: Sequence[str] = ()) -> None:
    """Write the report to a file in one of FORMATS. Raises OSError if the file cannot be written."""
    if fmt == "parquet":
        write_parquet(report, file)
    else:
        text = render(report, fmt, wide=wide, tables=tables)
        file.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
