"""The console script: signals are answered before anything is imported that takes time."""

from __future__ import annotations

import os

from dropbench.process import signals


def script() -> None:
    """`dropbench`, to its end."""
    signals.settle()
    try:
        from dropbench.cli.app import script

        script()
    except KeyboardInterrupt:
        os._exit(signals.exit_code(130))
