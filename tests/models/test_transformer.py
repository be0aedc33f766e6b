from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from model_kit import built
from noise_kit import stack_noise
from texts import sentences
from torch import nn

from dropbench.errors import UsageError
from dropbench.models.transformer import Transformer, cut

SILENT = stack_noise("none", [], [0.0], [0], 4)


def test_layers_are_torchs() -> None:
    """Words, padding and all, against nn.TransformerEncoderLayer with norm_first."""
    model = built("transformer", data=sentences()).double().eval()
    ids = sentences().x[:20]
    padding = ids == 0
    h = model.words.weight[0][ids] + model.positions.weight[0]
    for block in model.blocks:
        layer = nn.TransformerEncoderLayer(6, 2, 5, 0.0, "gelu", batch_first=True, norm_first=True).double()
        with torch.no_grad():
            attention, feedforward = block.attention, block.feedforward
            for mine, theirs in (
                (attention.attention.qkv, (layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias)),
                (attention.attention.out, (layer.self_attn.out_proj.weight, layer.self_attn.out_proj.bias)),
                (feedforward.up, (layer.linear1.weight, layer.linear1.bias)),
                (feedforward.down, (layer.linear2.weight, layer.linear2.bias)),
            ):
                theirs[0].copy_(mine.weight[0].T)
                theirs[1].copy_(mine.bias[0, 0])
        h = layer(h, src_key_padding_mask=padding)
    real = (~padding).double()[..., None]
    pooled = (F.layer_norm(h, (6,)) * real).sum(1) / real.sum(1)
    expected = pooled @ model.head.weight[0] + model.head.bias[0]
    torch.testing.assert_close(model(ids[None], SILENT)[0], expected)


@pytest.mark.parametrize("branches", ["sublayer", "layer"])
def test_padding_changes_nothing(branches: str) -> None:
    """The vector of number 0 is read by no step that counts, and learns nothing."""
    model = built("transformer", data=sentences(), branches=branches)
    ids = sentences().x[None, :20]
    before = model(ids, SILENT)
    before.square().sum().backward()
    assert model.words.weight.grad is not None and not model.words.weight.grad[0, 0].any()
    with torch.no_grad():
        model.words.weight[0, 0] += 100
    torch.testing.assert_close(model(ids, SILENT), before)


def test_nothing_but_padding_is_finite() -> None:
    model = built("transformer", data=sentences())
    assert bool(torch.isfinite(model(torch.zeros(1, 2, 6, dtype=torch.int64), SILENT)).all())


def test_what_a_branch_is_makes_no_difference_without_noise() -> None:
    sublayer, layer = (built("transformer", branches=b) for b in ("sublayer", "layer"))
    x = torch.rand(1, 4, 2, 8, 6)
    assert torch.equal(sublayer(x, SILENT), layer(x, SILENT))


@pytest.mark.parametrize("side", [1, 2, 4])
def test_squares_are_those_of_unfold(side: int) -> None:
    x = torch.rand(2, 3, 5, 8, 4)
    expected = F.unfold(x.flatten(0, 1), side, stride=side).mT.unflatten(0, (2, 3))
    assert torch.equal(cut(x, side), expected)


def test_what_is_no_square_gets_zeros() -> None:
    x = torch.rand(1, 1, 2, 5, 6)
    assert torch.equal(cut(x, 4), cut(F.pad(x, (0, 2, 0, 3)), 4)) and cut(x, 4).shape == (1, 1, 4, 32)


def test_impossible_options_are_sentences() -> None:
    with pytest.raises(UsageError, match=r"model.heads=5: .* try one of 1, 2, 4, 8, 16, 32, 64$"):
        Transformer(1, (1, 28, 28), 10, heads=5)
    with pytest.raises(UsageError, match=r"model.patch=28 leaves an image of 28 by 28 in one piece; use at most 27"):
        Transformer(1, (1, 28, 28), 10, patch=28)
