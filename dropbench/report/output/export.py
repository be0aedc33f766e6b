"""A Report for programs, as csv, parquet and json: in full precision, with accuracies as fractions."""

from __future__ import annotations

import json
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
from dropbench.values import finite, plain

_FORMULA = tuple(
    "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
"""The characters with which a formula of a spreadsheet begins. Tabs and line ends are not needed here: `plain` escapes them."""


def rows(report: Report) -> pd.DataFrame:
    """Return the report as one table.

    A comparison has one row per arm and one per contrast that its study names, with title and baseline in the first columns. A
    grid has one row per cell, with title and measure. Answers have one row per contrast, and one per value of a key whose
    optimum was asked for. Claims and single runs have one row each.
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
    """Convert integer columns to a nullable type, so that counts stay whole where other tables lack them: 3 seeds, not 3.0."""
    every = set().union(*(table.columns for table in tables))
    if all(len(table.columns) == len(every) for table in tables):
        return tables
    return [table.astype({c: "Int64" for c in table.columns if table[c].dtype.kind in "iu"}) for table in tables]


def as_csv(report: Report) -> str:
    """Return CSV that is safe to open in a spreadsheet: text that looks like a formula gets an apostrophe before it.

    Numbers, also negative ones, stay as they are (OWASP, CSV Injection).
    """
    return to_csv(rows(report))


def to_csv(table: pd.DataFrame) -> str:
    """Return a table as CSV that is safe in the same way."""
    named = table.rename(columns=_no_formula)
    return str(named.apply(lambda column: column.map(_no_formula)).to_csv(index=False))


def seeds_csv(report: Report) -> str:
    """Return CSV with one row per run of every comparison: arm, seed and all measures. Empty if nothing is compared."""
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
    """Return JSON: `rows` as in the csv, with null for unknown or non-finite values, and other keys with words and notes."""
    tree = {
        "rows": rows_of(rows(report)),
        "comparisons": [
            {
                "title": c.title,
                "baseline": c.baseline,
                "measure": None if c.measure is None else str(c.measure),
                "about": about(c),
                "fresh": c.fresh,
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
    return json.dumps(finite(tree), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _stated(statement: Statement) -> dict[str, Any]:
    """Return what the row of a statement does not hold: the cases of a check, or the runs of a claim."""
    about: dict[str, Any] = {"study": statement.study, "name": statement.name}
    if isinstance(statement, Checked):
        return {**about, "cases": [{**asdict(case), "equal": case.equal} for case in statement.cases]}
    return {**about, "runs": list(statement.runs)}


def _diagnosed(told: Diagnosis) -> dict[str, Any]:
    """Return a diagnosis as a tree, without its runs, because its commands name them."""
    return {key: value for key, value in asdict(told).items() if key not in ("steps", "options", "confirm")}


def write_parquet(report: Report, file: Path) -> None:
    """Write the rows to a parquet file. Raises UsageError as `check_pyarrow` does; OSError if the file cannot be written."""
    check_pyarrow()
    rows(report).to_parquet(file, engine="pyarrow", index=False)


def check_pyarrow() -> None:
    """Raise UsageError if pyarrow, an optional dependency, is not installed. Call it before pandas needs pyarrow."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise UsageError(
            "--format parquet needs pyarrow, which is not installed: pip install 'dropbench[parquet]'; or choose csv"
        ) from None


def _chosen(choice: Choice) -> dict[str, Any]:
    return vars(choice) | {"rule": str(choice.rule), "test": str(choice.test)}
