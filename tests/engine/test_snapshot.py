"""A run that goes on from a snapshot, alone or in other company, ends with the bits of one that was never broken off."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from noise_kit import VARIANTS
from training import Trained, arms, cohort_of, differences, make_spec, states_at

from dropbench.data.base import Table
from dropbench.data.digits import load as digits
from dropbench.engine.snapshot import State, Unfit, resume
from dropbench.planning.outline import outline
from dropbench.spec import RunSpec

STEPS = 5
"""Of an epoch: 150 examples in batches of 32."""


def assert_goes_on(
    run: RunSpec, before: list[RunSpec], after: list[RunSpec], place: tuple[int, int], table: Table | None = None
) -> None:
    """The run, broken off beside `before` and going on beside `after`, which were broken off alone, equals itself alone."""
    states = states_at(*place, run, *before, table=table)
    for other in after:
        if other.run_id not in states:
            states |= states_at(*place, other, table=table)
    uninterrupted, resumed = Trained(run, table=table), Trained(run, *after, table=table, states=states)
    assert not (found := differences(run, uninterrupted, resumed)), (place, found[:5])


def pairs() -> list[tuple[str, str]]:
    from pathlib import Path

    table = digits(Path(), False)
    models = ("mlp", "cnn", "rnn", "resnet", "transformer")
    sites = {model: outline(make_spec(model).model, table).sites for model in models}
    return [(m, v) for m in sites for v, made in VARIANTS.items() if any(made.supports(s) is None for s in sites[m])]


@pytest.mark.parametrize(("model", "variant"), pairs())
def test_every_variant_of_every_model_in_the_middle_of_an_epoch(model: str, variant: str) -> None:
    run, cohorts = arms(model, variant, {})
    assert_goes_on(run, cohorts[1], cohorts[2], (2, 3))


@pytest.mark.parametrize("place", [(1, 1), (1, STEPS), (2, 1), (2, STEPS - 1), (3, STEPS)])
@pytest.mark.parametrize(
    "train",
    [
        {"optimizer": "sgd", "nesterov": True, "schedule": "cosine", "warmup_epochs": 1, "momentum_start": 0.5},
        {"optimizer": "adamw", "grad_clip": 0.5, "max_norm": 0.9, "label_smoothing": 0.1, "eval_every": 2},
        {"patience": 3},
        {"patience": 3, "restore_best": False, "monitor": "val_accuracy"},
        {"precision": "bf16"},
    ],
    ids=["sgd", "clip", "patience", "last", "bf16"],
)
def test_every_place_under_other_settings(place: tuple[int, int], train: dict[str, Any]) -> None:
    run, cohorts = arms("mlp", "standard", {}, **{"epochs": 3, **train})
    assert_goes_on(run, [], [], place)
    if place == (1, 1):
        assert_goes_on(run, cohorts[0], [], place)


def test_a_start_that_was_fitted_to_data_and_schedules_of_learning_rate_and_decay() -> None:
    train = {"optimizer": "adamw", "decay_schedule": "flat_cos", "schedule": "coslog4", "beta2": 0.95, "epochs": 3}
    run, cohorts = arms("realmlp", "standard", {}, **train)
    assert_goes_on(run, cohorts[1], cohorts[2], (2, 3))


def test_augmentation_batch_norm_and_a_schedule_of_the_rate() -> None:
    run, cohorts = arms(
        "cnn", "standard", {}, options={"batch_norm": "before_activation"}, augment={"crop": 1, "flip": 0.5}
    )
    run, *others = (
        s.model_copy(
            update={"variants": tuple(v.model_copy(update={"schedule": linear_up(v.schedule)}) for v in s.variants)}
        )
        for s in (run, *cohorts[2])
    )
    assert_goes_on(run, others[:1], others[1:], (2, 2))


def linear_up(constant: Any) -> Any:
    return constant.model_copy(update={"name": "linear_up", "target": "dropbench.dropout.schedule.linear_up"})


def test_words_go_on_with_the_state_that_the_batch_before_left() -> None:
    from texts import running_text

    table = running_text()
    run, *others = (
        make_spec("lm", variant="standard", rate=0.3, seed=seed, batch_size=4, data="ptb", split={"n_train": None})
        for seed in range(3)
    )
    assert_goes_on(run, others[:1], others[1:], (2, 2), table)


def test_a_run_without_noise_goes_on_beside_one_that_has_some() -> None:
    none, some = make_spec(variant="none", seed=3), make_spec(rate=0.5, seed=3)
    assert_goes_on(none, [], [some], (2, 3))
    assert_goes_on(none, [some], [], (2, 3))
    assert_goes_on(some, [], [none], (2, 3))


def test_learned_rates_go_on_where_others_have_sites_beside() -> None:
    one = make_spec(variant="kingma", rate=0.5, seed=3, placement=["hidden.1*"])
    all_sites = make_spec(variant="kingma", rate=0.3, seed=4)
    assert_goes_on(one, [], [all_sites], (2, 3))
    assert_goes_on(one, [all_sites], [], (2, 3))


def test_it_can_be_broken_off_again() -> None:
    run = make_spec(rate=0.5, seed=3, epochs=4)
    training = cohort_of(run)
    resume(training, list(states_at(1, 2, run).values()))
    assert (training.underway.epoch, training.underway.step) == (1, 2)
    again = Trained(run, states=states_at(3, 1, run))
    assert not differences(run, Trained(run), again)


def test_a_state_of_another_run_is_refused() -> None:
    wide = make_spec(options={"widths": [30, 16]}, rate=0.5)
    run = make_spec(rate=0.5)
    (state,) = states_at(1, 2, wide).values()
    with pytest.raises(Unfit):
        resume(cohort_of(run), [State(run.run_id, state.epoch, state.step, state.tensors, state.told)])


@pytest.mark.parametrize(
    "model", ["user_models.Small", "user_models.Recurrent", "vmap_models.Normed", "vmap_models.Steps"]
)
def test_users_modules(model: str) -> None:
    """Buffers of batch norm and parameters that are frozen or unused included; stacked by vmap, and alone."""
    run, beside = (make_spec(model, rate=0.3, seed=seed, weight_decay=0.01) for seed in (3, 4))
    stacks = model in ("vmap_models.Steps",)
    assert_goes_on(run, [beside] if stacks else [], [beside] if stacks else [], (2, 3))


def test_what_a_user_s_module_carries_from_batch_to_batch_comes_back() -> None:
    from dropbench.engine.carried import carried, carry

    class Keeps(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.begin()

        def begin(self) -> None:
            self.seen: Any = [(None, {"n": 0}), torch.zeros(2, 3)]

    one, other = Keeps(), Keeps()
    one.seen = [(torch.ones(2), {"n": 4}), torch.full((2, 3), 5.0)]
    tensors, forms = carried(one)
    carry(other, {name: t.clone() for name, t in tensors.items()}, forms)
    assert str(other.seen) == str(one.seen)
