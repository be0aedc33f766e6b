"""What a spec would build, and why it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dropbench.config.compose import Composer, composer
from dropbench.config.grammar import expand, parse
from dropbench.data.base import Graph, Table
from dropbench.dropout.standard import Standard
from dropbench.errors import UsageError
from dropbench.planning.checks import check
from dropbench.planning.outline import NoView, outline, takes
from dropbench.planning.sources import load, others
from dropbench.planning.variants import arm_rates, variant
from dropbench.spec import DropoutSpec, RunSpec, Settings


@pytest.fixture(scope="module")
def c() -> Iterator[Composer]:
    with composer() as made:
        yield made


def composed(c: Composer, *words: str) -> tuple[RunSpec, Settings]:
    (point,) = expand(parse(words), c.options)
    found = c.compose(point)
    return found.spec, found.settings


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
    spec, settings = composed(c, *words)
    found = outline(spec.model, load(spec.data, settings))
    assert (found.view, found.stacked) == (view, True)
    assert parameters in (None, found.parameters)
    assert found.sites[0].name == "input"
    assert check(spec, load(spec.data, settings), found) is None


def test_data_is_read_once(c: Composer) -> None:
    spec, settings = composed(c, "data=wine")
    assert load(spec.data, settings) is load(composed(c, "data=wine", "data.n_train=20")[0].data, settings)


def test_rates_of_an_arm(c: Composer) -> None:
    spec, settings = composed(c, "dropout.rates={input: 0.1}", "dropout.rate=0.4", "model.widths=[4,4]")
    found = outline(spec.model, load(spec.data, settings))
    assert arm_rates(spec.dropout, found.sites) == {"input": 0.1, "hidden.0": 0.4, "hidden.1": 0.4}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["dropout=none"], None),
        (["dropout=spatial"], "dropout=spatial has no site in model=mlp: it drops whole feature maps"),
        (
            ["dropout.placement=[-*]"],
            "dropout.placement=[-*] leaves dropout=standard no site in model=mlp; give it at least one of input, hidden.0",
        ),
        (["dropout.placement=[nowhere]"], "dropout.placement: no site here fits 'nowhere'"),
        (["data.n_train=5000"], "data.n_train=5000 is too many"),
        (["data=wine", "train.augment.flip=0.5"], "train.augment works on images"),
    ],
)
def test_why_not(c: Composer, words: list[str], reason: str | None) -> None:
    spec, settings = composed(c, *words)
    table = load(spec.data, settings)
    told = check(spec, table, outline(spec.model, table))
    assert told == reason or (reason is not None and told is not None and told.startswith(reason))


def test_a_model_that_takes_no_such_data(c: Composer) -> None:
    spec, settings = composed(c, "model=cnn", "data=wine")
    table = load(spec.data, settings)
    with pytest.raises(NoView, match="model 'cnn' eats image, but data 'wine' can only be flat"):
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
    spec, _ = composed(c, "dropout=none", "train.batch_size=8")
    table, model = numbers(axes), spec.model.model_copy(update={"options": {}})
    found = outline(model, table)
    assert takes(Reader, table) and not takes(type("Other", (), {"eats": ("flat", "image", "sequence")}), table)
    assert (found.view, found.shape, found.shape.view, found.task) == (view, shape, view, "predict_next")
    assert found.shape.edges == (2 if view == "graph" else 0)
    assert found.parameters == shape[1] * 2
    assert found.noise_batch(32) == noise_batch
    assert check(spec, table, found) is None

    def told(*words: str) -> str:
        return str(check(composed(c, "dropout=none", *words)[0], table, found))

    assert told("train.augment.flip=0.5").startswith("train.augment works on images, and data 'numbers' is none")
    assert told("data.n_train=1000").startswith("data.n_train=1000 is too many")
    if view == "text":
        assert told("data.label_noise=0.1").startswith("data.label_noise=0.1 is for classes")
        assert told("train.batch_size=64").endswith("the largest possible is train.batch_size=11")
    else:
        assert told("data.label_noise=0.1", "train.batch_size=64") == "None"


def test_classifying_is_what_models_do_unless_they_say_otherwise(c: Composer) -> None:
    spec, settings = composed(c, "data=wine")
    found = outline(spec.model, load(spec.data, settings))
    assert (found.task, found.shape.view, found.noise_batch(32)) == ("classify", "flat", 32)


def test_text_for_a_model_of_vectors(c: Composer) -> None:
    spec, _ = composed(c)
    with pytest.raises(
        NoView, match=r"^model 'mlp' eats flat, but data 'numbers' can only be text; .* that eats text$"
    ):
        outline(spec.model, numbers("W"))


def test_a_model_that_cannot_be_built(c: Composer) -> None:
    spec, settings = composed(c, "data=wine")
    broken = spec.model.model_copy(update={"options": {"widths": "many"}})
    with pytest.raises(UsageError, match=r"model=mlp cannot be built with \{'widths': 'many'\}: "):
        outline(broken, load(spec.data, settings))


def test_data_that_is_not_here(c: Composer, tmp_path: Path) -> None:
    spec, settings = composed(c, "data=mnist", f"data.root={tmp_path}")
    with pytest.raises(UsageError, match="is not in"):
        load(spec.data, settings)


@pytest.mark.parametrize(("size", "fits"), [(1, False), (2, False), (3, True)])
def test_batch_norm_needs_a_batch(c: Composer, size: int, fits: bool) -> None:
    spec, settings = composed(c, "model.batch_norm=before_activation", f"train.batch_size={size}")
    table = load(spec.data, settings)
    reason = check(spec, table, outline(spec.model, table))
    assert (reason is None) is fits
    assert fits or f"train.batch_size={size} is too small for batch norm" in str(reason)
    plain, _ = composed(c, f"train.batch_size={size}")
    assert check(plain, table, outline(plain.model, table)) is None


class OnWeights(Standard):
    """Says where it acts, and lacks what acting there takes."""

    kinds = frozenset({"weight"})


def test_a_variant_of_weights_has_the_methods_for_it() -> None:
    mine = DropoutSpec(name="mine", _target_=f"{__name__}.OnWeights")
    with pytest.raises(UsageError, match=r"dropout=mine: .*subclass of dropbench\.dropout\.base\.AtWeights"):
        variant(mine)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["metric.ood.against=[wne]"], "metric.ood.against=wne: there is no such data; did you mean 'wine'?"),
        (
            ["metric.ood.against=wine"],
            "metric.ood.against=wine: data 'wine' has examples of shape 13 (F), which do not fit",
        ),
        (["metric.ood.against=_split"], "metric.ood.against=_split: there is no such data"),
    ],
)
def test_data_that_cannot_be_set_against(c: Composer, words: list[str], said: str) -> None:
    spec, settings = composed(c, "metric=[loss,accuracy,ood]", *words)
    with pytest.raises(UsageError) as error:
        others(spec, load(spec.data, settings), settings)
    assert str(error.value).startswith(said)


def test_data_that_is_set_against(c: Composer) -> None:
    spec, settings = composed(c, "metric=[loss,accuracy,ood]", "metric.ood.against=[noise,digits]")
    table = load(spec.data, settings)
    assert {name: x.shape for name, x in others(spec, table, settings).items()} == {"digits": table.x.shape}
    assert others(composed(c)[0], table, settings) == {}
