"""The penalty on the derivatives of the outputs: its value, and that its gradient reaches the weights of every model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from regularized import of, with_regularizers
from step_kit import ByHand, Sampled, given
from torch import Tensor, nn
from training import Trained, cohort_of, differences, made_table, make_spec, table_of

from dropbench.data.batch import Batch
from dropbench.engine.step import Update
from dropbench.regularizers.jacobian import Jacobian

K, B, F, C = 3, 4, 5, 3
NUMBERS = torch.Generator().manual_seed(5)
W = torch.randn(K, F, C, generator=NUMBERS)
STRENGTHS = torch.tensor([0.0, 0.3, 1.5])


def model(x: Tensor) -> Tensor:
    return torch.tanh(x) @ W


class Basis(Sampled):
    """As many projections as outputs, one on each."""

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        return torch.eye(C)[:, None].expand(K, C, shape[1], C) * 3


def norms() -> Tensor:
    """The mean squared Frobenius norm of each replica, one example after the other."""
    x = torch.randn(K, B, F, generator=torch.Generator().manual_seed(6))
    one: Any = torch.func.jacrev(lambda x, w: torch.tanh(x) @ w)
    return torch.stack([torch.stack([one(e, W[k]).square().sum() for e in x[k]]).mean() for k in range(K)])


def added(part: Jacobian, draws: Sampled) -> Tensor:
    x = torch.randn(K, B, F, generator=torch.Generator().manual_seed(6)).requires_grad_()
    step = ByHand(Batch(x, torch.zeros(K, B, dtype=torch.int64)), model)
    loss = torch.zeros(K)
    return part.loss(step, loss, STRENGTHS, draws).detach()


def test_projections_on_all_outputs_give_the_whole_norm() -> None:
    torch.testing.assert_close(added(Jacobian(projections=C), Basis(K)), STRENGTHS / 2 * norms())


def test_random_projections_give_it_on_average() -> None:
    drawn = torch.stack([added(Jacobian(), Sampled(K, seed)) for seed in range(400)])
    error = (drawn.mean(0) - STRENGTHS / 2 * norms()).abs()
    spread = drawn.std(0) / len(drawn) ** 0.5
    assert bool((error <= 4 * spread).all()) and bool((spread[1:] < 0.05 * drawn.mean(0)[1:]).all())


class Net(nn.Module):
    """A network of a user's: torch's recurrent layer and attention have fused kernels that cannot be differentiated twice."""

    eats = ("sequence",)

    def __init__(self, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(shape[1], 4, batch_first=True)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, n_classes)
        self.sites = ()

    def forward(self, x: Tensor, noise: Any) -> Tensor:
        x, _ = self.lstm(x)
        x = self.attention(x, x, x, need_weights=False)[0]
        out: Tensor = self.head(x.mean(1))
        return out


MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"rate": 0.5},
    "cnn": {"options": {"batch_norm": "before_activation"}},
    "rnn": {"rate": 0.5, "variant": "locked"},
    "rnn gru": {"options": {"cell": "gru"}},
    "resnet": {},
    "transformer": {"rate": 0.3},
    "autoencoder": {"metrics": ("loss",), "options": {"activation": "tanh"}},
    "user": {"variant": "none"},
}


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_of_the_penalty_is_that_of_finite_differences(name: str) -> None:
    """In float64, along a random direction of all weights: with hand-written gradients there would be none, or an error."""
    target = f"{Net.__module__}.{Net.__qualname__}" if name == "user" else name.split()[0]
    run = with_regularizers(make_spec(target, seed=3, batch_size=8, **MODELS[name]), of("jacobian", 1.0))
    table = made_table(400, shape=(3, 4), axes="TF") if name == "user" else table_of(run)
    training = cohort_of(run, table=table)
    replicas, regularization = training.replicas, training.regularization
    replicas.model.double()
    batch = next(iter(replicas.batches.epoch(0)))
    batch = Batch(batch.x.double(), batch.y)
    regularization.passes = True  # so that the objective can be computed again
    update = Update(replicas, regularization, batch)
    (penalty,) = regularization.slot("loss")

    def value() -> Tensor:
        regularization.rewind(replicas.noise)
        with update._undisturbed():
            update._output = update._forward(update.batch.x, replicas.noise)
        return penalty.part.loss(update, update.loss.new_zeros(1), penalty.strength, penalty.draws).sum()

    weights = list(update.parameters.values())
    directions = [torch.randn(w.shape, generator=NUMBERS, dtype=w.dtype) for w in weights]
    gradients = torch.autograd.grad(value(), weights, allow_unused=True)
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True) if g is not None)
    step = 1e-5
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            for w, d in zip(weights, directions, strict=True):
                w.add_(d, alpha=sign * step)
        ends.append(value().item())
        with torch.no_grad():
            for w, d in zip(weights, directions, strict=True):
                w.sub_(d, alpha=sign * step)
    measured = (ends[0] - ends[1]) / (2 * step)
    assert abs(slope) > 1e-4
    assert slope == pytest.approx(measured, rel=2e-3)


def test_it_needs_inputs_that_are_numbers() -> None:
    assert "have no gradient" in str(Jacobian().supports(given(view="text")))


@pytest.mark.parametrize("model", ["cnn", "rnn", "rnn gru", "resnet", "transformer"])
def test_alone_as_in_company(model: str) -> None:
    given = {"variant": "standard", "rate": 0.3, **MODELS[model], "epochs": 1}
    runs = [with_regularizers(make_spec(model.split()[0], seed=seed, **given), of("jacobian")) for seed in (3, 1, 4)]
    alone, together = Trained(runs[0]), Trained(*runs)
    assert not (found := differences(runs[0], alone, together)), found[:5]
