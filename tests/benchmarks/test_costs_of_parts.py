"""The figures of all parts are of all parts: one that is added has a place in them, or this fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import regularizers, variants
from dropbench.config.compose import composer
from dropbench.config.options import options


def test_every_variant_has_a_network_with_a_site_for_it() -> None:
    names = list(options("dropout"))
    with composer() as c:
        cases = variants.cases(c, variants.tables(), names)
    assert {case.name for case in cases} == {*names} - {"none"}


@pytest.mark.slow
def test_every_regularizer_has_a_stack_that_trains_with_it(tmp_path: Path) -> None:
    names = list(options("regularizer"))
    with composer() as c:
        stacks = regularizers.usable(c, regularizers.tables(tmp_path), names)
    assert set().union(*stacks) == {*names, regularizers.NONE}
    on_a_table = stacks[[data for _, data, _, _ in regularizers.STACKS].index("table")]
    assert {"cutout", "cutmix"} <= set(on_a_table)
