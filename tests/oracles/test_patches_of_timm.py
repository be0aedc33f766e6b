"""timm's PatchDropout beside ours: as many patches stay, other ones for each image, those that stay unchanged."""

from __future__ import annotations

import pytest
import torch
from beside import timm_layers
from noise_kit import stack_noise, theirs

from dropbench.sites import Site


@pytest.mark.parametrize("n", [4, 16, 49, 196])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.25, 0.5, 0.75, 0.99])
def test_as_many_stay(n: int, rate: float) -> None:
    tokens = torch.arange(1.0, n + 1).expand(6, n)[..., None]
    kept = theirs(timm_layers().PatchDropout(rate, num_prefix_tokens=0, ordered=True), tokens)[..., 0]
    noise = stack_noise("patch_dropout", Site("patches", "patch", (n,), "T"), [rate], [0], 6)
    seen = noise("patches", torch.ones(1, 6, n))[0]
    assert set(seen.flatten().tolist()) <= {0.0, 1.0}
    assert (seen.sum(1) == kept.shape[1]).all()
    for one in (kept.tolist(), [(row.nonzero().flatten() + 1).tolist() for row in seen]):
        assert all(len(set(row)) == len(row) for row in one)
        assert n < 16 or rate in (0.01, 0.99) or len({tuple(row) for row in one}) > 1
