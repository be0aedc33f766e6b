"""A run's epochs, as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def epochs(file: Path) -> dict[str, NDArray[np.float64]]:
    """{column: [epochs]} of a history.csv, NaN for empty cells; nothing where it cannot be read or is cut short."""
    import pandas as pd

    try:
        table = pd.read_csv(file)
        numbers = table.select_dtypes("number")
        return {str(c): numbers[c].to_numpy(float) for c in numbers} if "epoch" in numbers else {}
    except (OSError, ValueError):  # pandas' own errors of parsing are ValueErrors, and so is UnicodeDecodeError
        return {}
