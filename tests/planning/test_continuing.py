"""Plans that go on from what they find: the same stages whatever interrupts them, each arm's best setting, and their ids."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.planning.continuing import COMPARISON, TUNING, Course, Looking, course
from dropbench.planning.plan import Plan, make
from dropbench.spec import RunSpec
from dropbench.store import Record

TINY = ("data=wine", "model.widths=[4]", "train.epochs=1")
TUNE = "train.lr=0.1,0.001,0.01"


def record(accuracy: float, diverged: bool = False) -> Record:
    """What a course reads of one."""
    metrics = {} if diverged else {"val_accuracy": accuracy, "val_loss": 1 - accuracy}
    return cast(Record, SimpleNamespace(status="diverged" if diverged else "completed", metrics=metrics))


def by_rate(spec: RunSpec) -> Record:
    """The more is dropped, the larger the best learning rate; the seed moves all alike."""
    best = {0.0: 0.001, 0.2: 0.01, 0.4: 0.1}[spec.dropout.rate]
    return record(0.9 - 0.1 * abs(math.log10(spec.train.lr / best)) + 0.001 * spec.seed)


def broke() -> Record:
    return cast(Record, SimpleNamespace(status="failed", metrics={}))


class World:
    """A course, and runs that finish one after the other."""

    def __init__(self, course: Course, outcome: Callable[[RunSpec], Record]) -> None:
        self.course = course
        self.outcome = outcome
        self.records: dict[str, Record] = {}

    def left(self) -> list[RunSpec]:
        return [s for s in self.course.stages(self.records.get)[-1].plan.specs if s.run_id not in self.records]

    def finish(self, *specs: RunSpec) -> None:
        self.records |= {s.run_id: self.outcome(s) for s in specs}

    def end(self) -> list[Any]:
        """The stages by name and runs, once nothing is left."""
        while left := self.left():
            self.finish(*left)
        return self.now()

    def begin(self) -> None:
        """Another command: what failed is to be tried again."""
        self.records = {run: r for run, r in self.records.items() if r.status != "failed"}

    def now(self) -> list[Any]:
        return [(s.name, [spec.run_id for spec in s.plan.specs]) for s in self.course.stages(self.records.get)]


def settled_with(n: int) -> Looking:
    """Looks after 2, 3, 5 and all seeds, the last after n of them."""
    return Looking(6, lambda most: (2, 3, 5, most), lambda plan, look, looks: looks[look] >= n)


def settings(plan: Plan) -> dict[float, set[float]]:
    """The learning rates by rate."""
    found: dict[float, set[float]] = {}
    for spec in plan.specs:
        found.setdefault(spec.dropout.rate, set()).add(spec.train.lr)
    return found


STUDY = ("study=three_arm", "dropout.rate=0.4", *TINY)


@pytest.fixture(scope="module")
def tuned(c: Composer) -> Course:
    return course([*STUDY, "seed=range(0,6)"], c, tune=[TUNE], tuning_seeds=2, looking=settled_with(3))


def test_every_arm_is_tuned_and_compared_at_its_own_best_setting(tuned: Course) -> None:
    world = World(tuned, by_rate)
    stages = world.end()
    assert [name for name, _ in stages] == [TUNING, COMPARISON, COMPARISON]
    tuning, _, last = tuned.stages(world.records.get)
    assert settings(tuning.plan) == {rate: {0.1, 0.001, 0.01} for rate in (0.0, 0.2, 0.4)}
    assert tuning.seeds == [500, 501] and len(tuning.plan.specs) == 3 * 3 * 2
    assert settings(last.plan) == {0.0: {0.001}, 0.2: {0.01}, 0.4: {0.1}}
    assert last.seeds == [0, 1, 2] and {name: len(runs) for name, runs in last.plan.arms.items()} == {
        "none": 3,
        "reduced": 3,
        "target": 3,
    }
    found = {t.arm.split()[0]: t for t in tuned.tuned(world.records.get)}
    assert [c.setting for c in found["none"].candidates] == [{"train.lr": v} for v in (0.1, 0.001, 0.01)]
    assert [c.score for c in found["none"].candidates] == pytest.approx([0.7 + 0.5005, 0.9 + 0.5005, 0.8 + 0.5005])
    assert {name: t.candidates[t.chosen].setting["train.lr"] for name, t in found.items()} == {
        "none": 0.001,
        "reduced": 0.01,
        "target": 0.1,
    }
    arms = {spec.arm_id for spec in last.plan.specs}
    assert {t.arm_id for t in found.values()} == arms


@given(st.data())
def test_an_interruption_anywhere_changes_neither_the_runs_nor_the_end(tuned: Course, data: st.DataObject) -> None:
    expected = World(tuned, by_rate).end()
    world = World(tuned, by_rate)
    while left := world.left():
        before = world.now()
        some = data.draw(st.lists(st.sampled_from(left), min_size=1, unique_by=lambda s: s.run_id))
        world.finish(*some)
        assert world.now()[: len(before)] == before  # what was decided stays decided
    assert world.now() == expected


@given(st.data())
def test_commands_broken_off_beside_runs_that_fail_end_the_same(tuned: Course, data: st.DataObject) -> None:
    """Each command tries again what failed; which runs fail does not depend on when they are tried."""
    failing = data.draw(st.sets(st.tuples(st.sampled_from((0.0, 0.2, 0.4)), st.sampled_from((0.1, 0.001, 0.01)))))

    def outcome(spec: RunSpec) -> Record:
        return broke() if (spec.dropout.rate, spec.train.lr) in failing else by_rate(spec)

    whole = World(tuned, outcome)
    expected = whole.end()
    world = World(tuned, outcome)
    for _ in range(data.draw(st.integers(0, 4))):
        if left := world.left():
            world.finish(*data.draw(st.lists(st.sampled_from(left), unique_by=lambda s: s.run_id)))
        world.begin()
    assert world.end() == expected and tuned.tuned(world.records.get) == tuned.tuned(whole.records.get)
    all_failed = {rate for rate in (0.0, 0.2, 0.4) if all((rate, lr) in failing for lr in (0.1, 0.001, 0.01))}
    assert {t.arm.split()[0] for t in tuned.tuned(whole.records.get) if t.best is None} == {
        {0.0: "none", 0.2: "reduced", 0.4: "target"}[rate] for rate in all_failed
    }
    last = tuned.stages(whole.records.get)[-1]
    nothing = 0.0 in all_failed or len(all_failed) > 1
    assert last.name == (TUNING if nothing else COMPARISON)
    if not nothing:
        assert set(settings(last.plan)) == {0.0, 0.2, 0.4} - all_failed
        assert all(set(table) == set(last.plan.arms) for table in last.plan.tables.values())


def test_what_failed_and_succeeds_later_joins(tuned: Course) -> None:
    bad = True

    def outcome(spec: RunSpec) -> Record:
        return broke() if bad and spec.dropout.rate == 0.4 else by_rate(spec)

    world = World(tuned, outcome)
    world.end()
    assert set(settings(tuned.stages(world.records.get)[-1].plan)) == {0.0, 0.2}
    bad = False
    world.begin()
    assert world.end() == World(tuned, by_rate).end()


@pytest.mark.parametrize("words", [("study=three_arm",), ("dropout=none,standard", "model=mlp,cnn")])
def test_a_table_without_its_baseline_is_left_out_and_the_others_stay(c: Composer, words: tuple[str, ...]) -> None:
    words = (*words, "data=digits", "train.epochs=1", "data.n_train=50")
    words = (*words, "model=mlp,cnn") if "model=mlp,cnn" not in words else words
    one = course([*words, "seed=0,1"], c, tune=["train.lr=0.01,0.1"], tuning_seeds=1)
    world = World(one, lambda s: broke() if (s.model.name, s.dropout.name) == ("cnn", "none") else record(0.5))
    world.end()
    assert [t.baseline for t in one.tuned(world.records.get) if t.best is None] == [True]
    last = one.stages(world.records.get)[-1]
    assert last.name == COMPARISON and {s.model.name for s in last.plan.specs} == {"mlp"}
    (table,) = last.plan.tables.values()
    assert len(table) == (3 if "study=three_arm" in words else 2)


def test_among_the_settings_those_of_which_runs_failed_come_last(c: Composer) -> None:
    def outcome(spec: RunSpec) -> Record:
        if spec.train.lr == 0.1 and spec.seed == 500:
            return broke()
        return record(0.9 if spec.train.lr == 0.1 else 0.5, diverged=spec.train.lr == 0.001)

    world = World(course(["dropout=none,standard", "seed=0", *TINY], c, tune=[TUNE]), outcome)
    world.end()
    for found in world.course.tuned(world.records.get):
        assert found.best is not None and found.best.setting == {"train.lr": 0.01}
        assert [(t.runs, t.diverged, t.failed) for t in found.candidates] == [(2, 0, 1), (3, 3, 0), (3, 0, 0)]


def test_an_arm_that_fails_at_a_look_does_not_hold_up_the_others(c: Composer) -> None:
    words = ["dropout=none,standard", "dropout.rate=0.2,0.4", *TINY]
    one = course(words, c, looking=settled_with(5))
    world = World(one, lambda s: broke() if s.dropout.rate == 0.4 else record(0.5))
    world.end()
    stages = one.stages(world.records.get)
    assert [len(s.plan.specs) for s in stages] == [3 * 2, 2 * 3 + 2, 2 * 5 + 2]  # what was tried stays, to be shown
    base = World(one, lambda s: broke() if s.dropout.name == "none" else record(0.5))
    assert [len(runs) for _, runs in base.end()] == [3 * 2]


def test_one_that_is_made_again_is_the_same(c: Composer, tuned: Course) -> None:
    again = course([*STUDY, "seed=range(0,6)"], c, tune=[TUNE], tuning_seeds=2, looking=settled_with(3))
    assert again.plan_id == tuned.plan_id and World(again, by_rate).end() == World(tuned, by_rate).end()
    other = course([*STUDY, "seed=range(0,7)"], c, tune=[TUNE], tuning_seeds=2, looking=Looking(7, *_as(tuned)))
    assert other.first.plan_id == tuned.first.plan_id and other.plan_id != tuned.plan_id
    plain = course([*STUDY, "seed=0,1"], c)
    assert plain.rule is None and plain.plan_id == make([*STUDY, "seed=0,1"], c).plan_id


def _as(one: Course) -> tuple[Any, Any]:
    return lambda most: (2, most), one.settled


@pytest.mark.parametrize(("n", "looks"), [(0, [2]), (3, [2, 3]), (4, [2, 3, 5]), (99, [2, 3, 5, 6])])
def test_looks_until_settled_or_all_seeds(c: Composer, n: int, looks: list[int]) -> None:
    one = course(["dropout=none,standard", *TINY], c, looking=settled_with(n))
    stages = World(one, lambda spec: record(0.5)).end()
    assert [len(runs) for _, runs in stages] == [2 * n for n in looks]
    assert one.rule is not None and one.rule.parameters == {"seeds": [*range(6)], "looks": [2, 3, 5, 6]}


@pytest.mark.parametrize(("n", "looks"), [(0, [2]), (4, [2, 3, 4]), (5, [2, 3, 4, 5]), (99, [2, 3, 4, 5, 6])])
def test_a_look_that_was_not_planned_may_be_the_last(c: Composer, n: int, looks: list[int]) -> None:
    one = course(["dropout=none,standard", *TINY], c, looking=settled_with(n))
    stopped = replace(one, unplanned=(4,))
    stages = World(stopped, lambda spec: record(0.5)).end()
    assert [len(runs) for _, runs in stages] == [2 * n for n in looks]
    sooner = replace(one, unplanned=(1,))
    assert [len(runs) for _, runs in World(sooner, lambda spec: record(0.5)).end()][:2] == [2, 4]
    assert (stopped.rule, stopped.plan_id) == (one.rule, one.plan_id) == (sooner.rule, sooner.plan_id)


def test_the_share_that_diverged_comes_first_and_ties_go_to_the_first(c: Composer) -> None:
    def outcome(spec: RunSpec) -> Record:
        bad = {0.1: (500,), 0.001: (), 0.01: ()}[spec.train.lr]
        return record({0.1: 0.99, 0.001: 0.5, 0.01: 0.5}[spec.train.lr], spec.seed in bad)

    world = World(course(["dropout=none,standard", "seed=0", *TINY], c, tune=[TUNE]), outcome)
    world.end()
    for found in world.course.tuned(world.records.get):
        assert found.candidates[found.chosen].setting == {"train.lr": 0.001}
        assert [(t.runs, t.diverged) for t in found.candidates] == [(3, 1), (3, 0), (3, 0)]


def test_among_equal_accuracies_the_loss_decides_and_what_is_no_number_is_worst(c: Composer) -> None:
    losses = {0.1: math.nan, 0.001: 0.3, 0.01: 0.2}

    def outcome(spec: RunSpec) -> Record:
        metrics = {"val_accuracy": 0.5, "val_loss": losses[spec.train.lr]}
        return cast(Record, SimpleNamespace(status="completed", metrics=metrics))

    world = World(course(["dropout=none,standard", "seed=0", *TINY], c, tune=[TUNE]), outcome)
    world.end()
    assert [t.candidates[t.chosen].setting for t in world.course.tuned(world.records.get)] == [{"train.lr": 0.01}] * 2


def test_several_keys_and_an_arm_without_use_for_one(c: Composer) -> None:
    tune = ["train.lr=0.01,0.1", "dropout.rate=0.1,0.3"]
    one = course(["dropout=none,standard", "seed=0,1", *TINY], c, tune=tune, tuning_seeds=1)
    assert one.rule is not None and one.rule.tune == {"train.lr": [0.01, 0.1], "dropout.rate": [0.1, 0.3]}
    world = World(one, lambda spec: record(0.5 + spec.dropout.rate - spec.train.lr))
    world.end()
    none, some = world.course.tuned(world.records.get)
    assert [len(none.candidates), len(some.candidates)] == [2, 4]
    assert some.candidates[some.chosen].setting == {"train.lr": 0.01, "dropout.rate": 0.3}
    last = one.stages(world.records.get)[-1].plan
    assert [(s.dropout.rate, s.train.lr, s.seed) for s in last.specs] == [
        (0.0, 0.01, 0),
        (0.0, 0.01, 1),
        (0.3, 0.01, 0),
        (0.3, 0.01, 1),
    ]


@pytest.mark.parametrize(
    ("best", "tried"),
    [
        ((0.01, 0.01, 0.01), []),
        ((0.01, 0.01, 0.1), [{0.55}]),  # the largest of one arm; what is beyond is worse
        ((0.01, 0.01, 10.0), [{0.55}, {0.78}]),  # and again; there is no third time
        ((0.0001, 0.01, 0.1), [{0.0001, 0.55}, {1e-05}]),
    ],
)
def test_values_beyond_the_best_are_tried_in_every_arm(
    c: Composer, best: tuple[float, ...], tried: list[set[float]]
) -> None:
    """The largest and the smallest are not where the best is, only the end of what was tried."""

    def outcome(spec: RunSpec) -> Record:
        of = dict(zip((0.0, 0.2, 0.4), best, strict=True))[spec.dropout.rate]
        return record(0.9 - 0.1 * abs(math.log10(spec.train.lr / of)) + 0.001 * spec.seed)

    one = course([*STUDY, "seed=0,1"], c, tune=[TUNE], tuning_seeds=2, widen=2)
    world = World(one, outcome)
    world.end()
    *wider, comparison = one.stages(world.records.get)[1:]
    assert [settings(stage.plan) for stage in wider] == [dict.fromkeys((0.0, 0.2, 0.4), values) for values in tried]
    assert [stage.name for stage in wider] == [TUNING] * len(wider) and comparison.name == COMPARISON
    allowed = {0.1, 0.001, 0.01}.union(*tried)
    assert settings(comparison.plan) == {
        rate: {min(allowed, key=lambda lr: abs(math.log10(lr / of)))}
        for rate, of in zip((0.0, 0.2, 0.4), best, strict=True)
    }
    assert {t.arm: len(t.candidates) for t in one.tuned(world.records.get)}.keys() == comparison.plan.arms.keys()
    assert all(len(t.candidates) == len(allowed) for t in one.tuned(world.records.get))


def test_how_often_values_are_widened_is_part_of_the_plan(c: Composer, tuned: Course) -> None:
    asked = {"tune": [TUNE], "tuning_seeds": 2, "looking": settled_with(3)}
    ids = {course([*STUDY, "seed=range(0,6)"], c, widen=n, **asked).plan_id for n in (0, 1, 2)}
    assert len(ids) == 3 and tuned.plan_id in ids
    one = course([*STUDY, "seed=0,1"], c, tune=[TUNE], widen=2)
    assert one.rule is not None and one.rule.options[-2:] == ["--widen", "2"]
    (_, least), (_, most) = one.ahead(one.stages(lambda run: None))
    assert len(least) == 3 * 2 and len(most) == 3 * 2 + 2 * 3 * 3  # once more for three arms under three seeds, twice


def test_a_value_beyond_that_no_run_can_have_is_not_tried(c: Composer) -> None:
    """A value that nobody typed is no reason to stop."""
    one = course([*STUDY, "seed=0,1"], c, tune=["train.patience=10,10000000"], tuning_seeds=2, widen=5)
    world = World(one, lambda spec: record(spec.train.patience or 0))
    assert [name for name, _ in world.end()] == [TUNING, COMPARISON]


def test_an_arm_that_sets_the_key_itself_keeps_it(c: Composer) -> None:
    """At that value another arm would be the same run, which is no mistake since it is not among those that are tried."""
    own = "study.arms.reduced={dropout.rate: 0.4, train.lr: 0.01}"
    one = course([*STUDY, own, "seed=0,1"], c, tune=["train.lr=0.1,0.001"], tuning_seeds=1)
    world = World(one, lambda spec: record(0.5 + spec.train.lr))
    world.end()
    found = {t.arm: t.candidates[t.chosen].setting["train.lr"] for t in one.tuned(world.records.get)}
    assert found == {"none": 0.1, "reduced": 0.01, "target": 0.1}
    (table,) = one.stages(world.records.get)[-1].plan.tables.values()
    assert {name: len(runs) for name, runs in table.items()} == {"none": 2, "reduced": 2, "target": 2}


def test_what_may_come(c: Composer, tuned: Course) -> None:
    world = World(tuned, by_rate)
    ahead = [len(specs) for _, specs in tuned.ahead(tuned.stages(world.records.get))]
    assert ahead == [3 * 2, 3 * 6]
    world.finish(*world.left())
    assert [len(specs) for _, specs in tuned.ahead(tuned.stages(world.records.get))] == [0, 3 * 4]
    plain = course([*STUDY, "seed=0,1"], c)
    assert plain.ahead(plain.stages(world.records.get)) == []


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        (["train.lr=0.1"], "one value leaves nothing to choose"),
        (["train.lr=0.1,0.1"], "these values do not change any run"),
        (["train.lr=0.1,0.2", "train.lr=0.3,0.4"], "tuned twice"),
        (["train.epochs=1,2"], "the command also sets this key"),
        (["dropout=none,standard"], "different arms"),
        (["train.lrr=0.1,0.2"], "train.lr"),
        (["train.lr"], "is not a setting"),
    ],
)
def test_what_cannot_be_tuned(c: Composer, tune: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        course(["dropout=none,standard", *TINY], c, tune=tune)


def test_the_comparison_is_counted_before_anything_is_tuned(c: Composer) -> None:
    words = ["dropout=none,standard", "seed=range(0,50)", *TINY]
    with pytest.raises(UsageError, match="that is 100 runs, and at most 60"):
        course(words, c, tune=[TUNE], most=60)


@pytest.mark.parametrize(
    "asked", [{"tune": [TUNE], "tuning_seeds": 10**9}, {"looking": Looking(10**9, lambda n: (n,), lambda *_: True)}]
)
def test_seeds_are_counted_before_they_are_listed(c: Composer, asked: dict[str, Any]) -> None:
    """A billion of them took all of the machine's memory."""
    with pytest.raises(UsageError, match=r"that is 1.000.000.000 runs, and at most 10.000"):
        course(["dropout=none,standard", *TINY], c, **asked)


def test_more_seeds_typed_than_there_may_be(c: Composer) -> None:
    with pytest.raises(UsageError, match="the command has 7 seeds"):
        course(["seed=range(0,7)", *TINY], c, looking=settled_with(0))
