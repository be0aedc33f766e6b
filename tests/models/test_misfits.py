"""Networks that do not fit the data: what their messages say to do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dropbench.data.views import Shape
from dropbench.errors import UsageError
from dropbench.models.module import Module


class Network(nn.Module):
    """A network whose forward is `does`, a name in `FORWARDS`."""

    def __init__(self, does: str, latent: int = 3) -> None:
        super().__init__()
        self.head, self.rnn = nn.Linear(4, latent), nn.GRU(4, latent)
        self.does = does

    def forward(self, *given: Tensor) -> Any:
        return FORWARDS[self.does](self, *given)


FORWARDS: dict[str, Any] = {
    "two inputs": lambda net, x, labels: net.head(x),
    "a named input": lambda net, x: net.head(x[0.5]),
    "double": lambda net, x: net.head(x) @ torch.zeros(3, 2, dtype=torch.float64),
    "cuda": lambda net, x: (_ for _ in ()).throw(AssertionError("Torch not compiled with CUDA enabled")),
    "no logits": lambda net, x: {"out": net.head(x)},
    "one logit": lambda net, x: net.head(x)[:, :1],
    "squeezed": lambda net, x: net.head(x)[:, 0],
    "its input": lambda net, x: x.clone(),
    "three": lambda net, x: net.head(x),
    "steps": lambda net, x: net.rnn(x)[0][-1],
}
FLAT, SEQUENCE = Shape((4,), "flat"), Shape((7, 4), "sequence")


@pytest.mark.parametrize(
    ("does", "shape", "told"),
    [
        ("two inputs", FLAT, "; its forward gets one tensor, float32 of the shape [B, 4], and model.input sets"),
        ("a named input", FLAT, "its forward gets one tensor, float32 of the shape [B, 4]"),
        ("double", FLAT, "its forward gets one tensor, float32 of the shape [B, 4]"),
        ("cuda", FLAT, "; dropbench moves network and data by itself: leave out .cuda() and .to(device)"),
        ("no logits", FLAT, "a dict without logits, but the data have 2 classes: return a tensor with one row of logits per"),
        ("one logit", FLAT, "of shape [B, 1], but the data have 2 classes: return two logits per example, one for each class"),
        ("squeezed", FLAT, "of shape [B], but the data have 2 classes: return two logits per example, one for each class"),
        ("its input", FLAT, "of shape [B, 4], but the data have 2 classes: that is the shape of its input, and what"),
        ("three", FLAT, "pass it the number of classes, if one of its arguments is that (latent), or let its last layer give"),
        ("steps", SEQUENCE, "return one row of logits per example; perhaps it reads examples as steps (batch_first=True?)"),
    ],
)  # fmt: skip
def test_a_message_says_what_to_change(does: str, shape: Shape, told: str) -> None:
    with pytest.raises(UsageError) as error:
        Module.view_of([shape], 2, "classify", target="test_misfits.Network", args={"does": does})
    assert told in str(error.value)


def test_arguments_are_spoken_of_where_the_network_cannot_be_made() -> None:
    with pytest.raises(UsageError, match=r"; model\.args sets its arguments$"):
        Module.view_of([FLAT], 2, "classify", target="test_misfits.Network", args={"does": "three", "latent": "x"})
