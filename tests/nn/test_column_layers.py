"""Categories as RealMLP sees them, and the scale of inputs."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from dropbench.engine.streams import StackedDraws
from dropbench.nn.columns import Categories, Scale

CPU = torch.device("cpu")


def test_two_levels_are_a_sign_few_are_as_they_are_and_many_are_looked_up() -> None:
    levels = [2, 3, 8, 9]
    layer = Categories(2, levels)
    layer.reset(StackedDraws([0, 1], "init", CPU))
    chosen = torch.tensor([[0, 2, 7, 4], [1, 0, 0, 8], [1, 1, 3, 0]])
    x = torch.cat([F.one_hot(chosen[:, i], n) for i, n in enumerate(levels)], 1).float()
    out = layer(x.expand(2, -1, -1))
    assert out.shape == (2, 3, layer.outputs) == (2, 3, 1 + 3 + 8 + 8)
    for k in range(2):
        assert out[k, :, 0].tolist() == [-1, 1, 1]
        assert torch.equal(out[k, :, 1:12], x[:, 2:13])
        assert torch.equal(out[k, :, 12:], layer.tables[0][k][chosen[:, 3]])


def test_a_value_that_is_not_known_is_nothing() -> None:
    layer = Categories(1, [2, 4, 12])
    layer.reset(StackedDraws([0], "init", CPU))
    assert not layer(torch.zeros(1, 2, 18)).any()


def test_embeddings_start_standard_normal() -> None:
    layer = Categories(2, [2_000])
    layer.reset(StackedDraws([0, 1], "init", CPU))
    for table in layer.tables[0].detach():
        assert abs(float(table.std()) - 1) < 0.03 and abs(float(table.mean())) < 0.03
    assert not torch.equal(layer.tables[0][0], layer.tables[0][1])


def test_a_scale_multiplies_each_input_and_starts_at_one() -> None:
    layer = Scale(2, 3)
    x = torch.randn(2, 5, 3)
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(6.0).view(2, 1, 3))
    assert torch.equal(layer(x), x * torch.arange(6.0).view(2, 1, 3))
