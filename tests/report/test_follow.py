"""Following a sweep: how far a plan is, what is left of it, and what is seen of it."""

from __future__ import annotations

import io
import re
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console
from terminal import dropbench, started

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.follow import standing, watch
from dropbench.store import Course, Rule, StoredStage

BEGAN = datetime(2025, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


@pytest.fixture
def runs(fake: Any) -> Callable[..., Any]:
    """A run that took ten seconds and ended so many after the sweep began."""

    def make(seed: int, ended: float, **fields: Any) -> Any:
        return fake(seed, started=at(ended - 10).isoformat(), seconds=10.0, **fields)

    return make


def test_standing(runs: Any, fake_plan: Any, store: Any) -> None:
    records = [runs(0, -100), runs(1, 20), runs(2, 40), *(runs(s, 0) for s in range(3, 8))]
    store.write_plan(fake_plan({"none": records}, created=BEGAN.isoformat()))
    first = standing([store.root], [], at(10))
    assert first is not None and (first.ended, first.total, first.left, first.complete) == (0, 8, None, False)
    assert str(first) == "0 of 8 runs have ended; time left not known yet"
    for record in records[:3]:
        store.write(record, [], "")
    here = standing([store.root], [], at(60))
    assert here is not None
    # Run 0 was there before: two in a minute, five to go.
    assert (here.ended, here.failed, here.total, here.left, here.idle) == (
        3,
        0,
        8,
        pytest.approx(150),
        pytest.approx(20),
    )
    assert str(here) == "3 of 8 runs have ended; the last 0:00:20 ago; about 0:02:30 left"


def test_a_plan_that_goes_on_from_what_it_finds_is_complete_once_it_has_ended(
    runs: Any, fake_plan: Any, store: Any
) -> None:
    records = [runs(0, 20), runs(1, 40)]
    for record in records:
        store.write(record, [], "")
    stages = [StoredStage(name="tuning", runs=[records[0].run_id])]
    for ended in (False, True):
        course = Course(rule=Rule(tune={"train.lr": [0.1, 0.2]}), stages=stages, ended=ended)
        store.write_plan(fake_plan({"none": records[1:]}, created=BEGAN.isoformat(), course=course))
        now = standing([store.root], [], at(60))
        assert now is not None and (now.ended, now.total, now.complete) == (2, 2, ended)
        assert ("more may follow, depending on these" in str(now)) is not ended


def test_a_failure_counts_unless_it_is_being_tried_again(runs: Any, fake_plan: Any, store: Any) -> None:
    records = [runs(0, -100, status="failed"), runs(1, 20, status="failed"), runs(2, 30, status="diverged")]
    store.write_plan(fake_plan({"none": records}, created=BEGAN.isoformat()))
    for record in records:
        store.write(record, [], "")
    here = standing([store.root], [], at(60))
    assert here is not None and (here.ended, here.failed, here.complete) == (2, 1, False)
    assert str(here).startswith("2 of 3 runs have ended, 1 failed; the last 0:00:30 ago")


def test_the_newest_unfinished_plan_counts(runs: Any, fake_plan: Any, store: Any) -> None:
    plans = {0: (1, 0), 50: (2, 0), 90: (3, 3)}  # when: runs, of which stored
    seed = 0
    for when, (n, done) in plans.items():
        records = [runs(seed + i, when) for i in range(n)]
        seed += n
        name = f"study_{when}"
        store.write_plan(fake_plan({"none": records}, plan_id=name, study=name, created=at(when).isoformat()))
        for record in records[:done]:
            store.write(record, [], "")
    totals = {s: getattr(standing([store.root], s, at(99)), "total", None) for s in ((), ("study_0",), ("study_90",))}
    assert totals == {(): 2, ("study_0",): 1, ("study_90",): 3}
    assert standing([store.root], ["absent"], at(99)) is None


def test_a_grid_has_no_arms_but_runs(runs: Any, fake_plan: Any, store: Any) -> None:
    store.write_plan(fake_plan({}, study=None, runs=["a", "b"], created=BEGAN.isoformat()))
    here = standing([store.root], [], at(1))
    assert here is not None and here.total == 2
    store.write_plan(fake_plan({}, study=None, plan_id="older", created=at(9).isoformat()))  # written before runs were
    here = standing([store.root], [], at(10))
    assert here is not None and here.total == 2


def test_times_that_are_none(fake: Any, fake_plan: Any, store: Any) -> None:
    record = fake(0)
    store.write_plan(fake_plan({"none": [record, fake(1)]}, created="today"))
    store.write(record, [], "")
    here = standing([store.root], [], at(1))
    assert here is not None and (here.ended, here.left, here.idle) == (1, None, None)


def follow(store: Any, console: Console, **asked: Any) -> None:
    watch(lambda: report.build([store.root], **asked), [store.root], [], 0.01, console, console)


def test_it_ends_with_the_plan_and_prints_the_whole_report(
    runs: Any, fake_plan: Any, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [runs(s, 5.0 * s) for s in range(3)]
    store.write_plan(fake_plan({"none": records}, created=BEGAN.isoformat()))

    left = iter(records)
    monkeypatch.setattr(time, "sleep", lambda seconds: store.write(next(left), [], ""))
    screen = io.StringIO()
    follow(store, Console(file=screen, width=80))
    lines = screen.getvalue().splitlines()
    assert [line.partition(" runs")[0] for line in lines if "have ended" in line] == [f"{i} of 3" for i in range(4)]
    assert any(line.startswith(" Seeds: 0-2") for line in lines)


@pytest.mark.parametrize("height", [12, 40])
def test_a_terminal_is_redrawn_without_notes(
    runs: Any, fake_plan: Any, store: Any, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [runs(s, 5.0 * s) for s in range(3)]
    store.write_plan(fake_plan({"none": records}, created=BEGAN.isoformat()))
    store.write(records[0], [], "")
    looks = 0

    def interrupt(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    screen = io.StringIO()
    follow(store, Console(file=screen, width=80, height=height, force_terminal=True, color_system=None))
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    drawn, _, after = text.partition("Seeds:")
    assert "1 of 3 runs have ended" in drawn and "89.0" in drawn
    assert "gap: training minus" in after and "gap:" not in drawn
    assert max(map(len, text.splitlines())) <= 110


def test_nothing_stored_and_nothing_planned_is_a_mistake(store: Any) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        follow(store, Console(file=io.StringIO()))


@pytest.mark.parametrize("words", [["--format", "json"], ["--out", "x"], ["--confirm"]])
def test_what_cannot_be_followed(capsys: Any, words: list[str]) -> None:
    said = dropbench(capsys, "report", "--watch", *words)
    assert said.code == 2 and "--watch shows tables as they grow" in said.err


def test_ctrl_c_ends_well(runs: Any, fake_plan: Any, store: Any) -> None:
    store.write_plan(fake_plan({"none": [runs(0, 0), runs(1, 0)]}, created=BEGAN.isoformat()))
    store.write(runs(0, 0), [], "")
    process = started(store.root.parent, "report", str(store.root), "--watch", "--every", "0.1")
    assert process.stderr is not None
    assert "1 of 2 runs have ended" in process.stderr.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Seeds: 0" in out
