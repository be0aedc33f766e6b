from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from regularized import of, off, with_regularizers
from torch import Tensor
from training import Trained, cohort_of, differences, make_spec, states_at

from dropbench.engine.evaluate import evaluating
from dropbench.planning.outline import outline
from dropbench.planning.regularizers import cannot, one_descent
from dropbench.spec import RunSpec

Seen = list[tuple[float, dict[str, Tensor]]]


def run_of(cycles: int = 3, members: int | None = None, seed: int = 0, **more: Any) -> RunSpec:
    settings = {
        "variant": "standard",
        "rate": 0.3,
        "epochs": 4,
        "schedule": "cosine_restarts",
        "cycles": cycles,
        "seed": seed,
    }
    run = make_spec(more.pop("model", "mlp"), **{**settings, **more})
    return with_regularizers(run, of("snapshot_ensemble", cycles if members is None else members, cycles=cycles))


def stepped(run: RunSpec) -> tuple[Any, Seen]:
    """The training, which has ended, and after each update the learning rate of it and all tensors of the one replica."""
    training = cohort_of(run)
    seen: Seen = []
    lrs: list[float] = []
    step = training.optimizer.step
    training.optimizer.step = lambda factor, *rest: (lrs.append(factor), step(factor, *rest))[1]  # type: ignore[method-assign]
    model = training.replicas.model

    def see() -> None:
        tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        seen.append((lrs[-1], {name: t.detach().clone() for name, t in tensors.items()}))

    batches = training.replicas.batches
    list(training.run(after_update=see))
    return (training, batches), seen


def ends_of_cycles(seen: Seen) -> list[dict[str, Tensor]]:
    """The weights before each rise of the learning rate, and the last: read off the rates themselves."""
    rises = [i for i in range(len(seen) - 1) if seen[i + 1][0] > seen[i][0]]
    return [seen[i][1] for i in (*rises, len(seen) - 1)]


def by_hand(run: RunSpec, networks: list[dict[str, Tensor]], part: str) -> dict[str, float]:
    """Loss and accuracy of the mean of the softmax outputs."""
    replicas = cohort_of(run).replicas
    (batch,) = replicas.batches.part(part, replicas.batches.part_sizes()[part])
    shares = []
    with torch.no_grad(), evaluating(replicas):
        for network in networks:
            replicas.model.load_state_dict(network)
            shares.append(F.softmax(replicas.model(batch.x, replicas.noise)[0].double(), -1))
    mean, y = sum(shares) / len(shares), batch.y[0]
    return {"loss": float(F.nll_loss(mean.log(), y)), "accuracy": float((mean.argmax(-1) == y).double().mean())}


@pytest.mark.parametrize(("cycles", "members"), [(3, 3), (3, 2), (4, 4), (4, 1), (7, 5), (1, 1)])
@pytest.mark.parametrize("options", [{}, {"batch_norm": "before_activation"}])
def test_what_is_tested_is_the_mean_of_the_softmax_outputs_at_the_ends_of_cycles(
    cycles: int, members: int, options: dict[str, Any]
) -> None:
    """Of 20 updates: cycles that do and do not divide them."""
    run = run_of(cycles, members, options=options)
    result = Trained(run)[run]
    _, seen = stepped(run)
    ends = ends_of_cycles(seen)
    assert len(seen) == 20 and len(ends) == cycles
    for part in ("train", "val", "test"):
        expected = by_hand(run, ends[-members:], part)
        for name, value in expected.items():
            assert result.metrics[f"{part}_{name}"] == pytest.approx(value, rel=1e-5, abs=1e-6)
    if members > 1:
        alone = by_hand(run, ends[-1:], "test")
        assert abs(alone["loss"] - result.metrics["test_loss"]) > 1e-4, "the test could not fail"


def test_an_epoch_is_evaluated_with_the_snapshots_so_far() -> None:
    """Cycles end after 6, 13 and 20 updates of 5 an epoch; before the first has, the weights as they are."""
    run = run_of(3)
    history = Trained(run)[run].history
    _, seen = stepped(run)
    ends = ends_of_cycles(seen)
    for epoch, networks in ((1, [seen[4][1]]), (2, ends[:1]), (3, ends[:2]), (4, ends)):
        assert history[epoch - 1]["val_loss"] == pytest.approx(by_hand(run, networks, "val")["loss"], rel=1e-5)


