"""The message for an exception that no other code has explained, and the file that keeps its traceback."""

from __future__ import annotations

import traceback

from dropbench.process import blame
from dropbench.process.apart import keep


def told(error: BaseException) -> str:
    """Return two lines about an exception: its message, and whose code raised it. The traceback is written to a file."""
    where = blame.place(error)
    whose = "It was raised in your own code." if where else "This is a bug in dropbench, not a mistake of yours."
    whole = "".join(traceback.format_exception(error))
    rest = f"The whole traceback is in {kept}" if (kept := keep(whole)) else whole.rstrip()
    return f"Error: {type(error).__name__}: {error}{where}\n{whose} {rest}"
