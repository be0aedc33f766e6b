"""What a spec would build, and what takes which data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from specs_kit import spec_and_settings
from torch import nn

from dropbench.config.compose import Composer
from dropbench.data.base import Graph, Table
from dropbench.errors import UsageError
from dropbench.planning.checks import check
from dropbench.planning.outline import NoView, outline, takes
from dropbench.planning.sources import load


@pytest.mark.parametrize(
    ("words", "view", "parameters"),
    [
        (["model.widths=[8]", "data=wine"], "flat", 13 * 8 + 8 + 8 * 3 + 3),
        (["model.widths=[8]"], "flat", 64 * 8 + 8 + 8 * 10 + 10),
        (["model=cnn", "model.channels=[2]", "model.head_widths=[]"], "image", 2 * 9 + 2 + 4 * 4 * 2 * 10 + 10),
        (["model=rnn", "model.cell=vanilla", "model.hidden=4"], "sequence", None),
    ],
)
def test_an_outline_builds_nothing(c: Composer, words: list[str], view: str, parameters: int | None) -> None:
    spec, settings = spec_and_settings(c, *words)
    found = outline(spec.model, load(spec.data, settings))
    assert (found.view, found.stacked) == (view, True)
    assert parameters in (None, found.parameters)
    assert found.sites[0].name == "input"
    assert check(spec, load(spec.data, settings), found) is None


def test_a_model_that_takes_no_such_data(c: Composer) -> None:
    spec, settings = spec_and_settings(c, "model=cnn", "data=wine")
    table = load(spec.data, settings)
    with pytest.raises(NoView, match="model 'cnn' takes image input, but data 'wine' can only be given as flat"):
        outline(spec.model, table)


@pytest.mark.parametrize(("eats", "axes", "yes"), [(("flat",), "F", True), (("image",), "F", False), ((), "F", False)])
def test_takes(eats: tuple[str, ...], axes: str, yes: bool) -> None:
    model: Any = type("Model", (), {"eats": eats})
    table = Table("t", torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64), axes, 1)
    assert takes(model, table) is yes


class Reader(nn.Module):
    """As much of a model of numbers as an outline looks at."""

    stacked = True
    eats = ("tokens", "text", "graph")
    task = "predict_next"

    def __init__(self, replicas: int, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        assert shape.view in self.eats  # type: ignore[attr-defined]
        self.weight = nn.Parameter(torch.empty(replicas, shape[1], n_classes))


def numbers(axes: str) -> Table:
    """100 examples: texts of 3 words, one running text, or the nodes of a graph; official splits but for the texts."""
    x = torch.arange(100)[:, None].expand(-1, 3 if axes == "T" else 1) % 90
    split = {} if axes == "T" else {"val": torch.arange(60, 80), "test": torch.arange(80, 100)}
    graph = Graph(torch.zeros(100, 7), torch.tensor([[0, 1], [1, 2]]))
    return Table(
        "numbers", x, torch.arange(100) % 2, axes, 2, vocabulary=90, window=5, graph=graph if axes == "N" else None, **split
    )  # fmt: skip


@pytest.mark.parametrize(
    ("axes", "view", "shape", "noise_batch"),
    [("T", "tokens", (3, 90), 32), ("W", "text", (5, 90), 32), ("N", "graph", (100, 7), 1)],
)
def test_numbers_to_look_up(
    c: Composer, axes: str, view: str, shape: tuple[int, ...], noise_batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropbench.models.mlp.MLP", Reader)
    spec, _ = spec_and_settings(c, "dropout=none", "train.batch_size=8")
    table, model = numbers(axes), spec.model.model_copy(update={"options": {}})
    found = outline(model, table)
    assert takes(Reader, table) and not takes(type("Other", (), {"eats": ("flat", "image", "sequence")}), table)
    assert (found.view, found.shape, found.shape.view, found.task) == (view, shape, view, "predict_next")
    assert found.shape.edges == (2 if view == "graph" else 0)
    assert found.parameters == shape[1] * 2
    assert found.noise_batch(32) == noise_batch
    assert check(spec, table, found) is None

    def told(*words: str) -> str:
        return str(check(spec_and_settings(c, "dropout=none", *words)[0], table, found))

    assert told("train.augment.flip=0.5").startswith(
        "train.augment works only on images, but data 'numbers' are not images"
    )
    assert told("data.n_train=1000").startswith("data.n_train=1000 is too many")
    if view == "text":
        assert told("data.label_noise=0.1").startswith("data.label_noise=0.1 is for classes")
        assert told("train.batch_size=64").endswith("the largest possible is train.batch_size=11")
    else:
        assert told("data.label_noise=0.1", "train.batch_size=64") == "None"


def test_classifying_is_what_models_do_unless_they_say_otherwise(c: Composer) -> None:
    spec, settings = spec_and_settings(c, "data=wine")
    found = outline(spec.model, load(spec.data, settings))
    assert (found.task, found.shape.view, found.noise_batch(32)) == ("classify", "flat", 32)


def test_text_for_a_model_of_vectors(c: Composer) -> None:
    spec, _ = spec_and_settings(c)
    with pytest.raises(
        NoView,
        match=r"^model 'mlp' takes flat input, but data 'numbers' can only be given as text; .* that takes text input$",
    ):
        outline(spec.model, numbers("W"))


def test_a_model_that_cannot_be_built(c: Composer) -> None:
    spec, settings = spec_and_settings(c, "data=wine")
    broken = spec.model.model_copy(update={"options": {"widths": "many"}})
    with pytest.raises(UsageError, match=r"model=mlp cannot be built with \{'widths': 'many'\}: "):
        outline(broken, load(spec.data, settings))
