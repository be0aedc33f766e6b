"""The index spares a reader the records, and never changes what they say, whatever becomes of it."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dropbench.store import Loaded, Record, Store, index
from dropbench.store.epochs import epochs_of
from dropbench.store.predictions import Predictions, dumped
from tests.store.stored import make

RUNS = 12
TWO = {
    "config": {
        "dropout": [{"name": "locked", "rate": 0.1, "rates": {}}, {"name": "weight_drop", "rate": 0.5, "rates": {}}]
    }
}
BESIDE = {"config": {"train": {"monitor": "val_loss", "weight_decay": 0.01, "max_norm": 2}}}
DIVERGED = {
    "status": "diverged",
    "reason": "its loss was not finite",
    "metrics": {"test_loss": math.nan},
    "chosen_epoch": None,
}
HISTORY = [{"epoch": 1, "val_loss": 2.0}, {"epoch": 2, "val_loss": 1.0}]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often files of runs are read by an index; with indexes of few runs, and of files that have just been written."""
    monkeypatch.setattr(index, "FEWEST", 4)
    monkeypatch.setattr(index, "_SETTLED_S", -math.inf)
    calls: Counter[str] = Counter()

    def counting(name: str) -> Callable[..., Any]:
        real = getattr(index, name)

        def called(*given: Any) -> Any:
            calls[name] += 1
            return real(*given)

        return called

    for name in ("examined", "epochs_of", "told_in"):
        monkeypatch.setattr(index, name, counting(name))
    return calls


def filled(root: Path, runs: int = RUNS) -> Store:
    store = Store(root)
    kinds: list[dict[str, Any]] = [{}, TWO, BESIDE, DIVERGED, {"metrics": {"test_accuracy": 1.0, "test_loss": 0.125}}]
    for seed in range(runs):
        store.write(make(seed=seed, **kinds[seed % len(kinds)]), HISTORY, "")
    store.write(make("iris", status="failed", reason="no memory", metrics={}, chosen_epoch=None), [], "", "a traceback")
    return store


def known(root: Path) -> Store:
    """A store whose index has been written: by a look at all of it."""
    store = Store(root)
    loaded = store.load()
    for record in loaded.records:
        store.index.epochs(loaded.folders[record.run_id], record)
        store.index.told(loaded.folders[record.run_id])
    store.index.save()
    assert (root / index.INDEX).is_file()
    return store


def same(one: Loaded, other: Loaded) -> None:
    assert repr(one.records) == repr(other.records)
    assert (one.skipped, one.folders) == (other.skipped, other.folders)


def test_what_is_known_is_not_read_again(tmp_path: Path, counted: Counter[str]) -> None:
    filled(tmp_path)
    known(tmp_path)
    assert counted["examined"] == counted["epochs_of"] == counted["told_in"] == RUNS + 1
    counted.clear()
    store = Store(tmp_path)
    loaded = store.load()
    best = [store.index.epochs(loaded.folders[r.run_id], r).best(-1) for r in loaded.records]
    assert [store.index.told(folder) for folder in loaded.folders.values()] == [None] * (RUNS + 1)
    assert best.count(2) == RUNS and store.done(loaded.folders).keys() == {
        r.run_id for r in loaded.records if r.status != "failed"
    }
    assert store.of_settings({loaded.records[0].setting_id}) and store.matching(loaded.records[0].run_id)
    assert not counted
    same(loaded, Store(tmp_path).load(anew=True))
    assert not counted["epochs_of"]


def test_it_says_of_a_history_what_its_file_says(tmp_path: Path, counted: Counter[str]) -> None:
    """With every field of it, the numbers to the last bit."""
    store = filled(tmp_path)
    history = [{"epoch": at, "train_loss": 1 / at + at % 3 / 7, "val_loss": at % 7 / 3} for at in range(1, 21)]
    store.write(make("wine"), history, "")
    written = known(tmp_path)
    counted.clear()
    read = Store(tmp_path)
    folders = read.load().folders
    one = make("wine").run_id
    told = read.index.epochs(folders[one], make("wine"))
    assert not counted and told == written.index.epochs(folders[one], make("wine"))
    assert told == epochs_of(folders[one] / "history.csv", make("wine").config)
    assert told.rebound is not None and told.rebound > 1 and told.moves["val_loss"] > 0


def test_records_of_one_arm_share_what_they_have_in_common(tmp_path: Path, counted: Counter[str]) -> None:
    filled(tmp_path)
    known(tmp_path)
    for store in (Store(tmp_path), Store(tmp_path / "none")):
        arms = [r for r in store.load().records if r.arm_id == make().arm_id]
        assert len({id(r.config["model"]) for r in arms}) <= 1 and len({id(r.config) for r in arms}) == len(arms)


