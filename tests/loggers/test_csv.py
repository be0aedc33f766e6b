"""Rows of epochs in files, as they come."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sweeping import Sweep

from dropbench.loggers.base import Run
from dropbench.loggers.csv import Csv

RUN = Run("0123456789ab", "none", 0, {})

rows = st.lists(
    st.dictionaries(st.sampled_from(["lr", "val_loss", "rate/hidden.0", 'a,"b"']), st.floats() | st.integers()),
    max_size=6,
)


def read(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@given(rows)
def test_every_row_is_there_at_once_whatever_columns_it_brings(given_rows: list[dict[str, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        logger = Csv(Path(folder))
        logger.begin(RUN)
        for epoch, row in enumerate(given_rows, start=1):
            logger.epoch(RUN.run_id, {"epoch": epoch, **row})
            found = read(Path(folder) / f"{RUN.run_id}.csv")
            assert len(found) == epoch
            for number, (told, here) in enumerate(zip(found, given_rows, strict=False), start=1):
                assert {key: value for key, value in told.items() if value} == {
                    "epoch": str(number),
                    **{key: str(value) for key, value in here.items()},
                }


def test_a_run_that_begins_again_begins_its_file_again(tmp_path: Path) -> None:
    for attempt in range(2):
        logger = Csv(tmp_path)
        logger.begin(RUN)
        logger.begin(RUN)
        logger.epoch(RUN.run_id, {"epoch": 1, "lr": attempt})
    assert read(tmp_path / f"{RUN.run_id}.csv") == [{"epoch": "1", "lr": "1"}]


def test_in_the_end_it_is_the_history(sweep: Sweep, tmp_path: Path) -> None:
    said = sweep("csv")
    assert said.code == 0 and "Warning" not in said.err
    files = sorted((tmp_path / "results/logs/csv").iterdir())
    assert len(files) == 4
    for file in files:
        # Columns that come later stand later here: the history knows them all before it is written.
        assert read(file) == read(tmp_path / "results/runs" / file.stem / "history.csv")
        assert [row["val_loss"] != "" for row in read(file)] == [False, True, True]
