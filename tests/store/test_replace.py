"""A finished run gives way only to one of the same id that measured more, and loses nothing by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stored import RUN, make

from dropbench.store import Record, Store, lacking

LOSS, ECE = {"loss": {"name": "loss"}}, {"ece": {"name": "ece", "bins": 15}}


def measuring(metric: dict[str, Any], metrics: dict[str, float], **fields: Any) -> Record:
    return make(config={"metric": metric}, metrics=metrics, **fields)


BOTH = measuring(LOSS | ECE, {"test_loss": 0.5, "test_ece": 0.1})


@pytest.mark.parametrize(
    ("first", "second", "replaced"),
    [
        (measuring(LOSS, {"test_loss": 0.5}), BOTH, True),
        (BOTH, measuring(LOSS, {"test_loss": 0.5}), False),
        (BOTH, measuring(LOSS | ECE, {"test_loss": 0.5, "test_ece": 0.1}, seconds=9.0), False),
        (BOTH, measuring(LOSS | {"ece": {"name": "ece", "bins": 7}}, {"test_loss": 0.5, "test_ece": 0.2}), True),
        (BOTH, measuring(LOSS | {"ece": {"name": "ece", "bins": 15, "version": 2}}, {"test_ece": 0.2}), False),
        (BOTH, measuring(LOSS | ECE | {"brier": {"name": "brier"}}, {}, status="diverged"), False),
        (measuring(LOSS, {}, status="diverged"), BOTH, False),
        (measuring(LOSS, {}, status="failed"), BOTH, True),
        (measuring(LOSS, {"test_loss": 0.5}, arrays={"test_x": [1.0]}), BOTH, False),
    ],
)
def test_the_record_that_has_more_stands(tmp_path: Path, first: Record, second: Record, replaced: bool) -> None:
    assert first.run_id == second.run_id == RUN
    store = Store(tmp_path)
    store.write(first, [], "first")
    folder = store.write(second, [], "second")
    assert folder == store.folder(RUN)
    assert store.find(RUN) == (second if replaced else first)
    assert (folder / "config.yaml").read_text() == ("second" if replaced else "first")
    assert len(store.load().records) == 1 and not list(tmp_path.glob("*/.*"))


def test_what_a_record_lacks_is_told_by_options_version_and_source() -> None:
    assert lacking(BOTH, LOSS | ECE, {}) == []
    assert lacking(BOTH, {"brier": {"name": "brier"}}, {}) == ["brier"]
    assert lacking(BOTH, {"ece": {"name": "ece", "bins": 7}}, {}) == ["ece"]
    assert lacking(BOTH, {"ece": {"name": "ece", "bins": 15, "version": 2}}, {}) == ["ece"]
    # Where the class lies says nothing of our own; of a user's, its source counts.
    ours = [{"loss": {"name": "loss", "_target_": f"dropbench.{place}.loss"}} for place in ("metrics", "elsewhere")]
    assert lacking(measuring(ours[0], {"test_loss": 1.0}), ours[1], {}) == []
    own = {"own": {"name": "own", "_target_": "mine.own"}}
    record = measuring(LOSS | own, {"test_own": 1.0}, sources={"mine.own": "a"})
    assert lacking(record, own, {"mine.own": "a"}) == [] and lacking(record, own, {"mine.own": "b"}) == ["own"]


def test_a_forced_run_that_fails_keeps_the_old_record(tmp_path: Path) -> None:
    first = Store(tmp_path / "r")
    record = make()
    first.write(record, [], "")
    again = Store(tmp_path / "r", replacing=[record.run_id])
    fresh = make(status="failed", metrics={}, chosen_epoch=None, reason="boom")
    assert again.write(fresh, [], "", "boom").parent.name == "failed"
    assert again.finished(record.run_id) == record and Store(tmp_path / "r").load().records == [record]
    newer = make(seconds=99.0)
    again.write(newer, [], "")
    assert again.find(record.run_id) == newer and not (tmp_path / "r" / "failed" / record.run_id).exists()
    other = make(seconds=1.0)
    Store(tmp_path / "r").write(other, [], "")
    assert again.find(record.run_id) == newer  # without being asked again it stays
