"""StackedOptimizer against torch.optim, replica by replica."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from training import make_spec

from dropbench.engine.optimizer import StackedOptimizer
from dropbench.nn.pace import Pace

SETTINGS: list[dict[str, Any]] = [
    {"optimizer": "sgd", "momentum": 0.0},
    {"optimizer": "sgd", "momentum": 0.9},
    {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
    {"optimizer": "adam"},
    {"optimizer": "adamw"},
]
IDS = ["sgd", "momentum", "nesterov", "adam", "adamw"]
SHAPES = [(6, 5), (16,), (3, 2, 3, 3), (), (64, 32)]
LRS, DECAYS = [0.02, 0.001, 0.02], [0.1, 0.03, 0.0]
STEPS = 20


def start(k: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(k)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def gradient(values: Sequence[Tensor], k: int, step: int) -> list[Tensor]:
    """Of a quadratic around zero, with noise of the replica's own; exact in any stack."""
    generator = torch.Generator().manual_seed(1000 * k + step)
    return [v + torch.randn(v.shape, generator=generator) for v in values]


def factor(step: int) -> float:
    return 1 - step / (2 * STEPS)


def ours(settings: dict[str, Any], replicas: Sequence[int], decays: Sequence[float]) -> list[list[Tensor]]:
    stacked = [torch.stack(tensors).requires_grad_() for tensors in zip(*map(start, replicas), strict=True)]
    optimizer = StackedOptimizer(
        stacked, make_spec(**settings).train, [LRS[k] for k in replicas], [decays[k] for k in replicas]
    )
    for step in range(STEPS):
        for p in stacked:
            p.grad = torch.empty_like(p)
        for place, k in enumerate(replicas):
            for p, g in zip(stacked, gradient([p.detach()[place] for p in stacked], k, step), strict=True):
                assert p.grad is not None
                p.grad[place] = g
        optimizer.step(factor(step))
    return [[p.detach()[place] for p in stacked] for place in range(len(replicas))]


def torchs(settings: dict[str, Any], k: int, decays: Sequence[float], **how: bool) -> list[Tensor]:
    parameters = [p.requires_grad_() for p in start(k)]
    name, rest = settings["optimizer"], {key: v for key, v in settings.items() if key != "optimizer"}
    cls = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    optimizer = cls(parameters, lr=LRS[k], weight_decay=decays[k], **rest, **how)  # type: ignore[arg-type]
    for step in range(STEPS):
        for p, g in zip(parameters, gradient([p.detach() for p in parameters], k, step), strict=True):
            p.grad = g
        optimizer.param_groups[0]["lr"] = LRS[k] * factor(step)
        optimizer.step()
    return [p.detach() for p in parameters]


