"""`dropbench report --sql`: shows the answer as a table on the terminal or in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.errors import UsageError, reason
from dropbench.values import absent, finite, plain, written

if TYPE_CHECKING:
    import pandas as pd

    from dropbench.cli.console import Shown
    from dropbench.report.tables.columns import Sheet

FORMATS = ("rich", "csv", "json", "markdown", "parquet")
"""The formats that an answer can be written in."""


def show(answer: pd.DataFrame, fmt: str, out: Path | None, shown: Shown) -> None:
    """Print or write the answer. Raises UsageError if the file cannot be written."""
    from dropbench.cli.formats import written as ending
    from dropbench.report.output.terminal import table_of

    try:
        if fmt == "parquet":
            assert out is not None  # checked before any run was read
            answer.to_parquet(out, engine="pyarrow", index=False)
        elif out is not None:
            out.write_text(_text(answer, "markdown" if fmt == "rich" else fmt), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {out}: {reason(error)}; choose a file in a folder that you can write to") from error
    if out is not None:
        shown.note(ending(fmt, out))
    elif fmt != "rich":
        shown.out(_text(answer, fmt).rstrip("\n"))
    else:
        shown.results.print(table_of(_sheet(answer), shown.results.width))


def _text(answer: pd.DataFrame, fmt: str) -> str:
    if fmt == "csv":
        from dropbench.report.output.export import to_csv

        return to_csv(answer)
    if fmt == "json":
        # Not `to_json` of pandas, which writes numbers to at most 15 decimals.
        rows = finite(answer.astype(object).to_dict("records"))
        return json.dumps(rows, indent=1, ensure_ascii=False, default=_native, allow_nan=False) + "\n"
    from dropbench.report.output.markup import pipe_table

    return pipe_table(_sheet(answer)) + "\n"


def _native(value: Any) -> Any:
    """Return an array of NumPy as a list, and anything else that JSON does not know as text."""
    return finite(value.tolist()) if hasattr(value, "tolist") else str(value)


def _sheet(answer: pd.DataFrame) -> Sheet:
    """Return the answer as a sheet, the form in which the tables of a report are shown."""
    from dropbench.report.tables.columns import Column, Sheet

    return Sheet(
        "",
        tuple(
            Column((plain(name),), tuple(map(_cell, answer[name].tolist())), right=answer[name].dtype.kind in "iuf")
            for name in answer.columns
        ),
    )


def _cell(value: Any) -> str:
    if absent(value) or value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else written(value)
