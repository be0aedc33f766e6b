"""A size that no layer can have is a sentence, before anything is built."""

from __future__ import annotations

import pytest

from dropbench.config.compose import composer
from dropbench.errors import UsageError

CASES = [
    ("mlp", "widths", "[0]"),
    ("mlp", "widths", "[8, -3]"),
    ("mlp", "widths", "[]"),
    ("cnn", "channels", "[0]"),
    ("cnn", "channels", "[]"),
    ("cnn", "head_widths", "[-1]"),
    ("cnn", "kernel", "0"),
    ("cnn", "kernel", "-3"),
    ("rnn", "hidden", "0"),
    ("rnn", "layers", "0"),
    ("rnn", "cell", "elman"),
    ("cnn", "pooling", "min"),
    ("resnet", "depth", "0"),
    ("transformer", "heads", "0"),
    ("transformer", "branches", "block"),
    ("mlp", "activation", "rleu"),
]


@pytest.mark.parametrize(("model", "option", "value"), CASES)
def test_bad_option(model: str, option: str, value: str) -> None:
    with composer() as compose, pytest.raises(UsageError) as error:
        compose.compose({"model": f"model={model}", f"model.{option}": f"model.{option}={value}"})
    assert str(error.value).startswith(f"model.{option}") and "\n" not in str(error.value)


def test_no_dense_layers_is_a_model() -> None:
    with composer() as compose:
        spec = compose.compose({"model": "model=cnn", "model.head_widths": "model.head_widths=[]"}).spec
    assert spec.model.options["head_widths"] == []
