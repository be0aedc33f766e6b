"""Removes environment variables whose values would make a library fail."""

from __future__ import annotations

import os
import sys
import warnings

_SIZES = {"COLUMNS": (20, 1000), "LINES": (5, 1000), "TERMINAL_WIDTH": (20, 1000)}
"""Accepted sizes of a terminal. rich accepts one without columns, and draws lines across one with a million."""


def settle() -> None:
    """Cleans the environment of a process that belongs to dropbench, before the modules that it imports read it."""
    for name, (least, most) in _SIZES.items():
        value = os.environ.get(name, "")
        if not (value.isascii() and value.isdigit() and least <= int(value[:9]) <= most):
            os.environ.pop(name, None)
    # Pictures go to files. matplotlib cannot even be imported if this names an unknown backend.
    os.environ["MPLBACKEND"] = "agg"
    # A library's warning must not end the command, and PYTHONWARNINGS=error would turn each into an error.
    if any(part.strip().startswith("e") for part in os.environ.get("PYTHONWARNINGS", "").split(",")):
        del os.environ["PYTHONWARNINGS"]
    warnings.filters[:] = [f for f in warnings.filters if f[0] != "error"]  # type: ignore[index]
    sys.warnoptions[:] = [option for option in sys.warnoptions if not option.startswith("e")]
