"""`dropbench runs`, `train --from` and `--force`: a results folder is looked after, and a run is made again."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from run_folders import WINE, runs
from terminal import dropbench

from dropbench.cli import found
from dropbench.errors import UsageError
from dropbench.store import Record, Store, files, read, tensors
from dropbench.store.checkpoints import WORK, Checkpoints
from dropbench.store.claims import Claims

# Looking


def test_list_has_a_line_a_run(swept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "runs", "list")
    assert said.code == 0
    for run in runs(swept):
        assert sum(run in line for line in said.out.splitlines()) == 1
    assert "standard 0.5" in said.out and "4 runs" in said.out
    some = json.loads(dropbench(capsys, "runs", "list", "results", "seed=1", "--where", "dropout!=none", "--json").out)
    assert [(r["seed"], r["setting"]) for r in some] == [(1, "standard 0.5")]
    assert [r["metric"] for r in some] == ["test_accuracy"] and 0 <= some[0]["value"] <= 1
    swept.folder(runs(swept)[0]).joinpath("record.json").write_text("{")
    assert "1 record cannot be read" in dropbench(capsys, "runs", "list").err


def test_no_run_of_a_known_status_is_an_answer_and_a_mistyped_one_a_mistake(
    swept: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["status=failed"], ["--where", "status=diverged"], ["-w", "status=failed and model=mlp"]):
        said = dropbench(capsys, "runs", "list", *words, "--json")
        assert (said.code, json.loads(said.out), said.err) == (0, [], "")
        assert dropbench(capsys, "runs", "list", *words).out == "0 runs\n"
    said = dropbench(capsys, "runs", "remove", "--where", "status=failed", "--yes")
    assert said.code == 0 and "nothing to remove" in said.out and len(runs(swept)) == 4
    assert dropbench(capsys, "runs", "list", "status=faild").code == 2


def test_json_that_was_asked_for_is_printed_also_by_a_quiet_command(
    swept: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs(swept)[0]
    for words in (["list"], ["show", run], ["status"], ["verify"], ["stop"]):
        assert json.loads(dropbench(capsys, "runs", *words, "--json", "-q").out)


def test_show_and_report_print_one_run_and_the_command_that_repeats_it(
    swept: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs(swept)[0]
    shown, reported = dropbench(capsys, "runs", "show", run[:6]), dropbench(capsys, "report", f"results/runs/{run}")
    assert shown == reported and shown.code == 0
    for part in ("name: wine", "last epochs:", "accuracy", "started: ", f"dropbench train --from results/runs/{run}"):
        assert part in shown.out
    tree = json.loads(dropbench(capsys, "runs", "show", run, "--json").out)
    assert tree["run_id"] == run and tree["command"] == f"dropbench train --from results/runs/{run}"
    assert "Seeds: " in dropbench(capsys, "report", f"results/runs/{run}", "--metric", "loss").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "zzz"], "zzz: no run in results has an id that begins like this"),
        (["stop", "three_arm-1"], "results has no job of this name; there are none; dropbench runs status"),
        (["remove", "dropout=spatial"], "begins like this; a condition is typed --where dropout=spatial"),
        (["show", ""], "no run is named: write its folder or the beginning of its id"),
        (["show", "results/runs/zzz"], "results/runs/zzz is not a run: it has no record.json"),
        (["verify", "elsewhere"], "elsewhere is not a results folder (it has no runs/)"),
        (["remove"], "say which runs, by id or by condition"),
        (["prune", "--only", "faild"], "--only faild: there is no such kind; did you mean 'failed'?"),
        (["list", "--where", "seed"], "--where 'seed': write key, comparison, value"),
        (["list", "mode=mlp"], "unknown key 'mode'; did you mean 'model'?"),
        (["remove", "elsewhere/runs/abc", "--yes"], "is not in results; name its folder: --results elsewhere"),
    ],
)
def test_mistakes_are_sentences(swept: Store, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    answer = dropbench(capsys, "runs", *words)
    assert answer.code == 2 and said in answer.err and "Traceback" not in answer.err


def test_what_a_mistake_names_steers_no_terminal(swept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["report", "a\x1b[31mb"], ["runs", "show", "\u202ex"], ["train", "--from", "\x07"]):
        said = dropbench(capsys, *words)
        assert said.code == 2 and said.err.replace("\n", "").isprintable()


@pytest.mark.parametrize("words", [["-r", "other"], ["--results", "other"], ["-r", "results=other"], ["results=other"]])
def test_every_command_takes_the_folder_in_one_way(
    swept: Store, bare: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    run = runs(swept)[0]
    (bare / "results").rename(bare / "other")
    commands = {"list": [], "verify": [], "prune": ["--dry-run"], "show": [run], "remove": [run, "--dry-run"]}
    commands |= {"status": [], "stop": []}
    for command, rest in commands.items():
        assert dropbench(capsys, "runs", command, *rest).code == 2  # there is no results/
        said = dropbench(capsys, "runs", command, *rest, *words)
        assert said.code == 0 and (said.out or said.err == "no job of other is running\n"), said.err
        if command in ("list", "verify", "prune"):
            assert dropbench(capsys, "runs", command, "other", *rest) == said


def test_an_id_that_several_have_is_not_guessed(swept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "matching", lambda *_: {"ab1": [Path("a")], "ab2": [Path("b")]})
    with pytest.raises(
        UsageError, match=r"ab: 2 runs in results have ids that begin like this \(ab1, ab2, ...\); write more of the id"
    ):
        found.found("ab", Path("results"))


# Removing


def test_nothing_is_removed_without_a_yes(
    swept: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = runs(swept)
    said = dropbench(capsys, "runs", "remove", before[0][:6], "--dry-run")
    assert said.code == 0 and "1 would be removed" in said.out and before[0] in said.out
    said = dropbench(capsys, "runs", "remove", before[0])
    assert said.code == 2 and "type --yes" in said.err
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: False)
    assert dropbench(capsys, "runs", "remove", before[0]).code == 1
    assert runs(swept) == before
    monkeypatch.setattr(typer, "confirm", lambda *_, **__: True)
    assert dropbench(capsys, "runs", "remove", before[0]).code == 0
    assert runs(swept) == before[1:]


def test_remove_by_condition(swept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert dropbench(capsys, "runs", "remove", "--where", "dropout=none and seed>0", "--yes").code == 0
    assert [(r.seed, r.variants[0].name) for r in swept.load().records if r.seed] == [(1, "standard")]
    assert len(swept.load().records) == 3
    assert dropbench(capsys, "sweep", *WINE, "execute.workers=1", "-q").code == 0  # and is trained again
    assert len(swept.load().records) == 4


def test_prune_removes_what_no_report_needs_and_nothing_else(swept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, *_ = runs(swept)
    (swept.folder(bad) / "record.json").write_text("{")
    newer = swept.root / "runs" / "newer"
    newer.mkdir()
    (newer / "record.json").write_text('{"schema": 99, "run_id": "newer"}')
    attempt = swept.root / "failed" / "aaaa"
    attempt.mkdir()
    leftover = swept.root / "runs" / f".x~{files._host()}~{2**22 + 1}~ab"
    leftover.mkdir()
    (swept.root / "plans" / "bad.json").write_text("{")
    shown = dropbench(capsys, "runs", "prune", "--dry-run")
    for path in (swept.root / "runs" / bad, attempt, leftover, swept.root / "plans" / "bad.json"):
        assert str(path.relative_to(swept.root.parent)) in shown.out and path.exists()
    assert "4 would be removed" in shown.out and "newer" not in shown.out
    assert dropbench(capsys, "runs", "prune", "--only", "failed", "--yes").code == 0
    assert not attempt.exists() and (swept.root / "runs" / bad).exists()
    assert dropbench(capsys, "runs", "prune", "--yes").code == 0
    assert good in runs(swept) and len(runs(swept)) == 3 and newer.exists()
    assert not leftover.exists() and not (swept.root / "plans" / "bad.json").exists()
    assert dropbench(capsys, "runs", "prune", "--yes").out.endswith("nothing to remove\n")


def test_prune_removes_damaged_checkpoints_and_jobs_that_have_ended(
    swept: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    from dropbench.process import alive
    from dropbench.store import jobs

    damaged = [swept.root / kind / "x.safetensors" for kind in ("work", "rungs", "ended")]
    for path in damaged:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"cut short")
    newer = swept.root / "work" / "y.safetensors"
    tensors.write(newer, {}, {"form": 99})
    asked = {"command": ("sweep",), "where": str(swept.root), "plans": (), "created": "2026-01-01", "node": "here"}
    going, done, elsewhere, beginning = (jobs.new(swept.root, "sweep", **asked) for _ in range(4))
    submitting = jobs.new(swept.root, "sweep", **asked, cluster="local")  # its tasks are not known yet
    jobs.begin(going.folder, jobs.COMMAND, "here")
    jobs.begin(done.folder, jobs.COMMAND, "here")
    jobs.end(done.folder, jobs.COMMAND, 0)
    this = alive.this()
    member = replace(this, node="another machine") if this is not None else None
    jobs._write(elsewhere.folder, jobs.COMMAND, jobs.Member(member, "far"))
    said = dropbench(capsys, "runs", "verify")
    assert said.code == 1 and said.out.count("a checkpoint that cannot be used") == 3
    shown = dropbench(capsys, "runs", "prune", "--yes")
    assert shown.code == 0 and "is done" in shown.out and "removed 4" in shown.out
    assert not done.folder.exists() and not any(path.exists() for path in damaged)
    assert all(job.folder.exists() for job in (going, elsewhere, beginning, submitting)) and newer.exists()
    assert dropbench(capsys, "runs", "verify").code == 0


def test_prune_sets_older_data_aside_and_plans_without_runs(swept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    from dropbench import identity

    folder = swept.folder(runs(swept)[0])
    tree = json.loads((folder / "record.json").read_text()) | {
        "data_fingerprint": "0" * 12,
        "started": "2020-01-01T00:00:00Z",
    }
    tree |= identity.ids(tree["config"], tree["data_fingerprint"], tree["sources"])
    (folder / "record.json").write_text(json.dumps(tree))
    old = folder.rename(folder.with_name(tree["run_id"]))
    shown = dropbench(capsys, "runs", "prune", "--dry-run")
    assert old.name in shown.out and "1 would be removed" in shown.out
    for run in runs(swept):
        swept.remove(swept.folder(run))
    (plan,) = swept.plans()
    with Claims(swept.root, beats=False) as claims:  # a command has just begun to train one
        claims.take(plan.runs[:1])
        assert "nothing to remove" in dropbench(capsys, "runs", "prune", "--yes").out
    saved = Checkpoints(swept.root, WORK)  # it was stopped
    saved.write("x", {}, (1, 0), {}, {plan.runs[0]: {"told": {}}})
    assert "nothing to remove" in dropbench(capsys, "runs", "prune", "--yes").out and list(swept.plans())
    saved.sweep(lambda run: True)
    assert "none of its 4 runs is stored" in dropbench(capsys, "runs", "prune", "--yes").out
    assert not list((swept.root / "plans").iterdir())


def test_nothing_outside_of_the_folder_is_removed(swept: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").write_text("")
    with pytest.raises(ValueError, match="is not in"):
        swept.remove(outside)
    link = swept.root / "runs" / "link"
    link.symlink_to(outside)
    swept.remove(link)
    assert not os.path.lexists(link) and (outside / "keep").exists()


# Again


def test_force_trains_again_and_replaces_the_record_when_it_is_finished(
    swept: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [swept.folder(run) for run in runs(swept)]
    before = [read(f) for f in folders]
    said = dropbench(capsys, "sweep", *WINE, "execute.workers=1", "--force")
    assert "4 finished runs trained again, because of --force" in said.err and "0 finished already" not in said.err
    after = [read(f) for f in folders]
    for old, new in zip(before, after, strict=True):
        assert isinstance(old, Record) and isinstance(new, Record)
        assert old.metrics == new.metrics and old != new  # the same numbers, at another time
    assert "finished already" in dropbench(capsys, "sweep", *WINE, "execute.workers=1").err


def test_from_repeats_a_run(swept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = next(r for r in swept.load().records if r.seed == 1 and r.variants[0].name == "standard")
    said = dropbench(capsys, "train", "--from", f"results/runs/{run.run_id}")
    assert said.code == 0 and f"run {run.run_id} is finished already" in said.err and "--force" in said.err
    said = dropbench(capsys, "train", "--from", run.run_id[:5], "--force", "--json")
    again = json.loads(said.out)
    assert again["run_id"] == run.run_id and again["metrics"] == run.metrics and again["started"] >= run.started
    elsewhere = dropbench(capsys, "train", "--from", f"results/runs/{run.run_id}", "results=other", "--json")
    assert json.loads(elsewhere.out)["metrics"] == run.metrics and Path("other/runs", run.run_id).is_dir()


def test_from_says_what_it_cannot_repeat(swept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run = runs(swept)[0]
    for words, said in (
        (["model=cnn"], "--from repeats a run exactly, but model=cnn might change it"),
        (["seed=3"], "but seed=3 might change it"),
    ):
        answer = dropbench(capsys, "train", "--from", run, *words)
        assert answer.code == 2 and said in answer.err
    assert "no run in results has an id that begins like this" in dropbench(capsys, "train", "--from", "zzz").err


def test_from_says_that_data_have_changed(
    swept: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dropbench import identity

    folder = swept.folder(runs(swept)[0])
    tree = json.loads((folder / "record.json").read_text()) | {"data_fingerprint": "0" * 12}
    tree |= identity.ids(tree["config"], tree["data_fingerprint"], tree["sources"])
    (folder / "record.json").write_text(json.dumps(tree))
    old = folder.rename(folder.with_name(tree["run_id"]))
    said = dropbench(capsys, "train", "--from", str(old.relative_to(swept.root.parent)))
    assert said.code == 0 and "its data have changed since (000000000000 then," in said.err
    assert "this is another run" in said.err and len(runs(swept)) == 5


def test_a_users_part_is_found_through_conf_alone(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["model=tiny", "data=wine", "train.epochs=1"]
    assert dropbench(capsys, "train", *words, "--conf", str(mine), "-q").code == 0
    (folder,) = Path("results/runs").iterdir()
    said = dropbench(capsys, "train", "--from", str(folder))
    assert said.code == 2 and "name the folder of its YAML with --conf DIR" in said.err
    assert "finished already" in dropbench(capsys, "train", "--from", str(folder), "--conf", str(mine)).err
    assert "--conf DIR" in dropbench(capsys, "report", str(folder)).out
