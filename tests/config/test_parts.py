"""What a `_target_` names, and the options that it takes."""

from __future__ import annotations

import logging

import pytest

from dropbench.config.parts import checked_options, locate
from dropbench.errors import UsageError


def part(x: object, *, width: int, names: tuple[str, ...] = ("a",)) -> None:
    """A part with options; `x` is none."""


PART = f"{__name__}.part"


def test_a_target_that_cannot_be_imported() -> None:
    assert locate(PART) is part
    with pytest.raises(UsageError, match=r"_target_: nowhere\.Broken cannot be imported: "):
        locate("nowhere.Broken")


def test_options_are_converted_and_filled_in() -> None:
    assert checked_options("model", PART, {"width": "3"}) == {"width": 3, "names": ["a"]}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "model.width has no value; give it one: model.width=..."),
        ({"width": "few"}, "model.width=few: it must be a whole number"),
        ({"width": 1, "nams": []}, "'model.nams' is not a key here; did you mean 'model.names'"),
        ({"width": 1, "x": 2}, "'model.x' is not a key here"),
    ],
)
def test_options_that_a_part_does_not_take(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        checked_options("model", PART, options)
    assert str(error.value).startswith(sentence)


def test_finding_a_part_a_thousand_times_leaves_no_more_behind_than_once() -> None:
    """A handler was added to Hydra's log each time, and sought among all that were there: plans of thousands took minutes."""
    locate("dropbench.dropout.standard.Standard")
    before = list(logging.getLogger("hydra.utils").handlers)
    for _ in range(1000):
        locate("dropbench.dropout.standard.Standard")
    assert logging.getLogger("hydra.utils").handlers == before
