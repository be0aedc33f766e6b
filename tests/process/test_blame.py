"""Whose line an exception is put down to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from dropbench.process import stand_ins
from dropbench.process.apart import PartFailed, PartHangs, apart
from dropbench.process.blame import place, raised_by_user, told

MINE = """
import json

def raises():
    raise KeyError("k")

def misuses():
    json.loads("{")

def ends():
    import sys
    sys.exit(3)

def wraps():
    try:
        raises()
    except KeyError as error:
        raise ValueError("other\\nlines") from error
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_blamed.py").write_text(MINE)
    import my_blamed  # type: ignore[import-not-found]

    monkeypatch.delitem(sys.modules, "my_blamed")
    return my_blamed  # type: ignore[no-any-return]


def raised(act: Callable[[], object]) -> BaseException:
    """As dropbench meets it: called by a line of its own."""
    with pytest.raises(BaseException) as caught:
        apart("dropbench.itself", "x", act)
    return caught.value


def test_the_innermost_line_of_the_user_is_named(own: ModuleType) -> None:
    assert told(raised(own.raises)) == "KeyError: 'k' (my_blamed.py, line 5)"
    assert told(raised(own.wraps)) == "ValueError: other (my_blamed.py, line 18)"
    assert place(raised(own.misuses)) == " (my_blamed.py, line 8)"  # and not a line of Python's own
    assert not raised_by_user(raised(own.misuses)) and raised_by_user(raised(own.ends))


def test_a_fault_of_dropbench_is_nobody_elses(own: ModuleType) -> None:
    assert place(raised(partial(stand_ins.stand_in, 3))) == ""
    with pytest.raises(KeyError) as caught:
        own.raises()
    assert place(caught.value) == ""  # dropbench had not been called


def test_a_copy_gives_what_the_call_gives_and_ends_alone() -> None:
    assert apart("my.part", "x", lambda: {"a": 1}) == {"a": 1}
    kept = lambda: None  # noqa: E731
    assert apart("my.part", "x", lambda: kept) is kept  # what cannot be handed over is made here
    with pytest.raises(PartFailed, match=r"x ended its process \(exit code 9\)"):
        apart("my.part", "x", lambda: __import__("os")._exit(9))
    with pytest.raises(PartHangs, match=r"x did not end within 0.2 s"):
        apart("my.part", "x", lambda: __import__("threading").Event().wait(60), 0.2)


@pytest.mark.parametrize(
    ("character", "instead"),
    [("±", "+-"), ("≤", "<="), ("•", "*"), ("─", "-"), ("│", "|"), ("┌", "+"), ("é", "e"), ("α", "alpha"), ("²", "^2")],
)
def test_stand_ins(character: str, instead: str) -> None:
    stand_ins.register()
    assert stand_ins.stand_in(character) == instead
    assert f"a{character}b".encode("ascii", stand_ins.NAME).decode() == f"a{instead}b"
    assert "1 ± 2 € \udce9".encode("ascii", stand_ins.NAME) == b"1 +-2 \\u20ac \xe9"
