"""Where noise may act: the names that scripts rely on, each visited once, in order, with the declared shape."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from model_kit import TABLES, Recorder, batch, built


def layer(i: int, *inside: str) -> list[str]:
    """The sites of a recurrent layer, by default an LSTM's."""
    inside = inside or ("candidate", "hidden", "cell")
    return [f"recurrent.{i}.weight", f"recurrent.{i}", *(f"recurrent.{i}.{name}" for name in inside)]


PARTS = [f"{part}{end}" for part in ("attention", "feedforward") for end in (".branch", "", ".output")]
CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("mlp", {}, ["input", "hidden.0.weight", "hidden.0", "hidden.1.weight", "hidden.1"]),
    ("mlp", {"widths": [4], "batch_norm": "after_dropout"}, ["input", "hidden.0.weight", "hidden.0"]),
    ("realmlp", {}, ["input", "hidden.0.weight", "hidden.0", "hidden.1.weight", "hidden.1"]),
    ("cnn", {}, ["input", "conv.0", "conv.1", "head.0.weight", "head.0"]),
    ("cnn", {"head_widths": []}, ["input", "conv.0", "conv.1"]),
    ("cnn", {"pooling": "avg", "kernel": 5}, ["input", "conv.0", "conv.1", "head.0.weight", "head.0"]),
    ("cnn", {"pooling": "none", "head_widths": []}, ["input", "conv.0", "conv.1"]),
    (
        "cnn",
        {"channels": [2] * 5, "activation": "gelu", "head_widths": []},
        ["input", *(f"conv.{i}" for i in range(5))],
    ),
    ("rnn", {}, ["input", *layer(0), "hidden.0", *layer(1), "head"]),
    ("rnn", {"layers": 1, "cell": "vanilla", "readout": "mean"}, ["input", *layer(0, "hidden"), "head"]),
    (
        "rnn",
        {"layers": 3, "cell": "gru"},
        [
            "input",
            *(n for i in range(3) for n in (*layer(i, "candidate", "hidden"), f"hidden.{i}") if n != "hidden.2"),
            "head",
        ],
    ),
    ("resnet", {}, ["input", *(n for i in range(3) for n in (f"block.{i}", f"block.{i}.conv")), "head"]),
    (
        "resnet",
        {"two_branches": True},
        [
            "input",
            *(f"block.{i}{end}" for i in range(3) for end in ("", ".first.conv", ".second.conv", ".pair")),
            "head",
        ],
    ),
    (
        "transformer",
        {"layers": 1},
        ["input", "patches", "embedded", *(f"block.0.{p}" for p in PARTS), "head"],
    ),
    (
        "transformer",
        {"layers": 1, "branches": "layer"},
        ["input", "patches", "embedded", "block.0", *(f"block.0.{p}" for p in PARTS if "branch" not in p), "head"],
    ),
    ("lm", {}, ["embedding", "embedded", *layer(0), "hidden.0", *layer(1), "head"]),
    ("lm", {"layers": 1, "tied": True, "cell": "vanilla"}, ["embedding", "embedded", *layer(0, "hidden"), "head"]),
]


@pytest.mark.parametrize(("name", "options", "expected"), CASES)
def test_names_order_and_shapes(name: str, options: dict[str, Any], expected: list[str]) -> None:
    model = built(name, (0, 1), **options)
    recorder = Recorder()
    x = batch(name, 2, 4)
    logits = model(x, recorder)
    usual = [s for s in model.sites if not s.asked]
    met = [(n, x) for n, x in recorder.seen if n not in {s.name for s in model.sites if s.asked}]
    assert [s.name for s in usual] == expected == [n for n, _ in met]
    for site, (_, seen) in zip(usual, met, strict=True):
        if site.kind in ("recurrent", "candidate", "transition"):
            states = recorder.steps_of[site.name]
            assert [(2, 4, site.shape[1])] * site.shape[0] == [tuple(s.shape) for s in states]
            assert site.axes == "TF"
        else:
            alone = site.kind in ("weight", "recurrent_weight", "token")
            assert tuple(seen.shape) == ((2, *site.shape) if alone else (2, 4, *site.shape))
            assert (site.kind in ("weight", "recurrent_weight")) == site.name.endswith(".weight")
    assert tuple(logits.shape) == ((2, 4, 5, 9) if name == "lm" else (2, 4, 3))
    parameters = dict(model.named_parameters())
    for site in model.sites:
        if site.reader is not None and "F" in site.axes:
            assert parameters[site.reader].shape[1] == site.shape[site.axes.index("F")]


def test_words_are_embedded() -> None:
    """And where they are, the sequence is no input, whose rate is usually another."""
    words = TABLES[3]
    model, recorder = built("rnn", (0, 1), words, layers=1), Recorder()
    assert tuple(model(batch("rnn", 2, 4, words), recorder).shape) == (2, 4, 3)
    assert (
        [s.name for s in model.sites] == ["embedding", "embedded", *layer(0), "head"] == [n for n, _ in recorder.seen]
    )
    assert [tuple(x.shape) for _, x in recorder.seen[:2]] == [(2, 11, 4), (2, 4, 6, 4)]


@pytest.mark.parametrize("name", ["mlp", "realmlp", "cnn", "rnn", "lm", "resnet", "transformer"])
def test_the_output_is_no_site(name: str) -> None:
    """With everything at every site put to zero, but where noise must be asked for, what is left is the read-out's bias."""

    class Zero(Recorder):
        def __call__(self, site: str, x: torch.Tensor) -> torch.Tensor:
            return x if site == "output" else x * 0

    model = built(name)
    with torch.no_grad():
        model.head.bias.normal_()
    logits = model(batch(name), Zero())
    assert torch.equal(logits, model.head.bias.expand_as(logits))
