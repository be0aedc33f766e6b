"""A run that goes on where a shorter one ended is the run that it would have been from the beginning."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from going_on import STEPS, ended, states_of
from regularized import of, with_regularizers
from training import Trained, cohort_of, differences, make_spec

from dropbench.engine.snapshot import resume
from dropbench.execute.checkpoint import Saver
from dropbench.settings import Settings
from dropbench.spec import RunSpec
from dropbench.store.checkpoints import RUNGS, WORK, Checkpoints

EPOCHS = 6


def settings(results: Path, every: Any = "30s", *, kept: bool = True) -> Settings:
    execute = {"workers": 1, "threads": 1, "cohort": "auto", "checkpoint": every}
    return Settings.model_validate({"device": "cpu", "results": results, "execute": execute, "gone_on_with": kept})


def until(epoch: int | None, spec: RunSpec) -> RunSpec:
    return spec.model_copy(update={"train": spec.train.model_copy(update={"stop_at": epoch})})


def rungs(results: Path) -> list[Path]:
    return sorted((results / RUNGS).iterdir()) if (results / RUNGS).exists() else []


KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "evaluated now and then": {"eval_every": 2},
    "stops early": {"patience": 5, "monitor": "val_accuracy"},
    "schedules": {"optimizer": "adamw", "schedule": "cosine_restarts", "cycles": 3, "warmup_epochs": 1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_the_bits_of_one_that_began_anew(kind: str, tmp_path: Path) -> None:
    told = settings(tmp_path)
    rates = (0.0, 0.2, 0.5)
    arms = [make_spec(epochs=EPOCHS, rate=rate, seed=seed, **KINDS[kind]) for rate in rates for seed in (0, 1)]
    ended(told, *(until(1, s) for s in arms[:4]))
    ended(told, *(until(1, s) for s in arms[4:]))
    for stop in (3, None):  # of two files, beside another, and one rung further
        going = [until(stop, s) for s in (arms[5], arms[0], arms[3])]
        states = states_of(told, *going)
        assert {(s.epoch, s.step) for s in states.values()} == {(1 if stop else 3, STEPS)} and len(states) == 3
        trained = Trained(*going, states=states)
        for spec in going:
            assert not differences(spec, trained, Trained(spec))
        ended(told, *going, states=list(states.values()))


@pytest.mark.parametrize("name", ["ema", "swa", "snapshot_ensemble", "lookahead", "gradient_noise"])
def test_regularizers_go_on_too(name: str, tmp_path: Path) -> None:
    told, strength = settings(tmp_path), 0.8 if name == "swa" else None
    run = with_regularizers(make_spec(epochs=EPOCHS, rate=0.3, eval_every=2), of(name, strength))
    ended(told, until(3, run))
    states = states_of(told, run)
    assert len(states) == 1
    assert not differences(run, Trained(run, states=states), Trained(run))


def test_the_record_names_the_one_before_also_where_it_is_broken_off(tmp_path: Path) -> None:
    told, run = settings(tmp_path), make_spec(epochs=EPOCHS, rate=0.3)
    short, longer = until(1, run), until(3, run)
    assert [r.parent for r in ended(told, short).values()] == [None]
    (result,) = ended(told, longer, states=list(states_of(told, longer).values())).values()
    assert result.parent == short.run_id and len(result.history) == 3
    states = list(states_of(told, run).values())
    training = cohort_of(run)
    resume(training, states)
    stops = iter([False, False, True])
    with pytest.raises(KeyboardInterrupt):
        list(training.run(after_update=Saver(training, told, "cpu", lambda: next(stops))))
    (state,) = states_of(told, run).values()
    assert (state.epoch, state.step) == (4, 3)  # its own, which has come farther
    (result,) = ended(told, run, states=[state]).values()
    assert result.parent == longer.run_id


def test_a_run_goes_on_with_none_that_came_as_far(tmp_path: Path) -> None:
    told, run = settings(tmp_path), make_spec(epochs=EPOCHS)
    ended(told, until(3, run))
    found = {stop: len(states_of(told, until(stop, run))) for stop in (2, 3, 4, None)}
    assert found == {2: 0, 3: 0, 4: 1, None: 1}
    assert not states_of(told, run.model_copy(update={"seed": 1}))


@pytest.mark.parametrize(
    ("kept", "every", "stop", "files"),
    [(True, "30s", 2, 1), (False, "30s", 2, 0), (True, "off", 2, 0), (True, "30s", None, 0)],
)
def test_only_rungs_are_kept(kept: bool, every: str, stop: int | None, files: int, tmp_path: Path) -> None:
    ended(settings(tmp_path, every, kept=kept), until(stop, make_spec(epochs=EPOCHS)))
    assert len(rungs(tmp_path)) == files and not (tmp_path / WORK).exists()


@pytest.mark.parametrize("harm", ["cut short", "of other bytes", "absent"])
def test_without_what_was_kept_it_begins_anew(harm: str, tmp_path: Path) -> None:
    told, run = settings(tmp_path), make_spec(epochs=EPOCHS)
    ended(told, until(2, run))
    (path,) = rungs(tmp_path)
    if harm == "absent":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-5] if harm == "cut short" else b"?" * 200)
    assert not states_of(told, run)


def test_it_is_left_where_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, run = settings(tmp_path), until(2, make_spec(epochs=EPOCHS))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    (result,) = ended(told, run).values()
    assert any("not enough room on the disk" in note for note in result.notes) and not rungs(tmp_path)
    checkpoints = Checkpoints(tmp_path, RUNGS)
    assert checkpoints.have_room(100) and not checkpoints.have_room(101)
    checkpoints.path("other").write_bytes(b"1")
    assert not checkpoints.have_room(100)
