"""Several variants in one arm: what acts first, what each draws, and that a run is the same in any company."""

from __future__ import annotations

import itertools

import pytest
import torch
from noise_kit import SET_UP
from torch import Tensor
from training import Trained, cohort_of, differences, make_spec, numbers, states_at

from dropbench.dropout.base import Variant
from dropbench.engine.noise import StackNoise
from dropbench.engine.site_noise import Acting
from dropbench.sites import Site
from dropbench.spec import Component, DropoutSpec, RunSpec

CPU = torch.device("cpu")
HIDDEN = Site("hidden.0", "activation", (6, 5), "TF")


def with_variants(model: str, *names: str, rate: float = 0.4, **more: object) -> RunSpec:
    """A run with these variants; `rates` by variant and `schedules` by variant among `more`."""
    rates: dict[str, float] = dict(more.pop("rates_of", {}))  # type: ignore[call-overload]
    schedules: dict[str, str] = dict(more.pop("schedules", {}))  # type: ignore[call-overload]
    specs = [make_spec(model, variant=name, rate=rates.get(name, rate), **more) for name in names]  # type: ignore[arg-type]
    return specs[0].model_copy(update={"variants": tuple(scheduled(s.dropout, schedules) for s in specs)})


def scheduled(dropout: DropoutSpec, schedules: dict[str, str]) -> DropoutSpec:
    if dropout.name not in schedules:
        return dropout
    name = schedules[dropout.name]
    return dropout.model_copy(update={"schedule": Component(name=name, target=f"dropbench.dropout.schedule.{name}")})


def acting(name: str, site: Site, rate: float, stream: str | None = None) -> Acting:
    return Acting(SET_UP[name], name, site, rate, stream or site.name, f"{site.name}/{name}")


def noise_of(*arms: list[Acting], seeds: tuple[int, ...] = (0,), sites: tuple[Site, ...] = (HIDDEN,)) -> StackNoise:
    variants: list[Variant] = list({a.kind: a.variant for arm in arms for a in arm}.values())
    return StackNoise.of_arms(arms, variants, sites, seeds, 4, CPU)


def second(name: str, rate: float = 0.4) -> Acting:
    return acting(name, HIDDEN, rate, f"hidden.0/{name}")


def test_the_first_listed_acts_first() -> None:
    """By the formulas of the two: alpha's map is no product, so the order shows."""
    x = torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(0))
    for first, then in (("alpha", "standard"), ("standard", "alpha")):
        both = noise_of([acting(first, HIDDEN, 0.3), second(then)])
        alone, next_one = noise_of([acting(first, HIDDEN, 0.3)]), noise_of([second(then)])
        for _ in range(3):
            assert torch.equal(both("hidden.0", x), next_one("hidden.0", alone("hidden.0", x)))
    turned = noise_of([acting("standard", HIDDEN, 0.4), second("alpha", 0.3)])
    assert not torch.equal(
        noise_of([acting("alpha", HIDDEN, 0.3), second("standard")])("hidden.0", x), turned("hidden.0", x)
    )


def test_in_evaluation_they_act_in_the_same_order() -> None:
    x = torch.rand(1, 4, 6, 5)
    both = noise_of([acting("classic", HIDDEN, 0.25), second("standard", 0.5)])
    both.training = False
    torch.testing.assert_close(both("hidden.0", x), 0.75 * x)


def test_masks_on_a_recurrent_state_are_one_factor() -> None:
    """A mask of the sequence times one a step, by hand."""
    site = Site("recurrent.0", "recurrent", (6, 5), "TF")
    locked, naive = acting("locked", site, 0.3), acting("recurrent.naive", site, 0.4, "recurrent.0/recurrent")
    steps = noise_of([locked, naive], sites=(site,)).steps("recurrent.0")
    alone = [noise_of([one], sites=(site,)).steps("recurrent.0") for one in (locked, naive)]
    state = torch.randn(1, 4, 5)
    assert steps is not None
    for t in range(6):
        expected = state
        for one in alone:
            assert one is not None
            expected = one(expected, t)
        torch.testing.assert_close(steps(state, t), expected)


