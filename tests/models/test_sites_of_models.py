"""Where noise may act: the names that scripts rely on, each visited once, in order, with the declared shape."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from model_kit import Recorder, batch, built

CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("mlp", {}, ["input", "hidden.0.weight", "hidden.0", "hidden.1.weight", "hidden.1"]),
    ("mlp", {"widths": [4], "batch_norm": "after_dropout"}, ["input", "hidden.0.weight", "hidden.0"]),
    ("cnn", {}, ["input", "conv.0", "conv.1", "head.0.weight", "head.0"]),
    ("cnn", {"head_widths": []}, ["input", "conv.0", "conv.1"]),
    ("cnn", {"pooling": "avg", "kernel": 5}, ["input", "conv.0", "conv.1", "head.0.weight", "head.0"]),
    ("cnn", {"pooling": "none", "head_widths": []}, ["input", "conv.0", "conv.1"]),
    (
        "cnn",
        {"channels": [2] * 5, "activation": "gelu", "head_widths": []},
        ["input", *(f"conv.{i}" for i in range(5))],
    ),
    ("rnn", {}, ["input", "recurrent.0", "hidden.0", "recurrent.1", "head"]),
    ("rnn", {"layers": 1, "cell": "vanilla", "readout": "mean"}, ["input", "recurrent.0", "head"]),
    (
        "rnn",
        {"layers": 3, "cell": "gru"},
        ["input", "recurrent.0", "hidden.0", "recurrent.1", "hidden.1", "recurrent.2", "head"],
    ),
]


@pytest.mark.parametrize(("name", "options", "expected"), CASES)
def test_names_order_and_shapes(name: str, options: dict[str, Any], expected: list[str]) -> None:
    model = built(name, (0, 1), **options)
    recorder = Recorder()
    x = batch(name, 2, 4)
    logits = model(x, recorder)
    assert [s.name for s in model.sites] == expected == [n for n, _ in recorder.seen]
    for site, (_, seen) in zip(model.sites, recorder.seen, strict=True):
        if site.kind == "recurrent":
            states = recorder.steps_of[site.name]
            assert [(2, 4, site.shape[1])] * site.shape[0] == [tuple(s.shape) for s in states]
            assert site.axes == "TF"
        else:
            assert tuple(seen.shape) == ((2, *site.shape) if site.kind == "weight" else (2, 4, *site.shape))
            assert (site.kind == "weight") == site.name.endswith(".weight")
    assert tuple(logits.shape) == (2, 4, 3)


@pytest.mark.parametrize("name", ["mlp", "cnn", "rnn"])
def test_the_output_is_no_site(name: str) -> None:
    """With everything at every site put to zero, what is left is the read-out's bias."""

    class Zero(Recorder):
        def __call__(self, site: str, x: torch.Tensor) -> torch.Tensor:
            return x * 0

    model = built(name)
    with torch.no_grad():
        model.head.bias.normal_()
    assert torch.equal(model(batch(name), Zero()), model.head.bias.expand(1, 4, 3))
