"""Reports read regularizers of the group: what none of one is, what all arms have, and what arms differ in."""

from __future__ import annotations

from typing import Any

import pytest

from dropbench import report
from dropbench.errors import UsageError
from dropbench.report.records.filters import conditions, parse, select, where
from dropbench.report.records.frame import to_frame

ALPHA, RHO = "regularizer.mixup.alpha", "regularizer.sam.rho"


def beside(mixup: float = 0.0, sam: float = 0.0, lookahead: float = 1.0) -> dict[str, Any]:
    def node(name: str, option: str, value: float, **more: Any) -> dict[str, Any]:
        common = {"name": name, "_target_": f"dropbench.regularizers.{name}.X", "version": 1, "strength": option}
        return {
            **common,
            option: value,
            "schedule": {"name": "constant", "_target_": "dropbench.x", "version": 1},
            **more,
        }

    chosen = {"mixup": node("mixup", "alpha", mixup)} if mixup else {}
    chosen |= {"sam": node("sam", "rho", sam)} if sam else {}
    chosen |= {"lookahead": node("lookahead", "alpha", lookahead, none_at=1.0, k=5)} if lookahead != 1 else {}
    return {"regularizer": chosen} if chosen else {}


@pytest.fixture
def grid(fake: Any, put: Any, store: Any) -> Any:
    for i, mixup in enumerate((0.0, 0.2, 0.4)):
        for j, sam in enumerate((0.0, 0.05)):
            for seed in range(6):
                put(fake(seed, changes=beside(mixup, sam), test=0.7 + 0.02 * i + 0.01 * j + 0.001 * seed))
    return store.root


def asked(root: Any, *where: str, **questions: Any) -> Any:
    return report.asked([root], [], report.Questions.typed(**questions), where=where).asked


def test_an_arm_without_one_is_at_the_strength_that_is_none(grid: Any) -> None:
    answers = asked(grid, interactions=[f"{RHO},{ALPHA}"]).answers
    assert [a.name for a in answers] == [f"{RHO}=0.05 × {ALPHA}=0.2", f"{RHO}=0.05 × {ALPHA}=0.4"]
    assert [a.contrast.difference.mean for a in answers] == pytest.approx([0, 0], abs=1e-12)
    (without, beside_sam) = asked(grid, trends=[ALPHA]).answers
    assert "from 0 to 0.4" in without.name and "sam 0.05" in beside_sam.name
    assert without.contrast.difference.mean == pytest.approx(0.04)
    best = asked(
        grid, "regularizer.sam=absent", contrasts=[f"best({ALPHA}, by=val_loss).test_accuracy - none.test_accuracy"]
    )
    assert best.answers[0].formula.labels  # the arm none is one of the candidates
    assert {"none", "mixup 0.2", "mixup 0.4"} <= set(best.answers[0].formula.labels)


def test_what_is_none_need_not_be_0(fake: Any, put: Any, store: Any) -> None:
    for i, alpha in enumerate((1.0, 0.5, 0.8)):
        for seed in range(6):
            put(fake(seed, changes=beside(lookahead=alpha), test=0.7 + 0.02 * i + 0.001 * seed))
    (answer,) = asked(store.root, trends=["regularizer.lookahead.alpha"]).answers
    assert "from 0.5 to 1" in answer.name


def test_arms_that_a_level_has_several_of_are_told_by_what_one_lacks(grid: Any) -> None:
    with pytest.raises(
        UsageError, match=r"which differ in regularizer\.sam; choose by a filter, as in regularizer\.sam=absent"
    ):
        asked(grid, interactions=["dropout,regularizer.mixup"])
    said = r"differ in regularizer\.mixup\.alpha; choose by a filter, as in regularizer\.mixup\.alpha!=0\.4"
    with pytest.raises(UsageError, match=said):
        asked(grid, "regularizer.sam=absent", interactions=["dropout,regularizer.mixup"])


def test_absent_can_be_asked_for(fake: Any) -> None:
    frame = to_frame([fake(0), fake(1, changes=beside(0.2)), fake(2, changes=beside(0.2, 0.05))])
    assert select(frame, parse(["regularizer.mixup=absent"]))["seed"].tolist() == [0]
    assert where(frame, conditions(["regularizer.sam=absent"]))["seed"].tolist() == [0, 1]
    assert where(frame, conditions(["regularizer.sam!=absent"]))["seed"].tolist() == [2]
    with pytest.raises(UsageError, match="no stored run has this value"):
        select(frame, parse(["model=absent"]))


def test_what_all_arms_have_is_a_note_and_no_label(fake: Any, put: Any, store: Any) -> None:
    decay = {"train.weight_decay": 0.01}
    for name, rate in (("none", 0.0), ("standard", 0.5)):
        for seed in range(3):
            put(fake(seed, changes={"dropout": name, "dropout.rate": rate, **decay, **beside(0.2)}))
    (comparison,) = report.build([store.root], []).comparisons
    assert comparison.labels == ["none", "standard 0.5"]
    said = [note for note in comparison.notes if note.startswith("Every arm has")]
    assert said == ["Every arm has mixup 0.2, train.weight_decay=0.01, which names of arms leave out."]


def test_what_one_arm_lacks_is_in_no_such_note(grid: Any) -> None:
    (comparison,) = report.build([grid], []).comparisons
    assert not [note for note in comparison.notes if "In every arm" in note]
    assert "mixup 0.2 + sam 0.05" in comparison.labels


def test_a_grid_tells_the_strength_alone(grid: Any) -> None:
    titles = [g.title for g in report.pivot([grid], [], rows=RHO).grids]
    assert titles == [f"test accuracy, {ALPHA}={level}" for level in ("0.2", "0.4", "absent")]
