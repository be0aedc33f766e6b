"""The command that serves the page of a results folder."""

from __future__ import annotations

from typing import Annotated

import typer

from dropbench.cli.options import Conf, Quiet


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
