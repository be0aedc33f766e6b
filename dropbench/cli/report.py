"""`dropbench report`: compares stored runs and shows the report, once or repeatedly while runs are added."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.cli.console import Shown
from dropbench.cli.formats import written
from dropbench.cli.selection import Selection
from dropbench.errors import UsageError, nearest, reason

if TYPE_CHECKING:
    from dropbench.report.tables.report import Report


WORDY = ("rich", "markdown", "html", "json")
"""The formats that --explain works with."""


@dataclass(frozen=True)
class Presentation:
    """How a report is shown, written, followed or confirmed."""

    fmt: str = "rich"
    out: Path | None = None
    figures: Path | None = None
    figure_width: str | None = None
    """As typed: `column`, `page` or inches."""
    wide: bool = False
    every: float | None = None
    """Seconds between two updates while a sweep runs elsewhere; None shows the report once."""
    confirm: bool = False
    """Whether to train the chosen arms under fresh seeds, instead of showing the report."""
    quiet: bool = False
    tables: tuple[str, ...] = ()
    """Names of the tables to write; empty for all."""
    explain: bool = False
    """Whether to explain every number in plain words too."""
    dry_run: bool = False
    """Whether to say what `confirm` would train, and stop."""


def report(selection: Selection, presentation: Presentation, conf: Sequence[Path]) -> int:
    """Build the report and show, write, follow or confirm it. Return the exit code.

    Raises
    ------
    UsageError
        For options that do not go together, a file that cannot be written, and a selection that is not valid.
    """
    check(selection, presentation)
    # Standard output holds nothing but the report, because a program may read it.
    shown = Shown(presentation.quiet, as_json=False)
    if (run := _one_run(selection, presentation)) is not None:
        from dropbench.cli.one_run import show_run

        return show_run(str(run), run, conf, as_json=presentation.fmt == "json", quiet=presentation.quiet)
    if presentation.every is not None:
        return _follow(selection, conf, presentation.every, shown)
    if selection.sql is not None:
        return _answer(selection, selection.sql, presentation, shown)
    made = built(selection, conf, arms=presentation.fmt == "html")
    if presentation.confirm:
        from dropbench.cli.confirm import confirm
        from dropbench.cli.dry_run import DryRun

        paths = selection.paths() or [Path("results")]
        return confirm(made, paths, conf, shown, dry_run=DryRun() if presentation.dry_run else None)
    if presentation.explain:
        from dropbench.report import explained

        made = explained(made)
    _present(replace(made, command=selection.command()), presentation, shown)
    return 0


def _answer(selection: Selection, text: str, presentation: Presentation, shown: Shown) -> int:
    """Show the answer to an SQL query. Return the exit code, 0."""
    from dropbench.cli.querying import show
    from dropbench.report import query
    from dropbench.report.output.export import check_pyarrow

    if presentation.fmt == "parquet":
        check_pyarrow()
    answer = query(selection.paths(), selection.filters(), text, where=selection.where)
    show(answer, presentation.fmt, presentation.out, shown)
    return 0


def _one_run(selection: Selection, presentation: Presentation) -> Path | None:
    """Return the folder of a single run if only that was asked for: the run is shown, as there is nothing to compare."""
    from dropbench.store import RECORD

    paths = selection.paths()
    only_text = Presentation(presentation.fmt if presentation.fmt == "json" else "rich")
    asked = any(vars(replace(selection, arguments=())).values()) or replace(presentation, quiet=False) != only_text
    alone = len(paths) == len(selection.arguments) == 1 and not asked
    return paths[0] if alone and os.path.lexists(paths[0] / RECORD) else None


def check(selection: Selection, presentation: Presentation) -> None:
    """Raise UsageError for options that do not go together."""
    from dropbench.report import FORMATS

    _check_empty(selection, presentation)
    fmt, out = presentation.fmt, presentation.out
    if fmt not in FORMATS:
        raise UsageError(f"--format {fmt}: there is no such format; {nearest(fmt, FORMATS)}")
    if fmt == "parquet" and out is None:
        raise UsageError(
            "--format parquet is not text and cannot be printed: name a file to write it to, as in --out report.parquet"
        )
    others = replace(presentation, every=None, quiet=False)
    if presentation.every is not None and others != Presentation():
        raise UsageError(
            "--watch shows tables as they grow: leave out --format, --out, --figures, --wide, --explain and --confirm"
        )
    if selection.rows is not None and (selection.baseline or selection.rope or selection.about or presentation.confirm):
        raise UsageError(
            "--rows shows a metric and compares nothing: leave out --baseline, --rope, --about and --confirm"
        )
    asked = [option for option, texts in selection.questions().items() if texts]
    if asked and (selection.rows is not None or presentation.confirm or presentation.figures):
        raise UsageError(
            f"{asked[0]} takes the place of the usual report: leave out --rows, --cols, --figures and --confirm"
        )
    if selection.rows is None and selection.cols is not None:
        raise UsageError(f"--cols {selection.cols} needs --rows, as in --rows dropout.rate --cols {selection.cols}")
    _check_confirm(presentation)
    _check_figures(presentation)
    _check_tables(presentation)
    _check_sql(selection, presentation)
    _check_runs(selection, presentation)
    _check_claims(selection, presentation)
    _check_words(selection, presentation)


def _check_confirm(presentation: Presentation) -> None:
    """Raise UsageError for options that do not go with --confirm, which trains runs, and for --dry-run without it."""
    if presentation.confirm and presentation.figures is not None:
        raise UsageError(
            "--confirm trains runs and does not draw figures: leave out --figures, and draw them afterwards"
        )
    if presentation.confirm and (presentation.fmt != "rich" or presentation.out is not None or presentation.wide):
        raise UsageError(
            "--confirm trains runs and shows what they say: leave out --format, --json, --out and --wide, and type the report "
            "with them afterwards"
        )
    if presentation.dry_run and not presentation.confirm:
        raise UsageError("--dry-run is for --confirm, because nothing else of a report trains runs: add --confirm")


def _check_figures(presentation: Presentation) -> None:
    """Raise UsageError for an invalid width of figures, and for a width without figures."""
    from dropbench.report import width_of

    width_of(presentation.figure_width)
    if presentation.figure_width is not None and presentation.figures is None:
        typed = presentation.figure_width
        raise UsageError(f"--figure-width {typed} needs figures: name a folder for them, as in --figures figures")


def _check_tables(presentation: Presentation) -> None:
    """Raise UsageError for names that no table has, and for --tables with a format other than markdown or latex."""
    from dropbench.report.tables.columns import NAMES

    for name in presentation.tables:
        if name not in NAMES:
            raise UsageError(f"--tables {name}: there is no such table; {nearest(name, NAMES)}")
    if presentation.tables and presentation.fmt not in ("markdown", "latex"):
        typed = ",".join(presentation.tables)
        raise UsageError(
            f"--tables {typed} chooses the tables of a document: add --format latex or --format markdown, or a "
            "file with the ending .tex or .md"
        )


def _check_sql(selection: Selection, presentation: Presentation) -> None:
    """Raise UsageError for options that do not go with --sql, which only shows the answer to its query."""
    if selection.sql is None:
        return
    from dropbench.cli.querying import FORMATS as IN

    beside = replace(presentation, fmt="rich", out=None, quiet=False) != Presentation()
    if beside or any(vars(replace(selection, arguments=(), where=(), sql=None)).values()):
        raise UsageError("--sql can only be combined with folders, filters, --where, --format and --out")
    if presentation.fmt not in IN:
        raise UsageError(
            f"--sql cannot be shown as {presentation.fmt}: choose --format {', '.join(IN[:-1])} or {IN[-1]}"
        )


_EXAMPLES = {
    "--trend": "--trend train.lr",
    "--optimum": "--optimum dropout.rate",
    "--interaction": "--interaction dropout,train.weight_decay",
    "--contrast": "--contrast 'target.test_accuracy - none.test_accuracy'",
    "--metric": "--metric loss",
    "--rope": "--rope 0.2pp",
    "--about": "--about pool",
    "--baseline": "--baseline none",
    "--where": "--where 'train.lr<=0.01'",
    "--rows": "--rows dropout.rate",
    "--cols": "--cols model",
    "--format": "--format markdown",
    "--sql": "--sql 'select arm, avg(test_accuracy) from runs group by arm'",
}
"""An example of each option, for messages."""


def _check_empty(selection: Selection, presentation: Presentation) -> None:
    """Raise UsageError for an option whose value is blank, as an unset shell variable leaves it."""
    said: dict[str, Sequence[object]] = {
        **selection.questions(),
        "--where": selection.where,
        **{
            f"--{name}": (getattr(selection, name),) for name in ("metric", "rope", "about", "baseline", "rows", "cols")
        },
        "--format": (presentation.fmt,),
        "--sql": (selection.sql,),
    }
    for option, values in said.items():
        if any(value is not None and not str(value).strip() for value in values):
            raise UsageError(f"{option} is empty: write for example {_EXAMPLES[option]}, or leave it out")


def _check_runs(selection: Selection, presentation: Presentation) -> None:
    """Raise UsageError for options that do not go with --runs, which shows single runs and compares nothing."""
    compares = (selection.baseline, selection.rope, selection.about, selection.rows, *selection.questions().values())
    beside = (presentation.confirm, presentation.figures, presentation.every, presentation.explain)
    if selection.runs and any((*compares, *beside)):
        others = ", ".join(("--baseline", "--rope", "--about", "--rows", *selection.questions()))
        raise UsageError(
            f"--runs shows single runs and compares nothing: leave out {others}, --confirm, --figures, --watch and --explain"
        )


def _check_claims(selection: Selection, presentation: Presentation) -> None:
    """Raise UsageError for options that do not go with --claims, which judges each claim as its study says."""
    compares = (selection.baseline, selection.metric, selection.rope, selection.about, selection.rows, selection.runs)
    beside = (presentation.confirm, presentation.figures, presentation.every, presentation.explain)
    if selection.claims and any((*compares, *selection.where, *beside, *selection.questions().values())):
        raise UsageError(
            "--claims judges each claim as its study says: it can only be combined with study=NAME, --format, --out and --wide"
        )


def _check_words(selection: Selection, presentation: Presentation) -> None:
    """Raise UsageError for options that do not go with --explain, which needs a table of arms and room for sentences."""
    if not presentation.explain:
        return
    if selection.rows is not None or any(selection.questions().values()) or presentation.confirm:
        others = ", ".join(("--rows", *selection.questions()))
        raise UsageError(f"--explain is for tables of arms: leave out {others} and --confirm")
    if presentation.fmt not in WORDY:
        raise UsageError(
            f"--format {presentation.fmt} has no place for explanations: --explain takes {', '.join(WORDY[:-1])} or {WORDY[-1]}"
        )


def _follow(selection: Selection, conf: Sequence[Path], every: float, shown: Shown) -> int:
    """Show the report repeatedly while a sweep elsewhere adds runs. Return 0 once the sweep is complete, or on Ctrl-C."""
    from dropbench.process import signals
    from dropbench.report.follow import watch

    folders = selection.paths() or [Path("results")]
    watch(lambda: built(selection, conf), folders, selection.studies(), every, shown.results, shown.talk)
    signals.answered()
    return 0


def built(selection: Selection, conf: Sequence[Path], *, arms: bool = False) -> Report:
    """Return the report on what is stored now. arms: whether to add the command that runs each arm again."""
    from dropbench.cli.proposals import with_commands
    from dropbench.config.typed import words_of
    from dropbench.report import Questions, asked, build, claims, list_runs, pivot
    from dropbench.store import RUNS

    paths, filters, where, metric = selection.paths(), selection.filters(), selection.where, selection.metric
    if any(selection.questions().values()):
        questions = Questions.typed(*selection.questions().values())  # checked before any run is read
        return asked(
            paths,
            filters,
            questions,
            selection.baseline,
            where=where,
            metric=metric,
            rope=selection.rope,
            about=selection.about,
        )
    if selection.claims:
        return claims(paths, filters)
    if selection.runs:
        return list_runs(paths, filters, where=where, metric=metric)
    if selection.rows is not None:
        return pivot(paths, filters, rows=selection.rows, cols=selection.cols, where=where, metric=metric)
    compared = build(
        paths, filters, selection.baseline, where=where, metric=metric, rope=selection.rope, about=selection.about
    )
    alone = len(paths) < 2 and all((p / RUNS).is_dir() for p in paths)  # --confirm adds runs to one results folder
    confirm = shlex.join([*shlex.split(selection.command()), *words_of("--conf", conf), "--confirm"]) if alone else None
    return with_commands(compared, paths, conf, arms=arms, confirm=confirm)


def _present(built: Report, presentation: Presentation, shown: Shown) -> None:
    """Write the report to a file, to standard output or to the terminal, and its figures to their folder."""
    from dropbench.report import render, show, width_of, write

    fmt, out, wide = presentation.fmt, presentation.out, presentation.wide
    if out is not None:
        try:
            write(built, fmt, out, wide=wide, tables=presentation.tables)
        except OSError as error:
            raise UsageError(
                f"--out {out}: {reason(error)}; choose a file in a folder that you can write to"
            ) from error
        shown.note(written(fmt, out))
    elif fmt != "rich" or (wide and not presentation.quiet):
        shown.out(render(built, fmt, wide=wide, tables=presentation.tables))
    elif not presentation.quiet:
        show(built, shown.console)
    if presentation.quiet or out is not None:  # the report with its headlines is not on the screen
        for headline in built.headlines:
            shown.warning(headline)
    if presentation.figures is not None:
        _draw(built, presentation.figures, width_of(presentation.figure_width), shown)


def _draw(built: Report, folder: Path, width: float | None, shown: Shown) -> None:
    from dropbench.report import write_figures

    try:
        files = write_figures(built, folder, width)
    except OSError as error:
        raise UsageError(f"--figures {folder}: {reason(error)}; choose a folder that you can write to") from error
    for file in files:
        shown.note(f"written to {file}")
    if not files:
        shown.note("no figure was drawn: it needs runs with epochs, two arms to compare, or --rows with --cols")
