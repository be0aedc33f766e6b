"""The command line: mistakes and their sentences, what is printed where, and what is imported for it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import TINY, dropbench

from dropbench.config.options import GROUPS, options

GOLDEN = Path(__file__).parents[1] / "golden" / "mistakes.txt"


def mistakes() -> list[tuple[str, str]]:
    """Commands and what they print, from blocks that open with `$ `."""
    blocks = re.split(r"^\$ ", GOLDEN.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [(command, said) for command, _, said in (block.partition("\n") for block in blocks)]


def by_group(said: str, folder: Path) -> str:
    """Without the folder of this test, and lists of options by their group's name: adding one changes no sentence."""

    def group(match: re.Match[str]) -> str:
        names = set(match[2].split(", "))
        known = {g: {*options(g), *(("own", *options("dropout/recipe")) if g == "dropout" else ())} for g in GROUPS}
        return next((f"{match[1]}: <{g}>" for g in GROUPS if names <= known[g]), match[0])

    said = said.replace(str(folder), "<tmp>")
    return re.sub(
        r"(valid|variants that fit|takes \w+ input): ([a-z_0-9/]+(?:, [a-z_0-9/]+)*)$", group, said, flags=re.MULTILINE
    )


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
    # Only where results cannot be written is anything known after the plan is shown.
    assert by_group(said.err.removeprefix("sweep: 1 run\n" if "results=" in command else ""), bare) == sentence
    assert (said.code, said.out) == (2, "")
    assert sorted(bare.rglob("*")) == before


def test_unknown_options_and_commands(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such option: --cofn" in dropbench(capsys, "train", "--cofn", "x").err
    said = dropbench(capsys, "trian")
    assert said.code == 2
    assert "Did you mean 'train'?" in said.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sites", "list sites"),
        ("metrics", "list metrics"),
        ("show", "runs show"),
        ("new", "init"),
        ("compare", "sweep"),
        ("help", "--help"),
    ],
)
def test_a_command_that_lies_elsewhere_is_named(
    typed: str, meant: str, bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = dropbench(capsys, typed)
    assert said.code == 2 and f"No such command '{typed}'. Did you mean '{meant}'?" in said.err


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


def test_the_help_of_a_silent_sweep_says_how_to_see_the_verdict_alone(
    bare: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dropbench(capsys, "sweep", *TINY, "dropout=none,standard", "seed=0,1", "--quiet").out == ""
    shown = dropbench(capsys, "sweep", "--help").out
    command = re.search(r"--quiet.*?dropbench (report --format verdict)", re.sub(r"[\s│]+", " ", shown))
    assert command
    said = dropbench(capsys, *command[1].split())
    assert (said.code, said.err) == (0, "")
    (line,) = said.out.splitlines()
    assert line.startswith("Against none, on test accuracy: standard 0.5 ")
    assert dropbench(capsys, "report", "--format", "verdict", "--runs").code == 2


def test_a_fault_of_ours_keeps_its_traceback(
    bare: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(bare))
    monkeypatch.setattr("dropbench.cli.listing._headline", int)
    said = dropbench(capsys, "list")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("Error: TypeError: int() argument ")
    (kept,) = bare.glob("dropbench-crash-*.txt")
    assert f"This is a bug in dropbench, not a mistake of yours. The whole traceback is in {kept}" in said.err
    assert "Traceback" in kept.read_text()


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
    for words in (["--version"], ["-V"], ["-h"], ["train", "-h"]):
        done = subprocess.run([sys.executable, "-m", "dropbench", *words], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout) or "Usage: " in done.stdout
