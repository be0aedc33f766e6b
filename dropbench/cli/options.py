"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dropbench.cli.completion import complete_override

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
    typer.Option("--conf", metavar="DIR", help="A folder with config groups of your own, such as DIR/model/mine.yaml."),
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
