"""`dropbench sweep --extend`: finished runs are trained on, or a sentence says why they cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terminal import dropbench

WORDS = ["sweep", "data=wine", "model.widths=[8]", "dropout=none,standard", "seed=0,1", "--quiet"]


def records(results: str) -> dict[str, dict[str, object]]:
    return {f.parent.name: json.loads(f.read_text()) for f in Path(results, "runs").glob("*/record.json")}


def test_extended_runs_are_those_trained_at_once(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, *WORDS, "train.epochs=2", "train.extendable=true").code == 0
    short = set(records("results"))
    for epochs, anew in ((4, "results4"), (5, "results5")):  # twice: what was extended was kept as well
        words = [*WORDS, "train.extendable=true", "--extend", f"train.epochs={epochs}"]
        assert dropbench(capsys, *words).code == 0
        assert dropbench(capsys, *WORDS, f"train.epochs={epochs}", f"results={anew}").code == 0
        extended, expected = records("results"), records(anew)
        assert expected.keys() <= extended.keys() - short
        for run, record in expected.items():
            assert extended[run]["metrics"] == record["metrics"] and extended[run]["parent"] is not None
        assert {r["parent"] for run, r in extended.items() if run in expected} <= extended.keys()
    assert dropbench(capsys, *WORDS, "--extend", "train.epochs=5").code == 0  # nothing is left to do


@pytest.mark.parametrize(
    ("beside", "extend", "said"),
    [
        (["train.epochs=2"], "train.epochs=2", "they already have 2 epochs; type a larger number"),
        (
            ["train.epochs=2"],
            "train.lr=0.1",
            "--extend train.lr=0.1: only the number of epochs of finished runs can be changed",
        ),
        (["train.epochs=2"], "train.epochs=2,3", "type --extend train.epochs=60"),
        (["train.epochs=2"], "train.epochs=0", "type --extend train.epochs=60"),
        (
            ["train.epochs=3"],
            "train.epochs=5",
            "4 runs cannot be continued: they are not finished at 3 epochs; first type",
        ),
        (["train.epochs=2"], "train.epochs=5", "their final state was not kept"),
        (
            ["train.epochs=2", "train.schedule=cosine"],
            "train.epochs=5",
            "train.schedule=cosine is stretched over all epochs",
        ),
        (["train.epochs=2", "dropout/schedule=linear_up"], "train.epochs=5", "dropout/schedule=linear_up is stretched"),
        (["--tune", "train.lr=0.1,0.01"], "train.epochs=5", "leave out --tune and --until-settled"),
    ],
)
def test_what_cannot_be_extended_says_why(
    beside: list[str], extend: str, said: str, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dropbench(capsys, *WORDS, "train.epochs=2").code == 0
    before = records("results")
    answer = dropbench(capsys, *WORDS, *beside, "--extend", extend)
    assert answer.code == 2 and said in answer.err and "Traceback" not in answer.err
    assert records("results") == before


def test_what_it_says_to_type_works(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, *WORDS, "train.epochs=2").code == 0
    longer = ["train.epochs=2", "train.extendable=true", "--extend", "train.epochs=3"]
    said = dropbench(capsys, *WORDS, *longer).err
    assert "; type train.epochs=3 in place of --extend to train them from the beginning, and train.extendable" in said
    said = dropbench(capsys, *WORDS, "train.epochs=2", "train.extendable=true").err
    assert said == (
        "Warning: 4 runs are finished and kept no final state, so train.extendable=true has no effect on them; --force trains "
        "them again and keeps the final state\n"
    )
    said = dropbench(capsys, *WORDS, "train.epochs=2", "train.extendable=true", "--force")
    assert said.code == 0 and not said.err
    assert dropbench(capsys, *WORDS, "train.epochs=2", "train.extendable=true").err == ""
    assert dropbench(capsys, *WORDS, *longer).code == 0
    assert dropbench(capsys, *WORDS, "train.epochs=3", "train.extendable=true").err == ""


def test_runs_that_stopped_early_stop_there_again(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*WORDS, "train.patience=1", "train.lr=5", "train.extendable=true"]
    assert dropbench(capsys, *words, "train.epochs=30").code == 0
    assert all(r["epochs_run"] < 30 for r in records("results").values())  # type: ignore[operator]
    assert dropbench(capsys, *words, "train.epochs=30", "--extend", "train.epochs=40").code == 0
    assert len(records("results")) == 8


def test_what_is_kept_of_no_run_can_be_pruned(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, *WORDS, "train.epochs=1", "train.extendable=true").code == 0
    assert "nothing to remove" in dropbench(capsys, "runs", "prune", "results").out
    assert dropbench(capsys, "runs", "remove", "--where", "status=completed", "--yes").code == 0
    assert dropbench(capsys, "runs", "prune", "results", "--only", "ended", "--yes").code == 0
    assert not any(Path("results/ended").iterdir())
