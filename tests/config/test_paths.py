"""Folders that are called like anything, where a key names one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs_kit import composed
from terminal import TINY, dropbench

from dropbench.config.compose import Composer
from dropbench.config.paths import path_setting
from dropbench.errors import UsageError
from dropbench.planning.plan import make

NAMES = [
    "a;b",
    "été (x)",
    "a=b #c",
    "a~b",
    "~x",
    "a,b",
    "[a]",
    "{a: b}",
    "it's",
    'say "so"',
    "$(x)",
    "${x}",
    "a\nb",
    "glob(*)",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_what_was_typed(c: Composer, name: str) -> None:
    settings = composed(c, f"results={name}", f"data.root={name}/in").settings
    assert (settings.results, settings.data_root) == (Path(name), Path(name, "in"))


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_around_a_folder_are_those_of_the_grammar(c: Composer, quote: str) -> None:
    assert composed(c, f"results={quote}a b=c{quote}").settings.results == Path("a b=c")
    assert composed(c, f"results={quote}a{quote}b").settings.results == Path(f"{quote}a{quote}b")
    assert path_setting("results", f"{quote}a{quote}") == f"results=./{quote}a{quote}"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda name: name != "null"))
def test_a_folder_that_is_written_is_the_one_that_is_read(c: Composer, name: str) -> None:
    assert composed(c, path_setting("results", Path(name))).settings.results == Path(name)


def test_the_users_home(c: Composer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert composed(c, "results=~/mine").settings.results == tmp_path / "mine"
    assert composed(c, "results=./~/mine").settings.results == Path("~/mine")
    assert path_setting("results", Path("~/mine")) == "results=./~/mine"


@pytest.mark.parametrize("name", ["", "null", "a\0b", "x" * 300, __file__, f"{__file__}/below"])
def test_what_is_no_folder(c: Composer, name: str) -> None:
    with pytest.raises(UsageError, match="results"):
        make([f"results={name}", *TINY], c)


@pytest.mark.parametrize("name", ["été (x);y=z #", "a,b {c: d}"])
def test_results_in_such_a_folder_are_found_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dropbench(capsys, "train", *TINY, f"results={name}", "-q").code == 0
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    for argument in (name, f"results={name}"):
        assert dropbench(capsys, "report", argument, "--format", "csv").out.strip().count("\n") == 1


def test_options_in_such_a_folder(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = mine.rename(mine.with_name("my, [conf] {a: 'é'}=#"))
    said = dropbench(capsys, "train", "model=tiny", "data=wine", "--conf", str(conf), "--cfg")
    assert said.code == 0 and "my_model.Tiny" in said.out, said.err
