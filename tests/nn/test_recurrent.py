from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dropbench.nn.recurrent import Recurrent

TORCHS = {"vanilla": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
NAMES = {
    "weight_input": "weight_ih_l0",
    "weight_hidden": "weight_hh_l0",
    "bias_input": "bias_ih_l0",
    "bias_hidden": "bias_hh_l0",
}
CELLS = pytest.mark.parametrize("cell", TORCHS)


def turned(ours: Tensor) -> Tensor:
    """One replica's weight [I, O] or bias [1, O] in torch's shape."""
    return ours.squeeze(0) if ours.shape[0] == 1 else ours.T


@CELLS
@pytest.mark.parametrize("replicas", [1, 3])
def test_each_replica_is_torchs_layer(cell: str, replicas: int) -> None:
    """States and gradients, with all weights and both biases mapped: the order of the gates is part of it."""
    torch.manual_seed(0)
    stack = Recurrent(replicas, 3, 5, cell)
    with torch.no_grad():
        for p in stack.parameters():
            p.normal_(std=0.5)
    x = torch.randn(replicas, 4, 6, 3, requires_grad=True)
    g = torch.randn(replicas, 4, 6, 5)
    out = stack(x)
    out.backward(g)
    for k in range(replicas):
        one = TORCHS[cell](3, 5, batch_first=True)
        with torch.no_grad():
            for ours, theirs in NAMES.items():
                getattr(one, theirs).copy_(turned(getattr(stack, ours)[k]))
        alone = x[k].detach().requires_grad_()
        expected = one(alone)[0]
        expected.backward(g[k])
        torch.testing.assert_close(out[k], expected)
        torch.testing.assert_close(x.grad[k], alone.grad)
        for ours, theirs in NAMES.items():
            torch.testing.assert_close(turned(getattr(stack, ours).grad[k]), getattr(one, theirs).grad)


@CELLS
def test_noise_acts_on_the_state_before_each_recurrent_product(cell: str) -> None:
    """Against torch's cells, one step at a time, with the product's state masked and the carried one not."""
    torch.manual_seed(0)
    stack = Recurrent(1, 3, 5, cell)
    with torch.no_grad():
        for p in stack.parameters():
            p.normal_(std=0.5)
    w, u, b, c = (getattr(stack, name)[0] for name in NAMES)
    x, masks = torch.randn(1, 4, 6, 3), (torch.rand(6, 4, 5) > 0.5) * 2.0
    steps: list[int] = []

    def noise(state: Tensor, step: int) -> Tensor:
        steps.append(step)
        return state * masks[step]

    out = stack(x, noise)[0]
    h = memory = torch.zeros(4, 5)
    for t in range(6):
        a, r = x[0, :, t] @ w + b, (h * masks[t]) @ u + c
        if cell == "vanilla":
            h = torch.tanh(a + r)
        elif cell == "lstm":
            i, f, g, o = (a + r).split(5, -1)
            memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
            h = o.sigmoid() * memory.tanh()
        else:
            (r0, z0, n0), (r1, z1, n1) = a.split(5, -1), r.split(5, -1)
            z = (z0 + z1).sigmoid()
            h = (1 - z) * (n0 + (r0 + r1).sigmoid() * n1).tanh() + z * h
        torch.testing.assert_close(out[:, t], h)
    assert steps == list(range(6))
