"""Sweeps that ask the same question beside different regularizers have a table each, with a baseline of its own."""

from __future__ import annotations

from typing import Any

import pytest

from dropbench import report

RATES = (0.0, 0.25, 0.5)


@pytest.fixture
def sweep(fake: Any, fake_plan: Any, put: Any, store: Any) -> Any:
    """Stores a sweep of rates of dropout at each of some values of `train.patience`."""

    def make(
        name: str, *patience: int | None, rates: tuple[float, ...] = RATES, seeds: range = range(6), **more: Any
    ) -> None:
        arms = {
            f"{rate} {p}": [
                fake(
                    s,
                    changes={
                        "dropout": "standard" if rate else "none",
                        "dropout.rate": rate,
                        "train.patience": p,
                        **more,
                    },
                    test=0.8 + rate / 10 + 0.05 * (p is not None) + s / 1000,
                )
                for s in seeds
            ]
            for p in patience
            for rate in rates
        }
        put(*(r for records in arms.values() for r in records))
        store.write_plan(fake_plan(arms, study=None, question="", plan_id=name.ljust(12, "0")))

    return make


def titles(store: Any, *filters: str) -> list[str]:
    return [c.title for c in report.build([store.root], filters).comparisons]


def test_each_sweep_is_compared_with_its_own_baseline(sweep: Any, store: Any) -> None:
    sweep("a", None)
    sweep("b", 6)
    found = report.build([store.root])
    plain, early = found.comparisons
    assert early.title == f"{plain.title}, train.patience=6"
    for c in found.comparisons:
        assert c.labels == ["none", "standard 0.25", "standard 0.5"] and c.baseline == "none"
        # Patience adds five points to every arm, of which a comparison with its own baseline sees nothing.
        assert c.verdicts["standard 0.5"].difference.mean == pytest.approx(0.05)
    assert set(plain.runs["train.patience"].map(str)) != set(early.runs["train.patience"].map(str))
    (note,) = (n for n in found.notes if "table of their own" in n)
    assert "with train.patience=6" in note and "`dropbench report --interaction dropout,train.patience`" in note


def test_more_seeds_of_a_sweep_join_its_table(sweep: Any, store: Any) -> None:
    sweep("a", None)
    sweep("b", 6)
    sweep("c", 6, seeds=range(6, 9))
    plain, early = report.build([store.root]).comparisons
    assert (plain.runs["seed"].nunique(), early.runs["seed"].nunique()) == (6, 9)


def test_what_one_sweep_varied_is_compared(sweep: Any, store: Any) -> None:
    sweep("a", None)
    sweep("b", None, 6)
    (whole,) = report.build([store.root]).comparisons
    assert len(whole.labels) == 6 and "none train.patience=6" in whole.labels
    assert not any("table of their own" in n for n in report.build([store.root]).notes)


def test_a_sweep_without_a_baseline_or_another_arm_joins_the_others(sweep: Any, store: Any) -> None:
    sweep("a", None)
    sweep("b", 6, rates=(0.0,))
    sweep("c", 12, rates=(0.25, 0.5))
    (whole,) = report.build([store.root]).comparisons
    assert len(whole.labels) == 6


def test_other_models_are_split_first(sweep: Any, store: Any) -> None:
    sweep("a", None)
    sweep("b", 6)
    sweep("c", None, **{"model.widths": [64]})
    sweep("d", 6, **{"model.widths": [64]})
    assert len(titles(store)) == len(set(titles(store))) == 4
    early = titles(store, "train.patience=6")
    assert len(early) == 2 and not any(
        "patience" in title for title in early
    )  # all runs have it, so it tells nothing apart


def test_questions_about_all_arms_see_all(sweep: Any, store: Any) -> None:
    sweep("a", None)
    sweep("b", 6)
    asked = report.asked([store.root], [], report.Questions.typed(interactions=["dropout,train.patience"]), "none")
    assert asked.asked and len(asked.asked.answers) == 2
