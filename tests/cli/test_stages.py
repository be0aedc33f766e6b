"""Sweeps that go on from what they find, as they are typed: tuned, looked at until settled, broken off and gone on with."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from terminal import TINY, dropbench, started

from dropbench.cli.stages import answered, confirmed
from dropbench.cli.training import trained
from dropbench.report import build, for_plan
from dropbench.report.statistics.looks import levels
from dropbench.spec import RunSpec
from dropbench.store import Record, Store, StoredPlan

TUNE = ("--tune", "train.lr=0.001,0.1", "--tuning-seeds", "2")
STUDY = ("sweep", "study=three_arm", *TINY, "dropout.rate=0.4", "execute.workers=1")


def plan_of(results: Path) -> StoredPlan:
    (plan,) = Store(results).plans()
    return plan


def test_a_tuned_sweep_compares_each_arm_at_its_best(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, *STUDY, "seed=range(0,3)", *TUNE, "--json")
    assert said.code == 0, said.err
    told, store = json.loads(said.out), Store(bare / "results")
    plan = plan_of(bare / "results")
    assert plan.course is not None and plan.course.ended and told["plan_id"] == plan.plan_id
    assert [(s["name"], len(s["runs"])) for s in told["stages"]] == [("tuning", 3 * 2 * 2), ("comparison", 9)]
    assert told["runs"] == plan.runs and {name: len(runs) for name, runs in plan.arms.items()} == {
        "none": 3,
        "reduced": 3,
        "target": 3,
    }
    assert told["completed"] == 9 and told["trained"] == 12 + 9
    for tuned in plan.course.tuned:  # by hand, from the records
        scores = {}
        for run in plan.course.stages[0].runs:
            record = store.find(run)
            assert isinstance(record, Record) and record.seed in (500, 501)
            if record.config["dropout"]["rate"] == {"none": 0.0, "reduced": 0.2, "target": 0.4}[tuned.arm]:
                scores.setdefault(record.config["train"]["lr"], []).append(record.metrics[tuned.measure])
        assert [c.score for c in tuned.candidates] == pytest.approx([sum(scores[lr]) / 2 for lr in (0.001, 0.1)])
        chosen = tuned.candidates[tuned.chosen].setting["train.lr"]
        (first, *_) = plan.arms[tuned.arm]
        found = store.find(first)
        assert isinstance(found, Record) and found.config["train"]["lr"] == chosen and found.arm_id == tuned.arm_id
    again = dropbench(capsys, *STUDY, "seed=range(0,3)", *TUNE)
    assert (again.code, "9 runs, 9 finished already and skipped" in again.err) == (0, True)
    assert "under seeds 500-501" in re.sub(r"\s+", " ", again.out) and len(plan_of(bare / "results").runs) == 9
    assert dropbench(capsys, "runs", "verify").code == 0
    assert dropbench(capsys, *STUDY, "seed=range(0,3)", *TUNE, "--dry-run").out == "nothing is left to train\n"


def test_a_dry_run_tells_the_first_stage_and_a_range(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, *STUDY, *TUNE, "--until-settled", "--at-most", "20", "--dry-run", "--json")
    told = json.loads(said.out)
    assert (said.code, len(told["runs"]), told["rest"]["runs"]) == (0, 12, [30, 60])
    assert told["rest"]["estimated_seconds"][0] <= told["rest"]["estimated_seconds"][1]
    said = dropbench(capsys, *STUDY, "--until-settled", "--dry-run")
    assert "then, depending on their results, 0 to 150 more runs" in said.out and "comparison, seeds 0-9:" in said.err
    assert not (bare / "results").exists()


@pytest.mark.parametrize(("words", "taken"), [(("dropout.rate=0.95",), [10]), (("train.lr=1e-12",), [10, 16])])
def test_it_ends_once_it_is_settled(
    bare: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], taken: list[int]
) -> None:
    """To drop nearly all harms for sure; networks that do not learn are equal, which so few test examples do not show."""
    typed = ("data=wine", "model.widths=[8]", "train.epochs=30", "train.lr=0.01", "dropout=none,standard")
    typed = tuple({text.partition("=")[0]: text for text in (*typed, *words)}.values())
    said = dropbench(capsys, "sweep", *typed, "--until-settled", "--at-most", "16", "--json", "execute.workers=1")
    plan = plan_of(bare / "results")
    assert said.code == 0 and plan.course is not None and plan.course.ended and plan.course.rule.looks == [10, 16]
    assert [len(stage["runs"]) // 2 for stage in json.loads(said.out)["stages"]] == taken
    (comparison,) = for_plan(Store(bare / "results"), plan).comparisons
    assert comparison.alpha == levels((10, 16))[len(taken) - 1] < 0.05
    assert [c.confirmed for c in comparison.verdicts.values()] == [taken == [10]]
    assert f"The results were looked at after {', '.join(map(str, taken))} of at most 16 seeds" in " ".join(
        comparison.notes
    )
    later = dropbench(capsys, "sweep", *typed, "seed=range(0,20)", "execute.workers=1").out
    later = re.sub(r"\s+", " ", later)
    assert "Looked at" not in later and f"planned before with {taken[-1]} of these 20 seeds" in later


@pytest.mark.parametrize(
    ("arms", "sure", "enough"),
    [
        ([], False, False),
        ([(True, False), (True, True)], True, True),
        ([(True, False), (False, True)], False, False),  # one arm is better, and the other one may be
        ([(True, True), (False, True)], False, True),  # neither can be used, whatever else is open
        ([(False, False), (False, True)], False, False),
    ],
)
def test_advice_is_enough_before_every_arm_has_a_verdict(
    arms: list[tuple[bool, bool]], sure: bool, enough: bool
) -> None:
    contrasts: Any = [SimpleNamespace(confirmed=c, not_better=n) for c, n in arms]
    assert (confirmed(contrasts), answered(contrasts)) == (sure, enough)


def test_a_stop_between_two_looks_is_a_look_and_what_is_read_between_is_none(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One arm has a seed more than the other when the time is over: it counts from the next look on."""
    words = ("sweep", "data=wine", "model.widths=[4]", "train.epochs=1", "train.lr=1e-12", "dropout=none,standard")
    typed = (*words, "execute.workers=1", "--until-settled", "--at-most", "16", "--max-minutes", "60")
    results = bare / "results"

    def only(until: dict[str, int], plan: Any, work: Any, *others: Any) -> Any:
        parts = [replace(c, specs=tuple(s for s in c.specs if s.seed < until[s.dropout.name])) for c in work.cohorts]
        return trained(plan, replace(work, cohorts=[c for c in parts if c.specs]), *others)

    def verdicts() -> tuple[float, set[int], dict[str, str]]:
        (comparison,) = build([results]).comparisons
        found = comparison.verdicts
        return comparison.alpha, {v.difference.n for v in found.values()}, {a: str(v) for a, v in found.items()}

    with monkeypatch.context() as patched:
        for those, looked in (
            ({"none": 5, "standard": 6}, []),  # no verdict is possible yet, so this is no look
            ({"none": 8, "standard": 7}, [7]),
            ({"none": 9, "standard": 7}, [7]),
            ({"none": 13, "standard": 12}, [7, 10, 12]),
        ):
            patched.setattr("dropbench.cli.sweep.trained", partial(only, those))
            assert dropbench(capsys, *typed).code == 0
            course = plan_of(results).course
            assert course is not None and course.looked == looked and not course.ended
            if looked:
                assert verdicts()[:2] == (levels((*looked, 16))[len(looked) - 1], {looked[-1]})
        before = verdicts()
        patched.setattr("dropbench.cli.sweep.trained", partial(only, {"none": 16, "standard": 12}))
        patched.setattr("dropbench.cli.sweep.looked_now", broken_off)  # killed: nobody is told anything
        assert dropbench(capsys, *typed).code == 130
        assert verdicts() == before and len(list((results / "runs").iterdir())) > 24
    assert dropbench(capsys, *typed).code == 0
    course = plan_of(results).course
    assert course is not None and course.looked == [7, 10, 12, 16] and course.ended
    assert verdicts()[:2] == (levels((7, 10, 12, 16))[-1], {16})
    assert dropbench(capsys, "runs", "verify").code == 0


