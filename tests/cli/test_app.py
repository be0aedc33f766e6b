"""The command line: mistakes and their sentences, what is printed where, and what is imported for it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from terminal import dropbench

from dropbench.config.options import GROUPS, options

GOLDEN = Path(__file__).parents[1] / "golden" / "mistakes.txt"
TINY = ("data=wine", "train.epochs=1", "model.widths=[4]")


def mistakes() -> list[tuple[str, str]]:
    """Commands and what they print, from blocks that open with `$ `."""
    blocks = re.split(r"^\$ ", GOLDEN.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [(command, said) for command, _, said in (block.partition("\n") for block in blocks)]


def here(said: str, folder: Path) -> str:
    """Without the folder of this test, and lists of options by their group's name: adding one changes no sentence."""

    def group(match: re.Match[str]) -> str:
        names = set(match[2].split(", "))
        return next((f"{match[1]}: <{g}>" for g in GROUPS if names <= set(options(g))), match[0])

    said = said.replace(str(folder), "<tmp>")
    return re.sub(
        r"(valid|variants that fit|eats \w+): ([a-z_0-9]+(?:, [a-z_0-9]+)*)$", group, said, flags=re.MULTILINE
    )


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder on a machine with a CPU only and no data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DROPBENCH_DATA", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    return tmp_path


@pytest.mark.parametrize(("command", "sentence"), mistakes(), ids=[c for c, _ in mistakes()])
def test_a_mistake_is_a_sentence(command: str, sentence: str, bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bare / "file").touch()
    (bare / "taken" / "model").mkdir(parents=True)
    (bare / "taken" / "model" / "mlp.yaml").touch()
    (bare / "own" / "study").mkdir(parents=True)
    (bare / "own" / "study" / "own.yaml").write_text(
        "# mine\nbaseline: a\narms: {a: {dropout.rate: 0.1}, b: {dropout.rate: 0.2}}\n"
    )
    before = sorted(bare.rglob("*"))
    said = dropbench(capsys, *shlex.split(command.replace("<tmp>", str(bare))))
    assert here(said.err, bare) == sentence
    assert said.code == 2
    # Only where results cannot be written is anything known after the plan is shown.
    assert said.out == "" or "results=" in command
    assert sorted(bare.rglob("*")) == before


