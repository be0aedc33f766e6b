"""A Report as sections to print: each has a title, tables with as many columns as fit, and notes on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dropbench.report.output import asked as of_asked
from dropbench.report.output import claims as of_claimed
from dropbench.report.output import runs as of_single
from dropbench.report.records.frame import rows_of
from dropbench.report.statistics.verdict import SAME
from dropbench.report.tables.arms import legend
from dropbench.report.tables.asked import Asked
from dropbench.report.tables.columns import ABSENT, Column, Sheet, level_of, sheets
from dropbench.report.tables.comparison import Comparison, Diagnosis
from dropbench.report.tables.finding import finding
from dropbench.report.tables.grids import Grid
from dropbench.report.tables.report import Report
from dropbench.report.tables.summary import Level
from dropbench.values import count, order, plain

_GAP = 2
SPOKEN = 3
"""How many arms a rule of the diagnosis describes; the other arms are only named."""


@dataclass(frozen=True)
class Advice:
    """A sentence or two of the diagnosis, and the commands that follow from it. lead: the name of the rule."""

    lead: str
    text: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A comparison, a grid or answers to print: tables, notes on them, and advice on the next runs.

    explained: the tables' rows in plain words, if asked for. further: limits of the sweep itself. found: the finding in a line.
    """

    title: str
    sheets: tuple[Sheet, ...]
    notes: tuple[str, ...]
    advice: tuple[Advice, ...] = ()
    explained: tuple[Advice, ...] = ()
    further: tuple[Advice, ...] = ()
    found: str = ""

    @property
    def paragraphs(self) -> list[tuple[str, tuple[Advice, ...]]]:
        """The (heading, paragraphs) that stand between the tables and the notes."""
        parts = (("In words", self.explained), ("Diagnosis", self.advice), ("Before you rely on it", self.further))
        return [(name, told) for name, told in parts if told]


def sections(
    report: Report, width: int | None = None, *, brief: bool = False, wanted: Sequence[str] = ()
) -> tuple[list[Section], list[str]]:
    """Return the sections, kept to `width` characters, and the notes that all of several sections share, which are said once.

    brief: short notes, and a diagnosis with commands for the next step only; further arms are only named. wanted: names of the
    tables to keep; empty for all.
    """
    parts = [_compared(c, width, brief) for c in report.comparisons] + [_pivoted(g, width) for g in report.grids]
    parts += [] if report.asked is None else _asked(report.asked, width)
    if report.claims:
        sheet = of_claimed.of_claims(report.claims, width)
        parts.append(Section(of_claimed.TITLE, (sheet,), tuple(of_claimed.notes(report.claims))))
    if report.single is not None:
        parts.append(Section(of_single.TITLE, (of_single.of_runs(report.single, width),), (of_single.NOTE,)))
    parts = [_plain(section) for section in parts]
    if wanted:
        kept = [replace(s, sheets=tuple(t for t in s.sheets if t.name in wanted)) for s in parts]
        parts = [s for s in kept if s.sheets]
    first, *rest = [s.notes for s in parts] or [()]
    shared = [note for note in first if rest and all(note in notes for notes in rest)]
    return [replace(s, notes=tuple(n for n in s.notes if n not in shared)) for s in parts], shared


def _plain(section: Section) -> Section:
    """Escape control characters and line ends in a section, so that no record can control a terminal or break a cell."""
    sheets = [
        replace(
            sheet,
            caption=plain(sheet.caption),
            columns=tuple(
                replace(c, heading=tuple(map(plain, c.heading)), cells=tuple(map(plain, c.cells)))
                for c in sheet.columns
            ),
        )
        for sheet in section.sheets
    ]
    advice, explained, further = (
        tuple(Advice(plain(a.lead), plain(a.text), tuple(map(plain, a.commands))) for a in told)
        for told in (section.advice, section.explained, section.further)
    )
    notes = tuple(map(plain, section.notes))
    return Section(plain(section.title), tuple(sheets), notes, advice, explained, further, plain(section.found))


def all_notes(comparison: Comparison, *, legend_needed: bool = True, brief: bool = False) -> tuple[str, ...]:
    """Return a comparison's notes, with a legend of the plan's names for arms unless a table shows their settings."""
    names = legend(comparison.arms) if legend_needed else []
    return (*[f"Arms: {'; '.join(names)}."] * bool(names), *(comparison.brief if brief else comparison.notes))


def _compared(comparison: Comparison, width: int | None, brief: bool) -> Section:
    parts = list(sheets(comparison, width))
    said = any(c.heading == ("setting",) for c in parts[0].columns)
    told = tuple(Advice(*paragraph) for paragraph in comparison.explained)
    notes = all_notes(comparison, legend_needed=not said, brief=brief)
    if comparison.answers:
        answered = of_asked.contrasts(comparison.answers, width)
        parts.append(replace(answered, caption=f"{of_asked.CONTRASTS} that the study names", name="contrasts"))
    further = tuple(
        Advice(f"{d.rule.capitalize()}.", f"{d.says} {d.advice}{':' if d.commands else '.'}", d.commands)
        for d in comparison.further
    )
    found = finding(comparison).heading
    return Section(comparison.title, tuple(parts), notes, advice(comparison, brief=brief), told, further, found)


