"""What a results folder may hold beside good runs: it is counted, with a reason, and never stops a report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dropbench import report
from dropbench.report.records.measures import Measure
from dropbench.store import Measure as Declaration

REPO = Path(__file__).resolve().parents[3]


def test_missing_truncated_foreign_and_newer_records_are_skipped(fake: Any, put: Any, store: Any) -> None:
    put(*(fake(s) for s in range(11)))
    folders = sorted((store.root / "runs").iterdir())
    trees = [json.loads((f / "record.json").read_text()) for f in folders]
    (folders[0] / "record.json").unlink()
    (folders[1] / "record.json").write_bytes((folders[1] / "record.json").read_bytes()[:200])
    (folders[2] / "record.json").write_text('{"somebody": "else"}')
    (folders[3] / "record.json").write_text(json.dumps(trees[3] | {"schema": 99}))
    (folders[4] / "record.json").write_text(json.dumps(trees[4] | {"config": {}}))
    (folders[5] / "record.json").write_text(json.dumps(trees[5] | {"config": {"model": "mlp", "dropout": 3}}))
    (folders[6] / "record.json").write_bytes(b"\xff\xfe\x00binary")
    (folders[7] / "record.json").write_text(json.dumps(trees[7] | {"metrics": {"test_accuracy": "high"}}))
    (folders[8] / "record.json").write_text(json.dumps(trees[8] | {"arrays": {"test_reliability_right": "cut"}}))
    (folders[9] / "record.json").write_text(json.dumps(trees[9] | {"schema": "1"}))
    (store.root / "plans").mkdir(exist_ok=True)
    (store.root / "plans" / "x.json").write_text("[")
    found = report.build([store.root])
    assert found.comparisons[0].table["n"].tolist() == [1]
    assert len(found.skipped) == 11
    note = next(n for n in found.notes if n.startswith("Skipped 11 records: "))
    for reason in (
        "no record.json",
        "2 × record.json is not JSON, perhaps cut short",
        "2 × record.json was not written by dropbench",
        "written by a newer dropbench (schema 99",
        "2 × record.json: its configuration has no",
        "metrics.test_accuracy",
        "arrays.test_reliability_right",
    ):
        assert reason in note
    for fmt in ("rich", "markdown", "latex", "html"):
        assert all(
            reason in " ".join(report.render(found, fmt, 80).split()) for reason in ("Skipped 11", "schema 99")
        ), fmt
    assert len(json.loads(report.render(found, "json"))["skipped"]) == 11
    assert len(report.render(found, "csv").splitlines()) == 2


def test_metrics_that_only_some_runs_have(fake: Any, put: Any, store: Any) -> None:
    odd = fake(1)
    odd.metrics.clear()
    odd.metrics["test_perplexity"] = 120.0
    put(fake(0), odd, fake(2), fake(0, changes={"dropout": "standard"}))
    found = report.build([store.root])
    row = found.comparisons[0].table.iloc[0]
    assert (row["n"], row["test_perplexity_mean"]) == (3, 120)
    assert str(report.build([store.root], metric="perplexity").comparisons[0].measure) == "test_perplexity"
    for fmt in ("rich", "csv", "markdown", "latex", "json"):
        assert "nan" not in report.render(found, fmt, 200).lower().replace("nanosecond", "")


def test_runs_asked_for_one_more_metric_are_still_one_table(fake: Any, put: Any, store: Any) -> None:
    brier = {"metric.brier": {"name": "brier", "_target_": "dropbench.metrics.brier.brier", "version": 1}}
    for arm in ({}, {"dropout": "standard", "dropout.rate": 0.5}):
        for seed in range(6):
            run = fake(seed, changes=arm | (brier if seed >= 3 else {}))
            if seed >= 3:
                run.metrics["test_brier"] = 0.1 * seed
                run.measures["brier"] = Declaration("lower")
            put(run)
    (comparison,) = report.build([store.root], metric="brier").comparisons
    assert comparison.title == "mlp on mnist, n_train=1000" and comparison.labels == ["none", "standard 0.5"]
    assert comparison.table["n"].tolist() == [6, 6] and comparison.table["pairs"].tolist() == [0, 3]
    assert comparison.table["test_brier_mean"].tolist() == pytest.approx([0.4, 0.4])
    assert comparison.measure is not None and comparison.measure.direction == -1
    (grid,) = report.pivot([store.root], rows="dropout.rate").grids
    assert grid.table["n"].tolist() == [6, 6]


def test_the_newest_declaration_of_a_metric_counts_and_a_note_says_so(fake: Any, put: Any, store: Any) -> None:
    old, new = fake(0), fake(1)
    old.metrics["test_mine"] = new.metrics["test_mine"] = 0.5
    old.measures["mine"] = Declaration("lower")
    new.measures["mine"] = Declaration("higher", unit="percent", region="0.5pp", version=2)
    put(old, new)
    built = report.build([store.root], metric="mine")
    measure = built.comparisons[0].measure
    assert measure is not None and (measure.direction, measure.declared.region) == (1, "0.5pp")
    assert built.notes == (
        "Runs declare these metrics in several ways; the newest declaration counts for all: mine (version 2).",
    )


def test_the_best_epoch_is_in_the_table(fake: Any, store: Any) -> None:
    for seed in range(2):
        store.write(fake(seed), [{"epoch": e, "val_loss": abs(e - 3 - seed)} for e in range(1, 9)], "")
    assert report.build([store.root]).comparisons[0].table["best_epoch_mean"].tolist() == [3.5]


@pytest.mark.slow
def test_a_thousand_runs_are_reported_without_torch(fake: Any, store: Any) -> None:
    """All of them, in a process of its own. How long it takes is for a benchmark: a busy machine is no fault of the code."""
    history = [{"epoch": e, "val_loss": 1 / e, "val_accuracy": 1 - 1 / e, "train_loss": 0.1} for e in range(1, 51)]
    for size in (500, 1000, 2000, 5000, 10_000):
        for i in range(20):
            for seed in range(10):
                changes = {"data.n_train": size, "dropout": "standard" if i else "none", "dropout.rate": i / 20}
                store.write(fake(seed, changes=changes, test=0.8 + 0.001 * ((7 * seed + 3 * i) % 10)), history, "")
    script = (
        "import sys; from pathlib import Path; from dropbench import report\n"
        "made = report.build([Path(sys.argv[1])]); report.render(made, 'rich', 100)\n"
        "print(sum(int(c.table['n'].sum()) for c in made.comparisons), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(store.root)], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1000", "False"]


@pytest.mark.parametrize(
    ("metric", "share"),
    [("accuracy", True), ("fgsm_10_accuracy", True), ("balanced_accuracy", False), ("mc_balanced_accuracy", False)],
)
def test_a_mean_over_classes_is_no_share_of_the_examples(metric: str, share: bool) -> None:
    assert Measure("test", metric).is_share_of_examples is share


def test_a_table_as_csv_and_as_parquet_are_told_apart(fake: Any, put: Any, store: Any) -> None:
    for kind in ("csv", "parquet"):
        for rate in (0.0, 0.5):
            changes = {
                "data": kind,
                "data.path": f"there/my.{kind}",
                "dropout": "standard" if rate else "none",
                "dropout.rate": rate,
            }
            put(*(fake(seed, changes=changes) for seed in range(2)))
    found = report.build([store.root]).comparisons
    assert [c.title.split(",")[0] for c in found] == ["mlp on my (csv)", "mlp on my (parquet)"]
    assert all(c.labels == ["none", "standard 0.5"] for c in found)
    (only,) = report.build([store.root], ["data.name=my (csv)"]).comparisons
    assert only.title == found[0].title
