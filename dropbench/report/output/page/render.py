"""Renders the page: first the finding, then every arm, what to do next, and the evidence."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from shlex import join
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from dropbench.identity import given
from dropbench.report.output.asked import titles
from dropbench.report.output.breaks import pieces
from dropbench.report.output.claims_page import about
from dropbench.report.output.export import seeds_csv
from dropbench.report.output.figures import draw
from dropbench.report.output.figures.picture import Picture
from dropbench.report.output.page.arm import Panel, panels
from dropbench.report.output.page.chart import KINDS, Chart, charts
from dropbench.report.output.page.data import curves
from dropbench.report.output.page.matrix import matrix, overall
from dropbench.report.output.page.papers import bibliography, parts_of
from dropbench.report.output.page.seeds import Slider, slider
from dropbench.report.output.page.terms import terms
from dropbench.report.output.page.todo import todo
from dropbench.report.output.sections import Advice, Section, sections
from dropbench.report.records.frame import PACKAGES
from dropbench.report.tables.answer import answer
from dropbench.report.tables.comparison import Comparison
from dropbench.report.tables.finding import Finding, finding
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
"""Columns of the frame that say which software, hardware and data made the runs, and their names on the page."""
_NEGATIVE = re.compile(r"(?<![\w.=-])-(?=\d)")
_CALLED = {"Diagnosis": "What to do next"}
"""The headings on the page, where they differ from those of a section."""


@dataclass(frozen=True)
class Part:
    """One comparison on the page. number: its place, from 1, which the ids of its elements contain."""

    number: int
    title: str
    baseline: str
    base: str
    measure: str
    finding: Finding
    todo: str
    answer: str
    charts: list[Chart]
    panels: list[Panel]
    slider: Slider | None
    section: Section
    pictures: list[Picture]

    @property
    def paragraphs(self) -> list[tuple[str, tuple[Advice, ...]]]:
        """The (heading, paragraphs) between arms and evidence, headed as in _CALLED. Explanations are in the panels, if any."""
        told = replace(self.section, explained=()) if self.panels else self.section
        return [(_CALLED.get(name, name), words) for name, words in told.paragraphs]

    @property
    def name_width(self) -> float:
        """The width of the names beside the chart, in rem: longer names are broken into lines."""
        longest = max((len(row.label) for chart in self.charts for row in chart.rows), default=0)
        return min(max(9.0, 0.55 * longest), 14.0)

    @property
    def aloud(self) -> bool:
        """Whether explanations of every number were asked for, so that they are shown opened."""
        return bool(self.section.explained)

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The (class, word) of the verdicts in any of its charts, in the order of KINDS."""
        had = dict(pair for chart in self.charts for pair in chart.kinds)
        return [(kind, word) for word, kind in KINDS.items() if kind in had]


def page(report: Report, width: int | None, *, live: bool = False) -> str:
    """Return the report as HTML5.

    width: of the tables, in characters; None keeps every column. live: whether the page asks its server for changes.
    """
    environment = _environment()
    if report.claims:
        return environment.get_template("claims.html.j2").render(**about(report.claims))
    told, shared = sections(report, width)
    drawn = draw(report)
    several = len(report.comparisons)
    parts = [
        _part(number, c, report, section, pictures)
        for number, (c, section, pictures) in enumerate(zip(report.comparisons, told, drawn, strict=False), 1)
    ]
    captions = [g.title for g in report.grids]
    captions += [] if report.asked is None else titles(report.asked)
    captions += [] if report.single is None else ["Each run"]
    asked = report.questions or tuple(dict.fromkeys(plain(p.question) for p in report.plans if p.question))
    question = " ".join(asked)
    return environment.get_template("page.html.j2").render(
        question=question if parts else "",
        heading=_heading(report) if parts else question or _question(report),
        compared=parts,
        matrix=matrix(report.comparisons, _own(report)) if len(_asking(report)) > 1 else None,
        others=list(zip_longest(told[several:], captions, drawn[several:], fillvalue=())),
        headlines=report.headlines,
        advice=list(map(plain, report.advice)),
        notes=[*shared, *report.notes],
        contents=_contents(parts),
        downloads=_downloads(report),
        curves=_curves(report),
        commands=commands(report),
        unplanned=_unplanned(report),
        report_command=None if report.command is None else plain(report.command),
        sources=sources(report),
        live=live,
    )


def _part(number: int, c: Comparison, report: Report, section: Section, pictures: list[Picture]) -> Part:
    drawn = charts(c)
    return Part(
        number,
        plain(c.title),
        plain(c.baseline or ""),
        plain(c.base),
        c.measure.spoken if c.measure else "",
        finding(c),
        "" if report.advice else todo(c, _own(report)),  # advice says what to do itself
        plain(answer(c)),
        drawn,
        panels(c, report) if c.baseline is not None else [],
        slider(c),
        section,
        pictures,
    )


def _own(report: Report) -> str:
    """Return the arm in which a user's network is as written: the target of `study=three_arm dropout=own`; or nothing."""
    return "target" if any(p.study == "three_arm" and "dropout=own" in p.overrides for p in report.plans) else ""


