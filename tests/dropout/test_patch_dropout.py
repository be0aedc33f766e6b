from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from noise_kit import VARIANTS, randomised, stack_noise
from small_transformer import transformer
from torch import Tensor, nn
from training import arms, assert_identical

from dropbench.engine.noise import StackNoise
from dropbench.models.transformer import Transformer, cut
from dropbench.sites import Site


def patches(n: int) -> Site:
    return Site("patches", "patch", (n,), "T")


def there(rates: list[float], seeds: list[int], batch: int, n: int) -> Tensor:
    """Which patches one step leaves, [K, B, n] bool."""
    noise = stack_noise("patch_dropout", patches(n), rates, seeds, batch)
    return noise("patches", torch.ones(len(rates), batch, n)) != 0


def of_a_shorter_sequence(model: Transformer, k: int, image: Tensor, seen: Tensor) -> Tensor:
    """The logits of replica k for one image, of which it is given some patches and never the others: torch's own layers."""
    linear = model.patches
    assert linear is not None
    tokens = (
        cut(image[None, None], model.patch)[0, 0] @ linear.weight[k] + linear.bias[k, 0] + model.positions.weight[k]
    )
    h = tokens[seen][None]
    for block in model.blocks:
        attention, feedforward = block.attention, block.feedforward
        layer = nn.TransformerEncoderLayer(6, 2, 5, 0.0, "gelu", batch_first=True, norm_first=True).double()
        given = {
            "self_attn.in_proj_weight": attention.attention.qkv.weight[k].T,
            "self_attn.in_proj_bias": attention.attention.qkv.bias[k, 0],
            "self_attn.out_proj.weight": attention.attention.out.weight[k].T,
            "self_attn.out_proj.bias": attention.attention.out.bias[k, 0],
            "linear1.weight": feedforward.up.weight[k].T,
            "linear1.bias": feedforward.up.bias[k, 0],
            "linear2.weight": feedforward.down.weight[k].T,
            "linear2.bias": feedforward.down.bias[k, 0],
            "norm1.weight": attention.norm.weight[k].flatten(),
            "norm1.bias": attention.norm.bias[k].flatten(),
            "norm2.weight": feedforward.norm.weight[k].flatten(),
            "norm2.bias": feedforward.norm.bias[k].flatten(),
        }
        h = torch.func.functional_call(layer, given, (h,))
    h = F.layer_norm(h, (6,), model.norm.weight[k].flatten(), model.norm.bias[k].flatten())
    return h.mean(1)[0] @ model.head.weight[k] + model.head.bias[k, 0]


@pytest.mark.parametrize("branches", ["sublayer", "layer"])
def test_a_stack_computes_what_a_plain_model_does_of_the_shorter_sequence(branches: str) -> None:
    """Logits, and the gradients of inputs and of every weight; of 12 patches the replicas see 12, 9, 4 and 1."""
    rates, seeds = [0.0, 0.25, 0.6, 0.95], [3, 3, 0, 7]
    model = transformer(seeds, patch=2, branches=branches).double()
    generator = randomised(model, 0.5)
    x = torch.randn(4, 5, 2, 8, 6, generator=generator, dtype=torch.float64).requires_grad_()
    out = model(x, stack_noise("patch_dropout", patches(12), rates, seeds, 5))
    seen = there(rates, seeds, 5, 12)
    assert [set(row.sum(-1).tolist()) for row in seen] == [{12}, {9}, {4}, {1}]
    expected = torch.stack(
        [torch.stack([of_a_shorter_sequence(model, k, x[k, b], seen[k, b]) for b in range(5)]) for k in range(4)]
    )
    torch.testing.assert_close(out, expected)
    told = [x, *model.parameters()]
    for name, mine, theirs in zip(
        ["x", *(n for n, _ in model.named_parameters())],
        torch.autograd.grad(out.square().sum(), told),
        torch.autograd.grad(expected.square().sum(), told),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, msg=name)


