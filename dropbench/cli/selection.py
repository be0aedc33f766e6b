"""Which runs of which folders a command is about, as it was typed."""

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
    """Which runs are compared, and how: what was typed."""

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
    """Whether single runs are shown, a row each, and not what they come to."""
    claims: bool = False
    """Whether the statements of stored studies are shown."""
    sql: str | None = None
    """A question in SQL to the table of runs."""

    def paths(self) -> list[Path]:
        """The folders among the arguments; `results=DIR` names one as it does when training.

        Raises UsageError for an argument of blanks, as an unset variable of a shell leaves it.
        """
        if any(not argument.strip() for argument in self.arguments):
            raise UsageError(
                "one argument is empty: name a folder of results, such as results, or a filter, such as model=mlp"
            )
        named = [a for a in self.arguments if not is_filter(a)]
        return [plain_path(*a.split("=", 1)) if a.startswith("results=") else Path(a) for a in named]

    def filters(self) -> list[str]:
        """The filters among the arguments, such as `model=cnn`."""
        return [a for a in self.arguments if is_filter(a)]

    def studies(self) -> list[str]:
        """The names of the studies that the filters choose."""
        return [v for f in self.filters() if f.startswith("study=") for v in f.removeprefix("study=").split(",")]

    def questions(self) -> dict[str, Sequence[str]]:
        """What is asked of all arms together, by option."""
        asked = (self.contrasts, self.interactions, self.trends, self.optima)
        return dict(zip(("--contrast", "--interaction", "--trend", "--optimum"), asked, strict=True))

    def command(self) -> str:
        """The words of this selection, as a user would type them on the command line."""
        options = [("--baseline", self.baseline), *(("--where", w) for w in self.where), ("--metric", self.metric)]
        options += [("--rope", self.rope), ("--about", self.about), ("--rows", self.rows), ("--cols", self.cols)]
        options += [(option, text) for option, texts in self.questions().items() for text in texts]
        typed = [text for name, value in options if value is not None for text in (name, value)]
        return shlex.join(
            ["dropbench", "report", *self.arguments, *typed, *["--runs"] * self.runs, *["--claims"] * self.claims]
        )


def is_filter(argument: str) -> bool:
    """An argument with `=` that is no file: `a=b/` may be a folder, and `results=DIR` names one."""
    return "=" in argument and not argument.startswith("results=") and not os.path.exists(argument)
