"""The network of the programs against torch's own layers, and what its seed fixes."""

from __future__ import annotations

import torch
from torch import Generator, nn

from dropbench.programs.network import fitted, logits, split, start


def test_without_dropout_it_is_torchs_network_and_adam() -> None:
    (x, y), _ = split(1)
    x, y = x[:60], y[:60]
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    with torch.no_grad():
        for own, given in zip(net.parameters(), start(7, 64), strict=True):
            own.copy_(given.t())
    batches, optimizer = Generator().manual_seed(7 + 10**6), torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(5):
        rows = torch.randint(60, (50,), generator=batches)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimizer.step()
    torch.testing.assert_close(logits(fitted(x, y, 0.0, 7, 5), x), net(x), atol=1e-5, rtol=1e-4)


def test_masks_drop_the_rate_and_keep_the_mean() -> None:
    weights = [torch.eye(400), torch.zeros(400), torch.eye(400), torch.zeros(400), torch.eye(400), torch.zeros(400)]
    out = logits(weights, torch.ones(200, 400), 0.5, Generator().manual_seed(0))
    assert abs((out == 0).double().mean().item() - 0.75) < 0.01  # two layers
    assert set(out.unique().tolist()) == {0.0, 4.0} and abs(out.mean().item() - 1) < 0.05


def test_a_seed_fixes_all_of_a_fit_and_the_split_parts_all_digits() -> None:
    (x, y), (x_test, y_test) = split(3)
    one, same, other = (fitted(x[:50], y[:50], 0.5, seed, 3) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one[0], other[0])
    assert (len(y) + len(y_test), len(x_test)) == (1797, 500)
    assert torch.equal(torch.cat([y, y_test]).bincount(), torch.cat(split(4)[0][1:] + split(4)[1][1:]).bincount())
