"""RealMLP against its parts written out in plain torch, and how it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from model_kit import TABLES, Recorder, built
from own_tables import loaded, mixed
from specs_kit import spec_of
from training import cohort_of, make_spec

from dropbench.config.compose import Composer
from dropbench.engine.streams import StackedDraws
from dropbench.nn.pace import Pace, paces

CPU = torch.device("cpu")
FEATURES = TABLES[2]
"""Seven numbers."""


@pytest.mark.parametrize("activation", ["selu", "mish"])
def test_equals_plain_torch_on_a_table_of_numbers_flags_and_a_category(tmp_path: Path, activation: str) -> None:
    """size and age, whose gaps have a flag, a date, and a colour of four levels with the missing one."""
    table = loaded(tmp_path, mixed())
    assert table.prepared is not None
    numbers = len(table.prepared.columns.numbers)
    model = built("realmlp", (0, 1), table, activation=activation).double()
    with torch.no_grad():
        for p in model.parameters():  # nothing where it starts
            p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    x = table.prepared.fitted(torch.arange(30)).inputs(table.prepared.raw)[:12].double().expand(2, -1, -1)
    out = model(x, Recorder())
    for k in range(2):
        embed = model.embed
        seen = []
        for i in range(numbers):
            waves = torch.cos(2 * torch.pi * x[k, :, i : i + 1] * embed.frequency[k, i] + embed.phase[k, i])
            seen += [waves @ embed.weight[k, i] + embed.bias[k, i], x[k, :, i : i + 1]]
        h = torch.cat([*seen, x[k, :, numbers:]], 1) * model.scale.weight[k]
        for block in model.hidden:
            z = F.linear(h, block.linear.weight[k].T, block.linear.bias[k, 0])
            h = z + (getattr(F, activation)(z) - z) * block.activation.share[k]
        torch.testing.assert_close(out[k], F.linear(h, model.head.weight[k].T, model.head.bias[k, 0]))


def test_each_unit_starts_with_variance_one_and_zero_among_the_examples() -> None:
    model = built("realmlp", (0, 1), FEATURES, widths=[200, 100])
    x = torch.randn(2, 300, 7, generator=torch.Generator().manual_seed(0)) * 5 + 3
    model.start_from(x, StackedDraws([0, 1], "start", CPU))
    seen = model._seen(x)
    first, second = model.hidden
    for layer, after in ((first.linear, first), (second.linear, second), (model.head, None)):
        out = layer(seen)
        torch.testing.assert_close(out.std(1, correction=0), torch.ones(2, out.shape[-1]), rtol=1e-4, atol=1e-4)
        assert bool((out.amin(1) < 0).all() and (out.amax(1) > 0).all())
        seen = after.activation(out) if after is not None else out
    middle = first.linear(model._seen(x)).detach().mean(1)  # half a deviation or so from zero, on both sides
    assert 0.2 < float(middle.std()) < 0.8 and abs(float(middle.mean())) < 0.2


def test_an_input_that_never_varies_is_no_reason_to_divide_by_nothing() -> None:
    model = built("realmlp", data=FEATURES)
    model.start_from(torch.ones(1, 20, 7), StackedDraws([0], "start", CPU))
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


def test_a_cohort_starts_from_the_training_examples_of_each_seed() -> None:
    cohort = cohort_of(make_spec("realmlp", data="wine", split={"n_train": 80}, seed=1))
    model = cohort.replicas.model
    (batch,) = cohort.replicas.batches.part("train", 80)
    out = model.hidden[0].linear(model._seen(batch.x))  # type: ignore[union-attr,operator,index]
    torch.testing.assert_close(out.std(1, correction=0), torch.ones(1, 24), rtol=1e-3, atol=1e-3)


def test_paces_are_those_of_the_paper() -> None:
    model = built("realmlp", widths=[16, 4])
    inputs = model.scale.weight.shape[2]
    said = dict(zip((name for name, _ in model.named_parameters()), paces(model), strict=True))
    assert said.pop("scale.weight") == Pace(6.0)
    assert said.pop("hidden.0.linear.weight") == Pace(1 / inputs**0.5, inputs**0.5)
    assert said.pop("hidden.1.linear.weight") == Pace(1 / 4, 4) and said.pop("head.weight") == Pace(1 / 2, 2)
    for name, pace in said.items():
        assert pace == (Pace(0.1, 0.0) if name.endswith(("linear.bias", "head.bias")) else Pace(0.1)), name


def test_a_table_of_categories_alone_has_nothing_to_embed(tmp_path: Path) -> None:
    model = built("realmlp", data=loaded(tmp_path, mixed()[["colour", "y"]]))
    assert model.embed is None and model.scale.weight.shape[2] == 4


def test_recipes_are_pytabkits(c: Composer) -> None:
    """DefaultParams.RealMLP_TD_CLASS and RealMLP_TD_REG of pytabkit 1.7."""
    train = spec_of(c, "model=realmlp", "train=realmlp").train
    assert (train.epochs, train.batch_size, train.optimizer, train.schedule) == (256, 256, "adamw", "coslog4")
    assert (train.lr, train.beta2, train.weight_decay, train.decay_schedule) == (0.04, 0.95, 0.02, "flat_cos")
    assert (train.label_smoothing, train.monitor) == (0.1, "val_accuracy")
    numbers = spec_of(c, "model=realmlp", "train=realmlp_numbers").train
    changed = {"name": "realmlp_numbers", "lr": 0.2, "label_smoothing": 0.0, "monitor": "val_loss"}
    assert numbers == train.model_copy(update=changed)
