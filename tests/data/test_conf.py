"""Each data set's YAML: it composes, names a loader that exists, and has a line for `dropbench list data`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from dropbench.config.parts import locate
from dropbench.spec import DataSpec

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(p.stem for p in (CONF / "data").glob("*.yaml") if not p.stem.startswith("_"))


def composed(name: str) -> dict[str, object]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        tree = OmegaConf.to_container(compose(overrides=[f"+data={name}"]).data, resolve=True)
    assert isinstance(tree, dict)
    return {str(k): v for k, v in tree.items()}


def loader(name: str) -> Callable[..., object]:
    found = locate(str(composed(name)["_target_"]))
    assert callable(found)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_composes_into_a_data_spec(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DROPBENCH_DATA", raising=False)
    tree = composed(name)
    assert (tree.pop("root"), tree.pop("download")) == ("data", False)
    load = loader(name)
    own = {p.name: p.default for p in inspect.signature(load).parameters.values() if p.kind is p.KEYWORD_ONLY}
    if name == "parquet":  # a CSV file is text, written in one way or another; a Parquet file is not
        own = {key: default for key, default in own.items() if key not in ("decimal", "encoding")}
    assert {key: tree.pop(key) for key in own} == {
        k: list(v) if isinstance(v, tuple) else v for k, v in own.items()
    }  # a loader's own defaults are those of its YAML
    target = f"{load.__module__}.{load.__name__}"
    assert DataSpec.model_validate(tree) == DataSpec.model_validate({"name": name, "_target_": target})


@pytest.mark.parametrize("name", NAMES)
def test_target_is_a_loader(name: str) -> None:
    first, second, *options = inspect.signature(loader(name)).parameters.values()
    assert (first.name, second.name) == ("root", "download")
    assert all(p.kind is p.KEYWORD_ONLY for p in options)


@pytest.mark.parametrize("name", NAMES)
def test_first_line_describes(name: str) -> None:
    first = (CONF / "data" / f"{name}.yaml").read_text().splitlines()[0]
    assert first.startswith("# ") and 20 < len(first) < 130


def test_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPBENCH_DATA", "/somewhere")
    assert composed("digits")["root"] == "/somewhere"
