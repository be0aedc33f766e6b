"""The embedding against torch's, replica by replica."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from dropbench.engine.streams import StackedDraws
from dropbench.nn.embedding import Embedding, lookup


def test_each_replica_looks_up_in_its_own_table() -> None:
    """Rows and gradients; a word that occurs twice gets both gradients."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(3, 7, 4, generator=generator, requires_grad=True)
    ids = torch.randint(7, (3, 5, 6), generator=generator)
    g = torch.randn(3, 5, 6, 4, generator=generator)
    out = lookup(ids, table)
    out.backward(g)
    for k in range(3):
        alone = table[k].detach().requires_grad_()
        rows = F.embedding(ids[k], alone)
        rows.backward(g[k])
        assert torch.equal(out[k], rows)
        torch.testing.assert_close(table.grad[k], alone.grad)


def test_rows_start_normal_with_the_given_deviation() -> None:
    embedding = Embedding(2, 500, 40, scale=0.2)
    embedding.reset(StackedDraws([0, 1], "init", torch.device("cpu")))
    for replica in embedding.weight.detach():
        assert abs(float(replica.std()) / 0.2 - 1) < 5 / (2 * 20_000) ** 0.5
        assert abs(float(replica.mean())) < 5 * 0.2 / 20_000**0.5