def test_a_folder_of_few_runs_has_none(tmp_path: Path) -> None:
    filled(tmp_path)
    store = Store(tmp_path)
    store.load()
    store.index.save()
    assert {p.name for p in tmp_path.iterdir()} == {"runs", "failed", "plans"}


def test_files_that_may_still_change_unseen_are_not_in_it(
    tmp_path: Path, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)
    monkeypatch.setattr(index, "_SETTLED_S", 3600.0)
    store = Store(tmp_path)
    store.load()
    store.load()
    assert counted["examined"] == 2 * (RUNS + 1)
    store.index.save()
    assert not (tmp_path / index.INDEX).exists() and not list(tmp_path.glob(".*"))


def edited(folder: Path) -> None:
    """Another number in as many bytes, with the time of change that the file had."""
    file = folder / "record.json"
    was = file.stat()
    file.write_text(file.read_text().replace('"seconds": 1.5', '"seconds": 2.5'))
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)


def damaged(folder: Path) -> None:
    (folder / "record.json").write_text("{")


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


def another(folder: Path) -> None:
    """It changes its name with another one's."""
    other = next(f for f in sorted(folder.parent.iterdir()) if f != folder)
    (aside := folder.parent / ".aside").parent.mkdir(exist_ok=True)
    folder.rename(aside)
    other.rename(folder)
    aside.rename(other)


@pytest.mark.parametrize("change", [edited, damaged, gone, another])
def test_a_run_that_changed_is_read_again(
    tmp_path: Path, counted: Counter[str], change: Callable[[Path], None]
) -> None:
    filled(tmp_path)
    known(tmp_path)
    counted.clear()
    change(tmp_path / "runs" / make().run_id)
    store = Store(tmp_path)
    same(store.load(), Store(tmp_path).load(anew=True))
    assert counted["examined"] == {edited: 1, damaged: 1, gone: 0, another: 2}[change]
    same(store.load(), Store(tmp_path).load(anew=True))  # by what it has in memory


def test_a_record_is_held_against_what_its_run_kept_whenever_that_changes(
    tmp_path: Path, counted: Counter[str]
) -> None:
    accuracy = {"metric": {"accuracy": {"name": "accuracy", "_target_": "dropbench.metrics.accuracy.accuracy"}}}
    store = Store(tmp_path)
    right = np.array([True, False, True, True, False])
    for seed in range(RUNS):
        config = {"train": {"monitor": "val_accuracy"}, **accuracy}
        record = make(seed=seed, config=config, metrics={"test_accuracy": 0.6}, predictions="test.npz")
        said = dumped(Predictions(9, np.array([0, 2, 3, 5, 8]), right=right))
        store.write(record, HISTORY, "", beside={"test.npz": said})
    before = known(tmp_path).load()
    told = Store(tmp_path).index.told(next(iter(before.folders.values())))
    assert told is not None and told.total == 9 and told.right == np.packbits(right).tobytes()
    folder = before.folders[before.records[0].run_id]
    (folder / "test.npz").write_bytes(dumped(Predictions(9, np.array([0, 2, 3, 5, 8]), right=~right)))
    loaded = Store(tmp_path).load()
    assert [s.path for s in loaded.skipped] == [folder] and "0.6" in loaded.skipped[0].reason
    same(loaded, Store(tmp_path).load(anew=True))


def test_a_history_that_changed_is_read_again(tmp_path: Path, counted: Counter[str]) -> None:
    filled(tmp_path)
    known(tmp_path)
    store = Store(tmp_path)
    record = store.find(make().run_id)
    assert isinstance(record, Record)
    file = store.history(record.run_id)
    assert store.index.epochs(file.parent, record).best(-1) == 2
    file.write_text(file.read_text().replace("2,1.0", "2,3.0"))
    counted.clear()
    assert store.index.epochs(file.parent, record).best(-1) == 1
    assert Store(tmp_path).index.epochs(file.parent, record).best(-1) == 1 and counted["epochs_of"] == 2


