"""Where several variants of an arm act, what they draw from, how they are named, and how they are typed again."""

from __future__ import annotations

import pytest
from specs_kit import planned, spec_of

from dropbench.config.compose import Composer, composer
from dropbench.dropout.base import Variant
from dropbench.errors import UsageError
from dropbench.planning.labels import arm_names
from dropbench.planning.reproduce import commands, overrides, settings
from dropbench.planning.variants import places, together
from dropbench.sites import Site
from dropbench.spec import DropoutSpec, RunSpec

SITES = (
    Site("input", "activation", (4,), "F"),
    Site("hidden.0.weight", "weight", (4, 5), "IO"),
    Site("hidden.0", "activation", (5,), "F"),
    Site("recurrent.0", "recurrent", (3, 5), "TF"),
    Site("recurrent.0.hidden", "transition", (3, 5), "TF"),
    Site("hidden.1", "activation", (3, 5), "TF"),
)


class Adds(Variant):
    """A user's, that does more than multiply, and at any site."""

    kinds = frozenset({"activation", "recurrent", "branch"})

    def act(self, x, mask, rate):  # type: ignore[no-untyped-def]
        return x + mask


def made(name: str, rate: float = 0.5, **more: object) -> DropoutSpec:
    target = f"{__name__}.Adds" if name == "adds" else f"dropbench.dropout.{name}.{_CLASSES[name]}"
    return DropoutSpec(name=name, target=target, rate=rate, **more)


_CLASSES = {"standard": "Standard", "gaussian": "Gaussian", "locked": "Locked", "dropconnect": "DropConnect"}
_CLASSES |= {"zoneout": "Zoneout", "kingma": "Kingma", "recurrent": "RecurrentDropout", "spatial": "Spatial"}


def streams(*variants: DropoutSpec) -> dict[tuple[str, str], str]:
    return {(p.site, p.name): p.stream for p in places(variants, SITES)}


def test_one_variant_is_placed_and_told_as_ever() -> None:
    found = places([made("standard", 0.3, rates={"hidden.0": 0.0})], SITES)
    assert [(p.site, p.label, p.stream, p.rate) for p in found] == [
        ("hidden.0", "hidden.0", "hidden.0", 0.0),
        ("hidden.1", "hidden.1", "hidden.1", 0.3),
    ]


def test_the_first_at_a_site_has_its_stream_and_later_ones_their_own() -> None:
    found = places([made("locked", 0.3), made("standard", 0.2), made("dropconnect", 0.1)], SITES)
    assert [(p.label, p.stream, p.rate) for p in found] == [
        ("hidden.0.weight/dropconnect", "hidden.0.weight", 0.1),
        ("hidden.0/standard", "hidden.0", 0.2),
        ("recurrent.0/locked", "recurrent.0", 0.3),
        ("hidden.1/locked", "hidden.1", 0.3),
        ("hidden.1/standard", "hidden.1/standard", 0.2),
    ]


def test_one_more_at_the_end_changes_no_stream_of_the_others() -> None:
    list_of = [made("standard"), made("locked"), made("gaussian"), made("zoneout"), made("dropconnect")]
    for n in range(1, len(list_of)):
        before, after = streams(*list_of[:n]), streams(*list_of[: n + 1])
        assert before.items() <= after.items() and len(set(after.values())) == len(after)


def test_a_site_of_rate_0_is_not_acted_on_and_takes_no_turn() -> None:
    assert streams(made("standard", rates={"hidden.1": 0.0}), made("locked", placement=("hidden.1",))) == {
        ("hidden.0", "standard"): "hidden.0",
        ("hidden.1", "locked"): "hidden.1",
    }


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("standard", "locked"), None),
        (("locked", "recurrent"), None),
        (("dropconnect", "zoneout"), None),
        (
            ("dropconnect", "kingma"),
            "dropconnect and kingma would both act on hidden.0.weight, but a weight site takes one",
        ),
        (("locked", "adds"), "locked and adds would both act on recurrent.0, but a recurrent site takes one variant"),
    ],
)
def test_what_can_act_at_one_site(names: tuple[str, ...], told: str | None) -> None:
    reason = together([made(name, placement=None) for name in names], SITES)
    assert (reason is None) if told is None else (reason is not None and told in reason and "placement=" in reason)


def test_a_pattern_that_fits_no_site_is_told_by_its_own_key() -> None:
    with pytest.raises(UsageError, match=r"dropout\.locked\.placement: no site matches 'hiden\.1'"):
        places([made("standard"), made("locked", placement=("hiden.1",))], SITES)


def test_a_plan_says_what_cannot_be() -> None:
    with pytest.raises(UsageError, match="dropout=locked has no site in model=mlp"):
        planned("dropout=[standard,locked]")
    with pytest.raises(UsageError, match="dropout=concrete learns its rate, so dropout/concrete/schedule=late"):
        planned("dropout=[standard,concrete]", "dropout/concrete/schedule=late")
    with pytest.raises(UsageError, match="both act on"):
        planned("dropout=[dropconnect,standout]")
    planned(
        "dropout=[dropconnect,standout]",
        "dropout.dropconnect.placement=[hidden.0.weight]",
        "dropout.standout.placement=[hidden.1.weight]",
    )


def test_names_of_arms() -> None:
    plan = planned(
        "dropout=none,[standard,dropconnect]", "dropout.standard.rate=0.2", "dropout/standard/schedule=late,constant"
    )
    names = list(arm_names(plan, plan.specs).values())
    assert names == ["none", "standard 0.2 + dropconnect 0.5 standard.schedule=late", "standard 0.2 + dropconnect 0.5"]


TYPED = [
    ["dropout=[standard,dropconnect]"],
    ["dropout=[dropconnect,standard]", 'dropout.standard.rates={input: 0.2, "*": 0.4}'],
    ["dropout=[gaussian,standout]", "dropout.standout.slope=2", "dropout/gaussian/schedule=early", "train.lr=0.01"],
    ["dropout=[standard,dropconnect]", "dropout/schedule=late", "dropout.standard.schedule.start=0.5"],
]


@pytest.mark.parametrize("typed", TYPED, ids=" ".join)
def test_what_is_stored_is_typed_again(c: Composer, typed: list[str]) -> None:
    spec: RunSpec = spec_of(c, *typed)
    again = overrides(spec.as_dict())
    assert spec_of(c, *again) == spec
    assert len(again) <= len(typed) + 1, "no more than differs from the defaults"
    assert settings(spec.as_dict())["dropout"] == [v.name for v in spec.variants]


def test_commands_have_one_line_an_arm() -> None:
    with composer() as c:
        specs = [spec_of(c, *typed) for typed in (["dropout=none"], *TYPED[:2])]
    lines = commands([(s.as_dict(), range(3)) for s in specs], "results")
    assert len(lines) == 3
    assert lines[1] == "dropbench sweep 'dropout=[standard,dropconnect]' 'seed=range(0,3)'"
