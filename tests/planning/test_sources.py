"""Data: read once, and what metrics set a run's own against."""

from __future__ import annotations

from pathlib import Path

import pytest
from specs_kit import spec_and_settings

from dropbench.config.compose import Composer
from dropbench.errors import UsageError
from dropbench.planning.sources import load, others


def test_data_is_read_once(c: Composer) -> None:
    spec, settings = spec_and_settings(c, "data=wine")
    assert load(spec.data, settings) is load(spec_and_settings(c, "data=wine", "data.n_train=20")[0].data, settings)


def test_data_that_is_not_here(c: Composer, tmp_path: Path) -> None:
    spec, settings = spec_and_settings(c, "data=mnist", f"data.root={tmp_path}")
    with pytest.raises(UsageError, match="is not in"):
        load(spec.data, settings)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["metric.ood.against=[wne]"], "metric.ood.against=wne: there is no such data; did you mean 'wine'?"),
        (
            ["metric.ood.against=wine"],
            "metric.ood.against=wine: data 'wine' has examples of shape 13 (F), which do not fit",
        ),
        (["metric.ood.against=_split"], "metric.ood.against=_split: there is no such data"),
    ],
)
def test_data_that_cannot_be_set_against(c: Composer, words: list[str], said: str) -> None:
    spec, settings = spec_and_settings(c, "metric=[loss,accuracy,ood]", *words)
    with pytest.raises(UsageError) as error:
        others(spec, load(spec.data, settings), settings)
    assert str(error.value).startswith(said)


def test_data_that_is_set_against(c: Composer) -> None:
    spec, settings = spec_and_settings(c, "metric=[loss,accuracy,ood]", "metric.ood.against=[noise,digits]")
    table = load(spec.data, settings)
    assert {name: x.shape for name, x in others(spec, table, settings).items()} == {"digits": table.x.shape}
    assert others(spec_and_settings(c)[0], table, settings) == {}
