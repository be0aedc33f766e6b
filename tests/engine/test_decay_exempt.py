from __future__ import annotations

from typing import Any

import pytest
import torch
from regularized import of, with_regularizers
from torch import Tensor
from training import cohort_of, make_spec, table_of

from dropbench.engine.train import Training
from dropbench.planning.checks import check
from dropbench.planning.outline import outline
from dropbench.spec import RunSpec

LR, DECAY = 0.1, 0.2
NORMED = {"batch_norm": "before_activation"}


def stepped(spec: RunSpec) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights before and after one update, by the names that the model's class gives them."""
    training: Training = cohort_of(spec)
    model = training.replicas.model
    names = {held: name for name, held in getattr(model, "names", {}).items()}
    before = {names.get(n, n): p.detach().clone() for n, p in model.named_parameters()}
    training.train_step(next(iter(training.replicas.batches.epoch())), 1.0)
    return before, {names.get(n, n): p.detach() for n, p in model.named_parameters()}


def run(model: str, **train: Any) -> RunSpec:
    options = NORMED if model == "mlp" else {}
    return make_spec(model, options=options, optimizer="sgd", momentum=0.0, lr=LR, **train)


@pytest.mark.parametrize("model", ["mlp", "normed.Normed"])
@pytest.mark.parametrize("patterns", [(), ("vectors",), ("*bias",), ("head.weight", "two.weight"), ("*norm*", "*bias")])
def test_decay_acts_on_what_is_not_exempt(model: str, patterns: tuple[str, ...]) -> None:
    start, free = stepped(run(model))
    _, decayed = stepped(run(model, weight_decay=DECAY, decay_exempt=patterns))
    for name, before in start.items():
        vector = name.endswith("bias") or "norm" in name
        fits = {"vectors": vector, "*bias": name.endswith("bias"), "*norm*": "norm" in name}
        exempt = any(fits.get(pattern, name == pattern) for pattern in patterns)
        expected = free[name] - (0 if exempt else LR * DECAY * before)
        torch.testing.assert_close(decayed[name], expected)


def test_learned_rates_stay_exempt() -> None:
    spec = make_spec("mlp", variant="concrete", rate=0.3, weight_decay=DECAY, decay_exempt=("head.bias",))
    training = cohort_of(spec)
    marked = {
        n
        for n, pace in zip(dict(training.replicas.model.named_parameters()), training.optimizer._paces, strict=True)
        if pace.decay == 0
    }
    assert "model.head.bias" in marked and sum(n.startswith("logit_") for n in marked) == len(marked) - 1 > 0


def test_it_is_in_the_id_where_it_acts_alone() -> None:
    plain, decayed = make_spec("mlp"), make_spec("mlp", weight_decay=DECAY)
    assert make_spec("mlp", decay_exempt=("vectors",)).run_id == plain.run_id
    assert make_spec("mlp", weight_decay=DECAY, decay_exempt=None).run_id == decayed.run_id
    one, other = (make_spec("mlp", weight_decay=DECAY, decay_exempt=p) for p in (("a", "b"), ("b", "a", "b")))
    assert one.run_id == other.run_id != decayed.run_id


def test_what_is_no_parameter_is_told_with_the_nearest() -> None:
    spec = run("mlp", weight_decay=DECAY, decay_exempt=("head.biass",))
    table = table_of(spec)
    told = check(spec, table, outline(spec.model, table))
    assert told is not None and told.startswith("train.decay_exempt=[head.biass]: model=mlp has no such parameter; ")
    assert "head.bias" in told.partition(";")[2]


@pytest.mark.parametrize(
    ("model", "options", "weights"),
    [
        ("mlp", {"widths": [1]}, {"hidden.0.linear.weight", "head.weight"}),
        ("normed.Normed", {"width": 1}, {"one.weight", "two.weight"}),
    ],
)
def test_a_weight_from_or_to_a_single_unit_is_decayed_and_penalised_like_others(
    model: str, options: dict[str, Any], weights: set[str]
) -> None:
    plain = make_spec(model, options=options, optimizer="sgd", momentum=0.0, lr=LR)
    exempt = plain.model_copy(
        update={"train": plain.train.model_copy(update={"weight_decay": DECAY, "decay_exempt": ("vectors",)})}
    )
    (start, free), (_, decayed) = stepped(plain), stepped(exempt)
    _, penalised = stepped(with_regularizers(plain, of("l2", DECAY / 2)))
    assert weights <= start.keys()
    for name, before in start.items():
        expected = free[name] - (LR * DECAY * before if name in weights else 0)
        torch.testing.assert_close(decayed[name], expected)
        torch.testing.assert_close(penalised[name], expected)