def draws_of(run: RunSpec) -> dict[str, Tensor]:
    """What each variant draws at each site in two steps, by label."""
    noise = cohort_of(run).replicas.noise
    return {
        f"{one.site.name}/{type(one.variant).__name__}": torch.cat([one.draw(8).flatten(), one.draw(8).flatten()])
        for one in noise.streams().values()
    }


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("mlp", ("standard", "dropconnect", "gaussian", "alpha")),
        ("rnn", ("locked", "weight_drop", "standard", "zoneout")),
    ],
)
def test_one_more_changes_no_draw_of_the_others(model: str, names: tuple[str, ...]) -> None:
    found = [draws_of(with_variants(model, *names[: n + 1])) for n in range(len(names))]
    for before, after in itertools.pairwise(found):
        assert before.keys() < after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
    whole = found[-1]
    for a in whole:
        for b in whole:
            if a < b and len(whole[a]) == len(whole[b]):
                assert not torch.equal(whole[a], whole[b]), f"{a} and {b} draw the same"


def test_two_at_a_site_are_independent() -> None:
    """The share that both drop is the product of their rates."""
    site = Site("hidden.0", "activation", (4000,), "F")
    noise = noise_of([acting("standard", site, 0.5), acting("unscaled", site, 0.4, "hidden.0/unscaled")], sites=(site,))
    kept = torch.stack([noise("hidden.0", torch.ones(1, 4, 4000)) != 0 for _ in range(10)])
    assert abs(float(kept.double().mean()) - 0.3) < 4 * (0.21 / kept.numel()) ** 0.5


PAIRS = [
    ("mlp", ("standard", "dropconnect")),
    ("mlp", ("standout", "standard", "gaussian")),
    ("mlp", ("concrete", "kingma")),
    ("mlp", ("concrete", "standard")),
    ("cnn", ("spatial", "dropblock")),
    ("rnn", ("locked", "weight_drop", "zoneout")),
    ("rnn", ("locked", "recurrent")),
    ("resnet", ("stochastic_depth", "dropblock")),
    ("transformer", ("attention", "stochastic_depth", "standard")),
]


@pytest.mark.parametrize(("model", "names"), PAIRS, ids=lambda x: x if isinstance(x, str) else "+".join(x))
def test_alone_as_in_company(model: str, names: tuple[str, ...]) -> None:
    run = with_variants(model, *names)
    company = [
        with_variants(model, *names, seed=4, rate=0.2, lr=0.02),
        with_variants(model, *names, rate=0.1),
        make_spec(model, variant="none"),
    ]
    alone = Trained(run)
    assert not differences(run, alone, Trained(run, *company))
    assert numbers(alone[run]) != numbers(Trained(make_spec(model, variant=names[0], rate=0.4)).results.popitem()[1])


@pytest.mark.parametrize(("model", "names"), PAIRS, ids=lambda x: x if isinstance(x, str) else "+".join(x))
def test_broken_off_and_gone_on_with(model: str, names: tuple[str, ...]) -> None:
    run, other = with_variants(model, *names, schedules={"standard": "linear_up"}), with_variants(model, *names, seed=2)
    none = make_spec(model, variant="none")
    states = states_at(2, 3, none, run) | states_at(2, 3, other)
    resumed = Trained(run, other, none, states=states)
    assert not differences(run, Trained(run), resumed) and not differences(other, Trained(other), resumed)


MASKS = ("standard", "gaussian", "unscaled")


