"""The command line: it parses, calls and prints. It has no logic, and does not import torch before something trains."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from dropbench.cli import beginning, seeing
from dropbench.cli.completion import SECTIONS, complete_run, complete_setting, one_of
from dropbench.cli.options import AsJson, Conf, Force, Overrides, Quiet, Retry
from dropbench.cli.runs import runs

_MISTAKE: Any = typer.BadParameter.__bases__[0]
"""UsageError of click, of which newer versions of typer have a copy."""


class _Commands(TyperGroup):
    """The commands; if an unknown one is a part of `list` or `runs`, or has another name, the message says what to type.

    So it does for an option that a command does not have.
    """

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except _MISTAKE as error:
            if hasattr(error, "possibilities"):
                error.message = (
                    f"No such option: {error.option_name}; a command comes first: dropbench train, sweep, report"
                )
                error.possibilities = None
            raise

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except _MISTAKE as error:
            from dropbench.cli.listing import SECTIONS
            from dropbench.cli.no_option import COMMANDS

            name = args[0] if args else ""
            under = {"list": SECTIONS, "runs": getattr(self.commands["runs"], "commands", ())}
            typed = COMMANDS.get(name) or next((f"{group} {name}" for group, has in under.items() if name in has), None)
            if typed is not None:
                error.message = f"{error.message.rstrip('.')}. Did you mean '{typed}'?"
            raise

    @override
    def invoke(self, ctx: Any) -> Any:
        args = [*ctx._protected_args, *ctx.args]
        try:
            return super().invoke(ctx)
        except _MISTAKE as error:
            from dropbench.cli.no_option import explain

            explain(error, args)
            raise


app = typer.Typer(
    cls=_Commands,
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be trained and for how long, and stop.")
    ] = False,
    retry: Retry = 0,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Repeat a stored run: its folder, or the beginning of its id.",
            autocompletion=complete_run,
        ),
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
    - `dropbench train 'train.loggers=[csv,tensorboard]'` logs each epoch into results/logs/; `mlflow` is the third logger
    - `dropbench train model=rnn --cfg`
    - `dropbench train model=rnn --dry-run`
    - `dropbench train --from results/runs/4df5aad9e191 --force`
    """
    from dropbench.cli.together import check_train
    from dropbench.cli.train import train

    check_train(cfg=cfg, dry_run=dry_run)
    raise typer.Exit(
        train(
            overrides or [],
            conf or [],
            cfg=cfg,
            dry_run=dry_run,
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
    estimate: Annotated[
        bool | None,
        typer.Option(
            "--estimate/--no-estimate",
            help="With --dry-run: whether to estimate the time and what could be confirmed (default: yes).",
        ),
    ] = None,
    force: Force = False,
    max_runs: Annotated[
        int,
        typer.Option("--max-runs", metavar="N", min=1, help="Plan at most N runs; a grid that has more is an error."),
    ] = 10_000,
    max_minutes: Annotated[
        float | None,
        typer.Option(
            "--max-minutes", metavar="M", min=0, help="Stop after M minutes; type the command again to continue."
        ),
    ] = None,
    tune: Annotated[
        list[str] | None,
        typer.Option(
            "--tune",
            metavar="KEY=VALUES",
            help="First choose each arm's value of a key by its validation score, as in `train.lr=3e-4,1e-3,3e-3,1e-2`.",
            autocompletion=complete_setting,
        ),
    ] = None,
    tuning_seeds: Annotated[
        int | None,
        typer.Option(
            "--tuning-seeds",
            metavar="N",
            min=1,
            help="With --tune: how many seeds each value is tried under (default: 3).",
        ),
    ] = None,
    widen: Annotated[
        int,
        typer.Option(
            "--widen",
            metavar="N",
            min=0,
            max=10,
            help="With --tune: where the best value of an arm is the smallest or the largest, try one beyond it too, "
            "in every arm and up to N times.",
        ),
    ] = 0,
    until_settled: Annotated[
        bool, typer.Option("--until-settled", help="Add seeds until the verdict on every arm is settled.")
    ] = False,
    at_most: Annotated[
        int | None,
        typer.Option("--at-most", metavar="N", min=6, help="With --until-settled: at most N seeds (default: 60)."),
    ] = None,
    extend: Annotated[
        str | None,
        typer.Option(
            "--extend",
            metavar="train.epochs=N",
            help="Continue finished runs to N epochs in all; they must have been trained with train.extendable=true.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Train only the I-th of N parts, for machines that share no folder; the parts are the same everywhere.",
        ),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Train in the background and return at once; `runs status` shows it.")
    ] = False,
    task: Annotated[str | None, typer.Option("--task", hidden=True)] = None,
    retry: Retry = 0,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failed run.")] = False,
    max_failures: Annotated[
        int | None, typer.Option("--max-failures", metavar="N", min=1, help="Stop at the Nth failed run.")
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="Print errors only; `dropbench report --format verdict` then prints only the verdict."
        ),
    ] = False,
) -> None:
    """Train every run of a grid or a study; runs that are finished already are skipped.

    Several values of a key make a grid: `a,b`, `range(0,10)`, `choice(a,b)`, `glob(*)`. After an interruption, type the same
    command again: it trains the runs that are missing. You may start the command several times at once, on one machine or on
    several machines that share the results folder; each run is still trained only once.

    **Examples**

    - `dropbench sweep study=three_arm`
    - `dropbench sweep study=three_arm model=cnn dropout=spatial data=fashion_mnist data.n_train=2000`
    - `dropbench sweep dropout=none,standard dropout.rate=0.1,0.25,0.5 'seed=range(0,10)'`
    - `dropbench sweep model=mlp,rnn 'dropout=glob(*)' 'seed=range(0,6)' --dry-run`
    - `dropbench sweep study=three_arm --tune train.lr=3e-4,1e-3,3e-3,1e-2 --until-settled`
    - `dropbench sweep study=three_arm train.extendable=true --extend train.epochs=60`
    - `dropbench sweep study=three_arm --retry 2 --fail-fast`
    - `dropbench sweep study=three_arm --shard 3/8`
    - `dropbench sweep study=three_arm --detach`
    - `dropbench sweep study=three_arm execute=slurm execute.slurm.partition=cpu execute.slurm.time=4h`
    """
    from dropbench.cli.asking import Going
    from dropbench.cli.dry_run import DryRun
    from dropbench.cli.sweep import sweep
    from dropbench.cli.together import check_sweep
    from dropbench.execute.failure_policy import FailurePolicy

    check_sweep(estimate=estimate, dry_run=dry_run, fail_fast=fail_fast, max_failures=max_failures)
    raise typer.Exit(
        sweep(
            overrides or [],
            conf or [],
            Going(tune or [], tuning_seeds, until_settled, at_most, extend, widen),
            policy=FailurePolicy(retry, 1 if fail_fast else max_failures),
            force=force,
            dry_run=DryRun(estimate is not False) if dry_run else None,
            max_runs=max_runs,
            max_minutes=max_minutes,
            shard=shard,
            detach=detach,
            task=task,
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
            metavar="variants|recipes|schedules|regularizers|models|training|data|studies|metrics|sites|columns",
            help="What to list; default: everything except sites and columns.",
            autocompletion=one_of(SECTIONS),
            show_default=False,
        ),
    ] = None,
    overrides: Overrides = None,
    conf: Conf = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """List the variants, models, data sets, studies and metrics that you can choose, one per line, each with its paper.

    `list sites` shows where in a model noise can act, and `list columns` shows how the columns of your own table would be read.

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
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options of dropbench itself, before any command."""


