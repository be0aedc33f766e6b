"""`--runs`: a row a run, exact, of one kind a column, whatever its settings are."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dropbench import report
from dropbench.errors import UsageError
from dropbench.values import flatten

ON = {"dropout": "standard", "dropout.rate": 0.5}


@pytest.fixture
def some(put: Any, fake: Any) -> Any:
    """Two models with other keys, two arms, one run that failed and one that diverged."""
    records = []
    for model in ("mlp", "cnn"):
        for changes in ({}, ON):
            for seed in range(3):
                status = (
                    {("cnn", 1): "failed", ("cnn", 2): "diverged"}.get((model, seed), "completed") if changes else None
                )
                more = {
                    "data.n_train": None if model == "cnn" else 300,
                    "train.monitor": 5 if model == "mlp" else "never",
                }
                records.append(
                    fake(
                        seed,
                        changes={"model": model, **changes, **more},
                        status=status or "completed",
                        reason="first line\nTraceback" if status not in (None, "completed") else None,
                        test=0.8 + seed / 70,
                    )
                )
    put(*records)
    return records


def test_a_row_a_run_with_every_key_and_every_digit(some: Any, store: Any) -> None:
    table = report.list_runs([store.root]).single.table
    assert sorted(table["run_id"]) == sorted(r.run_id for r in some)
    rows = table.set_index("run_id")
    for record in some:
        row, keys = rows.loc[record.run_id], flatten(record.config)
        assert {k for k in keys if "." in k} <= set(rows.columns)
        assert (row["status"], row["seed"]) == (record.status, record.seed)
        assert row["reason"] == (None if record.reason is None else "first line")
        for name, value in record.metrics.items():
            assert row[name] == value, "in full precision"
        assert row["chosen_epoch"] == record.chosen_epoch and row["seconds"] == record.seconds
        assert row["data_fingerprint"] == record.data_fingerprint and row["dropout.rate"] == keys["dropout.rate"]
        assert row["arm"] == ("standard 0.5" if "0.5" in str(keys["dropout.rate"]) else "none")
        assert row["table"].startswith(keys["model.name"])
    assert set(rows["train.monitor"]) == {"5", "never"}, "numbers and texts under one key are texts"
    assert set(rows["data.n_train"].dropna()) == {300}
    assert rows.loc[rows["model.name"] == "cnn", "model.widths"].isna().all()


def test_programs_read_the_same_table(some: Any, store: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    made = report.list_runs([store.root])
    table = made.single.table
    report.write(made, "parquet", tmp_path / "runs.parquet")
    stored = pd.read_parquet(tmp_path / "runs.parquet")
    of_csv = pd.read_csv(io.StringIO(report.render(made, "csv")), dtype={"run_id": str, "data_fingerprint": str})
    of_json = pd.DataFrame(json.loads(report.render(made, "json"))["rows"])
    for other in (stored, of_csv, of_json):
        assert other.columns.tolist() == table.columns.tolist()
        assert other["run_id"].tolist() == table["run_id"].tolist()
        for name in ("test_accuracy", "gap_loss", "dropout.rate", "seconds"):
            assert other[name].astype(float).fillna(-1).tolist() == table[name].astype(float).fillna(-1).tolist()
    assert str(stored["seed"].dtype) == "int64" and stored["train.augment.crop"].tolist() == [0] * 12


def test_filters_and_conditions_hold(some: Any, store: Any) -> None:
    def ids(*filters: str, where: tuple[str, ...] = ()) -> int:
        return len(report.list_runs([store.root], filters, where=where).single.table)

    assert (ids(), ids("model=mlp"), ids("status=failed"), ids(where=("seed>0",))) == (12, 6, 1, 8)
    with pytest.raises(UsageError, match="mode"):
        ids("mode=mlp")
    with pytest.raises(UsageError, match="--metric accuracies"):
        report.list_runs([store.root], metric="accuracies")


def test_studies_and_plans_are_named_and_a_run_of_two_is_one_row(
    put: Any, fake: Any, fake_plan: Any, store: Any
) -> None:
    arms = {"none": [fake(s) for s in range(2)], "target": [fake(s, changes=ON) for s in range(2)]}
    alone = fake(7)
    put(*arms["none"], *arms["target"], alone)
    plans = [fake_plan(arms), fake_plan({"zero": arms["none"], "same": arms["none"]}, study="other", baseline="zero")]
    for plan in plans:
        store.write_plan(plan)
    rows = report.list_runs([store.root]).single.table.set_index("run_id")
    assert len(rows) == 5
    first = rows.loc[arms["none"][0].run_id]
    assert set(first["study"].split("; ")) == {"three_arm", "other"}
    assert set(first["plan"].split("; ")) == {p.plan_id for p in plans}
    assert pd.isna(rows.loc[alone.run_id, "study"])
    of_study = report.list_runs([store.root], ["study=other"]).single.table
    assert len(of_study) == 2 and set(of_study["arm"]) == {"zero; same"}


@pytest.mark.parametrize("fmt", ["rich", "markdown", "latex", "html"])
def test_people_see_what_varies_and_the_scores(some: Any, store: Any, fmt: str) -> None:
    made = report.list_runs([store.root])
    text = report.render(made, fmt, 100)
    for record in some:
        assert record.run_id in text
    assert "diverged" in text and "81.4" in text  # 0.8 + 1/70
    if fmt == "rich":
        assert max(map(len, text.splitlines())) <= 100 and "Columns left out" in text
        wide = report.render(made, fmt, wide=True)
        assert "train.monitor" in wide and "train.epochs" not in wide and "first line" in wide
