"""Each variant has a file and a YAML that agree, and names its paper in both."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from noise_kit import VARIANTS
from omegaconf import OmegaConf

import dropbench.dropout
from dropbench.config.options import options
from dropbench.dropout.base import Variant

FILES = [m.name for m in pkgutil.iter_modules(dropbench.dropout.__path__)]


def classes(file: str) -> list[type[Variant]]:
    module = importlib.import_module(f"dropbench.dropout.{file}")
    own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    return [c for c in own if issubclass(c, Variant) and c is not Variant and not inspect.isabstract(c)]


@pytest.mark.parametrize("file", FILES)
def test_each_variant_in_the_folder_has_a_yaml(file: str) -> None:
    in_use = {type(v) for v in VARIANTS.values()}
    assert all(c in in_use for c in classes(file)), f"add conf/dropout/{file}.yaml"


def test_the_folder_is_where_variants_are() -> None:
    assert {c for f in FILES for c in classes(f)} == {type(v) for v in VARIANTS.values()}


@pytest.mark.parametrize("name", VARIANTS)
def test_yaml_is_named_as_its_file_and_cites_the_paper(name: str) -> None:
    file: Path = options("dropout")[name]
    assert OmegaConf.load(file)["name"] == name
    if VARIANTS[name].kinds:
        assert re.search(r"(19|20)\d\d", file.read_text().splitlines()[0])
        assert re.search(r"(19|20)\d\d", inspect.getdoc(type(VARIANTS[name])) or "")
