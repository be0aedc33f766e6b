"""Commands that show what is stored: `report` and `ui`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dropbench.cli import completion
from dropbench.cli.options import Conf, Quiet, path_of
from dropbench.errors import UsageError


def report(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS|FILTERS",
            help="Results folders (default: results) and filters such as `study=three_arm`, `model=cnn`, `dropout.rate=0.5`.",
            autocompletion=completion.complete_filter,
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="rich, csv, markdown, latex, json, parquet, html or verdict (a line). "
            "Default: the format that the ending of --out names, or rich.",
            autocompletion=completion.one_of(completion.FORMATS),
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            parser=path_of("--out", "--out report.md"),
            help="Write the report to FILE instead of the screen; .html, .md, .csv, .json, .parquet, .tex or .txt.",
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures",
            metavar="DIR",
            parser=path_of("--figures", "--figures figures"),
            help="Also write the figures into DIR, as SVG, PDF and PNG, each with its caption.",
        ),
    ] = None,
    figure_width: Annotated[
        str | None,
        typer.Option(
            "--figure-width",
            metavar="WIDTH",
            help="With --figures: how wide a figure is: `column` or `page` of a paper, or a number of inches.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            "-b",
            help="The arm to compare with; default: the study's baseline, otherwise `none` or an arm with rate 0.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            "-m",
            help="The metric that verdicts judge: `loss`, `val_loss`, ...; default: test accuracy.",
            autocompletion=completion.complete_metric,
        ),
    ] = None,
    rope: Annotated[
        str | None,
        typer.Option(
            "--rope",
            help="The largest difference that does not matter to you: `0.2pp` of accuracy, `0.01` or `1%` of a loss.",
        ),
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(
            "--about",
            help="What verdicts hold for: new `examples` like those tested (default), or only the `pool` of examples at hand.",
            autocompletion=completion.one_of(completion.ABOUT),
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", "-w", help="Only runs that meet a condition, such as `data.n_train<=1000 and model!=cnn`."
        ),
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows",
            metavar="KEY",
            help="Instead of arms: a table of the metric with one row per value of this key.",
            autocompletion=completion.complete_key,
        ),
    ] = None,
    cols: Annotated[
        str | None,
        typer.Option(
            "--cols",
            metavar="KEY",
            help="With --rows: one column per value of this key.",
            autocompletion=completion.complete_key,
        ),
    ] = None,
    contrast: Annotated[
        list[str] | None,
        typer.Option(
            "--contrast",
            metavar="EXPRESSION",
            help="Instead of arms: the value of a formula such as `target.test_loss - none.test_loss`; see docs/contrasts.md.",
        ),
    ] = None,
    interaction: Annotated[
        list[str] | None,
        typer.Option(
            "--interaction",
            metavar="KEY,KEY",
            help="Instead of arms: how much the effect of one key depends on the other.",
        ),
    ] = None,
    trend: Annotated[
        list[str] | None,
        typer.Option(
            "--trend",
            metavar="KEY",
            help="Instead of arms: how the difference from the baseline changes with a numeric key.",
            autocompletion=completion.complete_key,
        ),
    ] = None,
    optimum: Annotated[
        list[str] | None,
        typer.Option(
            "--optimum",
            metavar="KEY",
            help="Instead of arms: which values of this key may be the best one.",
            autocompletion=completion.complete_key,
        ),
    ] = None,
    each_run: Annotated[
        bool,
        typer.Option(
            "--runs", help="Instead of arms: one row per run, with its settings and everything that was measured."
        ),
    ] = False,
    claims: Annotated[
        bool,
        typer.Option("--claims", help="Instead of arms: the claims that stored studies make, with their verdicts."),
    ] = False,
    sql: Annotated[
        str | None,
        typer.Option(
            "--sql",
            metavar="SELECT",
            help="Instead of arms: the result of an SQL query on the table `runs`, by DuckDB.",
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also explain every number of the tables in plain words.")
    ] = False,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm",
            help="Train the chosen arms (such as the best rate) and their baseline under fresh seeds, and compare those runs.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --confirm: say what would be trained, and stop.")
    ] = False,
    tables: Annotated[
        str | None,
        typer.Option(
            "--tables",
            metavar="NAMES",
            help="With latex and markdown: only these tables, such as `arms`, `differences`, `outcomes` or `chosen`.",
            autocompletion=completion.one_of(completion.TABLES),
        ),
    ] = None,
    wide: Annotated[
        bool, typer.Option("--wide", help="Show all columns, even if they do not fit the terminal.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch", help="Update the report while a sweep runs elsewhere, until the sweep is done or Ctrl-C."
        ),
    ] = False,
    every: Annotated[
        float | None,
        typer.Option(
            "--every", metavar="SECONDS", min=0.1, help="With --watch: seconds between two updates (default: 5)."
        ),
    ] = None,
    conf: Annotated[
        list[Path] | None,
        typer.Option(
            "--conf",
            metavar="DIR",
            parser=path_of("--conf", "--conf mine"),
            help="Accepted as in other commands, but not needed: stored records hold all that a report needs.",
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print errors only, and the report if --format is given.")
    ] = False,
) -> None:
    """Compare the arms of the stored runs: tables, verdicts, and what to do next.

    **Examples**

    - `dropbench report`
    - `dropbench report study=three_arm model=cnn`
    - `dropbench report results data.n_train=1000 --baseline 'standard 0.5' --out table.md`
    - `dropbench report --metric loss --rope 0.01 --where 'data.n_train<=1000'`
    - `dropbench report --rows dropout.rate --cols model`
    - `dropbench report --contrast "arm('standard 0.5').test_loss - none.test_loss" --optimum dropout.rate`
    - `dropbench report --runs --where 'data.n_train<=1000' --out runs.csv`
    - `dropbench report --sql 'select arm, "dropout.rate", avg(test_accuracy) from runs group by all order by 3'`
    - `dropbench report study=three_arm --explain`
    - `dropbench report --confirm --dry-run`
    - `dropbench report study=three_arm --format verdict`
    - `dropbench report --claims --out claims.csv`
    - `dropbench report study=three_arm --watch`
    - `dropbench report study=three_arm --figures figures --figure-width column`
    - `dropbench report study=three_arm --tables differences --out table.tex`
    - `dropbench report study=three_arm --out page.html`
    """
    from dropbench.cli.formats import chosen
    from dropbench.cli.report import Presentation, report
    from dropbench.cli.selection import Selection

    if every is not None and not watch:
        raise UsageError("--every says how often --watch shows the report: add --watch")
    asked = (contrast or [], interaction or [], trend or [], optimum or [])
    selection = Selection(
        arguments or [], baseline, where or [], metric, rope, about, rows, cols, *asked, each_run, claims, sql
    )
    presentation = Presentation(
        chosen(format_, as_json, out),
        out,
        figures,
        figure_width,
        wide,
        (every or 5.0) if watch else None,
        confirm,
        quiet,
        tuple(name.strip() for name in tables.split(",")) if tables is not None else (),
        explain,
        dry_run,
    )
    raise typer.Exit(report(selection, presentation, conf or []))


def ui(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS|FILTERS",
            help="Results folders and filters, as in `dropbench report`.",
            autocompletion=completion.complete_filter,
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, help="The port to serve on; 0 takes any free port.")
    ] = 8765,
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS", help="The address to serve on; by default only this machine can open the page."
        ),
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TEXT",
            help="Show the page only to those who know this token; with any other --host a random token is used by default.",
        ),
    ] = None,
    baseline: Annotated[str | None, typer.Option("--baseline", "-b", help="The arm to compare with.")] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", "-m", help="The metric that verdicts judge, such as `loss`.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    conf: Conf = None,
    quiet: Quiet = False,
) -> None:
    """Serve the report of a results folder to a browser, and update it while a sweep runs. Ctrl-C ends the server.

    The page is the one that `dropbench report --format html` writes. This command writes nothing, and by default only this
    machine can open the page.

    **Examples**

    - `dropbench ui`
    - `dropbench ui results/mine study=three_arm --open`
    - `dropbench ui --host 0.0.0.0 --port 8080`, which prints an address with a token
    """
    from dropbench.cli.selection import Selection
    from dropbench.cli.ui import Place, serve

    selection = Selection(arguments or [], baseline, metric=metric)
    raise typer.Exit(serve(selection, Place(host, port, token), conf or [], browse=open_, quiet=quiet))
