"""Blocks with two residual branches, by hand."""

from __future__ import annotations

import pytest
import torch
from model_kit import Recorder, batch, built
from specs_kit import spec_of
from torch import nn

from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.models.two_branches import TwoBranches


def test_a_block_is_its_shortcut_and_the_mean_of_its_branches() -> None:
    model = built("resnet", two_branches=True).double().eval()
    h = torch.relu(model.norm(model.stem(batch("resnet").double())))
    for block in model.blocks:
        first, second = (b(h, Recorder()) for b in (block.branch.first, block.branch.second))
        if block.stride == 2:
            halved = h[..., ::2, ::2]
            h = torch.cat([halved, torch.zeros_like(halved)], 2)
        h = torch.relu(h + first / 2 + second / 2)
    expected = model.head(h.mean((3, 4)))
    torch.testing.assert_close(model(batch("resnet").double(), Recorder()), expected)
    assert not torch.equal(model.blocks[0].branch.first.first.weight, model.blocks[0].branch.second.first.weight)


def test_a_dense_layer_beside_its_twin() -> None:
    model = built("mlp", widths=[6, 6, 4], skip=True, two_branches=True)
    x = batch("mlp")
    h = model.hidden[0](x, Recorder())
    first, second = (b(h, Recorder()) for b in (model.hidden[1].first, model.hidden[1].second))
    expected = model.head(model.hidden[2](h + (first + second) / 2, Recorder()))
    torch.testing.assert_close(model(x, Recorder()), expected)
    names = ["hidden.1.first.weight", "hidden.1.first", "hidden.1.second.weight", "hidden.1.second", "hidden.1.pair"]
    assert [s.name for s in model.sites if s.name.startswith("hidden.1.") and not s.asked] == [
        *names,
        "hidden.1.branch",
    ]


def test_maps_keep_their_order_in_memory() -> None:
    """Channels last, as convolutions take them: another order would be copied at each of them."""

    class Same(nn.Module):
        def forward(self, x: torch.Tensor, noise: object) -> torch.Tensor:
            return x

    x = torch.randn(2, 3, 5, 6, 4).permute(0, 1, 4, 2, 3)
    out = TwoBranches("b", (4, 5, 6), "CHW", Same(), Same())(x, Recorder())
    assert out.stride() == x.stride() and torch.equal(out, x)


def test_false_is_the_network_that_there_was(c: Composer) -> None:
    for given in (["model=resnet", "data=digits"], ["model.skip=true"]):
        runs = [
            spec_of(c, *given, *more).run_id for more in ([], ["model.two_branches=false"], ["model.two_branches=true"])
        ]
        assert runs[0] == runs[1] != runs[2]


def test_branches_without_a_shortcut_are_told(c: Composer) -> None:
    with pytest.raises(UsageError, match=r"model\.two_branches=true: .* add model\.skip=true$"):
        built("mlp", widths=[6, 6], two_branches=True)
