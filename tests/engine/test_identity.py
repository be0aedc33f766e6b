"""A run is the same to the last bit alone and in any cohort, in any position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from noise_kit import VARIANTS
from training import Trained, arms, assert_identical, differences, make_spec

from dropbench.data.digits import load
from dropbench.planning.outline import outline


def pairs() -> list[tuple[str, str]]:
    """Every model with every variant of the folder that has a site in it, so that a new variant is tested by itself."""
    digits = load(Path(), False)
    sites = {model: outline(make_spec(model).model, digits).sites for model in ("mlp", "cnn", "rnn")}
    return [(m, v) for m in sites for v, made in VARIANTS.items() if any(made.supports(s) is None for s in sites[m])]


@pytest.mark.parametrize("batch_size", [32, 33, 100])
@pytest.mark.parametrize(("model", "variant"), pairs())
def test_every_variant_of_every_model(model: str, variant: str, batch_size: int) -> None:
    run, cohorts = arms(model, variant, {}, batch_size=batch_size)
    assert_identical(run, *cohorts)


@pytest.mark.parametrize("hidden", [5, 16])
@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_every_cell(cell: str, hidden: int) -> None:
    run, cohorts = arms("rnn", "locked", {}, options={"cell": cell, "hidden": hidden, "layers": 2}, batch_size=33)
    assert_identical(run, *cohorts)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("variant", ["standard", "recurrent", "zoneout", "weight_drop"])
def test_layers_so_large_that_other_kernels_take_over(variant: str, cell: str) -> None:
    """In which, too, a run without noise is the same beside runs with, whatever way these go."""
    options = {"cell": cell, "hidden": 100}
    run, cohorts = arms("rnn", variant, {}, options=options, batch_size=33, epochs=1)
    assert_identical(run, *cohorts[-2:])
    none = make_spec("rnn", variant="none", rate=0.0, seed=3, lr=0.01, options=options, batch_size=33, epochs=1)
    assert_identical(none, [run, *cohorts[1]])


@pytest.mark.parametrize("place", ["before_activation", "after_activation", "after_dropout"])
@pytest.mark.parametrize(
    ("model", "options"),
    [("mlp", {"widths": [24, 17]}), ("mlp", {"widths": [32, 16]}), ("cnn", {"channels": [4, 5], "head_widths": [11]})],
    ids=["mlp_odd", "mlp_whole_vectors", "cnn"],
)
def test_batch_norm(model: str, options: dict[str, Any], place: str) -> None:
    run, cohorts = arms(model, "standard", {}, options={**options, "batch_norm": place}, batch_size=33)
    assert_identical(run, *cohorts)


@pytest.mark.parametrize("data", ["wine", "breast_cancer"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "selu", "sigmoid", "leaky_relu", "mish"])
def test_odd_tables_and_every_activation(data: str, activation: str) -> None:
    run, cohorts = arms(
        "mlp",
        "standard",
        {},
        data=data,
        split={"n_train": None},
        options={"widths": [7, 13], "activation": activation},
        batch_size=33,
    )
    assert_identical(run, *cohorts)


@pytest.mark.parametrize("num_embed", ["plr", "pbld"])
def test_embedded_numbers(num_embed: str) -> None:
    options = {"widths": [7, 13], "num_embed": num_embed, "embed_size": 3, "frequencies": 5}
    run, cohorts = arms("mlp", "standard", {}, data="wine", split={"n_train": None}, options=options, batch_size=33)
    assert_identical(run, *cohorts)


@pytest.mark.parametrize("data", ["wine", "digits"])
@pytest.mark.parametrize("activation", ["selu", "mish"])
def test_realmlp(data: str, activation: str) -> None:
    """Its starting weights too, which are fitted to each seed's examples, and its parameters' paces."""
    train = {"optimizer": "adamw", "decay_schedule": "flat_cos", "schedule": "coslog4", "beta2": 0.95, "batch_size": 33}
    own = {"data": data, "options": {"activation": activation}, "split": {"n_train": 100}}
    run, cohorts = arms("realmlp", "standard", {}, **own, **train)
    assert_identical(run, *cohorts)


@pytest.mark.parametrize("model", ["mlp", "cnn", "rnn"])
@pytest.mark.parametrize(
    "train",
    [
        {"optimizer": "sgd", "nesterov": True, "schedule": "cosine", "warmup_epochs": 1, "momentum_start": 0.5},
        {"optimizer": "adamw", "grad_clip": 0.5, "max_norm": 0.9, "label_smoothing": 0.1},
        {"precision": "bf16"},
    ],
    ids=["sgd", "clip_and_max_norm", "bf16"],
)
def test_other_settings(model: str, train: dict[str, Any]) -> None:
    run, cohorts = arms(model, "standard", {}, batch_size=33, **train)
    assert_identical(run, *cohorts)


@pytest.mark.parametrize("pooling", ["max", "avg", "none"])
def test_augmentation_and_pooling(pooling: str) -> None:
    run, cohorts = arms(
        "cnn",
        "spatial",
        {},
        batch_size=33,
        options={"pooling": pooling},
        augment={"crop": 1, "flip": 0.5, "erase": 0.3},
    )
    assert_identical(run, *cohorts)


@pytest.mark.parametrize("restore", [True, False])
@pytest.mark.parametrize("model", ["mlp", "cnn", "rnn"])
def test_neighbours_that_stop_early(model: str, restore: bool) -> None:
    """They leave in the middle of a block of noise, and the others go on where they were."""
    stopping = {"epochs": 9, "patience": 2, "restore_best": restore}
    lr = {"mlp": 0.33, "cnn": 0.33, "rnn": 0.45}[model]  # so that it outlasts some; neither first nor last of the stack
    run = make_spec(model, rate=0.5, seed=3, lr=lr, batch_size=33, **stopping)
    quick = [
        make_spec(model, rate=0.1 * seed, seed=seed, lr=0.2 + 0.1 * seed, batch_size=33, **stopping)
        for seed in (1, 2, 3, 4)
    ]
    cohort = Trained(run, *quick)
    epochs = {len(r.history) for r in cohort.results.values()}
    assert len(epochs) > 1 and len(cohort[run].history) > min(epochs)  # some did leave before
    assert_identical(run, quick)
    for spec in quick:  # and those who leave are themselves too
        assert not differences(spec, Trained(spec), cohort)


def test_the_order_in_which_runs_are_given_does_not_matter() -> None:
    run, cohorts = arms("mlp", "standard", {})
    others = cohorts[-1]
    one, other = Trained(run, *others), Trained(*reversed(others), run)
    for spec in (run, *others):
        assert not differences(spec, one, other)


def test_evaluation_in_several_chunks() -> None:
    """1,797 digits are more than a chunk."""
    run, cohorts = arms("mlp", "standard", {}, split={"n_train": None}, epochs=1, batch_size=100)
    assert_identical(run, *cohorts[-1:])


@pytest.mark.parametrize("model", ["mlp", "cnn", "rnn"])
@pytest.mark.parametrize("size", [2, 3, 5, 8, 16, 40])
def test_default_sizes_in_large_stacks(model: str, size: int) -> None:
    options = {
        "mlp": {"widths": [128, 128]},
        "cnn": {"channels": [32, 64], "head_widths": [128]},
        "rnn": {"hidden": 64},
    }
    runs = [
        make_spec(
            model,
            options=options[model],
            rate=0.1 * (k % 5),
            seed=k // 5,
            lr=0.001 * (1 + k % 3),
            batch_size=64,
            epochs=1,
        )
        for k in range(size if model == "mlp" else min(size, 8))
    ]
    together = Trained(*runs)
    for run in (runs[0], runs[-1], runs[len(runs) // 2]):
        assert not differences(run, Trained(run), together)
