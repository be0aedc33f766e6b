"""Probes on networks so small that their answers are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import Tensor

from dropbench.metrics.coadaptation import coadaptation
from dropbench.metrics.corrupted import corrupted
from dropbench.metrics.dead_units import dead_units
from dropbench.metrics.fgsm import fgsm
from dropbench.metrics.mask_gradients import mask_gradients
from dropbench.metrics.membership import auc, membership
from dropbench.metrics.missing import missing
from dropbench.metrics.noisy import noisy

Pair = tuple[Tensor, Tensor]


class Flat:
    """A stack of K maps x W [K, I, C], as a probe's Network; masks multiply x. parts: {name: (x [K, n, I], y [K, n])}."""

    def __init__(self, weight: Tensor, parts: dict[str, Pair], masks: Sequence[Tensor] = (), piece: int = 7) -> None:
        self.weight = weight.clone().requires_grad_()
        self.parameters = [self.weight]
        self.parts, self.masks, self.piece = parts, masks, piece

    def examples(self, part: str) -> Iterator[Pair]:
        x, y = self.parts[part]
        yield from zip(x.split(self.piece, 1), y.split(self.piece, 1), strict=True)

    def logits(self, x: Tensor) -> Tensor:
        return x @ self.weight

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        return {"hidden": x.detach(), "above": -2 * x.detach()[..., :2]}

    def noisy(self, stream: str) -> Callable[[Tensor], Tensor]:
        masks = iter(self.masks)
        return lambda x: (x * next(masks)) @ self.weight

    def normals(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        generator = np.random.default_rng(6)
        return lambda shape: torch.from_numpy(generator.normal(size=(len(self.weight), *shape)))

    def uniforms(self, stream: str) -> Callable[[tuple[int, ...]], Tensor]:
        generator = np.random.default_rng(5)
        return lambda shape: torch.from_numpy(generator.random((len(self.weight), *shape)))


def drawn(k: int, n: int, inputs: int, classes: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = np.random.default_rng(seed)
    return (
        torch.from_numpy(generator.normal(size=(k, inputs, classes))),
        torch.from_numpy(generator.normal(size=(k, n, inputs))),
        torch.from_numpy(generator.integers(0, classes, (k, n))),
    )


def test_fgsm_takes_what_a_linear_map_has_of_margin() -> None:
    """Two classes: x moves by ε in each coordinate against w = w1 - w0, and the margin y (x · w) shrinks by ε |w|₁."""
    weight, x, y = drawn(2, 200, 4, 2)
    found = fgsm(Flat(weight, {"test": (x, y)}), "test", percent=[5, 40])
    w = weight[..., 1] - weight[..., 0]
    margin = torch.einsum("kni,ki->kn", x, w) * (2 * y - 1)
    assert list(found) == ["fgsm_05_accuracy", "fgsm_40_accuracy"]
    for percent, accuracy in zip((5, 40), found.values(), strict=True):
        expected = (margin > percent / 100 * w.abs().sum(1)[:, None]).double().mean(1)
        assert accuracy.tolist() == pytest.approx(expected.tolist(), abs=1e-12)
    assert (found["fgsm_40_accuracy"] < found["fgsm_05_accuracy"]).all()


def test_fgsm_does_not_apply_to_words() -> None:
    words = torch.zeros(1, 3, 2, dtype=torch.int64), torch.zeros(1, 3, dtype=torch.int64)
    network = Flat(torch.zeros(1, 2, 2), {"test": words})
    assert fgsm(network, "test") == missing(network, "test") == corrupted(network, "test") == {}


def test_one_noisy_pass_is_by_the_masks() -> None:
    weight, x, y = drawn(2, 12, 4, 3)
    masks = 2 * torch.from_numpy(np.random.default_rng(1).integers(0, 2, (2, 12, 4))).double()
    found = noisy(Flat(weight, {"test": (x, y)}, masks.split(7, 1)), "test")
    logits, clean = (x * masks) @ weight, x @ weight
    right = (logits.argmax(-1) == y).double().mean(1)
    assert found["noisy_accuracy"].tolist() == pytest.approx(right.tolist())
    for k in range(2):
        expected = F.cross_entropy(logits[k], y[k]).item()
        assert found["noisy_loss"][k].item() == pytest.approx(expected)
        assert found["noisy_scale"][k].item() == pytest.approx((logits[k].norm() / clean[k].norm()).item())
    quiet = noisy(Flat(weight, {"test": (x, y)}, torch.ones(2, 12, 4).split(7, 1)), "test")
    assert quiet["noisy_scale"].tolist() == pytest.approx([1.0, 1.0])


def test_noise_on_the_inputs_is_the_same_draw_at_every_strength() -> None:
    """A linear map answers x + s e as it answers x plus s times its answer to e."""
    weight, x, y = drawn(2, 12, 4, 3)
    network = Flat(weight, {"test": (x, y)})
    noise = torch.cat([network.normals("")(x[:, :7].shape[1:]), np_next(network, x)], 1)
    found = corrupted(network, "test", percent=[5, 200])
    assert list(found) == ["corrupted_05_accuracy", "corrupted_200_accuracy"]
    for percent, accuracy in zip((5, 200), found.values(), strict=True):
        right = ((x @ weight + percent / 100 * (noise @ weight)).argmax(-1) == y).double().mean(1)
        assert accuracy.tolist() == pytest.approx(right.tolist())


def np_next(network: Flat, x: Tensor) -> Tensor:
    """What its stream draws for the second piece of x."""
    draw = network.normals("")
    draw(tuple(x[:, :7].shape[1:]))
    return draw(tuple(x[:, 7:].shape[1:]))


def test_missing_features_are_at_their_mean() -> None:
    """The answer is the sign of the one feature there is: where that is missing it is a tie, which the first class wins."""
    n = 20_000
    x = torch.ones(1, n, 1)
    x[:, ::2] = -1
    y = (x[..., 0] > 0).long()
    network = Flat(torch.tensor([[[0.0, 1.0]]]), {"test": (x, y)}, piece=999)
    found = missing(network, "test", percent=[10, 50, 100])
    # Of the half of class 1 those without their feature are wrong, of the other half none.
    for percent in (10, 50):
        share = percent / 200
        error = 5 * math.sqrt(share * (1 - share) / n)
        assert found[f"missing_{percent}_accuracy"].item() == pytest.approx(1 - share, abs=error)
    assert found["missing_100_accuracy"].tolist() == [0.5]


@given(n=st.integers(1, 40), m=st.integers(1, 40), levels=st.integers(1, 30), seed=st.integers(0, 99))
def test_auc_against_scikit_learn(n: int, m: int, levels: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    members, others = (torch.from_numpy(generator.integers(0, levels, size) / 8) for size in (n, m))
    theirs = roc_auc_score([1] * n + [0] * m, -torch.cat((members, others)).numpy())
    assert auc(members, others).item() == pytest.approx(theirs, abs=1e-12)
    assert auc(members, others).item() + auc(others, members).item() == pytest.approx(1, abs=1e-12)


def test_membership_by_hand() -> None:
    """Losses fall with the margin: 3 and 1 in training against 2 and 0, so three pairs of four are told apart rightly."""

    def examples(*margins: float) -> Pair:
        return torch.tensor([[[m] for m in margins]]), torch.ones(1, len(margins), dtype=torch.int64)

    parts = {"train": examples(3.0, 1.0), "val": examples(3.0, 1.0), "test": examples(2.0, 0.0)}
    network = Flat(torch.tensor([[[0.0, 1.0]]]), parts)
    assert membership(network, "test")["membership_auc"].tolist() == [0.75]
    assert membership(network, "val")["membership_auc"].tolist() == [0.5]
    assert membership(network, "train") == {}


def test_dead_units_are_those_that_never_vary() -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 30, 4)))
    x[0, :, 0] = 0
    x[1, :, 1:] = 0.3
    # Unit 0 of the first and 1 to 3 of the second replica; the layer above has units 0 and 1 of it.
    network = Flat(torch.zeros(2, 4, 2), {"val": (x, torch.zeros(2, 30))})
    assert dead_units(network, "val")["dead_units"].tolist() == pytest.approx([2 / 6, 4 / 6])