def _heading(report: Report) -> str:
    asking = _asking(report)
    return finding(asking[0]).heading if len(asking) == 1 else overall(report.comparisons)


def _asking(report: Report) -> list[Comparison]:
    """Return the comparisons without those that repeat one of them under fresh seeds."""
    return [c for c in report.comparisons if not c.fresh] or list(report.comparisons)


def _contents(parts: Sequence[Part]) -> list[tuple[str, str]]:
    """Return the page's table of contents as (id, name); several comparisons are listed by title if they are few."""
    if len(parts) != 1:
        links = [(f"comparison-{p.number}", p.title) for p in parts] if len(parts) <= 4 else []
        return [("answer", "Answer"), *links, ("again", "Run it again")]
    links = [("chart-1", "Arms")] * bool(parts[0].charts)
    links += [("next-1", "What next")] * bool(parts[0].paragraphs)
    return [("answer", "Answer"), *links, ("know-1", "How we know"), ("again", "Run it again")]


def _downloads(report: Report) -> list[tuple[str, str, str]]:
    """Return the files to download as (title, file name, content as a data URI)."""
    texts = [("Scores by seed (CSV)", "runs.csv", "text/csv", seeds_csv(report))]
    papers = bibliography(parts_of(report.configs[run] for run in _runs(report) if run in report.configs))
    texts.append(("Papers (BibTeX)", "papers.bib", "application/x-bibtex", f"{papers}\n" if papers else ""))
    return [
        (name, file, f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}")
        for name, file, kind, text in texts
        if text
    ]


def _runs(report: Report) -> list[str]:
    return [] if report.runs is None else report.runs["run_id"].tolist()


def _curves(report: Report) -> str:
    """Return the curves as JSON, in which `<` is escaped so that it cannot close the script element around it."""
    told = {}
    for number, c in enumerate(report.comparisons, 1):
        if c.baseline is not None and (courses := curves(c, report.histories)):
            told[str(number)] = {
                **courses,
                "baseline": str(c.labels.index(c.baseline) + 1),
                "against": plain(c.baseline),
            }
    return json.dumps(told, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c") if told else ""


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dropbench.report.output", "html"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["sentence"] = _typeset
    environment.filters["capital"] = lambda words: words[:1].upper() + words[1:]
    environment.filters["terms"] = terms
    environment.filters["breakable"] = _breakable
    return environment


def _typeset(words: str) -> str:
    """Write minus signs as such, and keep a % beside its number. A hyphen in a range, a name or a setting stays."""
    return _NEGATIVE.sub("\N{MINUS SIGN}", words).replace(" %", "\N{NO-BREAK SPACE}%")


def _breakable(name: str) -> Markup:
    """Let a browser break a long name between its pieces."""
    return Markup("<wbr>").join(map(escape, pieces(name)))


def _question(report: Report) -> str:
    """Return a heading for a report without a question of a study."""
    if report.grids:
        grid = report.grids[0]
        return f"{grid.measure.spoken.capitalize()} by {' and '.join(k for k in (grid.rows, grid.cols) if k)}"
    if report.single is not None:
        return "How did each run end?"
    return "Nothing was run"


def commands(report: Report) -> list[str]:
    """Return the commands that train the runs again, one per stored plan, as typed but without --conf, which plans lack."""
    return list(dict.fromkeys(plain(_typed(p)) for p in report.plans if not any(map(given, p.overrides))))


def _typed(plan: StoredPlan) -> str:
    rule = plan.course.rule if plan.course else None
    if rule is not None and rule.confirms:  # its sweeps were never typed, but made by --confirm
        folders = [text.partition("=")[2] for text in plan.overrides if text.startswith("results=")]
        return join(["dropbench", "report", *folders[:1], "--confirm"])
    return join(["dropbench", "sweep", *plan.overrides, *(rule.options if rule else ())])


def sources(report: Report) -> list[tuple[str, str]]:
    """Return (name, value) of the software, hardware and data; if there are several values, each with its number of runs."""
    if report.runs is None or report.runs.empty:
        return []
    runs = report.runs
    told = [("runs", _counts(runs["status"].tolist(), always=True))]
    for column, name in SOURCES.items():
        told.append((name, _counts(runs[column].tolist())))
    days = sorted(str(v)[:10] for v in runs["started"].tolist())
    told.append(("started", days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"))
    told.append(("training", f"{runs['seconds'].sum():,.0f} s, added up over all processes"))
    return told


def _counts(values: Sequence[Any], *, always: bool = False) -> str:
    counts = Counter("unknown" if v is None or absent(v) else written(v) for v in values)
    if len(counts) == 1 and not always:
        return next(iter(counts))
    return ", ".join(f"{value} ({count(n, 'run')})" for value, n in counts.most_common())


def _unplanned(report: Report) -> int:
    """Count the runs in no stored plan, as those of `dropbench train`; 0 if a plan without arms, a grid, may hold them."""
    if report.runs is None or any(not plan.arms for plan in report.plans):
        return 0
    planned = {run for plan in report.plans for ids in plan.arms.values() for run in ids}
    return sum(run not in planned for run in report.runs["run_id"].tolist())
