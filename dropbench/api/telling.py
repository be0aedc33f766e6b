"""The messages of a call that trains, on standard error, worded for Python."""

from __future__ import annotations

from typing_extensions import override

from dropbench.api.call import spoken
from dropbench.cli.console import Shown


class Telling(Shown):
    """Prints what the command does, with arguments instead of options. quiet: whether only errors and warnings are printed."""

    def __init__(self, quiet: bool) -> None:
        super().__init__(quiet, as_json=False)

    @override
    def note(self, text: str) -> None:
        super().note(spoken(text))

    @override
    def warning(self, text: str) -> None:
        super().warning(spoken(text))

    @override
    def error(self, text: str) -> None:
        super().error(spoken(text))
