"""Several variants in one arm, as they are typed: the keys of each, what hashes alike, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from specs_kit import planned, spec_of

from dropbench.config.compose import Composer, composer
from dropbench.config.several import without_others
from dropbench.errors import UsageError
from dropbench.spec import RunSpec

RNN = "model=rnn"
BOTH = "dropout=[locked,weight_drop]"


def rates(spec: RunSpec) -> dict[str, float]:
    return {v.name: v.rate for v in spec.variants}


def test_each_has_its_own_keys(c: Composer) -> None:
    spec = spec_of(c, RNN, BOTH, "dropout.locked.rate=0.3", "dropout.weight_drop.rates={recurrent.0.weight: 0.1}")
    assert rates(spec) == {"locked": 0.3, "weight_drop": 0.5}
    assert spec.variants[1].rates == {"recurrent.0.weight": 0.1} and spec.variants[0].rates == {}


def test_a_schedule_is_of_one_or_of_all(c: Composer) -> None:
    def schedules(*typed: str) -> list[str]:
        return [v.schedule.name for v in spec_of(c, RNN, BOTH, *typed).variants]

    assert schedules() == ["constant", "constant"]
    assert schedules("dropout/schedule=cosine") == ["cosine", "cosine"]
    assert schedules("dropout/locked/schedule=cosine") == ["cosine", "constant"]
    assert schedules("dropout/schedule=late", "dropout/weight_drop/schedule=early") == ["late", "early"]
    spec = spec_of(c, RNN, BOTH, "dropout/locked/schedule=linear_up", "dropout.locked.schedule.over=0.25")
    assert spec.variants[0].schedule.options == {"over": 0.25}


@pytest.mark.parametrize(
    "typed",
    [
        ("dropout=[locked]", "dropout.rate=0.3"),
        ("dropout=locked", "dropout.locked.rate=0.3"),
        (BOTH, "dropout.locked.rate=0.3", "dropout.weight_drop.rate=0"),
        ("dropout=[weight_drop,none,locked]", "dropout.locked.rate=0.3", 'dropout.weight_drop.rates={"*": 0}'),
        ("dropout=[locked,none]", "dropout.locked.rate=0.3"),
    ],
    ids=" ".join,
)
def test_a_list_with_one_that_drops_something_is_that_one(c: Composer, typed: tuple[str, ...]) -> None:
    alone = spec_of(c, RNN, "dropout=locked", "dropout.rate=0.3")
    assert spec_of(c, RNN, *typed) == alone and spec_of(c, RNN, *typed).run_id == alone.run_id


def test_a_list_of_nothing_is_none(c: Composer) -> None:
    none = spec_of(c, RNN, "dropout=none")
    assert spec_of(c, RNN, BOTH, "dropout.locked.rate=0", "dropout.weight_drop.rate=0").run_id == none.run_id


def test_the_order_counts_and_what_is_dull_does_not(c: Composer) -> None:
    one, turned = spec_of(c, RNN, BOTH), spec_of(c, RNN, "dropout=[weight_drop,locked]")
    assert one.run_id != turned.run_id and rates(one) == rates(turned)
    assert one.run_id == spec_of(c, RNN, BOTH, "dropout.locked.rate=0.5").run_id
    assert one.run_id != spec_of(c, RNN, BOTH, "dropout.weight_drop.rate=0.4").run_id


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ((BOTH, "dropout.rate=0.3"), "write dropout.locked.rate=0.3 or dropout.weight_drop.rate=0.3"),
        ((BOTH, "dropout.schedule.over=1"), "write dropout.locked.schedule.over=1 or dropout.weight_drop.schedule"),
        ((BOTH, "dropout.standard.rate=0.3"), "write dropout=[locked,weight_drop,standard], or leave it out"),
        (("dropout=none", "dropout.locked.rate=0.3"), "write dropout=locked, or leave it out"),
        (("dropout=standard", "dropout.locked.rate=0.3"), "write dropout=[standard,locked], or leave it out"),
        ((BOTH, "dropout.locked.ratte=0.3"), "did you mean 'dropout.locked.rate'?"),
        ((BOTH, "dropout.locked.rate=1"), "dropout.locked.rate=1: it must be below 1"),
        ((BOTH, "dropout.locked.schedule=late"), "write dropout/locked/schedule=late"),
        ((BOTH, "dropout/locked/schedule=lat"), "there is no such schedule"),
        (
            ("dropout=[locked,locked]",),
            "locked is listed twice; to give each site its own rate, set dropout.locked.rates",
        ),
        (("dropout=[locked,embeding]",), "dropout=embeding: there is no such dropout; did you mean 'embedding'?"),
        ((BOTH, "dropout.weight_drop.colour=red"), "'dropout.weight_drop.colour' is not a key here"),
        (("dropout=[standard,dropconnect]", "dropout.dropconnect.per=day"), "dropout.dropconnect.per=day: it must be"),
    ],
    ids=lambda x: x if isinstance(x, str) else " ".join(x),
)
def test_mistakes(c: Composer, typed: tuple[str, ...], told: str) -> None:
    with pytest.raises(UsageError) as error:
        spec_of(c, RNN, *typed)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_a_study_sets_a_rate_for_each_variant() -> None:
    plan = planned(
        "study=three_arm",
        RNN,
        BOTH,
        "dropout.locked.rate=0.4",
        "dropout.weight_drop.rates={recurrent.0.weight: 0.1}",
        "seed=0",
    )
    assert [rates(s) for s in plan.specs] == [
        {"none": 0.0},
        {"locked": 0.2, "weight_drop": 0.25},
        {"locked": 0.4, "weight_drop": 0.5},
    ]
    assert [s.variants[-1].rates for s in plan.specs] == [{}, {"recurrent.0.weight": 0.05}, {"recurrent.0.weight": 0.1}]
    recipe = planned("study=three_arm", "model=transformer", "dropout=vit", "seed=0")
    assert [rates(s) for s in recipe.specs][1:] == [{"attention": r, "stochastic_depth": r} for r in (0.05, 0.1)]
    both = planned("study=three_arm", RNN, BOTH, "study.target.rate=0.3", "seed=0")
    assert [rates(s) for s in both.specs][1:] == [{"locked": r, "weight_drop": r} for r in (0.15, 0.3)]


def test_a_grid_of_neither_either_and_both() -> None:
    plan = planned(
        "dropout=none,standard,dropconnect,[standard,dropconnect]",
        "dropout.standard.rate=0.2,0.4",
        "dropout.dropconnect.rate=0.1",
    )
    found = [tuple(rates(s).items()) for s in plan.specs]
    assert found == [
        (("none", 0.0),),
        (("standard", 0.2),),
        (("standard", 0.4),),
        (("dropconnect", 0.1),),
        (("standard", 0.2), ("dropconnect", 0.1)),
        (("standard", 0.4), ("dropconnect", 0.1)),
    ]
    assert plan.merged == 2


def test_keys_of_what_no_point_has_stay_to_be_refused() -> None:
    points = [{"dropout": "dropout=none", "dropout.locked.rate": "dropout.locked.rate=0.1"}]
    assert without_others(points, ()) == points
    both = [*points, {**points[0], "dropout": "dropout=[locked,none]"}]
    assert without_others(both, ()) == [{"dropout": "dropout=none"}, both[1]]


RECIPE = """# Two, for a test
standard:
  rates: {input: 0.2, "*": 0.4}
