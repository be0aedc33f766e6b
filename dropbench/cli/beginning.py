"""Commands for who begins: what to type without knowing the words."""

from __future__ import annotations

from typing import Annotated

import typer

from dropbench.cli.options import AsJson, Conf, Overrides, Quiet


def advise(
    overrides: Overrides = None,
    conf: Conf = None,
    minutes: Annotated[float, typer.Option("--minutes", metavar="M", min=0.1, help="How long it may take.")] = 5.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be compared, and stop.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Does dropout help on your model and data? Chooses what to compare, compares it, and says what to do.

    A baseline, dropout at three rates and variants that fit the model, each at its own learning rate; then fresh seeds until it
    is settled or the time is over. Type it again to go on. What it did is an ordinary plan: `dropbench report` shows it.

    **Examples**

    - `dropbench advise data=csv data.path=my.csv data.target=diagnosis --minutes 5`
    - `dropbench advise model=cnn data=fashion_mnist data.n_train=2000 --minutes 20`
    """
    from dropbench.cli.advise import advise

    raise typer.Exit(
        advise(overrides or [], conf or [], minutes=minutes, dry_run=dry_run, as_json=as_json, quiet=quiet)
    )
