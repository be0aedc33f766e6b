"""The mistakes that DESIGN lists because others made them, each shown not to be made here.

Some are tested again, and harder, beside the code that could make them; the names say where.
"""

from __future__ import annotations

import math

import pytest
import torch
from noise_kit import SET_UP, SITES, VARIANTS, factor, inputs, stack_noise, through
from training import Trained, cohort_of, make_spec

from dropbench.config.options import called
from dropbench.nn.attention import SelfAttention
from dropbench.sites import Site

TF = Site("steps", "activation", (7, 24), "TF")
MAPS = Site("maps", "activation", (16, 8, 8), "CHW")


@pytest.mark.parametrize("variant", VARIANTS)
def test_noise_that_ignores_evaluation(variant: str) -> None:
    """torch's `F.dropout(x)` drops in evaluation too. Here twice the same comes out, at every site of every variant."""
    for at in SITES:
        if VARIANTS[variant].supports(at) is None:
            noise = stack_noise(variant, at, [0.5], [0], 5)
            noise.training = False
            tensors = inputs(at, 1, 5)
            assert torch.equal(through(noise, at, tensors), through(noise, at, tensors))


def test_attention_dropout_left_on_in_evaluation() -> None:
    """`scaled_dot_product_attention(dropout_p=p)` drops whatever the module's mode; see tests/nn/test_attention.py."""
    at = next(s for s in SITES if s.kind == "attention")
    noise = stack_noise("attention", at, [0.5], [0], 5)
    assert noise.acts(at.name)
    noise.training = False
    assert not noise.acts(at.name), "a model asks this before it takes the fused path, without noise"
    assert "dropout_p" not in SelfAttention.forward.__code__.co_names


def test_training_loss_as_the_train_side_of_the_gap() -> None:
    """Under noise the loss of a step is far above that of the network without it: a gap from it would be flattering."""
    run = make_spec(rate=0.6, epochs=15, options={"widths": [64]})
    cohort = cohort_of(run)
    (result,) = cohort.run()
    batch = next(iter(cohort.replicas.batches.epoch()))
    noisy = float(cohort.replicas.losses(batch).detach())
    last = result.history[-1]
    assert noisy > 1.5 * last["train_loss"]
    assert last["gap_loss"] == last["train_loss"] - last["val_loss"]


def test_rate_is_not_the_keep_probability() -> None:
    (drawn,) = factor(stack_noise("standard", TF, [0.1], [0], 200), TF, 1, 200)
    assert float((drawn == 0).float().mean()) == pytest.approx(0.1, abs=0.01)
    assert float(drawn.max()) == pytest.approx(1 / 0.9, rel=1e-4)


def test_whole_maps_of_a_sequence_are_its_features() -> None:
    """torch's `Dropout2d` has read three axes as (C, H, W) and as (N, C, L); here the site says what they are."""
    (drawn,) = factor(stack_noise("spatial", TF, [0.5], [0], 50), TF, 1, 50)
    assert torch.equal(drawn, drawn[:, :1].expand_as(drawn)), "one draw a feature, over all steps"
    assert not torch.equal(drawn, drawn[:, :, :1].expand_as(drawn))


def test_dropout_of_a_recurrent_network_of_one_layer() -> None:
    """`nn.LSTM(dropout=0.5)` with one layer drops nothing, and only warns."""
    runs = [make_spec("rnn", rate=r, options={"layers": 1}) for r in (0.0, 0.5)]
    trained = Trained(*runs)
    assert trained[runs[1]].rates, "it acts somewhere"
    assert trained[runs[0]].metrics != trained[runs[1]].metrics


def test_weight_drop_that_never_switches_off_or_cuts_the_raw_weight_off() -> None:
    """See tests/dropout/test_weight_drop.py for both in a layer."""
    at = next(s for s in SITES if s.kind == "recurrent_weight")
    noise = stack_noise("weight_drop", at, [0.5], [0], 5)
    (weight,) = inputs(at, 1, 5)
    weight.requires_grad_()
    dropped = noise(at.name, weight)
    (gradient,) = torch.autograd.grad(dropped.sum(), weight)
    assert torch.equal(gradient != 0, dropped != 0) and bool(gradient.any())
    noise.training = False
    assert noise(at.name, weight) is weight


def test_locked_masks_hold_over_time_and_not_over_the_batch() -> None:
    (drawn,) = factor(stack_noise("locked", TF, [0.5], [0], 50), TF, 1, 50)
    assert torch.equal(drawn, drawn[:, :1].expand_as(drawn))
    assert len({tuple(row.tolist()) for row in drawn[:, 0]}) > 40


def test_dropblock_drops_what_its_rate_says() -> None:
    """Wrong gammas have dropped 0.9 at a nominal 0.1."""
    (drawn,) = factor(stack_noise("dropblock.clipped", MAPS, [0.1], [0], 400), MAPS, 1, 400)
    assert float((drawn == 0).float().mean()) == pytest.approx(0.1, abs=0.01)


def test_drop_connect_is_two_things_and_each_has_its_name() -> None:
    branch = next(s for s in SITES if s.kind == "branch")
    weight = next(s for s in SITES if s.kind == "weight")
    assert VARIANTS["dropconnect"].supports(branch) and not VARIANTS["dropconnect"].supports(weight)
    assert VARIANTS["stochastic_depth"].supports(weight) and not VARIANTS["stochastic_depth"].supports(branch)
    assert called("dropout", "drop_connect") == ["dropconnect", "stochastic_depth"]


def test_variational_is_two_things_and_neither_is_called_so() -> None:
    assert called("dropout", "Variational") == ["kingma", "locked"]
    assert "variational" not in VARIANTS


def test_alpha_dropout_without_selu_is_warned_of() -> None:
    relu, selu = (Site("hidden.0", "activation", (5,), "F", follows=f) for f in ("relu", "selu"))
    assert "model.activation=selu" in str(VARIANTS["alpha"].warns(relu))
    assert VARIANTS["alpha"].warns(selu) is None


def test_monte_carlo_passes_leave_batch_norm_in_evaluation() -> None:
    """See tests/engine/test_uncertainty.py: its statistics stay as they are, and no example sees another."""
    run = make_spec(rate=0.5, options={"widths": [24], "batch_norm": "before_activation"})
    cohort = cohort_of(run)
    noise = cohort.replicas.noise.forked("mc/val", 8)
    cohort.replicas.model.eval()
    batch = next(iter(cohort.replicas.batches.part("val", 8)))
    before = {name: b.clone() for name, b in cohort.replicas.model.named_buffers()}
    assert not torch.equal(cohort.replicas.model(batch.x, noise), cohort.replicas.model(batch.x, noise)), (
        "the noise is on"
    )
    assert all(torch.equal(b, before[name]) for name, b in cohort.replicas.model.named_buffers())


def test_dropout_before_batch_norm_is_possible_but_not_the_default() -> None:
    """The variance shift itself is measured in tests/models/test_batch_norm_and_noise.py."""
    run = make_spec(options={"widths": [24]})
    assert cohort_of(run).replicas.model.hidden[0].batch_norm == "none"


def test_seed_0_is_a_seed() -> None:
    """`if seed:` takes it for none."""
    first, again, other = (Trained(make_spec(rate=0.5, seed=s, epochs=1)) for s in (0, 0, 1))
    values = [next(iter(t.results.values())).metrics["train_loss"] for t in (first, again, other)]
    assert values[0] == values[1] != values[2]
    assert math.isfinite(values[0])


def test_each_setting_of_a_variant_is_in_the_contract_test() -> None:
    assert set(VARIANTS) <= {name.partition(".")[0] for name in SET_UP}
