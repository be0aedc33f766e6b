"""What a study searches: draws that depend on names alone, rungs that keep the best, equal budgets, the comparison after."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from dropbench.config.compose import Composer, composer
from dropbench.config.options import options
from dropbench.config.search_spec import SearchSpec, distribution
from dropbench.errors import UsageError
from dropbench.planning.continuing import COMPARISON, TUNING, Course, course
from dropbench.planning.ingredients import without_each
from dropbench.planning.searching import settings_of
from dropbench.spec import RunSpec
from dropbench.store import Record

SEARCH: dict[str, Any] = {
    "budget": 9,
    "seeds": 2,
    "rungs": 3,
    "eta": 3,
    "together": 3,
    "spaces": {
        "*": {"train.lr": "loguniform(1e-4, 1e-1)"},
        "dropout": {"dropout.rate": "uniform(0.1, 0.8)"},
        "cocktail": {
            "regularizer": "subset(mixup, ema)",
            "regularizer.mixup.alpha": "uniform(0.1, 1)",
            "regularizer.ema.decay": [0.9, 0.99],
        },
    },
}
STUDY: dict[str, Any] = {
    "baseline": "plain",
    "seed": "range(0,3)",
    "set": {"train.epochs": 9},
    "search": SEARCH,
    "arms": {"plain": {"dropout": "none"}, "dropout": {"dropout": "standard"}, "cocktail": {"dropout": "none"}},
}


Going = Callable[..., Course]


@pytest.fixture
def going(tmp_path: Path) -> Iterator[Going]:
    """Makes the course of a study; its composer stays open, since a course composes as it goes on."""
    with ExitStack() as stack:

        def made(study: dict[str, Any] = STUDY, *overrides: str, tune: Sequence[str] = ()) -> Course:
            (tmp_path / "study").mkdir(exist_ok=True)
            (tmp_path / "study" / "mine.yaml").write_text(yaml.safe_dump(study))
            stack.close()
            c = stack.enter_context(composer([tmp_path]))
            data = () if any(text.startswith("data=") for text in overrides) else ("data=wine",)
            return course(["study=mine", "model.widths=[4]", *data, *overrides], c, tune=tune)

        yield made


def record(spec: RunSpec) -> Record:
    """The nearer a learning rate is to 1e-2, the better."""
    loss = abs(math.log10(spec.train.lr / 1e-2))
    return cast(Record, SimpleNamespace(status="completed", metrics={"val_accuracy": 1 - loss / 10, "val_loss": loss}))


def followed(found: Course) -> tuple[list[Any], dict[str, Record]]:
    records: dict[str, Record] = {}
    while True:
        stages = found.stages(records.get)
        left = [s for s in stages[-1].plan.specs if s.run_id not in records]
        if not left:
            return stages, records
        records |= {s.run_id: record(s) for s in left}


def test_rungs_keep_the_best_third_of_each_arm_and_run_three_times_as_long(going: Going) -> None:
    stages, records = followed(found := going())
    assert [s.name for s in stages] == [TUNING] * 3 + [COMPARISON]
    assert [s.called for s in stages[:3]] == [f"search, rung {i} of 3" for i in (1, 2, 3)]
    for stage, settings, epochs in zip(stages, (9, 3, 1), (1, 3, None), strict=False):
        assert {s.train.stop_at for s in stage.plan.specs} == {epochs}
        assert stage.plan.settings.gone_on_with == (epochs is not None)
        by_arm: dict[str, int] = {}
        for name in stage.plan.arms:
            by_arm[name.partition(" #")[0]] = by_arm.get(name.partition(" #")[0], 0) + 1
        assert by_arm == {"plain": settings, "dropout": settings, "cocktail": settings}
        assert {s.seed for s in stage.plan.specs}.isdisjoint({0, 1, 2}) and len({s.seed for s in stage.plan.specs}) == 2
    for tuned in found.tuned(records.get):
        rates = [c.setting["train.lr"] for c in tuned.candidates]
        assert tuned.best is not None and tuned.best.setting["train.lr"] == min(
            rates, key=lambda r: abs(math.log10(r / 1e-2))
        )
        assert len(tuned.candidates) == 9 and all(c.runs == 2 for c in tuned.candidates) and not tuned.edges
    compared = stages[-1].plan
    assert set(compared.arms) == {"plain", "dropout", "cocktail"} and {s.seed for s in compared.specs} == {0, 1, 2}
    assert {s.train.stop_at for s in compared.specs} == {None} and compared.baseline == "plain"


def test_what_is_to_come_counts_the_rungs_that_are_not_known(going: Going) -> None:
    found = going()
    stages, _ = followed(found)
    rungs = [len(s.plan.specs) for s in stages[1:3]]
    for _, specs in found.ahead(stages[:1]):
        assert len([s for s in specs if s.seed not in (0, 1, 2)]) == sum(rungs)
        assert len({s.run_id for s in specs}) == len(specs) and {s.train.stop_at for s in specs} == {3, None}


def test_arms_share_the_draws_of_the_space_that_all_have() -> None:
    spec = SearchSpec.model_validate(SEARCH)
    plain, dropout, cocktail = (settings_of(spec, arm) for arm in ("plain", "dropout", "cocktail"))
    assert [s["train.lr"] for s in plain] == [s["train.lr"] for s in dropout] == [s["train.lr"] for s in cocktail]
    assert len({s["dropout.rate"] for s in dropout}) == 9
    # Which regularizers there are stays for three settings, and nothing is drawn of those that are not there.
    sets = [tuple(s["regularizer"]) for s in cocktail]
    assert all(len(set(sets[i : i + 3])) == 1 for i in (0, 3, 6))
    for setting in cocktail:
        own = {key.split(".")[1] for key in setting if key.startswith("regularizer.")}
        assert own == set(setting["regularizer"])


def test_more_budget_tries_the_same_settings_first() -> None:
    few, more = (SearchSpec.model_validate({**SEARCH, "budget": n}) for n in (9, 12))
    assert settings_of(more, "dropout")[:9] == settings_of(few, "dropout")


def test_one_rung_is_a_random_search(going: Going) -> None:
    stages, _ = followed(going({**STUDY, "search": {**SEARCH, "rungs": 1}}))
    assert [s.called for s in stages] == ["search", COMPARISON]
    assert {s.train.stop_at for s in stages[0].plan.specs} == {None} and len(stages[0].plan.arms) == 27


def test_an_outcome_of_the_study_chooses(going: Going) -> None:
    study = {**STUDY, "outcomes": ["balanced_accuracy"]}
    found = going(study, "metric=[loss,accuracy,balanced_accuracy]")

    def outcome(spec: RunSpec) -> Record:
        loss = abs(math.log10(spec.train.lr / 1e-2))
        metrics = {"val_accuracy": 1 - loss / 10, "val_loss": loss, "val_balanced_accuracy": loss}
        return cast(Record, SimpleNamespace(status="completed", metrics=metrics))

    records: dict[str, Record] = {}
    while left := [s for s in found.stages(records.get)[-1].plan.specs if s.run_id not in records]:
        records |= {s.run_id: outcome(s) for s in left}
    for tuned in found.tuned(records.get):
        assert tuned.measure == "val_balanced_accuracy" and tuned.best is not None
        scores = [c.score for c in tuned.candidates if c.score is not None]
        assert tuned.best.score == max(scores)


def test_the_plan_is_of_its_search(going: Going) -> None:
    one, other = going(), going({**STUDY, "search": {**SEARCH, "eta": 2}})
    assert one.plan_id != other.plan_id and one.plan_id == going().plan_id
    assert one.rule is not None and one.rule.search["eta"] == 3


@pytest.mark.parametrize(
    ("search", "told"),
    [
        ({"spaces": {"dropuot": {"train.lr": [1, 2]}}}, "did you mean 'dropout'"),
        ({"spaces": {"dropout": {"train.lr": "unifrom(0, 1)"}}}, "is not a distribution"),
        ({"spaces": {"dropout": {"train.lr": "uniform(1, 0)"}}}, "two numbers, the smaller one first"),
        ({"spaces": {"dropout": {"train.lr": "loguniform(0, 1)"}}}, "above 0"),
        ({"spaces": {"dropout": {"kind": [{"train.lr": 1}, 2]}}}, "must contain only mappings"),
        ({"spaces": {}}, "of length 1 or more"),
        ({"budget": 0}, "budget"),
        ({"budgte": 3}, "budgte"),
    ],
)
def test_what_cannot_be_searched_is_a_sentence(going: Going, search: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        going({**STUDY, "search": {**SEARCH, **search}})


def test_what_is_searched_is_not_tuned_beside_it(going: Going) -> None:
    with pytest.raises(UsageError, match="--tune"):
        going(STUDY, tune=["train.lr=0.1,0.2"])
    with pytest.raises(UsageError, match="cannot be combined with a grid"):
        going(STUDY, "data=wine,digits")


@given(u=st.floats(0, 1, exclude_max=True), low=st.floats(1e-6, 1), width=st.floats(1.1, 100))
def test_numbers_lie_between_their_bounds(u: float, low: float, width: float) -> None:
    low, high = float(f"{low:.3g}"), float(f"{low * width:.3g}")
    for kind in ("uniform", "loguniform"):
        value = distribution(f"{kind}({low!r}, {high!r})").value([u])
        assert low * (1 - 1e-2) <= value <= high * (1 + 1e-2) and value == float(f"{value:.3g}")
    assert distribution("whole(2, 4)").value([u]) in (2, 3, 4)
    assert distribution([7, "a"]).value([u]) in (7, "a")


def test_the_best_setting_is_compared_with_itself_less_each_of_its_regularizers(going: Going) -> None:
    found = going({**STUDY, "search": {**SEARCH, "leave_out": "cocktail"}})
    stages, records = followed(found)
    (cocktail,) = (t for t in found.tuned(records.get) if t.arm == "cocktail")
    assert cocktail.best is not None and cocktail.best.setting["regularizer"]
    plan = stages[-1].plan
    by_id = {s.run_id: s for s in plan.specs}
    whole = {r.name for r in by_id[plan.arms["cocktail"][0]].regularizers}
    assert whole == set(cocktail.best.setting["regularizer"])
    for lacking in whole:
        # Of one regularizer alone that is the arm without any, at the same learning rate.
        name = f"cocktail without {lacking}" if len(whole) > 1 else "plain"
        assert {r.name for r in by_id[plan.arms[name][0]].regularizers} == whole - {lacking}
        assert (
            plan.contrasts[f"{lacking} in cocktail"] == f"arm('cocktail').test_accuracy - arm('{name}').test_accuracy"
        )
    assert len(plan.arms) == 3 + (len(whole) if len(whole) > 1 else 0)
    assert found.plan_id != going().plan_id


def test_arms_whose_drawn_settings_are_the_same_run_are_compared_all_the_same(going: Going) -> None:
    """A subset that is empty makes the cocktail what plain is, under the same learning rates; other studies refuse that."""
    spaces = {"*": SEARCH["spaces"]["*"], "cocktail": {"regularizer": [[]]}}
    stages, records = followed(found := going({**STUDY, "search": {**SEARCH, "spaces": spaces}}))
    for stage in stages:
        assert [n.replace("plain", "cocktail") for n in stage.plan.arms if n.startswith("plain")] == [
            n for n in stage.plan.arms if n.startswith("cocktail")
        ]
    plan = stages[-1].plan
    assert plan.arms["plain"] == plan.arms["cocktail"] and len(plan.specs) == 6
    best = {t.arm: t.best.setting["train.lr"] for t in found.tuned(records.get) if t.best is not None}
    assert best["plain"] == best["cocktail"]


def test_what_a_setting_is_without_each_of_its_regularizers() -> None:
    setting = {
        "dropout": "standard",
        "dropout.rate": 0.3,
        "regularizer": ["mixup", "sam"],
        "regularizer.mixup.alpha": 0.2,
        "train.weight_decay": 0.01,
        "train.lr": 0.1,
        "model.batch_norm": "before_activation",
    }
    found = without_each(setting)
    assert set(found) == {"dropout", "mixup", "sam", "weight_decay", "batch_norm"}
    assert found["dropout"] == {k: v for k, v in setting.items() if k != "dropout.rate"} | {"dropout": "none"}
    assert found["mixup"]["regularizer"] == ["sam"] and "regularizer.mixup.alpha" not in found["mixup"]
    assert found["weight_decay"]["train.weight_decay"] == 0 and found["batch_norm"]["model.batch_norm"] == "none"
    assert without_each({"dropout": "none", "train.weight_decay": 0, "regularizer": []}) == {}


@pytest.mark.parametrize("name", options("study"))
def test_every_study_of_the_folder_plans(name: str, c: Composer, tmp_path: Path) -> None:
    """Its first stage, on a small table; of claims, whose settings are a part of them, on their own data."""
    rows = "\n".join(f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(60))
    (tmp_path / "t.csv").write_text(f"one,two,y\n{rows}\n")
    search = ("study.search.budget=2",) if name in ("cocktail", "kadra2021") else ()
    table = ("data=csv", f"data.path={tmp_path / 't.csv'}", "data.target=y", *search)
    try:
        plan = course([f"study={name}", *(("seed=0",) if name.startswith("claims/") else table)], c).first
    except UsageError as error:
        if "DROPBENCH_DATA" in str(error) and "DROPBENCH_DATA" not in os.environ:
            pytest.skip(f"no data: {error}")
        raise
    assert len(plan.arms) > 1 and not plan.failed and not plan.unplanned
