"""Runs that are stopped go on from where they were saved, and end as if nothing had been."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kept_of_runs import everything, work
from training import cohort_of, make_spec

from dropbench.engine.train import Training
from dropbench.execute import checkpoint
from dropbench.execute.checkpoint import Saver, apart, gone_on
from dropbench.execute.cohorts import Cohort
from dropbench.planning.outline import Outline
from dropbench.process.stop import Stop
from dropbench.settings import Settings
from dropbench.spec import RunSpec
from dropbench.store.checkpoints import WORK, Checkpoints

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
GRID = ["dropout.rate=0.0,0.3", "seed=range(0,3)", "train.epochs=3", "train.batch_size=16"]


class After(Stop):
    """Asks to stop once it has been asked so often itself."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = times

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


def test_a_sweep_stopped_again_and_again_ends_with_the_same_bits(carry: Any) -> None:
    whole = carry(*GRID, to="whole")
    stops, sizes = 0, [2, 6, 1, 3, 4]
    while True:
        carried = carry(*GRID, stop=After(17), cohort=sizes[stops % len(sizes)])
        if not work(carried.store.root):
            break
        stops += 1
    assert stops > 3
    assert everything(carried) == everything(whole)
    assert not work(whole.store.root)


def test_nothing_is_saved_where_it_is_off(carry: Any, tmp_path: Path) -> None:
    carried = carry(*GRID, "execute.checkpoint=off", stop=After(7))
    assert carried.stored == [] and not work(carried.store.root)


def of(spec: RunSpec, training: Training) -> Cohort:
    return Cohort((spec,), training.replicas.outline)


def settings(results: Path, every: Any = "30s", threads: int = 1) -> Settings:
    execute = {"workers": 1, "threads": threads, "cohort": "auto", "checkpoint": every}
    return Settings.model_validate({"device": "cpu", "results": results, "execute": execute})


@pytest.fixture
def stopped(tmp_path: Path) -> tuple[RunSpec, Outline, Settings]:
    """A run that was stopped after seven updates, five of them an epoch."""
    spec, told = make_spec(rate=0.5, epochs=4), settings(tmp_path)
    training = cohort_of(spec)
    with pytest.raises(KeyboardInterrupt):
        list(training.run(after_update=Saver(training, told, "cpu", After(6))))
    return spec, training.replicas.outline, told


def test_a_stopped_run_is_found_where_it_was(stopped: Any) -> None:
    spec, outline, told = stopped
    ((cohort, (state,)),) = apart(Cohort((spec,), outline), told, "cpu")
    assert cohort.specs == (spec,) and (state.epoch, state.step) == (2, 2)
    training = gone_on(lambda: cohort_of(spec), [state])
    assert len(training.history[spec.run_id]) == 1 and training.underway.step == 2


def test_runs_that_were_saved_elsewhere_train_apart(stopped: Any) -> None:
    spec, outline, told = stopped
    others = [spec.model_copy(update={"seed": seed}) for seed in (1, 2)]
    parts = apart(Cohort((others[0], spec, others[1]), outline), told, "cpu")
    assert [(len(part), len(states)) for part, states in parts] == [(2, 0), (1, 1)]


@pytest.mark.parametrize("change", ["threads", "metric", "version", "device"])
def test_what_was_made_otherwise_is_not_gone_on_with(
    stopped: Any, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, outline, told = stopped
    device = "cpu"
    if change == "threads":
        told = settings(told.results, threads=2)
    elif change == "metric":
        spec = spec.model_copy(update={"metric": {"loss": spec.metric["loss"]}})
    elif change == "device":
        device = "cuda:0"
    else:
        monkeypatch.setattr(checkpoint, "made_with", lambda device, threads: {"versions": "others"})
    ((_, states),) = apart(Cohort((spec,), outline), told, device)
    assert states == []


def test_what_does_not_fit_is_said_and_left(stopped: Any) -> None:
    spec, outline, told = stopped
    (path,) = (Path(told.results) / WORK).iterdir()
    ((_, (state,)),) = apart(Cohort((spec,), outline), told, "cpu")
    wrong = {name: t for name, t in state.tensors.items() if not name.startswith("moment/")}
    training = gone_on(lambda: cohort_of(spec), [type(state)(state.run_id, state.epoch, state.step, wrong, state.told)])
    assert training.underway.epoch == 1
    (result,) = training.run()
    assert any("does not fit" in note for note in result.notes)
    path.write_bytes(path.read_bytes()[:-5])
    assert apart(Cohort((spec,), outline), told, "cpu")[0][1] == []


def test_a_full_disk_costs_the_checkpoint_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Checkpoints, "write", full)
    training = cohort_of(make_spec(epochs=3))
    (result,) = training.run(after_update=Saver(training, settings(tmp_path, 1), "cpu", lambda: False))
    assert result.status == "completed"
    assert [note for note in result.notes if "No space left" in note]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds that pass when told to, and a half in each save."""
    now = [100.0]
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: now[0]))
    yield now


def moments(
    clock: list[float], every: Any, saving: float, until: float, tmp_path: Path, monkeypatch: Any
) -> list[float]:
    """When a training is saved that is asked every quarter of a second."""
    saves: list[float] = []

    def write(*_: Any) -> None:
        saves.append(clock[0] - 100)
        clock[0] += saving

    monkeypatch.setattr(Checkpoints, "write", write)
    saver = Saver(cohort_of(make_spec()), settings(tmp_path, every), "cpu", lambda: False)
    next(iter(saver._training.replicas.batches.epoch()))
    while clock[0] < 100 + until:
        saver()
        clock[0] += 0.25
    return saves


@pytest.mark.parametrize(("every", "when"), [("30s", [2, 4, 8, 16, 32, 62, 92]), ("40s", [2, 4, 8, 16, 32, 64, 104])])
def test_saves_are_twice_as_far_apart_each_time_until_they_are_as_far_as_wanted(
    clock: list[float], every: str, when: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert moments(clock, every, 0.0, 120, tmp_path, monkeypatch) == when


@pytest.mark.parametrize(("every", "share"), [("30s", 0.01), ("1s", 0.1)])
def test_saving_takes_a_hundredth_of_the_time(
    clock: list[float], every: str, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a tenth, where closer saves are asked for than those of the default."""
    saves = moments(clock, every, 0.5, 400, tmp_path, monkeypatch)
    assert 0.5 * share * 400 < len(saves) * 0.5 <= share * 400 + 0.5


def test_a_number_of_epochs(tmp_path: Path) -> None:
    training = cohort_of(make_spec(epochs=5))
    saver = Saver(training, settings(tmp_path, 2), "cpu", lambda: False)
    seen = []

    def look() -> None:
        saver()
        at = [(h.epoch, h.step) for h in Checkpoints(tmp_path).latest().values()]
        seen.extend(at if at not in [seen[-1:]] else [])

    list(training.run(after_update=look))
    assert list(dict.fromkeys(seen)) == [(2, 5), (4, 5)]


def test_a_header_says_what_it_is_of(stopped: Any) -> None:
    spec, _, told = stopped
    header = Checkpoints(told.results).latest()[spec.run_id]
    assert header.runs[spec.run_id]["config"] == json.loads(json.dumps(spec.as_dict()))
