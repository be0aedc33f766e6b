"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dropbench.cli.completion import complete_override


def path_of(name: str, example: str) -> Callable[[str | Path], Path]:
    """Return a parser for an option that is a path; it refuses an empty text, which an unset shell variable leaves behind.

    Without the check, `Path("")` would mean the working folder, and the command would write there unasked.

    Parameters
    ----------
    name : str
        The option as the user types it.
    example : str
        A valid value, for the error message.
    """

    def read(typed: str | Path) -> Path:
        from dropbench.errors import UsageError

        if not str(typed).strip():
            raise UsageError(f"{name} is empty: write for example {example}, or leave it out")
        return Path(typed)

    return read


Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="OVERRIDES",
        help="Settings as key=value, such as `model=cnn`, `dropout.rate=0.3`, `train.lr=0.01`; `--cfg` shows every key.",
        autocompletion=complete_override,
        show_default=False,
    ),
]
Conf = Annotated[
    list[Path] | None,
    typer.Option(
        "--conf",
        metavar="DIR",
        parser=path_of("--conf", "--conf mine"),
        help="A folder with config groups of your own, such as DIR/model/mine.yaml.",
    ),
]
Retry = Annotated[
    int,
    typer.Option(
        "--retry", metavar="N", min=0, help="Repeat a failed run up to N times, each time from its last checkpoint."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
Force = Annotated[
    bool,
    typer.Option("--force", help="Train finished runs again. The old record stays until the new run has finished."),
]
