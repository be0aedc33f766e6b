"""An arm is called as it is printed, whatever its name is made of."""

from __future__ import annotations

from typing import Any

import pytest

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.statistics.grammar import Arm, arm_written
from dropbench.report.tables.asked import Questions

NAMES = ("a\x1bb", "x\\x41", "it's", "tab\there")


@pytest.fixture
def named(fake: Any, put: Any, store: Any, fake_plan: Any) -> Any:
    arms = {"none": [fake(s) for s in range(6)]}
    for i, name in enumerate(NAMES):
        changes = {"dropout": "standard", "dropout.rate": (i + 1) / 10}
        arms[name] = [fake(s, changes=changes, test=0.8 + i / 100) for s in range(6)]
    put(*(r for records in arms.values() for r in records))
    store.write_plan(fake_plan(arms, study="odd"))
    return store


def asked(store: Any, arm: str) -> float:
    questions = Questions.typed([f"{arm}.test_accuracy - none.test_accuracy"])
    made = report.asked([store.root], ["study=odd"], questions)
    assert made.asked is not None
    return made.asked.answers[0].contrast.difference.mean


@pytest.mark.parametrize("i", range(len(NAMES)))
def test_a_contrast_and_a_baseline_find_the_name_that_a_table_has(named: Any, i: int) -> None:
    label = report.build([named.root], ["study=odd"]).comparisons[0].labels[1 + i]
    assert label.isprintable()
    assert asked(named, arm_written(Arm(label))) == pytest.approx(0.8 + i / 100 - 0.89)
    assert asked(named, arm_written(Arm(NAMES[i]))) == pytest.approx(0.8 + i / 100 - 0.89)
    assert report.build([named.root], ["study=odd"], label).comparisons[0].baseline == label


def test_an_escape_between_quotes_is_the_character_that_is_printed_so(named: Any) -> None:
    assert asked(named, r"arm('a\x1bb')") == pytest.approx(0.8 - 0.89)
    assert asked(named, r"best('a\x1b*', by=val_loss)") == pytest.approx(0.8 - 0.89)


def test_what_is_not_found_is_answered_with_names_that_can_be_typed(named: Any) -> None:
    with pytest.raises(UsageError) as error:
        asked(named, r"arm('x\x41')")
    assert r"x\\x41" in str(error.value)
    assert asked(named, r"arm('x\\x41')") == pytest.approx(0.81 - 0.89)
