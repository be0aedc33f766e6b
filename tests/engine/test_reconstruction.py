"""Reconstruction as the loop trains it: against the clean input, with a loss and no accuracy."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from training import Trained, cohort_of, differences, made_table, make_spec, table_of

from dropbench.data.base import Table
from dropbench.engine.example_batches import split_for
from dropbench.spec import RunSpec


def run_of(variant: str = "none", **settings: object) -> RunSpec:
    """A run without accuracy, which a reconstruction does not have."""
    given = {"options": {"widths": [32, 16]}, "placement": ["input"], "epochs": 4} | settings
    made = make_spec("autoencoder", variant=variant, **given)  # type: ignore[arg-type]
    return made.model_copy(update={"metric": {"loss": made.metric["loss"]}})


def test_it_learns_to_reconstruct_its_normalised_input() -> None:
    """The recorded loss by hand, and far below 1, the variance of what is reconstructed."""
    run = run_of(epochs=20)
    trained = Trained(run)
    weights, table = trained.weights[run.run_id], table_of(run)
    split = split_for(table, run.data, run.seed)
    flat = table.x.double().flatten(1)
    x = (flat[split.val] - flat[split.train].mean()) / flat[split.train].std(correction=0)
    h = x
    for layer in ("hidden.0.linear", "hidden.1.linear", "hidden.2.linear", "output"):
        h = h @ weights[f"{layer}.weight"].double() + weights[f"{layer}.bias"].double()
        h = h if layer == "output" else h.relu()
    got = trained[run].history[-1]["val_loss"]
    assert got == pytest.approx(float(F.mse_loss(h, x)), rel=1e-4) and got < 0.6
    assert set(trained[run].metrics) == {"train_loss", "val_loss", "gap_loss", "test_loss"}


def test_the_target_is_the_input_before_its_noise() -> None:
    """With everything dropped in training but nothing to see, the target does not become zero as well."""
    cohort = cohort_of(run_of("standard", rate=0.999))
    one = next(cohort.replicas.batches.epoch())
    with torch.no_grad():
        for p in cohort.replicas.model.output.parameters():  # type: ignore[union-attr]
            p.zero_()
    loss, _ = cohort.train_step(one, 1.0)
    torch.testing.assert_close(loss[0], one.x.square().mean())


def correlated() -> Table:
    """Sixteen numbers that all say the same two things, so that what is lost can be told from the rest."""
    table = made_table(600, (2,), axes="F")
    mixing = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
    return Table("made", table.x @ mixing, table.y, "F", 3)


def test_trained_on_noise_it_denoises_better() -> None:
    """On an input half of which is zeroed, against the clean one: what Vincent et al. 2008 train it for."""
    errors = {}
    for variant in ("none", "unscaled"):
        run = run_of(variant, rate=0.5 if variant == "unscaled" else 0.0, epochs=30, split={"n_train": None})
        cohort = cohort_of(run, table=correlated())
        for _ in range(30):
            for one in cohort.replicas.batches.epoch():
                cohort.train_step(one, 1.0)
        cohort.replicas.noise.training = False
        x = next(cohort.replicas.batches.part("val", 1000)).x
        kept = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) > 0.5
        with torch.no_grad():
            errors[variant] = float((cohort.replicas.model(x * kept, cohort.replicas.noise) - x).square().mean())
    assert errors["unscaled"] < 0.7 * errors["none"]


@pytest.mark.parametrize("variant", ["standard", "concrete", "kingma"])
def test_the_same_alone_and_in_a_stack(variant: str) -> None:
    runs = [run_of(variant, rate=r, seed=s, placement=["*"], batch_size=33) for r, s in ((0.3, 1), (0.6, 0), (0.3, 2))]
    together = Trained(*runs, run_of(seed=1, placement=None, batch_size=33))
    for run in runs:
        assert not differences(run, Trained(run), together)
