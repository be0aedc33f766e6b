"""A Report as markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from dropbench.report.output.sections import sections
from dropbench.report.tables.columns import Sheet
from dropbench.report.tables.report import Report


def markdown(report: Report, width: int | None, wanted: Sequence[str] = ()) -> str:
    """Return the report as pipe tables under headings.

    width: of the tables, in characters; None keeps every column. wanted: names of the tables to write; empty for all.
    """
    told, shared = sections(report, width, wanted=wanted)
    parts = [*(f"**{said}**" for said in report.headlines), *(f"*{question}*" for question in report.questions)]
    for section in told:
        parts.append(f"### {section.title}")
        parts += [f"**{section.found}.**"] if section.found else []
        for sheet in section.sheets:
            if sheet.caption:
                parts.append(f"**{sheet.caption}**")
            parts.append(pipe_table(sheet))
        for heading, paragraphs in section.paragraphs:
            said = [
                f"{f'**{a.lead}** ' if a.lead else ''}{a.text}" + "".join(f"\n  `{c}`  " for c in a.commands).rstrip()
                for a in paragraphs
            ]
            parts.append(f"**{heading}**\n\n{_bullets(said)}")
        parts.append(_bullets(section.notes))
    parts += [*["Of all tables above:"] * bool(shared), _bullets([*shared, *report.notes])]
    return "\n\n".join(part for part in parts if part) + "\n"


def pipe_table(sheet: Sheet) -> str:
    """Return a table in GitHub's markdown."""
    rows = [[cell.replace("|", r"\|") for cell in row] for row in zip(*(c.cells for c in sheet.columns), strict=True)]
    heads = [" ".join(h for h in c.heading if h) for c in sheet.columns]
    align = ["right" if c.right else "left" for c in sheet.columns]
    return str(tabulate(rows, heads, tablefmt="pipe", colalign=align, disable_numparse=True))


def _bullets(notes: Iterable[str]) -> str:
    return "\n".join(f"- {note}" for note in notes)
