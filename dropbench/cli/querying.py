"""`dropbench report --sql`: the answer as a table on the terminal or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.errors import UsageError
from dropbench.values import absent, plain, written

if TYPE_CHECKING:
    import pandas as pd

    from dropbench.cli.console import Shown

FORMATS = ("rich", "csv", "json", "markdown", "parquet")
"""Those that an answer can be written in."""


def show(answer: pd.DataFrame, fmt: str, out: Path | None, shown: Shown) -> None:
    """Prints or writes it. Raises UsageError where the file cannot be written."""
    try:
        if fmt == "parquet":
            assert out is not None  # checked before anything was read
            answer.to_parquet(out, index=False)
        elif out is not None:
            out.write_text(_text(answer, "markdown" if fmt == "rich" else fmt), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}; choose a file in a folder that you can write to") from error
    if out is not None:
        shown.note(f"written to {out}")
    elif fmt != "rich":
        shown.out(_text(answer, fmt).rstrip("\n"))
    else:
        _print(answer, shown)


def _text(answer: pd.DataFrame, fmt: str) -> str:
    if fmt == "csv":
        from dropbench.report.output.export import to_csv

        return to_csv(answer)
    if fmt == "json":
        return str(answer.to_json(orient="records", indent=1, force_ascii=False)) + "\n"
    from tabulate import tabulate

    cells = [[_cell(v).replace("|", r"\|") for v in row] for row in answer.itertuples(index=False, name=None)]
    return str(tabulate(cells, list(map(str, answer.columns)), tablefmt="pipe", disable_numparse=True)) + "\n"


def _print(answer: pd.DataFrame, shown: Shown) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in answer.columns:
        table.add_column(Text(plain(name)), justify="right" if answer[name].dtype.kind in "iuf" else "left")
    for row in answer.itertuples(index=False, name=None):
        table.add_row(*(Text(_cell(value)) for value in row))
    shown.results.print(table)


def _cell(value: Any) -> str:
    if absent(value) or value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else written(value)
