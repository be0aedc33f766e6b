"""Embedding dropout: a word is missing wherever it occurs in a sequence, or in the batch."""

from __future__ import annotations

import math

import pytest
import torch
from noise_kit import site, stack_noise
from torch import Tensor

AT = site("words")
WORDS, FEATURES = AT.shape


def embedded(variant: str, ids: Tensor, rate: float = 0.5, seed: int = 0) -> Tensor:
    """[B, T, F] of a table of ones."""
    noise = stack_noise(variant, AT, [rate], [seed], len(ids))
    return noise.embed(AT.name, ids[None], torch.ones(1, WORDS, FEATURES))[0]


@pytest.mark.parametrize("variant", ["embedding", "embedding.batch"])
def test_all_features_and_all_occurrences_of_a_word_go_together(variant: str) -> None:
    ids = torch.randint(WORDS, (40, 100), generator=torch.Generator().manual_seed(0))
    rows = embedded(variant, ids)
    assert torch.equal(rows, rows[..., :1].expand_as(rows))
    assert set(rows.unique().tolist()) == {0.0, 2.0}
    for sequence, out in zip(ids, rows[..., 0], strict=True):
        for word in sequence.unique():
            assert len(out[sequence == word].unique()) == 1


@pytest.mark.parametrize(("variant", "shared"), [("embedding", False), ("embedding.batch", True)])
def test_sequences_share_the_missing_words_only_if_asked(variant: str, shared: bool) -> None:
    out = embedded(variant, torch.arange(WORDS).expand(200, -1))[..., 0] > 0
    agreeing = int((out[1:] == out[:1]).sum())
    n = out[1:].numel()
    assert agreeing == n if shared else abs(agreeing - n / 2) < 5 * math.sqrt(n) / 2


def test_it_is_types_that_are_dropped_at_the_rate_not_tokens() -> None:
    """A text of one word is all there or all gone."""
    out = embedded("embedding", torch.full((4000, 9), 5), rate=0.3)[..., 0] > 0
    assert torch.equal(out, out[:, :1].expand_as(out))
    assert abs(float(out[:, 0].double().mean()) - 0.7) < 5 * math.sqrt(0.21 / 4000)


@pytest.mark.parametrize("variant", ["embedding", "embedding.batch"])
def test_the_table_gets_the_gradient_of_the_words_that_are_kept(variant: str) -> None:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(WORDS, (2, 5, 20), generator=generator)
    table = torch.randn(2, WORDS, FEATURES, generator=generator, requires_grad=True)
    out = stack_noise(variant, AT, [0.5, 0.2], [0, 1], 5).embed(AT.name, ids, table)
    scale = (out / torch.stack([t[i] for t, i in zip(table, ids, strict=True)])).detach()
    out.sum().backward()
    expected = torch.zeros_like(table)
    for k in range(2):
        expected[k].index_add_(0, ids[k].flatten(), scale[k].flatten(0, 1))
    torch.testing.assert_close(table.grad, expected)
    assert bool((scale == 0).any())
