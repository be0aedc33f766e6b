"""What a call tells while it trains: on standard error, in the words of Python."""

from __future__ import annotations

from typing_extensions import override

from dropbench.api.call import spoken
from dropbench.cli.console import Shown


class Telling(Shown):
    """As a command does, with arguments in the place of its options. quiet: whether errors and warnings alone are told."""

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
