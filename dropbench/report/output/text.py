"""A Report as text for people: rich tables for terminals, markdown and LaTeX. Page: page.py. For programs: programs.py."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError, nearest
from dropbench.report import FORMATS
from dropbench.report.output.export import as_json, rows, write_parquet
from dropbench.report.tables.columns import FOLD, Sheet, label_width
from dropbench.report.tables.sections import sections

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dropbench.report.assemble import Report

READABLE = 110
"""Columns of text in a line that is pleasant to read, and in a table that a browser shows whole."""
PAGE = 130
"""Columns of text that a page has room for in a table."""
ENDLESS = 2_000
_CERTAIN = {"better": "bold green", "worse": "bold red", "equivalent": "bold"}
"""Style of the verdicts that say something: it adds nothing to the word."""


def render(report: Report, fmt: str, width: int | None, wide: bool) -> str:
    """See dropbench.report.render. Raises UsageError for an unknown format, and for parquet, which is no text."""
    if fmt == "rich":
        from rich.console import Console

        console = Console(file=io.StringIO(), width=ENDLESS if wide else width, no_color=True, highlight=False)
        with console.capture() as capture:
            show(report, console)
        return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines()) + "\n"
    if fmt == "markdown":
        return _markdown(report, None if wide else PAGE)
    if fmt == "latex":
        return _latex(report, None if wide else PAGE)
    if fmt == "html":
        from dropbench.report.output.page import page

        return page(report, None if wide else READABLE)
    if fmt == "csv":
        return str(rows(report).to_csv(index=False))
    if fmt == "json":
        return as_json(report)
    if fmt == "parquet":
        raise UsageError("--format parquet is no text: name a file to write it to, as in --out report.parquet")
    raise UsageError(f"--format {fmt}: {nearest(fmt, FORMATS)}")


def write(report: Report, fmt: str, file: Path, wide: bool) -> None:
    """See dropbench.report.write."""
    if fmt == "parquet":
        write_parquet(report, file)
    else:
        text = render(report, fmt, None, wide)
        file.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")


def show(report: Report, console: Console) -> None:
    """See dropbench.report.show. Style adds nothing that the words do not say."""
    from rich.padding import Padding
    from rich.text import Text

    for question in report.questions:
        console.print(Text(question, style="italic"))
        console.print()
    room = console.width - 2
    found, shared = sections(report, room)
    for section in found:
        console.print(Text(section.title, style="bold"))
        for sheet in section.sheets:
            console.print()
            if sheet.caption:
                console.print(Padding(Text(sheet.caption), (0, 0, 0, 1), expand=False))
            console.print(Padding(_table(sheet, room), (0, 0, 0, 1), expand=False))
        console.print()
        if section.advice:
            console.print(Padding(Text("Diagnosis", style="bold"), (0, 0, 0, 1), expand=False))
            for advice in section.advice:
                _notes(console, [f"{advice.lead} {advice.text}".lstrip()], bold=len(advice.lead))
                for command in advice.commands:  # never wrapped: it is there to be copied
                    console.out(f"     {command}", highlight=False)
            console.print()
        _notes(console, section.notes)
        if section.notes and section is not found[-1]:
            console.print()
    if shared:
        console.print()
        console.print(Text("Of all tables above", style="bold"))
    _notes(console, [*shared, *report.notes])


def _table(sheet: Sheet, width: int) -> Table:
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

    rule = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")  # one line under the headings and no other
    table = Table(box=rule, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    room = label_width(sheet.columns, width)
    for i, column in enumerate(sheet.columns):
        table.add_column(
            Text("\n".join(column.heading)),
            justify="right" if column.right else "left",
            vertical="top",
            no_wrap=i > 0,
            overflow="fold" if i == 0 else "ellipsis",  # a number cut short must be seen to be
            width=column.width if i else room,
        )
    for label, *cells in zip(*(c.cells for c in sheet.columns), strict=True):
        folded = "\n".join(textwrap.wrap(label, room, subsequent_indent=" " * FOLD))
        table.add_row(*(Text(cell, style=_CERTAIN.get(cell, "")) for cell in (folded, *cells)))
    return table


def _notes(console: Console, notes: Sequence[str], bold: int = 0) -> None:
    """With the lines after the first indented, so that each is seen to be one; no longer than is pleasant to read.

    bold: so many characters at the start of each.
    """
    from rich.text import Text

    for note in notes:
        lines = textwrap.wrap(note, min(console.width, READABLE), initial_indent=" ", subsequent_indent="   ")
        text = Text("\n".join(lines))
        text.stylize("bold", 1, 1 + bold)
        console.print(text, soft_wrap=True)


def _markdown(report: Report, width: int | None) -> str:
    found, shared = sections(report, width)
    parts = [f"*{question}*" for question in report.questions]
    for section in found:
        parts.append(f"### {section.title}")
        for sheet in section.sheets:
            if sheet.caption:
                parts.append(f"**{sheet.caption}**")
            parts.append(_tabulated(sheet, "pipe", lambda cell: cell.replace("|", r"\|")))
        if section.advice:
            said = [
                f"{f'**{a.lead}** ' if a.lead else ''}{a.text}" + "".join(f"\n  `{c}`  " for c in a.commands).rstrip()
                for a in section.advice
            ]
            parts.append(f"**Diagnosis**\n\n{_bullets(said)}")
        parts.append(_bullets(section.notes))
    parts += [*["Of all tables above:"] * bool(shared), _bullets([*shared, *report.notes])]
    parts = [part for part in parts if part]
    return "\n\n".join(parts) + "\n"


def _latex(report: Report, width: int | None) -> str:
    """Tables for \\usepackage{booktabs}, each with its title, caption and notes as comments above it."""
    found, shared = sections(report, width)
    parts = []
    for section in found:
        above = [section.title, *section.notes, *shared, *report.notes]
        for sheet in section.sheets:
            lines = [*above, sheet.caption] if sheet is section.sheets[0] else [sheet.caption]
            comments = "\n".join(f"% {line}" for line in lines if line)
            table = _tabulated(sheet, "latex_booktabs", str).replace("±", r"$\pm$").replace("≤", r"$\le$")
            parts.append(f"{comments}\n{table}" if comments else table)
    return "\n\n".join(parts) + "\n"


def _tabulated(sheet: Sheet, form: str, escaped: Callable[[str], str]) -> str:
    from tabulate import tabulate

    rows = [[escaped(cell) for cell in row] for row in zip(*(c.cells for c in sheet.columns), strict=True)]
    heads = [" ".join(h for h in c.heading if h) for c in sheet.columns]
    align = ["right" if c.right else "left" for c in sheet.columns]
    return str(tabulate(rows, heads, tablefmt=form, colalign=align, disable_numparse=True))


def _bullets(notes: Iterable[str]) -> str:
    return "\n".join(f"- {note}" for note in notes)
