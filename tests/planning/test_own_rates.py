"""`dropout=own`: an arm in which a user's network drops what it dropped as it was written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import plain_networks
import pytest

from dropbench.config.compose import Composer, composer
from dropbench.errors import UsageError
from dropbench.planning.advising import AS_WRITTEN, protocol
from dropbench.planning.own_rates import as_written
from dropbench.planning.plan import Plan, make, single
from dropbench.planning.variants import places

MODULE = ("model=module", "data=digits", "data.n_train=60")
NET = (*MODULE, "model.target=drops:Convolutions")
OWN = {"maps": 0.25, "drop": 0.5, "drop@2": 0.5}


@pytest.fixture
def c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Composer]:
    shutil.copy(plain_networks.__file__, tmp_path / "drops.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with composer() as found:
        yield found


def rates(plan: Plan) -> list[dict[str, float]]:
    """The rates of each arm by site, where there are any."""
    return [{p.site: p.rate for p in places(s.variants, plan.outlines[s.run_id].sites) if p.rate} for s in plan.specs]


def test_a_run_has_the_rates_of_the_network(c: Composer) -> None:
    assert rates(single([*NET, "dropout=own"], c)) == [OWN]


@pytest.mark.parametrize("network", ["Attended", "Residual"])
def test_every_site_has_its_rate_whatever_variants_it_takes(network: str, c: Composer) -> None:
    plan = single([*MODULE, f"model.target=drops:{network}", "dropout=own"], c)
    (spec,) = plan.specs
    own = {site.name: site.own for site in plan.outlines[spec.run_id].sites if site.own}
    assert len(spec.variants) == 2 and rates(plan) == [own]


def test_each_layer_is_the_variant_that_does_what_it_does(c: Composer) -> None:
    for network, variants in (
        ("Convolutions", {"maps": "spatial", "drop": "standard", "drop@2": "standard"}),
        ("Residual", {"paths.1": "stochastic_depth", "alpha": "alpha", "features": "alpha"}),
    ):
        plan = single([*MODULE, f"model.target=drops:{network}", "dropout=own"], c)
        (spec,) = plan.specs
        acting = {p.site: p.name for p in places(spec.variants, plan.outlines[spec.run_id].sites) if p.rate}
        assert acting == variants, network
    plan = single([*MODULE, "model.target=drops:Attended", "dropout=own"], c)
    acts = {
        (p.site.rpartition(".")[2], p.name)
        for p in places(plan.specs[0].variants, plan.outlines[plan.specs[0].run_id].sites)
    }
    assert {name for site, name in acts if site == "self_attn"} == {"attention"}
    assert {name for site, name in acts if site.startswith("dropout")} == {"standard"}


def test_in_a_grid_it_is_one_arm_at_any_rate_and_the_seed_changes_nothing(c: Composer) -> None:
    plan = make([*NET, "dropout=none,own,standard", "dropout.rate=0.2,0.4", "seed=0,1"], c)
    by_arm = {spec.arm_id: rate for spec, rate in zip(plan.specs, rates(plan), strict=True)}
    assert list(by_arm.values()) == [{}, OWN, dict.fromkeys(OWN, 0.2), dict.fromkeys(OWN, 0.4)]
    assert len(plan.specs) == 8 and not plan.warnings


def test_three_arm_halves_the_rates_of_the_network(c: Composer) -> None:
    plan = make([*NET, "study=three_arm", "dropout=own", "seed=0"], c)
    assert rates(plan) == [{}, {site: rate / 2 for site, rate in OWN.items()}, OWN]


def test_other_keys_of_dropout_are_kept(c: Composer) -> None:
    net = (*MODULE, "model.target=drops:perceptron", "model.args.p=0.3")
    (spec,) = single([*net, "dropout=own", "dropout.per=batch", "dropout.rate=0.1"], c).specs
    assert spec.dropout.options["per"] == "batch" and spec.dropout.rate == 0.3
    (spec,) = single([*NET, "dropout=own", "dropout.standard.per=batch"], c).specs
    assert [(v.name, v.options.get("per")) for v in spec.variants] == [("standard", "batch"), ("spatial", None)]


def test_a_study_may_have_it_as_arm_in_its_grid_or_for_all_arms(c: Composer, tmp_path: Path) -> None:
    folder = tmp_path / "conf" / "study"
    folder.mkdir(parents=True)
    both = "question: q\nbaseline: none\nseed: '0'\n"
    (folder / "arm.yaml").write_text(both + "arms:\n  none: {dropout: none}\n  mine: {dropout: own}\n")
    (folder / "all.yaml").write_text(both + "set: {dropout: own}\narms:\n  none: {dropout: none}\n  mine: {}\n")
    grid = "question: q\nbaseline: dropout=none\nseed: '0'\ngrid: {dropout: [none, own]}\n"
    (folder / "grid.yaml").write_text(grid)
    with composer([tmp_path / "conf"]) as mine:
        for study in ("arm", "all", "grid"):
            assert rates(make([*NET, f"study={study}"], mine)) == [{}, OWN]


def test_a_network_whose_rates_no_arm_has_is_told_of(c: Composer) -> None:
    told = "model=module drops at rates of its own (maps 0.25, drop 0.5, drop@2 0.5), which no arm here has; "
    (warning,) = make([*NET, "study=three_arm", "seed=0"], c).warnings
    assert warning.startswith(told) and warning.endswith("add dropout=own")
    assert not single([*NET, "dropout=none"], c).warnings
    typed = ("dropout=[standard,spatial]", "dropout.standard.rates={maps: 0}", "dropout.spatial.rate=0.25")
    assert not make([*NET, *typed, "seed=0,1"], c).warnings
    # Where the network drops whole maps, dropping single elements of them at the same rate is something else.
    assert make([*NET, 'dropout.rates={"*": 0.5, "maps": 0.25}', "seed=0,1"], c).warnings == (warning,)


def test_a_network_that_no_variant_imitates_is_told_of_without_advice_that_would_be_refused(
    c: Composer, tmp_path: Path
) -> None:
    """Dropout2d of [batch, steps, features] drops steps."""
    (tmp_path / "drops_steps.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.drop, self.out = nn.Dropout2d(0.2), nn.Linear(64, 10)\n\n    def forward(self, x):\n"
        "        return self.out(self.drop(x.flatten(1).unflatten(1, (8, 8))).flatten(1))\n"
    )
    net = (*MODULE, "model.target=drops_steps:Net")
    (warning,) = make([*net, "study=three_arm", "seed=0"], c).warnings
    assert warning.endswith(
        "(drop 0.2), which no arm here has: no variant does what the network does at drop, so it cannot be compared as "
        "written"
    )
    refused = "no variant does what model=module does at drop .*second axis.*; choose a variant and a rate for all arms"
    with pytest.raises(UsageError, match=refused):
        single([*net, "dropout=own"], c)
    assert not any(AS_WRITTEN in text for text in protocol(net, c).overrides)


@pytest.mark.parametrize(
    ("layer", "before"),
    [
        ("nn.Dropout(0.5)", "self.drop.p = 0.1"),
        ("nn.Dropout(0.5)", "self.drop.p = min(0.5, self.drop.p + 0.01)"),  # a rate that grows from step to step
        ("nn.MultiheadAttention(8, 1, 0.5, batch_first=True)", "self.drop.dropout = 0.1"),
        ("nn.LSTM(8, 8, 2, dropout=0.5, batch_first=True)", "self.drop.dropout = 0.1"),
        ("DropPath(0.5)", "self.drop.drop_prob = 0.1"),
    ],
)
def test_a_rate_that_forward_sets_is_not_taken_for_the_network_as_it_was_written(
    layer: str, before: str, c: Composer, tmp_path: Path
) -> None:
    called = "self.drop(x, x, x)[0]" if "Multi" in layer else "self.drop(x)[0]" if "LSTM" in layer else "self.drop(x)"
    (tmp_path / "drops_by_itself.py").write_text(
        "from drops import DropPath\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n"
        f"        super().__init__()\n        self.drop, self.out = {layer}, nn.Linear(64, 10)\n\n"
        f"    def forward(self, x):\n        {before}\n        x = x.flatten(1).unflatten(1, (8, 8))\n"
        f"        return self.out({called}.flatten(1))\n"
    )
    net = (*MODULE, "model.target=drops_by_itself:Net")
    with pytest.raises(UsageError, match="no variant does what model=module does at drop"):
        single([*net, "dropout=own"], c)
    assert not any(AS_WRITTEN in text for text in protocol(net, c).overrides)
    assert single([*net, "dropout=none"], c).specs  # any other arm replaces it as before


def test_a_layer_with_a_number_of_its_own_is_not_taken_for_one_whose_rate_is_set(c: Composer, tmp_path: Path) -> None:
    (tmp_path / "drops_named.py").write_text(
        "from torch import nn\n\n\nclass Mine(nn.Dropout):\n    drop_prob = 0.9\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.drop, self.out = Mine(0.2), nn.Linear(64, 10)\n\n"
        "    def forward(self, x):\n        return self.out(self.drop(x.flatten(1)))\n"
    )
    assert rates(single([*MODULE, "model.target=drops_named:Net", "dropout=own"], c)) == [{"drop": 0.2}]


def test_a_variant_of_the_user_may_have_the_name(c: Composer, tmp_path: Path) -> None:
    folder = tmp_path / "conf" / "dropout"
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text("# Mine\ndefaults: [standard, _self_]\nname: own\n")
    with composer([tmp_path / "conf"]) as mine:
        (spec,) = single([*NET, "dropout=own", "dropout.rate=0.1"], mine).specs
        assert spec.dropout.name == "own" and spec.dropout.rate == 0.1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("model=mlp", "dropout=own"),
            "dropout=own: model=mlp has no dropout with a rate above 0 of its own; choose a",
        ),
        ((*NET, "dropout=[own,standard]"), "cannot be combined; write dropout=own"),
        ((*NET, "dropout=onw"), "there is no such dropout; did you mean 'own'?"),
    ],
)
def test_where_it_stands_for_nothing_a_sentence_says_so(words: tuple[str, ...], told: str, c: Composer) -> None:
    with pytest.raises(UsageError) as refused:
        single(words, c)
    assert told in str(refused.value)


def test_dropout_as_a_function_is_said_not_to_be_taken_over(c: Composer, tmp_path: Path) -> None:
    body = "return F.dropout(super().forward(x), 0.5, self.training)"
    (tmp_path / "drops_in_forward.py").write_text(
        "import torch.nn.functional as F\nfrom torch import nn\n\n\nclass Net(nn.Linear):\n"
        f"    def __init__(self):\n        super().__init__(64, 10)\n\n    def forward(self, x):\n        {body}\n"
    )
    with pytest.raises(
        UsageError, match=r"such as F\.dropout, cannot be taken over: call an nn\.Dropout in its forward"
    ):
        single([*MODULE, "model.target=drops_in_forward:Net", "dropout=own"], c)


def test_advise_compares_the_network_as_it_was_written(c: Composer) -> None:
    chosen = protocol(NET, c)
    arms = next(text for text in chosen.overrides if text.startswith("study.arms="))
    assert f'"{AS_WRITTEN}": {{"dropout": own}}' in arms and chosen.arms == 6


def test_which_arms_are_the_network_as_it_was_written(c: Composer) -> None:
    """Also one that was not asked for as `own`, such as the usual rate that a network drops at everywhere."""
    for rate in (0.25, 0.3):
        net = (*MODULE, "model.target=drops:perceptron", f"model.args.p={rate}")
        plan = make([*net, "dropout=none,standard", "dropout.rate=0.1,0.25,0.3"], c)
        found = as_written(plan.specs, plan.outlines)
        assert {s.dropout.rate for s in plan.specs if s.arm_id in found} == {rate}
    plan = single(["model=mlp"], c)
    assert not as_written(plan.specs, plan.outlines)


def test_advise_has_no_arm_twice(c: Composer) -> None:
    for words in (("model=mlp",), (*MODULE, "model.target=drops:perceptron", "model.args.p=0.25")):
        assert not any(AS_WRITTEN in text for text in protocol(words, c).overrides)
    own = protocol([*MODULE, "model.target=drops:perceptron", "model.args.p=0.3"], c)
    assert any(AS_WRITTEN in text for text in own.overrides)
