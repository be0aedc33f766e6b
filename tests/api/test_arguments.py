"""An argument that a function does not have is answered with what to write instead, and never with Python's TypeError."""

from __future__ import annotations

from typing import Any

import pytest

import dropbench as db


@pytest.mark.parametrize(
    ("function", "typed", "sentence"),
    [
        (db.sweep, {"study": "three_arm"}, "db.sweep('study=three_arm', ...)"),
        (db.sweep, {"seed": range(3)}, "db.sweep('seed=range(0,3)', ...)"),
        (db.train, {"epochs": 3}, "db.train('train.epochs=3', ...)"),
        (db.train, {"rate": 0.3}, "db.train('dropout.rate=0.3', ...)"),
        (db.train, {"widths": [3]}, "db.train('model.widths=[3]', ...)"),
        (db.train, {"foo": object()}, "'foo'"),
        (db.train, {"lr": object()}, "valid: "),
        (db.sweep, {"retry": 1}, "did you mean 'retries'? valid: "),
        (
            db.report,
            {"study": "three_arm"},
            "a filter is a text, as on the command line: db.report('study=three_arm', ...)",
        ),
        (db.load, {"metrics": "loss"}, "did you mean 'metric'? valid: metric, "),
        (db.history, {"model": "cnn"}, "db.history('model=cnn', ...)"),
        (db.advise, {"minute": 1}, "did you mean 'minutes'? valid: "),
    ],
)
def test_an_unknown_argument_is_a_sentence(function: Any, typed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(db.UsageError) as caught:
        function(**typed)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
