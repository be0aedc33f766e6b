"""The language model against plain torch layers, the state that it carries, and where noise goes by itself."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from model_kit import Recorder, batch, built, torchs_lstm, training_of
from noise_kit import VARIANTS
from specs_kit import spec_of
from texts import running_text, text
from torch import Tensor, nn

from dropbench.config.compose import Composer
from dropbench.engine import stack
from dropbench.engine.lr_schedule import lr_factor
from dropbench.errors import UsageError
from dropbench.models.lm import LanguageModel
from dropbench.sites.placement import site_rates


def plain(model: nn.Module, windows: list[Tensor]) -> list[Tensor]:
    """Logits of consecutive windows [B, T] from torch's LSTM with the same weights."""
    lstm = torchs_lstm(model)
    table, state, logits = model.embedding.weight[0], None, []
    out = table.T if not hasattr(model.head, "weight") else model.head.weight[0]
    for x in windows:
        states, state = lstm(nn.functional.embedding(x, table), state)
        logits.append(states @ out + model.head.bias[0])
    return logits


@pytest.mark.parametrize("tied", [False, True])
def test_equals_plain_torch_and_goes_on_from_window_to_window(tied: bool) -> None:
    model = built("lm", tied=tied)
    first, second = batch("lm"), batch("lm").flip(2)
    expected = plain(model, [first[0], second[0]])
    for x, logits in zip((first, second), expected, strict=True):
        torch.testing.assert_close(model(x, Recorder())[0], logits)
    assert not torch.allclose(expected[1], plain(model, [second[0]])[0])
    model.begin()
    torch.testing.assert_close(model(second, Recorder()), plain(model, [second[0]])[0][None])


def test_tied_weights_are_one_parameter_with_both_gradients() -> None:
    model, free = built("lm", tied=True), built("lm")
    assert sum(p.numel() for p in free.parameters()) - sum(p.numel() for p in model.parameters()) == 9 * 5
    with torch.no_grad():
        free.load_state_dict(model.state_dict() | {"head.weight": model.embedding.weight.transpose(1, 2)})
    for one in (model, free):
        one(batch("lm"), Recorder()).square().sum().backward()
    both = free.embedding.weight.grad + free.head.weight.grad.transpose(1, 2)
    torch.testing.assert_close(model.embedding.weight.grad, both)


def test_tied_rows_must_be_as_long_as_the_state() -> None:
    with pytest.raises(UsageError, match=r"model\.embedding=4 is not model\.hidden=5: remove model\.embedding"):
        LanguageModel(1, (5, 9), 9, hidden=5, embedding=4, tied=True)


def test_gradients_end_where_a_window_begins_and_a_stack_can_be_copied_there() -> None:
    model = built("lm", (0, 1))
    model(batch("lm", 2), Recorder())
    assert all(not t.requires_grad for state in model.carried for t in state)
    part = stack.extract(model, torch.tensor([1]))
    part.begin()
    copy.deepcopy(model).begin()
    assert model.carried[0] is not None, "a copy that starts afresh leaves the original where it was"
    assert torch.equal(part(batch("lm"), Recorder()), fresh(model, batch("lm", 2))[1:])


def fresh(model: nn.Module, x: Tensor) -> Tensor:
    stack.begin(model)
    logits: Tensor = model(x[:1].expand_as(x), Recorder())
    return logits


def test_zarembas_dropout_is_where_standard_goes_by_itself() -> None:
    """On what goes up, never on what goes on in time: Zaremba et al. 2014, eq. 6 and figure 2."""
    sites = built("lm", layers=3).sites
    assert list(site_rates(VARIANTS["standard"], sites, 0.5, {}, None)) == ["embedded", "hidden.0", "hidden.1", "head"]


def test_it_learns_what_only_the_carried_state_can_know(c: Composer) -> None:
    """0 1 0 2 in windows of two: after 0 comes what the window before tells, else log 2 / 2 nats a word are left."""
    x = torch.tensor([0, 1, 0, 2]).repeat(550)
    table = text(x, words=3, window=2, val=800, test=800)
    size = ("model=lm", "model.hidden=8", "model.layers=1")
    spec = spec_of(c, *size, "dropout=none", "train.lr=0.02", "train.epochs=12", "train.batch_size=5")
    (result,) = training_of([spec], table).run()
    # The first word after 0 of each of 20 columns cannot be known.
    assert result.metrics["test_loss"] < 0.05 and result.metrics["test_accuracy"] > 0.97
    assert result.metrics["test_perplexity"] == pytest.approx(math.exp(result.metrics["test_loss"]))


def test_running_text_that_has_no_order_is_not_learnt(c: Composer) -> None:
    """Words drawn uniformly from 9: no model predicts them, and the perplexity is about 9."""
    spec = spec_of(c, "model=lm", "dropout=none", "train.epochs=1", "model.hidden=8", "train.batch_size=10")
    (result,) = training_of([spec], running_text()).run()
    assert 8.5 < result.metrics["test_perplexity"] < 10


def test_the_recipe_of_the_small_model_is_zarembas(c: Composer) -> None:
    """Learning rate 1 for 4 epochs, then halved before each of 9 more, clipped at 5, of a loss summed over 20 steps."""
    spec = spec_of(c, "model=lm", "data=ptb", "data.window=20", "train=zaremba_small", "dropout=none")
    train, steps = spec.train, spec.data.options["window"]
    rates = [train.lr * lr_factor(train, epoch + 0.5) / steps for epoch in range(train.epochs)]
    assert rates == [1.0] * 4 + [0.5**i for i in range(1, 10)]
    assert (train.grad_clip * steps, train.batch_size, train.optimizer, train.momentum) == (5, 20, "sgd", 0)
    assert spec.model.options == {"cell": "lstm", "hidden": 200, "layers": 2, "embedding": None, "tied": False}
