"""A user's ordinary module that `vmap` does not stack trains in the same loop, as a stack of one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
import user_models
from torch import Tensor, nn
from training import Trained, cohort_of, differences, make_spec

from dropbench.engine.evaluate import evaluate
from dropbench.engine.streams import RawDraws
from dropbench.engine.user_module import Plain
from dropbench.sites.noise import Noise

SMALL, RECURRENT = "user_models.Small", "user_models.Recurrent"


class Silence:
    def __call__(self, site: str, x: Tensor) -> Tensor:
        return x


def module_of(spec: Any) -> user_models.Small:
    """The module by itself, started as the engine starts it."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(RawDraws(spec.seed, "init")(1)[0] >> 1))
        return user_models.Small((64,), 10)


def test_it_trains_and_says_so() -> None:
    spec = make_spec(SMALL, rate=0.3, epochs=4)
    result = Trained(spec)[spec]
    assert result.status == "completed"
    (note,) = result.notes  # of batch norm over 12 channels
    assert note.startswith("trained unstacked: the last bits of ") and note.endswith(
        "would depend on the runs stacked with it"
    )
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    assert result.rates == {"hidden": 0.3}
    assert result.parameters == 64 * 12 + 12 + 12 + 12 + 12 * 10 + 10 + 12 + 3


def test_without_noise_it_is_an_ordinary_loop() -> None:
    """Batch norm's statistics and counter included. The loss and the ends of small tensors are added up in another order, so
    the last bits differ; Adam would make steps of those where a gradient is nothing else, as that of a bias before batch norm.
    """
    spec = make_spec(SMALL, optimizer="sgd", lr=0.01, weight_decay=0.01, momentum=0.5, seed=5)
    cohort = cohort_of(spec)
    module = module_of(spec)
    trained = [p for p in module.parameters() if p.requires_grad]
    updater = torch.optim.SGD(trained, lr=0.01, weight_decay=0.01, momentum=0.5)
    for batch in [b for _ in range(2) for b in cohort.replicas.batches.epoch()]:
        cohort.train_step(batch, 1.0)
        updater.zero_grad()
        F.cross_entropy(module(batch.x[0], Silence()), batch.y[0]).backward()
        updater.step()
    assert isinstance(cohort.replicas.model, Plain)
    for own, expected in zip(cohort.replicas.model.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(own[0], expected, rtol=1e-5, atol=1e-6)
    buffers = dict(zip(dict(module.named_buffers()), cohort.replicas.model.buffers(), strict=True))
    for name, expected in module.named_buffers():
        torch.testing.assert_close(buffers[name][0], expected, rtol=1e-5, atol=1e-6)
    assert int(buffers["norm.num_batches_tracked"]) == 10


def test_frozen_and_unused_parameters_stay() -> None:
    spec = make_spec(SMALL, optimizer="adamw", weight_decay=0.1, max_norm=5.0, grad_clip=1.0)
    module, done = module_of(spec), Trained(spec)
    names = [name for name, _ in module.named_parameters()]
    final = dict(
        zip(names, (v for n, v in done.weights[spec.run_id].items() if n.startswith("parameter")), strict=True)
    )
    assert torch.equal(final["frozen"], module.frozen) and torch.equal(final["unused"], module.unused)
    assert not torch.equal(final["first.weight"], module.first.weight)


def test_evaluation_uses_running_statistics_and_changes_none() -> None:
    cohort = cohort_of(make_spec(SMALL, rate=0.5))
    before = [b.clone() for b in cohort.replicas.model.buffers()]
    one, other = evaluate(cohort.replicas, "val"), evaluate(cohort.replicas, "val")
    assert torch.equal(one["loss"], other["loss"])
    assert all(torch.equal(a, b) for a, b in zip(before, cohort.replicas.model.buffers(), strict=True))
    module = module_of(make_spec(SMALL)).eval()
    batch = next(cohort.replicas.batches.part("val", 2000))
    with torch.no_grad():
        expected = F.cross_entropy(module(batch.x[0], Silence()), batch.y[0])
    torch.testing.assert_close(one["loss"][0], expected)


def test_seeds_start_differently_and_one_seed_alike() -> None:
    a, b = (cohort_of(make_spec(SMALL, seed=s)).parameters for s in (0, 1))
    again = cohort_of(make_spec(SMALL, seed=0)).parameters
    assert all(torch.equal(x, y) for x, y in zip(a, again, strict=True))
    assert not torch.equal(a[0], b[0])


def test_noise_is_that_of_a_stacked_model() -> None:
    """`sites.noise.Noise` without the replica axis: called, recurrent and over weights."""
    spec = make_spec(SMALL, rate=0.5)
    cohort = cohort_of(spec)
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor, noise: Noise) -> Tensor:
            seen.append(noise("hidden", torch.ones(32, 12)))
            return x

    cohort.replicas.model._module = (Spy(),)  # type: ignore[assignment]
    cohort.replicas.model.names = {}  # type: ignore[assignment]
    cohort.replicas.model(torch.zeros(1, 32, 64), cohort.replicas.noise)
    stacked = cohort_of(spec).replicas.noise("hidden", torch.ones(1, 32, 12))
    assert torch.equal(seen[0], stacked[0])
    assert set(seen[0].unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("variant", ["locked", "dropconnect"])
def test_recurrent_and_weight_sites(variant: str) -> None:
    specs = [make_spec(RECURRENT, variant=variant, rate=r, seed=1, epochs=3) for r in (0.4, 0.0)]
    noisy, silent = (Trained(s)[s] for s in specs)
    assert noisy.status == "completed" and noisy.history[-1]["train_loss"] < 2.3
    assert noisy.history[0]["train_loss"] != silent.history[0]["train_loss"]
    assert not differences(specs[0], Trained(specs[0]), Trained(specs[0]))


def test_early_stopping_restores_it() -> None:
    spec = make_spec(SMALL, epochs=10, patience=2, lr=0.3, seed=1)
    done = Trained(spec)
    best = done[spec].chosen_epoch
    assert best is not None and best < len(done[spec].history)
    short = make_spec(SMALL, epochs=best, lr=0.3, seed=1)
    fresh = Trained(short)
    for name, value in fresh.weights[short.run_id].items():
        assert torch.equal(value, done.weights[spec.run_id][name]), name


def test_two_runs_do_not_go_into_one_stack() -> None:

    specs = [make_spec(SMALL, seed=s) for s in (0, 1)]
    with pytest.raises(ValueError, match=r"one run at a time, not 2: the last bits"):
        cohort_of(*specs)