def mixed(model: str, names: tuple[str, ...]) -> list[RunSpec]:
    """Arms that are all masks: each by itself, two at once, and none; two seeds, and one that stops early would narrow them."""
    arms = [with_variants(model, name, rate=rate, seed=seed) for name in names for rate, seed in ((0.4, 0), (0.2, 1))]
    pairs = [with_variants(model, *pair, seed=1) for pair in ((names[0], names[1]), (names[1], names[0]))]
    return [*arms, *pairs, make_spec(model, variant="none")]


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("mlp", MASKS),
        ("cnn", ("standard", "spatial", "dropblock")),
        ("rnn", ("locked", "standard", "recurrent")),
        ("transformer", ("attention", "standard", "locked")),
    ],
)
def test_a_stack_of_different_masks_gives_each_run_as_it_is_alone(model: str, names: tuple[str, ...]) -> None:
    runs = mixed(model, names)
    together = Trained(*runs)
    for run in runs[::2] + runs[-3:]:
        assert not (found := differences(run, Trained(run), together)), (run.variants, found[:3])


def test_a_stack_of_different_masks_is_narrowed_and_gone_on_with() -> None:
    runs = mixed("mlp", MASKS)
    runs = [r.model_copy(update={"train": r.train.model_copy(update={"patience": 1, "epochs": 6})}) for r in runs]
    together = Trained(*runs)
    lengths = {len(result.history) for result in together.results.values()}
    assert len(lengths) > 1, "none stopped before the others"
    states = states_at(1, 3, *runs[:5]) | states_at(1, 3, *runs[5:])
    resumed = Trained(*runs, states=states)
    for run in runs:
        alone = Trained(run)
        assert not differences(run, alone, together) and not differences(run, alone, resumed)


def test_what_a_run_drew_beside_it_is_not_gone_on_with_by_another_of_its_seed() -> None:
    """A run without noise stood in a stack of bits; going on beside normals of its seed it has nothing to tell of them."""
    none, bits, normals = (
        make_spec(variant=v, rate=r) for v, r in (("none", 0.0), ("standard", 0.4), ("gaussian", 0.4))
    )
    states = states_at(1, 3, none, bits) | states_at(1, 3, normals)
    assert not differences(normals, Trained(normals), Trained(none, normals, states=states))


def test_each_has_its_own_schedule_rate_and_place_in_the_history() -> None:
    run = with_variants(
        "mlp",
        "standard",
        "dropconnect",
        rates_of={"standard": 0.4, "dropconnect": 0.2},
        schedules={"standard": "linear_up"},
    )
    result = Trained(run)[run]
    rows = [{k: v for k, v in row.items() if k.startswith("rate/")} for row in result.history]
    assert list(rows[0]) == [f"rate/{label}" for label in result.rates]
    assert {label.partition("/")[2] for label in result.rates} == {"standard", "dropconnect"}
    assert [row["rate/hidden.0.weight/dropconnect"] for row in rows] == pytest.approx([0.2, 0.2])
    assert [row["rate/hidden.0/standard"] for row in rows] == pytest.approx([0.18, 0.38]), "the middle of the last step"


def test_learned_rates_are_told_of_those_that_learn() -> None:
    run = with_variants("mlp", "standard", "concrete", rates_of={"standard": 0.3, "concrete": 0.2})
    result = Trained(run)[run]
    assert set(result.learned_rates) == {"hidden.0/concrete", "hidden.1/concrete"}
    assert all(rate != pytest.approx(0.2, abs=1e-4) for rate in result.learned_rates.values())
    assert result.rates["hidden.0/standard"] == 0.3 == pytest.approx(result.history[-1]["rate/hidden.0/standard"])


@pytest.mark.parametrize("mode", ["mc", "ensemble"])
def test_noise_at_evaluation_in_any_company(mode: str) -> None:
    def moded(run: RunSpec) -> RunSpec:
        return run.model_copy(update={"eval": run.eval.model_copy(update={"mode": mode, "passes": 3})})

    run, *others = map(moded, mixed("mlp", MASKS)[-3:])
    together = Trained(run, *others)
    assert not differences(run, Trained(run), together)
    assert any(name.startswith(("test_mc_", "test_arithmetic_")) for name in together[run].metrics)