def test_training_knows_nothing_of_it() -> None:
    run = run_of(3)
    _, with_it = stepped(run)
    _, without = stepped(run.model_copy(update={"regularizers": ()}))
    assert all(torch.equal(t, b[n]) for (_, a), (_, b) in zip(with_it, without, strict=True) for n, t in a.items())


@pytest.mark.parametrize("model", ["mlp", "normed.Normed", "resnet"])
def test_a_run_has_its_bits_beside_other_numbers_of_members_and_none(model: str) -> None:
    more = {"model": model, "n_train": 150} if False else {"model": model}
    run, fewer, other = run_of(3, **more), run_of(3, 1, **more), run_of(3, 2, seed=1, **more)
    plain = run.model_copy(update={"regularizers": ()})
    silent = with_regularizers(
        plain, off("snapshot_ensemble").model_copy(update={"options": {"members": 0, "cycles": 3}})
    )
    together = Trained(run, fewer, other, silent)
    for one in (run, fewer, other):
        assert not differences(one, Trained(one), together)
    assert Trained(plain)[plain].metrics == together[silent].metrics


@pytest.mark.parametrize("mode", ["mc", "ensemble"])
def test_with_the_noise_on_draws_do_not_depend_on_the_members(mode: str) -> None:
    run, fewer = (
        r.model_copy(update={"eval": r.eval.model_copy(update={"mode": mode, "passes": 3})})
        for r in (run_of(3), run_of(3, 1))
    )
    together = Trained(run, fewer)
    for one in (run, fewer):
        assert not differences(one, Trained(one), together)
    name = "test_mc_loss" if mode == "mc" else "test_arithmetic_loss"
    assert together[run].metrics[name] != together[fewer].metrics[name]


def test_broken_off_in_a_later_cycle_it_goes_on_to_the_same_bits() -> None:
    run, other = run_of(3), run_of(3, seed=2)
    states = states_at(3, 2, run, other)
    assert not differences(run, Trained(run), Trained(run, states=states))


def test_where_an_earlier_epoch_is_chosen_it_is_the_ensemble_of_that_epoch() -> None:
    run = run_of(4, epochs=8, patience=1, lr=0.3)
    result = Trained(run)[run]
    row = result.history[(result.chosen_epoch or 0) - 1]
    assert len(result.history) < 8 and (result.chosen_epoch or 0) < len(result.history)
    _, seen = stepped(run)
    ends = ends_of_cycles(seen[: 5 * 8])
    done = [i for i in range(4) if (result.chosen_epoch or 0) * 5 >= (i + 1) * 10]
    networks = [ends[i] for i in done] or [seen[5 * (result.chosen_epoch or 0) - 1][1]]
    assert (
        row["val_loss"] == result.metrics["val_loss"] == pytest.approx(by_hand(run, networks, "val")["loss"], rel=1e-5)
    )
    assert result.metrics["test_loss"] == pytest.approx(by_hand(run, networks, "test")["loss"], rel=1e-5)


def test_what_cannot_be_is_a_sentence() -> None:
    run = run_of(3)

    def reason(one: RunSpec) -> str:
        from training import table_of

        return str(cannot(one, outline(one.model, table_of(one)), table_of(one)))

    assert reason(run) == "None"
    four = run.model_copy(update={"train": run.train.model_copy(update={"cycles": 4})})
    assert "set regularizer.snapshot_ensemble.cycles=4" in reason(four)
    assert "set regularizer.snapshot_ensemble.members=3" in reason(run_of(3, 4))
    assert "no classes" in reason(run_of(3, model="autoencoder"))
    both = with_regularizers(run, *run.regularizers, of("ema"))
    assert "choose one of ema and snapshot_ensemble" in reason(both)
    assert not list(one_descent(run))
    assert "cosine_restarts" in next(one_descent(run_of(3, schedule="cosine")))
