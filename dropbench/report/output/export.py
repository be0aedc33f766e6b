"""A Report for programs: csv, parquet and json, in full precision, accuracies as fractions."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from dropbench.errors import UsageError
from dropbench.report.output import asked as of_asked
from dropbench.report.output.sections import all_notes
from dropbench.report.records.frame import rows_of
from dropbench.report.tables.answers import tabled
from dropbench.report.tables.claims import Checked, Statement
from dropbench.report.tables.claims import tabled as of_claims
from dropbench.report.tables.comparison import Diagnosis
from dropbench.report.tables.population import about
from dropbench.report.tables.report import Report
from dropbench.report.tables.selection import Choice
from dropbench.values import plain

_FORMULA = tuple(
    "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""How a text begins that a spreadsheet runs. A tab and a line's end are no characters of a `plain` text."""


def rows(report: Report) -> pd.DataFrame:
    """One row an arm and comparison with title and baseline in front, then one a contrast that its study names.

    Of grids one row a cell, with title and measure. Of what was asked one row a contrast, and one a value whose optimum was
    asked for; of single runs a row each.
    """
    if report.single is not None:
        return report.single.table
    if report.claims:
        return of_claims(report.claims)
    tables = []
    for comparison in report.comparisons:
        for table in (comparison.table.copy(), tabled(comparison.answers)):
            table.insert(0, "comparison", comparison.title)
            table.insert(1, "baseline", comparison.baseline)
            tables += [table] if len(table) else []
    for grid in report.grids:
        table = grid.table.rename(columns={"row": grid.rows, "column": grid.cols or "column"})
        table.insert(0, "grid", grid.title)
        table.insert(1, "measure", str(grid.measure))
        tables.append(table)
    tables += [] if report.asked is None else of_asked.rows(report.asked)
    if not tables:
        return pd.DataFrame(columns=["comparison", "baseline", "arm"])
    return pd.concat(_counting(tables), ignore_index=True)


def _counting(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    """With counts that stay whole numbers beside rows that have none: 3 seeds are not 3.0."""
    every = set().union(*(table.columns for table in tables))
    if all(len(table.columns) == len(every) for table in tables):
        return tables
    return [table.astype({c: "Int64" for c in table.columns if table[c].dtype.kind in "iu"}) for table in tables]


def as_csv(report: Report) -> str:
    """What a spreadsheet opens without running any of it: text that it would take for a formula has an apostrophe before it.

    Numbers stay as they are, negative ones too (OWASP, CSV Injection).
    """
    return to_csv(rows(report))


def to_csv(table: pd.DataFrame) -> str:
    """A table as such a text."""
    named = table.rename(columns=_no_formula)
    return str(named.apply(lambda column: column.map(_no_formula)).to_csv(index=False))


def seeds_csv(report: Report) -> str:
    """A row a run of every comparison: its arm, its seed and all that was measured. Nothing where nothing is compared."""
    tables = []
    for c in report.comparisons:
        names = [str(m) for m in c.measures.within(c.runs)]
        table = c.runs[["label", "seed", "status", *names, "seconds", "run_id"]].rename(columns={"label": "arm"})
        table.insert(0, "comparison", c.title)
        tables.append(table)
    if not tables:
        return ""
    return to_csv(pd.concat(tables))


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip().startswith(_FORMULA) else cell


def as_json(report: Report) -> str:
    """rows: as in csv, null where unknown or not finite. comparisons, grids: what is said of each."""
    tree = {
        "rows": rows_of(rows(report)),
        "comparisons": [
            {
                "title": c.title,
                "baseline": c.baseline,
                "measure": None if c.measure is None else str(c.measure),
                "about": about(c),
                "choices": [_chosen(choice) for choice in c.choices],
                "alpha": c.alpha,
                "tuned": [asdict(tuned) for tuned in c.tuned],
                "explained": [{"about": plain(what), "says": plain(says)} for what, says in c.explained],
                "notes": all_notes(c),
                "diagnosis": [_diagnosed(d) for d in c.diagnosis or ()],
                "further": [_diagnosed(d) for d in c.further],
                "contrasts": rows_of(tabled(c.answers)),
            }
            for c in report.comparisons
        ],
        "grids": [
            {"title": g.title, "measure": str(g.measure), "rows": g.rows, "cols": g.cols, "notes": g.notes}
            for g in report.grids
        ],
        "claims": [_stated(s) for s in report.claims],
        "asked": None if report.asked is None else of_asked.tree(report.asked),
        "headlines": list(report.headlines),
        "notes": list(report.notes),
        "skipped": [{"path": plain(s.path), "reason": plain(s.reason)} for s in report.skipped],
        "questions": list(report.questions),
    }
    return json.dumps(_finite(tree), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _stated(statement: Statement) -> dict[str, Any]:
    """What the row of a statement does not say: the cases of one that is mathematics, the runs of another."""
    about: dict[str, Any] = {"study": statement.study, "name": statement.name}
    if isinstance(statement, Checked):
        return {**about, "cases": [{**asdict(case), "equal": case.equal} for case in statement.cases]}
    return {**about, "runs": list(statement.runs)}


def _diagnosed(told: Diagnosis) -> dict[str, Any]:
    """Without its runs, which its commands say."""
    return {key: value for key, value in asdict(told).items() if key not in ("steps", "options")}


def write_parquet(report: Report, file: Path) -> None:
    """Raises UsageError as `check_pyarrow` does; OSError where the file cannot be written."""
    check_pyarrow()
    rows(report).to_parquet(file, engine="pyarrow", index=False)


def check_pyarrow() -> None:
    """Raises UsageError without pyarrow, which is an extra. To be called before pandas is asked for anything that misses it."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise UsageError(
            "--format parquet takes pyarrow, which is not installed: pip install 'dropbench[parquet]'; or choose csv"
        ) from None


def _chosen(choice: Choice) -> dict[str, Any]:
    return vars(choice) | {"rule": str(choice.rule), "test": str(choice.test)}


def _finite(value: Any) -> Any:
    """JSON has no word for NaN, infinity and counts that are unknown: null."""
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)) else value
