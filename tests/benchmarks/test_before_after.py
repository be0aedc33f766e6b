"""The comparison of two checkouts sees a number that changed, and does not see a clock."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.before_after import Checkout, compared, told

RECORD = {"status": "completed", "metrics": {"test_loss": 0.25}, "seed": 0, "seconds": 3.0, "run_id": "abc"}
HISTORY = "epoch,val_loss,seconds\n1,0.5,0.1\n2,0.25,0.1\n"


def stored(tmp_path: Path, name: str, run: str, record: dict[str, object], history: str) -> tuple[Checkout, str]:
    checkout = Checkout(tmp_path, tmp_path / name, None)
    folder = checkout.work / "results" / "demo" / "runs" / run
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record))
    (folder / "history.csv").write_text(history)
    return checkout, json.dumps({"runs": [run]})


def differences(tmp_path: Path, record: dict[str, object], history: str) -> list[str]:
    before, old = stored(tmp_path, "before", "abc", RECORD, HISTORY)
    after, new = stored(tmp_path, "after", "def", record, history)
    return list(compared("demo", before, after, (old, new)))


def test_another_id_and_another_clock_are_no_difference(tmp_path: Path) -> None:
    later = HISTORY.replace(",0.1\n", ",0.9\n")
    assert differences(tmp_path, {**RECORD, "run_id": "def", "seconds": 9.0}, later) == []


def test_a_last_digit_is_one(tmp_path: Path) -> None:
    (of_record,) = differences(tmp_path / "record", {**RECORD, "metrics": {"test_loss": 0.2500000001}}, HISTORY)
    assert "metrics" in of_record
    (of_history,) = differences(tmp_path / "history", RECORD, HISTORY.replace("2,0.25", "2,0.2500000001"))
    assert "history differs from row 1" in of_history
    (of_length,) = differences(tmp_path / "length", RECORD, HISTORY + "3,0.2,0.1\n")
    assert "history differs from row 2" in of_length


def test_of_a_report_ids_and_seconds_are_left_out() -> None:
    lines = [
        f"arm,arm_id,test_loss_mean,seconds_mean\nnone,{i},{loss},{s}\n" for i, loss, s in (("a", 1, 2), ("b", 1, 3))
    ]
    assert told(lines[0], "--format csv") == told(lines[1], "--format csv")
    assert told(lines[0], "--format csv") != told(lines[0].replace(",1,2", ",1.1,2"), "--format csv")
    trees = [
        json.dumps({"rows": [{"arm": "none", "arm_id": i, "p": p}], "notes": []}) for i, p in (("a", 0.1), ("b", 0.1))
    ]
    assert told(trees[0], "--format json") == told(trees[1], "--format json")
    assert told(trees[0], "--format json") != told(trees[0].replace("0.1", "0.2"), "--format json")
