"""Nothing touches the generators that a process shares."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from training import Trained, make_spec


def states() -> tuple[object, ...]:
    kind, keys, *rest = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), (kind, keys.tobytes(), *rest), random.getstate()


@pytest.mark.parametrize(
    "spec",
    [
        make_spec("mlp", variant="dropconnect", rate=0.5, split={"label_noise": 0.2}),
        make_spec("cnn", variant="gaussian", rate=0.5, augment={"crop": 1, "flip": 0.5, "rotation": 10, "erase": 0.5}),
        make_spec("rnn", variant="locked", rate=0.5, precision="bf16"),
        make_spec("user_models.Small", rate=0.5),
    ],
    ids=["mlp", "cnn", "rnn", "plain"],
)
def test_training_leaves_the_global_generators_alone(spec) -> None:  # type: ignore[no-untyped-def]
    before = states()
    first = Trained(spec)
    assert states() == before
    torch.manual_seed(12345)  # and does not listen to them either
    np.random.seed(12345)
    second = Trained(spec)
    assert [r["train_loss"] for r in first[spec].history] == [r["train_loss"] for r in second[spec].history]
