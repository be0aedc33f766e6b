"""Strengths of any regularizer are chosen as rates are: among arms that are the same but for them, and those without."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from terminal import dropbench

from dropbench import report


def mixup(alpha: float | None) -> dict[str, Any]:
    if alpha is None:
        return {}
    node = {"_target_": "dropbench.regularizers.mixup.Mixup", "name": "mixup", "version": 1, "strength": "alpha"}
    return {"regularizer": {"mixup": {**node, "alpha": alpha, "schedule": {"name": "constant"}}}}


@pytest.fixture
def chosen(fake: Any, put: Any, store: Any) -> Any:
    """What is chosen among arms, each changes and its mean validation score: (of what, label, whether it goes without)."""

    def made(*arms: tuple[Mapping[str, Any], float]) -> list[tuple[str, str, bool]]:
        put(*(fake(s, changes=dict(changes), val=val + s / 1000, test=0.7) for changes, val in arms for s in range(3)))
        return [(c.variant, c.chosen, c.idle) for c in report.build([store.root]).comparisons[0].choices]

    return made


@pytest.mark.parametrize(
    ("key", "name", "values"),
    [
        ("train.weight_decay", "weight_decay", (0.0, 0.01, 0.1)),
        ("train.label_smoothing", "label_smoothing", (0.0, 0.1, 0.2)),
        ("train.max_norm", "max_norm", (None, 3.0, 1.0)),
    ],
)
def test_a_strength_of_training_is_chosen(chosen: Any, key: str, name: str, values: tuple[Any, ...]) -> None:
    found = chosen(*(({key: value}, val) for value, val in zip(values, (0.80, 0.83, 0.81), strict=True)))
    assert found == [(name, f"none {key}={values[1]:g}", False)]


def test_a_regularizer_is_chosen_from_beside_going_without(chosen: Any, store: Any) -> None:
    assert chosen((mixup(None), 0.80), (mixup(0.2), 0.83), (mixup(1.0), 0.81)) == [("mixup", "mixup 0.2", False)]
    (choice,) = report.build([store.root]).comparisons[0].choices
    assert choice.of == ("none", "mixup 0.2", "mixup 1") and choice.strengths == ("regularizer.mixup.alpha",)
    text = report.render(report.build([store.root]), "markdown", 80)
    assert "Strength with the highest mean validation accuracy for each regularizer" in text
    assert "Strength chosen by mean validation accuracy over seeds 0-2, and by nothing else" in text


def test_going_without_a_regularizer_may_be_best(chosen: Any, store: Any) -> None:
    assert chosen((mixup(None), 0.9), (mixup(0.2), 0.83), (mixup(1.0), 0.81)) == [("mixup", "none", True)]
    text = report.render(report.build([store.root]), "rich", 200)
    assert "By validation accuracy no strength beats going without, so none is chosen." in text


def test_each_set_of_parts_has_its_choice_and_several_strengths_are_chosen_together(chosen: Any) -> None:
    """As rates are of several variants: in arms of their own one by one, in one arm all at once."""
    standard = {"dropout": "standard"}
    arms = [({}, 0.80)]
    arms += [(mixup(a), val) for a, val in ((0.2, 0.82), (0.5, 0.81))]
    arms += [({**standard, "dropout.rate": r}, val) for r, val in ((0.1, 0.81), (0.3, 0.83))]
    both = {(0.1, 0.2): 0.84, (0.1, 0.5): 0.85, (0.3, 0.2): 0.83, (0.3, 0.5): 0.82}
    arms += [({**standard, **mixup(a), "dropout.rate": r}, val) for (r, a), val in both.items()]
    assert sorted(chosen(*arms)) == [
        ("mixup", "mixup 0.2", False),
        ("standard", "standard 0.3", False),
        ("standard + mixup", "standard 0.1 + mixup 0.5", False),
    ]


def test_a_rate_is_chosen_for_each_setting_of_what_is_in_one_strength_alone(chosen: Any) -> None:
    rates = [({"dropout": "standard", "dropout.rate": r}, 0.8 + r / 10) for r in (0.1, 0.3)]
    decayed = [({**c, "train.weight_decay": 0.1}, 0.9 - v / 10) for c, v in rates]
    found = {name: label for name, label, _ in chosen(({}, 0.7), *rates, ({"train.weight_decay": 0.1}, 0.7), *decayed)}
    assert found["standard train.weight_decay=0.1"].startswith("standard 0.1 ")
    assert found["standard train.weight_decay=0"].startswith("standard 0.3")


def test_arms_that_lack_a_part_count_only_at_strengths_that_are_tried(chosen: Any) -> None:
    """A weight decay that no arm with dropout has is no point of their grid."""
    grid = [
        ({"dropout": "standard", "dropout.rate": r, "train.weight_decay": d}, 0.8)
        for r in (0.1, 0.3)
        for d in (0.1, 0.2)
    ]
    found = chosen(*grid, ({"train.weight_decay": 0.5}, 0.99), ({"train.weight_decay": 0.1}, 0.9))
    assert ("standard + weight_decay", "none train.weight_decay=0.1", True) in found


TINY = ("data=wine", "model.widths=[8]", "train.epochs=2", "execute.workers=1", "dropout=none")


def test_confirm_trains_a_strength_of_a_regularizer_under_fresh_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    swept = dropbench(capsys, "sweep", *TINY, "train.label_smoothing=0.01,0.02", "seed=0,1", "--quiet")
    assert (swept.code, swept.err) == (0, "")
    said = dropbench(capsys, "report", "--confirm")
    assert (
        said.code == 2
        and "there is no baseline" in said.err
        and "--baseline 'none train.label_smoothing=0.0" in said.err
    )
    name = re.findall("--baseline '(.*)'", said.err)[0]
    said = dropbench(capsys, "report", "--confirm", "--baseline", name)
    assert said.code == 0
    commands = re.findall(r"^dropbench sweep (.*)$", said.err, re.MULTILINE)
    assert len(commands) == 2 and all("'seed=range(1000,1002)'" in c for c in commands)
    smoothed = sorted(float(s) for c in commands for s in re.findall(r"train.label_smoothing=(\S+)", c))
    assert smoothed == [0.01, 0.02] and "Seeds: 1000-1001; scores of the last epoch" in said.out


def test_what_was_tuned_is_confirmed_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("sweep", *TINY, "train.label_smoothing=0,0.1", "seed=0,1", "--tune", "train.lr=0.01,0.1", "--quiet")
    assert dropbench(capsys, *words).code == 0
    said = dropbench(capsys, "report", "--confirm")
    assert said.code == 2 and "chosen under other seeds than this report shows" in said.err
