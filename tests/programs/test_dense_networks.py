"""Dense networks of programs against torch's own layers and optimizer."""

from __future__ import annotations

import torch
from torch import Generator, nn

from dropbench.programs.dense import dropped, passed, start, trained


def test_it_is_torchs_network_and_adam() -> None:
    x = torch.randn(40, 5, generator=Generator().manual_seed(0))
    y = x.square().sum(1, keepdim=True)
    net, own = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 1)), start(3, 5, 7, 1)
    with torch.no_grad():
        for theirs, ours in zip(net.parameters(), own, strict=True):
            theirs.copy_(ours.t())
    trained(own, lambda rows: (passed(own, x[rows]) - y[rows]).square().mean(), 40, 6, 3, lr=0.01)
    batches, optimizer = Generator().manual_seed(3 + 10**6), torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(6):
        rows = torch.randint(40, (50,), generator=batches)
        optimizer.zero_grad()
        (net(x[rows]) - y[rows]).square().mean().backward()
        optimizer.step()
    torch.testing.assert_close(passed(own, x), net(x), atol=1e-5, rtol=1e-4)
    assert not any(w.requires_grad for w in own)


def test_weights_are_within_the_bound_of_their_inputs() -> None:
    first, bias, second, _ = start(0, 100, 400, 1)
    assert first.shape == (100, 400) and bias.shape == (400,)
    assert 0.095 < first.abs().max().item() <= 0.1 and 0.045 < second.abs().max().item() <= 0.05


def test_what_is_kept_is_scaled_up_and_hidden_layers_alone_are_dropped() -> None:
    x, draw = torch.ones(100, 100), Generator().manual_seed(0)
    out = dropped(x, 0.75, draw)
    assert set(out.unique().tolist()) == {0.0, 4.0} and abs(out.mean().item() - 1) < 0.1
    assert torch.equal(dropped(x, 0.75, None), x) and torch.equal(dropped(x, 0.0, draw), x)
    one = [torch.eye(100), torch.zeros(100)]
    assert torch.equal(passed(one, x, 0.75, draw), x)
    assert abs((passed([*one, *one], x, 0.75, draw) == 0).double().mean().item() - 0.75) < 0.02
