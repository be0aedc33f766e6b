"""Out-of-distribution AUROC against scikit-learn, from probabilities that SciPy makes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from relu_network import Relu, drawn
from scipy.special import softmax
from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

from dropbench.metrics.ood import doubt, ood


def logits(network: Relu, x: torch.Tensor, k: int) -> np.ndarray:
    return network.logits(x)[k].detach().numpy()


@given(seed=st.integers(0, 99))
def test_against_scikit_learn(seed: int) -> None:
    """Examples for which no unit is active tie."""
    network = drawn(seed, hidden=3)
    generator = np.random.default_rng(seed)
    other = torch.from_numpy(generator.normal(size=(2, 23, 4)))
    x, _ = network.parts["test"]
    network.others = {"there": other}
    network.masks = [torch.from_numpy(generator.integers(0, 2, 4) * 2.0) for _ in range(3)]
    network.passes = 3
    found = ood(network, "test", against=["there"])
    for k in range(2):
        for_all = {}
        for which, data in ((0, x), (1, other)):
            p = softmax(logits(network, data, k), axis=1)
            noisy = np.stack([softmax(logits(network, data * mask, k), axis=1) for mask in network.masks])
            mean = noisy.mean(0)
            information = entropy(mean, axis=1) - entropy(noisy, axis=2).mean(0)
            for_all[which] = {
                "": 1 - p.max(1),
                "entropy_": entropy(p, axis=1),
                "mc_": 1 - mean.max(1),
                "mc_entropy_": entropy(mean, axis=1),
                "mc_information_": np.where(information > 1e-12, information, 0),
            }
        assert list(found) == [f"ood_there_{score}auroc" for score in for_all[0]]
        for score, mine in for_all[0].items():
            theirs = for_all[1][score]
            both = np.concatenate([mine, theirs]).round(13)  # 1 - p, and differences of entropies, have errors of 1e-16
            expected = roc_auc_score([0] * len(mine) + [1] * len(theirs), both)
            assert found[f"ood_there_{score}auroc"][k].item() == pytest.approx(expected, abs=1e-12)


def test_its_own_examples_are_at_chance_and_noise_is_drawn() -> None:
    network = drawn(4)
    x, _ = network.parts["test"]
    network.others = {"same": x}
    found = ood(network, "test", against=["same", "noise"])
    assert list(found) == [f"ood_{d}_{s}auroc" for d in ("same", "noise") for s in ("", "entropy_")]
    assert found["ood_same_auroc"].tolist() == found["ood_same_entropy_auroc"].tolist() == [0.5, 0.5]
    # The examples themselves are normal; at n = m = 30 the standard error is 0.075.
    assert ((found["ood_noise_auroc"] - 0.5).abs() < 5 * 0.075).all()
    assert (found["ood_noise_auroc"] != 0.5).any()


def test_at_most_so_many() -> None:
    network = drawn(4)
    x, y = network.parts["test"]
    network.others = {"there": network.parts["val"][0]}
    found = ood(network, "test", against=["there", "noise"], examples=9)
    network.parts["test"], network.others = (x[:, :9], y[:, :9]), {"there": network.others["there"][:, :9]}
    assert {n: v.tolist() for n, v in found.items()} == {
        n: v.tolist() for n, v in ood(network, "test", against=["there", "noise"]).items()
    }


def test_passes_that_agree_tell_nothing() -> None:
    network = drawn(4)
    network.others = {"far": 3 * network.parts["val"][0]}
    network.masks, network.passes = [torch.ones(4)] * 3, 3
    found = ood(network, "test", against=["far"])
    assert found["ood_far_mc_information_auroc"].tolist() == [0.5, 0.5]
    assert found["ood_far_mc_auroc"].tolist() == pytest.approx(found["ood_far_auroc"].tolist(), abs=0.01)
    assert (found["ood_far_auroc"] < 0.5).all()  # rectifier networks are the surer the farther away (Hein et al. 2019)


def test_the_very_sure_are_told_apart() -> None:
    """1 minus a probability would be 0 for both."""
    p = torch.tensor([[50.0, 0.0, 0.0], [60.0, 0.0, 0.0]]).double().softmax(-1)
    less, more = doubt(p)[""].tolist()
    assert less == pytest.approx(2 * np.exp(-50)) and more == pytest.approx(2 * np.exp(-60))
    assert (1 - p.max(-1).values).tolist() == [0.0, 0.0]


def test_where_it_does_not_apply() -> None:
    network = drawn()
    assert ood(network, "train") == ood(network, "val") == {}
    words = torch.zeros(1, 3, 2, dtype=torch.int64), torch.zeros(1, 3, dtype=torch.int64)
    assert ood(Relu(network.v.detach(), network.w.detach(), {"test": words}), "test") == {}
