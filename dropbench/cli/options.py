"""Arguments and options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dropbench.cli.completion import complete_override


def path_of(name: str, example: str) -> Callable[[str | Path], Path]:
    """What reads the path of an option or argument: a text of blanks, as an unset variable of a shell leaves it, is none.

    `Path("")` would be the working folder, to be written to or looked after unasked.

    Parameters
    ----------
    name : str
        The option, as it is typed.
    example : str
        What may be typed in its place.
    """

    def read(typed: str | Path) -> Path:
        from dropbench.errors import UsageError

        if not str(typed).strip():
            raise UsageError(f"{name} is empty: write {example}, say, or leave it out")
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
    typer.Option("--retry", metavar="N", min=0, help="Try a failed run again, up to N times, from where it was saved."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
Force = Annotated[
    bool,
    typer.Option("--force", help="Train what is finished again; its record is replaced once the new one is finished."),
]
