"""A run over words, or over running text, is the same to the last bit alone and in any cohort, in any position."""

from __future__ import annotations

from typing import Any

import pytest
from noise_kit import VARIANTS
from texts import running_text, sentences
from training import Trained, arms, assert_identical, differences, make_spec

from dropbench.planning.outline import outline

TABLES = {
    "lm": running_text(words=13, window=4, train=200, val=50, test=50),
    "rnn": sentences(examples=120, words=13, length=7),
}
SITES = {model: outline(make_spec(model).model, table).sites for model, table in TABLES.items()}
CASES = [("lm", v) for v, made in VARIANTS.items() if any(made.supports(s) is None for s in SITES["lm"])]


def check(model: str, variant: str, **common: Any) -> None:
    common = {"split": {"n_train": None}, "placement": ("*",), "batch_size": 7, "epochs": 2, **common}
    run, cohorts = arms(model, variant, {}, **common)
    assert_identical(run, cohorts[0], cohorts[-1], table=TABLES[model])


@pytest.mark.parametrize(("model", "variant"), [*CASES, ("rnn", "embedding"), ("rnn", "locked")])
def test_every_variant_at_every_site(model: str, variant: str) -> None:
    check(model, variant)


@pytest.mark.parametrize("hidden", [5, 16])
@pytest.mark.parametrize("cell", ["vanilla", "lstm", "gru"])
def test_every_cell(cell: str, hidden: int) -> None:
    """Of an LSTM and a GRU this is where a state is mixed with its last, which carries over from window to window."""
    check("lm", "zoneout", options={"cell": cell, "hidden": hidden, "layers": 1})


@pytest.mark.parametrize("train", [{"optimizer": "sgd", "lr": 1.0, "grad_clip": 0.25}, {"precision": "bf16"}])
def test_tied_weights_and_other_settings(train: dict[str, Any]) -> None:
    check("lm", "weight_drop", options={"tied": True, "layers": 1}, **{k: v for k, v in train.items() if k != "lr"})


def test_a_neighbour_that_stops_early() -> None:
    """The stack is narrowed between epochs, where a state is carried no more."""
    common = {"split": {"n_train": None}, "batch_size": 7, "epochs": 6, "patience": 1, "variant": "locked"}
    runs = [make_spec("lm", rate=0.1 * s, seed=s, lr=0.02 + 0.1 * s, **common) for s in range(4)]  # type: ignore[arg-type]
    together = Trained(*runs, table=TABLES["lm"])
    assert len({len(r.history) for r in together.results.values()}) > 1
    for run in runs:
        assert not differences(run, Trained(run, table=TABLES["lm"]), together)
