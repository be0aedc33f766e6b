"""Data and networks that are objects of a program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from graphs import graph_table
from scipy.sparse import csr_matrix
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import dropbench as db
from dropbench.api import objects
from dropbench.api.arrays import table_of
from dropbench.api.objects import as_settings
from dropbench.api.source import source_of
from dropbench.identity import given
from dropbench.report.tables.finding import finding

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
ONE = {"train.epochs": 1, "dropout.rate": 0.2, "execute.workers": 1}
WIDE = 6


def helper() -> int:
    return WIDE


def made() -> Any:
    """A class that no import path leads to."""

    class Inner(nn.Module):
        def __init__(self, in_features: int, n_classes: int) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(in_features, helper()), nn.Dropout(0.5), nn.Linear(6, n_classes))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)

    return Inner


@pytest.mark.parametrize(
    ("x", "y", "axes", "task", "classes"),
    [
        (X, Y, "F", "classify", ("0", "1")),
        (torch.tensor(X), torch.tensor(Y), "F", "classify", ("0", "1")),
        (X.tolist(), np.where(Y, "b", "a"), "F", "classify", ("a", "b")),
        (X, np.array(["a", "b"], dtype=object)[Y], "F", "classify", ("a", "b")),
        (X, Y.astype(bool), "F", "classify", ("False", "True")),
        (X, Y * 1.0, "F", "regress", ()),
        (X.reshape(120, 2, 2), Y, "TF", "classify", ("0", "1")),
        (np.full((120, 1, 2, 2), 255, dtype=np.uint8), Y, "CHW", "classify", ("0", "1")),
    ],
)
def test_arrays_are_a_table(x: Any, y: Any, axes: str, task: str, classes: tuple[str, ...]) -> None:
    table = table_of(x, y, {"test": [0, 5]})
    assert (table.axes, table.task, table.classes) == (axes, task, classes)
    assert table.x.dtype == torch.float32 and table.y.tolist() == Y.tolist()
    assert table.test is not None and table.test.tolist() == [0, 5]
    assert axes != "CHW" or float(table.x.max()) == 1.0


def test_what_belongs_to_each_row_is_given_beside() -> None:
    days = np.datetime64("2024-01-01") + np.arange(120)
    beside = {"test": Y > 0, "groups": np.where(Y, "b", "a"), "weights": np.full((120, 1), 3)}
    table, later = table_of(X, Y[:, None], beside), table_of(X, Y, {"times": days})
    assert (
        table.test is not None and table.test.tolist() == np.flatnonzero(Y).tolist() and table.y.tolist() == Y.tolist()
    )
    assert table.groups is not None and table.groups.tolist() == Y.tolist()
    assert table.weights is not None and table.weights.eq(1).all() and later.times is not None
    assert later.times.diff().eq(24 * 3600 * 1e9).all()


class Pairs(Dataset[Any]):
    def __init__(self, rows: slice = slice(None), size: int = 4) -> None:
        self.x, self.y, self.size = torch.tensor(X[rows]).float(), Y[rows], size

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.x[i, : self.size if i == 1 else 4], int(self.y[i])


def test_data_sets_of_torch_are_their_arrays(tmp_path: Path) -> None:
    here = {**ONE, "results": tmp_path}
    arrays = db.train(here, data=(X, Y))
    for data in (Pairs(), TensorDataset(torch.tensor(X), torch.tensor(Y))):
        assert db.train(here, data=data).folder == arrays.folder
    test = {"test": range(100, 120)}
    assert (
        db.train(here, data=(Pairs(slice(100)), Pairs(slice(100, 120)))).folder
        == db.train(here, data=(X, Y, test)).folder
    )


@pytest.mark.parametrize(
    ("y", "task", "note"),
    [
        (Y, "classify", None),
        (Y * 1.0, "regress", r"2 different whole numbers as floating-point .* to predict; .* y\.astype\(int\)"),
        (np.arange(120) % 20 * 1.0, "regress", "20 different whole numbers"),
        (np.arange(120) % 21 * 1.0, "regress", None),
        (Y + 0.5, "regress", None),
        (np.arange(120) % 20, "classify", None),
        (np.arange(120) % 21, "classify", r"21 different whole numbers, .* classes; .* y\.astype\(float\)"),
        ([str(i % 30) for i in range(120)], "classify", None),
    ],
)
def test_a_target_that_looks_like_the_other_kind_is_told(y: Any, task: str, note: str | None) -> None:
    table = table_of(X, y)
    assert table.task == task and len(table.notes) == (note is not None)
    assert note is None or re.search(note, table.notes[0])


def test_the_warning_of_a_target_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    db.train({**ONE, "results": tmp_path}, data=(X, Y * 1.0))
    assert "Warning: data 'arrays': y holds 2 different whole numbers as floating-point" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ((X, np.arange(120)), r"120 different whole numbers, .* and 0 occurs once, .* y\.astype\(float\)"),
        ((X, Y[:5]), r"y has the shape \[5\] and x \[120, 4\]"),
        ((X[:, 0], Y), r"x has the shape \[120\]"),
        ((np.array([["a"]] * 120), Y), "it must hold numbers"),
        ((np.zeros((120, 8, 8, 3)), Y), r"x\.transpose\(0, 3, 1, 2\)"),
        ((X, Y, {"tests": [1]}), "did you mean 'test'"),
        (([[1.0, float("nan")]] * 120, Y), "every number must be finite"),
        ("digits", "'data=digits'"),
        ((X, np.eye(2)[Y]), r"y has the shape \[120, 2\] and x \[120, 4\]: y holds a 1 at .* give y\.argmax\(1\)"),
        ((X, X[:, :2]), r"several targets per row, .* give one column, such as y\[:, 0\]"),
        (({"a": X}, Y), "x is a dict: a network gets one array .* join several by numpy.concatenate"),
        (((X, Y), (X, Y)), r"x is a tuple: .* for a test split of your own give \(x, y, \{'test': rows\}\)"),
        (([[1], [1, 2]] * 60, Y), "x holds parts of different shapes"),
        ((csr_matrix(X), Y), r"x is a csr_matrix, in which zeros are left out: give x\.toarray\(\)"),
        ((X.astype(object), Y), r"give x\.astype\(float\)"),
        ((X, Y, {"test": [0.5]}), "test must hold row numbers from 0, or true and false for each of the 120 rows"),
        ((X, Y, {"groups": Y[:5]}), r"groups has the shape \[5\]; it must be one value for each of the 120 rows"),
        ((X, Y, {"weights": ["a"] * 120}), "weights has the type <U1; it must hold numbers"),
        (DataLoader(Pairs()), r"data is a DataLoader: give its data set, data=loader\.dataset"),
        (Pairs(size=3), r"examples of the Pairs have the shapes \[4\] and \[3\]"),
        (TensorDataset(torch.tensor(X)), r"item 0 of the TensorDataset is a tuple: each must be a pair \(x, y\)"),
        ("my.csv", r"data='my\.csv' looks like a file: .* 'data=csv', \{'data\.path': 'my\.csv'"),
        (Path("my.csv"), "looks like a file"),
        (pd.DataFrame(X), "its columns are 0, 1, 2, 3"),
    ],
)
def test_what_is_no_data_is_told(data: Any, said: str) -> None:
    with pytest.raises(db.UsageError, match=said):
        db.train(ONE, data=data)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("cnn", "'model=cnn'"),
        (nn.Linear(4, 2), "model is a Linear: give the class"),
        (lambda n_classes: nn.Linear(4, n_classes), "model is a lambda"),
        (int, "model"),
        (partial(nn.Linear, bias=False), r"model is a partial: give Linear itself .*\{'model\.args\.bias': False\}"),
    ],
)
def test_what_is_no_network_is_told(model: Any, said: str) -> None:
    with pytest.raises(db.UsageError, match=said):
        db.train(ONE, data=(X, Y), model=model)


def test_one_content_is_one_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """However often the objects are made; and other content is another run. It is said once that the shell cannot repeat it."""
    here = {**ONE, "results": tmp_path / "r"}
    first = db.train(here, data=(X, Y), model=made())
    assert first.status == "completed" and capfd.readouterr().err.count("no command line can repeat") == 1
    assert db.train(here, data=(X.copy(), Y.copy()), model=made(), quiet=True).run_id == first.run_id
    other = X.copy()
    other[3, 1] += 1
    assert db.train(here, data=(other, Y), model=made(), quiet=True).run_id != first.run_id
    assert "given_objects" not in sys.modules


def test_a_source_is_what_it_rests_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Base(nn.Module):
        def size(self) -> int:
            return WIDE

    class Net(Base):
        pass

    one, here = source_of(Net), globals()
    assert "class Base" in one and "class Net" in one and "WIDE = 6" in one
    monkeypatch.setitem(here, "WIDE", 7)
    assert source_of(Net) != one
    exec("class Typed:\n    def f(self): pass", scope := {"__name__": "__main__"})
    with pytest.raises(db.UsageError, match="its source code cannot be read"):
        source_of(scope["Typed"])


def test_runs_of_objects_are_reported_without_commands(tmp_path: Path) -> None:
    seeds = {**ONE, "results": tmp_path / "r", "seed": range(2)}
    answer = db.sweep("study=three_arm", seeds, data=(X, Y), model=made(), quiet=True)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=Y)
    table = db.sweep("study=three_arm", seeds, data=frame, target="y", quiet=True)
    for text in (answer.text, table.text, db.report(tmp_path / "r").text, answer._repr_html_(), table._repr_html_()):
        assert "dropbench sweep" not in text
    assert answer.frame["arm"].tolist() == ["none", "reduced", "target"]


def test_titles_call_objects_by_what_they_are(tmp_path: Path) -> None:
    """They were called `module on given_ee20e9.table`; digits stand there only where two objects need them."""
    kept = {**ONE, "results": tmp_path / "r", "seed": range(2)}
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=Y)

    def titles(answer: db.Answer) -> list[str]:
        assert "given_" not in answer.text
        return [c.title for c in answer.report.comparisons]

    (named,) = titles(db.sweep("study=three_arm", kept, data=(X, Y), model=made(), quiet=True))
    assert named == "Inner on the given data"
    one = db.sweep("study=three_arm", kept, data=frame, target="y", quiet=True)
    assert titles(one) == ["mlp on the given DataFrame"]
    assert " on the given DataFrame: 3 arms" in finding(one.report.comparisons[0]).setting
    db.sweep("study=three_arm", kept, data=frame.assign(a=1 - frame["a"]), target="y", quiet=True)
    together = db.report(tmp_path / "r")
    first, *others = titles(together)
    assert first == named and all(re.fullmatch(r"mlp on the given DataFrame [0-9a-f]{6}", title) for title in others)
    assert len({*others}) == 2
    # Whatever is stored, hashed and filtered by keeps the name as it was.
    stored = {str(name) for name in together.frame["data"]}
    assert all(re.fullmatch(r"given_[0-9a-f]{6}(\.table)?", name) for name in stored) and len(stored) == 3
    assert titles(db.report(tmp_path / "r", f"data=given_{others[0][-6:]}")) == ["mlp on the given DataFrame"]


def test_messages_call_them_so_too(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=Y)
    with pytest.raises(db.UsageError, match="but the given DataFrame can only be given as flat"):
        db.train({**ONE, "results": tmp_path / "r"}, "model=cnn", data=frame, target="y")


def test_a_frame_is_its_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=np.where(X[:, 1] > 0, "u", "v"), y=Y)
    frame.to_csv(tmp_path / "t.csv", index=False)
    here = {**ONE, "results": tmp_path / "r"}
    ours = db.train(here, "data.drop=[d]", data=frame, target="y", quiet=True)
    file = db.train(
        here, "data=csv", "data.drop=[d]", {"data.path": tmp_path / "t.csv", "data.target": "y"}, quiet=True
    )
    assert ours.metrics == file.metrics and ours.record.data_fingerprint == file.record.data_fingerprint
    split = db.train(here, data=(frame.drop(columns="y"), frame["y"], {"test": np.arange(30)}), quiet=True)
    assert split.record.n["test"] == 30


def test_a_class_of_a_module_is_as_if_typed(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / "my_net.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Sequential):\n    def __init__(self, in_features, n_classes):\n"
        "        super().__init__(nn.Linear(in_features, 5), nn.Dropout(0.5), nn.Linear(5, n_classes))\n"
    )
    monkeypatch.syspath_prepend(str(mine))
    import my_net  # type: ignore[import-not-found]

    with as_settings(model=my_net.Net) as objects:
        assert objects.overrides == ["model=module", "model.target=my_net.Net"] and objects.note is None
    run = db.train({**ONE, "results": mine / "r", "train.save": "best"}, "data=wine", model=my_net.Net, quiet=True)
    assert run.model()(torch.zeros(2, 13)).shape == (2, 3)
    (mine / "my_net.py").write_text((mine / "my_net.py").read_text().replace("0.5", "0.4").replace("5, n", "5 + 0, n"))
    with pytest.raises(db.UsageError, match=r"my_net has changed .* importlib\.reload\(my_net\)"):
        db.train({**ONE, "results": mine / "r"}, "data=wine", model=my_net.Net, quiet=True)


def test_weights_of_a_class_without_a_module(tmp_path: Path) -> None:
    """The class is found as long as this process has it; given again it is found anywhere, and another class is refused."""
    net, other = made(), made()
    run = db.train({**ONE, "results": tmp_path / "r", "train.save": "best"}, data=(X, Y), model=net, quiet=True)
    expected = run.model().predict(X).tolist()
    assert run.model().predict(X[:0]).tolist() == [] == run.model().predict([]).tolist()
    assert run.model().probabilities(X[:0]).shape == (0, 2)
    assert db.load_model(run.folder).predict(X).tolist() == expected
    objects._known.clear()  # as in another process
    with pytest.raises(db.UsageError, match=r"model=Inner, .* load_model\(\.\.\., model=Inner\)"):
        db.load_model(run.folder)
    assert db.load_model(run.folder, model=other).predict(X).tolist() == expected
    with pytest.raises(db.UsageError, match="trained with model=Inner and not with helper"):
        db.load_model(run.folder, model=helper)


def test_a_script_and_what_imports_it_have_the_same_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the script a class is one of `__main__`; its weights can be loaded where the script is imported."""
    text = (
        "from torch import nn\nWIDE = 3\n\n\ndef wide():\n    return WIDE\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self, n_classes):\n        super().__init__()\n        self.a = nn.Linear(wide(), n_classes)\n"
    )
    (tmp_path / "script.py").write_text(
        f"{text}\nif __name__ == '__main__':\n    from dropbench.api.source import source_of\n    print(source_of(Net))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import script  # type: ignore[import-not-found]

    env = {**os.environ, "PYTHONPATH": str(Path(db.__file__).parents[1])}
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert "def wide" in done.stdout and done.stdout.strip() == source_of(script.Net).strip(), done.stderr


def test_a_network_that_is_found_by_its_name_needs_no_object(tmp_path: Path) -> None:
    run = db.train({**ONE, "results": tmp_path / "r", "train.save": "best"}, data=(X, Y), quiet=True)
    with pytest.raises(db.UsageError, match=r"was trained with model=mlp, .* leave out model=Inner"):
        db.load_model(run.folder, model=made())


def test_weights_on_a_graph_that_was_given(tmp_path: Path) -> None:
    few = {"train.epochs": 1, "results": tmp_path / "r", "train.save": "best", "execute.workers": 1}
    run = db.train("model=gcn", few, data=graph_table(), quiet=True)
    nodes = np.arange(5)
    expected = run.model().predict(nodes).tolist()
    assert db.load_model(run.folder, data=graph_table()).predict(nodes).tolist() == expected
    with pytest.raises(db.UsageError, match="a graph that a program gave: give it again, data=table"):
        db.load_model(run.folder)
    with pytest.raises(db.UsageError, match="differs from data 'graph' that was given"):
        db.load_model(run.folder, data=graph_table(seed=1))


def test_objects_and_settings_do_not_contradict_each_other() -> None:
    with pytest.raises(db.UsageError, match="model=cnn: model was also given as an object"):
        db.train("model=cnn", data=(X, Y), model=made())


@pytest.mark.parametrize(
    "word", ["data=given_3fa9c1", "data.path=/t/given_3fa9c1.csv", "model.target=given_objects.Net"]
)
def test_what_was_given_is_known(word: str) -> None:
    assert given(word)
    assert not given(word.replace("given", "taken")) and not given("data.path=given_names.csv")


def test_other_processes_find_the_data(tmp_path: Path) -> None:
    """In a script without `if __name__ == "__main__"`, whose workers are fresh interpreters."""
    (tmp_path / "s.py").write_text(
        "import dropbench as db, numpy as np\n"
        "x = np.random.default_rng(0).normal(size=(60, 3)); y = (x[:, 0] > 0) * 1\n"
        "few = {'train.epochs': 1, 'seed': range(2), 'execute.workers': 2}\n"
        "print(len(db.sweep('study=three_arm', few, data=(x, y), quiet=True).runs))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(db.__file__).parents[1])}
    done = subprocess.run([sys.executable, "s.py"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert (done.stdout.split(), done.returncode) == (["6"], 0), done.stderr
