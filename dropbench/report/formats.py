"""A Report as text: rich tables for people, markdown for pages, csv and json (full precision, fractions) for programs."""

from __future__ import annotations

import io
import json
import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dropbench.errors import UsageError, nearest
from dropbench.report import FORMATS
from dropbench.report.arms import legend
from dropbench.report.columns import FOLD, Sheet, label_width, sheets
from dropbench.report.compare import INTERVAL
from dropbench.report.frame import rows_of

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    from dropbench.report.assemble import Comparison, Report

_READABLE = 110


def render(report: Report, fmt: str, width: int | None) -> str:
    """See dropbench.report.render. Raises UsageError for an unknown format."""
    if fmt == "rich":
        from rich.console import Console

        console = Console(file=io.StringIO(), width=width, no_color=True, highlight=False)
        with console.capture() as capture:
            show(report, console)
        return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines()) + "\n"
    if fmt == "markdown":
        return _markdown(report)
    if fmt == "csv":
        return str(_rows(report).to_csv(index=False))
    if fmt == "json":
        return _json(report)
    raise UsageError(f"--format {fmt}: {nearest(fmt, FORMATS)}")


def show(report: Report, console: Console) -> None:
    """See dropbench.report.show. Style adds nothing that the words do not say."""
    from rich.padding import Padding
    from rich.text import Text

    for question in report.questions:
        console.print(Text(question, style="italic"))
        console.print()
    shared = _shared(report)
    for comparison in report.comparisons:
        console.print(Text(comparison.title, style="bold"))
        parts = sheets(comparison, console.width - 2)
        for sheet in parts:
            console.print()
            if sheet.caption:
                console.print(Padding(Text(sheet.caption), (0, 0, 0, 1), expand=False))
            console.print(Padding(_table(sheet, console.width - 2), (0, 0, 0, 1), expand=False))
        console.print()
        notes = [n for n in _all_notes(comparison, parts[0]) if n not in shared]
        _notes(console, notes)
        if notes and comparison is not report.comparisons[-1]:
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
        table.add_row(*(Text(cell) for cell in (folded, *cells)))
    return table


def _notes(console: Console, notes: Sequence[str]) -> None:
    """With the lines after the first indented, so that each is seen to be one; no longer than is pleasant to read."""
    from rich.text import Text

    for note in notes:
        lines = textwrap.wrap(note, min(console.width, _READABLE), initial_indent=" ", subsequent_indent="   ")
        console.print(Text("\n".join(lines)), soft_wrap=True)


def _shared(report: Report) -> list[str]:
    """The notes that every one of several tables has: said once."""
    first, *rest = [c.notes for c in report.comparisons] or [()]
    return [note for note in first if rest and all(note in notes for notes in rest)]


def _all_notes(comparison: Comparison, summary: Sheet) -> list[str]:
    """With what the plan's names stand for, unless the table says it."""
    shown = any(c.heading == ("setting",) for c in summary.columns)
    names = [] if shown else legend(comparison.arms)
    return [f"Arms: {'; '.join(names)}."] * bool(names) + list(comparison.notes)


def _markdown(report: Report) -> str:
    from tabulate import tabulate

    parts = [f"*{question}*" for question in report.questions]
    shared = _shared(report)
    for comparison in report.comparisons:
        parts.append(f"### {comparison.title}")
        for sheet in sheets(comparison):
            if sheet.caption:
                parts.append(f"**{sheet.caption}**")
            rows = [
                [cell.replace("|", r"\|") for cell in row]
                for row in zip(*(c.cells for c in sheet.columns), strict=True)
            ]
            heads = [" ".join(h for h in c.heading if h) for c in sheet.columns]
            align = ["right" if c.right else "left" for c in sheet.columns]
            parts.append(tabulate(rows, heads, tablefmt="pipe", colalign=align, disable_numparse=True))
        parts.append(_bullets(n for n in _all_notes(comparison, sheets(comparison)[0]) if n not in shared))
    parts += [*["Of all tables above:"] * bool(shared), _bullets([*shared, *report.notes])]
    parts = [part for part in parts if part]
    return "\n\n".join(parts) + "\n"


def _bullets(notes: Iterable[str]) -> str:
    return "\n".join(f"- {note}" for note in notes)


def _rows(report: Report) -> pd.DataFrame:
    """One row an arm and comparison: the tables with their title and baseline in front."""
    import pandas as pd

    tables = []
    for comparison in report.comparisons:
        table = comparison.table.copy()
        table.insert(0, "comparison", comparison.title)
        table.insert(1, "baseline", comparison.baseline)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["comparison", "baseline", "arm"])


def _json(report: Report) -> str:
    """rows: as in csv, null where unknown or not finite. comparisons: what is said of each."""
    rows = [
        {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}
        for row in rows_of(_rows(report))
    ]
    about = [
        {"title": c.title, "baseline": c.baseline, "interval": INTERVAL, "notes": _all_notes(c, Sheet("", ()))}
        for c in report.comparisons
    ]
    skipped = [{"path": str(s.path), "reason": s.reason} for s in report.skipped]
    tree = {
        "rows": rows,
        "comparisons": about,
        "notes": list(report.notes),
        "skipped": skipped,
        "questions": list(report.questions),
    }
    return json.dumps(tree, indent=1, ensure_ascii=False) + "\n"
