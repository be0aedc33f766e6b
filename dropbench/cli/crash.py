"""What is said of an exception that nothing has explained, and where its traceback is kept."""

from __future__ import annotations

import tempfile
import traceback


def told(error: Exception) -> str:
    """Two lines about the exception that is being handled."""
    kept = _keep(error)
    where = f"The whole traceback is in {kept}" if kept else traceback.format_exc()
    return f"Error: {type(error).__name__}: {error}\nThis is a fault of dropbench, not yours. {where}"


def _keep(error: Exception) -> str | None:
    """Writes it to a new file in the system's temporary folder; returns its path, or None where that cannot be written."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="dropbench-crash-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return None
    return file.name
