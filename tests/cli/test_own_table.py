"""A user's own table from the command line: studies of it, what is said where it is none, and its trained networks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from own_tables import mixed
from terminal import dropbench

import dropbench as package
from dropbench.store.predictions import read_predictions

TINY = ("train.epochs=2", "model.widths=[4]", "device=cpu")
N = 60


@pytest.fixture
def folder(bare: Path) -> Path:
    """A folder with a table of classes, one of numbers, and other files."""
    frame = mixed(N)
    frame.to_csv("my.csv", index=False)
    frame.assign(y=3.5 * frame["size"] + np.arange(N)).to_csv("my prices [€].csv", index=False)
    frame.to_csv("half.csv.gz", index=False, sep=";")
    Path("empty.csv").touch()
    Path("folder").mkdir()
    return bare


def one_run(folder: Path) -> Path:
    (found,) = (folder / "results/runs").iterdir()
    return found


def test_a_study_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = dropbench(
        capsys, "sweep", "study=three_arm", "data=csv", "data.path=my.csv", "data.target=y", "seed=0,1", *TINY
    )
    assert told.code == 0 and "6 runs" in told.out + told.err
    assert len(list((folder / "results/runs").iterdir())) == 6
    assert "accuracy" in dropbench(capsys, "report").out


@pytest.mark.parametrize(
    ("file", "more"), [("my.csv", ()), ("my prices [€].csv", ("train=realmlp_numbers", "model.activation=mish"))]
)
def test_realmlp_is_a_study(file: str, more: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("study=realmlp", "data=csv", f"data.path={file}", "data.target=y", "seed=0,1", *more, *TINY)
    told = dropbench(capsys, "sweep", *words)
    assert told.code == 0, told.err
    records = [json.loads(f.read_text()) for f in (folder / "results/runs").glob("*/record.json")]
    assert len(records) == 6
    for config in (r["config"] for r in records):
        assert (config["model"]["name"], config["data"]["scale"]) == ("realmlp", "squash")
        assert (config["train"]["schedule"], config["train"]["weight_decay"]) == ("coslog4", 0.02)
        assert config["train"]["label_smoothing"] == (0 if more else 0.1)
    assert {r["config"]["dropout"]["rate"] for r in records} == {0, 0.075, 0.15}


def test_a_study_of_numbers_tells_their_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("data=csv", "data.path=my prices [€].csv", "data.target=y", "seed=0,1,2", *TINY)
    assert dropbench(capsys, "sweep", "study=three_arm", *words).code == 0
    shown = dropbench(capsys, "report", "--metric", "rmse")
    assert shown.code == 0 and "rmse" in shown.out
    assert "rmse" in dropbench(capsys, "report").out
    told = dropbench(capsys, "report", "--metric", "rmse", "--about", "examples")
    assert told.code == 0 and "Traceback" not in told.err
    # Its loss is the square of that error and not a cross-entropy, so it is in no nats, and a share of it counts as the same.
    for file in (folder / "results/runs").glob("*/record.json"):
        record = json.loads(file.read_text())
        assert record["task"] == "regress"
        assert (record["measures"]["loss"]["unit"], record["measures"]["loss"]["region"]) == ("", "1%")
    assert " nats" not in dropbench(capsys, "report", "--explain").out
    assert dropbench(capsys, "runs", "verify").code == 0


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("data.scale=quantile",),
        ("data.scale=squash", "data.categorical=[age]"),
        ("data.ids=[size]",),
        ("model.num_embed=plr",),
        ("model=realmlp", "data.scale=squash"),
    ],
)
@pytest.mark.parametrize("file", ["my.csv", "my prices [€].csv"])
def test_a_trained_network_says_of_new_rows_what_it_said_of_its_own(
    file: str, more: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "train",
        "data=csv",
        f"data.path={file}",
        "data.target=y",
        "train.save=last",
        "dropout.rate=0.3",
        *more,
        *TINY,
    )
    assert dropbench(capsys, *words).code == 0
    model = package.load_model(one_run(folder))
    said = read_predictions(one_run(folder))
    assert said is not None
    frame = pd.read_csv(file).iloc[said.rows]
    predicted = model.predict(frame.drop(columns="y"))
    assert model.predict(frame.head(0)).shape == (0,)
    if said.error is None:
        assert said.right is not None
        assert [model.classes[i] for i in predicted] == [
            y if right else next(c for c in model.classes if c != y)
            for y, right in zip(frame["y"], said.right, strict=True)
        ]
    else:
        y = torch.tensor(frame["y"].to_numpy(), dtype=torch.float32)
        # Errors are kept to three digits.
        torch.testing.assert_close(predicted.double() - y.double(), torch.from_numpy(said.error), rtol=2e-3, atol=1e-3)
        record = json.loads((one_run(folder) / "record.json").read_text())
        rmse = float((predicted.double() - y.double()).square().mean().sqrt())
        assert rmse == pytest.approx(record["metrics"]["test_rmse"], rel=1e-6)


def test_a_network_that_says_how_sure_it_is_predicts_numbers_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("data=csv", "data.path=my prices [€].csv", "data.target=y", "train.save=last", "train.loss=gaussian")
    assert dropbench(capsys, "train", *words, "metric=[rmse,gaussian_nll,loss]", *TINY).code == 0
    frame = pd.read_csv("my prices [€].csv")
    assert package.load_model(one_run(folder)).predict(frame).shape == (N,)
    assert "test_gaussian_nll" in json.loads((one_run(folder) / "record.json").read_text())["metrics"]


def test_columns_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = dropbench(capsys, "list", "columns", "data.path=my.csv", "data.target=y", "data.drop=[size]", "--json")
    found = {row["column"]: (row["kind"], row["use"]) for row in json.loads(told.out)}
    assert found == {
        "size": ("number", "dropped"), "age": ("number", "input"), "colour": ("category", "input"),
        "day": ("date", "input"), "y": ("category", "target"),
    }  # fmt: skip
    assert "colour" in dropbench(capsys, "list", "columns", "data.path=my.csv").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data=csv"], "data.path is not set: it names your file, as in data=csv data.path=my.csv"),
        (
            ["data=csv", "data.path=my.csv"],
            "data.target is not set: it names the column to predict; the columns of 'my'",
        ),
        (["data=csv", "data.path=mi.csv", "data.target=y"], "data.path=mi.csv: there is no such file; .*'my.csv'"),
        (["data=csv", "data.path=folder", "data.target=y"], "data.path=folder is a folder"),
        (["data=csv", "data.path=empty.csv", "data.target=y"], "empty.csv is empty"),
        (["data=csv", "data.path=my.csv", "data.target=Y"], "there is no column 'Y'; did you mean 'y'"),
        (["data=csv", "data.path=my.csv", "data.target=y", "data.group=y"], "'y' is already used by data.target"),
        (
            ["data=csv", "data.path=my.csv", "data.target=y", "data.task=regress"],
            "which is not a number; type data.task=classify",
        ),
        (["data=csv", "data.path=my.csv", "data.target=y", "data.task=sort"], "data.task"),
        (["data=csv", "data.path=my.csv", "data.target=y", "data.scale=log"], "data.scale"),
        (
            ["data=csv", "data.path=my.csv", "data.target=y", "model=cnn"],
            "or a model that takes flat input: autoencoder, mlp",
        ),
        (["data=csv", "data.path=my.csv", "data.target=y", "data.n_train=5000"], "data.n_train=5000 is too many"),
        (
            ["data=csv", "data.path=my prices [€].csv", "data.target=y", "data.label_noise=0.1"],
            "data.label_noise=0.1 replaces",
        ),
        (["data=csv", "data.path=my prices [€].csv", "data.target=y", "metric=accuracy"], "accuracy"),
        (["data=csv", "data.path=my.csv", "data.target=y", "train.loss=mse"], "train.loss"),
        (["data=wine", "data.path=my.csv"], "data.path"),
    ],
)
def test_a_mistake_gets_one_sentence(
    words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = TINY if "model=cnn" not in words else ("train.epochs=2", "device=cpu")
    told = dropbench(capsys, "sweep", "study=three_arm", *words, *tiny)
    assert told.code == 2 and "Traceback" not in told.err and not (folder / "results/runs").exists()
    assert len(told.err.strip().splitlines()) == 1
    assert re.search(message, told.err), told.err


def test_a_file_may_be_named_in_any_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By its whole path, below data.root, with spaces and brackets, packed, by the other word; and it is one run."""
    for words in (
        ["data=csv", "data.path=my.csv"],
        ["data=csv", f"data.path={folder}/my.csv"],
        ["data=csv", "data.path=my.csv", "data.root=elsewhere"],
        ["data=csv", "data.path=my.csv", "data.root=."],
    ):
        if words[-1] == "data.root=elsewhere":
            (folder / "elsewhere").mkdir()
            (folder / "my.csv").rename(folder / "elsewhere/my.csv")
        elif words[-1] == "data.root=.":
            (folder / "elsewhere/my.csv").rename(folder / "my.csv")
        told = dropbench(capsys, "train", *words, "data.target=y", *TINY)
        assert told.code == 0, told.err
    assert one_run(folder)
    for words in (["data=csv", "data.path=half.csv.gz"], ["data=parquet", "data.path=my.csv"]):
        assert dropbench(capsys, "train", *words, "data.target=y", *TINY).code == 0


