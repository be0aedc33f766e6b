"""What the command line cannot reach: classes and functions, Hydra's own settings, files beside the options."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from terminal import TINY, dropbench

from dropbench.config.compose import Composer
from dropbench.config.grammar import parse
from dropbench.config.options import options
from dropbench.errors import UsageError
from dropbench.planning.plan import make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `shutil.rmtree` would delete, where it is given to it as the folder of data."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept.txt").write_text("kept")
    return tmp_path / "mine"


@pytest.mark.parametrize(
    "word",
    [
        "data._target_=shutil.rmtree",
        "+data._target_=shutil.rmtree",
        "++data._target_=shutil.rmtree",
        "data._target_=shutil.rmtree,shutil.rmtree",
        "data._target_=choice(shutil.rmtree,os.remove)",
        "data={_target_: shutil.rmtree}",
        'data={"_target_": shutil.rmtree, name: wine}',
        "+data={a: [{_target_: shutil.rmtree}]}",
        "dropout.schedule={_target_: shutil.rmtree, name: x},{name: y}",
        "metric.loss._target_=shutil.rmtree",
        "model.inner._target_.x=shutil.rmtree",
        "dropout/schedule@data=constant",
        "data@model=wine",
    ],
)
@pytest.mark.parametrize("command", [("sweep", "--dry-run"), ("train",), ("train", "--cfg")])
def test_nothing_is_called_that_is_named_on_the_command_line(
    folder: Path, command: tuple[str, ...], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = dropbench(capsys, *command, word, f"data.root={folder}", f"results={folder.parent / 'results'}")
    assert said.code == 2 and said.err.startswith(f"Error: {word}: "), said.err
    assert len(said.err.splitlines()) == 1
    assert (folder / "kept.txt").exists()


def test_no_program_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    monkeypatch.setattr(subprocess, "call", lambda *given, **_: called.append(given))
    said = dropbench(capsys, "sweep", "--dry-run", "data._target_=subprocess.call", f"data.root={tmp_path}")
    assert said.code == 2 and not called


@pytest.mark.parametrize(
    "word",
    [
        "dropout.schedule=${data}",
        "data=${model}",
        "dropout.schedule=${model}",
        "train.augment=${data}",
        "model.widths=[${data}]",
        "metric.loss=${model}",
    ],
)
def test_what_an_interpolation_brings_is_not_called_either(c: Composer, word: str) -> None:
    with pytest.raises(UsageError):
        make([word, *TINY], c)


def test_a_target_from_the_environment(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine / "data" / "sly.yaml").write_text("defaults: [_split]\n_target_: ${oc.env:SLY}\nname: sly\n")
    monkeypatch.setenv("SLY", "my_data.load")
    said = dropbench(capsys, "sweep", "--dry-run", "data=sly", "--conf", str(mine))
    assert (said.code, said.err.partition(":")[2].strip()[:35]) == (2, "data._target_=my_data.load: a _targ"), said.err


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("hydra.job.name=x", "does not start Hydra jobs"),
        ("+hydra.searchpath=[file:///tmp]", "does not start Hydra jobs"),
        ("hydra/launcher=basic", "does not start Hydra jobs"),
        ("hydra=x", "does not start Hydra jobs"),
        ("model@hydra.x=mlp", "does not start Hydra jobs"),
        ("~data=wine", "is not a setting"),
        ("model@_global_=mlp", "Hydra's @ for moving an option is not supported; write model=... without it"),
        ("+model=cnn", "the group model already has an option; write model=cnn"),
    ],
)
def test_hydra_itself_is_out_of_reach(word: str, sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        parse([word])
    assert sentence in str(error.value)


@pytest.mark.parametrize("name", ["../dropout/standard", "_split", "../data/wine", "/tmp/x", "${oc.env:HOME}", ".", ""])
def test_an_option_is_one_that_is_listed(c: Composer, tmp_path: Path, name: str) -> None:
    """A name with `../` would lead Hydra to any YAML on the disk, with any `_target_` in it."""
    shutil.copytree(Path(__file__).parents[2] / "conf", tmp_path / "conf")
    with pytest.raises(UsageError, match="there is no such data"):
        make([f"data={name}"], c)


@pytest.mark.parametrize(
    ("file", "target", "word"),
    [
        ("data/sly.yaml", "shutil.rmtree", "data=sly"),
        ("data/sly.yaml", "os.remove", "data=sly"),
        ("data/sly.yaml", "builtins.print", "data=sly"),
        ("data/sly.yaml", "my_sly.again", "data=sly"),
        ("data/sly.yaml", "my_sly.shutil.rmtree", "data=sly"),
        ("data/sly.yaml", "torch.save", "data=sly"),
        ("data/sly.yaml", "dropbench.models.mlp.MLP", "data=sly"),
        ("data/sly.yaml", "my_sly.nothing", "data=sly"),
        ("data/sly.yaml", "my_sly.one", "data=sly"),
        ("model/sly.yaml", "subprocess.Popen", "model=sly"),
        ("model/sly.yaml", "torch.nn.Linear", "model=sly"),
        ("model/sly.yaml", "my_sly.one", "model=sly"),
        ("dropout/sly.yaml", "torch.nn.Dropout", "dropout=sly"),
        ("dropout/sly.yaml", "my_sly.one", "dropout=sly"),
        ("dropout/schedule/sly.yaml", "math.sqrt", "dropout/schedule=sly"),
        ("dropout/schedule/sly.yaml", "numpy.sqrt", "dropout/schedule=sly"),
        ("dropout/schedule/sly.yaml", "my_sly.nothing", "dropout/schedule=sly"),
        ("metric/sly.yaml", "torch.equal", "metric=[loss,sly]"),
        ("metric/sly.yaml", "my_sly.one", "metric=[loss,sly]"),
    ],
)
def test_a_part_of_a_user_is_looked_at_before_it_is_called(
    mine: Path, file: str, target: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine / "my_sly.py").write_text(
        "import shutil\nfrom pathlib import Path\nfrom shutil import rmtree as again\n"
        "def nothing():\n    Path('called').touch()\n"
        "def one(x):\n    Path('called').touch()\n"
    )
    (mine / "dropout" / "schedule").mkdir()
    node = f"_target_: {target}\nname: sly\n" + "rate: 0.5\n" * (file == "dropout/sly.yaml")
    (mine / file).write_text(f"sly:\n  {node.replace(chr(10), chr(10) + '  ')}\n" if "metric" in file else node)
    (mine / "kept").mkdir()
    words = [word, *["data=wine"] * (not word.startswith("data")), f"data.root={mine / 'kept'}"]
    said = dropbench(capsys, "sweep", "--dry-run", *words, "--conf", str(mine))
    assert said.code == 2 and said.err.startswith(f"Error: _target_: {target} "), said.err
    assert len(said.err.splitlines()) == 1
    assert (mine / "kept").is_dir() and not Path("called").exists()


def test_nothing_beside_a_results_folder_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.chdir(tmp_path)
    assert dropbench(capsys, "train", "--cfg").code == 0
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize("key", ["strength", "none_at"])
def test_what_a_regularizers_file_says_of_its_options_is_not_typed(
    capsys: pytest.CaptureFixture[str], key: str
) -> None:
    word = f"regularizer.mixup.{key}=schedule"
    said = dropbench(capsys, "sweep", "--dry-run", *TINY, "regularizer=[mixup]", word)
    assert said.code == 2 and said.err.startswith(
        f"Error: {word}: strength and none_at are set in the regularizer's file"
    )


def test_a_file_whose_strength_is_none_of_its_options_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine" / "regularizer"
    folder.mkdir(parents=True)
    ours = (options("regularizer")["l2"]).read_text(encoding="utf-8")
    (folder / "mine.yaml").write_text(
        ours.replace("l2:", "mine:").replace("name: l2", "name: mine").replace("strength: alpha", "strength: beta")
    )
    said = dropbench(capsys, "sweep", "--dry-run", "--conf", str(folder.parent), *TINY, "regularizer=[mine]")
    assert said.code == 2 and said.err.startswith("Error: regularizer.mine.strength=beta is not one of its options; ")
