"""Schedules of the rate, against torch's and NumPy's and the papers' formulas."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch_schedulers import torchs

from dropbench.config.options import options
from dropbench.config.parts import checked_options, locate
from dropbench.dropout import schedule
from dropbench.errors import UsageError

FILES = options("dropout/schedule")
TARGETS = {name: f"dropbench.dropout.schedule.{name}" for name in FILES}
SHARES = st.floats(0, 1)
INSIDE = st.floats(0, 1, exclude_min=True, exclude_max=True)
OPTIONS = {
    "linear_up": st.fixed_dictionaries({"over": st.floats(0, 1, exclude_min=True)}),
    "cosine": st.fixed_dictionaries({"rising": st.booleans()}),
    "flat_cos": st.fixed_dictionaries({"flat": st.floats(0, 1, exclude_max=True)}),
    "cyclical": st.fixed_dictionaries({"cycles": st.integers(1, 1000)}),
    "step": st.lists(INSIDE, min_size=1, max_size=5, unique=True).flatmap(
        lambda at: st.fixed_dictionaries(
            {"at": st.just(sorted(at)), "factors": st.lists(SHARES, min_size=len(at) + 1, max_size=len(at) + 1)}
        )
    ),
    "early": st.fixed_dictionaries(
        {"until": st.floats(0, 1, exclude_min=True), "shape": st.sampled_from(["constant", "linear"])}
    ),
    "late": st.fixed_dictionaries({"start": st.floats(0, 1, exclude_max=True)}),
    "curriculum": st.fixed_dictionaries({"gamma": st.floats(1e-6, 1e6)}),
}


def curve(name: str, points: list[float], **given: object) -> list[float]:
    factor = schedule.resolve(TARGETS[name], given)
    return [factor(p) for p in points]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("constant", {}, [1, 1, 1, 1, 1]),
        ("linear_up", {}, [0, 0.25, 0.5, 0.75, 1]),
        ("linear_up", {"over": 0.5}, [0, 0.5, 1, 1, 1]),
        ("linear_down", {}, [1, 0.75, 0.5, 0.25, 0]),
        ("cosine", {}, [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0]),
        ("cosine", {"rising": True}, [0, (1 - math.sqrt(0.5)) / 2, 0.5, (1 + math.sqrt(0.5)) / 2, 1]),
        ("flat_cos", {}, [1, 1, 1, 0.5, 0]),
        ("flat_cos", {"flat": 0}, [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0]),
        ("cyclical", {}, [0, 0, 0, 0, 0]),
        ("cyclical", {"cycles": 1}, [0, 0.5, 1, 0.5, 0]),
        ("cyclical", {"cycles": 2}, [0, 1, 0, 1, 0]),
        ("step", {}, [0.5, 0.5, 1, 1, 1]),
        ("step", {"at": [0.25, 0.75], "factors": [0, 1, 0.1]}, [0, 1, 1, 0.1, 0.1]),
        ("early", {}, [1, 0, 0, 0, 0]),
        ("early", {"until": 0.5}, [1, 1, 0, 0, 0]),
        ("early", {"until": 1}, [1, 1, 1, 1, 0]),
        ("early", {"until": 0.5, "shape": "linear"}, [1, 0.5, 0, 0, 0]),
        ("late", {}, [0, 1, 1, 1, 1]),
        ("late", {"start": 0.5}, [0, 0, 1, 1, 1]),
        ("late", {"start": 0}, [1, 1, 1, 1, 1]),
        ("curriculum", {"gamma": 4 * math.log(2)}, [0, 1 / 2, 3 / 4, 7 / 8, 15 / 16]),
    ],
)
def test_by_hand(name: str, given: dict[str, object], expected: list[float]) -> None:
    assert curve(name, [0, 0.25, 0.5, 0.75, 1], **given) == pytest.approx(expected, abs=1e-15)


@given(st.data(), st.sampled_from(sorted(FILES)), SHARES)
def test_a_factor_is_between_nothing_and_one(data: st.DataObject, name: str, progress: float) -> None:
    given = data.draw(OPTIONS.get(name, st.just({})))
    checked = checked_options("dropout.schedule", TARGETS[name], given)
    assert 0 <= locate(TARGETS[name])(progress, **checked) <= 1  # before `resolve` puts rounding right


@given(INSIDE, SHARES)
def test_early_and_late_are_each_others_rest(cut: float, progress: float) -> None:
    assert schedule.early(progress, until=cut) + schedule.late(progress, start=cut) == 1


@given(SHARES)
def test_what_falls_is_what_rises_turned_over(progress: float) -> None:
    assert schedule.cosine(progress) + schedule.cosine(progress, rising=True) == pytest.approx(1)
    assert schedule.linear_up(progress) + schedule.linear_down(progress) == pytest.approx(1)
    assert schedule.early(progress, until=1, shape="linear") == schedule.linear_down(progress)


def test_shapes_known_from_learning_rates_are_torchs() -> None:
    by = torch.optim.lr_scheduler
    points = [i / 60 for i in range(60)]
    assert curve("cosine", points) == pytest.approx(torchs(by.CosineAnnealingLR, 60, T_max=60))
    triangles = torchs(by.CyclicLR, 60, base_lr=0.0, max_lr=1.0, step_size_up=10, cycle_momentum=False)
    assert curve("cyclical", points, cycles=3) == pytest.approx(triangles, abs=1e-12)
    steps = torchs(by.MultiStepLR, 60, milestones=[15, 45], gamma=0.5)
    assert curve("step", points, at=[0.25, 0.75], factors=[1, 0.5, 0.25]) == pytest.approx(steps)
    falling = torchs(by.LinearLR, 60, start_factor=1.0, end_factor=0.0, total_iters=20)
    assert curve("early", points, until=1 / 3, shape="linear") == pytest.approx(falling, abs=1e-12)


@given(st.integers(1, 10**6), st.floats(0.05, 1), SHARES)
def test_curriculum_is_the_papers(updates: int, keep: float, progress: float) -> None:
    """Morerio et al. 2017: keep(t) = (1 - θ) exp(-γt) + θ, γ = 10 / T."""
    papers = (1 - keep) * math.exp(-10 / updates * (progress * updates)) + keep
    assert 1 - (1 - keep) * schedule.curriculum(progress) == pytest.approx(papers)


@given(OPTIONS["step"], SHARES)
def test_step_is_numpys_digitize(given: dict[str, list[float]], progress: float) -> None:
    assert schedule.step(progress, **given) == given["factors"][int(np.digitize(progress, given["at"]))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"at": [0.6, 0.3], "factors": [0, 1, 0]},
            r"dropout.schedule.at=\[0.6, 0.3\]: the boundaries must be in ascending order",
        ),
        ({"at": [0.5, 0.5], "factors": [0, 1, 0]}, "ascending order"),
        (
            {"at": [0.3, 0.6], "factors": [0, 1]},
            r"must be 3 factors, one more than the 2 boundaries of dropout.schedule.at",
        ),
        ({"at": [0.5], "factors": [0, 1, 0]}, "must be 2 factors, one more"),
    ],
)
def test_options_of_step_that_do_not_go_together(given: dict[str, list[float]], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        schedule.step(0.1, **given)  # type: ignore[arg-type]


def _returns(progress: float, *, value: float) -> float:
    return value


@pytest.mark.parametrize("value", [1.5, -0.1, math.nan, math.inf, 1 + 1e-6])
def test_what_is_no_factor_is_an_error(value: float) -> None:
    with pytest.raises(UsageError, match=r"_returns returns .* at progress 0.25; it must return 0 to 1"):
        schedule.resolve(f"{__name__}._returns", {"value": value})(0.25)


def test_rounding_is_put_right() -> None:
    for value, factor in ((1 + 2**-52, 1), (-(2**-53), 0), (np.float32(0.5), 0.5), (1, 1)):
        found = schedule.resolve(f"{__name__}._returns", {"value": value})(0.5)
        assert found == factor and type(found) is float


@pytest.mark.parametrize("name", FILES)
def test_the_yaml_says_what_the_function_takes(name: str) -> None:
    """And that a spec made without the YAML is the same run."""
    node = OmegaConf.to_container(OmegaConf.load(FILES[name]))
    assert isinstance(node, dict)
    own = {str(k): v for k, v in node.items() if k not in ("name", "_target_")}
    assert list(own) == [p.name for p in inspect.signature(locate(TARGETS[name])).parameters.values()][1:]
    assert checked_options("dropout.schedule", TARGETS[name], own) == checked_options("", TARGETS[name], {})


def test_it_needs_no_torch() -> None:
    code = "import sys, dropbench.dropout.schedule; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
