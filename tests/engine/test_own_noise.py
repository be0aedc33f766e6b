"""Random numbers of a module's own: named, drawn from the run's seed, and the same again whatever else draws."""

from __future__ import annotations

import itertools
import random
from typing import Any

import noisy_models
import numpy as np
import pytest
import torch
from noisy_models import CALLS, LATE, LAYERS, OUT_OF_REACH, SILENT
from training import Trained, cohort_of, differences, make_spec, table_of

from dropbench.engine import own_noise, vmap_check
from dropbench.engine.evaluate import evaluate
from dropbench.engine.train import Training
from dropbench.errors import UsageError
from dropbench.execute.cohorts import Cohort, _stacks
from dropbench.planning.checks import check, warnings
from dropbench.planning.outline import Outline, outline
from dropbench.sites.own_draws import shared
from dropbench.spec import EvalSpec, RunSpec

BY: dict[str, str] = {
    "numpy": " by numpy.random",
    "random": " by random",
    "torch generator": " by a torch.Generator of its own",
    "numpy generator": " by a numpy.Generator of its own",
    "random state": " by a numpy.RandomState of its own",
    "random generator": " by a random.Random of its own",
    "of the file": " by a numpy.Generator of its own",
}


def outlined(spec: RunSpec) -> Outline:
    return outline(spec.model, table_of(spec))


def small(group: str, what: str, **more: Any) -> RunSpec:
    options = {"group": group, "what": what}
    return make_spec("noisy_models.Noisy", options=options, data="wine", split={"n_train": 60}, batch_size=20, **more)


@pytest.mark.parametrize("what", LAYERS)
def test_the_layers_that_draw_are_named(what: str) -> None:
    late = ", in evaluation too" if what == "FractionalMaxPool2d" else ""
    assert outlined(small("LAYERS", what)).own_noise == (f"middle ({what}){late}",)


@pytest.mark.parametrize("what", SILENT)
def test_those_that_draw_nothing_are_not(what: str) -> None:
    """A rate of 0, and a state that moves from pass to pass."""
    assert outlined(small("SILENT", what)).own_noise == ()


@pytest.mark.parametrize("what", CALLS)
def test_so_are_draws_without_a_layer(what: str) -> None:
    assert outlined(small("CALLS", what)).own_noise == (f"its forward{BY.get(what, '')}",)


@pytest.mark.parametrize("what", LATE)
def test_and_draws_in_evaluation(what: str) -> None:
    assert outlined(small("LATE", what)).own_noise == (f"its forward{BY.get(what, '')}, in evaluation too",)


@pytest.mark.parametrize("what", OUT_OF_REACH)
def test_what_no_seed_reaches_is_refused(what: str) -> None:
    with pytest.raises(UsageError, match="draws random numbers that dropbench cannot seed"):
        outlined(small("OUT_OF_REACH", what))


def states() -> list[Any]:
    return [repr(source.state()) for source in shared()]


def stirred() -> None:
    """Whatever else draws in this process."""
    torch.rand(3)
    np.random.rand(5)
    random.random()
    noisy_models.OF_THE_FILE.random()


@pytest.mark.parametrize(
    ("group", "what"), [*(("LAYERS", w) for w in LAYERS), *(("CALLS", w) for w in CALLS), *(("LATE", w) for w in LATE)]
)
def test_a_run_is_its_configuration_again(group: str, what: str) -> None:
    spec = small(group, what, rate=0.3, patience=2, epochs=3)
    before = states()
    once = Trained(spec)
    assert states() == before, "generators of everyone are as they were"
    stirred()
    again = Trained(spec)
    assert not differences(spec, once, again)
    assert once[spec].status == "completed" and once[spec].own_noise == list(outlined(spec).own_noise)
    assert once[spec].notes == [f"trained unstacked: {own_noise.ALONE}"]


@pytest.mark.parametrize(("group", "what"), [("LAYERS", "Dropout"), ("CALLS", "numpy"), ("CALLS", "torch generator")])
def test_it_is_noise_new_at_each_step_and_of_each_seed(group: str, what: str) -> None:
    spec = small(group, what)
    cohort, other = cohort_of(spec), cohort_of(small(group, what, seed=1))
    batch = next(iter(cohort.replicas.batches.epoch()))
    model = cohort.replicas.model
    outs = [model(batch.x, cohort.replicas.noise) for _ in range(3)]
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(outs))
    model.own_step.zero_()
    assert torch.equal(model(batch.x, cohort.replicas.noise), outs[0]), "the step decides"
    for ours, theirs in zip(other.parameters, cohort.parameters, strict=True):
        ours.data.copy_(theirs.data)
    assert not torch.equal(other.replicas.model(batch.x, cohort.replicas.noise), outs[0])
    assert len({own_noise.draw_seed(s, p, t) for s in range(5) for p in (0, 1) for t in range(50)}) == 500


