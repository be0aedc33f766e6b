"""From words to runs: studies, grids, and what cannot be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropbench.config.compose import Composer, composer
from dropbench.errors import UsageError
from dropbench.planning.labels import differing
from dropbench.planning.plan import Plan, compose_one, make, single


@pytest.fixture(scope="module")
def c() -> Iterator[Composer]:
    with composer() as made:
        yield made


def rates(plan: Plan, arm: str) -> set[float]:
    return {s.dropout.rate for s in plan.specs if s.run_id in plan.arms[arm]}


def test_three_arms_over_ten_seeds(c: Composer) -> None:
    plan = make(["study=three_arm"], c)
    assert plan.study == "three_arm" and plan.question and plan.baseline == "none"
    assert {name: len(runs) for name, runs in plan.arms.items()} == {"none": 10, "reduced": 10, "target": 10}
    assert len(plan.specs) == 30 and plan.merged == 0 and plan.skipped == ()
    assert (rates(plan, "none"), rates(plan, "reduced"), rates(plan, "target")) == ({0.0}, {0.25}, {0.5})
    assert Counter(s.seed for s in plan.specs) == dict.fromkeys(range(10), 3)
    assert {s.dropout.name for s in plan.specs if s.run_id in plan.arms["none"]} == {"none"}


@pytest.mark.parametrize(
    ("words", "reduced", "target"),
    [
        (["dropout.rate=0.3"], 0.15, 0.3),
        (["study.target.rate=0.6"], 0.3, 0.6),
        (["study.target.rate=0.5", "study.reduced.rate=0.2"], 0.2, 0.5),
        (["study.reduced.rate=0.1"], 0.1, 0.5),
        (["dropout=gaussian", "dropout.rate=0.4"], 0.2, 0.4),
    ],
)
def test_the_arms_can_be_set(c: Composer, words: list[str], reduced: float, target: float) -> None:
    plan = make(["study=three_arm", "seed=0", *words], c)
    assert (rates(plan, "reduced"), rates(plan, "target")) == ({reduced}, {target})


def test_rates_of_sites_are_halved_too(c: Composer) -> None:
    plan = make(["study=three_arm", 'dropout.rates={input: 0.2, "*": 0.5}', "seed=0"], c)
    found = {s.run_id: s.dropout.rates for s in plan.specs}
    assert [found[plan.arms[name][0]] for name in ("none", "reduced", "target")] == [
        {},
        {"input": 0.1, "*": 0.25},
        {"input": 0.2, "*": 0.5},
    ]


def test_the_users_seeds_win(c: Composer) -> None:
    assert {s.seed for s in make(["study=three_arm", "seed=3,5"], c).specs} == {3, 5}
    assert {s.seed for s in make(["study=three_arm", "seed=range(0,6)"], c).specs} == set(range(6))
    assert {s.seed for s in make(["study=three_arm", "study.seed=7"], c).specs} == {7}


def test_a_grid_multiplies_the_arms_and_none_is_merged(c: Composer) -> None:
    plan = make(["study=three_arm", "dropout.rate=0.2,0.5", "seed=0,1"], c)
    assert {name: len(runs) for name, runs in plan.arms.items()} == {"none": 2, "reduced": 4, "target": 4}
    assert plan.merged == 2  # the baseline of each rate is the same
    plan = make(["study=three_arm", "model.widths=[8],[16]", "seed=0,1"], c)
    assert [len(runs) for runs in plan.arms.values()] == [4, 4, 4] and plan.merged == 0
    plan = make(["dropout=none,standard", "dropout.rate=0.1,0.2", "seed=0"], c)
    assert len(plan.specs) == 3 and plan.merged == 1 and plan.arms == {} and plan.study is None


def test_the_order_is_that_of_the_words(c: Composer) -> None:
    plan = make(["dropout.rate=0.3,0.1", "seed=1,0"], c)
    assert [(s.dropout.rate, s.seed) for s in plan.specs] == [(0.3, 1), (0.3, 0), (0.1, 1), (0.1, 0)]


def test_the_plans_id_is_that_of_its_runs(c: Composer) -> None:
    one, other = make(["dropout.rate=0.3,0.1"], c), make(["dropout.rate=0.1,0.3", "device=cpu"], c)
    assert one.plan_id == other.plan_id
    assert one.plan_id != make(["dropout.rate=0.1"], c).plan_id


def test_a_glob_skips_what_cannot_be_and_says_why(c: Composer) -> None:
    plan = make(["model=cnn", "dropout=glob(*)"], c)
    fitting = [s.dropout.name for s in plan.specs]
    assert fitting == sorted(fitting) and {"gaussian", "none", "spatial", "standard"} <= set(fitting)
    assert "locked" not in fitting
    assert any(reason.startswith("dropout=locked has no site in model=cnn: ") for reason in plan.skipped)
    assert len(plan.skipped) + len(fitting) == len(c.options("dropout"))
    plan = make(["model=glob(*)", "data=wine", "seed=0,1"], c)
    assert "mlp" in {s.model.name for s in plan.specs}
    assert {"model 'cnn'", "model 'rnn'"} <= {r.partition(" eats")[0] for r in plan.skipped}


def test_a_glob_skips_data_that_is_not_here(c: Composer, tmp_path: object) -> None:
    plan = make(["data=glob(*)", f"data.root={tmp_path}"], c)
    assert {s.data.name for s in plan.specs} >= {"breast_cancer", "digits", "wine"}
    assert {r.partition(" is not in")[0] for r in plan.skipped} >= {"data 'cifar10'", "data 'mnist'"}


def test_a_glob_over_a_study_skips_variants_whose_arms_coincide(c: Composer) -> None:
    plan = make(["study=three_arm", "dropout=glob([none,spatial,standard])", "seed=0"], c)
    assert {s.dropout.name for s in plan.specs} == {"none", "standard"}
    assert plan.skipped[0].startswith("study=three_arm: its arms none and reduced are the same run")
    assert plan.skipped[1].startswith("dropout=spatial has no site")
    assert set().union(*plan.arms.values()) == {s.run_id for s in plan.specs}


def test_a_glob_that_leaves_nothing_is_an_error(c: Composer) -> None:
    with pytest.raises(UsageError, match="dropout=spatial has no site"):
        make(["dropout=glob(spatial)"], c)
    with pytest.raises(UsageError, match="are the same run"):
        make(["study=three_arm", "dropout=glob(none)"], c)


def test_impossible_pairs_are_told_all_at_once(c: Composer) -> None:
    with pytest.raises(UsageError) as error:
        make(["model=mlp,cnn,rnn", "dropout=spatial,locked", "data=digits,wine", "seed=range(0,3)"], c)
    told = [line.partition(";")[0] for line in str(error.value).splitlines()]
    assert [t.partition(":")[0].partition(" eats")[0] for t in told] == [
        "dropout=spatial has no site in model=mlp",
        "dropout=locked has no site in model=mlp",
        "model 'cnn'",
        "dropout=locked has no site in model=cnn",
        "model 'rnn'",
    ]


def test_one_run(c: Composer) -> None:
    assert [s.seed for s in single(["seed=3"], c).specs] == [3]
    assert compose_one(["data=mnist"], c).spec.data.name == "mnist"  # without looking whether it is here
    for words in (["seed=1,2"], ["study=three_arm"], ["dropout=glob(*)"]):
        with pytest.raises(UsageError, match="type: dropbench sweep"):
            single(words, c)


@pytest.mark.parametrize("key", ["device=cpu,auto", "results=a,b", "execute.cohort=1,2", "data.root=a,b"])
def test_a_sweep_is_in_one_place(c: Composer, key: str) -> None:
    with pytest.raises(UsageError, match="holds for a whole sweep"):
        make([key], c)


def test_what_tells_arms_apart(c: Composer) -> None:
    plan = make(["model=mlp,cnn", "train.lr=0.1,0.01", "dropout.rate=0.1,0.2", "model.batch_norm=none"], c)
    assert sorted({" ".join(words) for words in differing(plan.specs).values()}) == ["lr=0.01", "lr=0.1"]
    assert set(map(tuple, differing(plan.specs[:1]).values())) == {()}


def test_schedules_tell_arms_apart(c: Composer) -> None:
    plan = make(["dropout=none,standard", "dropout/schedule=constant,early,step"], c)
    assert [" ".join(words) for words in differing(plan.specs).values()] == ["", "", "schedule=early", "schedule=step"]
    plan = make(["dropout/schedule=early", "dropout.schedule.until=0.1,0.2"], c)
    assert [" ".join(w) for w in differing(plan.specs).values()] == ["schedule.until=0.1", "schedule.until=0.2"]


def test_a_schedule_of_a_rate_that_is_learned(c: Composer, monkeypatch: pytest.MonkeyPatch) -> None:
    from dropbench.dropout.gaussian import Gaussian

    monkeypatch.setattr(Gaussian, "learned", True, raising=False)
    sentence = "dropout=gaussian learns its rate, so dropout/schedule=late has nothing to set; leave the schedule out"
    assert make(["dropout=gaussian"], c).skipped == ()
    with pytest.raises(UsageError, match=f"^{sentence}"):
        make(["dropout=gaussian,standard", "dropout/schedule=late"], c)
    plan = make(["dropout=glob([gaussian,standard])", "dropout/schedule=late"], c)
    assert [s.dropout.name for s in plan.specs] == ["standard"]
    assert plan.skipped[0].startswith(sentence) and "variants that fit" not in plan.skipped[0]


STUDY = """# When
baseline: always
arms:
  always: {dropout/schedule: constant}
  early: {dropout/schedule: early, dropout.schedule.until: 0.5}
  steps: {dropout/schedule: step}
  other: {dropout: gaussian}
"""


def test_arms_of_a_study_choose_schedules(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "when.yaml").write_text(STUDY)
    words = ["study=when", "seed=0", "dropout/schedule=linear_up", "dropout.schedule.over=0.5", "dropout.rate=0.3"]
    with composer([tmp_path]) as own:  # ends the other one: this test is the last
        plan = make(words, own)
    found = {
        name: (s.dropout.schedule.name, s.dropout.schedule.options, s.dropout.rate)
        for name, runs in plan.arms.items()
        for s in plan.specs
        if s.run_id in runs
    }
    # An arm that chooses a schedule starts that afresh, one that chooses a variant all that is beneath it.
    assert found == {
        "always": ("constant", {}, 0.3),
        "early": ("early", {"until": 0.5, "shape": "constant"}, 0.3),
        "steps": ("step", {"at": [0.5], "factors": [0.5, 1.0]}, 0.3),
        "other": ("constant", {}, 0.5),
    }
