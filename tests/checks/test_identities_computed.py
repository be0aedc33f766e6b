"""Identities as they are computed for the table of claims; `tests/identities` holds them for random numbers and rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml  # type: ignore[import-untyped]

from dropbench.checks import averaging, cost, layer, linear, memory, recurrent
from dropbench.checks.masks import every_mask
from dropbench.config.parts import locate
from dropbench.report.tables.claims import Checked
from dropbench.store import Case, StoredCheck

CLAIMS = sorted((Path(__file__).parents[2] / "conf" / "study" / "claims").glob("*.yaml"))
Check = Callable[[], Iterator[Case]]


def told(check: Check) -> Checked:
    return Checked("study", "name", StoredCheck(says="", cases=list(check())))


@pytest.mark.parametrize(
    "check",
    [
        linear.gradient_variance,
        layer.worked_example,
        recurrent.one_layer,
        layer.every_gradient,
        layer.exact_zeros,
        layer.every_unit_learns,
        cost.inference,
        memory.evaluation,
    ],
)
def test_what_holds_exactly(check: Check) -> None:
    assert told(check).verdict == "holds exactly"


@pytest.mark.parametrize(
    ("check", "opening", "others"),
    [
        (linear.adaptive_penalty, "squared error", ("logistic loss, rate 0.5",)),
        (linear.like_l2, "dropout", ("L1: weights that are 0",)),
        (linear.prediction_variance, "without scaling", ("with scaling, p = 0.5",)),
        (linear.bias, "a unit's input", ("the gradient of a squared error",)),
        (averaging.weight_scaling, "one softmax layer, geometric mean", ("one softmax layer, arithmetic mean",)),
        (recurrent.survival, "without scaling", ("with scaling, rate 0.1",)),
        (recurrent.one_mask_a_sequence, "locked dropout", ("torch's, between layers",)),
        (layer.order, "ReLU", ("tanh", "sigmoid")),
        (cost.stochastic_depth, "for a whole batch", ("for each example",)),
        (memory.training, "batches of 8", ("batches of 4096",)),
    ],
)
def test_what_holds_in_some_cases_alone(check: Check, opening: str, others: tuple[str, ...]) -> None:
    found = told(check)
    assert found.verdict == "holds only for" and found.only.startswith(opening)
    assert set(others) <= {case.case for case in found.cases if not case.equal}


def test_what_does_not_hold() -> None:
    assert told(layer.gradient_is_mask).verdict == "does not hold"


def test_every_mask_is_there_once_and_their_chances_add_up() -> None:
    masks, p = every_mask(0.3, 4)
    assert len(masks.unique(dim=0)) == 16 and float(p.sum()) == pytest.approx(1)
    torch.testing.assert_close(p @ masks, torch.ones(4, dtype=torch.float64))
    unscaled, _ = every_mask(0.3, 4, scaled=False)
    assert float(p[unscaled.sum(1) == 4]) == pytest.approx(0.7**4)


def test_torchs_own_random_numbers_are_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    list(recurrent.one_mask_a_sequence())
    list(memory.training())
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("file", CLAIMS, ids=lambda f: f.stem)
def test_every_check_of_a_study_is_there(file: Path) -> None:
    for check in (yaml.safe_load(file.read_text()).get("checks") or {}).values():
        assert callable(locate(check["_target_"]))