ODD = ["größe [m²] (x)", "a, b", "y=z", "x{1}", "true", "1", "$e", "c:d"]


@pytest.mark.parametrize("name", ODD)
def test_a_column_may_be_called_anything(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixed(N).rename(columns={"y": name}).to_csv("odd.csv", index=False)
    typed = f"'{name}'" if "," in name else name
    told = dropbench(capsys, "train", "data=csv", "data.path=odd.csv", f"data.target={typed}", *TINY)
    assert told.code == 0, told.err
    told = dropbench(capsys, "list", "columns", "data.path=odd.csv", f"data.drop=['{name}']", "--json")
    assert [row["use"] for row in json.loads(told.out) if row["column"] == name] == ["dropped"]


def test_headings_that_are_numbers_need_no_quotes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixed(N).rename(columns={"size": "1", "age": "true"}).to_csv("odd.csv", index=False)
    told = dropbench(
        capsys, "list", "columns", "data.path=odd.csv", "data.drop=[1,true]", "data.categorical=day", "--json"
    )
    assert {row["column"]: row["use"] for row in json.loads(told.out)}["1"] == "dropped"
    wrong = dropbench(capsys, "list", "columns", "data.path=odd.csv", "data.drop=[size [m]]")
    assert wrong.code == 2 and "quote names of columns that contain brackets, ['size [m]']" in wrong.err


def test_an_autoencoder_takes_a_table_whose_target_is_a_number(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It reconstructs the inputs; what the target is does not matter."""
    rows = "\n".join(f"{i % 7},{(i * i) % 11},{i / 3:.3f}" for i in range(60))
    (bare / "amounts.csv").write_text(f"a,b,y\n{rows}\n")
    words = ("data=csv", "data.path=amounts.csv", "data.target=y", "train.epochs=1", "model.widths=[4]")
    said = dropbench(capsys, "train", "model=autoencoder", *words)
    assert said.code == 0 and "loss" in said.out, said.err
