from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dropbench.nn.recurrent import CellNoise, Recurrent

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
    """States, the last of them and gradients, from a given state on, with all weights and both biases mapped.

    The order of the gates is part of it.
    """
    torch.manual_seed(0)
    stack = Recurrent(replicas, 3, 5, cell)
    with torch.no_grad():
        for p in stack.parameters():
            p.normal_(std=0.5)
    x = torch.randn(replicas, 4, 6, 3, requires_grad=True)
    g = torch.randn(replicas, 4, 6, 5)
    start = torch.randn(2, replicas, 4, 5) / 2
    out, ends = stack(x, start=tuple(start))
    out.backward(g)
    for k in range(replicas):
        one = TORCHS[cell](3, 5, batch_first=True)
        with torch.no_grad():
            for ours, theirs in NAMES.items():
                getattr(one, theirs).copy_(turned(getattr(stack, ours)[k]))
        alone = x[k].detach().requires_grad_()
        before = start[:, k, None] if cell == "lstm" else start[0, k, None]
        expected, after = one(alone, tuple(before) if cell == "lstm" else before)
        expected.backward(g[k])
        torch.testing.assert_close(out[k], expected)
        after = after if cell == "lstm" else (after, start[1:, k])
        torch.testing.assert_close(torch.stack(ends)[:, k, None], torch.stack(after))
        torch.testing.assert_close(x.grad[k], alone.grad)
        for ours, theirs in NAMES.items():
            torch.testing.assert_close(turned(getattr(stack, ours).grad[k]), getattr(one, theirs).grad)


def layer_and_input(cell: str, replicas: int = 1) -> tuple[Recurrent, Tensor]:
    torch.manual_seed(0)
    stack = Recurrent(replicas, 3, 5, cell)  # type: ignore[arg-type]
    with torch.no_grad():
        for p in stack.parameters():
            p.normal_(std=0.5)
    return stack, torch.randn(replicas, 4, 6, 3)


def by_hand(stack: Recurrent, x: Tensor, noise: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """States [B, T, H] of one replica and its last cell, from the papers' equations, torch's order of gates.

    `noise`: masks [T, B, H] of the product's state and of the candidate; of hidden and cell, of ones where the old one stays.
    """
    w, u, b, c = (getattr(stack, name)[0] for name in NAMES)
    old, memory, out = torch.zeros(4, 5), torch.zeros(4, 5), []
    mask = {name: noise.get(name, torch.ones(6, 4, 5)) for name in ("state", "candidate")}
    stays = {name: noise.get(name, torch.zeros(6, 4, 5)) for name in ("hidden", "cell")}
    for t in range(6):
        a, r = x[0, :, t] @ w + b, (old * mask["state"][t]) @ u + c
        if stack.cell == "vanilla":
            h = torch.tanh(a + r)
        elif stack.cell == "lstm":
            i, f, g, o = (a + r).split(5, -1)
            new = f.sigmoid() * memory + i.sigmoid() * g.tanh() * mask["candidate"][t]
            h = o.sigmoid() * new.tanh()
            memory = stays["cell"][t] * memory + (1 - stays["cell"][t]) * new
        else:
            (r0, z0, n0), (r1, z1, n1) = a.split(5, -1), r.split(5, -1)
            z = (z0 + z1).sigmoid()
            h = (1 - z) * (n0 + (r0 + r1).sigmoid() * n1).tanh() * mask["candidate"][t] + z * old
        old = stays["hidden"][t] * old + (1 - stays["hidden"][t]) * h
        out.append(old)
    return torch.stack(out, 1), memory


@pytest.mark.parametrize(
    "where", [("state",), ("candidate",), ("hidden",), ("cell",), ("state", "candidate", "hidden", "cell")]
)
@CELLS
def test_noise_acts_where_its_name_says(cell: str, where: tuple[str, ...]) -> None:
    """The carried state is not masked; h_t is made of the new cell before that meets the old (Krueger et al. 2017)."""
    stack, x = layer_and_input(cell)
    masks = {name: (torch.rand(6, 4, 5) > 0.5).float() * (2 if name in ("state", "candidate") else 1) for name in where}
    steps: dict[str, list[int]] = {name: [] for name in where}

    def times(name: str) -> Callable[[Tensor, int], Tensor]:
        return lambda value, step: (steps[name].append(step), value * masks[name][step])[1]

    def mixing(name: str) -> Callable[[Tensor, Tensor, int], Tensor]:
        return lambda old, new, step: (steps[name].append(step), torch.where(masks[name][step] > 0, old, new))[1]

    noise = CellNoise(**{name: times(name) if name in ("state", "candidate") else mixing(name) for name in where})
    out, (last, memory) = stack(x, noise)
    expected, cells = by_hand(stack, x, masks)
    torch.testing.assert_close(out[0], expected)
    torch.testing.assert_close(memory[0], cells)
    assert torch.equal(last, out[:, :, -1])
    met = {"vanilla": {"state", "hidden"}, "gru": {"state", "candidate", "hidden"}}.get(cell, set(where))
    assert all(seen == (list(range(6)) if name in met else []) for name, seen in steps.items())


@CELLS
def test_a_sequence_in_pieces_is_the_sequence(cell: str) -> None:
    stack, x = layer_and_input(cell, 2)
    whole, ends = stack(x)
    first, middle = stack(x[:, :, :2])
    second, last = stack(x[:, :, 2:], start=middle)
    torch.testing.assert_close(torch.cat([first, second], 2), whole)
    torch.testing.assert_close(last, ends)


@CELLS
def test_another_hidden_weight_stands_in_for_the_layers_own(cell: str) -> None:
    """As weight-drop has it: the gradient goes to the weight that was given, and through it to the raw one."""
    stack, x = layer_and_input(cell)
    twin, _ = layer_and_input(cell)
    mask = (torch.rand(stack.weight_hidden.shape) > 0.5) * 2.0
    out, _ = stack(x, weight_hidden=stack.weight_hidden * mask)
    with torch.no_grad():
        twin.weight_hidden.mul_(mask)
    expected, _ = twin(x)
    assert torch.equal(out, expected)
    out.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(stack.weight_hidden.grad, twin.weight_hidden.grad * mask)
