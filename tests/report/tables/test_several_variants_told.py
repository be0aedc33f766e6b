"""Arms of several variants: their labels, their families of rates, their levels, and what a diagnosis changes in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dropbench import report
from dropbench.report.diagnosis import remedies
from dropbench.report.records.filters import parse, select
from dropbench.report.records.frame import rows_of, to_frame
from dropbench.report.records.load import unusable
from dropbench.report.tables.arms import belongs_to_arm, name_arms, setting, silent
from dropbench.report.tables.titles import comparisons
from dropbench.values import flatten

CONSTANT = {"name": "constant"}


def variant(name: str, rate: float, **more: Any) -> dict[str, Any]:
    target = f"dropbench.dropout.{name}.X"
    return {
        "name": name,
        "_target_": target,
        "version": 1,
        "rate": rate,
        "rates": {},
        "placement": None,
        "schedule": CONSTANT,
    } | more


def several(fake: Any, *variants: dict[str, Any], seed: int = 0) -> Any:
    record = fake(seed, changes={"dropout": "standard", "dropout.rate": 0.5})
    return replace(
        record, config=record.config | {"dropout": list(variants)}, arm_id=repr(variants), run_id=f"{variants}{seed}"
    )


def test_a_configuration_is_flat_as_it_is_typed() -> None:
    flat = flatten({"dropout": [variant("locked", 0.4, rates={"head": 0.1}), variant("weight_drop", 0.5)]})
    assert flat["dropout.name"] == "locked + weight_drop"
    assert (flat["dropout.locked.rate"], flat["dropout.weight_drop.rate"]) == (0.4, 0.5)
    assert flat["dropout.locked.rates"] == {"head": 0.1} and flat["dropout.weight_drop.schedule.name"] == "constant"
    assert "dropout.rate" not in flat


@pytest.mark.parametrize(
    ("variants", "label"),
    [
        ([variant("locked", 0.4), variant("weight_drop", 0.5)], "locked 0.4 + weight_drop 0.5"),
        ([variant("weight_drop", 0.5), variant("locked", 0.4)], "weight_drop 0.5 + locked 0.4"),
        (
            [variant("locked", 0.4, placement=["head"]), variant("standard", 0.1, rates={"input": 0.2, "*": 0.5})],
            "locked 0.4 at [head] + standard {input: 0.2, *: 0.5}",
        ),
        (
            [variant("locked", 0.4, schedule={"name": "early"}), variant("standard", 0.1)],
            "locked 0.4 early + standard 0.1",
        ),
    ],
)
def test_settings(fake: Any, variants: list[dict[str, Any]], label: str) -> None:
    record = several(fake, *variants)
    assert unusable(record) is None
    # Beside arms of one variant, whose keys it does not have.
    beside = [fake(0), fake(0, changes={"dropout": "standard", "dropout.rate": 0.5})]
    row = rows_of(to_frame([*beside, record]))[-1]
    assert setting(row) == label and not silent(row)
    frame = to_frame([*beside, record]).assign(name=None)
    assert [a.label for a in name_arms(frame)] == ["none", *sorted(["standard 0.5", label])]
    assert len(comparisons(frame)) == 1, "they differ in regularizers alone"


def test_one_that_drops_nothing_beside_others_is_silent_only_with_all(fake: Any) -> None:
    rows = rows_of(to_frame([several(fake, variant("locked", 0.0), variant("standard", r)) for r in (0.0, 0.1)]))
    assert [silent(row) for row in rows] == [True, False]


def test_filters_name_keys_of_each(fake: Any) -> None:
    frame = to_frame([several(fake, variant("locked", r), variant("standard", 0.1)) for r in (0.2, 0.4)] + [fake(0)])
    assert len(select(frame, parse(["dropout.locked.rate=0.4"]))) == 1
    assert len(select(frame, parse(["dropout=locked + standard"]))) == 2
    assert len(select(frame, parse(["dropout=[locked,standard]"]))) == 2
    assert belongs_to_arm("dropout.locked.rate")


def test_remedies_change_every_rate(fake: Any) -> None:
    config = several(fake, variant("locked", 0.4), variant("standard", 0.2, rates={"head": 0.1})).config
    weaker, _ = remedies.weaker(config, {})
    assert weaker is not None
    assert [(v["rate"], v["rates"]) for v in weaker["dropout"]] == [(0.2, {}), (0.1, {"head": 0.05})]
    assert [v["rate"] for v in config["dropout"]] == [0.4, 0.2], "the arm itself stays"
    assert remedies.same_sites(config, {"a": config, "b": weaker}, ["a", "b"]) == ["a", "b"]
    elsewhere = {**config, "dropout": [{**config["dropout"][0], "placement": ["head"]}, config["dropout"][1]]}
    assert remedies.same_rates(config, elsewhere) and remedies.placement(config) != remedies.placement(elsewhere)
    assert not remedies.same_rates(config, weaker)


def test_two_rates_are_two_factors(fake: Any, put: Any, store: Any) -> None:
    """Neither, each and both: 2, 1 and 6 points under every seed. What stands alone has its rate under a shorter key."""
    standard, dropconnect = variant("standard", 0.3), variant("dropconnect", 0.2, per="batch")
    arms = [((), 0.90), ((standard,), 0.92), ((dropconnect,), 0.91), ((standard, dropconnect), 0.96)]
    for variants, score in arms:
        for seed in range(6):
            base = fake(seed).config
            dropout = list(variants) if len(variants) > 1 else variants[0] if variants else base["dropout"]
            put(fake(seed, config=base | {"dropout": dropout}, test=score + 0.001 * seed))
    keys = "dropout.standard.rate", "dropout.dropconnect.rate"
    (answer,) = report.asked([store.root], (), report.Questions.typed(interactions=[",".join(keys)])).asked.answers
    assert answer.name == f"{keys[0]}=0.3 × {keys[1]}=0.2"
    assert answer.contrast.difference.mean == pytest.approx(0.03)


def test_two_rates_make_one_grid_of_neither_each_and_both(fake: Any, put: Any, store: Any) -> None:
    standard, dropconnect = variant("standard", 0.3), variant("dropconnect", 0.2)
    for variants, score in [((standard,), 0.92), ((dropconnect,), 0.91), ((standard, dropconnect), 0.96)]:
        base = fake(0).config
        put(fake(0, config=base | {"dropout": list(variants) if len(variants) > 1 else variants[0]}, test=score))
    put(fake(0, test=0.9))
    (grid,) = report.pivot([store.root], rows="dropout.standard.rate", cols="dropout.dropconnect.rate").grids
    cells = {(r, c): m for r, c, m in grid.table[["row", "column", "mean"]].itertuples(index=False)}
    assert cells == pytest.approx({("0", "0"): 0.9, ("0.3", "0"): 0.92, ("0", "0.2"): 0.91, ("0.3", "0.2"): 0.96})