def broken_off(*given: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--at-most", "20"), "--at-most needs --until-settled"),
        (("--tuning-seeds", "3"), "nothing is tuned"),
        (("--tune", "train.lr"), "is not a setting"),
        (("--tune", "train.lr=0.1"), "nothing to choose"),
        (("--until-settled", "--at-most", "7", "seed=range(0,8)"), "the command has 8 seeds"),
    ],
)
def test_options_that_do_not_go_together(
    bare: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    told = dropbench(capsys, "sweep", *TINY, *words)
    assert told.code == 2 and said in told.err and told.err.startswith("Error: ") and "Traceback" not in told.err


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, fails: Callable[[RunSpec], bool]) -> Iterator[None]:
    """Runs of which this is true raise once they are to be trained."""
    from dropbench.engine import build

    whole = build.build

    def broken(specs: Sequence[RunSpec], *args: Any) -> Any:
        if any(map(fails, specs)):
            raise RuntimeError("a fault")
        return whole(specs, *args)

    with monkeypatch.context() as patch:
        patch.setattr(build, "build", broken)
        yield


def test_an_arm_that_failed_while_tuning_is_left_out_until_it_succeeds(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, lambda s: s.dropout.rate == 0.2):
        said = dropbench(capsys, *STUDY, "seed=0,1", *TUNE)
        assert said.code == 1 and "not tuned: reduced, each of its 2 settings failed" in said.err
        last = said.err.splitlines()[-1]
        assert last.startswith("Error: reduced is left out of the comparison:") and "(RuntimeError: a fault" in last
        kept = plan_of(bare / "results")
        assert kept.course is not None and kept.course.ended and set(kept.arms) == {"none", "target"}
        assert {t.arm for t in kept.course.tuned if t.best is None} == {"reduced"} and len(kept.runs) == 4
        shown = re.sub(r"\s+", " ", dropbench(capsys, "report").out)
        assert "Left out, since every tuning run failed: reduced." in shown
        again = dropbench(capsys, *STUDY, "seed=0,1", *TUNE)  # tried again, and the comparison stands
        assert again.code == 1 and again.err.count("RuntimeError: a fault") > 2
        assert plan_of(bare / "results").runs == kept.runs
    assert dropbench(capsys, *STUDY, "seed=0,1", *TUNE).code == 0
    assert plan_of(bare / "results").plan_id == kept.plan_id and len(plan_of(bare / "results").runs) == 6
    assert dropbench(capsys, "runs", "verify").code == 0