def main() -> None:
    """Run the command line.

    A user's mistake prints one sentence and exits with code 2. A fault of dropbench writes a report file and exits with 1.
    """
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
    except OutputLost:  # `streams.ended` turns the lost output into the exit code
        sys.exit(0)
    except BaseException as error:
        if not isinstance(error, Exception) and not _by_user(error):
            raise
        from dropbench.cli.crash import told

        if not _completing():  # the shell would take the sentence for a completion
            tell(told(error))
        sys.exit(1)


def _by_user(error: BaseException) -> bool:
    """Whether the user's own code ended the command, for example by sys.exit(), and not the command itself or Ctrl-C."""
    from dropbench.process.blame import raised_by_user

    return raised_by_user(error)


def _completing() -> bool:
    """Whether a shell asks for completions; it does so by setting a variable such as _DROPBENCH_COMPLETE."""
    return any(name.startswith("_") and name.endswith("_COMPLETE") for name in os.environ)


def script() -> None:
    """Run `main` in its own process and leave the process at once.

    Python's ordinary shutdown takes torch apart again, which costs a third of a second and helps nobody.
    """
    os._exit(carried_out())


def carried_out() -> int:
    """Run `main` as the whole of a process, and return the exit code that the process is to end with."""
    from dropbench.process import environment, signals, streams, workers

    streams.settle()
    environment.settle()
    workers.have_this_process()
    # Everything that imports create stays alive, so collecting garbage meanwhile wastes a sixth of their time. Training turns
    # the collector on again.
    gc.disable()
    code: Any = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    with suppress(Exception):
        atexit._run_exitfuncs()
    code = code if isinstance(code, int) else 0 if code is None else 1
    return streams.ended(signals.exit_code(code))
