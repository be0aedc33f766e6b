"""The version number is the same in all files that have it."""

from __future__ import annotations

import re
import tomllib
from datetime import date

import yaml
from blocks import DOCUMENTS, ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def test_documents_name_the_wheel_of_this_version() -> None:
    found = [re.findall(r"dropbench-([\d.]+)-py3", document.read_text(encoding="utf-8")) for document in DOCUMENTS]
    assert {version for versions in found for version in versions} == {VERSION}


def test_the_changelog_and_the_citation_have_it_with_its_date() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    heads = re.findall(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert heads[0] == (VERSION, cited["date-released"]) and cited["version"] == VERSION
    assert all(date.fromisoformat(day) for _, day in heads)
