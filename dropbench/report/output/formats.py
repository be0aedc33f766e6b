"""A Report in any of FORMATS. What a format takes is imported with the first report in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dropbench.errors import UsageError, nearest
from dropbench.report.output import FORMATS
from dropbench.report.output.export import as_csv, as_json, write_parquet
from dropbench.report.tables.report import Report

PAGE = 130
"""Columns of text that a document has room for in a table."""
READABLE = 110
"""Columns of text in a table that a browser shows whole."""


def render(
    report: Report, fmt: str = "rich", width: int | None = None, *, wide: bool = False, tables: Sequence[str] = ()
) -> str:
    """The report as text in one of FORMATS but parquet.

    Parameters
    ----------
    width : int or None
        In columns, for `rich`; None is the terminal's.
    wide : bool
        All columns of the tables, not those that matter most.
    tables : sequence of str
        Of markdown and LaTeX: the names of the tables to write, of NAMES; none is all.

    Raises
    ------
    UsageError
        For an unknown format, and for parquet, which is no text.
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
    if fmt == "parquet":
        raise UsageError(
            "--format parquet is not text and cannot be printed: name a file to write it to, as in --out report.parquet"
        )
    raise UsageError(f"--format {fmt}: {nearest(fmt, FORMATS)}")


def write(report: Report, fmt: str, file: Path, *, wide: bool = False, tables: Sequence[str] = ()) -> None:
    """Writes the report to a file in one of FORMATS. Raises OSError where that cannot be."""
    if fmt == "parquet":
        write_parquet(report, file)
    else:
        text = render(report, fmt, wide=wide, tables=tables)
        file.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
