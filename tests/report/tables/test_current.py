"""No comparison holds runs of two data sets or of two versions of a user's code: the newest count, and the rest is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dropbench import report
from dropbench.errors import UsageError
from dropbench.store import Store

ON = {"dropout": "standard", "dropout.rate": 0.5}
MINE = {"model._target_": "my.Net"}
OLD, NEW = "2025-01-01T00:00:00+00:00", "2025-02-01T00:00:00+00:00"


def of_data(fake: Any, fingerprint: str, started: str, **fields: Any) -> list[Any]:
    return [
        fake(s, changes=changes, data_fingerprint=fingerprint, started=started, test=0.8 + s / 100, **fields)
        for changes in ({}, ON)
        for s in range(3)
    ]


def by_code(fake: Any, code: str, started: str, part: str = "my.Net", **changes: Any) -> list[Any]:
    sources = {part: code}
    return [fake(s, changes=changes | arm, sources=sources, started=started) for arm in ({}, ON) for s in range(3)]


def test_runs_of_other_data_are_kept_told_and_not_compared(fake: Any, put: Any, store: Any) -> None:
    put(*of_data(fake, "a" * 12, OLD), *of_data(fake, "b" * 12, NEW))
    built = report.build([store.root])
    (comparison,) = built.comparisons
    assert set(comparison.runs["data_fingerprint"]) == {"b" * 12} and comparison.table["n"].tolist() == [3, 3]
    assert built.notes == (
        f"mlp on mnist: 6 runs were made from other data than the newest ({'b' * 12}); they are kept and not compared. "
        f"`dropbench report {store.root} data_fingerprint={'a' * 12}` shows them.",
    )
    (old,) = report.build([store.root], [f"data_fingerprint={'a' * 12}"]).comparisons
    assert set(old.runs["data_fingerprint"]) == {"a" * 12}
    # A table of cells averages no two of them either.
    grid = report.pivot([store.root], rows="dropout.rate")
    assert set(grid.grids[0].table["n"]) == {3} and "other data" in grid.notes[0]


def test_a_single_newer_run_counts(fake: Any, put: Any, store: Any) -> None:
    put(*of_data(fake, "a" * 12, OLD), fake(0, data_fingerprint="b" * 12, started=NEW, status="failed"))
    built = report.build([store.root])
    assert len(built.comparisons[0].runs) == 1 and "6 runs were made from other data" in built.notes[0]
    # By its time, however that is written.
    put(fake(5, data_fingerprint="c" * 12, started="2025-02-01T01:00:00+02:00"))
    assert set(report.build([store.root]).comparisons[0].runs["data_fingerprint"]) == {"b" * 12}


def test_a_run_that_failed_before_its_data_were_read_stays(fake: Any, put: Any, store: Any) -> None:
    put(*of_data(fake, "a" * 12, OLD), fake(7, data_fingerprint=None, status="failed", started=NEW))
    built = report.build([store.root])
    assert len(built.comparisons[0].runs) == 7 and built.notes == ()


def test_other_settings_have_other_data_of_their_own(fake: Any, put: Any, store: Any) -> None:
    other = [fake(s, changes={"data": "digits"}, data_fingerprint="d" * 12, started=NEW) for s in range(3)]
    put(*of_data(fake, "a" * 12, OLD), *other)
    built = report.build([store.root])
    assert len(built.comparisons) == 2 and built.notes == ()


def test_runs_by_other_code_are_not_compared(fake: Any, put: Any, store: Any) -> None:
    put(*by_code(fake, "1" * 12, OLD, **MINE), *by_code(fake, "2" * 12, NEW, **MINE))
    built = report.build([store.root])
    (comparison,) = built.comparisons
    assert [s["my.Net"] for s in comparison.runs["sources"]] == ["2" * 12] * 6
    assert built.notes == (
        f"mlp on mnist: 6 runs were made by other code of my.Net than the newest ({'2' * 12}); they are kept and not "
        f"compared. `dropbench report {store.root} 'sources=*{'1' * 12}*'` shows them.",
    )
    (old,) = report.build([store.root], [f"sources=*{'1' * 12}*"]).comparisons
    assert [s["my.Net"] for s in old.runs["sources"]] == ["1" * 12] * 6


def test_a_variant_that_was_changed_costs_its_own_runs_alone(fake: Any, put: Any, store: Any) -> None:
    mine = {"dropout": "mine", "dropout.rate": 0.5, "dropout._target_": "my.Drop"}
    put(*(fake(s, started=OLD) for s in range(3)))
    for code, started in (("1" * 12, OLD), ("2" * 12, NEW)):
        put(*(fake(s, changes=mine, sources={"my.Drop": code}, started=started) for s in range(3)))
    built = report.build([store.root])
    assert built.comparisons[0].table["n"].tolist() == [3, 3]
    assert built.notes[0].startswith("mlp on mnist: 3 runs were made by other code of my.Drop")


def test_the_same_run_in_two_folders_with_other_numbers_is_told(fake: Any, tmp_path: Path) -> None:
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    for seed in range(2):
        one.write(fake(seed, started=NEW), [], "")
        two.write(fake(seed, started=OLD, test=0.5 if seed else 0.89), [], "")
    built = report.build([one.root, two.root])
    run = fake(1).run_id
    assert built.notes == (
        "1 run lies in several folders with different numbers; the copy that finished, and was started last, is used: "
        f"{one.root / 'runs' / run}, not {two.root / 'runs' / run}.",
    )
    assert built.comparisons[0].table["test_accuracy_mean"].tolist() == [pytest.approx(0.89)]
    assert report.build([one.root, one.root]).notes == ()


def test_a_run_that_ended_otherwise_elsewhere_is_told(fake: Any, tmp_path: Path) -> None:
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    one.write(fake(0, started=OLD), [], "")
    two.write(fake(0, started=NEW, status="failed"), [], "")
    built = report.build([one.root, two.root])
    assert built.comparisons[0].table["n"].tolist() == [1] and "two/failed" in built.notes[0]


def test_an_unknown_fingerprint_is_a_sentence(fake: Any, put: Any, store: Any) -> None:
    put(fake(0))
    with pytest.raises(UsageError, match="no stored run has this value"):
        report.build([store.root], ["data_fingerprint=zzz"])
