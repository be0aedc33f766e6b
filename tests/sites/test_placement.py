"""Placement and rates by site: globs, in order, and the nearest name in an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from noise_kit import VARIANTS

from dropbench.errors import UsageError
from dropbench.sites import Site
from dropbench.sites.placement import place, rate_at, site_rates

NAMES = ["input", "recurrent.0", "hidden.0", "recurrent.1", "hidden.1", "head"]
SUBSET = st.lists(st.sampled_from(NAMES), unique=True)
RATE = st.floats(0, 0.99)


def test_by_default_everywhere_but_the_input() -> None:
    assert place(NAMES, None, {}) == NAMES[1:]


@given(SUBSET)
def test_names_place_exactly_those_in_the_models_order(chosen: list[str]) -> None:
    assert place(NAMES, chosen, {}) == [n for n in NAMES if n in chosen]


@given(SUBSET.filter(bool))
def test_only_minus_signs_take_away_from_everything(removed: list[str]) -> None:
    minus = [f"-{n}" for n in removed]
    rest = [n for n in NAMES if n not in removed]
    assert place(NAMES, minus, {}) == rest == place(NAMES, ["*", *minus], {})


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        (["hidden.*"], ["hidden.0", "hidden.1"]),
        (["hidden.*", "-hidden.0"], ["hidden.1"]),
        (["-hidden.0", "hidden.*"], NAMES),
        (["hidden.*", "-*", "head"], ["head"]),
        (["*.[1]"], ["recurrent.1", "hidden.1"]),
        (["*"], NAMES),
        ([], []),
    ],
)
def test_patterns_are_read_in_order(placement: list[str], expected: list[str]) -> None:
    assert place(NAMES, placement, {}) == expected


@pytest.mark.parametrize(
    ("rates", "with_input"),
    [({"input": 0.2}, True), ({"inp*": 0.2}, True), ({"*": 0.2}, False), ({"hidden.0": 0.2}, False)],
)
def test_a_rate_for_the_input_by_name_places_noise_there(rates: dict[str, float], with_input: bool) -> None:
    assert place(NAMES, None, rates) == NAMES[0 if with_input else 1 :]


def test_a_placement_has_the_last_word_over_rates() -> None:
    assert place(NAMES, ["head"], {"input": 0.2, "head": 0.5}) == ["head"]


@pytest.mark.parametrize(
    ("placement", "rates", "key"),
    [
        (["hiden.0"], {}, "dropout.placement"),
        (["-hiden.0"], {}, "dropout.placement"),
        (None, {"hiden.0": 0.5}, "dropout.rates"),
        (["head"], {"hiden.0": 0.5}, "dropout.rates"),
    ],
)
def test_a_pattern_that_fits_nothing_names_the_nearest(
    placement: list[str] | None, rates: dict[str, float], key: str
) -> None:
    with pytest.raises(UsageError, match=rf"{key}: .*'-?hiden.0'; did you mean 'hidden.0'\? valid: head, hidden.0"):
        place(NAMES, placement, rates)


@pytest.mark.parametrize("placement", [None, ["head"]])
def test_a_minus_is_no_part_of_a_rates_pattern(placement: list[str] | None) -> None:
    """It would take the site away silently, or be read by nothing at all."""
    with pytest.raises(UsageError, match=r"dropout\.rates: .*'-head'"):
        place(NAMES, placement, {"-head": 0.5})


@given(name=st.sampled_from(NAMES), rate=RATE, own=RATE, others=st.dictionaries(st.sampled_from(["*", "h*"]), RATE))
def test_a_sites_own_rate_wins(name: str, rate: float, own: float, others: dict[str, float]) -> None:
    assert rate_at(name, rate, {**others, name: own}) == own
    longer = {f"{name[:-1]}[{name[-1]}]": 0.9, name: own}  # a pattern that fits and has more letters
    assert rate_at(name, rate, longer) == rate_at(name, rate, dict(reversed(longer.items()))) == own


def test_else_the_longest_pattern_that_fits_else_the_common_rate() -> None:
    rates = {"*": 0.1, "h*": 0.2, "hidden.*": 0.3}
    for order in (rates, dict(reversed(rates.items()))):
        assert [rate_at(n, 0.7, order) for n in NAMES] == [0.1, 0.1, 0.3, 0.1, 0.3, 0.2]
    assert [rate_at(n, 0.7, {"hidden.*": 0.3}) for n in NAMES] == [0.7, 0.7, 0.3, 0.7, 0.3, 0.7]


BY_NAME = ["hidden.0.before", "hidden.1.skip", "output"]
ALL = [*NAMES, *BY_NAME]


@pytest.mark.parametrize("placement", [None, ["*"], ["-head"], ["hidden.*"], ["*.*"]])
@pytest.mark.parametrize("rates", [{}, {"*": 0.3}, {"hidden.*": 0.3, "input": 0.1}])
def test_what_must_be_asked_for_is_met_by_no_general_pattern(
    placement: list[str] | None, rates: dict[str, float]
) -> None:
    assert place(ALL, placement, rates, asked=BY_NAME) == place(NAMES, placement, rates)


@pytest.mark.parametrize(
    ("placement", "rates", "expected"),
    [
        (["output"], {}, ["output"]),
        (["*.before"], {}, ["hidden.0.before"]),
        (["hidden.?.skip", "head"], {}, ["head", "hidden.1.skip"]),
        (["*", "output"], {}, [*NAMES, "output"]),
        (None, {"output": 0.5}, [*NAMES[1:], "output"]),
        (None, {"*.skip": 0.5}, [*NAMES[1:], "hidden.1.skip"]),
        (["*.before", "-hidden.0.before", "head"], {}, ["head"]),
    ],
)
def test_what_must_be_asked_for_is_met_by_its_name(
    placement: list[str] | None, rates: dict[str, float], expected: list[str]
) -> None:
    assert place(ALL, placement, rates, asked=BY_NAME) == expected


def test_what_must_be_asked_for_and_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match=r"no site matches '\*.skip'"):
        place(NAMES, ["*.skip"], {}, asked=BY_NAME)


SITES = (
    Site("input", "activation", (8,), "F"),
    Site("hidden.0.weight", "weight", (8, 4), "IO"),
    Site("hidden.0", "activation", (4,), "F"),
)


def test_rates_are_of_the_sites_where_the_variant_acts() -> None:
    assert site_rates(VARIANTS["standard"], SITES, 0.5, {}, None) == {"hidden.0": 0.5}
    assert site_rates(VARIANTS["standard"], SITES, 0.5, {"input": 0.2}, None) == {"input": 0.2, "hidden.0": 0.5}
    assert site_rates(VARIANTS["dropconnect"], SITES, 0.5, {"*": 0.3}, None) == {"hidden.0.weight": 0.3}
    assert site_rates(VARIANTS["locked"], SITES, 0.5, {}, None) == {}
    assert site_rates(VARIANTS["none"], SITES, 0.5, {"x": 0.1}, ["y"]) == {}


def test_a_site_of_another_kind_is_no_site_here() -> None:
    with pytest.raises(UsageError, match=r"valid: hidden\.0, input"):
        site_rates(VARIANTS["standard"], SITES, 0.5, {}, ["hidden.0.weight"])