@given(n=st.integers(3, 40), units=st.integers(3, 8), seed=st.integers(0, 99))
def test_coadaptation_against_numpy(n: int, units: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x = 100 + generator.normal(size=(2, n, units)) @ generator.normal(size=(units, units))
    x[1, :, 1] = 0.1  # left out, with which the layer above has no pair
    network = Flat(torch.zeros(2, units, 2), {"val": (torch.from_numpy(x), torch.zeros(2, n))})

    def mean(of: np.ndarray) -> float:
        pairs = np.abs(np.corrcoef(of, rowvar=False))[np.triu_indices(of.shape[1], 1)]
        return float(pairs.mean())

    expected = [(mean(x[0]) + mean(x[0][:, :2])) / 2, mean(np.delete(x[1], 1, axis=1))]
    assert coadaptation(network, "val")["coadaptation"].tolist() == pytest.approx(expected, abs=1e-7)


def test_coadaptation_of_copies_and_of_nothing() -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 20, 1))).repeat(1, 1, 3)
    x[..., 1] *= -2
    x[1] = 0.0
    found = coadaptation(Flat(torch.zeros(2, 3, 2), {"val": (x, torch.zeros(2, 20))}), "val")["coadaptation"]
    assert found[0].item() == pytest.approx(1, abs=1e-12)
    assert found[1].isnan()


def test_mask_gradients_by_hand() -> None:
    """Of softmax regression: xᵀ (p - y) / n, in NumPy, with each of three masks."""
    weight, x, y = drawn(2, 5, 3, 4)
    masks = [torch.tensor([2.0, 0.0, 2.0]), torch.tensor([0.0, 2.0, 2.0]), torch.tensor([2.0, 2.0, 0.0])]
    found = mask_gradients(Flat(weight, {"train": (x, y)}, masks), "train", passes=3)
    for k in range(2):
        gradients = []
        for mask in masks:
            seen = x[k].numpy() * mask.numpy()
            p = np.exp(seen @ weight[k].numpy())
            p = p / p.sum(1, keepdims=True) - np.eye(4)[y[k].numpy()]
            gradients.append((seen.T @ p / 5).ravel())
        mean = np.mean(gradients, 0)
        variance = np.var(gradients, 0, ddof=1).sum()
        assert found["gradient_norm"][k].item() == pytest.approx(np.linalg.norm(mean), rel=1e-9)
        assert found["gradient_variance"][k].item() == pytest.approx(variance, rel=1e-9)


def test_without_noise_gradients_do_not_vary() -> None:
    weight, x, y = drawn(1, 5, 3, 4)
    found = mask_gradients(Flat(weight, {"train": (x, y)}, [torch.ones(3)] * 4), "train", passes=4)
    assert found["gradient_variance"].tolist() == [0.0]
