from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from model_kit import Recorder, batch, built, table

from dropbench.errors import UsageError
from dropbench.models.resnet import ResNet


@pytest.mark.parametrize(
    ("depth", "parameters"), [(20, 269_722), (32, 464_154), (44, 658_586), (56, 853_018), (110, 1_727_962)]
)
def test_the_papers_networks(depth: int, parameters: int) -> None:
    """He et al. 2016, table 6: 0.27, 0.46, 0.66, 0.85 and 1.7 million parameters on CIFAR-10."""
    model = ResNet(1, (3, 32, 32), 10, depth=depth)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(model.blocks) == (depth - 2) // 2


@pytest.mark.parametrize(("depth", "near"), [(2, "try 8"), (7, "try 8"), (9, "try 8 or 14"), (18, "try 14 or 20")])
def test_other_depths_are_a_sentence(depth: int, near: str) -> None:
    with pytest.raises(UsageError, match=f"model.depth={depth}: .*{near}$"):
        ResNet(1, (3, 32, 32), 10, depth=depth)


def test_forward_by_hand() -> None:
    model = built("resnet").double().eval()
    x = batch("resnet").double()
    norm = {name: lambda z, n=n: F.batch_norm(z, n.running_mean[0], n.running_var[0], n.weight[0], n.bias[0])
            for name, n in model.named_modules() if "norm" in name}  # fmt: skip
    h = torch.relu(norm["norm"](F.conv2d(x[0], model.stem.weight[0], padding=1)))
    for i, stride in enumerate((1, 2, 2)):
        name, branch = f"blocks.{i}.branch", model.blocks[i].branch
        f = torch.relu(norm[f"{name}.first_norm"](F.conv2d(h, branch.first.weight[0], stride=stride, padding=1)))
        f = norm[f"{name}.second_norm"](F.conv2d(f, branch.second.weight[0], padding=1))
        if stride == 2:  # every other pixel, and as many channels of zeros
            h = torch.cat([h[:, :, ::2, ::2], torch.zeros_like(h[:, :, ::2, ::2])], 1)
        h = torch.relu(h + f)
    expected = h.mean((2, 3)) @ model.head.weight[0] + model.head.bias[0]
    torch.testing.assert_close(model(x, Recorder())[0], expected)


@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_small_images_are_halved_while_they_can_be(side: int) -> None:
    model = built("resnet", data=table("CHW", 1, side, side))
    sides = [s.shape[1] for s in model.sites if s.kind == "branch"]
    assert sides == [side, -(-side // 2), -(-side // 4)]
    assert model(torch.rand(1, 4, 1, side, side), Recorder()).shape == (1, 4, 3)
