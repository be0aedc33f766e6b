"""A Report as LaTeX: floats with booktabs, each with a caption and a label, and numbers with true minus signs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dropbench.report.output.sections import sections
from dropbench.report.tables.columns import Column, Sheet
from dropbench.report.tables.report import Report

_TEX = {
    "\\": r"\textbackslash{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "±": r"$\pm$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "×": r"$\times$",
    "\N{MINUS SIGN}": "$-$",
    "\N{NO-BREAK SPACE}": "~",
}


def tex(text: str) -> str:
    """Escape a text for LaTeX, and put true minus signs before numbers."""
    signed = re.sub(r"(?<![\w.])-(?=\d)", "\N{MINUS SIGN}", text)
    return "".join(_TEX.get(c, c) for c in signed)


def latex(report: Report, width: int | None, wanted: Sequence[str] = ()) -> str:
    r"""Return a `table` float for each table, for use with \\usepackage{booktabs}; the notes on it are comments above it.

    width: of the tables, in characters; None keeps every column. wanted: names of the tables to write; empty for all.
    """
    told, shared = sections(report, width, wanted=wanted)
    parts, labels = [], set[str]()
    for section in told:
        limits = [f"{a.lead} {a.text}" for a in section.further]
        above = [*report.headlines, section.title, *limits, *section.notes, *shared, *report.notes]
        for sheet in section.sheets:
            what = sheet.caption or ("mean and standard deviation over seeds" if sheet.name == "arms" else "")
            caption = f"{section.title}: {what[:1].lower()}{what[1:]}" if what else section.title
            label = _label(f"{section.title}-{sheet.name}", labels)
            comments = [f"% {line}" for line in (above if sheet is section.sheets[0] else []) if line]
            parts.append("\n".join([*comments, *_table(sheet, caption, label)]))
    return "\n\n".join(parts) + "\n"


def _label(text: str, taken: set[str]) -> str:
    """Return a label such as `tab:mlp-on-digits-differences`, which no other table has."""
    stem = label = "tab:" + re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    again = 2
    while label in taken:
        label, again = f"{stem}-{again}", again + 1
    taken.add(label)
    return label


def _table(sheet: Sheet, caption: str, label: str) -> list[str]:
    cells = [[tex(cell) for cell in row] for row in zip(*(c.cells for c in sheet.columns), strict=True)]
    return [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{tex(caption)}.}}",
        f"  \\label{{{label}}}",
        f"  \\begin{{tabular}}{{{''.join('r' if c.right else 'l' for c in sheet.columns)}}}",
        r"    \toprule",
        *(f"    {line}" for line in _heads(sheet.columns)),
        r"    \midrule",
        *(f"    {' & '.join(row)} \\\\" for row in cells),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]


def _heads(columns: Sequence[Column]) -> list[str]:
    """Return the headings in as many lines as the tallest has, aligned at the bottom."""
    lines = [[part for part in c.heading if part] for c in columns]
    tall = max(map(len, lines), default=1)
    padded = [[""] * (tall - len(parts)) + parts for parts in lines]
    return [" & ".join(tex(p[i]) for p in padded) + r" \\" for i in range(tall)]