dropconnect:
  rate: 0.1
  per: example
"""


def test_a_recipe_is_a_name_for_a_list_and_its_settings(tmp_path: Path) -> None:
    (tmp_path / "dropout/recipe").mkdir(parents=True)
    (tmp_path / "dropout/recipe/mine.yaml").write_text(RECIPE)
    (tmp_path / "dropout/recipe/bad.yaml").write_text("standard: {rate: 0.1}\n")
    (tmp_path / "dropout/recipe/worse.yaml").write_text(RECIPE + "  colour: red\n")
    with composer([tmp_path]) as c:
        typed = [
            "dropout=[standard,dropconnect]",
            'dropout.standard.rates={input: 0.2, "*": 0.4}',
            "dropout.dropconnect.rate=0.1",
            "dropout.dropconnect.per=example",
        ]
        assert spec_of(c, "dropout=mine") == spec_of(c, "dropout=[mine]") == spec_of(c, *typed)
        changed = spec_of(c, "dropout=mine", "dropout.dropconnect.rate=0.3")
        assert rates(changed)["dropconnect"] == 0.3
        for name, told in {
            "bad": "a recipe must name at least two variants",
            "worse": "dropconnect has no key colour",
            "[mine,standard]": "mine is a recipe and cannot be combined; write dropout=mine",
        }.items():
            with pytest.raises(UsageError, match=told):
                spec_of(c, f"dropout={name}")


def test_a_study_takes_lists_and_keys(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study/pair.yaml").write_text(
        "question: q\nbaseline: none\nseed: '0'\narms:\n  none: {dropout: none}\n"
        "  both: {dropout: [standard, dropconnect], dropout.standard.rate: 0.3}\n"
        "grid:\n  dropout: [none, [standard, dropconnect]]\n  dropout.dropconnect.rate: [0.1, 0.2]\n"
    )
    from dropbench.planning.plan import make

    with composer([tmp_path]) as c:
        plan = make(["study=pair"], c)
    assert [tuple(rates(s).values()) for s in plan.specs] == [(0.0,), (0.3, 0.5), (0.5, 0.1), (0.5, 0.2)]


@pytest.mark.parametrize(
    ("study", "where"),
    [
        ("arms:\n  none: {dropout: none}\n  lr: {train.lr: '${dropout.rate}'}\n", "arm lr of the study: train.lr"),
        (
            "arms:\n  none: {dropout: none}\n  one: {dropout: standard, dropout.rate: '${dropout.rate}'}\n",
            "arm one of the study: dropout.rate",
        ),
        ("arms:\n  none: {dropout: none}\ngrid: {train.lr: [0.1, '${dropout.rate}']}\n", "the grid of the study"),
    ],
)
def test_what_a_study_cannot_set_for_each_variant_is_refused(tmp_path: Path, study: str, where: str) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study/odd.yaml").write_text(f"question: q\nbaseline: none\nseed: '0'\n{study}")
    from dropbench.planning.plan import make

    with composer([tmp_path]) as c:
        typed = [
            "study=odd",
            "dropout=[standard,dropconnect]",
            "dropout.standard.rate=0.1",
            "dropout.dropconnect.rate=0.2",
        ]
        with pytest.raises(UsageError, match=f"{where} refers to a setting of dropout, but .* has one for each"):
            make(typed, c)
        assert make([*typed[:3], "dropout.dropconnect.rate=0.1"], c)  # one rate for both leaves nothing open
