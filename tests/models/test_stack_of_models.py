"""A stack of K models is K models: forward, gradients and running statistics."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from model_kit import Recorder, assert_replica, batch, built

CASES: list[tuple[str, dict[str, Any]]] = [
    *(("mlp", {"batch_norm": b}) for b in ("none", "before_activation", "after_activation", "after_dropout")),
    *(("mlp", {"num_embed": e, "embed_size": 3, "frequencies": 2}) for e in ("plr", "pbld")),
    *(("realmlp", {"num_embed": e}) for e in ("plr", "pbld", None)),
    *(("cnn", {"batch_norm": b}) for b in ("none", "before_activation", "after_activation", "after_dropout")),
    *(("cnn", {"pooling": p, "activation": a}) for p, a in (("avg", "tanh"), ("none", "selu"), ("max", "gelu"))),
    *(("rnn", {"cell": c, "readout": r}) for c in ("vanilla", "lstm", "gru") for r in ("last", "mean")),
    ("resnet", {}),
    ("resnet", {"two_branches": True}),
    ("mlp", {"widths": [6, 6], "skip": True, "two_branches": True}),
    *(("transformer", {"branches": b}) for b in ("sublayer", "layer")),
    *(("lm", {"cell": c, "tied": t}) for c, t in (("lstm", False), ("gru", True))),
]


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("training", [True, False])
def test_three_replicas_are_three_models(name: str, options: dict[str, Any], training: bool) -> None:
    stack = built(name, (0, 1, 2), **options).double().train(training)
    x = batch(name, 3, 6)
    x = x.double() if x.is_floating_point() else x
    fresh = built(name, (0, 1, 2), **options).state_dict()
    out = stack(x, Recorder())
    g = torch.randn(out.shape, generator=torch.Generator().manual_seed(3)).double()
    out.backward(g)
    for k in range(3):
        one = built(name, (9,), **options).double().train(training)
        one.load_state_dict({key: value[k : k + 1] for key, value in fresh.items()})
        alone = one(x[k : k + 1], Recorder())
        alone.backward(g[k : k + 1])
        torch.testing.assert_close(out[k : k + 1], alone)
        assert_replica(stack, one, k)
