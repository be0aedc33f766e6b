"""Cutout and CutMix, against their authors' code, written out image by image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from step_kit import Sampled, given
from torch import Tensor

from dropbench.data import views
from dropbench.data.batch import Batch
from dropbench.regularizers.base import Regularizer
from dropbench.regularizers.cutmix import CutMix
from dropbench.regularizers.cutout import Cutout

K, B, C, H, W = 3, 50, 2, 6, 8
VIEWS = {"image": (C, H, W), "flat": (C * H * W,), "sequence": (H, C * W)}


def images(seed: int = 0) -> Tensor:
    return torch.rand(K, B, C, H, W, generator=torch.Generator().manual_seed(seed)) + 1


def changed(part: Regularizer, view: str, strength: list[float], draws: Sampled) -> tuple[Tensor, Batch]:
    """The images before and the batch after, in a view."""
    x = images()
    y = torch.arange(B).expand(K, -1)
    seen = views.apply(x, "CHW", view)
    told = given(view=view, shape=VIEWS[view])
    return x, part.examples(Batch(seen, y), torch.tensor(strength), draws, told)


def cut_out(image: np.ndarray, y: int, x: int, length: int) -> np.ndarray:
    """uoguelph-mlrg/Cutout, cutout.py."""
    mask = np.ones((H, W), np.float32)
    y1, y2 = np.clip(y - length // 2, 0, H), np.clip(y + length // 2, 0, H)
    x1, x2 = np.clip(x - length // 2, 0, W), np.clip(x + length // 2, 0, W)
    mask[y1:y2, x1:x2] = 0.0
    return image * mask


@pytest.mark.parametrize("view", VIEWS)
def test_cutout_is_its_authors(view: str) -> None:
    draws, lengths = Sampled(K), [0, 2, 4]
    x, batch = changed(Cutout(), view, [n / H for n in lengths], draws)
    (drawn,) = draws.drawn
    expected = [
        [cut_out(x[k, b].numpy(), int(drawn[k, 0, b] * H), int(drawn[k, 1, b] * W), lengths[k]) for b in range(B)]
        for k in range(K)
    ]
    assert torch.equal(batch.x, views.apply(torch.from_numpy(np.array(expected)), "CHW", view))
    assert batch.mixed is None


def test_cutout_leaves_images_as_they_are_with_the_chance_that_is_left() -> None:
    draws = Sampled(K)
    x, batch = changed(Cutout(probability=0.3), "image", [0.5] * K, draws)
    cut = (batch.x != x).flatten(2).any(2)
    assert torch.equal(cut, draws.drawn[0][:, 2] < 0.3)


def rand_bbox(lam: float, cx: int, cy: int) -> tuple[int, int, int, int]:
    """clovaai/CutMix-PyTorch, train.py, where W and H are the axes in the order of the tensor."""
    cut_rat = np.sqrt(1.0 - lam)
    cut_w, cut_h = int(H * cut_rat), int(W * cut_rat)
    return (
        int(np.clip(cx - cut_w // 2, 0, H)),
        int(np.clip(cy - cut_h // 2, 0, W)),
        int(np.clip(cx + cut_w // 2, 0, H)),
        int(np.clip(cy + cut_h // 2, 0, W)),
    )


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(5))
def test_cutmix_is_its_authors(view: str, seed: int) -> None:
    draws = Sampled(K, seed)
    x, batch = changed(CutMix(), view, [1.0] * K, draws)  # Beta(1, 1) is uniform
    order, drawn = draws.drawn
    assert batch.mixed is not None
    for k in range(K):
        lam, v, h = (float(u) for u in drawn[k, :3, 0])
        x1, y1, x2, y2 = rand_bbox(lam, int(v * H), int(h * W))
        expected = x[k].clone()
        expected[:, :, x1:x2, y1:y2] = x[k][order[k], :, x1:x2, y1:y2]
        assert torch.equal(batch.x[k], views.apply(expected, "CHW", view))
        assert float(batch.mixed.share[k]) == pytest.approx(1 - (x2 - x1) * (y2 - y1) / (H * W))
        assert torch.equal(batch.mixed.y[k], order[k])


def test_cutmix_mixes_a_batch_with_its_probability() -> None:
    mixed = []
    for seed in range(40):
        draws = Sampled(K, seed)
        x, batch = changed(CutMix(probability=0.4), "image", [1.0] * K, draws)
        acts = draws.drawn[1][:, 3] < 0.4
        assert batch.mixed is not None
        assert torch.equal(batch.x[~acts.flatten()], x[~acts.flatten()])
        assert bool((batch.mixed.share[~acts] == 1).all())
        mixed += (batch.mixed.share < 1).flatten().tolist()
    assert 0.2 < np.mean(mixed) < 0.5


@pytest.mark.parametrize("make", [Cutout, CutMix])
def test_no_strength_changes_nothing_beside_others(make: Callable[[], Regularizer]) -> None:
    x, batch = changed(make(), "image", [0.0, 1.0, 0.5], Sampled(K))
    assert torch.equal(batch.x[0], x[0]) and not torch.equal(batch.x[1], x[1])
    assert batch.mixed is None or float(batch.mixed.share[0]) == 1