def steps(cohort: Training, n: int) -> None:
    for _, batch in zip(range(n), cohort.replicas.batches.epoch(), strict=False):
        cohort.train_step(batch, 1.0)


def test_it_goes_on_where_it_was() -> None:
    """The number of the step is one of the model's buffers, so whatever keeps those keeps it."""
    spec = small("LAYERS", "Dropout", optimizer="sgd", momentum=0.0)
    whole, part = cohort_of(spec), cohort_of(spec)
    steps(whole, 3)
    steps(part, 2)
    after = cohort_of(spec)
    kept = {**dict(part.replicas.model.named_parameters()), **dict(part.replicas.model.named_buffers())}
    now = {**dict(after.replicas.model.named_parameters()), **dict(after.replicas.model.named_buffers())}
    for name, tensor in kept.items():
        now[name].data.copy_(tensor.data)
    batches = list(after.replicas.batches.epoch())
    after.train_step(batches[2], 1.0)
    for one, other in zip(whole.parameters, after.parameters, strict=True):
        assert torch.equal(one, other)


def test_noise_in_evaluation_is_the_same_at_each_look() -> None:
    cohort = cohort_of(small("LATE", "F.dropout"))
    one, other = evaluate(cohort.replicas, "val"), evaluate(cohort.replicas, "val")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_stack_of_the_users_own_trains_one_by_one() -> None:
    specs = [make_spec("noisy_models.Stacked", seed=s, rate=0.2) for s in (0, 1)]
    found = outline(specs[0].model, table_of(specs[0]))
    assert found.own_noise == ("its forward",)
    assert not _stacks(Cohort(tuple(specs), found), "cpu")
    with pytest.raises(ValueError, match="one run at a time, not 2"):
        cohort_of(*specs)
    first = Trained(specs[0])
    stirred()
    assert not differences(specs[0], first, Trained(specs[0]))


def test_it_is_put_back_where_a_module_raises() -> None:
    cohort = cohort_of(small("LAYERS", "Dropout"))
    before = states()
    with pytest.raises(RuntimeError):
        cohort.replicas.model(torch.zeros(1, 4, 999), cohort.replicas.noise)
    assert states() == before and not hasattr(cohort.replicas.model, "own_draws")


def test_a_constructor_that_draws_elsewhere_is_seeded_too() -> None:
    spec = make_spec("noisy_models.Started", epochs=1)
    one = Trained(spec)
    stirred()
    assert not differences(spec, one, Trained(spec))


def test_a_stack_of_the_users_own_starts_each_replica_as_alone() -> None:
    one, other = (make_spec("noisy_models.StartedStack", seed=s, rate=0.2) for s in (3, 4))
    alone = Trained(one)
    before = states()
    stirred()
    stirring = states()
    together = Trained(other, one)
    assert states() == stirring != before
    assert not differences(one, alone, together)


def test_what_is_said_before_it_trains() -> None:
    spec = small("LAYERS", "Dropout")
    (warning,) = warnings(spec, outlined(spec))
    assert (
        "draws random numbers of its own (middle (Dropout))" in warning and "the arm called none has noise" in warning
    )
    assert vmap_check.unstacked(spec.model, outlined(spec), spec.train, "cpu") == own_noise.ALONE


@pytest.mark.parametrize("mode", ["mc", "ensemble"])
def test_passes_with_noise_are_refused(mode: Any) -> None:
    """They would leave the module's own noise off, and call the disagreement of its networks 0."""
    spec = small("LAYERS", "Dropout").model_copy(update={"eval": EvalSpec(mode=mode, passes=3)})
    reason = check(spec, table_of(spec), outlined(spec))
    assert reason is not None and f"eval.mode={mode}" in reason and "middle (Dropout)" in reason
    silent = small("SILENT", "Dropout").model_copy(update={"eval": EvalSpec(mode=mode, passes=3)})
    assert check(silent, table_of(silent), outlined(silent)) is None
