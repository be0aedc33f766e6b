"""max_norm limits what comes into each unit of every kind of layer: torch.renorm of units laid out by hand is the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from texts import running_text
from torch import Tensor, nn
from training import cohort_of, make_spec

from dropbench.engine import gradients
from dropbench.engine.user_module import Plain
from dropbench.engine.vmapped import Vmapped

LIMIT = 0.3
Units = Callable[[Tensor], Tensor]


def first(weight: Tensor) -> Tensor:
    """A row a unit."""
    return weight.flatten(1)


def transposed(groups: int) -> Units:
    """[inputs, outputs / groups, ...]: the outputs of a group see its inputs alone."""
    return lambda weight: torch.cat([part.transpose(0, 1).flatten(1) for part in weight.chunk(groups)])


class OfRows(nn.Module):
    """A user's layer with weights [inputs, outputs], which says so."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 4))
        self.incoming = {"weight": (0,)}


class Raw(nn.Module):
    """Parameters by themselves: weights, and positions, which are one for all examples."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 6))
        self.positions = nn.Parameter(torch.randn(1, 7, 6))


class Named(nn.Module):
    """Something else of that name."""

    def __init__(self) -> None:
        super().__init__()
        self.incoming = nn.Linear(5, 4)


LAYERS: dict[str, tuple[Callable[[], nn.Module], dict[str, Units]]] = {
    "Linear": (lambda: nn.Linear(6, 4), {"weight": first}),
    "Bilinear": (lambda: nn.Bilinear(3, 5, 4), {"weight": first}),
    "Bilinear of one": (lambda: nn.Bilinear(3, 5, 1), {"weight": first}),
    "Conv1d": (lambda: nn.Conv1d(3, 4, 5), {"weight": first}),
    "Conv1d of one": (lambda: nn.Conv1d(3, 1, 5), {"weight": first}),
    "Conv2d": (lambda: nn.Conv2d(3, 4, 3), {"weight": first}),
    "Conv3d": (lambda: nn.Conv3d(2, 4, 2), {"weight": first}),
    "Conv2d groups": (lambda: nn.Conv2d(6, 4, 3, groups=2), {"weight": first}),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(6, 4, 3), {"weight": transposed(1)}),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(6, 4, 3), {"weight": transposed(1)}),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(3, 4, 2), {"weight": transposed(1)}),
    "ConvTranspose2d groups": (lambda: nn.ConvTranspose2d(6, 4, 3, groups=2), {"weight": transposed(2)}),
    "ConvTranspose1d depthwise": (lambda: nn.ConvTranspose1d(6, 6, 3, groups=6), {"weight": transposed(6)}),
    "RNN": (lambda: nn.RNN(6, 4), {"weight_ih_l0": first, "weight_hh_l0": first}),
    "GRU": (lambda: nn.GRU(6, 4), {"weight_ih_l0": first, "weight_hh_l0": first}),
    "LSTM": (
        lambda: nn.LSTM(6, 4, proj_size=3, bidirectional=True),
        {f"weight_{w}_l0{r}": first for w in ("ih", "hh", "hr") for r in ("", "_reverse")},
    ),
    "LSTMCell": (lambda: nn.LSTMCell(6, 4), {"weight_ih": first, "weight_hh": first}),
    "MultiheadAttention": (
        lambda: nn.MultiheadAttention(6, 2, add_bias_kv=True),
        {"in_proj_weight": first, "out_proj.weight": first},
    ),
    "MultiheadAttention, other keys": (
        lambda: nn.MultiheadAttention(6, 2, kdim=5, vdim=4),
        {f"{w}_proj_weight": first for w in "qkv"} | {"out_proj.weight": first},
    ),
    "Embedding": (lambda: nn.Embedding(9, 4), {"weight": first}),
    "LayerNorm": (lambda: nn.LayerNorm([3, 4]), {}),
    "RMSNorm": (lambda: nn.RMSNorm([3, 4]), {}),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4), {}),
    "PReLU": (lambda: nn.PReLU(4), {}),
    "said by the layer": (OfRows, {"weight": lambda weight: weight.T}),
    "raw": (Raw, {"weight": first}),
    "named": (Named, {"incoming.weight": first}),
}


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("what", LAYERS)
def test_each_kind_of_layer(what: str, stacked: bool) -> None:
    build, units = LAYERS[what]

    def construct() -> nn.Module:
        module = nn.Module()
        module.layer = build()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.normal_()
        return module

    held = Vmapped(construct, [0, 1, 2]) if stacked else Plain(construct, 0)
    before = {name: getattr(held, own).detach().clone() for name, own in held.names.items()}
    gradients.max_norm(held, LIMIT)
    for name, own in held.names.items():
        after = getattr(held, own).detach()
        of = units.get(name.removeprefix("layer."))
        if of is None:
            assert torch.equal(after, before[name]), f"{name} holds no weights of units"
            continue
        for k, weight in enumerate(before[name]):
            expected = torch.renorm(of(weight), 2, 0, LIMIT)
            torch.testing.assert_close(of(after[k]), expected, rtol=1e-4, atol=1e-6)
            assert not torch.equal(of(after[k]), of(weight))


def test_layers_hidden_deep_in_a_module() -> None:
    held = Plain(lambda: nn.Sequential(nn.Sequential(nn.ConvTranspose2d(2, 3, 2), nn.Flatten()), nn.Linear(12, 2)), 0)
    gradients.max_norm(held, 0.01)
    transpose, linear = (getattr(held, held.names[n])[0] for n in ("0.0.weight", "1.weight"))
    assert float(transposed(1)(transpose).detach().norm(dim=1).max()) == pytest.approx(0.01, rel=1e-4)
    assert float(linear.detach().norm(dim=1).max()) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("tied", [False, True])
def test_the_head_of_a_language_model_whosever_its_weights_are(tied: bool) -> None:
    """With tied weights the rows of the embedding are what comes into the head's units."""
    spec: Any = make_spec("lm", options={"tied": tied})
    model = cohort_of(spec, table=running_text()).replicas.model
    gradients.max_norm(model, 0.01)
    into = model.embedding.weight if tied else model.head.weight.transpose(1, 2)
    torch.testing.assert_close(into.detach().norm(dim=2), torch.full(into.shape[:2], 0.01), rtol=1e-4, atol=0)
