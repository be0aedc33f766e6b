"""A site that is declared and never reached, or reached and not declared, is an error before anything trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from specs_kit import planned
from torch import Tensor, nn

from dropbench.config.compose import composer
from dropbench.data.base import Table
from dropbench.data.views import Shape
from dropbench.errors import UsageError
from dropbench.planning.plan import Plan, make
from dropbench.planning.trial import needs_two, tried
from dropbench.sites import Site
from dropbench.sites.noise import Noise

KINDS = ("call", "affine", "dense", "steps", "transition", "branch", "acts")
TABLE = Table("made", torch.zeros(20, 3, 5), torch.arange(20) % 2, "TF", 2)


class Sites(nn.Module):
    """Declares `sites` and calls `calls`, each in the way that its name begins with."""

    def __init__(self, sites: tuple[str, ...], calls: tuple[str, ...]) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(5, 5), nn.Linear(5, 2)
        self.calls = calls
        self.sites = tuple(Site(name, "activation", (5,), "F") for name in sites)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        x = x[:, -1]
        for name in self.calls:
            x = getattr(self, f"_{name.partition('.')[0]}")(x, noise, name)
        logits: Tensor = self.head(x)
        return logits

    def _call(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        return noise(name, x)

    def _affine(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        return noise.affine(name, x, self.inner.weight, self.inner.bias, torch.relu)

    def _dense(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        return noise.dense(name, x, self.inner.weight, self.inner.bias, torch.relu)

    def _steps(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        act = noise.steps(name)
        return x if act is None else act(x, 0)

    def _transition(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        mix = noise.transition(name)
        return x if mix is None else mix(x, 2 * x, 0)

    def _branch(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        return x + noise.branch(name, Inner(self.inner), x)

    def _acts(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        """Another way where there is no noise."""
        return noise(name, x) if noise.acts(name) else x

    def _training(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        return noise(name, x) if self.training else x

    def _asked(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        """Asks whether there will be noise and then has none."""
        noise.acts(name)
        return x

    def _taken(self, x: Tensor, noise: Noise, name: str) -> Tensor:
        """Takes the function of a recurrent site and never calls it."""
        noise.steps(name)
        return x


class Inner(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        out: Tensor = self.layer(x)
        return out


def trial(sites: tuple[str, ...], calls: tuple[str, ...]) -> tuple[str, ...]:
    return tried("sites", lambda: Sites(sites, calls), Shape((3, 5), "sequence"), TABLE, stacked=False).draws


def test_a_site_may_be_met_in_every_way() -> None:
    everything = tuple(f"{kind}.0" for kind in (*KINDS, "training"))
    assert trial(everything, everything) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_typo_names_the_site_that_was_meant(kind: str) -> None:
    with pytest.raises(UsageError) as raised:
        trial((f"{kind}.hidden",), (f"{kind}.hiden",))
    told = str(raised.value)
    assert told.startswith(
        f"model=sites asks for noise at the site '{kind}.hiden', which is not among its sites; did you"
    )
    assert f"did you mean '{kind}.hidden'?" in told
    assert f"declares the site '{kind}.hidden' but never uses it" in told


@pytest.mark.parametrize("kind", [*KINDS, "asked", "taken"])
def test_a_site_that_is_not_declared(kind: str) -> None:
    with pytest.raises(UsageError, match=r"which is not among its sites; it declares none$"):
        trial((), (f"{kind}.0",))


@pytest.mark.parametrize("calls", [(), ("call.1",), ("asked.0", "call.1"), ("taken.0", "call.1")])
def test_a_site_that_is_never_reached(calls: tuple[str, ...]) -> None:
    declared = (calls[0] if len(calls) > 1 else "call.0", *calls[-1:])
    with pytest.raises(UsageError, match=f"declares the site '{declared[0]}' but never uses it"):
        trial(declared, calls)


def test_a_dense_layer_may_be_declared_as_its_output_alone_or_with_its_weights() -> None:
    assert trial(("dense.0",), ("dense.0",)) == trial(("dense.0", "dense.0.weight"), ("dense.0",)) == ()


@pytest.mark.parametrize(
    ("last", "probabilities"),
    [(nn.Softmax(-1), True), (nn.LogSoftmax(-1), False), (nn.Sigmoid(), False), (nn.ReLU(), False), (None, False)],
)
def test_outputs_that_are_probabilities_already(last: nn.Module | None, probabilities: bool) -> None:
    layers = [nn.Flatten(), nn.Linear(15, 3), *([last] if last is not None else [])]
    net = Inner(nn.Sequential(*layers))
    assert tried("net", lambda: net, Shape((3, 5), "sequence"), TABLE, stacked=False).probabilities == probabilities


def test_a_name_twice() -> None:
    with pytest.raises(UsageError, match=r"names its site 'call\.0' 2 times"):
        trial(("call.0", "call.0"), ("call.0",))


def test_a_module_that_raises_is_left_to_its_training() -> None:
    assert trial(("call.0",), ("nothing.0",)) == ()


def test_nothing_is_left_behind() -> None:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    trial(("call.0",), ("call.0",))
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads


def planned_with(mine: Path, old: str, new: str, *overrides: str) -> Plan:
    """The plan of a user's model in which `old` was written otherwise."""
    file = mine / "my_model.py"
    file.write_text(file.read_text().replace(old, new))
    with composer([mine]) as c:
        return make(["model=tiny", "data=wine", *overrides], c)


def test_it_is_said_when_it_is_planned(mine: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'middle'"):
        planned_with(mine, 'noise("middle"', 'noise("midle"')


def test_a_plan_warns_of_noise_of_its_own(mine: Path) -> None:
    plan = planned_with(mine, ".tanh()", ".sigmoid().bernoulli()", "dropout=none,standard")
    assert len(plan.warnings) == 1
    assert plan.warnings[0].startswith("model=tiny is noisy in evaluation") and "its forward" in plan.warnings[0]


def test_models_of_ours_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own tests do: tests/models/test_sites_of_models.py."""
    monkeypatch.setattr("dropbench.planning.trial.tried", lambda *told: pytest.fail("tried"))
    assert planned("data=wine").specs


@pytest.mark.parametrize(
    ("layers", "shape", "two"),
    [
        ([nn.Flatten(), nn.BatchNorm1d(2)], (2,), True),
        ([nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(18, 2)], (2, 3, 3), False),
        ([nn.BatchNorm2d(2), nn.Flatten()], (2, 1, 1), True),
        ([nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(15, 2)], (3, 5), False),
        ([nn.GroupNorm(1, 2), nn.Flatten()], (2,), False),
    ],
)
def test_what_batch_norm_makes_of_one_example(layers: list[nn.Module], shape: tuple[int, ...], two: bool) -> None:
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, x: Tensor, noise: Noise) -> Tensor:
            out: Tensor = self.layers(x)
            return out

    assert needs_two(Normed, Shape(shape, "image"), TABLE, stacked=False) is two
