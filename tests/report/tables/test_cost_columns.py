"""What runs cost, and what a table leaves out when there is no room."""

from __future__ import annotations

from typing import Any

import pytest

from dropbench import report
from dropbench.report.tables.columns import sheets


def test_seconds_an_epoch_and_the_cohorts_memory(fake: Any, put: Any, store: Any) -> None:
    for seed in range(3):
        put(fake(seed, seconds=3.0 + seed, epochs_run=50, peak_memory_mb=300.0))
        put(fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5}, seconds=60.0, epochs_run=20))
    put(fake(9, status="failed", epochs_run=0, seconds=0.0))
    made = report.build([store.root])
    table = made.comparisons[0].table.set_index("arm")
    assert table["epoch_seconds_mean"].tolist() == pytest.approx([4 / 50, 3])
    assert table["peak_memory_mb_mean"].tolist()[0] == 300 and table["peak_memory_mb_mean"].isna().tolist()[1]
    columns = {c.heading: c.cells for c in sheets(made.comparisons[0])[0].columns}
    assert columns["seconds", "an epoch"] == ("0.080", "3.0")
    assert columns["time", "seconds"] == ("4.0", "60.0")
    assert columns["cohort's", "peak MB"] == ("300", "-")


def test_records_without_memory_have_no_column_of_it(fake: Any, put: Any, store: Any) -> None:
    put(fake(0))
    columns = [c.heading for c in sheets(report.build([store.root]).comparisons[0])[0].columns]
    assert ("seconds", "an epoch") in columns and ("cohort's", "peak MB") not in columns


def test_no_difference_is_shown_without_its_interval(fake: Any, put: Any, store: Any) -> None:
    """But that of the verdict, whose interval stays as long as anything does."""
    for seed in range(7):
        put(fake(seed, test=0.8 + 0.001 * seed))
        put(fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5}, test=0.8 + 0.002 * seed, val=0.7))
    comparison = report.build([store.root]).comparisons[0]
    seen = set()
    for width in range(70, 300, 3):
        headings = [c.heading for c in sheets(comparison, width)[1].columns]
        for place, heading in enumerate(headings):
            if heading[0].split(" ")[0] in ("test", "gap", "val."):
                seen.add(heading)
                after = [h[0] for h in headings[place + 1 : place + 3]]
                assert after[0] == "95 % interval" or after == ["", "95 % interval"], (width, headings)
    assert len(seen) > 3
