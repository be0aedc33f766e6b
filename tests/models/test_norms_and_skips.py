"""Normalisation of every kind and shortcuts in dense networks, against plain torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from model_kit import Recorder, batch, built
from specs_kit import spec_of
from torch import Tensor
from training import assert_identical, make_spec

from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.nn.norm import GroupNorm

GROUPS = {"layer": 1, "group": 2}


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("skip", [False, True])
def test_a_dense_network_equals_plain_torch(kind: str, skip: bool) -> None:
    model = built("mlp", (0, 1), widths=[32, 32], norm=kind, skip=skip)
    x = batch("mlp", 2, 8)
    noise = Recorder()
    out = model(x, noise)
    for k in range(2):
        h = x[k]
        for i, block in enumerate(model.hidden):
            before = h @ block.linear.weight[k] + block.linear.bias[k]
            f = F.group_norm(before, GROUPS[kind], block.norm.weight[k], block.norm.bias[k]).relu()
            h = h + f if skip and i else f
        torch.testing.assert_close(out[k], h @ model.head.weight[k] + model.head.bias[k])


@pytest.mark.parametrize("kind", GROUPS)
def test_a_convolution_is_normalised_over_channels_and_places(kind: str) -> None:
    model = built("cnn", (0, 1), channels=[32], head_widths=[], norm=kind, activation="gelu")
    x = batch("cnn", 2, 4)
    out = model(x, Recorder())
    (block,) = model.blocks
    for k in range(2):
        maps = F.conv2d(x[k], block.conv.weight[k], block.conv.bias[k].flatten(), padding=1)
        maps = F.group_norm(maps, GROUPS[kind], block.norm.weight[k], block.norm.bias[k])
        flat = F.max_pool2d(F.gelu(maps), 2).movedim(1, -1).flatten(1)
        torch.testing.assert_close(out[k], flat @ model.head.weight[k] + model.head.bias[k])


@pytest.mark.parametrize(("channels", "groups"), [(48, 3), (24, 3), (7, 7), (16, 1)])
def test_groups_have_sixteen_channels_where_they_divide(channels: int, groups: int) -> None:
    norm = built("mlp", widths=[channels], norm="group").hidden[0].norm
    assert isinstance(norm, GroupNorm) and norm.groups == groups


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("mlp", {"norm": "layer", "widths": [24, 24], "skip": True}),
        ("mlp", {"norm": "group", "widths": [20]}),
        ("cnn", {"norm": "group", "channels": [16, 8]}),
        ("cnn", {"norm": "layer"}),
    ],
)
@pytest.mark.parametrize("variant", ["standard", "stochastic_depth"])
def test_a_run_has_its_bits_in_any_stack(model: str, options: dict[str, Any], variant: str) -> None:
    if variant == "stochastic_depth" and not options.get("skip"):
        return
    run, *others = (
        make_spec(model, options=options, variant=variant, rate=rate, seed=seed, epochs=1)
        for rate, seed in ((0.5, 3), (0.2, 3), (0.5, 0), (0.0, 5))
    )
    assert_identical(run, others[:1], others)


def test_a_branch_that_is_dropped_leaves_the_shortcut() -> None:
    model = built("mlp", widths=[6, 6, 6, 4, 4], skip=True)
    assert [s.name for s in model.sites if s.kind == "branch"] == [
        "hidden.1.branch",
        "hidden.2.branch",
        "hidden.4.branch",
    ]
    assert [s.depth for s in model.sites if s.kind == "branch"] == pytest.approx([1 / 3, 2 / 3, 1])

    class Dropping(Recorder):
        def branch(self, site: str, branch: torch.nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
            return torch.zeros_like(x)

    x = batch("mlp", 1, 8)
    h = model.hidden[3](model.hidden[0](x, Recorder()), Recorder())
    torch.testing.assert_close(model(x, Dropping()), model.head(h))


def test_one_network_has_one_id(c: Composer) -> None:
    plain, batch_norm = spec_of(c), spec_of(c, "model.batch_norm=before_activation")
    assert spec_of(c, "model.norm=none", "model.skip=false").run_id == plain.run_id
    assert spec_of(c, "model.norm=batch").run_id == batch_norm.run_id
    assert (
        spec_of(c, "model=cnn", "model.norm=batch").run_id
        == spec_of(c, "model=cnn", "model.batch_norm=before_activation").run_id
    )
    assert len({spec_of(c, f"model.norm={n}").run_id for n in ("none", "batch", "layer", "group")}) == 4


def test_what_cannot_be_is_told(c: Composer) -> None:
    with pytest.raises(
        UsageError, match=r"model\.norm=layer model\.batch_norm=after_dropout: a layer has only one normalisation"
    ):
        spec_of(c, "model.norm=layer", "model.batch_norm=after_dropout")
    with pytest.raises(
        UsageError, match=r"a shortcut needs two hidden layers in a row with the same width; try model.widths=\[6,6\]"
    ):
        built("mlp", widths=[6, 5], skip=True)
