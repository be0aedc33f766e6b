"""A run of more epochs that goes on where one of fewer ended is the run that it would have been from the beginning."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from going_on import STEPS, ended, states_of
from regularized import of, with_regularizers
from training import Trained, differences, make_spec

from dropbench.engine.longer import with_epochs
from dropbench.execute.checkpoint import trained_share
from dropbench.settings import Settings
from dropbench.store.checkpoints import ENDED, Checkpoints


def settings(results: Path, *, kept: bool = True) -> Settings:
    execute = {"workers": 1, "threads": 1, "cohort": "auto"}
    return Settings.model_validate({"device": "cpu", "results": results, "execute": execute, "train.extendable": kept})


KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "evaluated now and then": {"eval_every": 3},
    "chooses its best epoch": {"patience": 5, "monitor": "val_accuracy"},
    "steps": {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "step", "step_every": 2, "warmup_epochs": 1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_the_bits_of_one_that_began_anew(kind: str, tmp_path: Path) -> None:
    told = settings(tmp_path)
    arms = [make_spec(rate=rate, seed=seed, **KINDS[kind]) for rate in (0.0, 0.2, 0.5) for seed in (0, 1)]
    ended(told, *(with_epochs(s, 2) for s in arms[:4]))
    ended(told, *(with_epochs(s, 2) for s in arms[4:]))
    for before, epochs in ((2, 3), (3, 5)):  # from two files, beside another arm, and then one step further
        going = [with_epochs(s, epochs) for s in (arms[5], arms[0], arms[3])]
        states = states_of(told, *going)
        assert {(s.epoch, s.step) for s in states.values()} == {(before, STEPS)} and len(states) == 3
        trained = Trained(*going, states=states)
        for spec in going:
            assert not differences(spec, trained, Trained(spec))
        results = ended(told, *going, states=list(states.values()))
        assert {r.parent for r in results.values()} == {
            with_epochs(s, before).run_id for s in (arms[5], arms[0], arms[3])
        }


@pytest.mark.parametrize("name", ["ema", "lookahead", "gradient_noise", "mixup"])
def test_regularizers_go_on_too(name: str, tmp_path: Path) -> None:
    told, run = settings(tmp_path), with_regularizers(make_spec(rate=0.3), of(name))
    ended(told, with_epochs(run, 2))
    longer = with_epochs(run, 4)
    states = states_of(told, longer)
    assert len(states) == 1
    assert not differences(longer, Trained(longer, states=states), Trained(longer))


def test_one_that_would_have_been_another_begins_anew(tmp_path: Path) -> None:
    told = settings(tmp_path)
    others = {
        "cosine": make_spec(schedule="cosine"),
        "swa": with_regularizers(make_spec(), of("swa")),
        "shorter than what is kept": make_spec(lr=0.3),
        "as long": make_spec(lr=0.4),
    }
    kept = {"cosine": 2, "swa": 2, "shorter than what is kept": 5, "as long": 4}
    for name, run in others.items():
        ended(told, with_epochs(run, kept[name]))
        assert not states_of(told, with_epochs(run, 4)), name
    other_data = make_spec(lr=0.4).model_copy(update={"data_fingerprint": "other"})
    assert not states_of(told, with_epochs(other_data, 9)) and states_of(told, with_epochs(make_spec(lr=0.4), 9))


def test_the_longest_that_is_shorter_counts(tmp_path: Path) -> None:
    told, run = settings(tmp_path), make_spec(rate=0.3)
    for epochs in (1, 2, 4):
        ended(told, with_epochs(run, epochs))
    assert [s.epoch for s in states_of(told, with_epochs(run, 3)).values()] == [2]
    assert trained_share([with_epochs(run, 5)], told, "cpu") == {with_epochs(run, 5).run_id: 4 / 5}


def test_nothing_is_kept_that_was_not_asked_for(tmp_path: Path) -> None:
    run = make_spec(rate=0.3)
    ended(settings(tmp_path, kept=False), with_epochs(run, 2))
    assert not (tmp_path / ENDED).exists()
    early = make_spec(rate=0.3, patience=1, lr=10.0)  # it does not come to its last epoch
    assert next(iter(ended(settings(tmp_path), with_epochs(early, 30)).values())).history[-1]["epoch"] < 30
    assert not (tmp_path / ENDED).exists()


def test_a_damaged_one_is_trained_anew(tmp_path: Path) -> None:
    told, run = settings(tmp_path), make_spec(rate=0.3)
    ended(told, with_epochs(run, 2))
    (header,) = Checkpoints(tmp_path, ENDED).headers()
    shutil.copy(header.path, tmp_path / "whole")
    header.path.write_bytes(header.path.read_bytes()[:-100])
    assert not states_of(told, with_epochs(run, 4))
    shutil.copy(tmp_path / "whole", header.path)
    assert states_of(told, with_epochs(run, 4))
