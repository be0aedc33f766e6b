"""What is said of an exception that nothing has explained, and where its traceback is kept."""

from __future__ import annotations

import traceback

from dropbench.process import blame
from dropbench.process.apart import keep


def told(error: BaseException) -> str:
    """Two lines about an exception: what it says, and whose code it came up in."""
    where = blame.place(error)
    whose = "It came up in code of your own." if where else "This is a fault of dropbench, not yours."
    whole = "".join(traceback.format_exception(error))
    rest = f"The whole traceback is in {kept}" if (kept := keep(whole)) else whole.rstrip()
    return f"Error: {type(error).__name__}: {error}{where}\n{whose} {rest}"
