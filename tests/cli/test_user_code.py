"""Code of the user's own that raises, ends its process, hangs, prints or sets what all share: none of it costs the command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import dropbench, started

from dropbench.process import apart as module

CODE = """
import faulthandler, os, signal, sys, time, warnings
import torch
from torch import nn
from dropbench.data.base import Table
from dropbench.metrics.accuracy import accuracy
from dropbench.sites import Site

WHEN = "{when}"


def act(when):
    print("hello from", when)
    os.write(1, b"hello from beneath\\n")
    if when == WHEN:
        {act}


act("import")


class Tiny(nn.Module):
    eats = ("flat",)

    def __init__(self, shape, n_classes):
        super().__init__()
        act("building")
        self.one, self.two = nn.Linear(shape[0], 4), nn.Linear(4, n_classes)
        self.sites = (Site("middle", "activation", (4,), "F"),)

    def forward(self, x, noise):
        act("forward")
        return self.two(noise("middle", self.one(x).tanh()))


def load(root, download):
    act("loading")
    x = torch.linspace(-1, 1, 180, dtype=torch.float32).reshape(60, 3)
    return Table(name="stripes", x=x, y=torch.arange(60) % 3, axes="F", n_classes=3)


def own(logits, targets):
    act("measuring")
    return accuracy(logits, targets)
"""
WORDS = ["model=mlp,tiny", "data=stripes", "train.epochs=1", "seed=0", "metric=[loss,accuracy,own]"]


@pytest.fixture
def brought(mine: Path, request: pytest.FixtureRequest) -> Path:
    """A folder for --conf in which a model, data and a metric are one module, which does as the test says."""
    when, act = request.param
    (mine / "my_own.py").write_text(CODE.format(when=when, act=act), encoding="utf-8")
    (mine / "model" / "tiny.yaml").write_text("# Mine\n_target_: my_own.Tiny\nname: tiny\n")
    (mine / "data" / "stripes.yaml").write_text(
        "# Mine\ndefaults:\n  - _split\n\n_target_: my_own.load\nname: stripes\n"
    )
    (mine / "metric" / "own.yaml").write_text("# Mine\nown:\n  _target_: my_own.own\n  name: own\n")
    return mine


PLANNED = [
    (
        ("import", "raise KeyError('k')"),
        r"_target_: my_own.\w+ cannot be imported: KeyError: 'k' \(mine/my_own.py, line 16\)",
    ),
    (
        ("loading", "sys.exit(0)"),
        r"data loader my_own.load: SystemExit: 0 \(mine/my_own.py, line 16\); the whole .* \S+",
    ),
    (("building", "act(when)"), r"model=tiny cannot be built with no options: maximum recursion depth .* line \d+\)"),
]


@pytest.mark.parametrize(("brought", "sentence"), PLANNED, indirect=["brought"])
def test_what_goes_wrong_when_planned_is_a_sentence(
    brought: Path, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the place in the user's file, or how the process ended. Nothing has trained by then, and no code ends the test."""
    said = dropbench(capsys, "sweep", *WORDS, "--conf", str(brought))
    assert (said.code, said.out) == (2, "")
    (line,) = [line for line in said.err.splitlines() if not line.startswith("hello")]
    assert re.fullmatch(f"Error: {sentence}", line)
    assert not Path("results").exists()


ENDED = [
    (
        ("building", "raise KeyboardInterrupt"),
        r"model=tiny: KeyboardInterrupt \(mine/my_own.py, line 16\); the whole .* \S+",
    ),
    (
        ("building", "faulthandler.disable(); os.kill(os.getpid(), 11)"),
        r"model=tiny ended its process \(signal 11, SIGSEGV\)",
    ),
    (("building", "time.sleep(1000)"), r"model=tiny did not end within 5 s"),
    (("forward", "time.sleep(1000)"), r"model=tiny did not end within 5 s"),
]


