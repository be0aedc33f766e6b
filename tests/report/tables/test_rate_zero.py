"""Where no arm is called none, one at rate 0 is the baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dropbench import report
from dropbench.report.tables.arms import silent
from dropbench.report.tables.comparison import Comparison

STANDARD = {"dropout": "standard"}


@pytest.fixture
def compared(fake: Any, put: Any, store: Any) -> Any:
    """The one comparison of arms with these settings, seven seeds each; more of a rate is worse."""

    def build(*arms: dict[str, Any], **asked: Any) -> Comparison:
        for i, changes in enumerate(arms):
            put(*(fake(seed, changes=changes, val=0.9 - 0.01 * i, test=0.9 - 0.01 * i) for seed in range(7)))
        (found,) = report.build([Path(store.root)], **asked).comparisons
        return found

    return build


def rates(*values: float, **more: Any) -> list[dict[str, Any]]:
    return [STANDARD | {"dropout.rate": r} | more for r in values]


def test_it_is_the_baseline_by_its_own_name_and_no_dropout_to_choose(compared: Any) -> None:
    found = compared(*rates(0.0, 0.2, 0.5))
    assert found.baseline == "standard 0"
    assert "No arm here is called none: the baseline is standard 0, which drops nothing." in found.notes
    table = found.table.set_index("arm")
    assert table["test_accuracy_diff_mean"].tolist()[1:] == pytest.approx([-0.01, -0.02])
    assert table["verdict"].tolist() == ["", "worse", "worse"]
    (choice,) = found.choices
    assert (choice.chosen, choice.of) == ("standard 0", ("standard 0", "standard 0.2", "standard 0.5")) and choice.idle


def test_none_goes_before_it(compared: Any) -> None:
    found = compared({}, *rates(0.0, 0.5))
    assert found.baseline == "none"
    assert not [note for note in found.notes if "called none" in note]


def test_of_two_variants_at_rate_0_one_is_as_good_as_the_other(compared: Any) -> None:
    found = compared(*rates(0.0, 0.5), {"dropout": "spatial", "dropout.rate": 0.0})
    assert found.baseline == "spatial 0"
    assert [
        n
        for n in found.notes
        if n.endswith("the baseline is spatial 0, which drops nothing; standard 0 drops nothing either.")
    ]


def test_one_without_another_regularizer_goes_before_one_with_it(compared: Any) -> None:
    decay = {"train.weight_decay": 0.1}
    assert compared(*rates(0.0, 0.5), *rates(0.0, **decay)).baseline == "standard 0"


def test_between_two_regularizers_nobody_chooses(compared: Any) -> None:
    one, other = ({"train.weight_decay": d} for d in (0.1, 0.2))
    found = compared(*rates(0.0, **one), *rates(0.0, 0.5, **other))
    assert found.baseline is None
    names = [f"'standard 0 train.weight_decay={d}'" for d in (0.1, 0.2)]
    assert f"No differences: baseline 'none' may be {' or '.join(names)}; name one with --baseline." in found.notes


def test_a_baseline_that_is_asked_for_is_taken(compared: Any) -> None:
    assert compared(*rates(0.0, 0.2, 0.5), baseline="standard 0.5").baseline == "standard 0.5"


def test_without_any_there_is_none(compared: Any) -> None:
    assert compared(*rates(0.2, 0.5)).baseline is None


def test_another_baseline_of_a_study_is_not_replaced(fake: Any, fake_plan: Any, put: Any, store: Any) -> None:
    arms = {
        "low": [fake(s, changes=rates(0.0)[0]) for s in range(3)],
        "high": [fake(s, changes=rates(0.5)[0]) for s in range(3)],
    }
    put(*arms["low"], *arms["high"])
    store.write_plan(fake_plan(arms, baseline="lost"))
    (found,) = report.build([store.root], ["study=three_arm"]).comparisons
    assert found.baseline is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dropout.rate": 0.0}, True),
        ({"dropout.rate": 0}, True),
        ({"dropout.rate": 0.5}, False),
        ({"dropout.rate": None}, False),
        ({}, False),
        ({"dropout.rate": 0.0, "dropout.rates": {"input": 0.2}}, False),
        ({"dropout.rate": 0.5, "dropout.rates": {"input": 0.0}}, False),
        ({"dropout.rate": 0.0, "dropout.rates": {"input": 0.0}}, True),
        ({"dropout.rate": 0.5, "dropout.rates": {"*": 0.0}}, True),
    ],
)
def test_what_drops_nothing(settings: dict[str, Any], expected: bool) -> None:
    assert silent({"dropout.name": "standard", **settings}) is expected
    assert silent({"dropout.name": "none", **settings})


def test_of_schedules_the_constant_one_is_the_baseline(compared: Any) -> None:
    early = [{"dropout.schedule": {"name": "early", "until": until}} for until in (0.2, 0.5)]
    found = compared(*rates(0.5), *(arm for more in early for arm in rates(0.5, **more)))
    assert found.baseline == "standard 0.5" and len(found.verdicts) == 2
    assert [note for note in found.notes if "whose rate stays constant" in note]


def test_of_schedules_at_several_rates_none_is(compared: Any) -> None:
    found = compared(*rates(0.5), *rates(0.2, **{"dropout.schedule": {"name": "early", "until": 0.2}}))
    assert found.baseline is None
