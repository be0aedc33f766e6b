"""What Optuna proposes: batches that follow from finished records alone, with equal budgets, and better than chance."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml  # type: ignore[import-untyped]

from dropbench.config.compose import composer
from dropbench.config.search_spec import SearchSpec
from dropbench.errors import UsageError
from dropbench.planning.continuing import COMPARISON, TUNING, Course, course
from dropbench.planning.searching import settings_of
from dropbench.spec import RunSpec
from dropbench.store import Record

needs_optuna = pytest.mark.skipif(find_spec("optuna") is None, reason="optuna is not installed")
SEARCH: dict[str, Any] = {
    "method": "optuna",
    "budget": 20,
    "seeds": 1,
    "together": 4,
    "spaces": {
        "*": {"train.lr": "loguniform(1e-5, 1)"},
        "dropout": {"dropout.rate": "uniform(0.1, 0.8)"},
        "cocktail": {
            "regularizer": "subset(mixup, ema)",
            "regularizer.mixup.alpha": "uniform(0.1, 1)",
            "regularizer.ema.decay": [0.9, 0.99],
            "train.batch_size": "whole(16, 64)",
        },
    },
}
ARMS = {
    "plain": {"dropout": "none"},
    "dropout": {"dropout": "standard"},
    "cocktail": {"dropout": "none"},
    "as it is": {},
}
STUDY: dict[str, Any] = {
    "baseline": "plain",
    "seed": "range(0,3)",
    "set": {"train.epochs": 9},
    "search": SEARCH,
    "arms": {
        "plain": {"dropout": "none"},
        "dropout": {"dropout": "standard"},
        "cocktail": {"dropout": "none"},
        "sam": {"dropout": "none", "regularizer": ["sam"]},
    },
}
Going = Callable[..., Course]


@pytest.fixture
def going(tmp_path: Path) -> Iterator[Going]:
    """Makes the course of a study that searches so, anew each time."""
    with ExitStack() as stack:

        def made(**search: Any) -> Course:
            (tmp_path / "study").mkdir(exist_ok=True)
            text = yaml.safe_dump({**STUDY, "search": {**SEARCH, "spaces": dict(SEARCH["spaces"]), **search}})
            (tmp_path / "study" / "mine.yaml").write_text(text)
            stack.close()
            c = stack.enter_context(composer([tmp_path]))
            return course(["study=mine", "model.widths=[4]", "data=wine"], c)

        yield made


def record(spec: RunSpec, best: float = 3e-3) -> Record:
    """The nearer a learning rate is to the best, the better."""
    loss = abs(math.log10(spec.train.lr / best))
    return cast(Record, SimpleNamespace(status="completed", metrics={"val_accuracy": 1 - loss / 10, "val_loss": loss}))


def followed(found: Course, best: float = 3e-3, stages: int = 99) -> tuple[list[Any], dict[str, Record]]:
    records: dict[str, Record] = {}
    while True:
        known = found.stages(records.get)
        left = [s for s in known[-1].plan.specs if s.run_id not in records]
        if not left or len(known) > stages:
            return known, records
        records |= {s.run_id: record(s, best) for s in left}


@needs_optuna
def test_batches_have_as_many_settings_of_each_arm_and_are_whole_runs(going: Going) -> None:
    stages, records = followed(found := going())
    assert [s.name for s in stages] == [TUNING] * 4 + [COMPARISON]
    assert [s.called for s in stages[:4]] == [f"search, batch {i} of 4" for i in (1, 2, 3, 4)]
    assert [len(s.plan.arms) for s in stages[:4]] == [40, 16, 16, 8]
    assert {spec.train.stop_at for s in stages for spec in s.plan.specs} == {None}
    tuned = {t.arm: t for t in found.tuned(records.get)}
    assert {arm: len(t.candidates) for arm, t in tuned.items()} == dict.fromkeys(STUDY["arms"], 20)
    for t in tuned.values():
        scores = [c.score for c in t.candidates if c.score is not None]
        assert t.best is not None and t.best.score == max(scores) and len(scores) == len(t.candidates)


@needs_optuna
def test_the_first_batch_is_random_and_shares_the_draws_of_what_all_arms_have(going: Going) -> None:
    found = going()
    random = settings_of(SearchSpec.model_validate({**SEARCH, "method": "random", "budget": 10}), "dropout")
    rates = {s.dropout.rate: s.train.lr for s in found.first.specs if s.dropout.name == "standard"}
    assert rates == {s["dropout.rate"]: s["train.lr"] for s in random}


@needs_optuna
def test_a_killed_search_proposes_the_same_again_from_records_in_any_order(going: Going) -> None:
    stages, records = followed(going())
    backwards = dict(reversed(records.items()))
    again = going().stages(backwards.get)
    assert [[s.run_id for s in stage.plan.specs] for stage in again] == [
        [s.run_id for s in stage.plan.specs] for stage in stages
    ]
    # As far as it had come, and not a run further.
    known, some = followed(going(), stages=2)
    assert len(known) == 3 and len(going().stages(some.get)) == 3
    assert [s.run_id for s in going().stages(some.get)[-1].plan.specs] == [s.run_id for s in stages[2].plan.specs]


@needs_optuna
def test_proposals_follow_what_was_found(going: Going) -> None:
    """Of ten settings after ten random ones most lie nearer to the best learning rate, wherever it is."""
    for best in (1e-4, 1e-1):
        stages, _ = followed(going(), best)
        far = [
            [abs(math.log10(s.train.lr / best)) for stage in part for s in stage.plan.specs]
            for part in (stages[:1], stages[1:-1])
        ]
        random, proposed = (sorted(distances)[len(distances) // 2] for distances in far)
        assert proposed < random / 1.5


@needs_optuna
def test_another_seed_of_the_search_proposes_otherwise_under_another_id(going: Going) -> None:
    one, other = going(), going(seed=1)
    assert one.plan_id == going().plan_id != other.plan_id
    assert {s.run_id for s in one.first.specs}.isdisjoint(s.run_id for s in other.first.specs)
    assert one.rule is not None and one.rule.search["version"] and "rungs" not in one.rule.search


@needs_optuna
def test_nothing_is_proposed_for_regularizers_that_a_setting_does_not_have(going: Going) -> None:
    _, records = followed(found := going())
    (cocktail,) = (t for t in found.tuned(records.get) if t.arm == "cocktail")
    for c in cocktail.candidates:
        own = {key.split(".")[1] for key in c.setting if key.startswith("regularizer.")}
        assert own == set(c.setting["regularizer"]) and 16 <= c.setting["train.batch_size"] <= 64
    assert len({tuple(c.setting["regularizer"]) for c in cocktail.candidates}) > 1


@needs_optuna
def test_settings_that_come_together_are_proposed_together(going: Going) -> None:
    kinds = [{"regularizer": []}, {"regularizer": ["mixup"], "train.batch_size": 16}]
    space = {"regularizer.mixup.alpha": "uniform(0.1, 1)", "kind": kinds, "more": [{}, {"regularizer": ["ema"]}]}
    _, records = followed(found := going(spaces={**SEARCH["spaces"], "cocktail": space}))
    (cocktail,) = (t for t in found.tuned(records.get) if t.arm == "cocktail")
    chosen = [c.setting for c in cocktail.candidates]
    assert {tuple(s["regularizer"]) for s in chosen} == {(), ("mixup",), ("ema",), ("mixup", "ema")}
    for setting in chosen:
        mixup = "mixup" in setting["regularizer"]
        assert ("regularizer.mixup.alpha" in setting, setting.get("train.batch_size") == 16) == (mixup, mixup)


@needs_optuna
def test_settings_that_were_had_are_not_tried_again(going: Going) -> None:
    """Of three values there are three settings, however large the budget."""
    spaces = {"dropout": {"train.lr": [0.1, 0.01, 0.001]}}
    stages, records = followed(found := going(spaces=spaces))
    tried = {t.arm: len(t.candidates) for t in found.tuned(records.get)}
    assert tried == {"plain": 1, "dropout": 3, "cocktail": 1, "sam": 1}
    assert [s.name for s in stages] == [TUNING, COMPARISON]


@needs_optuna
def test_rungs_are_not_of_optuna(going: Going) -> None:
    with pytest.raises(UsageError, match=r"study\.search\.rungs=3: optuna trains every setting to the end"):
        going(rungs=3)
    assert going(rungs=1).plan_id == going().plan_id


@needs_optuna
def test_what_is_to_come_counts_the_batches_that_are_not_known(going: Going) -> None:
    found = going()
    ahead = [len(specs) for _, specs in found.ahead(found.stages(lambda run: None))]
    assert ahead == [4 * 10 + 4 * 3] * 2


def test_a_random_search_has_the_rule_that_it_had() -> None:
    assert "method" not in SearchSpec.model_validate({**SEARCH, "method": "random"}).rule


def test_without_optuna_a_sentence_says_what_to_install(going: Going, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"needs the package optuna: pip install 'dropbench\[optuna\]'"):
        going()
