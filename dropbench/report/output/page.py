"""A Report as one self-contained page: no network, and no script that reading it would need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from shlex import join
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from dropbench.identity import given
from dropbench.report.output.asked import titles
from dropbench.report.output.claims_page import about
from dropbench.report.output.figures import draw
from dropbench.report.output.sections import sections
from dropbench.report.records.frame import PACKAGES
from dropbench.report.tables.answer import answer
from dropbench.report.tables.report import Report
from dropbench.store import StoredPlan
from dropbench.values import absent, count, plain, written

SOURCES = {
    **{f"{package}_version": package for package in PACKAGES},
    "git_commit": "git commit",
    "device": "device",
    "threads": "threads per run",
    "data_fingerprint": "data fingerprint",
}
"""Columns of the frame that say what made the runs, and what to call them."""


def page(report: Report, width: int | None) -> str:
    """HTML5. width: of the tables, in characters; None keeps every column."""
    environment = _environment()
    if report.claims:
        return environment.get_template("claims.html.j2").render(**about(report.claims))
    parts, shared = sections(report, width)
    answers = [(plain(c.title), plain(answer(c))) for c in report.comparisons]
    captions = [*("Each arm" for _ in report.comparisons), *(g.title for g in report.grids)]
    captions += [] if report.asked is None else titles(report.asked)
    captions += [] if report.single is None else ["Each run"]
    asked = report.questions or tuple(dict.fromkeys(plain(p.question) for p in report.plans if p.question))
    return environment.get_template("page.html.j2").render(
        question=" ".join(asked) or _question(report),
        parts=list(zip_longest(parts, captions, draw(report), fillvalue=())),
        headlines=report.headlines,
        verdicts=answers,
        notes=[*shared, *report.notes],
        commands=commands(report),
        unplanned=_unplanned(report),
        report_command=None if report.command is None else plain(report.command),
        sources=sources(report),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dropbench.report.output", "html"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sentence"] = lambda words: words.replace(" %", "\N{NO-BREAK SPACE}%")
    return environment


def _question(report: Report) -> str:
    """For what was asked by no study."""
    if report.grids:
        grid = report.grids[0]
        return f"{grid.measure.spoken.capitalize()} by {' and '.join(k for k in (grid.rows, grid.cols) if k)}"
    if report.single is not None:
        return "What did each run come to?"
    against = {c.baseline for c in report.comparisons if c.baseline}
    return f"Does anything do better than {against.pop()}?" if len(against) == 1 else "Which arm does better?"


def commands(report: Report) -> list[str]:
    """What to type to train the runs again: one a stored plan, as it was typed, but for its --conf, which no plan holds."""
    return list(dict.fromkeys(plain(_typed(p)) for p in report.plans if not any(map(given, p.overrides))))


def _typed(plan: StoredPlan) -> str:
    rule = plan.course.rule if plan.course else None
    if rule is not None and rule.confirms:  # the sweeps that it is made of were never typed
        folders = [text.partition("=")[2] for text in plan.overrides if text.startswith("results=")]
        return join(["dropbench", "report", *folders[:1], "--confirm"])
    return join(["dropbench", "sweep", *plan.overrides, *(rule.options if rule else ())])


def sources(report: Report) -> list[tuple[str, str]]:
    """(what, its value) of the software and hardware; every value with how many runs it is of, where there are several."""
    if report.runs is None or report.runs.empty:
        return []
    runs = report.runs
    told = [("runs", _counts(runs["status"].tolist(), always=True))]
    for column, name in SOURCES.items():
        told.append((name, _counts(runs[column].tolist())))
    days = sorted(str(v)[:10] for v in runs["started"].tolist())
    told.append(("started", days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"))
    told.append(("time in all", f"{runs['seconds'].sum():,.0f} s"))
    return told


def _counts(values: Sequence[Any], *, always: bool = False) -> str:
    counts = Counter("unknown" if v is None or absent(v) else written(v) for v in values)
    if len(counts) == 1 and not always:
        return next(iter(counts))
    return ", ".join(f"{value} ({count(n, 'run')})" for value, n in counts.most_common())


def _unplanned(report: Report) -> int:
    """How many runs are in no stored plan, those of `dropbench train`; 0 where a grid, which lists no runs, may be theirs."""
    if report.runs is None or any(not plan.arms for plan in report.plans):
        return 0
    planned = {run for plan in report.plans for ids in plan.arms.values() for run in ids}
    return sum(run not in planned for run in report.runs["run_id"].tolist())
