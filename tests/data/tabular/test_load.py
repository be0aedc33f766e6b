"""A user's table from file to `Table`: roles of columns, rows that are left out, a test file, and what is said of it all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from own_tables import loaded, mixed

from dropbench.config.compose import composer
from dropbench.data.checked import checked
from dropbench.data.tabular.load import described, table
from dropbench.data.tabular.prepare import Columns
from dropbench.errors import UsageError
from dropbench.planning.plan import compose_one

N = 40


def test_nothing_but_a_path_and_a_target(tmp_path: Path) -> None:
    frame = mixed(N)
    made = checked(loaded(tmp_path, frame), "table")
    assert (made.name, made.task, made.classes, made.n_classes) == ("my", "classify", ("no", "yes"), 2)
    assert [made.classes[i] for i in made.y] == frame["y"].tolist()
    assert made.columns[:4] == ("size", "age", "day", "age missing")
    assert made.x.shape == (N, len(made.columns)) and made.notes == ()
    assert made.remedies == (
        "rows are split at random, and 'day' holds dates: if the model is to predict what comes later, data.time=day "
        "tests on the latest rows",
    )


def test_rows_without_a_target_are_left_out_and_said(tmp_path: Path) -> None:
    frame = mixed(N)
    frame.loc[[3, 17], "y"] = None
    made = loaded(tmp_path, frame)
    assert torch.equal(made.x, loaded(tmp_path, frame.drop([3, 17])).x)
    assert made.y.tolist() == [int(v == "yes") for v in frame["y"].dropna()]
    assert made.notes == ("2 rows without a value in the target 'y' left out",)


def test_numbers_to_predict_are_in_their_own_unit(tmp_path: Path) -> None:
    frame = mixed(N).assign(y=np.linspace(-3, 900, N))
    made = checked(loaded(tmp_path, frame), "table")
    assert (made.task, made.n_classes, made.classes) == ("regress", 1, ())
    assert made.y.tolist() == frame["y"].astype(np.float32).tolist()


def test_roles_are_no_inputs_but_time(tmp_path: Path) -> None:
    more = mixed(N).assign(
        who=[f"w{i // 4}" for i in range(N)], much=[1, 2] * (N // 2), left=0.5, when=np.arange(N) // 2
    )
    made = checked(loaded(tmp_path, more, group="who", weight="much", drop=("left",)), "table")
    assert not {"much", "left"} & set(made.columns) and not any(c.startswith("who") for c in made.columns)
    assert made.groups is not None and made.groups.tolist() == pd.factorize(more["who"], sort=True)[0].tolist()
    assert made.weights is not None and (made.weights / made.weights[0]).tolist() == [1, 2] * (N // 2)
    timed = checked(loaded(tmp_path, more, time="when", drop=("who",)), "table")
    assert timed.times is not None and timed.times.tolist() == more["when"].tolist() and "when" in timed.columns
    assert "when" not in loaded(tmp_path, more, time="when", drop=("who", "when")).columns
    by_day = loaded(tmp_path, more, time="day", drop=("who",)).times
    assert by_day is not None and by_day.diff().unique().tolist() == [1]


def test_a_test_file(tmp_path: Path) -> None:
    frame, other = mixed(N), mixed(12, seed=5)
    other = other[other.columns[::-1]].assign(more=1)  # columns in any order, and others, do not matter
    other.loc[2, "y"] = None
    other.to_csv(tmp_path / "test.csv", index=False)
    made = checked(loaded(tmp_path, frame, test_path=str(tmp_path / "test.csv")), "table")
    assert made.test is not None and made.test.tolist() == list(range(N, N + 11))
    assert len(made.files) == 2
    other.drop(index=2)[frame.columns].to_csv(tmp_path / "both.csv", index=False)
    whole = loaded(tmp_path, pd.concat([frame, pd.read_csv(tmp_path / "both.csv")]))
    assert torch.equal(made.x, whole.x) and torch.equal(made.y, whole.y)


def with_test(folder: Path, test: pd.DataFrame) -> None:
    test.to_csv(folder / "test.csv", index=False)
    loaded(folder, mixed(N), test_path=str(folder / "test.csv"))


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (mixed(6).drop(columns="age"), "test.csv has no column 'age'"),
        (mixed(6).assign(y=None), "test.csv has no row with a value in the target 'y'"),
    ],
)
def test_a_test_file_that_does_not_fit(test: pd.DataFrame, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        with_test(tmp_path, test)


def test_the_file_itself_is_no_test_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="all test rows would be trained on"):
        loaded(tmp_path, mixed(N), test_path=str(tmp_path / "my.csv"))


def test_classes_of_the_test_file_alone_are_told(tmp_path: Path) -> None:
    mixed(6).assign(y="perhaps").to_csv(tmp_path / "test.csv", index=False)
    made = loaded(tmp_path, mixed(N), test_path=str(tmp_path / "test.csv"))
    assert "6 test rows of the class 'perhaps', which no other row has, cannot be predicted" in made.notes


def test_what_a_user_should_know_is_said(tmp_path: Path) -> None:
    frame = mixed(N).assign(
        row=np.arange(N), same=1, name=[f"n{i}" for i in range(N)], kind=[f"k{i % 2}" for i in range(N)],
        gone=[None] * N, typed=["n.a.", *map(str, np.arange(1, N) + 0.5)],
    )  # fmt: skip
    notes = "\n".join(loaded(tmp_path, frame).notes)
    for told in (
        "row (has a different value in every row)", "same (has the same value in all rows)", "gone (has no value in any row)",
        "typed (contains 'n.a.' among numbers; leave such cells empty to make it a number)",
        "the column 'kind' alone determines the target of every row",
    ):  # fmt: skip
        assert told in notes
    assert loaded(tmp_path, pd.concat([mixed(N)] * 2)).notes == (
        f"{N} of {2 * N} rows have the inputs of another row, so test rows may also be training rows",
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "Y"}, "data.target: there is no column 'Y'; did you mean 'y'"),
        ({"target": None}, "data.target is not set.*the columns of 'my' are size, age, colour, day, y"),
        ({"group": "y"}, "data.group: the column 'y' is already used by data.target"),
        ({"drop": ("y",)}, "data.drop: the column 'y' is already used by data.target"),
        (
            {"weight": "size", "categorical": ("size",)},
            "data.categorical: the column 'size' is already used by data.weight",
        ),
        ({"drop": ("size",), "numeric": ("size",)}, "data.numeric: the column 'size' is already used by data.drop"),
        ({"group": "age"}, "data.group=age: [0-9]+ rows? have no value there"),
        ({"time": "age"}, "data.time=age: [0-9]+ rows? have no value there"),
        ({"drop": ("size", "age", "colour", "day")}, "has no column to learn from except the target 'y'"),
        ({"weight": "age"}, "every row needs a weight of 0 or more"),
        ({"weight": "day"}, "contains values that are not numbers"),
        ({"group": "size", "time": "day"}, "rows are split by groups or by time, not by both"),
    ],
)
def test_what_cannot_be_is_told(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        loaded(tmp_path, mixed(N), **options)


def test_sentences_lead_to_what_reads_them(tmp_path: Path) -> None:
    texts = pd.DataFrame({"text": [f"what number {i} says" for i in range(40)], "label": ["a", "b"] * 20})
    with pytest.raises(
        UsageError, match=r"different value in every row.; data=hf reads the sentences in text, also from a CSV"
    ):
        loaded(tmp_path, texts, target="label")


def test_the_last_of_many_columns_is_named(tmp_path: Path) -> None:
    """Of 21 columns 20 were listed, and the one that was left out was the target."""
    wide = pd.DataFrame({**{f"x{i}": [1.0, 2.0, 3.0] for i in range(1, 41)}, "target": [0, 1, 0]})
    with pytest.raises(UsageError, match=r"no column 'class'; its columns are x1, x2, .* 21 more .*, x40, target$"):
        loaded(tmp_path, wide, target="class")


@pytest.mark.parametrize("weights", [[-1.0] + [1.0] * (N - 1), [0.0] * N])
def test_weights_are_weights(weights: list[float], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="every row needs a weight of 0 or more, and some need more than 0"):
        loaded(tmp_path, mixed(N).assign(w=weights), weight="w")


@pytest.mark.parametrize(("value", "told"), [(np.inf, "inf"), (1e300, "1e\\+300")])
def test_a_number_that_is_none_is_told_with_its_row(value: float, told: str, tmp_path: Path) -> None:
    frame = mixed(N)
    frame.loc[7, "size"] = value
    with pytest.raises(UsageError, match=rf"the column 'size' contains {told} \(1 row, the first is row 8\)"):
        loaded(tmp_path, frame)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            [f"{i},{i % 7 + 1}" for i in range(N)],
            "writes numbers with a comma, such as '0,1': for a CSV file type data.decimal=comma, otherwise write 0\\.1",
        ),
        ([f"{i + 1},000" for i in range(N)], "writes numbers as '1,000': write only digits and a decimal point"),
        ([f"${i}.50" for i in range(N)], r"writes numbers as '\$0.50'"),
        ([f"{i:02}.03.2024" for i in range(N)], "writes dates as '00.03.2024': write them like 2024-03-01"),
    ],
)
def test_numbers_and_dates_in_another_writing_are_not_taken_for_names(
    written: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=f"the column 'w' {message}"):
        loaded(tmp_path, mixed(N).assign(w=written))
    assert "w=" in " ".join(loaded(tmp_path, mixed(N).assign(w=written), categorical=("w",)).columns)


def test_how_a_file_is_written_is_no_part_of_what_it_holds(tmp_path: Path) -> None:
    """The same table in another writing has the same fingerprint and the same run."""
    frame = pd.DataFrame({"size": np.arange(60) / 4, "kind": ["ä", "b"] * 30})
    ids = []
    for folder, options in (("plain", {}), ("excel", {"decimal": "comma", "encoding": "cp1252"})):
        (tmp_path / folder).mkdir()
        file, comma = tmp_path / folder / "t.csv", bool(options)
        frame.to_csv(file, index=False, sep=";", decimal="," if comma else ".", encoding=options.get("encoding"))
        made = table(tmp_path, False, path=str(file), target="kind", **options)  # type: ignore[arg-type]
        with composer() as c:
            words = [f"data.{key}={value}" for key, value in {"path": file, "target": "kind", **options}.items()]
            ids.append((made.fingerprint, compose_one(["data=csv", *words], c).spec.setting_id))
    assert ids[0] == ids[1]


def test_a_parquet_file_has_no_writing(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").touch()
    with pytest.raises(UsageError, match="say how a text is written; leave them out for Parquet"):
        table(tmp_path, False, path=str(tmp_path / "t.parquet"), target="y", decimal="comma")


def test_whole_numbers_that_no_number_can_hold_are_names(tmp_path: Path) -> None:
    made = loaded(tmp_path, mixed(N).assign(account=2**60 + 7 * np.arange(N)))
    assert made.notes == ("columns that are not used: account (has a different value in every row)",)


def test_a_column_of_many_texts_is_left_out_and_how_to_use_it_is_told(tmp_path: Path) -> None:
    many = mixed(N).assign(user=[f"u{max(i, 3)}" for i in range(N)])
    told = "user (has different texts in most rows); to use it as a category: data.categorical=[user]"
    assert f"columns that are not used: {told}" in loaded(tmp_path, many).notes
    assert not any("not used" in note for note in loaded(tmp_path, many, categorical=["user"]).notes)


def test_two_tables_that_differ_in_a_digit_only_are_two(tmp_path: Path) -> None:
    """In a digit that float32 does not have, but the standardised number does."""
    frame = mixed(N).assign(size=1e6 + np.arange(N) * 1e-3)
    one, other = loaded(tmp_path, frame), loaded(tmp_path, frame.assign(size=frame["size"] + np.arange(N) % 3 * 1e-4))
    assert torch.equal(one.x, other.x) and one.fingerprint != other.fingerprint
    assert one.fingerprint == loaded(tmp_path, frame).fingerprint


def test_the_columns_of_a_file_without_its_target(tmp_path: Path) -> None:
    loaded(tmp_path, mixed(N))
    found = described(tmp_path, {"path": "my.csv", "categorical": ["age"]})
    assert {c.name: c.kind for c in found} == {
        "size": "number", "age": "category", "colour": "category", "day": "date", "y": "category",
    }  # fmt: skip


def test_a_column_that_is_left_out_may_hold_anything(tmp_path: Path) -> None:
    days = [f"{1 + i % 28:02d}.03.{1990 + i // 28}" for i in range(N)]
    loaded(tmp_path, mixed(N).assign(day=days), drop=["day"])
    with pytest.raises(UsageError, match=r"leave them out: data\.drop=\[day\]"):
        described(tmp_path, {"path": "my.csv"})
    for role in ({"drop": ("day",)}, {"group": "day"}):
        found = described(tmp_path, {"path": "my.csv", **role})
        assert {c.name: c.kind for c in found}["day"] == "other"
    with pytest.raises(UsageError, match=r"data\.drop: there is no column 'dya'; did you mean 'day'"):
        described(tmp_path, {"path": "my.csv", "drop": ("dya",)})


def test_groups_and_times_are_told_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"leave out data\.time=day, or write data\.drop=\[colour\] in place of data\.group"
    ):
        loaded(tmp_path, mixed(N), group="colour", time="day")


def test_inputs_that_do_not_fit_are_told_before_they_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A category of many values makes much of a small file: 300 inputs of each of 900 rows, in 900 lines of a few letters."""
    many = pd.DataFrame({"zip": [f"z{i % 300}" for i in range(900)], "age": range(0, 9000, 10), "y": [0, 1] * 450})
    needed = 900 * 301 * 24
    monkeypatch.setattr("dropbench.data.tabular.load.ram", lambda: needed / 0.7 + 100)
    assert loaded(tmp_path, many).x.shape == (900, 301)
    monkeypatch.setattr("dropbench.data.tabular.load.ram", lambda: needed / 0.7 - 100)
    assert loaded(tmp_path, many, drop=["zip"]).x.shape == (900, 1)  # as the message says
    monkeypatch.setattr(Columns, "unscaled", lambda *_: pytest.fail("they were made"))
    with pytest.raises(UsageError, match=r"301 inputs in each of 900 rows.*'zip' alone has 300; .*data\.drop=\[zip\]$"):
        loaded(tmp_path, many)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["5%", "10%", "20%"], "contains texts such as '5%'; write only digits and a decimal point to make it a number"),
        (["$5", "$6"], "contains texts such as '$5'"),
        (["1,234", "7,000"], "contains texts such as '1,234'"),
        (["900", "1,200"], "contains texts such as '1,200'"),
        (["26.03.2024", "1.4.2024"], "contains texts such as '26.03.2024'; write dates like 2024-03-01 to make it a date"),
        ([*map(str, range(40)), "unknown"], "contains 'unknown' among numbers; leave such cells empty to make it a number"),
    ],
)  # fmt: skip
def test_a_category_that_may_be_meant_for_something_else_is_told(cells: list[str], told: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"much": [cells[i % len(cells)] for i in range(410)], "b": range(410, 820)})
    frame["y"] = np.random.default_rng(0).integers(0, 2, 410)
    (note,) = [n for n in loaded(tmp_path, frame, ids=[]).notes if "much" in n]
    assert note.startswith(f"the column 'much' is read as a category: it {told}")
    assert note.endswith("if the values are names, set data.categorical=[much]")
    assert told in next(c.told for c in described(tmp_path, {"path": str(tmp_path / "my.csv")}) if c.name == "much")
    assert not any("much" in n for n in loaded(tmp_path, frame, ids=[], categorical=["much"]).notes)


def test_names_with_digits_are_told_nothing_of(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["A1", "B2"] * 50, "b": ["1-2", "3+"] * 50, "c": [True, False] * 50, "n": range(7, 107)})
    frame["y"] = np.random.default_rng(0).integers(0, 2, 100)
    assert not any("read as a categor" in note for note in loaded(tmp_path, frame, ids=[]).notes)


def test_of_many_such_columns_five_are_told_each_and_the_others_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({f"c{i}": ["5%", "10%"] * 30 for i in range(9)})
    frame["y"] = np.random.default_rng(0).integers(0, 2, 60)
    told = [n for n in loaded(tmp_path, frame).notes if "read as" in n]
    assert len(told) == 6 and told[-1].startswith("also read as categories, perhaps by mistake: c5, c6, c7, c8;")


def test_the_same_table_as_parquet_is_the_same_data(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = mixed(N).assign(z=np.random.default_rng(0).normal(size=N), day=pd.date_range("2024-01-01", periods=N))
    written = loaded(tmp_path, frame)
    frame.to_parquet(tmp_path / "my.parquet")
    assert table(tmp_path, False, path=str(tmp_path / "my.parquet"), target="y").fingerprint == written.fingerprint
