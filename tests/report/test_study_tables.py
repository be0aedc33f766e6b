"""A study is one table, whatever its arms differ in; a sweep of a study over a further key has a table for each baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dropbench import report
from dropbench.store import StoredPlan

STANDARD = {"dropout": "standard", "dropout.rate": 0.5}
ARMS: dict[str, dict[str, Any]] = {
    "usual": {"train.lr": 0.001},
    "fast": {"train.lr": 0.1},
    "decayed": {"train.lr": 0.001, "train.weight_decay": 0.01},
    "bf16": {"train.lr": 0.001, "train.precision": "bf16"},
    "conv": {"train.lr": 0.001, "model": "cnn"},
}


def records(fake: Any, arms: Mapping[str, Mapping[str, Any]], seeds: int = 7, **common: Any) -> dict[str, list[Any]]:
    """Each arm better than the one before it by half a point."""
    return {
        name: [
            fake(s, changes={**common, **changes}, test=0.8 + 0.005 * i + 0.0001 * (s * (i + 2) % 5))
            for s in range(seeds)
        ]
        for i, (name, changes) in enumerate(arms.items())
    }


def table(runs: Mapping[str, list[Any]]) -> dict[str, list[str]]:
    return {name: [r.run_id for r in some] for name, some in runs.items()}


@pytest.fixture
def planned(put: Any, store: Any, fake_plan: Any) -> Any:
    """Stores the runs of a study's tables, each with the arm that is the baseline, and its plan."""

    def plan(*tables: dict[str, list[Any]], baseline: str = "usual", **fields: Any) -> StoredPlan:
        put(*(r for runs in tables for some in runs.values() for r in some))
        arms: dict[str, list[Any]] = {}
        for runs in tables:
            for name, some in runs.items():
                arms.setdefault(name, []).extend(some)
        known = {runs[baseline][0].setting_id: table(runs) for runs in tables}
        stored: StoredPlan = fake_plan(arms, study="mine", baseline=baseline, tables=known, **fields)
        store.write_plan(stored)
        return stored

    return plan


def test_a_study_is_one_table_with_each_arms_setting(fake: Any, planned: Any, put: Any, store: Any) -> None:
    plan = planned(records(fake, ARMS))
    for found in (report.for_plan(store, plan), report.build([store.root], ["study=mine"])):
        (comparison,) = found.comparisons
        assert (comparison.title, comparison.labels) == ("mlp, cnn on mnist, n_train=1000", list(ARMS))
        assert comparison.baseline == "usual"
        assert {a.label: a.setting for a in comparison.arms} == {
            "usual": "model=mlp train.lr=0.001",
            "fast": "model=mlp train.lr=0.1",
            "decayed": "model=mlp train.weight_decay=0.01 train.lr=0.001",
            "bf16": "model=mlp train.lr=0.001 train.precision=bf16",
            "conv": "model=cnn train.lr=0.001",
        }
        rows = comparison.table.set_index("arm")
        assert rows["model"].to_dict() == {**dict.fromkeys(ARMS, "mlp"), "conv": "cnn"}
        assert rows["test_accuracy_diff_mean"].tolist()[1:] == pytest.approx([0.005, 0.01, 0.015, 0.02], abs=5e-4)
    # In a report that names no study it is not torn apart either, and another sweep stands beside it.
    put(*(fake(s, changes=STANDARD) for s in range(3)))
    study, other = sorted(report.build([store.root]).comparisons, key=lambda c: len(c.labels), reverse=True)
    assert (study.labels, study.baseline, len(study.verdicts)) == (list(ARMS), "usual", 4)
    assert other.labels == ["standard 0.5"]
    (asked,) = (c for c in report.build([store.root], baseline="fast").comparisons if c.baseline)
    assert asked.baseline == "fast"


def test_only_what_differs_is_a_setting(fake: Any, planned: Any, store: Any) -> None:
    of_rates = {"usual": {}, "milder": {"dropout.rate": 0.2}}
    planned(records(fake, of_rates, **STANDARD))
    (comparison,) = report.build([store.root], ["study=mine"]).comparisons
    assert [a.setting for a in comparison.arms] == ["standard 0.5", "standard 0.2"]
    assert comparison.labels == ["usual", "milder"]


def test_a_regularizer_that_is_off_is_said_where_nothing_else_differs(fake: Any, planned: Any, store: Any) -> None:
    planned(records(fake, {"usual": {}, "decayed": {"train.weight_decay": 0.01}}, **STANDARD))
    (comparison,) = report.build([store.root], ["study=mine"]).comparisons
    assert [a.setting for a in comparison.arms] == ["train.weight_decay=0", "train.weight_decay=0.01"]


def test_each_baseline_has_its_table(fake: Any, planned: Any, store: Any) -> None:
    arms = {"usual": {"dropout": "none"}, "dropped": STANDARD}
    planned(records(fake, arms), records(fake, arms, **{"train.weight_decay": 0.1}), records(fake, arms, model="cnn"))
    found = report.build([store.root], ["study=mine"]).comparisons
    assert [c.title for c in found] == [
        "cnn on mnist, n_train=1000, weight_decay=0",
        "mlp on mnist, n_train=1000, weight_decay=0",
        "mlp on mnist, n_train=1000, weight_decay=0.1",
    ]
    assert all((c.labels, c.baseline) == (["usual", "dropped"], "usual") for c in found)
    assert len(report.build([store.root], ["study=mine", "model=cnn"]).comparisons) == 1


