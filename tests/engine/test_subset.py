"""A part of a stack for some of its replicas: what a branch that is dropped for a whole batch leaves undone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from noise_kit import stack_noise, started
from torch import Tensor
from training import cohort_of, make_spec

from dropbench.engine import subset
from dropbench.engine.stack import state
from dropbench.models.resnet import Branch
from dropbench.models.transformer import AttentionBranch

K, B = 5, 4
SILENT = stack_noise("none", [], [0.0] * K, list(range(K)), B)
SUBSETS = st.sets(st.integers(0, K - 1))


def conv_branch() -> tuple[Branch, Tensor]:
    return started(Branch(K, "block.0", 3, 6, 2), range(K)), torch.randn(K, B, 5, 5, 3).permute(0, 1, 4, 2, 3)


@settings(max_examples=20)
@given(kept=SUBSETS)
def test_some_replicas_are_those_of_the_whole(kept: set[int]) -> None:
    """To the last bit: output, gradients of input and parameters, batch-norm statistics; the others zero and untouched."""
    torch.manual_seed(0)
    branch, x = conv_branch()
    reference = conv_branch()[0]
    reference.load_state_dict(branch.state_dict())
    index = torch.tensor(sorted(kept), dtype=torch.int64)
    left_out = [k for k in range(K) if k not in kept]
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    g = torch.randn(K, B, 6, 3, 3)
    out = subset.run(branch, [a], SILENT, index, (K, B, 6, 3, 3))
    whole = subset.all_of(reference, [b], SILENT)
    assert torch.equal(out[index], whole[index]) and not out[left_out].any()
    if kept:
        assert out.stride() == whole.stride()
    out.backward(g)
    whole.backward(g)
    for mine, theirs in zip((a, *branch.parameters()), (b, *reference.parameters()), strict=True):
        assert mine.grad is not None and theirs.grad is not None
        assert torch.equal(mine.grad[index], theirs.grad[index]) and not mine.grad[left_out].any()
    for mine, theirs, before in zip(branch.buffers(), reference.buffers(), conv_branch()[0].buffers(), strict=True):
        assert torch.equal(mine[index], theirs[index]) and torch.equal(mine[left_out], before[left_out])


@settings(max_examples=20)
@given(kept=SUBSETS)
def test_what_is_beside_x_goes_with_its_replica(kept: set[int]) -> None:
    torch.manual_seed(0)
    branch = started(AttentionBranch(K, "block.0.attention", 3, 4, 2), range(K))
    x, padding = torch.randn(K, B, 3, 4), torch.rand(K, B, 3) < 0.4
    index = torch.tensor(sorted(kept), dtype=torch.int64)
    out = subset.run(branch, [x, padding], SILENT, index, tuple(x.shape))
    assert torch.equal(out[index], branch(x, SILENT, padding)[index])


def test_only_the_kept_are_computed() -> None:
    branch, x = conv_branch()
    replicas: list[int] = []
    branch.second.register_forward_hook(lambda module, args, out: replicas.append(len(out)))
    for kept in ([], [3], [0, 4], [0, 1, 2, 3, 4]):
        subset.run(branch, [x], SILENT, torch.tensor(kept, dtype=torch.int64), (K, B, 6, 3, 3))
    assert replicas == [1, 2, 5]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_nothing_kept_is_zeros_of_the_types_of_the_input(dtype: torch.dtype) -> None:
    branch, x = conv_branch()
    out = subset.run(branch, [x.to(dtype)], SILENT, torch.tensor([], dtype=torch.int64), (K, B, 6, 3, 3))
    assert out.dtype == dtype and out.shape == (K, B, 6, 3, 3) and not out.any()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_skipped_replica_has_gradients_of_zero_and_the_statistics_it_had(optimizer: str) -> None:
    """So its momentum and weight decay go on, in any stack."""
    options = {"per": "batch", "decay": "uniform"}
    specs = [
        make_spec("resnet", variant="stochastic_depth", rate=0.8, seed=s, batch_size=16, optimizer=optimizer)
        for s in (0, 1)
    ]
    specs = [s.model_copy(update={"dropout": s.dropout.model_copy(update={"options": options})}) for s in specs]
    cohort = cohort_of(*specs)
    batches = cohort.replicas.batches.epoch()
    skipped = 0
    for _ in range(4):
        before = {name: tensor.detach().clone() for name, tensor in state(cohort.replicas.model).items()}
        cohort.train_step(next(batches), 1.0)
        for block in range(3):
            name = f"blocks.{block}.branch"
            grad = cohort.replicas.model.get_parameter(f"{name}.second.weight").grad
            assert grad is not None
            for k in range(2):
                gone = not grad[k].any()
                skipped += gone
                running = f"{name}.second_norm.running_mean"
                assert torch.equal(before[running][k], state(cohort.replicas.model)[running][k]) == gone
    assert 12 < skipped < 24
