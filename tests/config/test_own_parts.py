"""What a user adds in a folder of their own: classes, options, studies, and the faults in them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from specs_kit import composed, grid
from terminal import dropbench

from dropbench.config.compose import composer
from dropbench.errors import UsageError
from dropbench.planning.plan import make


def test_an_own_schedule(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mine / "dropout" / "schedule").mkdir()
    (mine / "dropout" / "schedule" / "wave.yaml").write_text(
        "# Mine\n_target_: my_schedule.wave\nname: wave\nheight: 1.0\n"
    )
    (mine / "my_schedule.py").write_text("def wave(progress, *, height: float):\n    return height * progress**2\n")
    conf = ("--conf", str(mine))
    listed = json.loads(dropbench(capsys, "list", "schedules", *conf, "--json").out)["schedules"]
    assert listed["wave"] == "Mine" and "constant" in listed
    with composer([mine]) as c:
        assert composed(c, "dropout/schedule=wave").spec.dropout.schedule.options == {"height": 1.0}
        names = [run.spec.dropout.schedule.name for run in grid(c, "dropout/schedule=glob([wave,l*])")]
    assert names == ["late", "linear_down", "linear_up", "wave"]
    said = dropbench(capsys, "train", "dropout/schedule=wave", "dropout.schedule.height=1.5", *conf)
    assert said.err == "Error: dropout/schedule=wave returns 1.5 at progress 1; it must return 0 to 1\n"
    (mine / "my_schedule.py").write_text("def wave(progress, *, height: float):\n    return 1 / (progress - 0.5)\n")
    del sys.modules["my_schedule"]
    said = dropbench(capsys, "train", "dropout/schedule=wave", *conf)
    assert said.err.startswith("Error: dropout/schedule=wave returns -2 at progress 0; it must return 0 to 1")


@pytest.mark.parametrize(
    ("words", "model", "rates"),
    [
        (["model=tiny", "data=wine", "dropout.rate=0.2"], {"units": 4}, {"middle": 0.2}),
        (["model=tiny", "model.units=7", "data=stripes"], {"units": 7}, {"middle": 0.5}),
        (["data=stripes", "data.rows=90", "dropout=half", "model.widths=[4]"], {"widths": [4]}, {"hidden.0": 0.5}),
        (["model=tiny", "data=stripes", "dropout=half", "dropout.strength=1"], {"units": 4}, {"middle": 0.5}),
    ],
)
def test_own_classes_train(
    mine: Path, words: list[str], model: dict[str, Any], rates: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    said = dropbench(capsys, "train", *words, "--conf", str(mine), "train.epochs=1", "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert record["status"] == "completed"
    assert record["rates"] == rates
    assert record["config"]["model"].items() >= model.items()
    assert ("trained stacked by vmap" in said.err) == ("model=tiny" in words)


@pytest.mark.parametrize("typed", [[], ["dropout.rate=0.3"]])
def test_a_variant_without_a_rate_is_not_the_arm_without_dropout(mine: Path, typed: list[str]) -> None:
    file = mine / "dropout" / "half.yaml"
    file.write_text(file.read_text().replace("defaults:\n  - _common\n", ""))
    with composer([mine]) as c, pytest.raises(UsageError) as error:
        composed(c, "dropout=half", *typed)
    assert str(error.value).startswith("dropout/half.yaml sets no rate; begin it with the keys that every variant has")


@pytest.mark.parametrize("group", ["metric", "regularizer"])
def test_a_part_of_several_has_its_keys_below_its_name(mine: Path, group: str) -> None:
    (mine / group).mkdir(exist_ok=True)
    (mine / group / "flat.yaml").write_text("# Mine\n_target_: my_metric.flat\nname: flat\n")
    with composer([mine]) as c, pytest.raises(UsageError) as error:
        composed(c, f"{group}=[flat]")
    assert str(error.value).startswith(f"{group}=flat: {group}/flat.yaml must hold one key, flat, with all of the")


def test_an_own_study(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("study=pair", "--conf", str(mine), "data=wine", "model.widths=[4]", "train.epochs=1")
    said = dropbench(capsys, "sweep", *words)
    assert said.code == 0
    assert "pair: 4 runs" in said.err and "Difference from without" in said.out
    (plan,) = Path("results/plans").glob("*.json")
    stored = json.loads(plan.read_text())
    assert (stored["baseline"], stored["question"]) == ("without", "Is it worth it?")
    assert {name: len(runs) for name, runs in stored["arms"].items()} == {"without": 2, "with": 2}


@pytest.mark.parametrize(("seed", "seeds"), [("[4, 2]", {2, 4}), ("3", {3}), ("range(5,8)", {5, 6, 7})])
def test_seeds_of_an_own_study(mine: Path, seed: str, seeds: set[int]) -> None:
    file = mine / "study" / "pair.yaml"
    file.write_text(file.read_text().replace("seed: 0,1", f"seed: {seed}"))
    with composer([mine]) as c:
        assert {s.seed for s in make(["study=pair", "data=wine"], c).specs} == seeds


def test_own_options_are_listed_checked_and_completed(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(dropbench(capsys, "list", "--conf", str(mine), "--json").out)
    assert listed["models"]["tiny"] == "A user's model" and listed["variants"]["half"] == "A user's variant"
    said = dropbench(capsys, "train", "model=tiny", "model.unit=3", "--conf", str(mine))
    assert said.err == "Error: 'model.unit' is not a key here; did you mean 'model.units'? valid: model.units\n"
    said = dropbench(capsys, "train", "model=tiny", "model.units=few", "--conf", str(mine))
    assert said.err == "Error: model.units=few: it must be a whole number\n"
    said = dropbench(capsys, "train", "model=tiny", "model.units=-1", "--conf", str(mine))
    assert said.err.startswith("Error: model=tiny cannot be built with {'units': -1}: ") and said.code == 2


def test_classes_beside_the_current_folder(mine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.chdir(mine)
    (mine / "conf" / "model").mkdir(parents=True)
    (mine / "model" / "tiny.yaml").rename(mine / "conf" / "model" / "tiny.yaml")
    said = dropbench(capsys, "train", "model=tiny", "--conf", "conf", "data=wine", "train.epochs=1", "-q")
    assert (said.code, said.out, said.err) == (0, "", "")


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        (
            "model/mine.yaml",
            "# no target\nname: mine\n",
            "model._target_ has no value; write _target_: ... in the file that model= chooses",
        ),
        ("model/mine.yaml", "_target_: my_model.Tiny\n", "model.name has no value; write name: ... in the"),
        (
            "model/mine.yaml",
            "_target_: my_model.Absent\nname: mine\n",
            "_target_: my_model.Absent cannot be imported: my_model has no 'Absent'; valid: ",
        ),
        (
            "model/mine.yaml",
            "_target_: my_model.Tiny\nname: mine\nunit: 3\n",
            "'model.unit' is not a key here; did you mean 'model.units'? valid: model.units",
        ),
        ("model/mine.yaml", "name: [\n", "this is not valid YAML: while parsing a flow node"),
        (
            "study/mine.yaml",
            "arms: {a: {dropout.rate: 0.1}}\nbaseline: a\n",
            "study.arms={a: {dropout.rate: 0.1}}: a study compares two arms or more; name them under arms, or give a key",
        ),
        ("study/mine.yaml", "arms: {a: {dropout.rate: 0.1}, b: {dropout: none}}\n", "study.baseline has no value"),
        (
            "dropout/mine.yaml",
            "defaults: [standrd]\n",
            "dropout/mine.yaml: its defaults name standrd, of which there is no file; did you mean 'standard'? valid: ",
        ),
        (
            "train/mine.yaml",
            "name: mine\nepochs: 3\n",
            "train.batch_size has no value; give it one: train.batch_size=..., or batch_size: ... in the file that train= "
            "chooses; with defaults: [default] at its top it has all other values",
        ),
        (
            "train/mine.yaml",
            "defaults: [default]\nname: mine\nlr: ${train.rate}\n",
            "train.lr: ${train.rate} refers to no key; `dropbench train --cfg` shows every key",
        ),
    ],
)
def test_faults_in_own_files(
    mine: Path, file: str, text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine / file).parent.mkdir(exist_ok=True)
    (mine / file).write_text(text)
    group = file.partition("/")[0]
    command = "sweep" if group == "study" else "train"
    said = dropbench(capsys, command, f"{group}=mine", "--conf", str(mine))
    assert said.code == 2
    assert said.err.startswith("Error: ") and len(said.err.splitlines()) == 1
    assert said.err.startswith(f"Error: {sentence}")


def test_a_fault_in_one_own_variant_does_not_hide_those_that_fit(mine: Path) -> None:
    (mine / "dropout" / "broken.yaml").write_text("_target_: nowhere.Broken\nname: broken\n")
    with composer([mine]) as c, pytest.raises(UsageError, match=r"variants that fit: .*gaussian.*standard"):
        make(["dropout=spatial"], c)