def test_what_is_left_out_is_not_seen_at_all() -> None:
    """Whatever it is: the gradient of its pixels is zero, exactly, and a huge one changes no bit."""
    model = transformer([0], patch=2)
    x = torch.randn(1, 8, 2, 8, 6).requires_grad_()
    left = ~there([0.5], [0], 8, 12)
    pixels = left.view(1, 8, 1, 4, 1, 3, 1).expand(-1, -1, 2, -1, 2, -1, 2).reshape(1, 8, 2, 8, 6)
    assert torch.equal(cut(pixels, 2).all(-1), left)

    def out(x: Tensor) -> Tensor:
        logits: Tensor = model(x, stack_noise("patch_dropout", patches(12), [0.5], [0], 8))
        return logits

    (gradient,) = torch.autograd.grad(out(x).square().sum(), x)
    assert not gradient[pixels].any() and bool(gradient[~pixels].all())
    assert torch.equal(out(x), out(torch.where(pixels, 1e6, x.detach())))


def test_how_many_stay_is_the_whole_part_of_what_the_rate_leaves_and_never_none() -> None:
    """In exact arithmetic; timm's is that too, but where its doubles come out below a whole number."""
    for n in (2, 4, 10, 49, 196):
        for percent in range(0, 100):
            exact = max(1, int(n * (1 - Fraction(percent, 100))))
            assert set(there([percent / 100], [0], 3, n).sum(-1).flatten().tolist()) == {exact}, (n, percent)


def test_each_set_of_patches_is_as_likely_as_any() -> None:
    seen = there([0.5], [0], 12_000, 4)[0]
    counts = [int((seen == torch.tensor([i in kept for i in range(4)])).all(1).sum()) for kept in SETS]
    assert sum(counts) == 12_000
    assert sum((c - 2000) ** 2 / 2000 for c in counts) < 20.5  # chi-squared of 5 degrees, one in a thousand


SETS = list(itertools.combinations(range(4), 2))


def test_equal_draws_leave_the_number_as_it_is() -> None:
    variant = VARIANTS["patch_dropout"]
    mask = variant.mask(torch.zeros(1, 2, 7, dtype=torch.int16), torch.full((1, 1, 1), 0.4), torch.float32)
    assert mask.tolist() == [[[1, 1, 1, 1, 0, 0, 0]] * 2]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_runs_have_their_bits_in_any_stack(precision: str) -> None:
    """Beside one without noise, which goes another way alone, and beside other masks."""
    options = {"patch": 2, "width": 16, "heads": 2, "feedforward": 20}
    common: dict[str, Any] = {"options": options, "batch_size": 33, "split": {"n_train": 100}, "precision": precision}
    run, (without, *_, company) = arms("transformer", "patch_dropout", {}, **common)
    (none,) = without
    other, _ = arms("transformer", "attention", {}, **common)
    assert_identical(run, company, [other])
    assert_identical(none, [run, other])


def test_evaluation_sees_all_patches() -> None:
    model = transformer([0], patch=2)
    noise = stack_noise("patch_dropout", patches(12), [0.5], [0], 4)
    x = torch.randn(1, 4, 2, 8, 6)
    assert not torch.equal(model(x, noise), model(x, quiet(model)))
    noise.training = False
    assert torch.equal(model(x, noise), model(x, quiet(model)))


def quiet(model: Transformer) -> StackNoise:
    return stack_noise("none", model.sites, [0.0], [0], 4)


def test_it_acts_on_images_alone() -> None:
    reasons = {VARIANTS["patch_dropout"].supports(s) for s in Transformer(1, (7, 30), 2).sites}
    assert None not in reasons and all("acts on patch sites" in str(reason) for reason in reasons)
    assert [s.name for s in transformer().sites if VARIANTS["patch_dropout"].supports(s) is None] == ["patches"]
