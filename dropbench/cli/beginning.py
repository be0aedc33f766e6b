"""The commands for beginners: `advise` and `init`. They need no knowledge of dropbench's keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dropbench.cli.options import AsJson, Conf, Overrides, Quiet, path_of


def advise(
    overrides: Overrides = None,
    conf: Conf = None,
    minutes: Annotated[float, typer.Option("--minutes", metavar="M", min=0.1, help="Stop after M minutes.")] = 5.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be compared, and stop.")] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the advice and errors only.")] = False,
) -> None:
    """Does dropout help on your model and data? This command chooses what to compare, compares it, and says what to do.

    It compares a baseline with dropout at three rates and with other variants that fit the model, and tunes the learning rate
    of each. Then it adds fresh seeds until the answer is settled or the time is over. Type the same command again to go on.
    `dropbench report` shows all the runs.

    **Examples**

    - `dropbench advise data=csv data.path=my.csv data.target=diagnosis --minutes 5`
    - `dropbench advise model=cnn data=fashion_mnist data.n_train=2000 --minutes 20`
    """
    from dropbench.cli.advise import advise

    raise typer.Exit(
        advise(overrides or [], conf or [], minutes=minutes, dry_run=dry_run, as_json=as_json, quiet=quiet)
    )


def init(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            parser=path_of("the folder's name", "dropbench init my_project"),
            help="The folder to create; it must be empty or not exist yet.",
        ),
    ],
    quiet: Quiet = False,
) -> None:
    """Write a small project that runs without changes: a network, a table, a study, and a README with the next steps.

    **Examples**

    - `dropbench init my_project`
    """
    from dropbench.cli.console import Shown
    from dropbench.cli.new_project import init, next_steps

    shown = Shown(quiet, as_json=False)
    for file in init(folder):
        shown.note(f"written: {file}")
    shown.note(f"now type:\n{next_steps(folder)}")
