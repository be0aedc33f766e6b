"""`sweep --shard I/N`: parts in folders of their own, and their report once these are together."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from bits import everything
from terminal import TINY, dropbench

from dropbench.store import Store

STUDY = ("study=three_arm", *TINY, "execute.workers=1", "seed=range(0,3)")
TUNED = ("--tune", "train.lr=0.001,0.1", "--tuning-seeds", "2")


def merged(folders: Iterable[str], into: str) -> None:
    """As `cp -r FOLDER/. INTO` does."""
    for folder in folders:
        shutil.copytree(folder, into, dirs_exist_ok=True)


def report(capsys: pytest.CaptureFixture[str], *folders: str) -> str:
    """Without what differs from one training to the next: the names of folders and how long it took."""
    said = dropbench(capsys, "report", *folders)
    assert said.code == 0, said.err
    text = re.sub(r"\s+", " ", said.out)
    return re.sub(r"results=\w+|, about [\d.]+ \w+ of training", "", text)


def test_shards_that_come_together_are_the_sweep(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in (1, 2, 3):
        said = dropbench(capsys, "sweep", *STUDY, f"results=part{k}", "--shard", f"{k}/3")
        assert said.code == 0 and said.out == "", "a part has no report of its own"
        assert f"shard {k}/3: 3 of 9 runs" in said.err
        assert f"shard {k}/3 has ended, in part{k}; 6 runs of other shards are missing" in said.err
        told = [
            " ".join(dropbench(capsys, "report", f"part{k}", *words).out.split())
            for words in ((), ("study=three_arm",))
        ]
        assert "6 of 9 planned runs have not run yet; dropbench runs status says of which sweep." in told[0]
        assert (
            f"6 of 9 planned runs have not run yet; shard {k}/3 is trained here, and the others elsewhere." in told[1]
        )
        assert len(list((bare / f"part{k}" / "runs").iterdir())) == 3
    assert dropbench(capsys, "sweep", *STUDY, "results=whole").code == 0
    merged(["part1", "part2", "part3"], "together")
    assert everything(bare / "together") == everything(bare / "whole")
    assert report(capsys, "together") == report(capsys, "whole") == report(capsys, "part3", "part1", "part2")
    assert dropbench(capsys, "runs", "verify", "together").code == 0
    said = dropbench(capsys, "sweep", *STUDY, "results=together", "--shard", "2/3")
    assert said.code == 0 and "mlp on wine" in said.out, "where all is there, so is the report"
    assert len(list((bare / "together" / "runs").iterdir())) == 9


def test_a_dry_run_is_of_the_part(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = []
    for k in range(1, 5):
        said = dropbench(capsys, "sweep", *STUDY, "--shard", f"{k}/4", "--dry-run", "--json")
        runs += [run["run_id"] for run in json.loads(said.out)["runs"]]
    assert len(runs) == len(set(runs)) == 9
    said = dropbench(capsys, "sweep", *STUDY, "--shard", "20/20", "--dry-run")
    assert said.code == 0 and "shard 20/20: 0 of 9 runs" in said.err and said.out.startswith("nothing is left to train")
    assert not (bare / "results").exists()


def test_more_shards_than_runs_train_each_once(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(1, 13):
        assert dropbench(capsys, "sweep", *STUDY, f"results=part{k}", "--shard", f"{k}/12", "--quiet").code == 0
    merged([f"part{k}" for k in range(1, 13)], "together")
    assert sum(len(list((bare / f"part{k}" / "runs").iterdir())) for k in range(1, 13)) == 9
    assert len(list((bare / "together" / "runs").iterdir())) == 9


def test_a_tuned_sweep_goes_on_once_its_parts_are_together(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, "sweep", *STUDY, *TUNED, "results=whole").code == 0
    for time in range(2):
        for k in (1, 2):
            said = dropbench(capsys, "sweep", *STUDY, *TUNED, f"results=part{k}", "--shard", f"{k}/2")
            assert said.code == 0, said.err
            if time == 0:
                assert f"shard {k}/2: 6 of 12 runs" in said.err and "comparison" not in said.err
                assert "The next stage needs the runs of all shards" in said.err
                assert "run the same command again" in said.err
            elif k == 1:  # no stage follows this one
                assert "Once all shards are done, type: dropbench report" in said.err and "next stage" not in said.err
        merged(["part2"], "part1")
        merged(["part1"], "part2")
    assert everything(bare / "part1") == everything(bare / "whole") == everything(bare / "part2")
    said = dropbench(capsys, "sweep", *STUDY, *TUNED, "results=part1")
    assert said.code == 0 and "9 runs, 9 finished already" in said.err
    (plan,) = Store(bare / "part1").plans()
    assert plan.course is not None and plan.course.ended


def test_a_later_look_divides_only_what_it_adds(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Seeds that were looked at before are nobody's work, so the new ones are divided evenly."""
    words = ("sweep", "study=three_arm", *TINY, "execute.workers=1", "--until-settled", "--at-most", "16", "--quiet")
    for k in (1, 2):
        assert dropbench(capsys, *words, f"results=part{k}", "--shard", f"{k}/2").code == 0
    merged(["part2"], "part1")
    merged(["part1"], "part2")
    for k in (1, 2):
        before = len(list((bare / f"part{k}" / "runs").iterdir()))
        assert dropbench(capsys, *words, f"results=part{k}", "--shard", f"{k}/2").code == 0
        assert before == 30 and len(list((bare / f"part{k}" / "runs").iterdir())) == before + 9


def test_a_run_that_failed_in_another_part_holds_nobody_up(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once folders are together each part knows what failed elsewhere; who trains it tries it again."""
    for k in (1, 2):
        dropbench(capsys, "sweep", *STUDY, *TUNED, f"results=part{k}", "--shard", f"{k}/2", "--quiet")
    merged(["part1"], "part2")
    first = sorted(p.name for p in (bare / "part1" / "runs").iterdir())[0]
    (bare / "part2" / "failed").mkdir(exist_ok=True)
    shutil.move(bare / "part2" / "runs" / first, bare / "part2" / "failed" / first)
    record = bare / "part2" / "failed" / first / "record.json"
    tree = json.loads(record.read_text()) | {"status": "failed", "reason": "the node was lost"}
    record.write_text(json.dumps(tree))
    said = dropbench(capsys, "sweep", *STUDY, *TUNED, "results=part2", "--shard", "2/2")
    assert "comparison, seeds 0-2:" in said.err, said.err


@pytest.mark.parametrize("text", ["0/3", "4/3", "third"])
def test_a_part_that_is_none_is_a_sentence(bare: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    said = dropbench(capsys, "sweep", *STUDY, "--shard", text)
    assert said.code == 2 and said.err.startswith(f"Error: --shard {text}: ") and len(said.err.splitlines()) == 1
