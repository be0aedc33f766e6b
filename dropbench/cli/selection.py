"""The runs and folders that a command is about, as typed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dropbench.config.paths import plain_path
from dropbench.errors import UsageError


@dataclass(frozen=True)
class Selection:
    """The arguments and options that say which runs are compared and how, as typed."""

    arguments: Sequence[str]
    """Folders and filters."""
    baseline: str | None = None
    where: Sequence[str] = ()
    metric: str | None = None
    rope: str | None = None
    about: str | None = None
    rows: str | None = None
    cols: str | None = None
    contrasts: Sequence[str] = ()
    interactions: Sequence[str] = ()
    trends: Sequence[str] = ()
    optima: Sequence[str] = ()
    runs: bool = False
    """Whether to show single runs, one per row, instead of comparing arms."""
    claims: bool = False
    """Whether to show the claims of stored studies."""
    sql: str | None = None
    """An SQL query on the table of runs."""

    def paths(self) -> list[Path]:
        """Return the folders among the arguments; `results=DIR` names one, as it does for training.

        Raises UsageError for a blank argument, as an unset shell variable leaves it.
        """
        if any(not argument.strip() for argument in self.arguments):
            raise UsageError(
                "one argument is empty: name a folder of results, such as results, or a filter, such as model=mlp"
            )
        named = [a for a in self.arguments if not is_filter(a)]
        return [plain_path(*a.split("=", 1)) if a.startswith("results=") else Path(a) for a in named]

    def filters(self) -> list[str]:
        """Return the filters among the arguments, such as `model=cnn`."""
        return [a for a in self.arguments if is_filter(a)]

    def studies(self) -> list[str]:
        """Return the names of the studies that the filters choose."""
        return [v for f in self.filters() if f.startswith("study=") for v in f.removeprefix("study=").split(",")]

    def questions(self) -> dict[str, Sequence[str]]:
        """Return the questions about all arms together, by option."""
        asked = (self.contrasts, self.interactions, self.trends, self.optima)
        return dict(zip(("--contrast", "--interaction", "--trend", "--optimum"), asked, strict=True))

    def command(self) -> str:
        """Return the command line of this selection, as a user would type it."""
        options = [("--baseline", self.baseline), *(("--where", w) for w in self.where), ("--metric", self.metric)]
        options += [("--rope", self.rope), ("--about", self.about), ("--rows", self.rows), ("--cols", self.cols)]
        options += [(option, text) for option, texts in self.questions().items() for text in texts]
        typed = [text for name, value in options if value is not None for text in (name, value)]
        return shlex.join(
            ["dropbench", "report", *self.arguments, *typed, *["--runs"] * self.runs, *["--claims"] * self.claims]
        )


def is_filter(argument: str) -> bool:
    """Return whether an argument is a filter: it has `=`, is not `results=DIR`, and no file or folder is called so."""
    return "=" in argument and not argument.startswith("results=") and not os.path.exists(argument)
