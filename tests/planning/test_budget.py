"""What a budget in updates is when runs are planned: their ids, their epochs, and what is typed to have one."""

from __future__ import annotations

import pytest
from specs_kit import spec_of

from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.planning.plan import make
from dropbench.planning.reproduce import overrides
from dropbench.planning.study_arms import layered


def test_epochs_follow_from_the_data_and_the_batch_size(c: Composer) -> None:
    words = ["data=wine", "data.n_train=60,100", "train.batch_size=10,64", "train.updates=25", "seed=0,1"]
    found = {(s.data.n_train, s.train.batch_size): s.train.epochs for s in make(words, c).specs}
    assert found == {(60, 10): 5, (60, 64): 25, (100, 10): 3, (100, 64): 13}  # 6, 1, 10 and 2 steps an epoch


def test_they_are_no_part_of_the_id_and_updates_are(c: Composer) -> None:
    plain = spec_of(c, "train.epochs=7")
    assert spec_of(c, "train.epochs=7", "train.updates=null").run_id == plain.run_id
    by_updates = spec_of(c, "train.updates=100")
    assert by_updates.run_id not in (plain.run_id, spec_of(c).run_id, spec_of(c, "train.updates=101").run_id)
    longer = by_updates.model_copy(update={"train": by_updates.train.model_copy(update={"epochs": 999})})
    assert longer.run_id == by_updates.run_id
    assert "epochs" not in by_updates.as_dict()["train"] and "updates" not in plain.as_dict()["train"]


def test_the_ids_of_before_are_those_of_today(c: Composer) -> None:
    """As they were before there were updates."""
    assert spec_of(c).setting_id == "46b22d7fc1ab"
    assert spec_of(c, "train=zaremba_small").setting_id == "a1e9431c02d5"


def test_one_of_the_two_is_typed(c: Composer) -> None:
    with pytest.raises(UsageError, match=r"train.epochs=3 and train.updates=50: both say how long a run trains"):
        make(["train.epochs=3", "train.updates=50"], c)
    with pytest.raises(UsageError, match=r"train.updates=0: it must be above 0"):
        make(["train.updates=0"], c)
    assert spec_of(c, "train=zaremba_small", "train.updates=50").train.updates == 50


def test_it_is_typed_again_as_it_was(c: Composer) -> None:
    typed = overrides(spec_of(c, "train.updates=50").as_dict())
    assert "train.updates=50" in typed and not any("epochs" in word for word in typed)
    assert not any("updates" in word for word in overrides(spec_of(c, "train.epochs=3").as_dict()))


def test_an_arm_with_one_has_no_use_for_the_other_of_its_study() -> None:
    common = {"train.epochs": "train.epochs=20", "train.lr": "train.lr=1"}
    assert layered(common, {"train.updates": "train.updates=5"}) == {
        "train.lr": "train.lr=1",
        "train.updates": "train.updates=5",
    }
    assert layered(common, {"train.updates": "train.updates=null"})["train.epochs"] == "train.epochs=20"
