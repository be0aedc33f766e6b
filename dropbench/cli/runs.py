"""`dropbench runs` lists, checks and removes stored runs. This module parses the commands; `upkeep` does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typing_extensions import override

from dropbench.cli import completion
from dropbench.cli.options import path_of

runs = typer.Typer(
    help="List, show, verify and remove stored runs, and see or stop what is in training.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


class _OfOneFolder(TyperCommand):
    """A command on one results folder, which `results=DIR` names too, as it does for training and reports."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        typed = [
            f"--{word}" if word.startswith("results=") and before not in ("-r", "--results") else word
            for before, word in zip(["", *args], args, strict=False)
        ]
        return super().parse_args(ctx, typed)


Arguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILTERS",
        help="Filters such as `model=cnn` or `status=failed`; results folders may be given here too.",
        autocompletion=completion.complete_filter,
        show_default=False,
    ),
]
Folders = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="PATHS",
        parser=path_of("the name of a results folder", "results"),
        help="Results folders (default: results).",
        show_default=False,
    ),
]
_read = path_of("--results", "--results results")
Results = Annotated[Path, typer.Option("--results", "-r", metavar="DIR", parser=_read, help="The results folder.")]
Several = Annotated[
    list[Path] | None,
    typer.Option(
        "--results",
        "-r",
        metavar="DIR",
        parser=_read,
        help="A results folder (default: results); may be given several times.",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where", "-w", help="Only runs that meet a condition, such as `data.n_train<=1000 and status=diverged`."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and stop.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Remove without asking.")]


@runs.command("list")
def list_(
    arguments: Arguments = None,
    where: Where = None,
    results: Several = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List stored runs, one per line: id, how the run ended, its settings and its test score.

    **Examples**

    - `dropbench runs list`
    - `dropbench runs list --results other model=cnn --where 'dropout.rate>0.3'`
    """
    from dropbench.cli.upkeep import list_runs

    raise typer.Exit(list_runs(arguments or [], where or [], results or [], as_json=as_json, quiet=quiet))


@runs.command(cls=_OfOneFolder)
def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The beginning of a run's id, or its folder.",
            autocompletion=completion.complete_run,
        ),
    ],
    results: Results = Path("results"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show everything that is stored about one run, and the command that repeats it.

    **Example**

    - `dropbench runs show 4df5`
    """
    from dropbench.cli.one_run import show_run

    raise typer.Exit(show_run(run, results, as_json=as_json, quiet=quiet))


@runs.command()
def status(folders: Folders = None, results: Several = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show how far each sweep is, which process trains it, and what to type to continue a sweep that no process trains.

    You may type this in any shell, also on another machine that sees the folder. To find out whether a command on another
    machine still trains, it waits for the counter of that command to rise, which may take eleven seconds.

    **Examples**

    - `dropbench runs status`
    - `dropbench runs status other --json`
    """
    from dropbench.cli.status import status

    raise typer.Exit(status(_folders(folders, results), as_json=as_json, quiet=quiet))


@runs.command(cls=_OfOneFolder)
def stop(
    jobs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="JOBS",
            help="Names of jobs, as `runs status` shows them (default: the only one that is running).",
            autocompletion=completion.complete_job,
            show_default=False,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Stop all jobs of the folder.")] = False,
    results: Results = Path("results"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ask jobs (`sweep --detach`, `execute=slurm`) to save what they train and to end, and wait until they have.

    **Examples**

    - `dropbench runs stop`
    - `dropbench runs stop three_arm-1 --results other`
    """
    from dropbench.cli.status import stop

    raise typer.Exit(stop(jobs or [], results, everything=everything, as_json=as_json, quiet=quiet))


@runs.command()
def verify(folders: Folders = None, results: Several = None, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Check every stored file (records, histories, plans, weights, predictions) and say what is wrong.

    The exit code is 1 if anything is wrong.

    **Example**

    - `dropbench runs verify --results other`
    """
    from dropbench.cli.upkeep import verify_runs

    raise typer.Exit(verify_runs(_folders(folders, results), as_json=as_json, quiet=quiet))


@runs.command(cls=_OfOneFolder)
def remove(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IDS",
            help="Beginnings of runs' ids, or their folders.",
            autocompletion=completion.complete_run,
            show_default=False,
        ),
    ] = None,
    where: Where = None,
    results: Results = Path("results"),
    dry_run: DryRun = False,
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Remove runs, chosen by id or by condition. The runs are listed first, and nothing is removed before you agree.

    **Examples**

    - `dropbench runs remove 4df5 b26e0f`
    - `dropbench runs remove --results other --where 'model=cnn and status=diverged' --dry-run`
    """
    from dropbench.cli.upkeep import remove_runs

    raise typer.Exit(remove_runs(ids or [], where or [], results, dry_run=dry_run, yes=yes, quiet=quiet))


@runs.command()
def prune(
    folders: Folders = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="KIND",
            help="Only this kind: failed, unreadable, leftovers, set-aside, plans, ended or jobs; default: all.",
            autocompletion=completion.one_of(completion.PRUNED),
        ),
    ] = None,
    results: Several = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Remove files that no report needs. The files are listed first, and nothing is removed before you agree.

    Such files are failed attempts, records and checkpoints that cannot be read, leftovers of killed commands, runs of older
    data or code, plans without runs, final states kept for runs that are gone, and jobs that have ended.

    **Examples**

    - `dropbench runs prune --dry-run`
    - `dropbench runs prune --results other --only failed --only leftovers --yes`
    """
    from dropbench.cli.upkeep import prune_runs

    raise typer.Exit(prune_runs(_folders(folders, results), only or [], dry_run=dry_run, yes=yes, quiet=quiet))


def _folders(*named: list[Path] | None) -> list[Path]:
    """Return the folders named by argument or by --results, each once."""
    return list(dict.fromkeys(folder for several in named for folder in several or ())) or [Path("results")]
