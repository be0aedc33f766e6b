"""The reference pages of the site are generated from the program and complete."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dropbench.config.options import options

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "_hooks"))

import reference

GROUPS = sorted({group for _, group in reference.GROUPS.values()})
FILES = {f"{group}/{name}": file for group in GROUPS for name, file in options(group).items()}


def leaves(node: dict[str, Any], lead: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, dict) and value and "{" not in lead:
            yield from leaves(value, f"{lead}{key}.")
        else:
            yield f"{lead}{key}"


@pytest.mark.parametrize("option", [one for one in FILES if not one.startswith(("study", "dropout/recipe", "metric"))])
def test_every_key_of_a_file_is_found(option: str) -> None:
    """Compare with the keys that a YAML parser finds."""
    tree = yaml.safe_load(FILES[option].read_text(encoding="utf-8")) or {}
    defaults = tree.pop("defaults", [])
    found = {key.name: key for key in reference.keys_of(FILES[option])}
    assert set(found) >= set(leaves(tree))
    if "_common" in defaults or "_split" in defaults:
        assert {"rate", "placement"} <= set(found) or {"n_train", "label_noise"} <= set(found)


def test_keys_have_their_defaults_and_comments() -> None:
    found = {key.name: key for key in reference.keys_of(FILES["train/default"])}
    assert found["lr"].default == "0.001" and found["augment.flip"].comment == "probability of a horizontal flip"
    assert "augment" not in found
    standard = {key.name: key for key in reference.keys_of(FILES["dropout/standard"])}
    assert standard["rate"].comment.startswith("probability that an element is dropped")


def test_every_option_is_on_its_page_with_its_first_line() -> None:
    pages = reference.pages()
    for name, (_, group) in reference.GROUPS.items():
        for option, file in options(group).items():
            assert f"\n## `{option}` " in pages[f"reference/{name}.md"], option
            assert reference.headline(file) in pages[f"reference/{name}.md"]


def test_papers_are_links() -> None:
    assert "[arXiv:1411.4280](https://arxiv.org/abs/1411.4280)" in reference.headline(FILES["dropout/spatial"])


def test_every_command_has_its_options() -> None:
    page = reference.commands_page()
    for words in ("sweep", "report", "train", "advise", "init", "list", "runs list", "runs verify", "runs prune"):
        assert f"\n## `dropbench {words}`\n" in page
    sweep = page.partition("## `dropbench sweep`")[2].partition("\n## ")[0]
    assert "| `--tune` `KEY=VALUES` |" in sweep and "| `OVERRIDES` |" in sweep and "--help" not in sweep
