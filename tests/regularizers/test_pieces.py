"""What is done a few replicas at a time is done to all, with the same bits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dropbench.regularizers import base
from dropbench.regularizers.base import Tensors, pieces
from dropbench.regularizers.ema import EMA
from dropbench.regularizers.swa import SWA


def test_pieces_are_the_same_replicas_of_each_tensor_and_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_PIECE", 12)
    large, of_each = torch.zeros(5, 2, 3), torch.arange(5.0)
    found = [*pieces(large, of_each)]
    assert [len(a) for a, _ in found] == [2, 2, 1]  # 6 numbers a replica
    for a, b in found:
        a += b.view(-1, 1, 1)
    assert large[:, 0, 0].tolist() == of_each.tolist()
    monkeypatch.setattr(base, "_PIECE", 5)  # one is larger than a piece
    assert [len(a) for a, _ in pieces(large, of_each)] == [1] * 5


@pytest.mark.parametrize("part", [EMA(decay=0.9), SWA(share=0.5, every=2)])
def test_averages_have_the_same_bits_in_pieces(part: EMA | SWA, monkeypatch: pytest.MonkeyPatch) -> None:
    strength = torch.tensor([0.9, 0.3, 0.7])

    def averaged(piece: int) -> dict[str, Tensor]:
        monkeypatch.setattr(base, "_PIECE", piece)
        generator = torch.Generator().manual_seed(0)
        tensors = Tensors({"w": torch.zeros(3, 4, 5), "b": torch.zeros(3, 5)}, {})
        kept = part.state(tensors)
        for update in range(8):
            for t in tensors.values():
                t.copy_(torch.randn(t.shape, generator=generator))
            part.weights(tensors, strength, kept, (update + 1) / 8)
        return dict(part.evaluated(tensors, strength, kept))

    whole, cut = averaged(2**40), averaged(1)
    assert whole["w"].abs().sum() > 0
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
