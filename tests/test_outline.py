"""What a spec would build, and why it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dropbench.config import Composer, composer
from dropbench.data.base import Table
from dropbench.errors import UsageError
from dropbench.outline import NoView, arm_rates, check, load, outline, takes
from dropbench.overrides import expand, parse
from dropbench.spec import RunSpec, Settings


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
