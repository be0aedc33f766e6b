"""From overrides to runs: grids, what is merged, and one run alone."""

from __future__ import annotations

import pytest

from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.planning.plan import compose_one, make, single


def test_a_grid_multiplies_the_arms_and_none_is_merged(c: Composer) -> None:
    plan = make(["study=three_arm", "dropout.rate=0.2,0.5", "seed=0,1"], c)
    assert {name: len(runs) for name, runs in plan.arms.items()} == {"none": 2, "reduced": 4, "target": 4}
    assert plan.merged == 2  # the baseline of each rate is the same
    plan = make(["study=three_arm", "model.widths=[8],[16]", "seed=0,1"], c)
    assert [len(runs) for runs in plan.arms.values()] == [4, 4, 4] and plan.merged == 0
    plan = make(["dropout=none,standard", "dropout.rate=0.1,0.2", "seed=0"], c)
    assert len(plan.specs) == 3 and plan.merged == 1 and plan.arms == {} and plan.study is None


def test_points_with_one_baseline_are_one_table(c: Composer) -> None:
    plan = make(["study=three_arm", "dropout.rate=0.2,0.5", "seed=0,1"], c)
    (table,) = plan.tables.values()
    assert table == plan.arms
    plan = make(["study=three_arm", "model.widths=[8],[16]", "train.weight_decay=0,0.1", "seed=0,1"], c)
    settings = {s.run_id: s.setting_id for s in plan.specs}
    assert len(plan.tables) == 4
    for baseline, arms in plan.tables.items():
        assert {settings[run] for run in arms["none"]} == {baseline}
        assert [len(runs) for runs in arms.values()] == [2, 2, 2]


def test_the_order_is_that_of_the_words(c: Composer) -> None:
    plan = make(["dropout.rate=0.3,0.1", "seed=1,0"], c)
    assert [(s.dropout.rate, s.seed) for s in plan.specs] == [(0.3, 1), (0.3, 0), (0.1, 1), (0.1, 0)]


def test_the_plans_id_is_that_of_its_runs(c: Composer) -> None:
    one, other = make(["dropout.rate=0.3,0.1"], c), make(["dropout.rate=0.1,0.3", "device=cpu"], c)
    assert one.plan_id == other.plan_id
    assert one.plan_id != make(["dropout.rate=0.1"], c).plan_id


def test_one_run_is_composed_once(c: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    compose, points = c.compose, []
    monkeypatch.setattr(c, "compose", lambda point: points.append(point) or compose(point))
    assert len(single(["seed=3"], c).specs) == len(points) == 1


def test_one_run(c: Composer) -> None:
    assert [s.seed for s in single(["seed=3"], c).specs] == [3]
    assert compose_one(["data=mnist"], c).spec.data.name == "mnist"  # without looking whether it is here
    for words in (["seed=1,2"], ["study=three_arm"], ["dropout=glob(*)"]):
        with pytest.raises(UsageError, match="type: dropbench sweep"):
            single(words, c)


@pytest.mark.parametrize("key", ["execute.threads=1,2", "execute.cohort=1,2"])
def test_a_sweep_is_in_one_place(c: Composer, key: str) -> None:
    with pytest.raises(UsageError, match="applies to the whole sweep"):
        make([key], c)


def test_a_plan_is_of_one_study(c: Composer) -> None:
    """The command carries out several one after the other; a plan has one baseline."""
    with pytest.raises(UsageError, match="study=three_arm,kadra2021: choose one study at a time"):
        make(["study=three_arm,kadra2021", "seed=0"], c)


def test_a_share_that_an_official_split_does_not_use_is_told_to_have_no_effect(c: Composer) -> None:
    words = ["data=shortcut", "dropout=none", "model.widths=[4]", "train.epochs=1"]  # its test split is given
    (told,) = single([*words, "data.test_fraction=0.3"], c).warnings
    assert told == "data.test_fraction=0.3 has no effect, because data=shortcut comes with its own test split"
    assert single([*words, "data.val_fraction=0.3"], c).warnings == ()
    assert single(["data=wine", *words[1:], "data.test_fraction=0.3", "data.val_fraction=0.3"], c).warnings == ()


def test_settings_of_dropout_without_dropout_are_told_to_have_no_effect(c: Composer) -> None:
    (told,) = single(["dropout=none", "dropout.rate=0.5"], c).warnings
    assert told.startswith("dropout.rate=0.5 has no effect, because no run has dropout; ")
    for words in (
        ["dropout=none"],
        ["dropout=none,standard", "dropout.rate=0.5"],
        ["study=three_arm", "dropout.rate=0.3"],
    ):
        assert make([*words, "seed=0"], c).warnings == ()
