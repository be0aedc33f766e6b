"""A Report on a terminal, printed or redrawn in place. Of the output modules only this one imports rich, so import it late."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rich.box import Box
from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dropbench.report.output.sections import Advice, Section, sections
from dropbench.report.statistics.verdict import SAME
from dropbench.report.tables.columns import FOLD, Sheet, label_width
from dropbench.report.tables.report import Report

READABLE = 110
"""The longest line that is pleasant to read, in characters."""
ENDLESS = 2_000
MORE = "In full, number by number: dropbench report --explain."
_NAMED = 2
"""How many of the columns that were left out are named."""
_CERTAIN = {"better": "bold green", "worse": "bold red", SAME: "bold"}
"""The styles of decided verdicts. They only emphasize what the words say."""
_RULE = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
"""One line under the headings and no other."""


def text(report: Report, width: int | None, wide: bool) -> str:
    """Return what `show` prints, without style. width: in characters; None: the terminal's. wide: all columns of the tables."""
    # Neither a terminal nor a notebook, whatever the environment says: FORCE_COLOR, which notebooks set, is for the screen.
    console = Console(
        file=io.StringIO(),
        width=ENDLESS if wide else width,
        no_color=True,
        highlight=False,
        force_terminal=False,
        force_jupyter=False,
    )
    with console.capture() as capture:
        show(report, console)
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines()) + "\n"


def show(report: Report, console: Console) -> None:
    """Print the report's tables, as wide as the console. Style only emphasizes what the words say."""
    for said in report.headlines:
        console.print(
            Text("\n".join(textwrap.wrap(said, min(console.width, READABLE))), style="bold red"), soft_wrap=True
        )
        console.print()
    for question in report.questions:
        console.print(Text(question, style="italic"))
        console.print()
    brief = not any(c.explained for c in report.comparisons)
    parts, shared = sections(report, console.width - 2, brief=brief)
    for section in parts:
        _section(section, console, last=section is parts[-1])
    if shared:
        console.print()
        console.print(Text("Of all tables above", style="bold"))
    more = brief and any(len(c.notes) > len(c.brief) for c in report.comparisons)
    _notes(console, [*shared, *report.notes, *[MORE] * more])


class Screen:
    """Shows a growing report on a terminal; elsewhere prints a line for each change."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="ellipsis")
        self._told = ""

    @contextmanager
    def open(self) -> Iterator[None]:
        """Show the report within this context; afterwards the terminal is as it was before."""
        try:
            if self.console.is_terminal:
                self._live.start()
            yield
        finally:
            self._live.stop()

    def update(self, line: str, content: Report | str) -> None:
        """Show the line and the content on a terminal; elsewhere print the line, if its part before the first `;` has changed.

        Only the tables of a report are shown, because there is no room for notes while it grows; they follow at the end.
        """
        change = line.partition(";")[0]
        if self.console.is_terminal:
            rest = content if isinstance(content, str) else _bare(content, self.console.width)
            self._live.update(Text(f"{line}\n\n{rest}"), refresh=True)
        elif change != self._told:
            self.console.print(Text(line), soft_wrap=True)
            self._told = change


def _bare(report: Report, width: int) -> str:
    comparisons = tuple(replace(c, notes=(), brief=(), diagnosis=None, further=()) for c in report.comparisons)
    return text(replace(report, comparisons=comparisons, notes=()), width, False)


def _section(section: Section, console: Console, last: bool) -> None:
    console.print(Text(section.title, style="bold"))
    if section.found:
        console.print(Text(f"{section.found}."))
    for sheet in section.sheets:
        console.print()
        if sheet.caption:
            console.print(_indented(Text(sheet.caption)))
        console.print(_indented(table_of(sheet, console.width - 2)))
    console.print()
    for heading, told in section.paragraphs:
        _paragraphs(heading, told, console)
    hidden = dict.fromkeys(name for sheet in section.sheets for name in sheet.hidden)
    _notes(console, [*section.notes, *_left_out(list(hidden))])
    if section.notes and not last:
        console.print()


def _left_out(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"Columns left out: {', '.join(names[:_NAMED])}{more}; --wide has them."]


def _paragraphs(heading: str, told: Sequence[Advice], console: Console) -> None:
    console.print(_indented(Text(heading, style="bold")))
    for advice in told:
        _notes(console, [f"{advice.lead} {advice.text}".lstrip()], bold=len(advice.lead))
        for command in advice.commands:  # never wrapped, because it is to be copied
            console.out(f"     {command}", highlight=False)
    console.print()


def _indented(content: Text | Table) -> Padding:
    return Padding(content, (0, 0, 0, 1), expand=False)


def table_of(sheet: Sheet, width: int) -> Table:
    """Return a table for rich. width: in characters; the first column is folded to leave room for the others."""
    table = Table(box=_RULE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    room = label_width(sheet.columns, width)
    for i, column in enumerate(sheet.columns):
        table.add_column(
            Text("\n".join(column.heading)),
            justify="right" if column.right else "left",
            vertical="top",
            no_wrap=i > 0,
            overflow="fold" if i == 0 else "ellipsis",  # a number that is cut short must look cut
            width=column.width if i else room,
        )
    for label, *cells in zip(*(c.cells for c in sheet.columns), strict=True):
        folded = "\n".join(textwrap.wrap(label, room, subsequent_indent=" " * FOLD))
        table.add_row(*(Text(cell, style=_CERTAIN.get(cell, "")) for cell in (folded, *cells)))
    return table


def _notes(console: Console, notes: Sequence[str], bold: int = 0) -> None:
    """Print notes, each wrapped to a readable width with a hanging indent that shows where the next one begins.

    bold: how many characters at the start of each note are bold.
    """
    for note in notes:
        lines = textwrap.wrap(note, min(console.width, READABLE), initial_indent=" ", subsequent_indent="   ")
        styled = Text("\n".join(lines))
        styled.stylize("bold", 1, 1 + bold)
        console.print(styled, soft_wrap=True)
