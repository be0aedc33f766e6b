"""A results folder survives kills, rivals, damage and newer versions; what is written is what is read."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored import RUN, make

from dropbench.errors import UsageError
from dropbench.store import SCHEMA, Store, StoredPlan, read

REPO = Path(__file__).resolve().parents[2]


def plan(plan_id: str = "p1", **changes: Any) -> StoredPlan:
    values: dict[str, Any] = {
        "plan_id": plan_id,
        "study": None,
        "question": None,
        "baseline": "none",
        "arms": {"none": [RUN]},
        "overrides": ["seed=0"],
        "created": "2025-01-01T00:00:00+00:00",
    }
    return StoredPlan(**(values | changes))


HISTORY: list[dict[str, float | int | str | None]] = [
    {"epoch": 1, "train_loss": 2.5},
    {"epoch": 2, "train_loss": math.inf, "rate": None},
]


def hidden(root: Path) -> list[Path]:
    return list(root.glob("*/.*"))


# What is written


def test_a_finished_run_is_a_whole_folder(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "results")
    assert not store.is_done(RUN)
    folder = store.write(make(), HISTORY, "seed: 0\n")
    assert folder == tmp_path / "deep" / "results" / "runs" / RUN
    assert {p.name for p in folder.iterdir()} == {"config.yaml", "record.json", "history.csv"}
    assert (folder / "config.yaml").read_text() == "seed: 0\n"
    with store.history(RUN).open() as file:
        rows = list(csv.DictReader(file))
    assert [r["epoch"] for r in rows] == ["1", "2"]
    assert (rows[0]["rate"], rows[1]["rate"]) == ("", "")
    assert float(rows[1]["train_loss"]) == math.inf
    assert store.is_done(RUN)
    assert store.load().records == [make()]
    assert store.find(RUN) == make()
    assert store.find("other") is None


def test_a_diverged_run_is_finished(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(make(status="diverged", metrics={}, reason="loss nan at epoch 2"), [], "")
    assert store.is_done(RUN)
    assert store.history(RUN).read_text() == "epoch\n"


def test_a_failed_run_is_kept_apart_and_gives_way(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = store.write(make(status="failed", metrics={}, reason="boom"), [], "", traceback="Traceback ...\nboom")
    assert first == tmp_path / "failed" / RUN
    assert (first / "traceback.txt").read_text().endswith("boom")
    assert not store.is_done(RUN)
    assert store.history(RUN) == first / "history.csv"
    again = store.write(make(status="failed", metrics={}, reason="bang"), [], "", traceback="bang")
    assert again == first
    assert [r.reason for r in store.load().records] == ["bang"]
    store.write(make(), HISTORY, "")
    assert not first.exists()
    assert [r.status for r in store.load().records] == ["completed"]
    # A failure that comes after success (a second process, say) does not hide it.
    assert store.write(make(status="failed", metrics={}), [], "") == tmp_path / "runs" / RUN
    assert not first.exists()


def test_a_stale_failure_beside_a_finished_run_is_not_counted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(make(status="failed", metrics={}), [], "")
    os.rename(tmp_path / "failed" / RUN, tmp_path / "aside")
    store.write(make(), [], "")
    os.rename(tmp_path / "aside", tmp_path / "failed" / RUN)
    assert [r.status for r in store.load().records] == ["completed"]


def test_non_finite_numbers_are_legal_json_and_come_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    metrics = {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1e-300}
    folder = store.write(make(metrics=metrics, config={"data": {"name": "digits"}}), [], "")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    tree = json.loads((folder / "record.json").read_text(), parse_constant=refuse)
    assert tree["metrics"]["a"] == "NaN"
    assert tree["schema"] == SCHEMA
    back = store.load().records[0]
    assert math.isnan(back.metrics.pop("a"))
    assert back.metrics == {"b": math.inf, "c": -math.inf, "d": 1e-300}


@pytest.mark.parametrize(
    "bad",
    [{"metrics": {"x": object()}}, {"epochs_run": "one"}, {"status": "done"}, {"run_id": "../x"}, {"run_id": "0" * 12}],
)
def test_a_record_that_could_not_be_read_back_is_not_written(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Store(tmp_path).write(dataclasses.replace(make(), **bad), [], "")
    assert not (tmp_path / "runs").exists()


finite_or_not = st.floats(allow_nan=False)
names = st.text(min_size=1, max_size=8)
leaves = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | names
)
trees = st.recursive(leaves, lambda x: st.lists(x, max_size=3) | st.dictionaries(names, x, max_size=3), max_leaves=8)


@settings(max_examples=60, deadline=None)
@given(
    status=st.sampled_from(["completed", "diverged", "failed"]),
    reason=st.none() | st.text(),
    options=st.dictionaries(names.filter(lambda n: n not in ("name", "version")), trees, max_size=3),
    seed=st.integers(0, 2**63 - 1),
    metrics=st.dictionaries(names, finite_or_not, max_size=3),
    rates=st.dictionaries(names, st.floats(0, 0.5), max_size=3),
    seconds=st.floats(0, 1e9),
    git_commit=st.none() | st.text(max_size=40),
    arrays=st.dictionaries(names, st.lists(finite_or_not, max_size=4), max_size=3),
    peak_memory_mb=st.none() | st.floats(0, 1e9),
)
def test_any_record_comes_back_as_it_was(options: dict[str, Any], **changes: Any) -> None:
    changes["config"] = {"model": {**options, "name": "mlp"}}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        record = make(**changes)
        store.write(record, [], "")
        loaded = store.load()
        assert loaded.records == [record]
        assert loaded.skipped == []
        assert store.is_done(record.run_id) == (record.status != "failed")


# What is damaged, foreign or newer


def test_what_cannot_be_read_is_skipped_with_a_reason(tmp_path: Path) -> None:
    store = Store(tmp_path)
    names = ("good", "cut", "newer", "foreign", "list", "wrong", "moved", "bytes", "edited", "reseeded")
    run = {name: store.write(make(name), [], "").name for name in names}
    runs = tmp_path / "runs"

    def text(name: str) -> str:
        return (runs / run[name] / "record.json").read_text()

    def put(name: str, text: str) -> None:
        (runs / run[name] / "record.json").write_text(text)

    put("cut", text("cut")[:100])
    put("newer", json.dumps({"schema": SCHEMA + 1, "run_id": run["newer"], "all": "different"}))
    put("foreign", '{"name": "package", "version": "1.0"}')
    put("list", "[1, 2]")
    put("wrong", text("wrong").replace('"completed"', '"finished"'))
    put("edited", text("edited").replace('"name": "mlp"', '"name": "cnn"'))
    put("reseeded", text("reseeded").replace('\n "seed": 0', '\n "seed": 99'))
    (runs / run["bytes"] / "record.json").write_bytes(b"\xff\xfe\x00")
    os.rename(runs / run["moved"], runs / "elsewhere")
    (runs / "empty").mkdir()
    (runs / "file.txt").write_text("hello")
    (runs / ".gitkeep").write_text("")
    loaded = store.load()
    assert [r.run_id for r in loaded.records] == [run["good"]]
    called = {run_id: name for name, run_id in run.items()}
    reasons = {called.get(s.path.name, s.path.name): s.reason for s in loaded.skipped}
    assert set(reasons) == {*names, "elsewhere", "empty", "file.txt"} - {"good", "moved"}
    assert "cut short" in reasons["cut"]
    assert f"newer dropbench (schema {SCHEMA + 1}" in reasons["newer"]
    assert "not written by dropbench" in reasons["foreign"]
    assert "status" in reasons["wrong"]
    assert f"another run, {run['moved']}" in reasons["elsewhere"]
    assert "run_id does not match its content" in reasons["edited"]
    assert "its seed is 99 and that of its configuration 0" in reasons["reseeded"]
    assert reasons["empty"] == "no record.json"
    assert [s.path for s in loaded.skipped] == sorted(s.path for s in loaded.skipped)
    assert not any(store.is_done(run.get(name, name)) for name in reasons)


def test_a_damaged_folder_is_replaced_and_a_newer_one_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    cut, other = (store.write(make(name), [], "").name for name in ("cut", "newer"))
    (tmp_path / "runs" / cut / "record.json").write_text("{")
    newer = json.dumps({"schema": 99, "run_id": other})
    (tmp_path / "runs" / other / "record.json").write_text(newer)
    store.write(make("cut"), HISTORY, "")
    store.write(make("newer"), HISTORY, "")
    assert store.is_done(cut)
    assert (tmp_path / "runs" / other / "record.json").read_text() == newer
    assert not hidden(tmp_path)


def test_extra_keys_of_the_same_schema_are_ignored(tmp_path: Path) -> None:
    folder = Store(tmp_path).write(make(), [], "")
    tree = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps(tree | {"mood": "good"}))
    assert read(folder) == make()


def test_records_from_before_a_field_was_there_are_read(tmp_path: Path) -> None:
    folder = Store(tmp_path).write(make(), [], "")
    tree = json.loads((folder / "record.json").read_text())
    for later in ("learned_rates", "arrays", "peak_memory_mb"):
        del tree[later]
    (folder / "record.json").write_text(json.dumps(tree))
    assert read(folder) == make(learned_rates={}, arrays={}, peak_memory_mb=None)


def test_an_absent_or_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert Store(tmp_path / "no").load().records == []
    assert Store(tmp_path / "no").plans() == []
    assert not (tmp_path / "no").exists()


# Kills and rivals


def test_an_error_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", stop)
        with pytest.raises(KeyboardInterrupt):
            store.write(make(), [], "")
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            store.write_plan(plan())
    assert store.load().records == []
    assert store.plans() == []
    assert not hidden(tmp_path)
    assert store.write(make(), [], "").exists()


def test_a_kill_in_the_middle_is_ignored_and_cleaned_up(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from stored import make; from dropbench.store import Store\n"
        "os.rename = lambda *_: os._exit(9)\n"
        "Store(Path(sys.argv[1])).write(make(), [], '')\n"
    )
    (tmp_path / "stored.py").write_text((Path(__file__).parent / "stored.py").read_text())
    results = tmp_path / "results"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPO), str(tmp_path)])}
    command = [sys.executable, "-c", script, str(results)]
    assert subprocess.run(command, check=False, env=environment).returncode == 9
    assert len(hidden(results)) == 1
    store = Store(results)
    assert (store.load().records, store.load().skipped) == ([], [])
    assert not store.is_done(RUN)
    # One of a living process on this machine and one of another machine are left alone.
    living = next(iter(hidden(results))).name.rsplit("~", 2)[0] + f"~{os.getpid()}~0"
    (results / "runs" / living).mkdir()
    (results / "runs" / f".a2~ffffffff~{2**22 + 1}~0").mkdir()
    store.write(make(), [], "")
    assert {p.name for p in hidden(results)} == {living, f".a2~ffffffff~{2**22 + 1}~0"}


def test_the_second_of_two_writers_loses_quietly(tmp_path: Path) -> None:
    Store(tmp_path).write(make(seconds=1.0), HISTORY, "first")
    Store(tmp_path).write(make(seconds=2.0), HISTORY, "second")
    assert (tmp_path / "runs" / RUN / "config.yaml").read_text() == "first"
    assert Store(tmp_path).load().records == [make(seconds=1.0)]
    assert not hidden(tmp_path)


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_many_writers_of_one_run_leave_one_whole_folder(tmp_path: Path, status: str) -> None:
    errors: list[Exception] = []

    def work(i: int) -> None:
        try:
            for _ in range(5):
                Store(tmp_path).write(make(status=status, seconds=float(i)), HISTORY, str(i), traceback="t")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    loaded = Store(tmp_path).load()
    assert [r.status for r in loaded.records] == [status]
    assert loaded.skipped == []
    assert not hidden(tmp_path)


@pytest.mark.parametrize("action", ["check", "write", "write_plan"])
def test_an_unwritable_folder_is_a_sentence(tmp_path: Path, action: str) -> None:
    (tmp_path / "results").write_text("a file in the way")
    store = Store(tmp_path / "results")
    actions: dict[str, Callable[[], object]] = {
        "check": store.check,
        "write": lambda: store.write(make(), [], ""),
        "write_plan": lambda: store.write_plan(plan()),
    }
    with pytest.raises(UsageError, match=r"cannot write results into .*; choose another folder: results=DIR"):
        actions[action]()


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = Store(tmp_path)
    store.check()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match="No space left on device"):
            store.write(make(), [], "")
    assert not hidden(tmp_path)
    assert list((tmp_path / "runs").iterdir()) == []


# Plans


def test_plans_come_back_in_order_and_can_be_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    late, early = plan("p1", created="2025-02-02"), plan("p2", study="three_arm", arms={"z": ["1"], "a": ["2"]})
    store.write_plan(late)
    store.write_plan(early)
    assert store.plans() == [early, late]
    assert list(store.plans()[0].arms) == ["z", "a"]
    store.write_plan(dataclasses.replace(early, question="why?"))
    assert store.plans()[0].question == "why?"
    (tmp_path / "plans" / "bad.json").write_text("{")
    assert len(store.plans()) == 2
    assert [s.path.name for s in store.load().skipped] == ["bad.json"]
    assert not hidden(tmp_path)


def test_the_store_needs_neither_torch_nor_pandas() -> None:
    script = (
        "import sys, dropbench.store; print([m for m in ('torch', 'pandas', 'scipy', 'numpy') if m in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    output = subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)
    assert output.strip() == "[]"
