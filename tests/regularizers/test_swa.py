from __future__ import annotations

import pytest
import torch
from regularized import of, off, with_regularizers
from training import Trained, make_spec, table_of, weights_after_each_update

from dropbench.engine.example_batches import split_for


@pytest.mark.parametrize(("share", "every"), [(0.5, 1), (0.3, 2), (1.0, 4)])
def test_what_is_tested_is_the_mean_of_the_weights_over_the_last_share(share: float, every: int) -> None:
    spec = make_spec("mlp", epochs=2)  # of 5 updates each
    run = with_regularizers(spec, of("swa", share, every=every))
    tested = Trained(run).weights[run.run_id]
    seen = weights_after_each_update(run)
    assert len(seen) == 10
    inside = seen[round(10 * (1 - share)) :][every - 1 :: every]
    for name, tensor in tested.items():
        torch.testing.assert_close(tensor, torch.stack([w[name] for w in inside]).mean(0))
    # The mean is looked at and not trained with.
    plain = weights_after_each_update(spec)
    assert all(torch.equal(a[n], b[n]) for a, b in zip(seen, plain, strict=True) for n in a)


def test_before_its_share_the_weights_themselves_are_evaluated() -> None:
    spec = make_spec("mlp", epochs=4)
    run = with_regularizers(spec, of("swa", 0.25))
    with_it, without = Trained(run)[run].history, Trained(spec)[spec].history
    same = [a["val_loss"] == b["val_loss"] for a, b in zip(with_it, without, strict=True)]
    assert same == [True, True, True, False]


@pytest.mark.parametrize("model", ["mlp", "normed.Normed"])
def test_batch_norm_sees_the_training_examples_under_the_mean(model: str) -> None:
    options = {"batch_norm": "before_activation"} if model == "mlp" else {}
    spec = make_spec(model, options=options, epochs=3)
    run = with_regularizers(spec, of("swa", 0.5))
    held = Trained(run).weights[run.run_id]
    table = table_of(spec)
    flat = table.x.double().flatten(1)[split_for(table, spec.data, 0).train]
    x = (flat - flat.mean()) / flat.std(correction=0)
    found = [(t, held[n.replace("mean", "var")]) for n, t in held.items() if n.endswith("running_mean")] or [
        (held["buffer_0"], held["buffer_1"])
    ]
    weight, bias = (
        (held["hidden.0.linear.weight"], held["hidden.0.linear.bias"])
        if model == "mlp"
        else (held["parameter_0"].T, held["parameter_1"])
    )
    came = x @ weight.double() + bias.double()
    torch.testing.assert_close(found[0][0].double(), came.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[0][1].double(), came.var(0), rtol=1e-4, atol=1e-5)


def test_a_replica_without_it_keeps_its_running_statistics() -> None:
    spec = make_spec("mlp", variant="standard", rate=0.4, options={"batch_norm": "before_activation"}, epochs=3)
    silent, acting = with_regularizers(spec, off("swa")), with_regularizers(spec, of("swa", 0.5))
    together, plain = Trained(silent, acting), Trained(spec)
    for name, tensor in plain.weights[spec.run_id].items():
        assert torch.equal(tensor, together.weights[silent.run_id][name]), name
    assert plain[spec].history[-1]["val_loss"] == together[silent].history[-1]["val_loss"]
    assert Trained(acting)[acting].metrics == together[acting].metrics
