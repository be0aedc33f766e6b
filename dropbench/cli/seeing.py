"""Commands that show what is stored: `report` and `ui`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dropbench.cli.options import Conf, Quiet, path_of


def report(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS|FILTERS",
            help="Results folders (default: results) and filters such as `study=three_arm`, `model=cnn`, `dropout.rate=0.5`.",
            show_default=False,
        ),
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", "-f", help="rich, csv, markdown, latex, json, parquet or html.")
    ] = "rich",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", parser=path_of("--out", "--out report.md"), help="Write to FILE."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures",
            metavar="DIR",
            parser=path_of("--figures", "--figures figures"),
            help="Write pictures into DIR, as SVG, PDF and PNG, each with its caption.",
        ),
    ] = None,
    figure_width: Annotated[
        str | None,
        typer.Option(
            "--figure-width", metavar="WIDTH", help="With --figures: `column` or `page` of a paper, or inches."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", "-b", help="The arm to compare with; default: the study's, else none or rate 0."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", "-m", help="What verdicts are about: `loss`, `val_loss`, ...; default: test accuracy."
        ),
    ] = None,
    rope: Annotated[
        str | None,
        typer.Option(
            "--rope", help="No difference that matters: `0.2pp` of accuracy, `0.01` of a loss, or `1%` of one."
        ),
    ] = None,
    about: Annotated[
        str | None,
        typer.Option("--about", help="`examples` like those tested (default), or the `pool` of just these."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", "-w", help="A condition, such as `data.n_train<=1000 and model!=cnn`."),
    ] = None,
    rows: Annotated[
        str | None, typer.Option("--rows", metavar="KEY", help="Instead: the metric by the values of this key.")
    ] = None,
    cols: Annotated[str | None, typer.Option("--cols", metavar="KEY", help="With --rows: and of this one.")] = None,
    contrast: Annotated[
        list[str] | None,
        typer.Option(
            "--contrast",
            metavar="EXPRESSION",
            help="Instead: an answer to `target.test_accuracy - none.test_accuracy` and the like; see docs/contrasts.md.",
        ),
    ] = None,
    interaction: Annotated[
        list[str] | None,
        typer.Option(
            "--interaction", metavar="KEY,KEY", help="Instead: how much more one key does at another's values."
        ),
    ] = None,
    trend: Annotated[
        list[str] | None,
        typer.Option("--trend", metavar="KEY", help="Instead: the slope of arm minus baseline over a numeric key."),
    ] = None,
    optimum: Annotated[
        list[str] | None,
        typer.Option("--optimum", metavar="KEY", help="Instead: which values of this key may be the best one."),
    ] = None,
    each_run: Annotated[
        bool, typer.Option("--runs", help="Instead: a row a run, with its settings and all that was measured.")
    ] = False,
    claims: Annotated[
        bool, typer.Option("--claims", help="Instead: the claims that stored studies state, with their verdicts.")
    ] = False,
    sql: Annotated[
        str | None,
        typer.Option(
            "--sql", metavar="SELECT", help="Instead: an answer of DuckDB's to a question about the table `runs`."
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also say every number of the tables in plain words.")
    ] = False,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm", help="Train each chosen strength and its baseline under fresh seeds and compare those."
        ),
    ] = False,
    tables: Annotated[
        str | None,
        typer.Option(
            "--tables",
            metavar="NAMES",
            help="Of latex and markdown: only these, such as `arms`, `differences`, `outcomes`, `chosen` or `contrasts`.",
        ),
    ] = None,
    wide: Annotated[bool, typer.Option("--wide", help="All columns, however wide the terminal.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow a sweep that is going on elsewhere, until it is done or Ctrl-C.")
    ] = False,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.1, help="With --watch: how often to look.")
    ] = 5.0,
    conf: Annotated[
        list[Path] | None,
        typer.Option(
            "--conf",
            metavar="DIR",
            parser=path_of("--conf", "--conf mine"),
            help="Taken as by the other commands; records hold all that a report needs.",
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compare the arms of what is stored.

    **Examples**

    - `dropbench report`
    - `dropbench report study=three_arm model=cnn`
    - `dropbench report results data.n_train=1000 --baseline 'standard 0.5' --format markdown --out table.md`
    - `dropbench report --metric loss --rope 0.01 --where 'data.n_train<=1000'`
    - `dropbench report --rows dropout.rate --cols model`
    - `dropbench report --contrast "arm('standard 0.5').test_loss - none.test_loss" --optimum dropout.rate`
    - `dropbench report --runs --where 'data.n_train<=1000' --format csv --out runs.csv`
    - `dropbench report --sql 'select arm, "dropout.rate", avg(test_accuracy) from runs group by all order by 3'`
    - `dropbench report study=three_arm --explain`
    - `dropbench report --claims --format csv --out claims.csv`
    - `dropbench report study=three_arm --watch`
    - `dropbench report study=three_arm --figures figures --figure-width column`
    - `dropbench report study=three_arm --format latex --tables differences --out table.tex`
    - `dropbench report study=three_arm --format html --out page.html`
    """
    from dropbench.cli.report import Presentation, report
    from dropbench.cli.selection import Selection

    asked = (contrast or [], interaction or [], trend or [], optimum or [])
    selection = Selection(
        arguments or [], baseline, where or [], metric, rope, about, rows, cols, *asked, each_run, claims, sql
    )
    presentation = Presentation(
        format_,
        out,
        figures,
        figure_width,
        wide,
        every if watch else None,
        confirm,
        quiet,
        tuple(name.strip() for name in tables.split(",")) if tables is not None else (),
        explain,
    )
    raise typer.Exit(report(selection, presentation, conf or []))


def ui(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATHS|FILTERS",
            help="Folders of results and filters, as `dropbench report` takes them.",
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes any that is free.")] = 8765,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to be reached; the default is this machine alone.")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            "--token", metavar="TEXT", help="Show the page only to who has this; made up for any other --host."
        ),
    ] = None,
    baseline: Annotated[str | None, typer.Option("--baseline", "-b", help="The arm to compare with.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", "-m", help="What verdicts are about: `loss`, say.")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    conf: Conf = None,
    quiet: Quiet = False,
) -> None:
    """Show the page of a results folder in a browser, and keep it current while a sweep runs. Ctrl-C ends it.

    The page is that of `dropbench report --format html`. Nothing is written, and only this machine can see it.

    **Examples**

    - `dropbench ui`
    - `dropbench ui results/mine study=three_arm --open`
    - `dropbench ui --host 0.0.0.0 --port 8080`, which prints an address with a token
    """
    from dropbench.cli.selection import Selection
    from dropbench.cli.ui import Place, serve

    selection = Selection(arguments or [], baseline, metric=metric)
    raise typer.Exit(serve(selection, Place(host, port, token), conf or [], browse=open_, quiet=quiet))
