"""Variables of the environment that a library would read and fall over are taken as if they were not set."""

from __future__ import annotations

import os
import sys
import warnings

_SIZES = {"COLUMNS": (20, 1000), "LINES": (5, 1000), "TERMINAL_WIDTH": (20, 1000)}
"""How large a terminal may be said to be. rich believes in one without columns, and draws lines across one of a million."""


def settle() -> None:
    """For a process that is dropbench's own, before what it imports looks at them."""
    for name, (least, most) in _SIZES.items():
        value = os.environ.get(name, "")
        if not (value.isascii() and value.isdigit() and least <= int(value[:9]) <= most):
            os.environ.pop(name, None)
    # Pictures go to files. matplotlib cannot even be imported where this names what it does not know.
    os.environ["MPLBACKEND"] = "agg"
    # A library's warning is no reason to end: PYTHONWARNINGS=error would make one of each.
    if any(part.strip().startswith("e") for part in os.environ.get("PYTHONWARNINGS", "").split(",")):
        del os.environ["PYTHONWARNINGS"]
    warnings.filters[:] = [f for f in warnings.filters if f[0] != "error"]  # type: ignore[index]
    sys.warnoptions[:] = [option for option in sys.warnoptions if not option.startswith("e")]