@pytest.mark.parametrize("decays", [DECAYS, [0.0, 0.0, 0.0]], ids=["decay", "no_decay"])
@pytest.mark.parametrize("settings", SETTINGS, ids=IDS)
def test_each_replica_follows_its_own_torch_optim(settings: dict[str, Any], decays: list[float]) -> None:
    together = ours(settings, [0, 1, 2], decays)
    for k in range(3):
        expected = torchs(settings, k, decays, foreach=False)
        moved = torch.cat([(e - s).abs().flatten() for e, s in zip(expected, start(k), strict=True)])
        assert moved.median() > 1e-3  # there was something to follow
        for name, mine in (("stack", together[k]), ("alone", ours(settings, [k], decays)[0])):
            for a, b in zip(mine, expected, strict=True):
                # 20 steps on values of about 1, each rounding to 2**-24 several times: 20 * 2**-21 or about 1e-5.
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("settings", SETTINGS, ids=IDS)
def test_one_replica_is_torchs_fused_optimizer(settings: dict[str, Any]) -> None:
    """To the last bit where it fills whole vectors; else torch does its end by scalar code, which rounds differently."""
    expected = torchs(settings, 1, DECAYS, fused=True)
    for a, b in zip(ours(settings, [1], DECAYS)[0], expected, strict=True):
        if a.numel() % 16 == 0:
            assert torch.equal(a, b)
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("replicas", [[0, 1, 2], [2, 0, 1], [0, 0], [1, 2, 2, 0, 1, 0, 2]])
@pytest.mark.parametrize("settings", SETTINGS, ids=IDS)
def test_a_replica_is_the_same_in_every_stack_to_the_last_bit(settings: dict[str, Any], replicas: list[int]) -> None:
    alone = [ours(settings, [k], DECAYS)[0] for k in range(3)]
    for k, mine in zip(replicas, ours(settings, replicas, DECAYS), strict=True):
        for a, b in zip(mine, alone[k], strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("settings", SETTINGS, ids=IDS)
def test_narrowing_keeps_state_and_rates(settings: dict[str, Any]) -> None:
    train = make_spec(**settings).train
    grads = torch.randn(6, 3, 40, generator=torch.Generator().manual_seed(0))
    whole = torch.ones(3, 40, requires_grad=True)
    narrowed = torch.ones(3, 40, requires_grad=True)
    one, other = (StackedOptimizer([p], train, LRS, DECAYS) for p in (whole, narrowed))
    kept = torch.tensor([0, 1, 2])
    for step in range(6):
        if step == 3:
            kept = torch.tensor([0, 2])
            narrowed.data = narrowed.data[kept]
            other.narrow(kept)
            assert other.lrs(0.5) == [LRS[0] / 2, LRS[2] / 2]
        whole.grad, narrowed.grad = grads[step].clone(), grads[step, kept].clone()
        one.step(1.0)
        other.step(1.0)
        assert torch.equal(whole[kept], narrowed)


@pytest.mark.parametrize("settings", SETTINGS, ids=IDS)
def test_a_parameter_without_a_gradient_stays(settings: dict[str, Any]) -> None:
    """And its neighbours get their own gradients, not each other's."""
    parameters = [torch.ones(2, 3, requires_grad=True) for _ in range(3)]
    optimizer = StackedOptimizer(parameters, make_spec(**settings).train, [0.1, 0.1], [0.1, 0.1])
    parameters[0].grad, parameters[2].grad = torch.full((2, 3), 1.0), torch.full((2, 3), -1.0)
    optimizer.step(1.0)
    assert bool((parameters[0] < 1).all())
    assert torch.equal(parameters[1], torch.ones(2, 3))
    assert bool((parameters[2] > 1).all())


@pytest.mark.parametrize("settings", SETTINGS[3:], ids=IDS[3:])
def test_paces_and_beta2_are_torchs_parameter_groups(settings: dict[str, Any]) -> None:
    """A group each with its own learning rate and weight decay; under a schedule of either."""
    paces = [Pace(), Pace(0.1, 0.0), Pace(6.0, 0.5)]
    generator = torch.Generator().manual_seed(0)
    ours = [torch.randn(1, 4, 5, generator=generator).requires_grad_() for _ in paces]
    theirs = [p.detach()[0].clone().requires_grad_() for p in ours]
    cls = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings["optimizer"]]
    twin = cls([{"params": [p]} for p in theirs], betas=(0.9, 0.95), foreach=False)
    optimizer = StackedOptimizer(ours, make_spec(beta2=0.95, **settings).train, [0.02], [0.1], paces)
    for step in range(STEPS):
        for p, q in zip(ours, theirs, strict=True):
            q.grad = torch.randn(4, 5, generator=generator)
            p.grad = q.grad[None].clone()
        for group, pace in zip(twin.param_groups, paces, strict=True):
            group["lr"], group["weight_decay"] = 0.02 * pace.lr * factor(step), 0.1 * pace.decay * factor(2 * step)
        twin.step()
        optimizer.step(factor(step), factor(2 * step))
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p.detach()[0], q.detach(), rtol=1e-5, atol=1e-5)
