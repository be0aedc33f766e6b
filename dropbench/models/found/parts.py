"""The submodules that dropbench takes over: each keeps its class, name and weights, but takes noise from dropbench.

An instance gets a new class that inherits from its own class and from one below. A submodule at which no noise can act in
these runs behaves as in evaluation: without dropout.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.models.found.attention import attention
from dropbench.models.found.current import Current, Taken
from dropbench.models.found.imitated import DROPOUTS
from dropbench.models.found.recurrent import recurrent

_PATHS = ("droppath", "stochasticdepth")
"""Endings of the names of classes that drop residual branches: timm's, torchvision's and copies of them."""
_MIXED: dict[tuple[type, type], type] = {}
_RATES = ("drop_prob", "p", "drop_rate", "prob", "drop_path")


class _Dropout:
    """torch's dropout layers, and layers that drop residual branches."""

    def forward(self: Any, input: Tensor, *unused: Any) -> Tensor:
        return self.taken.act(input, self.training)  # type: ignore[no-any-return]


class _Linear:
    """A dense layer with noise on its weights, if it gets one vector per example."""

    def forward(self: Any, input: Tensor) -> Tensor:
        if input.ndim != 2 or not self.taken.possible:
            return F.linear(input, self.weight, self.bias)
        return self.taken.affine(input, self.weight, self.bias, self.training)  # type: ignore[no-any-return]


class _Embedding:
    """A table of words with noise on its rows."""

    def forward(self: Any, input: Tensor) -> Tensor:
        if input.ndim != 2 or not self.taken.possible:
            return super().forward(input)  # type: ignore[misc,no-any-return]
        return self.taken.embed(input, self.weight, self.padding_idx, self.training)  # type: ignore[no-any-return]


class _Recurrent:
    """torch's recurrent layers, with noise between the layers instead of their own dropout, and on hidden-to-hidden weights."""

    def forward(self: Any, input: Any, hx: Any = None) -> Any:
        between, weights = self.taken, self.taken_weights
        if (between is not None and between.possible) or any(w.possible for w in weights):
            return recurrent(self, between, weights, input, hx)
        return super().forward(input, hx)  # type: ignore[misc]


class _Attention:
    """torch's multi-head attention with noise on its weights, computed step by step if noise is possible."""

    def forward(self: Any, *given: Any, **named: Any) -> Any:
        if self.taken.possible:
            return attention(self, self.taken, *given, **named)
        return super().forward(*given, **named)  # type: ignore[misc]


def take_over(net: nn.Module, current: Current) -> list[str]:
    """Makes a module's dropout layers, and the weights of its dense layers and embeddings, take noise from `current`.

    Returns the names of the submodules whose own rate was above 0.
    """
    dropping = []
    for name, part in list(net.named_modules()):
        layer = next((cls for cls in DROPOUTS if isinstance(part, cls)), None)
        if layer is not None and type(part).forward in {cls.forward for cls in DROPOUTS}:
            own = _give(part, _Dropout, Taken(current, name, "activation", float(part.p), layer))
            part.p = 0.0  # other code may read it, for instance for a fused kernel
        elif type(part).__name__.lower().replace("_", "").endswith(_PATHS):
            own = _give(part, _Dropout, Taken(current, name, "branch", _rate(part)))
        elif isinstance(part, nn.RNNBase) and type(part) in (nn.RNN, nn.LSTM, nn.GRU):
            own = _take_recurrent(part, name, current)
        elif type(part) is nn.MultiheadAttention:
            own = _give(part, _Attention, Taken(current, name or "attention", "attention", float(part.dropout)))
            part.dropout = 0.0
        else:
            _take_weights(part, name, current)
            continue
        if own:
            dropping.append(name)
    return dropping


def set_again(net: nn.Module) -> set[str]:
    """Returns the names of taken submodules whose rate a forward pass has set: nobody knows what it will be in training."""
    found = set()
    for part in net.modules():
        taken = getattr(part, "taken", None)
        if not isinstance(taken, Taken) or taken.own is None:
            continue
        if isinstance(part, (nn.RNNBase, nn.MultiheadAttention)):
            changed = part.dropout != 0.0
        elif taken.layer is not None:
            changed = part.p != 0.0  # as torch's own layers have been since they were taken
        else:
            changed = _rate(part) != taken.own
        if changed:
            found.add(taken.name)
    return found


def _take_weights(part: Any, name: str, current: Current) -> None:
    called = f"{name}.weight" if name else "weight"
    if type(part) is nn.Linear:
        _give(part, _Linear, Taken(current, called, "weight"))
    elif type(part) is nn.Embedding and part.max_norm is None and not part.scale_grad_by_freq:
        _give(part, _Embedding, Taken(current, called, "token"))
    elif getattr(part, "fused_attn", None) is True and hasattr(part, "attn_drop"):
        part.fused_attn = False  # timm's: with fused attention, its dropout would never be called


def _take_recurrent(part: Any, name: str, current: Current) -> float:
    own = float(part.dropout)
    between = None
    if part.num_layers > 1:
        between = Taken(current, name or "between", "activation", own, nn.Dropout, channels_last=True)
    part.taken_weights = tuple(
        Taken(current, f"{name}.{weight}".lstrip("."), "recurrent_weight")
        for weight, _ in part.named_parameters()
        if weight.startswith("weight_hh")
    )
    part.taken = between
    part.dropout = 0.0
    part.__class__ = _with(_Recurrent, type(part))
    return own if between is not None else 0.0


def _give(part: Any, taking: type, taken: Taken) -> float:
    part.taken = taken
    part.__class__ = _with(taking, type(part))
    return taken.own or 0.0


def _with(taking: type, cls: type) -> type:
    """Returns a class that inherits from both and has the name of the original class, which messages show."""
    if (taking, cls) not in _MIXED:
        told = {"__module__": cls.__module__, "__doc__": cls.__doc__}
        _MIXED[taking, cls] = type(cls.__name__, (taking, cls), told)
    return _MIXED[taking, cls]


def _rate(part: nn.Module) -> float | None:
    values = (getattr(part, name, None) for name in _RATES)
    return next((float(f"{value:.6g}") for value in values if isinstance(value, (int, float))), None)
