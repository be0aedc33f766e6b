"""SQL queries on the table of runs, which DuckDB answers in memory: a query can read or write no file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dropbench.errors import UsageError
from dropbench.report.single_runs import list_runs

TABLE = "runs"
"""The name of the table in a query. Its columns are those of `dropbench report --runs --format csv`."""
EXAMPLE = f"select arm, avg(test_accuracy) from {TABLE} group by arm"


def query(paths: Sequence[Path], filters: Sequence[str], text: str, *, where: Sequence[str] = ()) -> pd.DataFrame:
    """Return the result of one SELECT on the table `runs`. The other parameters are as in `single_runs.list_runs`.

    Raises
    ------
    UsageError
        As `list_runs` does; if duckdb, an optional dependency, is not installed; for anything other than one SELECT; and for a
        query that DuckDB rejects.
    """
    try:
        import duckdb
    except ImportError:
        raise UsageError("--sql needs duckdb, which is not installed: pip install 'dropbench[sql]'") from None
    single = list_runs(paths, filters, where=where).single
    assert single is not None  # list_runs always sets it
    with duckdb.connect(":memory:") as database:
        database.register("_runs", single.table.convert_dtypes())
        database.execute(f"create table {TABLE} as select * from _runs")
        database.unregister("_runs")
        database.execute("set enable_external_access = false; set lock_configuration = true")
        try:
            statements = database.extract_statements(text)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError(
                    f"--sql: write one select, as in --sql 'select arm, avg(test_accuracy) from {TABLE} group by arm'"
                )
            return database.execute(statements[0]).df()
        except duckdb.Error as error:
            raise UsageError(f"--sql: {_sentence(error)}") from error


def _sentence(error: Exception) -> str:
    """Return DuckDB's error message in one line, with a hint at the most frequent mistake."""
    words = " ".join(line.strip() for line in str(error).splitlines() if line.strip() and set(line.strip()) != {"^"})
    hint = '; write a name with a dot in double quotes, as in "dropout.rate"' if "." in words else ""
    return words.partition(" LINE 1:")[0] + hint
