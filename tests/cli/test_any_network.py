"""`model=module` as it is typed: a network in a file of the working folder, what is told of it, and what it may be."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import plain_networks
import pytest
import torch
from terminal import dropbench

import dropbench as db
from dropbench.config.compose import composer
from dropbench.config.source_hash import source_hash
from dropbench.errors import UsageError
from dropbench.planning.plan import compose_one

SHORT = ("data=digits", "data.n_train=60", "train.epochs=1", "device=cpu", "execute.workers=1")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with the networks in it, under a name of its own."""
    shutil.copy(plain_networks.__file__, tmp_path / "people.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path


def error(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    said = dropbench(capsys, "train", "model=module", *SHORT, *words)
    assert said.code == 2 and said.err.count("\n") == 1, said.err
    return said.err


@pytest.mark.parametrize("target", ["people:Convolutions", "people.Convolutions"])
def test_one_command_trains_it_and_its_sites_are_those_that_dropped(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = dropbench(capsys, "train", "model=module", f"model.target={target}", *SHORT, "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert record["rates"] == {"maps": 0.5, "drop": 0.5, "drop@2": 0.5}
    assert list(record["sources"]) == ["people.Convolutions"]
    assert record["config"]["model"]["target"] == "people.Convolutions"
    again = json.loads(dropbench(capsys, "runs", "show", record["run_id"], "--json").out)["command"]
    assert again == f"dropbench train --from results/runs/{record['run_id']}"
    assert "is finished already" in dropbench(capsys, *shlex.split(again)[1:]).err


def spec_ids(*words: str) -> tuple[str, str]:
    source_hash.cache_clear()
    with composer() as c:
        spec = compose_one(["model=module", *words], c).spec
    return spec.setting_id, spec.arm_id


def test_a_path_is_the_same_in_both_ways_and_other_code_is_another_run(here: Path) -> None:
    before = spec_ids("model.target=people:Silent")
    assert spec_ids("model.target=people.Silent") == before
    assert spec_ids("model.target=people:Silent", "model.args.width=8")[0] != before[0]
    file = here / "people.py"
    file.write_text(file.read_text() + "\n# A comment changes nothing.\n")
    assert spec_ids("model.target=people:Silent") == before
    file.write_text(file.read_text() + "\nX = 1\n")
    after = spec_ids("model.target=people:Silent")
    assert after[0] == before[0] and after[1] != before[1]


def test_a_study_is_reported_and_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("model=module", "model.target=people:perceptron", "model.args.width=16", *SHORT)
    said = dropbench(capsys, "sweep", "study=three_arm", "seed=0", *words)
    assert said.code == 0, said.err
    (record,) = [
        r
        for f in Path("results/runs").iterdir()
        for r in [json.loads((f / "record.json").read_text())]
        if r["rates"] == {"2": 0.5, "5": 0.5}
    ]
    again = dropbench(capsys, "train", "--from", record["run_id"])
    assert again.code == 0 and "is finished already" in again.err
    assert dropbench(capsys, "report", "model=module", "model.args.width=16").code == 0
    for typed in (["model.target=people:perceptron"], ["--where", "model.target=people:perceptron"]):
        dotted = [word.replace("people:", "people.") for word in typed]
        assert dropbench(capsys, "report", *typed).out == dropbench(capsys, "report", *dotted).out != ""
    said = dropbench(capsys, "report", "model.target=people:perceptrom").err
    assert "did you mean 'people.perceptron'?" in said


def test_kept_weights_are_the_network_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(
        capsys, "train", "model=module", "model.target=people:Convolutions", "train.save=best", *SHORT, "--json"
    )
    record = json.loads(said.out)
    model = db.load_model(Path("results/runs") / record["run_id"], conf=here)
    assert type(model.module.net).__name__ == "Convolutions"
    x = torch.rand(6, 1, 8, 8)
    plain = plain_networks.Convolutions(1, 10).eval()
    plain.load_state_dict(model.module.net.state_dict())
    torch.testing.assert_close(model(model.prepare(x)), plain(model.prepare(x).contiguous()))
    (here / "people.py").write_text((here / "people.py").read_text() + "\n\nX = 1\n")
    source_hash.cache_clear()
    with pytest.raises(UsageError, match="made by other code of model=module"):
        db.load_model(Path("results/runs") / record["run_id"], conf=here)


def test_sites_are_listed_with_their_own_rates(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("list", "sites", "model=module", "model.target=people:Convolutions", "data=digits")
    said = dropbench(capsys, *words)
    assert [line.split()[0] for line in said.out.splitlines()] == [
        "site", "input", "maps", "drop", "hidden.weight", "drop@2", "head.weight",
    ]  # fmt: skip
    assert (
        "'dropout=[standard,spatial]' 'dropout.standard.rates={\"*\": 0.5, \"maps\": 0.0}' dropout.spatial.rate=0.25"
        in said.err
    )
    sites = json.loads(dropbench(capsys, *words, "--json").out)["sites"]
    assert sites["maps"] == {"kind": "activation", "axes": "CHW", "shape": [6, 4, 4], "own": 0.25, "rate": 0.5}


@pytest.mark.parametrize(
    ("network", "more", "kinds"),
    [
        ("Convolutions", ("model.sites=[one]",), "'dropout=[standard,spatial]' 'dropout.standard.rates="),
        ("Convolutions", ("dropout=spatial",), "'dropout=[standard,spatial]' 'dropout.standard.rates="),
        ("Attended", (), "'dropout=[standard,attention]' dropout.standard.rate=0.1 "),
        ("Residual", (), "'dropout=[stochastic_depth,alpha]' 'dropout.stochastic_depth.rates="),
    ],
)
def test_what_keeps_the_rates_of_a_network_does_so(
    network: str, more: tuple[str, ...], kinds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typed as told, each site has the rate that the network has there, and no other site any."""
    words = ("list", "sites", "model=module", f"model.target=people:{network}", "data=digits", *more)
    (line,) = [text for text in dropbench(capsys, *words).err.splitlines() if "own dropout, type dropout=own" in text]
    told = line.partition("in full: ")[2]
    assert told.startswith(kinds)
    typed = [word for word in words if not word.startswith("dropout")]
    sites = json.loads(dropbench(capsys, *typed, *shlex.split(told), "--json").out)["sites"].values()
    rates = [sum(s["rate"].values()) if isinstance(s["rate"], dict) else s["rate"] for s in sites]
    assert [rate or 0 for rate in rates] == [s["own"] or 0 for s in sites]


def test_sites_of_a_builtin_model_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    said = dropbench(capsys, "list", "sites", "model=cnn", "data=digits", "dropout=spatial")
    assert said.out.splitlines()[2].split() == ["conv.0", "activation", "CHW", "32", "x", "4", "x", "4", "0.5"]
    assert "own rate" not in said.out
    assert dropbench(capsys, "list", "models", "model=cnn").err.startswith("Error: list models takes no settings")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "model=module needs your network: name its class, or a function that creates it: model.target="),
        (("model.target=os:system",), "model.target: os.system is in Python's standard library and cannot be used"),
        (("model.target=people:perceptrom",), "be imported: people has no 'perceptrom'; did you mean 'perceptron'? valid: "),
        (("model.target=peeple:Rows",), "there is no module 'peeple' in the working folder, a --conf folder or an installed"),
        (("model.target=peeple:Rows",), "; did you mean 'people'?"),
        (("model.target=people:Reversed",), "outputs of shape [B, 8] first, and of 2 outputs only number 2 fits the data"),
        (("model.target=Net",), "model.target=Net is not an import path; write module:name, as in model.target=mypkg.net:Net"),
        (("model.target=torch.hub:load",), "model.target=torch.hub.load is a function of an installed package"),
        (("model.target=sklearn.linear_model:Ridge",), "is not a subclass of torch.nn.Module; name a subclass"),
        (("model.target=people:text",), "model=module: people.text returns a str, which is not an nn.Module"),
        (("model.target=people:Fixed",), "of shape [B, 7], but the data have 10 classes: pass it the number of classes"),
        (("model.target=people:Rows", "model.args.depth=2"), "model.args.depth: people.Rows takes no such argument; valid: "),
        (("model.target=people:DropPath",), "needs drop_prob, which the data (as"),
        (("model.target=people:Silent",), "no dropout layer that could become a site of dropout=standard: name parts after"),
        (("model.target=people:Functional",), "noise of its own (its forward), such as F.dropout, cannot be taken over"),
        (("model.target=people:Functional",), "drop is never called: call an nn.Dropout in its forward, or name parts"),
        (("model.target=people:Functional",), "model.sites=[first] (its parts: first, head), or let it act on the input"),
        (("model.target=torch.nn:Linear",), "dropout=standard: call an nn.Dropout in its forward, or let it act on the "),
        (("model.target=people:Silent", "model.sites=[frist]"), "has no submodule 'frist'; did you mean 'first'"),
        (("model.target=people:Silent", "model.input=tokens"), "takes tokens input, but data 'digits' can only be given as"),
        (("model.target=people:Rows", "model.args.batch_first=false", "model.args.mixed=true"), "it reads examples as steps"),
        (("model.target=people:Colours",), "but got 1 channels instead ("),
        (("model.target=people:Colours",), "; perhaps it needs model.args.in_channels=1, and model.input sets the form"),
        (("model.target=people:Broken",), "called on these data: NameError: name 'missing' is not defined ("),
        (("model._target_=people.Silent",), "a _target_ can only be set in a file"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence in error(capsys, *words)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("model.target=people:Functional", "dropout=none"), "draws random numbers of its own (its forward)"),
        (("model.target=people:Functional", "model.args.always=true", "dropout=none"), "is noisy in evaluation"),
        (("model.target=people:Counting", "dropout=none"), "memory (Memory) draws random numbers itself or keeps"),
        (("model.target=people:Functional", "dropout=none"), "called as a module, so dropbench cannot use it as a site (drop)"),
        (("model.target=people:normalised",), "model=module outputs probabilities, which are taken for logits: the loss"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_over_is_told(
    words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = dropbench(capsys, "train", "model=module", *words, *SHORT)
    assert said.code == 0 and sentence in " ".join(said.err.split()), said.err


HEAD = """import torch
from torch import nn


class Head(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(in_features, num_classes)

"""


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (
            "self.head(x), x.square().mean()",
            "a single number beside its logits (output 2), such as a part of the loss: ",
        ),
        ("{'logits': self.head(x), 'kl': x.mean()}", "a single number beside its logits ('kl')"),
        ("{'logits': self.head(x), 'loss': None}", None),
        ("self.head(x), x", None),
        (
            "self.head(x), -self.head(x)",
            "more outputs of the shape of its logits (output 2), such as those of auxiliary",
        ),
        ("{'logits': self.head(x), 'aux': self.head(x) + 1}", "more outputs of the shape of its logits (aux)"),
        ("(self.head(x), self.head(x)) if self.training else self.head(x)", "more outputs of the shape of its logits"),
    ],
)
def test_a_loss_or_a_head_of_its_own_is_not_left_out_in_silence(
    returned: str, told: str | None, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "lossy.py").write_text(
        f"{HEAD}    def forward(self, x):\n        x = self.drop(x)\n        return {returned}\n"
    )
    sys.modules.pop("lossy", None)
    said = dropbench(capsys, "train", "model=module", "model.target=lossy:Head", *SHORT)
    assert said.code == 0 and ("Warning" in said.err) == (told is not None), said.err
    assert told is None or told in " ".join(said.err.split())


ONE_LAYER = """from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.lstm, self.drop = nn.LSTM(8, 8, dropout=0.5, batch_first=True), {drop}
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.drop(self.lstm(x.reshape(len(x), 8, 8))[0][:, -1]))
"""


@pytest.mark.filterwarnings("ignore:dropout option adds dropout after all but last")
def test_dropout_of_a_recurrent_network_of_one_layer_is_said_to_do_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file, drop in (("bare", "nn.Identity()"), ("dropping", "nn.Dropout(0.5)")):
        (here / f"{file}.py").write_text(ONE_LAYER.format(drop=drop))
    why = "torch's dropout of a recurrent network of one layer (lstm) does nothing"
    assert f"has no dropout layer that could become a site of dropout=standard, because {why}" in error(
        capsys, "model.target=bare:Net"
    )
    assert "(torch's, in a recurrent network of one layer, does nothing)" in error(
        capsys, "model.target=bare:Net", "dropout=own"
    )
    said = dropbench(capsys, "train", "model=module", "model.target=dropping:Net", *SHORT, "--dry-run")
    assert said.code == 0 and f"Warning: model=module: {why}" in " ".join(said.err.split()), said.err


def test_a_network_that_ends_its_process_costs_a_sentence(here: Path) -> None:
    (here / "ends.py").write_text(
        "import os\nfrom torch import nn\n\n\nclass Ends(nn.Module):\n    def __init__(self):\n        os._exit(3)\n"
    )
    command = [sys.executable, "-m", "dropbench", "train", "model=module", "model.target=ends:Ends", *SHORT]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here)
    assert done.returncode == 2 and "model=module ended its process (exit code 3)" in done.stderr


def test_the_example_of_the_documentation(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    python, shell, shown = (
        text.partition(f"```{kind}\n")[2].partition("```")[0] for kind in ("python", "bash", "text")
    )
    (here / "mypkg").mkdir()
    (here / "mypkg" / "net.py").write_text(python)
    listed, *sweeps = (line.split()[1:] for line in shell.splitlines())
    assert dropbench(capsys, *listed).out == shown
    short = ("data.n_train=40", "train.epochs=1", "seed=0", "execute.workers=1", "device=cpu")
    for words in sweeps:
        assert dropbench(capsys, *(word for word in words if not word.startswith("seed=")), *short).code == 0


def test_a_layer_of_a_fixed_size_is_told_which_argument_to_take(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "from torch import nn\n\n\nclass Net(nn.Sequential):\n    def __init__(self{}):\n"
    text += "        super().__init__(nn.Linear({}, 8), nn.Dropout(0.5), nn.Linear({}, 10))\n"
    (here / "fixed.py").write_text(text.format("", 12, 8))
    (here / "later.py").write_text(text.format(", in_features", "in_features", 9))
    take = "let its __init__ take in_features (here 64), which dropbench fills in: docs/models.md"
    assert take in error(capsys, "model.target=fixed:Net")
    assert "let its __init__" not in error(capsys, "model.target=later:Net")
