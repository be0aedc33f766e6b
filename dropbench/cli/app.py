"""The command line: parse, call, show. No logic, and no import of torch before something trains."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from dropbench.cli import beginning, seeing
from dropbench.cli.options import AsJson, Conf, Force, Overrides, Quiet, Retry
from dropbench.cli.runs import runs

app = typer.Typer(
    help="Does dropout help on your model and data, which kind, at what rate, where, and how sure can you be?\n\n"
    "Start with: dropbench sweep study=three_arm",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(runs, name="runs")
app.command()(beginning.advise)
app.command()(beginning.init)


@app.command()
def train(
    overrides: Overrides = None,
    conf: Conf = None,
    cfg: Annotated[bool, typer.Option("--cfg", help="Print the resolved config and stop.")] = False,
    retry: Retry = 0,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN", help="Repeat a stored run: its folder, or the beginning of its id."),
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train one run: one arm, one seed.

    **Examples**

    - `dropbench train`
    - `dropbench train model=cnn data=digits dropout=spatial dropout.rate=0.2 seed=3`
    - `dropbench train 'dropout.rates={input: 0.2, "*": 0.5}' train.weight_decay=1e-4`
    - `dropbench train 'train.loggers=[csv,tensorboard]'`, or `mlflow`: epochs as they end, in results/logs/
    - `dropbench train model=rnn --cfg`
    - `dropbench train --from results/runs/4df5aad9e191 --force`
    """
    from dropbench.cli.train import train

    raise typer.Exit(
        train(
            overrides or [],
            conf or [],
            cfg=cfg,
            again=from_,
            force=force,
            retries=retry,
            as_json=as_json,
            quiet=quiet,
        )
    )


@app.command()
def sweep(
    overrides: Overrides = None,
    conf: Conf = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, its cohorts and an estimate of the time, and stop.")
    ] = False,
    force: Force = False,
    max_runs: Annotated[
        int,
        typer.Option("--max-runs", metavar="N", min=1, help="Plan at most N runs; a grid that has more is an error."),
    ] = 10_000,
    max_minutes: Annotated[
        float | None,
        typer.Option(
            "--max-minutes", metavar="M", min=0, help="Stop in time, with what there is; type it again to go on."
        ),
    ] = None,
    tune: Annotated[
        list[str] | None,
        typer.Option(
            "--tune",
            metavar="KEY=VALUES",
            help="First give each arm its own best value of this key, by validation: `train.lr=3e-4,1e-3,3e-3,1e-2`.",
        ),
    ] = None,
    tuning_seeds: Annotated[
        int | None,
        typer.Option("--tuning-seeds", metavar="N", min=1, help="With --tune: under how many seeds (default: 3)."),
    ] = None,
    until_settled: Annotated[
        bool, typer.Option("--until-settled", help="Take more and more seeds, until every arm has its verdict.")
    ] = False,
    at_most: Annotated[
        int | None,
        typer.Option("--at-most", metavar="N", min=6, help="With --until-settled: at most N seeds (default: 60)."),
    ] = None,
    retry: Retry = 0,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failed run.")] = False,
    max_failures: Annotated[
        int | None, typer.Option("--max-failures", metavar="N", min=1, help="Stop at the Nth failed run.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train every run of a grid or a study; runs that are finished already are skipped.

    Several values make a grid: `a,b`, `range(0,10)`, `choice(a,b)`, `glob(*)`. Stopped half-way, the same command goes on.
    Typed several times at once, on one machine or on several that share the folder of results, it trains each run once.

    **Examples**

    - `dropbench sweep study=three_arm`
    - `dropbench sweep study=three_arm model=cnn dropout=spatial data=fashion_mnist data.n_train=2000`
    - `dropbench sweep dropout=none,standard dropout.rate=0.1,0.25,0.5 'seed=range(0,10)'`
    - `dropbench sweep model=mlp,rnn 'dropout=glob(*)' 'seed=range(0,6)' --dry-run`
    - `dropbench sweep study=three_arm --tune train.lr=3e-4,1e-3,3e-3,1e-2 --until-settled`
    - `dropbench sweep study=three_arm --retry 2 --fail-fast`
    """
    from dropbench.cli.sweep import Going, sweep
    from dropbench.execute.failure_policy import FailurePolicy

    raise typer.Exit(
        sweep(
            overrides or [],
            conf or [],
            Going(tune or [], tuning_seeds, until_settled, at_most),
            policy=FailurePolicy(retry, 1 if fail_fast else max_failures),
            force=force,
            dry_run=dry_run,
            max_runs=max_runs,
            max_minutes=max_minutes,
            as_json=as_json,
            quiet=quiet,
        )
    )


app.command()(seeing.report)
app.command()(seeing.ui)


@app.command("list")
def list_(
    section: Annotated[
        str | None,
        typer.Argument(
            metavar="variants|schedules|models|recipes|data|studies|metrics|sites|columns",
            help="Default: all but sites and columns.",
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    conf: Conf = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """What exists: one line each, with the paper. And the sites of a model, where noise may act, or the columns of your table.

    **Examples**

    - `dropbench list`
    - `dropbench list variants`
    - `dropbench list sites model=cnn data=digits dropout=spatial`
    - `dropbench list columns data.path=my.csv`
    """
    from dropbench.cli.listing import list_columns, list_options

    if section == "columns":
        raise typer.Exit(list_columns(overrides or [], conf or [], as_json=as_json))
    raise typer.Exit(list_options(section, overrides or [], conf or [], as_json=as_json, quiet=quiet))


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(version("dropbench"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """What every command takes."""


def main() -> None:
    """The console script. A user's mistake is a sentence and exit code 2; a fault of ours a file and exit code 1."""
    from dropbench.errors import Interrupted, UsageError
    from dropbench.process.streams import OutputLost, tell

    try:
        app()
    except UsageError as error:
        for line in str(error).splitlines():
            tell(f"Error: {line}")
        sys.exit(2)
    except Interrupted as error:  # before anything trains, Typer itself exits with 130
        tell(str(error))
        sys.exit(error.code)
    except OutputLost:  # the exit code is made of what was lost
        sys.exit(0)
    except BaseException as error:
        if not isinstance(error, Exception) and not _by_user(error):
            raise
        from dropbench.cli.crash import told

        if not _completing():  # which is no place for sentences
            tell(told(error))
        sys.exit(1)


def _by_user(error: BaseException) -> bool:
    """Whether code of the user's own ended the command, as by sys.exit(), and not the command itself or Ctrl-C."""
    from dropbench.process.blame import raised_by_user

    return raised_by_user(error)


def _completing() -> bool:
    """Whether a shell asks what may come next, by a variable such as _DROPBENCH_COMPLETE."""
    return any(name.startswith("_") and name.endswith("_COMPLETE") for name in os.environ)


def script() -> None:
    """`main` in a process of its own, and out.

    What Python does at its end to take torch apart again, a third of a second, helps nobody.
    """
    from dropbench.process import environment, signals, streams, workers

    streams.settle()
    environment.settle()
    workers.have_this_process()
    # Looking for garbage among what imports make, all of which stays, is a sixth of their time. Training turns it on.
    gc.disable()
    code: Any = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    with suppress(Exception):
        atexit._run_exitfuncs()
    code = code if isinstance(code, int) else 0 if code is None else 1
    os._exit(streams.ended(signals.exit_code(code)))