def advice(comparison: Comparison, *, brief: bool = False) -> tuple[Advice, ...]:
    """Return the diagnosis in words, rule by rule: first the next step and what it would tell, then alternatives.

    Each command is given only once. brief: a rule describes one arm, and only the next step has commands.
    """
    if (
        comparison.diagnosis is None
        or comparison.baseline is None
        or len(comparison.arms) < 2
        or not comparison.verdicts
    ):
        return ()
    if not comparison.diagnosis:
        return (Advice("", _settled(comparison)),)
    told, given = list[Advice](), set[str]()
    spoken, where = (1, "--explain") if brief else (SPOKEN, "--format json")
    for rule in dict.fromkeys(d.rule for d in comparison.diagnosis):
        ours = [d for d in comparison.diagnosis if d.rule == rule]
        for d in ours[:spoken]:
            new = tuple(c for c in d.commands if c not in given)
            given.update(new)
            step = f"{d.advice}{_cost(comparison, d)}."
            text = f"{d.says} Or: {step}" if told else f"{d.says} Next: {step} {d.buys}".rstrip()
            told.append(Advice(f"{rule.capitalize()}.", text, () if brief and told else new))
        if rest := [d.arms[0] for d in ours[spoken:]]:
            alike = all(d.advice == ours[spoken - 1].advice for d in ours[spoken:])
            more = "the numbers" if alike else "the numbers, and what to try instead"
            told.append(
                Advice(
                    f"{rule.capitalize()}.",
                    f"So {'is' if len(rest) == 1 else 'are'} {', '.join(rest)}; {where} has {more}.",
                )
            )
    return tuple(told)


def _settled(comparison: Comparison) -> str:
    """Return what to do if no rule of the diagnosis applies: the verdicts themselves may say it."""
    told = comparison.verdicts.values()
    if all(c.confirmed and c.direction in ("worse", SAME) for c in told):
        return f"Every verdict is confirmed, and no arm is better than {comparison.base}. Next: keep {comparison.base}."
    return "No rule of the diagnosis applies to these runs; the verdicts say what is certain."


def _cost(comparison: Comparison, told: Diagnosis) -> str:
    """Estimate the cost of a diagnosis's runs from that of the comparison's: `; 20 runs, about 7.1 s of training`."""
    runs = sum(len(step.seeds) for step in told.steps)
    done = comparison.runs[comparison.runs["status"] == "completed"]
    # By the epochs that were asked for, since runs that stop early are taken to do so again.
    asked = done["train.epochs"] if "train.epochs" in done else done["epochs_run"]
    epoch = (done["seconds"].astype(float) / asked.astype(float)).mean()
    seconds = epoch * sum(len(step.seeds) * (step.config["train"].get("epochs") or 0) for step in told.steps)
    if not runs:
        return ""
    about = f"{seconds:.2g}" if seconds < 99.5 else f"{seconds:,.0f}"
    return f"; {count(runs, 'run')}" + (f", about {about} s of training" if seconds >= 0.1 else "")


def _asked(asked: Asked, width: int | None) -> list[Section]:
    parts = (
        [Section(of_asked.CONTRASTS, (of_asked.contrasts(asked.answers, width),), asked.notes)] if asked.answers else []
    )
    for found in asked.optima:
        sheet, notes = of_asked.optimum(found, width)
        parts.append(Section(of_asked.title(found), (sheet,), tuple(notes)))
    return parts


def _pivoted(grid: Grid, width: int | None) -> Section:
    cells: dict[tuple[str, str], Any] = {(r["row"], r["column"]): r for r in rows_of(grid.table)}
    rows = list(dict.fromkeys(r for r, _ in cells))
    counted = len(set(grid.table["n"])) > 1

    def cell(row: str, column: str) -> str:
        of = cells.get((row, column))
        if of is None:
            return ABSENT
        return level_of(grid.measure.level, Level(of["mean"], of["sd"], of["median"], of.get("never", 0), of["n"])) + (
            f" ({of['n']})" if counted else ""
        )

    columns = [
        Column((c,), tuple(cell(r, c) for r in rows)) for c in sorted(dict.fromkeys(c for _, c in cells), key=order)
    ]
    corner = (grid.rows if grid.cols is None else f"{grid.rows} \\ {grid.cols}",)
    parts = _chunks(Column(corner, tuple(rows), right=False), columns, width)
    return Section(grid.title, tuple(Sheet("", part) for part in parts), grid.notes)


def _chunks(first: Column, columns: Sequence[Column], width: int | None) -> list[tuple[Column, ...]]:
    """Split columns into as many tables as it takes to keep to the width; each begins with the first column."""
    room = math.inf if width is None else width - first.width
    parts: list[list[Column]] = [[]]
    used = 0
    for column in columns:
        if parts[-1] and used + column.width + _GAP > room:
            parts.append([])
            used = 0
        parts[-1].append(column)
        used += column.width + _GAP
    return [(first, *part) for part in parts]