def test_a_run_may_be_one_arm_in_one_table_and_another_in_the_next(fake: Any, planned: Any, store: Any) -> None:
    """A study of half a learning rate, swept over two, of which one is half the other."""
    first = records(fake, {"usual": {"train.lr": 0.4}, "half": {"train.lr": 0.2}})
    second = records(fake, {"usual": {"train.lr": 0.2}, "half": {"train.lr": 0.1}})
    planned(first, {"usual": first["half"], "half": second["half"]})
    found = report.build([store.root], ["study=mine"]).comparisons
    assert [c.title.partition(", n_train=1000, ")[2] for c in found] == [
        "usual at train.lr=0.2",
        "usual at train.lr=0.4",
    ]
    assert [[(a.label, a.setting) for a in c.arms] for c in found] == [
        [("usual", "train.lr=0.2"), ("half", "train.lr=0.1")],
        [("usual", "train.lr=0.4"), ("half", "train.lr=0.2")],
    ]


def test_more_seeds_in_another_plan_are_in_the_same_table(fake: Any, planned: Any, store: Any) -> None:
    planned(records(fake, ARMS, seeds=7))
    planned(records(fake, ARMS, seeds=9))
    (comparison,) = report.build([store.root], ["study=mine"]).comparisons
    assert comparison.table["n"].tolist() == [9] * 5


def test_a_plan_of_before_is_read_as_it_was(fake: Any, put: Any, fake_plan: Any, planned: Any, store: Any) -> None:
    arms = {"usual": {"dropout": "none"}, "dropped": STANDARD}
    old = records(fake, arms, seeds=3)
    put(*(r for some in old.values() for r in some))
    store.write_plan(fake_plan(old, study="mine", baseline="usual"))
    (comparison,) = report.build([store.root], ["study=mine"]).comparisons
    assert (comparison.labels, comparison.baseline) == (["usual", "dropped"], "usual")
    planned(records(fake, arms, seeds=5))  # started again since: the same runs in one table, not in two
    (comparison,) = report.build([store.root], ["study=mine"]).comparisons
    assert comparison.table["n"].tolist() == [5, 5]


def test_older_data_are_left_out_of_a_study_too(fake: Any, planned: Any, store: Any) -> None:
    def at(fingerprint: str, day: int) -> dict[str, list[Any]]:
        more = {"data_fingerprint": fingerprint, "started": f"2025-01-0{day}T00:00:00+00:00"}
        return {name: [fake(s, changes=c, **more) for s in range(3)] for name, c in ARMS.items()}

    planned(at("aaaaaaaaaaaa", 1))
    planned(at("bbbbbbbbbbbb", 2))
    found = report.build([store.root], ["study=mine"])
    assert found.comparisons[0].table["n"].tolist() == [3] * 5
    assert any("15 runs were made from other data than the newest" in note for note in found.notes)


def test_arms_on_several_data_sets_all_stay(fake: Any, planned: Any, store: Any) -> None:
    arms = {
        "usual": [fake(s) for s in range(3)],
        "other": [fake(s, changes={"data": "digits"}, data_fingerprint="bbbbbbbbbbbb") for s in range(3)],
    }
    planned(arms)
    (comparison,) = report.build([store.root], ["study=mine"]).comparisons
    assert comparison.labels == ["usual", "other"] and comparison.title.startswith("mlp on mnist, digits")
    assert [a.setting for a in comparison.arms] == ["data=mnist", "data=digits"]
    assert any("Mixed data" in note for note in comparison.notes)


def test_a_pivot_of_a_study_has_each_run_once(fake: Any, planned: Any, store: Any) -> None:
    runs = records(fake, ARMS)
    planned({**runs, "again": runs["fast"]})
    grids = report.pivot([store.root], ["study=mine", "train.lr=0.1"], rows="train.lr").grids
    assert [g.table["n"].tolist() for g in grids] == [[7]]


def test_outcomes_named_in_advance_are_corrected_together(fake: Any, planned: Any, store: Any) -> None:
    """Two outcomes have intervals of 97.5 % each, and verdicts of their own; of what was not named the report says so."""
    runs = records(fake, {"usual": {}, "half": STANDARD}, seeds=8)
    planned(runs)
    (alone,) = report.build([store.root], ["study=mine"]).comparisons
    planned(runs, outcomes=["accuracy", "loss"])
    made = report.build([store.root], ["study=mine"])
    (both,) = made.comparisons
    assert (alone.alpha, both.alpha) == (0.05, 0.025)
    assert [str(m) for m in both.outcomes] == ["test_accuracy", "test_loss"]
    ours, theirs = (c.verdicts["half"].difference for c in (both, alone))
    assert ours.low <= theirs.low and ours.high >= theirs.high and ours.p_adjusted == theirs.p_adjusted
    assert "Outcomes named in advance: test accuracy, test loss; each has intervals of 97.5 %" in " ".join(both.notes)
    assert not [n for n in alone.notes if n.startswith("Outcomes")]
    assert both.table["test_loss_verdict"].tolist()[1] == both.against(both.outcomes[1])["half"].verdict
    text = report.render(made, "rich", 80)
    assert "The same for test loss, also named in advance" in text and "97.5 % interval" in text
