"""Composing: what a user adds, seeds composed once, and what the environment says."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mine import bring
from terminal import dropbench

from dropbench.config.compose import Composer, composer
from dropbench.config.grammar import expand, parse
from dropbench.config.options import GROUPS, options
from dropbench.errors import UsageError
from dropbench.sites import site_rates
from dropbench.spec import CONSTANT
from dropbench.values import flatten


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a user's own classes; they are forgotten after."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    yield bring(tmp_path / "mine")
    for name in [n for n in sys.modules if n.startswith("my_")]:
        del sys.modules[name]


def composed(c: Composer, *words: str) -> Any:
    (point,) = expand(parse(words), c.options)
    return c.compose(point)


def test_a_schedule_goes_with_any_variant(mine: Path) -> None:
    (mine / "dropout" / "bare.yaml").write_text("# no _common\n_target_: my_variant.Half\nname: bare\nstrength: 1\n")
    with composer([mine]) as c:
        for variant in ("standard", "half", "bare"):
            words = (f"dropout={variant}", "dropout.rate=0.3" if variant != "bare" else "+dropout.rate=0.3")
            assert composed(c, *words).spec.dropout.schedule == CONSTANT
            found = composed(c, *words, "dropout/schedule=linear_up", "dropout.schedule.over=0.5").spec
            schedule = found.dropout.schedule
            assert (schedule.name, schedule.options, found.dropout.rate) == ("linear_up", {"over": 0.5}, 0.3)
            assert found.as_dict()["dropout"]["schedule"] == {
                "name": "linear_up",
                "_target_": "dropbench.dropout.schedule.linear_up",
                "version": 1,
                "over": 0.5,
            }


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
        grid = expand(parse(["dropout/schedule=glob([wave,l*])"]), c.options)
        names = [c.compose(point).spec.dropout.schedule.name for point in grid]
    assert names == ["late", "linear_down", "linear_up", "wave"]
    said = dropbench(capsys, "train", "dropout/schedule=wave", "dropout.schedule.height=1.5", *conf)
    assert said.err == "Error: dropout/schedule=wave gives 1.5 at progress 1; it must give 0 to 1\n"
    (mine / "my_schedule.py").write_text("def wave(progress, *, height: float):\n    return 1 / (progress - 0.5)\n")
    del sys.modules["my_schedule"]
    said = dropbench(capsys, "train", "dropout/schedule=wave", *conf)
    assert said.err.startswith("Error: dropout/schedule=wave gives -2 at progress 0; it must give 0 to 1")


def test_metrics_go_by_the_task_of_the_model(mine: Path) -> None:
    (mine / "my_model.py").write_text((mine / "my_model.py").read_text() + "\n    task = 'reconstruct'\n")
    with composer([mine]) as c:
        assert list(composed(c).spec.metric) == ["loss", "accuracy"]
        assert composed(c, "model=tiny").spec.metric.keys() == {"loss"}
        with pytest.raises(UsageError) as error:
            composed(c, "model=tiny", "train.monitor=val_accuracy")
        assert str(error.value) == (
            "train.monitor=val_accuracy: accuracy is no metric for model=tiny, whose task is reconstruct; "
            "choose train.monitor=val_loss"
        )
        with pytest.raises(UsageError, match=r"no metric for model=tiny, .*; choose a metric that fits it"):
            composed(c, "model=tiny", "metric=accuracy", "train.monitor=val_accuracy")
        with pytest.raises(
            UsageError, match=r"metric.accuracy.tasks: there is no task 'clasify'; did you mean 'classify'"
        ):
            composed(c, "metric.accuracy.tasks=[clasify]")
        # What a metric is for changes no number.
        assert composed(c, "metric.accuracy.tasks=[classify]").spec.run_id == composed(c).spec.run_id


def test_seeds_are_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with composer() as c:
        inner, calls = c._hydra, []
        monkeypatch.setattr(c, "_hydra", lambda words: calls.append(words) or inner(words))
        points = expand(parse(["seed=range(0,50)", "dropout.rate=0.1,0.2"]), c.options)
        specs = [c.compose(p).spec for p in points]
    assert len(calls) == 2
    assert [s.seed for s in specs[:3]] == [0, 0, 1]
    assert len({s.run_id for s in specs}) == 100


def test_the_data_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPBENCH_DATA", "/data/sets")
    with composer() as c:
        assert composed(c).settings.data_root == Path("/data/sets")
        assert composed(c, "data.root=/other").settings.data_root == Path("/other")
    monkeypatch.delenv("DROPBENCH_DATA")
    with composer() as c:
        assert composed(c).settings.data_root == Path("data")


def test_values_are_typed() -> None:
    with composer() as c:
        found = composed(
            c, "model.widths=[8, 4]", "dropout.placement=hidden.*", "train.warmup_epochs=1", "metric=[loss]"
        )
    assert found.spec.model.options == {"widths": [8, 4], "activation": "relu", "batch_norm": "none"}
    assert found.spec.dropout.placement == ("hidden.*",)
    assert isinstance(found.spec.train.warmup_epochs, float)
    assert list(found.spec.metric) == ["loss"]
    assert found.study is None


def test_rates_with_a_star() -> None:
    from dropbench.planning.variants import variant
    from dropbench.sites import Site

    with composer() as c:
        spec = composed(c, 'dropout.rates={input: 0.2, "*": 0.5}', "dropout.rate=0.9").spec
    sites = [Site(n, "activation", (4,), "F") for n in ("input", "hidden.0", "hidden.1")]
    rates = site_rates(variant(spec.dropout), sites, spec.dropout.rate, spec.dropout.rates, spec.dropout.placement)
    assert rates == {"input": 0.2, "hidden.0": 0.5, "hidden.1": 0.5}


def test_leaves() -> None:
    assert flatten({"a": {"b": 1, "c": {}}, "d": [2]}) == {"a.b": 1, "a.c": {}, "d": [2]}


def test_every_group_has_options_without_the_parts_of_others() -> None:
    for group in GROUPS:
        assert options(group)
        assert not any(name.startswith("_") for name in options(group))


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


def test_an_own_study(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("study=pair", "--conf", str(mine), "data=wine", "model.widths=[4]", "train.epochs=1")
    said = dropbench(capsys, "sweep", *words)
    assert said.code == 0
    assert "pair: 4 runs" in said.out and "Difference from without" in said.out
    (plan,) = Path("results/plans").glob("*.json")
    stored = json.loads(plan.read_text())
    assert (stored["baseline"], stored["question"]) == ("without", "Is it worth it?")
    assert {name: len(runs) for name, runs in stored["arms"].items()} == {"without": 2, "with": 2}


@pytest.mark.parametrize(("seed", "seeds"), [("[4, 2]", {2, 4}), ("3", {3}), ("range(5,8)", {5, 6, 7})])
def test_seeds_of_an_own_study(mine: Path, seed: str, seeds: set[int]) -> None:
    from dropbench.planning.plan import make

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
            "model._target_ has no value; give it one: model._target_=...",
        ),
        ("model/mine.yaml", "_target_: my_model.Tiny\n", "model.name has no value; give it one: model.name=..."),
        (
            "model/mine.yaml",
            "_target_: my_model.Absent\nname: mine\n",
            "_target_: my_model.Absent cannot be imported: No module named 'my_model.Absent'; 'my_model' is not a package",
        ),
        (
            "model/mine.yaml",
            "_target_: my_model.Tiny\nname: mine\nunit: 3\n",
            "'model.unit' is not a key here; did you mean 'model.units'? valid: model.units",
        ),
        ("model/mine.yaml", "name: [\n", "this is no YAML: while parsing a flow node"),
        (
            "study/mine.yaml",
            "arms: {a: {dropout.rate: 0.1}}\nbaseline: a\n",
            "study.arms={a: {dropout.rate: 0.1}}: it must be",
        ),
        ("study/mine.yaml", "arms: {a: {dropout.rate: 0.1}, b: {dropout: none}}\n", "study.baseline has no value"),
        ("dropout/mine.yaml", "defaults: [nowhere]\n", "In 'dropout/mine': Could not load 'dropout/nowhere'."),
    ],
)
def test_faults_in_own_files(
    mine: Path, file: str, text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine / file).write_text(text)
    group = file.partition("/")[0]
    command = "sweep" if group == "study" else "train"
    said = dropbench(capsys, command, f"{group}=mine", "--conf", str(mine))
    assert said.code == 2
    assert said.err.startswith("Error: ") and len(said.err.splitlines()) == 1
    assert said.err.startswith(f"Error: {sentence}")


def test_a_fault_in_one_own_variant_does_not_hide_those_that_fit(mine: Path) -> None:
    from dropbench.planning.plan import make

    (mine / "dropout" / "broken.yaml").write_text("_target_: nowhere.Broken\nname: broken\n")
    with composer([mine]) as c, pytest.raises(UsageError, match=r"variants that fit: .*gaussian.*standard"):
        make(["dropout=spatial"], c)


@pytest.mark.parametrize(
    ("override", "instead"),
    [
        ("dropout=[standard,dropconnect]", "dropout=standard,dropconnect"),
        ("model=[mlp,cnn]", "model=mlp,cnn"),
        ("train=[default, zaremba_small]", "train=default,zaremba_small"),
        ("data=[digits,wine]", "data=digits,wine"),
    ],
)
def test_several_options_where_a_run_has_one_are_refused(override: str, instead: str) -> None:
    """Hydra would let the last one count and say nothing."""
    with composer() as c, pytest.raises(UsageError, match=re.escape(instead)):
        c.compose({override.partition("=")[0]: override})


def test_a_list_of_one_is_that_option() -> None:
    with composer() as c:
        listed, plain = (c.compose({"dropout": f"dropout={text}"}).spec for text in ("[standard]", "standard"))
    assert listed == plain and len(plain.variants) == 1
    assert plain.as_dict()["dropout"]["name"] == "standard"