@pytest.mark.parametrize(("brought", "reason"), ENDED, indirect=["brought"])
def test_a_model_that_cannot_be_planned_is_a_failed_run_beside_others(
    brought: Path, reason: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "5 s" in reason:
        monkeypatch.setattr(module, "PATIENCE_S", 5.0)
    said = dropbench(capsys, "sweep", *WORDS, "--json", "--conf", str(brought))
    told = json.loads(said.out)
    assert (said.code, told["completed"], told["failed"]) == (1, 1, 1)
    (failed,) = [r for r in told["records"] if r["status"] == "failed"]
    assert failed["config"]["model"]["name"] == "tiny" and re.fullmatch(reason, failed["reason"])


UNPLANNED = [
    (("import", "os._exit(0)"), ["model=mlp,tiny", "data=digits"], "_target_: importing my_own.Tiny ended its process"),
    (("import", "os._exit(0)"), ["study=two", "data=digits"], "_target_: importing my_own.Tiny ended its process"),
    (("loading", "os._exit(3)"), ["data=stripes,digits"], "data loader my_own.load ended its process (exit code 3)"),
]


@pytest.mark.parametrize(("brought", "words", "reason"), UNPLANNED, indirect=["brought"])
def test_what_cannot_even_be_looked_at_does_not_keep_the_rest_from_training(
    brought: Path, words: list[str], reason: str
) -> None:
    """No config and no data, so no run and no record: it is told at the end, and the exit code says that not all is well."""
    (brought / "study" / "two.yaml").write_text(
        "# Mine\nquestion: '?'\nbaseline: a\nseed: 0\narms:\n  a: {dropout: none}\n  b: {model: tiny}\n"
    )
    seed = [] if "study=two" in words else ["seed=0"]
    command = ["sweep", *words, *seed, "train.epochs=1", "--conf", str(brought)]
    dry = started(Path(), *command, "--dry-run")
    assert reason in dry.communicate(timeout=120)[1] and dry.returncode == 0
    sweep = started(Path(), *command, "--json")
    out, err = sweep.communicate(timeout=120)
    told = json.loads(out)
    assert (sweep.returncode, told["completed"], told["failed"], len(told["skipped"])) == (1, 1, 0, 1)
    assert reason in err and reason in told["skipped"][0]


@pytest.mark.parametrize("brought", [("building", "os._exit(4)")], indirect=True)
def test_by_itself_it_is_a_sentence(brought: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "sweep", "model=tiny", *WORDS[1:], "--conf", str(brought))
    assert (said.code, said.out) == (2, "") and "model=tiny ended its process (exit code 4)" in said.err


@pytest.mark.parametrize("brought", [("import", "os._exit(4)"), ("loading", "os._exit(4)")], indirect=True)
def test_nor_is_anything_trained_where_nothing_else_was_asked_for(brought: Path) -> None:
    sweep = started(Path(), "sweep", *WORDS, "--conf", str(brought))
    out, err = sweep.communicate(timeout=120)
    assert (sweep.returncode, out) == (2, "") and "ended its process (exit code 4)" in err
    assert not Path("results").exists()


TRAINED = [
    (("forward", "raise KeyError('k')"), "KeyError: 'k' (mine/my_own.py, line 16)"),
    (("forward", "sys.exit(0)"), "SystemExit: 0 (mine/my_own.py, line 16)"),
    (("forward", "raise GeneratorExit"), "GeneratorExit (mine/my_own.py, line 16)"),
    (("forward", "os._exit(0)"), "the worker process died (exit code 0)"),
]


@pytest.mark.parametrize(("brought", "reason"), TRAINED, indirect=["brought"])
def test_what_goes_wrong_in_training_is_one_failed_run(
    brought: Path, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is met when the model is tried already: the other arms are trained all the same. One worker is no exception."""
    said = dropbench(capsys, "sweep", *WORDS, "execute.workers=1", "--json", "--conf", str(brought))
    told = json.loads(said.out)
    assert (said.code, told["completed"], told["failed"]) == (1, 1, 1)
    (failed,) = [r for r in told["records"] if r["status"] == "failed"]
    assert (failed["config"]["model"]["name"], failed["reason"]) == ("tiny", reason)
    assert "bug in dropbench" not in said.err


SET = "torch.set_default_dtype(torch.float64), torch.set_grad_enabled(False), os.chdir('/')"


@pytest.mark.parametrize(
    ("brought", "completed"),
    [
        (("import", f"{SET}, sys.stdout.close()"), 2),
        (("loading", f"{SET}, warnings.simplefilter('error')"), 2),
        (("forward", SET), 1),
    ],
    indirect=["brought"],
)
def test_what_it_prints_and_sets_for_all_reaches_nobody(
    brought: Path, completed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is JSON alone, and a model of dropbench's is trained after it as it is by itself."""
    whole = (brought / "my_own.py").read_text()
    (brought / "my_own.py").write_text(whole.replace("when == WHEN", "False"))
    alone = dropbench(capsys, "train", "model=mlp", *WORDS[1:], "--json", "--conf", "mine")
    (brought / "my_own.py").write_text(whole)
    command = [sys.executable, "-m", "dropbench", "sweep", "model=tiny,mlp", *WORDS[1:], "execute.workers=1"]
    done = subprocess.run(
        [*command, "--json", "--conf", "mine"], cwd=brought.parent, capture_output=True, text=True, timeout=120
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["completed"]) == (2 - completed, completed), done.stderr
    assert "hello from forward" in done.stderr and "hello from beneath" in done.stderr
    (mlp,) = [r for r in told["records"] if r["config"]["model"]["name"] == "mlp"]
    assert mlp["metrics"] == json.loads(alone.out)["metrics"]
