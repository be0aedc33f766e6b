"""A size that no layer can have is a sentence, before anything is built."""

from __future__ import annotations

import pytest
from specs_kit import spec_of

from dropbench.config.compose import Composer
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
    ("mlp", "num_embed", "prl"),
    ("mlp", "embed_size", "0"),
    ("mlp", "frequency_scale", "0"),
]


@pytest.mark.parametrize(("model", "option", "value"), CASES)
def test_bad_option(c: Composer, model: str, option: str, value: str) -> None:
    with pytest.raises(UsageError) as error:
        spec_of(c, f"model={model}", f"model.{option}={value}")
    assert str(error.value).startswith(f"model.{option}") and "\n" not in str(error.value)


def test_no_dense_layers_is_a_model(c: Composer) -> None:
    spec = spec_of(c, "model=cnn", "model.head_widths=[]")
    assert spec.model.options["head_widths"] == []