def test_without_its_baseline_nothing_is_compared(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, lambda s: s.dropout.rate == 0):
        said = dropbench(capsys, *STUDY, "seed=0,1", *TUNE)
    last = said.err.splitlines()[-1]
    assert (said.code, said.out) == (1, "") and "nothing is compared with none, the baseline, because each of" in last
    assert plan_of(bare / "results").runs == []
    said = dropbench(capsys, "report")
    assert said.code == 2 and "every run of none, the baseline, failed" in said.err


def test_an_arm_is_tuned_among_the_settings_that_did_not_fail(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, lambda s: s.train.lr == 0.1 and s.seed >= 500):
        said = dropbench(capsys, *STUDY, "seed=0,1", *TUNE)
    assert said.code == 1 and "tuned: none, train.lr=0.001. Of its 2 settings 1 failed" in said.err
    assert len(plan_of(bare / "results").runs) == 6
    assert "0.1: 2 of 2 failed" in re.sub(r"\s+", " ", dropbench(capsys, "report", "--explain").out)


def test_what_stops_at_the_first_failure_compares_nothing(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with failing(monkeypatch, lambda s: s.dropout.rate == 0.2):
        said = dropbench(capsys, *STUDY, "seed=0,1", *TUNE, "--fail-fast")
    assert (
        said.code == 1 and "stopped after 1 failed run" in said.err and "comparison" not in said.err.split("Error")[0]
    )
    assert plan_of(bare / "results").runs == []


def test_settings_that_all_diverge_are_told_as_no_tuning(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, *STUDY, "seed=0,1", "--tune", "train.lr=1e18,1e19", "--tuning-seeds", "1")
    assert "not tuned: target, each of its 2 settings diverged, so no setting is better than another" in said.err
    assert "tuned: target, train.lr=1e+18, the best" not in said.err
    assert "Every setting that was tried diverged" in re.sub(r"\s+", " ", said.out)


def test_force_goes_through_all_stages_again(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((), ("--force",)):
        said = dropbench(capsys, *STUDY, "seed=0,1", *TUNE, *words, "--json")
        assert said.code == 0 and json.loads(said.out)["trained"] == 12 + 6
    assert "12 finished runs trained again, because of --force" in said.err


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_one_that_is_killed_and_told_to_stop_ends_with_the_same_runs(tmp_path: Path) -> None:
    words = ["sweep", "data=wine", "model.widths=[4]", "dropout=none,standard", "train.epochs=150", "execute.workers=1"]
    words += ["--tune", "train.lr=0.001,0.01,0.1", "--until-settled", "--at-most", "12", "--quiet", "execute.cohort=2"]
    for number, runs in ((signal.SIGKILL, 2), (signal.SIGINT, 14), (signal.SIGTERM, 22)):
        process = started(tmp_path, *words, "results=parts")
        until = time.monotonic() + 120
        while process.poll() is None and len(list((tmp_path / "parts" / "runs").glob("[!.]*"))) < runs:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate(timeout=60)
    for results in ("parts", "whole"):
        process = started(tmp_path, *words, f"results={results}")
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
    parts, whole = plan_of(tmp_path / "parts"), plan_of(tmp_path / "whole")
    assert (parts.plan_id, parts.runs, parts.course) == (whole.plan_id, whole.runs, whole.course)
    for run in whole.trained:
        one, other = Store(tmp_path / "parts").finished(run), Store(tmp_path / "whole").finished(run)
        assert one is not None and other is not None and one.metrics == other.metrics
