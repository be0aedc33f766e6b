"""The figures of all parts are of all parts: one that is added has a place in them, or this fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import options as beside
from benchmarks import regularizers, variants
from dropbench.config.compose import composer
from dropbench.config.options import options


def test_every_variant_has_a_network_with_a_site_for_it() -> None:
    names = list(options("dropout"))
    with composer() as c:
        cases = variants.cases(c, variants.tables(), names)
    assert {case.name for case in cases} == {*names} - {"none"}


def test_every_option_beside_dropout_has_a_network_that_it_fits() -> None:
    with composer() as c:
        cases = [*beside.cases(c, beside.KINDS)]
    for kind in ("regularizer", "metric"):
        assert {case.name for case in cases if case.kind == kind} == {*options(kind)} - {"loss"}
    assert {(case.name, case.runs) for case in cases if case.kind == "train"} >= {("max_norm", 1), ("max_norm", 16)}


def test_rows_of_other_kinds_stay_in_the_file(tmp_path: Path) -> None:
    row = {"option": "a", "network": "mlp", "runs": 1, "what": "step", "cost": "1.5"}
    rows = [{**row, "kind": "metric"}, {**row, "kind": "train"}]
    beside.write(tmp_path / "options.csv", rows, quick=False)
    (kept,) = beside.kept(tmp_path / "options.csv", ["metric"])
    assert (kept["kind"], kept["cost"], kept["ms"]) == ("train", "1.5", "")
    assert beside.kept(tmp_path / "none.csv", ["metric"]) == []


@pytest.mark.slow
def test_every_regularizer_has_a_stack_that_trains_with_it(tmp_path: Path) -> None:
    names = list(options("regularizer"))
    with composer() as c:
        stacks = regularizers.usable(c, regularizers.tables(tmp_path), names)
    assert set().union(*stacks) == {*names, regularizers.NONE}
    on_a_table = stacks[[data for _, data, _, _ in regularizers.STACKS].index("table")]
    assert {"cutout", "cutmix"} <= set(on_a_table)
