"""The console script. It handles signals before it imports anything that takes time."""

from __future__ import annotations

import os

from dropbench.process import signals


def script() -> None:
    """Run `dropbench`, and end the process with its exit code."""
    signals.settle()
    try:
        from dropbench.cli.app import script

        script()
    except KeyboardInterrupt:
        os._exit(signals.exit_code(130))