def test_unknown_options_and_commands(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such option: --cofn" in dropbench(capsys, "train", "--cofn", "x").err
    said = dropbench(capsys, "trian")
    assert said.code == 2
    assert "Did you mean 'train'?" in said.err


def test_train_shows_the_run_and_shows_it_again(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = dropbench(capsys, "train", *TINY)
    assert (first.code, first.err) == (0, "")
    assert re.search(r"^epoch 1/1  train/val loss \d", first.out)
    assert "accuracy" in first.out and "results/runs/" in first.out
    again = dropbench(capsys, "train", *TINY)
    assert again.code == 0
    assert re.match(r"run \w{12} is finished already; its record is shown again\n", again.out)
    assert again.out.splitlines()[1:] == first.out.splitlines()[1:]


def test_what_evaluation_with_noise_adds_is_shown(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no training side, and no gap."""
    small = ["data=wine", "model.widths=[8]", "train.epochs=1", "eval.passes=2"]
    said = dropbench(capsys, "train", *small, "eval.mode=mc")
    assert said.code == 0 and re.search(r"mc accuracy +\d+\.\d\d % +\d+\.\d\d % *\n", said.out)
    assert "mc mutual information" in said.out
    said = dropbench(capsys, "train", *small, "eval.mode=ensemble")
    assert said.code == 0 and "geometric loss" in said.out
    said = dropbench(capsys, "report", "eval.mode=mc", "--metric", "mc_accuracy")
    assert (said.code, said.err) == (0, "") and "mc acc. %" in said.out


def test_many_options_and_metrics_leave_a_report_without_warnings(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """pandas warns of a frame whose columns came one by one; filters make warnings errors, but not in the user's terminal."""
    for words in (["model=mlp", "eval.mode=mc", "eval.passes=2"], ["model=rnn", "dropout=zoneout"], ["model=cnn"]):
        assert dropbench(capsys, "train", "data.n_train=50", "train.epochs=1", *words).code == 0
    said = dropbench(capsys, "report")
    assert (said.code, said.err) == (0, "")


def test_a_run_without_loss_or_accuracy_has_progress_too(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "train", *TINY, "metric=accuracy", "train.monitor=val_accuracy")
    assert re.match(r"epoch 1/1  train/val accuracy \S+ %  gap \S+  lr 0.001  \S+ s left\n", said.out)


def test_json_is_all_of_standard_output(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "train", *TINY, "--json")
    record = json.loads(said.out)
    assert record["status"] == "completed" and Path(record["folder"]).is_dir()
    assert said.err.startswith("epoch 1/1")
    swept = json.loads(dropbench(capsys, "sweep", *TINY, "seed=0,1", "--json").out)
    assert (swept["completed"], swept["failed"], len(swept["records"])) == (2, 0, 2)
    assert record["run_id"] in swept["runs"]
    planned = json.loads(dropbench(capsys, "sweep", *TINY, "seed=0,1,2,3", "--json", "--dry-run").out)
    assert len(planned["runs"]) == 2 and sorted(map(len, planned["cohorts"])) in ([1, 1], [2])
    assert set(json.loads(dropbench(capsys, "list", "models", "--json").out)["models"]) >= {"cnn", "mlp", "rnn"}


def test_quiet_says_nothing_but_errors(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("train", *TINY),
        ("sweep", *TINY, "seed=0,1"),
        ("sweep", *TINY, "seed=0,1,2", "--dry-run"),
        ("report",),
        ("list",),
    ):
        said = dropbench(capsys, *words, "--quiet")
        assert (said.code, said.out, said.err) == (0, "", ""), words
    assert dropbench(capsys, "train", "model=mpl", "--quiet").err.startswith("Error: ")
    assert dropbench(capsys, "report", "--format", "csv", "--quiet").out.startswith("comparison")


def test_cfg_can_be_read_back(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (*TINY, "seed=3", "dropout.rates={input: 0.2, hidden.0: 0.3}")
    shown = OmegaConf.to_container(OmegaConf.create(dropbench(capsys, "train", *words, "--cfg").out))
    assert json.loads(dropbench(capsys, "train", *words, "--cfg", "--json").out) == shown
    assert not (bare / "results").exists()
    stored = json.loads(dropbench(capsys, "train", *words, "--json").out)["config"]
    assert isinstance(shown, dict)
    extra = {key: shown.pop(key) for key in ("device", "results", "execute")}
    assert extra == {
        "device": "auto",
        "results": "results",
        "execute": {"name": "local", "workers": "auto", "threads": 1, "cohort": "auto"},
    }
    assert (shown["data"].pop("root"), shown["data"].pop("download")) == ("data", False)
    assert shown["train"].pop("loggers") == []
    assert shown == stored


def test_divergence_is_said_and_is_no_failure(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("data=wine", "model.widths=[4]", "train.optimizer=sgd", "train.lr=1e30", "train.epochs=3")
    said = dropbench(capsys, "train", *words)
    assert (said.code, said.err) == (0, "")
    assert re.search(r"^run \w{12} diverged: the loss was not finite in epoch \d\nno result: ", said.out, re.MULTILINE)
    said = dropbench(capsys, "sweep", *words, "seed=0,1")
    assert said.code == 0
    assert "2 runs, 1 finished already and skipped" in said.out
    assert len(re.findall(r"^run \w{12} diverged: ", said.out, re.MULTILINE)) == 1


def test_a_grid_without_a_study_ends_with_its_table(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "sweep", *TINY, "dropout=none,standard", "seed=0,1")
    assert "mlp on wine" in said.out and "standard 0.5" in said.out
    said = dropbench(capsys, "sweep", *TINY, "dropout=none,standard", "seed=0,1", "--dry-run")
    assert said.out == "sweep: 4 runs, 4 finished already and skipped\nnothing is left to train\n"


def test_report_writes_a_file(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dropbench(capsys, "train", *TINY)
    assert dropbench(capsys, "report", "-f", "markdown", "-o", "table.md").out == "written to table.md\n"
    assert "standard 0.5" in (bare / "table.md").read_text()
    dropbench(capsys, "train", *TINY, "results=elsewhere")
    by_key, by_path = (dropbench(capsys, "report", w) for w in ("results=elsewhere", "elsewhere"))
    assert by_key == by_path and by_key.code == 0
    said = dropbench(capsys, "report", "-o", "nowhere/table.md")
    assert (said.code, said.err.partition(":")[0]) == (2, "Error")


def test_a_fault_of_ours_keeps_its_traceback(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(bare))
    monkeypatch.setattr("dropbench.cli.listing.list_options", lambda *_, **__: 1 / 0)
    said = dropbench(capsys, "list")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("Error: ZeroDivisionError: division by zero\nThis is a fault of dropbench, not yours.")
    (kept,) = bare.glob("dropbench-crash-*.txt")
    assert str(kept) in said.err and "Traceback" in kept.read_text()


IMPORTED = """
import sys
sys.argv = ["dropbench", *{words!r}]
from dropbench.cli.app import main
try:
    main()
finally:
    heavy = {heavy!r}
    print("imported:", *sorted(heavy & {{m.partition(".")[0] for m in sys.modules}}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "heavy"),
    [
        (["--help"], {"torch", "pandas", "hydra", "scipy", "pydantic", "sklearn", "numpy"}),
        (["train", "--help"], {"torch", "pandas", "hydra", "scipy", "sklearn", "numpy"}),
        (["report"], {"torch", "hydra", "sklearn", "torchvision"}),
        (["list"], {"torch", "pandas", "hydra"}),
    ],
)
def test_what_is_not_imported(
    words: list[str], heavy: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if words == ["report"]:
        dropbench(capsys, "train", *TINY, f"results={tmp_path / 'results'}")
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(words=words, heavy=heavy)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "imported:\n"


def test_python_m_dropbench_and_version(tmp_path: Path) -> None:
    for words in (["--version"], ["-h"], ["train", "-h"]):
        done = subprocess.run([sys.executable, "-m", "dropbench", *words], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout) or "Usage: " in done.stdout


def test_a_reader_that_leaves_early_is_no_failure(tmp_path: Path) -> None:
    """`dropbench report | head` under `set -o pipefail`."""
    for words in (["train", *TINY], ["report"], ["list"]):
        process = subprocess.Popen(
            [sys.executable, "-m", "dropbench", *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert (process.wait(timeout=60), process.stderr.read()) == (0, b"")
        process.stderr.close()
        if words[0] == "train":  # it may have ended before it had trained
            subprocess.run([sys.executable, "-m", "dropbench", *words], cwd=tmp_path, check=True, capture_output=True)


def test_an_interrupt_says_what_is_stored_and_leaves_no_worker(tmp_path: Path) -> None:
    """SIGINT to the whole process group, as a terminal sends it; then the same command goes on."""
    words = ["sweep", "data=wine", "model.widths=[4]", "train.epochs=1,100000", "seed=0,1"]
    words += ["execute.workers=2", "execute.cohort=1", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dropbench", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    runs = tmp_path / "results" / "runs"
    end = time.monotonic() + 60
    while time.monotonic() < end and len(list(runs.glob("[!.]*"))) < 2:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == (
        "Stopped: 2 of 4 runs had finished and are stored in results; the same command goes on from there"
    )
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):  # nobody is left in the group
        os.killpg(process.pid, 0)
    assert len(list(runs.glob("[!.]*"))) == 2
