"""What every regularizer of the folder must keep to: a new file is tested the day it appears."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from regularized import REGULARIZERS, of, off, with_regularizers
from texts import running_text
from training import Trained, cohort_of, differences, make_spec, states_at, table_of

from dropbench.config.options import options
from dropbench.data.base import Table
from dropbench.planning.outline import Outline, outline
from dropbench.planning.regularizers import cannot, given, in_order
from dropbench.regularizers.base import SLOTS, Regularizer
from dropbench.spec import RunSpec

MODELS = ("mlp", "cnn", "rnn", "transformer", "lm")
"""The first that a regularizer can be used on is what it is tried on."""
NAMES = list(REGULARIZERS)
ACTING = {"flooding": 10.0}
"""Strengths in place of the default, to whose level the loss does not come down in so short a training."""
TEXT = running_text(words=13, window=4, train=200, val=50, test=50)


def run_of(model: str, seed: int = 3, **changes: Any) -> RunSpec:
    words: dict[str, Any] = {"split": {"n_train": None}, "batch_size": 7} if model == "lm" else {"batch_size": 32}
    return make_spec(
        model, variant="standard", rate=0.4, seed=seed, **{"lr": 0.01, "weight_decay": 1e-3, **words, **changes}
    )


@functools.cache
def place(model: str) -> tuple[Table, Outline]:
    table = TEXT if model == "lm" else table_of(run_of(model))
    return table, outline(run_of(model).model, table)


def train(*runs: RunSpec, **given: Any) -> Trained:
    return Trained(*runs, table=place(runs[0].model.name)[0], **given)


def first_model(*names: str) -> str | None:
    """The first model on which these can be used together."""
    for model in MODELS:
        table, found = place(model)
        if cannot(with_regularizers(run_of(model), *map(of, names)), found, table) is None:
            return model
    return None


def usable() -> list[str]:
    return [name for name in NAMES if first_model(name)]


def made(name: str) -> Regularizer:
    ((_, part),) = in_order([of(name)])
    return part


@pytest.mark.parametrize("name", NAMES)
def test_its_file_says_what_it_is(name: str) -> None:
    file = options("regularizer")[name]
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# ") and OmegaConf.load(file)[name].schedule == "constant"
    spec = of(name)
    assert spec.strength in spec.options and not spec.silent and off(name).silent
    assert made(name).slot in SLOTS and type(made(name)).__doc__


@pytest.mark.parametrize("name", NAMES)
def test_it_does_what_its_slot_says_and_no_more(name: str) -> None:
    """What the engine calls for a slot is what is written for it."""
    of_slot = {
        "examples": {"examples"},
        "mixing": {"examples"},
        "inputs": {"examples", "at_site"},
        "loss": {"loss"},
        "pass": {"gradients"},
        "gradient": {"gradient"},
        "weights": {"weights", "state"},
        "average": {"weights", "state", "evaluated", "ensemble"},
    }
    methods = set().union(*of_slot.values())
    part = type(made(name))
    written = {m for m in methods if getattr(part, m, None) is not getattr(Regularizer, m, None)}
    assert written and written <= of_slot[part.slot]


@pytest.mark.parametrize("name", usable())
def test_it_acts(name: str) -> None:
    model = str(first_model(name))
    run = run_of(model)
    with_it, without = train(with_regularizers(run, of(name, ACTING.get(name)))), train(run)
    one, other = next(iter(with_it.weights.values())), without.weights[run.run_id]
    # Of an ensemble the last network may be that of training without it.
    acts = next(iter(with_it.results.values())).metrics != without[run].metrics
    assert any(not torch.equal(one[n], other[n]) for n in other) or acts


@pytest.mark.parametrize("name", [n for n in usable() if not made(n).twice])
def test_at_no_strength_a_run_has_the_bits_of_one_without_beside_others(name: str) -> None:
    """Also one after another: as if it was not there."""
    model = str(first_model(name))
    run = run_of(model)
    silent, beside = with_regularizers(run, off(name)), with_regularizers(run_of(model, seed=1), of(name))
    same_seed = with_regularizers(run, of(name))
    together = train(silent, beside, same_seed)
    renamed = train(run)
    found = [
        n
        for n, tensor in renamed.weights[run.run_id].items()
        if not torch.equal(tensor, together.weights[silent.run_id][n])
    ]
    assert not found and renamed[run].metrics == together[silent].metrics


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", usable())
def test_alone_as_in_company_that_leaves_early(name: str, precision: str) -> None:
    model = str(first_model(name))

    def arm(seed: int, strength: float | None = None, **more: Any) -> RunSpec:
        return with_regularizers(
            run_of(model, seed, patience=2, epochs=5, precision=precision, **more), of(name, strength)
        )

    weaker = (of(name).value + REGULARIZERS[name].none_at) / 2
    whole = isinstance(of(name).options[REGULARIZERS[name].strength], int)
    run = arm(3)
    others = [arm(3, lr=0.03), arm(0, None if whole else weaker), arm(5, lr=0.3)]
    alone, together = train(run), train(run, *others)
    assert not (found := differences(run, alone, together)), found[:5]


@pytest.mark.parametrize("name", usable())
def test_broken_off_in_the_middle_it_goes_on_to_the_same_bits(name: str) -> None:
    model = str(first_model(name))
    run, other = (with_regularizers(run_of(model, seed), of(name)) for seed in (3, 1))
    states = states_at(2, 3, run, other, table=place(model)[0])
    uninterrupted, resumed = train(run), train(run, states=states)
    assert not (found := differences(run, uninterrupted, resumed)), found[:5]


@pytest.mark.parametrize("pair", list(itertools.combinations(NAMES, 2)), ids="+".join)
def test_every_pair_goes_together_or_says_why_not(pair: tuple[str, str]) -> None:
    model = first_model(*pair)
    if model is None:
        reasons = [
            cannot(with_regularizers(run_of(m), *map(of, pair)), found, table)
            for m in MODELS
            for table, found in [place(m)]
        ]
        assert all(reason and reason.startswith("regularizer=") for reason in reasons)
        return
    run = with_regularizers(run_of(model, epochs=1), *map(of, pair))
    other_way = with_regularizers(run_of(model, epochs=1), *map(of, reversed(pair)))
    alone = train(run)
    weights = alone.weights[run.run_id]
    assert all(torch.isfinite(t).all() for t in weights.values() if t.is_floating_point())
    # In which order they are typed is of no account, nor is the company.
    beside = with_regularizers(run_of(model, seed=1, epochs=1), *map(of, pair))
    swapped = train(other_way, beside)
    assert all(torch.equal(t, swapped.weights[other_way.run_id][n]) for n, t in weights.items())


@pytest.mark.parametrize("name", NAMES)
def test_what_it_cannot_be_used_on_is_a_sentence(name: str) -> None:
    for model in MODELS:
        table, found = place(model)
        reason = made(name).supports(given(found, table))
        assert reason is None or (" " in reason and reason[0].islower() and not reason.endswith("."))


def test_a_schedule_scales_the_distance_from_none() -> None:
    run = with_regularizers(run_of("mlp"), of("mixup", 0.4, "linear_up"))
    regularization = cohort_of(run).regularization
    (mixup,) = regularization.slot("mixing")
    for done in (0.0, 0.25, 1.0):
        regularization.at(done)
        assert mixup.strength.item() == pytest.approx(0.4 * done)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("name", [n for n in usable() if made(n).passes])
def test_further_passes_leave_batch_norm_as_the_first_did(name: str, model: str) -> None:
    """Its statistics, and with them the gradient of the first pass, which may still be to come."""
    run = make_spec(model, options={"batch_norm": "before_activation"}, variant="standard", rate=0.4, epochs=1)
    table = table_of(run)
    if cannot(with_regularizers(run, of(name)), outline(run.model, table), table):
        pytest.skip("it cannot be used there")
    plain, passing = cohort_of(run), cohort_of(with_regularizers(run, of(name)))
    for cohort in (plain, passing):
        cohort.train_step(next(iter(cohort.replicas.batches.epoch())), 1.0)
    buffers = dict(plain.replicas.model.named_buffers())
    assert buffers and all(torch.equal(b, buffers[n]) for n, b in passing.replicas.model.named_buffers())
    silent, beside = with_regularizers(run, off(name)), with_regularizers(run.model_copy(update={"seed": 1}), of(name))
    if not made(name).twice:
        alone, together = Trained(run), Trained(silent, beside)
        assert all(torch.equal(t, together.weights[silent.run_id][n]) for n, t in alone.weights[run.run_id].items())
