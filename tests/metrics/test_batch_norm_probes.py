"""Batch norm on the statistics of the batch, and the shift of those that it holds, against plain torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from specs_kit import planned
from torch import Tensor
from training import cohort_of, make_spec

from dropbench.engine.evaluate import evaluating
from dropbench.engine.probe import Probed
from dropbench.engine.replicas import Replicas
from dropbench.metrics.batch_statistics import batch_statistics

NORMED: dict[str, Any] = {"widths": [24, 16], "batch_norm": "before_activation"}


def trained(rate: float = 0.5, batch_norm: str = "before_activation") -> Replicas:
    """Two networks after an epoch."""
    options = NORMED | {"batch_norm": batch_norm}
    cohort = cohort_of(*(make_spec(options=options, rate=rate, seed=seed, lr=0.01) for seed in (0, 1)))
    with torch.enable_grad():
        cohort._train_epoch(lambda: None)
    return cohort.replicas


def plain(model: Any, x: Tensor, k: int, batch: bool) -> tuple[Tensor, list[Tensor]]:
    """Logits of replica k by plain torch, with batch norm by the batch or by what it holds; and what each norm is given."""
    h, given = x[k], []
    for block in model.hidden:
        z = h @ block.linear.weight[k] + block.linear.bias[k]
        given.append(z)
        held = block.norm.running_mean[k].clone(), block.norm.running_var[k].clone()
        h = F.batch_norm(z, *held, block.norm.weight[k], block.norm.bias[k], training=batch).relu()
    return h @ model.head.weight[k] + model.head.bias[k], given


@torch.no_grad()
def test_batches_are_normalised_by_themselves() -> None:
    replicas = trained()
    model: Any = replicas.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with evaluating(replicas):
        network = Probed(replicas)
        found = batch_statistics(network, "val", batch=10)
        ((x, y),) = network.examples("val")
    for k in range(2):
        pieces = x[k].tensor_split(-(-x.shape[1] // 10))
        logits = torch.cat([plain(model, piece.expand(2, -1, -1), k, batch=True)[0] for piece in pieces])
        accuracy = (logits.argmax(1) == y[k]).double().mean().item()
        assert found["batch_statistics_accuracy"][k].item() == pytest.approx(accuracy)
        expected = F.cross_entropy(logits, y[k]).item()
        assert found["batch_statistics_loss"][k].item() == pytest.approx(expected, rel=1e-5)
    assert set(found) == {"batch_statistics_accuracy", "batch_statistics_loss"}
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@torch.no_grad()
def test_the_shift_is_from_what_training_examples_give_without_noise() -> None:
    replicas = trained()
    model: Any = replicas.model
    with evaluating(replicas):
        network = Probed(replicas)
        found = batch_statistics(network, "train")
        ((x, _),) = network.examples("train")
    for k in range(2):
        # Without noise, and each layer behind one that is normalised by these examples.
        _, given = plain(model, x, k, batch=True)
        means, variances = [], []
        for z, block in zip(given, model.hidden, strict=True):
            var, held = z.double().var(0), block.norm.running_var[k].double()
            means.append(((block.norm.running_mean[k] - z.mean(0)).abs() / (var + 1e-5).sqrt()).flatten())
            variances.append((held.add(1e-5).log() - var.add(1e-5).log()).abs())
        assert found["mean_shift"][k].item() == pytest.approx(torch.cat(means).mean().item(), rel=1e-4)
        assert found["variance_shift"][k].item() == pytest.approx(torch.cat(variances).mean().item(), rel=1e-4)


def test_noise_before_the_norm_shifts_its_variance() -> None:
    """Inverted dropout at rate p multiplies second moments by 1 / (1 - p): the variance that comes after it is larger."""
    shifts = {}
    for rate in (0.0, 0.7):
        replicas = trained(rate)
        with evaluating(replicas), torch.no_grad():
            shifts[rate] = batch_statistics(Probed(replicas), "train")["variance_shift"]
    assert bool((shifts[0.7] > shifts[0.0]).all())


def test_without_batch_norm_there_is_nothing() -> None:
    replicas = trained(batch_norm="none")
    with evaluating(replicas):
        assert batch_statistics(Probed(replicas), "train") == {}
    words = ["data=digits", "model=mlp", "dropout=none", "metric=[loss,accuracy,batch_statistics]", "train.epochs=1"]
    (warning,) = planned(*words).warnings
    assert warning.startswith("metric=batch_statistics measures nothing on model=mlp: it needs batch norm")
    assert planned(*words, "model.batch_norm=before_activation").warnings == ()


@torch.no_grad()
def test_a_network_of_a_users_has_its_own_layers_looked_at() -> None:
    """Torch's batch norm, with a momentum of its own, under a stand-in's names; all that it holds stays, counts too."""
    cohort = cohort_of(make_spec("normed.Normed", rate=0.5, seed=3))
    with torch.enable_grad():
        cohort._train_epoch(lambda: None)
    replicas = cohort.replicas
    before = {name: tensor.clone() for name, tensor in replicas.model.named_buffers()}
    with evaluating(replicas):
        network = Probed(replicas)
        found = batch_statistics(network, "train")
        ((held_mean, held_var), (mean, var)), *more = network.statistics()
        ((x, _),) = network.examples("train")
    assert not more
    assert all(torch.equal(tensor, before[name]) for name, tensor in replicas.model.named_buffers())
    (weight,) = (p for p in network.parameters if p.shape[1:] == (64, x.shape[2]))
    z = x[0] @ weight[0].T  # but for its bias, which no variance sees
    torch.testing.assert_close(var[0], z.var(0), rtol=1e-4, atol=1e-6)
    shift = (held_var.add(1e-5).log() - var.add(1e-5).log()).abs().mean().item()
    assert found["variance_shift"].item() == pytest.approx(shift, rel=1e-4)
    assert found["mean_shift"].item() == pytest.approx(((held_mean - mean).abs() / var.sqrt()).mean().item(), rel=1e-2)
