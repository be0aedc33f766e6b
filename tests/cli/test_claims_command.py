"""Claims of studies: stated in a file, trained with a pilot before, judged from what is stored alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from terminal import TINY, dropbench

from dropbench.store import Store

STUDY: dict[str, Any] = {
    "question": "Is a rate of .9 too much?",
    "baseline": "none",
    "pilot": "range(900,903)",
    "seed": "range(0,6)",
    "arms": {"none": {"dropout": "none"}, "much": {"dropout": "standard", "dropout.rate": 0.9}},
    "claims": {
        "gap": {
            "number": 2,
            "says": "It narrows the gap",
            "contrast": "much.gap_loss - none.gap_loss",
            "expect": "above",
        },
        "loss": {
            "number": 1,
            "says": "The training loss is larger at first",
            "contrast": "much['train_loss at epoch 1'] - none['train_loss at epoch 1']",
            "expect": "above",
            "rope": "0.001",
            "note": "Noise off.",
        },
    },
    "checks": {"sums": {"number": 3, "says": "One and one are two", "_target_": "sums.cases"}},
}
CODE = """
from dropbench.store import Case

def cases():
    return [Case(case="ones", measured=2, formula=1 + 1, within=0), Case(case="twos", measured=5, formula=4, within=0)]
"""
WORDS = ("--conf", "own", *TINY, "execute.workers=1")


def state(folder: Path, name: str, **changes: Any) -> None:
    file = folder / "own" / "study" / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({**STUDY, **changes}))
    (folder / "own" / "sums.py").write_text(CODE)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    said = dropbench(capsys, "report", "--claims", "--format", "json", *words)
    assert said.code == 0, said.err
    tree: dict[str, Any] = json.loads(said.out)
    return tree


def test_a_pilot_is_trained_first_and_is_in_no_verdict(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state(bare, "much")
    said = dropbench(capsys, "sweep", "study=much", *WORDS)
    assert said.code == 0, said.err
    assert said.err.index("pilot, seeds 900-902:") < said.err.index("comparison, seeds 0-5:")
    assert "Claims" in said.out and "The training loss is larger at first" in said.out
    (plan,) = Store(Path("results")).plans()
    assert plan.course is not None and plan.course.rule.pilot == [900, 901, 902] and len(plan.runs) == 12
    loss, gap, sums = told(capsys)["rows"]
    assert [row["claim"] for row in (loss, gap, sums)] == [1, 2, 3]
    assert (loss["seeds"], loss["pilot_seeds"], loss["rope"], loss["note"]) == (6, 3, 0.001, "Noise off.")
    assert loss["verdict"] == "supported" and 0 < loss["p_holm"] < 0.05 and 0 <= loss["power"] <= 1
    assert loss["setting"].startswith("mlp on wine, 1 epoch") and loss["seconds"] > 0
    assert (sums["verdict"], sums["only"], sums["cases"]) == ("holds only for", "ones", 2)
    # The margin is told with it, and what was asked is what the report answers to the same contrast.
    asked = dropbench(capsys, "report", "study=much", "--contrast", loss["expression"], "--format", "json")
    (row,) = json.loads(asked.out)["rows"]
    assert row["mean"] == pytest.approx(loss["mean"]) and loss["margin"] == pytest.approx(0.002)
    again = dropbench(capsys, "sweep", "study=much", *WORDS)
    assert "12 finished already and skipped" in again.err.replace("\n", " ")


def test_several_studies_are_planned_first_and_told_together(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state(bare, "claims/one")
    state(bare, "claims/two", claims={"gap": {**STUDY["claims"]["gap"], "number": 7}}, checks={}, pilot=None)
    said = dropbench(capsys, "sweep", "study=glob(claims/tw*)", *WORDS, "--dry-run")
    assert said.code == 0 and "claims/two" in said.err
    said = dropbench(capsys, "sweep", "study=claims/one,claims/two", *WORDS, "seed=0,1")
    assert said.code == 0, said.err
    assert "study 1 of 2, claims/one:" in said.err and "study 2 of 2, claims/two:" in said.err
    assert "4 claims" in said.out
    assert [row["claim"] for row in told(capsys)["rows"]] == [1, 2, 3, 7]
    assert [row["claim"] for row in told(capsys, "study=claims/two")["rows"]] == [7]
    assert {row["verdict"] for row in told(capsys, "study=claims/two")["rows"]} == {"undecided"}  # two seeds
    page = dropbench(capsys, "report", "--claims", "--format", "html").out
    assert page.count("<details") == 4 and 'data-verdict="holds only for"' in page and "://" not in page
    assert "<td>ones</td><td>2</td><td>2</td><td>yes</td>" in page  # a case of the check, readable without script
    for form in ("markdown", "csv", "latex", "html"):
        assert "It narrows the gap" in dropbench(capsys, "report", "--claims", "--format", form).out


def test_arms_of_so_many_updates_are_told_beside_arms_of_epochs(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arms = {**STUDY["arms"], "short": {"dropout": "none", "train.updates": 3}}
    arms["short much"] = {**STUDY["arms"]["much"], "train.updates": 3}
    sides = {"epochs": "much.test_loss - none.test_loss", "updates": "arm('short much').test_loss - short.test_loss"}
    sides["either"] = "short.test_loss - none.test_loss"
    claims = {name: {"says": name, "contrast": contrast, "expect": "above"} for name, contrast in sides.items()}
    state(bare, "lengths", arms=arms, claims=claims, checks={}, pilot=None)
    assert dropbench(capsys, "sweep", "study=lengths", *WORDS, "seed=0,1", "-q").code == 0
    settings = {row["name"]: row["setting"] for row in told(capsys)["rows"]}
    assert settings["epochs"].endswith(", 1 epoch") and settings["updates"].endswith(", 3 updates")
    assert "epoch" not in settings["either"] and "update" not in settings["either"]


@pytest.mark.parametrize(
    ("changes", "words", "said"),
    [
        ({"pilot": "range(0,3)"}, [], "seed 0 is also a seed of the comparison"),
        ({}, ["--tune", "train.lr=0.1,0.2"], "leave out --tune"),
        ({}, ["--until-settled"], "leave out --tune, --until-settled"),
        ({"checks": {"sums": {"says": "s", "_target_": "sums.nothing"}}}, [], "sums.nothing cannot be imported"),
        (
            {"claims": {"gap": {"says": "s", "contrast": "mush.gap_loss - 1", "expect": "above"}}},
            [],
            "study.claims.gap: no arm",
        ),
        (
            {"claims": {"gap": {"says": "s", "contrast": "much['jump of x']-1", "expect": "above"}}},
            [],
            "study.claims.gap: ",
        ),
        ({"claims": {"gap": {"says": "s", "contrast": "much.gap_loss", "expect": "more"}}}, [], "expect"),
    ],
)
def test_mistakes_are_told_before_anything_trains(
    bare: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], words: list[str], said: str
) -> None:
    state(bare, "much", **changes)
    found = dropbench(capsys, "sweep", "study=much", *WORDS, *words)
    assert found.code == 2 and said in re.sub(r"\s+", " ", found.err), found.err
    assert not list(Path("results/runs").glob("*"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "loss"], "--claims judges each claim as its study says"),
        (["model=mlp"], "--claims is about whole studies"),
        (["study=mush"], "did you mean 'much'"),
    ],
)
def test_what_does_not_go_with_claims(
    bare: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    state(bare, "much", pilot=None)
    dropbench(capsys, "sweep", "study=much", *WORDS, "seed=0", "-q")
    found = dropbench(capsys, "report", "--claims", *words)
    assert found.code == 2 and said in found.err
    dropbench(capsys, "sweep", "dropout=none", *TINY, "results=plain", "execute.workers=1", "-q")
    assert "no study here states a claim" in dropbench(capsys, "report", "plain", "--claims").err


def test_runs_together_may_be_claimed(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim = {"number": 53, "says": "Seeds differ", "contrast": "much.churn - none.churn", "expect": "above"}
    state(bare, "churn", claims={"churn": claim}, checks={}, pilot=None)
    assert dropbench(capsys, "sweep", "study=churn", *WORDS, "data.split_seed=0").code == 0
    (row,) = told(capsys)["rows"]
    assert row["seeds"] == 3 and -1 <= row["mean"] <= 1 and row["unit"] == "percent"
    wrong = {**claim, "contrast": "much['test_ece of 5 runs'] - 0.1"}
    state(bare, "wrong", claims={"churn": wrong}, checks={}, pilot=None)
    said = dropbench(capsys, "sweep", "study=wrong", *WORDS)
    assert said.code == 2 and "the score of an ensemble can be accuracy, loss, brier, mae, rmse" in said.err


def test_a_program_gives_numbers_that_are_judged_as_contrasts_are(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = {"number": 46, "says": "It is above .1", "_target_": "seeded.number", "expect": "above", "rope": 0.1}
    state(bare, "fits", claims={}, checks={}, programs={"one": program, "two": {**program, "expect": "below"}})
    (bare / "own" / "seeded.py").write_text("def number(seed):\n    return 0.5 + (seed % 3) / 10\n")
    said = dropbench(capsys, "sweep", "study=fits", *WORDS)
    assert said.code == 0 and "It is above .1" in said.out, said.err
    one, two = told(capsys)["rows"]
    numbers = [0.5 + (seed % 3) / 10 for seed in range(6)]
    assert one["mean"] == pytest.approx(sum(numbers) / 6) and (one["seeds"], one["pilot_seeds"]) == (6, 3)
    half = 2.570581835636314 * (sum((n - 0.6) ** 2 for n in numbers) / 5 / 6) ** 0.5  # Student's t, 5 degrees
    assert (one["low"], one["high"]) == pytest.approx((0.6 - half, 0.6 + half), abs=0.02)
    assert (one["verdict"], two["verdict"]) == ("supported", "contradicted") and 0 <= one["power"] <= 1
    assert one["margin"] == pytest.approx(0.2) and one["expression"] == "seeded.number"


def test_a_program_that_gives_no_number(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = {"says": "It is", "_target_": "nothing.none", "expect": "above"}
    state(bare, "fits", claims={}, checks={}, programs={"one": program})
    (bare / "own" / "nothing.py").write_text("def none(seed):\n    return None\n")
    said = dropbench(capsys, "sweep", "study=fits", *WORDS)
    assert said.code == 2, said.err
    assert "study.programs.one: nothing.none returned None for seed 900; it must return a finite number" in said.err


@pytest.mark.parametrize("kind", ["checks", "programs"])
@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("numbers_only.nil", "cannot be imported: numbers_only has no 'nil'; did you mean 'nine'? valid: nine"),
        ("numbers_only.NUMBER", "numbers_only.NUMBER is a int; name a function"),
        ("lacking.what", "lacking.what cannot be imported: it needs torchless: pip install torchless"),
        ("os.getcwd", "is in Python's standard library and cannot be used"),
    ],
)
def test_a_function_that_is_not_there_is_told_by_a_dry_run_too_and_before_any_study_trains(
    bare: Path, capsys: pytest.CaptureFixture[str], kind: str, target: str, says: str
) -> None:
    stated = {"says": "It is", "_target_": target} | ({"expect": "above"} if kind == "programs" else {})
    state(bare, "first", claims={}, checks={})
    state(bare, "second", **{"claims": {}, "checks": {}, kind: {"one": stated}})
    (bare / "own" / "numbers_only.py").write_text("NUMBER = 1\ndef nine(seed):\n    return 9\n")
    (bare / "own" / "lacking.py").write_text("raise ImportError('it needs torchless: pip install torchless')\n")
    for words in (["study=second", "--dry-run"], ["study=first,second"]):
        found = dropbench(capsys, "sweep", *words, *WORDS)
        said = " ".join(found.err.split())
        assert found.code == 2 and f"study.{kind}.one._target_: " in said and says in said, said
    assert not list(Path("results/runs").glob("*"))
