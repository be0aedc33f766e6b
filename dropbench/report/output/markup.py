"""A Report as markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tabulate import tabulate

from dropbench.report.output.sections import sections
from dropbench.report.tables.columns import Sheet
from dropbench.report.tables.report import Report


def markdown(report: Report, width: int | None) -> str:
    """Pipe tables under headings. width: of the tables, in characters; None keeps every column."""
    told, shared = sections(report, width)
    parts = [*(f"**{said}**" for said in report.headlines), *(f"*{question}*" for question in report.questions)]
    for section in told:
        parts.append(f"### {section.title}")
        for sheet in section.sheets:
            if sheet.caption:
                parts.append(f"**{sheet.caption}**")
            parts.append(_tabulated(sheet, "pipe", lambda cell: cell.replace("|", r"\|")))
        for heading, paragraphs in section.paragraphs:
            said = [
                f"{f'**{a.lead}** ' if a.lead else ''}{a.text}" + "".join(f"\n  `{c}`  " for c in a.commands).rstrip()
                for a in paragraphs
            ]
            parts.append(f"**{heading}**\n\n{_bullets(said)}")
        parts.append(_bullets(section.notes))
    parts += [*["Of all tables above:"] * bool(shared), _bullets([*shared, *report.notes])]
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(report: Report, width: int | None) -> str:
    r"""Tables for \usepackage{booktabs}, each with its title, caption and notes as comments above it."""
    told, shared = sections(report, width)
    parts = []
    for section in told:
        limits = [f"{a.lead} {a.text}" for a in section.further]
        above = [*report.headlines, section.title, *limits, *section.notes, *shared, *report.notes]
        for sheet in section.sheets:
            lines = [*above, sheet.caption] if sheet is section.sheets[0] else [sheet.caption]
            comments = "\n".join(f"% {line}" for line in lines if line)
            table = _tabulated(sheet, "latex_booktabs", str).replace("±", r"$\pm$").replace("≤", r"$\le$")
            parts.append(f"{comments}\n{table}" if comments else table)
    return "\n\n".join(parts) + "\n"


def _tabulated(sheet: Sheet, form: str, escaped: Callable[[str], str]) -> str:
    rows = [[escaped(cell) for cell in row] for row in zip(*(c.cells for c in sheet.columns), strict=True)]
    heads = [" ".join(h for h in c.heading if h) for c in sheet.columns]
    align = ["right" if c.right else "left" for c in sheet.columns]
    return str(tabulate(rows, heads, tablefmt=form, colalign=align, disable_numparse=True))


def _bullets(notes: Iterable[str]) -> str:
    return "\n".join(f"- {note}" for note in notes)
