"""The recurrent classifier against plain torch layers, and its read-outs."""

from __future__ import annotations

import pytest
import torch
from model_kit import Recorder, batch, built, torchs_lstm
from noise_kit import factor, stack_noise
from texts import sentences
from torch import nn


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("readout", ["last", "mean"])
def test_equals_plain_torch(readout: str, words: bool) -> None:
    data = sentences() if words else None
    model = built("rnn", data=data, readout=readout)
    examples = x = batch("rnn", data=data)
    if words:  # Padding is looked up like any other word.
        x = nn.functional.embedding(examples, model.embedding.weight[0])
        assert bool((examples == 0).any())
    states = torchs_lstm(model)(x[0])[0]
    read = states[:, -1] if readout == "last" else states.mean(1)
    torch.testing.assert_close(model(examples, Recorder())[0], read @ model.head.weight[0] + model.head.bias[0])


def test_locked_masks_one_state_for_all_steps() -> None:
    """Gal & Ghahramani: each product with the state sees the same features dropped; AWD-LSTM leaves this site out."""
    model = built("rnn", layers=1, cell="vanilla")
    at = next(s for s in model.sites if s.name == "recurrent.0")
    noise, twin = (stack_noise("locked", at, [0.5], [0], 4) for _ in range(2))
    x = batch("rnn")
    mask = factor(twin, at, 1, 4)[0, :, 0]
    layer, state = model.layers[0], torch.zeros(4, 5)
    for t in range(x.shape[2]):
        state = torch.tanh(x[0, :, t] @ layer.weight_input[0] + (state * mask) @ layer.weight_hidden[0])
    torch.testing.assert_close(model(x, noise)[0], state @ model.head.weight[0] + model.head.bias[0])
