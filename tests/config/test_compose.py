"""Composing: seeds composed once, what the environment says, and one option where a run has one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from specs_kit import composed, grid

from dropbench.config.compose import composer
from dropbench.errors import UsageError


def test_seeds_are_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with composer() as c:
        inner, calls = c._hydra, []
        monkeypatch.setattr(c, "_hydra", lambda words: calls.append(words) or inner(words))
        specs = [run.spec for run in grid(c, "seed=range(0,50)", "dropout.rate=0.1,0.2")]
    assert len(calls) == 2
    assert [s.seed for s in specs[:3]] == [0, 0, 1]
    assert len({s.run_id for s in specs}) == 100


def test_runs_of_other_seeds_are_what_they_would_be_alone() -> None:
    """Also where a seed is typed in another way, and where it is none."""
    typed = {"dropout": "dropout=standard", "dropout.rate": "dropout.rate=0.2"}
    with composer() as c:
        together = [
            c.compose({**typed, "seed": f"seed={seed}"}).spec for seed in ("0", "7", "007", "123456789012345678")
        ]
    alone = []
    for seed in (0, 7, 7, 123456789012345678):
        with composer() as c:
            alone.append(c.compose({**typed, "seed": f"seed={seed}"}).spec)
    assert together == alone and [s.run_id for s in together] == [s.run_id for s in alone]
    for wrong in ("-1", "9223372036854775808", "many", "1.5"):
        with composer() as c, pytest.raises(UsageError, match="seed"):
            c.compose({**typed, "seed": "seed=0"})
            c.compose({**typed, "seed": f"seed={wrong}"})


def test_files_that_are_read_once_are_not_changed_by_what_is_typed() -> None:
    with composer() as c:
        first = composed(c).spec
        assert composed(c, "dropout.rate=0.9", "model.widths=[3]", "train.augment.flip=0.5").spec != first
        assert composed(c).spec == first == composed(c, "seed=0").spec


def test_the_data_folder_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPBENCH_DATA", "/data/sets")
    with composer() as c:
        assert composed(c).settings.data_root == Path("/data/sets")
        assert composed(c, "data.root=/other").settings.data_root == Path("/other")
    monkeypatch.delenv("DROPBENCH_DATA")
    with composer() as c:
        assert composed(c).settings.data_root == Path("data")


@pytest.mark.parametrize(
    ("override", "instead"),
    [
        ("model=[mlp,cnn]", "model=mlp,cnn"),
        ("train=[default, zaremba_small]", "train=default,zaremba_small"),
        ("data=[digits,wine]", "data=digits,wine"),
    ],
)
def test_several_options_where_a_run_has_one_are_refused(override: str, instead: str) -> None:
    """Hydra would let the last one count and say nothing."""
    with composer() as c, pytest.raises(UsageError, match=re.escape(instead)):
        c.compose({override.partition("=")[0]: override})


def test_a_list_of_one_is_that_option() -> None:
    with composer() as c:
        listed, plain = (c.compose({"dropout": f"dropout={text}"}).spec for text in ("[standard]", "standard"))
    assert listed == plain and len(plain.variants) == 1
    assert plain.as_dict()["dropout"]["name"] == "standard"
