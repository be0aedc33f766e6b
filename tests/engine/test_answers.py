"""What a classifier answers on its test split, as the record keeps it."""

from __future__ import annotations

import torch
from training import Trained, made_table, make_spec, table_of

from dropbench.engine.answers import Answers
from dropbench.engine.example_batches import split_for


def test_by_hand_in_pieces() -> None:
    heard = Answers()
    logits = torch.zeros(2, 4, 3)
    logits[0, :, 2] = 1  # the first replica always says 2, the second 0 0 1 1
    logits[1, 2:, 1] = 1
    classes = torch.tensor([[2, 1, 1, 1], [0, 1, 2, 2]])
    heard(logits[:, :3], classes[:, :3])
    heard(logits[:, 3:], classes[:, 3:])
    assert heard.shares() == [{"majority": 0.75, "answered": 1.0}, {"majority": 0.5, "answered": 0.5}]


def test_of_a_run_alone_and_in_a_stack() -> None:
    specs = [make_spec(seed=seed, lr=lr) for seed, lr in ((0, 1e-2), (1, 1e-2), (0, 1e-7))]
    done = Trained(*specs)
    for spec in specs:
        table = table_of(spec)
        counts = table.y[split_for(table, spec.data, spec.seed).test].bincount()
        shares = done[spec].test_classes
        assert shares["majority"] == counts.max().item() / counts.sum().item()
        assert shares["majority"] <= 1 and 0.1 <= shares["answered"] <= 1
        assert Trained(spec)[spec].test_classes == shares


def test_a_network_that_learnt_nothing_says_one_class() -> None:
    table = made_table(200, classes=2)
    table.y[torch.arange(200) % 20 != 0] = 0
    table.x.zero_()
    spec = make_spec(data="made", split={"n_train": 100}, epochs=3)
    shares = Trained(spec, table=table)[spec].test_classes
    assert shares["answered"] == 1.0 and shares["majority"] > 0.9


def test_a_reconstruction_answers_nothing() -> None:
    spec = make_spec("autoencoder", epochs=1)
    spec = spec.model_copy(update={"metric": {"loss": spec.metric["loss"]}})
    assert Trained(spec)[spec].test_classes == {}