def test_it_comes_along_to_no_other_place(tmp_path: Path, counted: Counter[str]) -> None:
    """Neither with all of a folder nor with runs that are put into another."""
    filled(tmp_path / "one")
    known(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    counted.clear()
    same_runs = Store(tmp_path / "two").load()
    assert counted["examined"] == RUNS + 1
    assert repr(same_runs.records) == repr(Store(tmp_path / "one").load(anew=True).records)
    filled(tmp_path / "three", runs=RUNS + 3)
    known(tmp_path / "three")
    shutil.copyfile(tmp_path / "three" / index.INDEX, tmp_path / "one" / index.INDEX)
    same(Store(tmp_path / "one").load(), Store(tmp_path / "one").load(anew=True))


def test_runs_that_are_put_beside_known_ones_are_all_that_is_read(tmp_path: Path, counted: Counter[str]) -> None:
    filled(tmp_path / "one")
    known(tmp_path / "one")
    filled(tmp_path / "two", runs=RUNS + 5)
    for folder in (tmp_path / "two" / "runs").iterdir():
        if not (tmp_path / "one" / "runs" / folder.name).exists():
            shutil.copytree(folder, tmp_path / "one" / "runs" / folder.name)
    counted.clear()
    store = known(tmp_path / "one")
    assert counted["examined"] == 5
    store.remove(tmp_path / "one" / "runs" / make(seed=3, **DIVERGED).run_id)
    filled(tmp_path / "one", runs=RUNS + 20)
    known(tmp_path / "one")
    lines = (tmp_path / "one" / index.INDEX).read_bytes().splitlines()
    assert sum(line.startswith((b'["runs/', b'["failed/')) for line in lines) == RUNS + 20 + 1


def rewritten(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """With another first line, and the hash that follows."""
    first, _, rest = (root / index.INDEX).read_bytes().partition(b"\n")
    change(head := json.loads(first))
    body = json.dumps(head).encode() + b"\n" + rest[: -index._HASH]
    (root / index.INDEX).write_bytes(body + index._digest(body) + b"\n")


def test_that_of_another_dropbench_is_not_believed(tmp_path: Path, counted: Counter[str]) -> None:
    filled(tmp_path)
    known(tmp_path)
    rewritten(tmp_path, lambda head: None)
    counted.clear()
    Store(tmp_path).load()
    assert not counted  # the test's own way of writing is sound
    for name in ("form", "judged"):
        rewritten(tmp_path, lambda head, name=name: head.update({name: "0"}))  # type: ignore[misc]
        counted.clear()
        same(Store(tmp_path).load(), Store(tmp_path).load(anew=True))
        assert counted["examined"] == RUNS + 1
        known(tmp_path)


def test_where_it_cannot_be_written_nothing_else_changes(
    tmp_path: Path, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path)

    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index.files, "write_synced", full)
    whole = store.load()
    store.index.save()
    assert not (tmp_path / index.INDEX).exists() and not list(tmp_path.glob(".*"))
    (tmp_path / index.INDEX).mkdir()
    same(Store(tmp_path).load(), whole)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bytes, Loaded]]:
    patch = pytest.MonkeyPatch()
    patch.setattr(index, "FEWEST", 4)
    patch.setattr(index, "_SETTLED_S", -math.inf)
    root = tmp_path_factory.mktemp("results")
    filled(root)
    known(root)
    yield root, (root / index.INDEX).read_bytes(), Store(root).load(anew=True)
    patch.undo()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_damaged_in_it_the_records_are_the_same(
    whole: tuple[Path, bytes, Loaded], data: st.DataObject
) -> None:
    root, content, loaded = whole
    at = data.draw(st.integers(0, len(content) - 1))
    cut = data.draw(st.sampled_from(["replaced", "cut", "doubled", "lost"]))
    by = data.draw(st.binary(min_size=1, max_size=4))
    (root / index.INDEX).write_bytes(
        {
            "replaced": content[:at] + by + content[at + len(by) :],
            "cut": content[:at],
            "doubled": content[:at] + content[max(0, at - 200) :],
            "lost": content[:at] + content[at + 200 :],
        }[cut]
    )
    same(Store(root).load(), loaded)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nor_by_lines_that_make_no_sense_under_a_hash_that_is_right(
    whole: tuple[Path, bytes, Loaded], data: st.DataObject
) -> None:
    """As a faulty writer would leave them: whatever cannot be a run is read from its folder."""
    root, content, loaded = whole
    lines = content[: -index._HASH].split(b"\n")
    place = data.draw(st.sampled_from([i for i, line in enumerate(lines) if line.startswith(b'["runs')]))
    anything = st.recursive(st.none() | st.integers(0, 99) | st.text(max_size=3), st.lists, max_leaves=4)
    run = json.loads(lines[place])
    new = data.draw(st.sampled_from([run[:1], [*run, 1], [run[0], *data.draw(st.lists(anything, max_size=7))]]))
    body = b"\n".join([*lines[:place], json.dumps(new).encode(), *lines[place + 1 :]])
    (root / index.INDEX).write_bytes(body + index._digest(body) + b"\n")
    same(Store(root).load(), loaded)
