"""Commands that are printed: a shell splits them into the words that they were made of, and dropbench reads the same values."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from dropbench.config.grammar import parse
from dropbench.config.sweeps import expand
from dropbench.config.typed import command, setting, text
from dropbench.errors import UsageError

HOSTILE = [
    "a;b",
    "été (x)",
    "it's",
    'say "so"',
    "two\nlines",
    "$(touch x)",
    "`touch x`",
    "a b",
    "#",
    "a=b",
    "${seed}",
    "\\",
]
WORDS = (
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
    | st.text("\\\"'${}[](),:=# \n", max_size=8)
    | st.sampled_from(
        [*HOSTILE, "null", "TRUE", "-inf", "nan", "1e3", "0x1", "1_000", "*", "-", "hidden.*", "???", "", " "]
    )
)
VALUES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)


def read(words: list[str]) -> Any:
    """What `key=value` sets, by the way of the command line: parsed, expanded, parsed again, resolved by OmegaConf."""
    (point,) = expand(parse(words), lambda group: [])
    (override,) = parse(list(point.values()))
    tree = OmegaConf.create({"seed": 3})
    OmegaConf.update(tree, "key", override.value(), force_add=True)
    return OmegaConf.to_container(tree, resolve=True)["key"]  # type: ignore[call-overload, index]


@given(VALUES)
@example("a\\${seed}")
@example({"été (x)": [1, "1"], "1": "\\"})
def test_a_setting_means_its_value_once_it_is_pasted(value: Any) -> None:
    line = command("sweep", setting("key", value))
    program, verb, *words = shlex.split(line)
    assert (program, verb) == ("dropbench", "sweep")
    assert read(words) == value


@given(VALUES)
def test_what_was_parsed_is_written_so_that_it_parses_again(value: Any) -> None:
    (override,) = parse([f"key={text(value)}"])
    assert override.value() == value


@pytest.mark.parametrize("word", HOSTILE)
def test_a_shell_runs_nothing_of_it(word: str, tmp_path: Any) -> None:
    line = command(word, setting("key", word)).replace("dropbench", "printf '%s\\0'", 1)
    said = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert said.stdout.split("\0")[:-1] == [word, setting("key", word)]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["a\x1b[2J", "a\x00", "a\x9b", "\udcff"])
def test_what_no_terminal_takes_is_not_printed(word: str) -> None:
    with pytest.raises(UsageError, match="cannot be typed"):
        command("sweep", setting("key", word))
