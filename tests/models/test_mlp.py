"""The MLP against the plain torch network written out here, with and without noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from model_kit import TABLES, Recorder, batch, built
from noise_kit import factor, stack_noise
from own_tables import loaded, mixed
from specs_kit import spec_of
from torch import Tensor, nn

from dropbench.config.compose import Composer
from dropbench.data.views import view_shape
from dropbench.errors import UsageError
from dropbench.nn.activation import function
from dropbench.planning.outline import outline

PLACES = ["none", "before_activation", "after_activation", "after_dropout"]


class Plain(nn.Module):
    """widths 6, 5; noise as factors from outside, after each activation (and its batch norm)."""

    def __init__(self, inputs: int, activation: str, place: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(inputs, 6), nn.Linear(6, 5)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(6), nn.BatchNorm1d(5)])
        self.head = nn.Linear(5, 3)
        self.act, self.place = getattr(F, activation, None) or getattr(torch, activation), place

    def forward(self, x: Tensor, factors: list[Tensor | float]) -> Tensor:
        for layer, norm, mask in zip(self.layers, self.norms, factors, strict=True):
            x = layer(x)
            if self.place == "before_activation":
                x = norm(x)
            x = self.act(x)
            if self.place == "after_activation":
                x = norm(x)
            x = x * mask
            if self.place == "after_dropout":
                x = norm(x)
        return self.head(x)


def plain_copy(stack: nn.Module, k: int, inputs: int, activation: str, place: str) -> Plain:
    one = Plain(inputs, activation, place).to(stack.head.weight.dtype)
    with torch.no_grad():
        for theirs, ours in zip([*one.layers, one.head], [*(b.linear for b in stack.hidden), stack.head], strict=True):
            theirs.weight.copy_(ours.weight[k].T)
            theirs.bias.copy_(ours.bias[k, 0])
    return one


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("activation", ["relu", "gelu", "selu", "leaky_relu", "tanh", "sigmoid", "mish"])
def test_equals_plain_torch_under_the_same_masks(activation: str, place: str) -> None:
    model = built("mlp", (0, 1), activation=activation, batch_norm=place).double()
    x = batch("mlp", 2, 8).double()
    sites = [s for s in model.sites if s.name in ("hidden.0", "hidden.1")]
    noise, twin = (stack_noise("standard", sites, [0.2, 0.5], [0, 1], 8) for _ in range(2))
    factors = [factor(twin, s, 2, 8) for s in sites]
    out = model(x, noise)
    out.square().sum().backward()
    for k in range(2):
        one = plain_copy(model, k, x.shape[-1], activation, place)
        expected = one(x[k], [f[k] for f in factors])
        expected.square().sum().backward()
        torch.testing.assert_close(out[k], expected)
        for block, layer in zip(model.hidden, one.layers, strict=True):
            torch.testing.assert_close(block.linear.weight.grad[k], layer.weight.grad.T)
        torch.testing.assert_close(model.head.weight.grad[k], one.head.weight.grad.T)


@pytest.mark.parametrize("place", PLACES)
def test_equals_plain_torch_in_evaluation(place: str) -> None:
    model = built("mlp", batch_norm=place)
    x = batch("mlp", 1, 8)
    one = plain_copy(model, 0, x.shape[-1], "relu", place)
    for training in (True, True, False):
        model.train(training)
        one.train(training)
        torch.testing.assert_close(model(x, Recorder())[0], one(x[0], [1.0, 1.0]))


def test_activations_are_the_ones_named() -> None:
    x = torch.linspace(-3, 3, 50)
    assert torch.equal(function("leaky_relu")(x), torch.where(x < 0, 0.01 * x, x))
    torch.testing.assert_close(function("gelu")(x), x * torch.special.ndtr(x))
    torch.testing.assert_close(function("sigmoid")(x), 1 / (1 + torch.exp(-x)))
    assert torch.equal(function("relu")(x), x.clamp_min(0))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"embed_size": 4}, "embed_size needs an embedding of numbers; set num_embed=plr or pbld"),
        ({"frequency_scale": 0.1}, "frequency_scale needs an embedding"),
        ({"num_embed": "pbld", "embed_size": 1}, "it must be 2 or more"),
    ],
)
def test_sizes_of_no_embedding_and_one_without_room_are_told(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        built("mlp", **options)


def test_what_is_embedded_are_the_numbers_of_a_table(tmp_path: Path) -> None:
    """Numbers alone go through the waves; data without one are told."""
    table = loaded(tmp_path, mixed())
    model = built("mlp", data=table, num_embed="plr", embed_size=3)
    numbers = view_shape(table, "flat").numbers
    assert model.hidden[0].linear.weight.shape[1] == table.shape[0] + 2 * numbers
    assert [s.shape for s in model.sites if s.name == "input"] == [table.shape]
    words = loaded(tmp_path, mixed()[["colour", "y"]])
    with pytest.raises(UsageError, match="embeds numbers, and these data have only categories"):
        built("mlp", data=words, num_embed="plr")


def test_no_embedding_is_what_an_mlp_was_before_there_was_one(c: Composer) -> None:
    plain = spec_of(c)
    assert plain.run_id == spec_of(c, "model.num_embed=none").run_id == spec_of(c, "model.num_embed=null").run_id
    before = plain.model.model_copy(
        update={"options": {k: plain.model.options[k] for k in ("widths", "activation", "batch_norm")}}
    )
    assert plain.model_copy(update={"model": before}).run_id == plain.run_id
    assert spec_of(c, "model.num_embed=plr").run_id != plain.run_id


def test_what_an_embedding_holds_is_known_before_it_is_built(c: Composer) -> None:
    """So cohorts are as small as they must be."""
    plain, embedded = (spec_of(c, "data=wine", f"model.num_embed={kind}") for kind in ("none", "plr"))
    held = [outline(s.model, TABLES[2]).held for s in (plain, embedded)]
    assert held == [0, 7 * (48 + 96) + 7 * 24]
