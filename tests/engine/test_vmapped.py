"""A user's ordinary module stacks by `vmap`: the same bits in any stack, the same numbers as by itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from texts import sentences
from torch import Tensor
from training import Trained, arms, assert_identical, cohort_of, differences, make_spec
from vmap_models import LAYERS

from dropbench.data.base import Table
from dropbench.engine import stack
from dropbench.engine.evaluate import evaluate
from dropbench.engine.user_module import Plain
from dropbench.engine.vmapped import Vmapped
from dropbench.spec import MetricSpec, RunSpec

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("Digits", "standard", {}),
    ("Digits", "gaussian", {"optimizer": "sgd", "grad_clip": 0.5, "max_norm": 0.9}),
    ("Digits", "classic", {"options": {"widths": [7]}}),
    ("Digits", "concrete", {"options": {"widths": [12, 12]}}),
    ("Tanh", "standard", {"options": {"widths": [33]}}),
    ("Gelu", "unscaled", {"options": {"widths": [5, 100]}}),
    ("Silu", "standard", {"options": {"widths": [64, 32]}}),
    ("Normed", "kingma", {}),
    ("Steps", "recurrent", {}),
    ("Steps", "locked", {"options": {"width": 9}}),
    ("Steps", "zoneout", {}),
    ("Steps", "weight_drop", {}),
    ("Steps", "dropconnect", {}),
    ("Steps", "standout", {"options": {"width": 32}}),
    ("Residual", "stochastic_depth", {"options": {"width": 13}}),
    ("Words", "embedding", {}),
]
SENTENCES = sentences(examples=120, words=13, length=7)
by_case = pytest.mark.parametrize(("model", "variant", "common"), CASES, ids=lambda v: v if isinstance(v, str) else "")


def table(model: str) -> Table | None:
    return SENTENCES if model == "Words" else None


def common_of(model: str, common: dict[str, Any]) -> dict[str, Any]:
    return {"batch_size": 33, "split": {"n_train": None} if model == "Words" else {}, **common}


@by_case
def test_a_run_is_the_same_in_every_stack(model: str, variant: str, common: dict[str, Any]) -> None:
    run, cohorts = arms(f"vmap_models.{model}", variant, {}, **common_of(model, common))
    assert Trained(run, table=table(model))[run].notes == ["trained stacked by vmap"]
    assert_identical(run, cohorts[0], cohorts[2], cohorts[-1], table=table(model))


@by_case
def test_it_does_what_the_module_does(
    monkeypatch: pytest.MonkeyPatch, model: str, variant: str, common: dict[str, Any]
) -> None:
    """One step, and an evaluation after it, of three replicas and of each by itself: noise and running statistics too."""
    specs = [
        make_spec(f"vmap_models.{model}", variant=variant, rate=0.2 + 0.2 * k, seed=k % 2, **common_of(model, common))
        for k in range(3)
    ]
    together = cohort_of(*specs, table=table(model))
    assert isinstance(getattr(together.replicas.model, "model", together.replicas.model), Vmapped)
    batch = next(together.replicas.batches.epoch())
    losses, _ = together.train_step(batch, 1.0)
    scores = evaluate(together.replicas, "val")
    monkeypatch.setattr(stack, "unstacked", lambda *run: "for the test")
    for k, spec in enumerate(together.replicas.specs):
        alone = cohort_of(spec, table=table(model))
        assert isinstance(getattr(alone.replicas.model, "model", alone.replicas.model), Plain)
        own = next(alone.replicas.batches.epoch())
        assert torch.equal(own.x[0], batch.x[k])
        loss, _ = alone.train_step(own, 1.0)
        torch.testing.assert_close(loss[0], losses[k], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(evaluate(alone.replicas, "val")["loss"][0], scores["loss"][k], rtol=1e-3, atol=1e-4)
        buffers = zip(alone.replicas.model.buffers(), together.replicas.model.buffers(), strict=True)
        assert all(torch.allclose(a[0].double(), b[k].double(), rtol=1e-4, atol=1e-6) for a, b in buffers)


def test_training_changes_the_statistics_of_each_replica() -> None:
    specs = [make_spec("vmap_models.Normed", seed=s, batch_size=50) for s in range(3)]
    together = cohort_of(*specs)
    for batch in together.replicas.batches.epoch():
        together.train_step(batch, 1.0)
    names = together.replicas.model.names
    counter, mean = (
        getattr(together.replicas.model, names[f"norm.{n}"]) for n in ("num_batches_tracked", "running_mean")
    )  # type: ignore[index]
    assert counter.tolist() == [together.replicas.batches.steps] * 3
    assert all(not torch.equal(mean[a], mean[b]) for a, b in ((0, 1), (1, 2)))
    kept = mean.clone()
    evaluate(together.replicas, "val")
    assert torch.equal(kept, mean)


def test_frozen_and_unused_parameters_stay() -> None:
    specs = [make_spec("vmap_models.Normed", seed=s, optimizer="adamw", weight_decay=0.1, max_norm=5.0) for s in (0, 1)]
    together = cohort_of(*specs)
    names = together.replicas.model.names
    before = {name: getattr(together.replicas.model, own).detach().clone() for name, own in names.items()}  # type: ignore[union-attr]
    together.train_step(next(together.replicas.batches.epoch()), 1.0)
    for name, own in names.items():  # type: ignore[union-attr]
        same = torch.equal(before[name], getattr(together.replicas.model, own))
        assert same == (name in ("frozen", "unused")), name


@pytest.mark.parametrize("restore", [True, False])
def test_neighbours_that_stop_early(restore: bool) -> None:
    stopping = {"epochs": 9, "patience": 2, "restore_best": restore, "batch_size": 33}
    runs = [make_spec("vmap_models.Normed", rate=0.1 * s, seed=s, lr=0.3 + 0.05 * s, **stopping) for s in range(5)]
    together = Trained(*runs)
    assert len({len(r.history) for r in together.results.values()}) > 1
    for run in runs:
        assert not differences(run, Trained(run), together)


@settings(max_examples=40)
@given(
    layers=st.lists(st.sampled_from(list(LAYERS)), min_size=1, max_size=3),
    width=st.sampled_from([1, 5, 12, 16, 33, 48, 64, 100]),
    batch_size=st.sampled_from([8, 33, 100]),
    others=st.sampled_from([1, 4, 15]),
)
@example(layers=["softmax"], width=1, batch_size=100, others=1)  # over a gradient of the logits that lay transposed
def test_whatever_is_said_to_stack_keeps_its_bits(layers: list[str], width: int, batch_size: int, others: int) -> None:
    def spec(seed: int) -> RunSpec:
        common: dict[str, Any] = {"options": {"layers": layers, "width": width}, "batch_size": batch_size}
        return make_spec("vmap_models.Layers", rate=0.1 * (seed % 7), seed=seed, lr=0.004 * (1 + seed % 3), **common)

    run = spec(2)
    alone = Trained(run)
    if alone[run].notes == ["trained stacked by vmap"]:
        assert not differences(run, alone, Trained(run, *map(spec, range(3, 3 + others))))
    else:
        assert alone[run].notes[0].startswith("trained unstacked: ")


@pytest.mark.parametrize("mode", ["mc", "ensemble"])
def test_evaluation_with_the_noise_on(mode: str) -> None:
    def spec(seed: int) -> RunSpec:
        made = make_spec("vmap_models.Digits", rate=0.5, seed=seed, epochs=1)
        return made.model_copy(update={"eval": made.eval.model_copy(update={"mode": mode, "passes": 3})})

    run = spec(3)
    alone, together = Trained(run), Trained(*map(spec, range(5)))
    assert {"mc": "test_mc_loss", "ensemble": "test_geometric_loss"}[mode] in alone[run].metrics
    assert not differences(run, alone, together)


def test_gradients_of_the_input_are_a_runs_own_too() -> None:
    def spec(seed: int) -> RunSpec:
        made = make_spec("vmap_models.Normed", rate=0.5, seed=seed, epochs=1)
        fgsm = MetricSpec(name="fgsm", _target_="dropbench.metrics.fgsm.fgsm")
        return made.model_copy(update={"metric": {**made.metric, "fgsm": fgsm}})

    run = spec(3)
    alone = Trained(run)
    assert any("fgsm" in name for name in alone[run].metrics)
    assert not differences(run, alone, Trained(*map(spec, range(5))))


def test_noise_on_what_is_not_mapped_over_is_each_replicas_own() -> None:
    specs = [make_spec("vmap_models.Digits", rate=0.5, seed=s) for s in range(3)]
    together = cohort_of(*specs)
    seen: list[Tensor] = []

    class Spy(torch.nn.Module):
        def forward(self, x: Tensor, noise: Any) -> Tensor:
            return noise("hidden.0", torch.ones(32, 24)) + 0 * x.sum()

    together.replicas.model._module = (Spy(),)  # type: ignore[assignment]
    together.replicas.model.names = {}  # type: ignore[assignment]
    seen.append(together.replicas.model(torch.zeros(3, 32, 64), together.replicas.noise))
    expected = cohort_of(*specs).replicas.noise("hidden.0", torch.ones(3, 32, 24))
    assert torch.equal(seen[0], expected) and not torch.equal(expected[0], expected[1])


@pytest.mark.parametrize(
    ("model", "options"),
    [("Refused", {"refused": "narrow"}), ("Silu", {"widths": [31]})],
    ids=["batch_norm", "silu"],
)
def test_what_is_refused_for_its_bits_would_break_the_promise(
    monkeypatch: pytest.MonkeyPatch, model: str, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(stack, "unstacked", lambda *run: None)
    made = [make_spec(f"vmap_models.{model}", options=options, seed=s, batch_size=33) for s in range(4)]
    assert any(differences(run, Trained(run), Trained(*made)) for run in made[:2])
