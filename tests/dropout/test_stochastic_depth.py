from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from noise_kit import SET_UP, stack_noise, started
from small_transformer import transformer
from torch import nn

from dropbench.dropout.stochastic_depth import StochasticDepth
from dropbench.engine.noise import StackNoise
from dropbench.models.mlp import MLP
from dropbench.models.resnet import ResNet
from dropbench.sites import Site
from dropbench.sites.placement import site_rates

CPU = torch.device("cpu")


def resnet(seeds: Sequence[int] = (0,), depth: int = 8) -> nn.Module:
    return started(ResNet(len(seeds), (2, 8, 6), 3, depth=depth, width=2), seeds)


def test_survival_falls_linearly_with_depth() -> None:
    """Huang et al. 2016, equation 4: p_l = 1 - l / L (1 - p_L); here 54 blocks (110 layers) and p_L = 1/2, as they had."""
    sites = resnet(depth=110).sites
    rates = site_rates(StochasticDepth(), sites, 0.5, {}, None)
    assert list(rates) == [f"block.{i}" for i in range(54)]
    assert list(rates.values()) == pytest.approx([1 - (1 - l / 54 * (1 - 0.5)) for l in range(1, 55)])  # noqa: E741
    # Their section 3: about 40 of the 54 blocks are there on average, (3 L - 1) / 4.
    assert sum(1 - r for r in rates.values()) == pytest.approx((3 * 54 - 1) / 4)


def test_uniform_decay_and_a_sites_own_rate() -> None:
    sites = resnet().sites
    assert set(site_rates(StochasticDepth(decay="uniform"), sites, 0.3, {}, None).values()) == {0.3}
    named = site_rates(StochasticDepth(), sites, 0.3, {"block.0": 0.6}, None)
    assert named == pytest.approx({"block.0": 0.6, "block.1": 0.2, "block.2": 0.3})


def test_both_branches_of_a_layer_have_the_layers_depth() -> None:
    depths = [s.depth for s in transformer(layers=4).sites if s.kind == "branch"]
    assert depths == [0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1, 1]
    whole = [s.depth for s in transformer(layers=4, branches="layer").sites if s.kind == "branch"]
    assert whole == [0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("axes", ["CHW", "TF"])
def test_an_example_drops_a_branch_by_itself_or_the_batch_does(axes: str) -> None:
    at = Site("block", "branch", (6, 4, 3)[: len(axes)], axes, depth=1.0)
    assert SET_UP["stochastic_depth"].noise_shape(at, 9) == (9, *(1,) * len(axes))
    assert SET_UP["stochastic_depth.batch"].noise_shape(at, 9) == (1, *(1,) * len(axes))


def test_a_dropped_block_is_its_shortcut() -> None:
    model = resnet().eval()
    noise = StackNoise(SET_UP["stochastic_depth.batch"], model.sites, [{"block.0": 0.999}], [0], 4, CPU)
    x = torch.rand(1, 4, 2, 8, 6)
    assert torch.equal(model.blocks[0](x, noise), x)


def test_per_batch_the_work_is_skipped() -> None:
    """The replicas that pass through each block's last convolution are those that keep it, and only those."""
    rates, seeds = [0.0, 0.3, 0.6, 0.9], [0, 1, 2, 3]
    model = resnet(seeds)
    each = [site_rates(SET_UP["stochastic_depth.batch"], model.sites, r, {}, None) for r in rates]
    noise = StackNoise(SET_UP["stochastic_depth.batch"], model.sites, each, seeds, 4, CPU)
    passed = [0] * 3
    for i, block in enumerate(model.blocks):

        def count(module: nn.Module, args: object, out: torch.Tensor, i: int = i) -> None:
            passed[i] += len(out)

        block.branch.second.register_forward_hook(count)
    steps, x = 200, torch.rand(4, 4, 2, 8, 6)
    with torch.no_grad():
        for _ in range(steps):
            model(x, noise)
    for i, n in enumerate(passed):
        kept = [1 - r * (i + 1) / 3 for r in rates]
        assert abs(n - steps * sum(kept)) < 5 * (steps * sum(k * (1 - k) for k in kept)) ** 0.5


def test_evaluation_is_that_of_the_whole_network() -> None:
    model = resnet((0, 1)).eval()
    x = torch.rand(2, 4, 2, 8, 6)
    outs = []
    for variant in ("stochastic_depth", "stochastic_depth.batch"):
        noise = stack_noise(variant, [s for s in model.sites if s.kind == "branch"], [0.5, 0.9], [0, 1], 4)
        noise.training = False
        outs.append(model(x, noise))
    silent = stack_noise("none", [], [0.0, 0.0], [0, 1], 4)
    assert all(torch.equal(out, model(x, silent)) for out in outs)


def test_noise_inside_a_branch_is_drawn_whatever_is_dropped() -> None:
    """A variant of both kinds, as a user may write: the inner noise of a replica does not depend on the stack."""

    class Both(StochasticDepth):
        kinds = frozenset({"branch", "activation"})

    variant = Both(per="batch", decay="uniform")

    def outs(seeds: list[int]) -> list[torch.Tensor]:
        model = resnet(seeds).eval()
        rates = dict.fromkeys(("block.0", "block.1", "block.0.conv", "block.1.conv"), 0.5)
        noise = StackNoise(variant, model.sites, [rates] * len(seeds), seeds, 4, CPU)
        x = torch.rand(1, 4, 2, 8, 6, generator=torch.Generator().manual_seed(0))
        return [model(x.expand(len(seeds), -1, -1, -1, -1), noise) for _ in range(6)]

    alone, together = outs([1]), outs([0, 1, 2])
    assert all(torch.equal(a[0], t[1]) for a, t in zip(alone, together, strict=True))


def test_it_acts_on_residual_branches_only() -> None:
    for model in (resnet(), transformer(), transformer(branches="layer")):
        rates = site_rates(StochasticDepth(), model.sites, 0.5, {}, None)
        assert list(rates) == [s.name for s in model.sites if s.kind == "branch"] != []
    assert StochasticDepth().supports(MLP(1, (4,), 3, widths=[5]).sites[1])
