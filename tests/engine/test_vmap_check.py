"""Which modules stack by `vmap`, and what is said of those that do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from graphs import graph_table
from texts import running_text
from torch import Tensor, nn
from training import Trained, cohort_of, make_spec, table_of

from dropbench.data.base import Graph
from dropbench.engine import vmap_check
from dropbench.execute.cohorts import cohorts
from dropbench.planning.outline import outline
from dropbench.settings import Settings
from dropbench.sites import Site
from dropbench.sites.noise import Noise
from dropbench.spec import RunSpec

BITS = "would depend on the runs stacked with it"


def verdict(spec: RunSpec, device: str = "cpu") -> str | None:
    return vmap_check.unstacked(spec.model, outline(spec.model, table_of(spec)), spec.train, device)


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ("gru", "vmap cannot stack it: Batching rule not implemented for aten::gru"),
        ("lstm", "vmap cannot stack it: Batching rule not implemented for aten::lstm"),
        ("cell", "vmap cannot stack it: no batching rule for aten::gru_cell"),
        ("dropout", "it draws its own random numbers; only noise(site, x) draws for each run separately"),
        ("narrow", BITS),
        ("average", "vmap cannot stack it: It looks like you're calling .item()"),
        ("convolution", f"the last bits of a convolution {BITS}"),
        ("own", "the module gives other results under vmap"),
        ("flow", "vmap cannot stack it: It looks like you're calling .item()"),
        ("evaluation", "vmap cannot stack it: It looks like you're calling .item()"),
        ("place", "vmap cannot stack it: inplace arithmetic"),
        ("sigmoid", BITS),
        ("silu", BITS),
    ],
)
def test_what_does_not_stack_trains_alone_and_says_why(refused: str, said: str) -> None:
    spec = make_spec("vmap_models.Refused", options={"refused": refused}, rate=0.3, epochs=1)
    assert said in (verdict(spec) or "")
    result = Trained(spec)[spec]
    assert result.status == "completed" and result.notes == [f"trained unstacked: {verdict(spec)}"]
    with pytest.raises(ValueError, match="one run at a time, not 2"):
        cohort_of(spec, spec.model_copy(update={"seed": 1}))


def test_a_module_that_raises_raises_when_it_trains() -> None:
    spec = make_spec("vmap_models.Refused", options={"refused": "broken"})
    assert verdict(spec) == "vmap cannot stack it: 'broken by itself'"
    with pytest.raises(KeyError, match="broken by itself"):
        Trained(spec)


@pytest.mark.parametrize(
    ("width", "bits"), [(16, "16 numbers"), (31, "31 numbers"), (33, "33 numbers"), (64, None), (96, None)]
)
def test_the_ends_of_tensors_are_looked_up_and_not_left_to_chance(
    monkeypatch: pytest.MonkeyPatch, width: int, bits: str | None
) -> None:
    """Where a replica ends within a register by a number or two, three replicas may happen to have the same bits."""
    monkeypatch.setattr(vmap_check, "_differing", lambda one, alike: [])
    monkeypatch.setattr(vmap_check, "_known", {})
    said = verdict(make_spec("vmap_models.Silu", options={"widths": [width]}))
    assert said == (bits and f"the last bits of silu over {bits} per example {BITS}")


def test_so_are_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vmap_check, "_differing", lambda one, alike: [])
    monkeypatch.setattr(vmap_check, "_known", {})
    assert (
        verdict(make_spec("vmap_models.Normed", options={"width": 24}))
        == f"the last bits of batch norm over 24 channels {BITS}"
    )
    assert verdict(make_spec("vmap_models.Normed", options={"width": 64})) is None


def test_precision_size_and_device() -> None:
    assert verdict(make_spec("vmap_models.Digits", precision="bf16")) == "vmap does not support train.precision=bf16"
    assert verdict(make_spec("vmap_models.Digits")) is None
    large = make_spec("vmap_models.Digits", options={"widths": [1024, 1024]})
    assert verdict(large) == "one replica with its 1,126,410 parameters already fills the cache of a CPU"
    assert verdict(large, "cuda") is None
    # Bits are promised on a CPU alone.
    for refused, stacks in (
        ("narrow", True),
        ("convolution", True),
        ("silu", True),
        ("own", False),
        ("evaluation", False),
    ):
        spec = make_spec("vmap_models.Refused", options={"refused": refused})
        assert (verdict(spec, "cuda") is None) == stacks, refused


def test_it_is_tried_once_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vmap_check, "_known", {})
    spec = make_spec("vmap_models.Refused", options={"refused": "dropout"})
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    first = verdict(spec)
    assert torch.equal(before, torch.get_rng_state()) and torch.get_num_threads() == threads
    monkeypatch.setattr(vmap_check, "_trial", lambda *run: pytest.fail("tried again"))
    assert verdict(spec) == first
    # Another seed, rate or optimizer is no other kind of run.
    assert verdict(make_spec("vmap_models.Refused", options={"refused": "dropout"}, seed=4, rate=0.5, lr=1.0)) == first


def test_a_plan_puts_into_a_cohort_what_stacks() -> None:
    settings = Settings(device="cpu", results=Path(), execute={"workers": 1, "threads": 1, "cohort": 4})
    for model, options, sizes in (
        ("vmap_models.Digits", {}, [4, 4]),
        ("vmap_models.Refused", {"refused": "gru"}, [1] * 8),
    ):
        specs = [make_spec(model, options=options, seed=s) for s in range(8)]
        found = outline(specs[0].model, table_of(specs[0]))
        groups = cohorts(specs, {s.run_id: found for s in specs}, settings, "cpu", 1)
        assert [len(g) for g in groups] == sizes


ALIKE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "reciprocal": lambda x, y: 1 / x,
    "div": lambda x, y: x / y,
    "sqrt": lambda x, y: x.abs().sqrt(),
    "rsqrt": lambda x, y: x.abs().rsqrt(),
    "square": lambda x, y: x**2,
    "cube": lambda x, y: x**3,
    "tanh": lambda x, y: torch.tanh(x),
    "tanh_backward": lambda x, y: torch.ops.aten.tanh_backward(y, torch.tanh(x)),
    "gelu": lambda x, y: F.gelu(x),
    "gelu_backward": lambda x, y: torch.ops.aten.gelu_backward(y, x),
    "leaky_relu": lambda x, y: F.leaky_relu(x, 0.1),
    "leaky_relu_backward": lambda x, y: torch.ops.aten.leaky_relu_backward(y, x, 0.1, False),
}
UNLIKE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sigmoid": lambda x, y: torch.sigmoid(x),
    "silu": lambda x, y: F.silu(x),
    "softplus": lambda x, y: F.softplus(x),
    "gelu_by_tanh": lambda x, y: F.gelu(x, approximate="tanh"),
    "fourth": lambda x, y: x**4,
}


@pytest.mark.parametrize("name", [*ALIKE, *UNLIKE])
def test_functions_that_are_said_to_round_alike_do(name: str) -> None:
    """In whole vectors, and in the last thirteen numbers of a tensor; 12,000 of these, small and large."""
    generator = torch.Generator().manual_seed(0)
    numbers = 45 * 960
    x, y = (torch.randn(numbers, generator=generator) * torch.logspace(-3, 0.7, numbers) for _ in range(2))
    f = {**ALIKE, **UNLIKE}[name]
    ends = torch.cat([f(a, b) for a, b in zip(x.split(45), y.split(45), strict=True)])
    assert torch.equal(f(x, y), ends) == (name in ALIKE)


@pytest.mark.parametrize(("name", "called"), [("gelu_by_tanh", "gelu"), ("fourth", "pow")])
def test_an_approximate_gelu_is_no_gelu_and_a_power_no_square(
    name: str, called: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vmap_check, "_differing", lambda one, alike: [])
    monkeypatch.setattr(vmap_check, "_known", {})
    monkeypatch.setattr("vmap_models.Gelu.act", staticmethod(lambda x: UNLIKE[name](x, x)))
    said = verdict(make_spec("vmap_models.Gelu", options={"widths": [19]}))
    assert said == f"the last bits of {called} over 19 numbers per example {BITS}"


class Reader(nn.Module):
    """A language model with a state, without a replica axis."""

    eats = ("text",)
    task = "predict_next"

    def __init__(self, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.table = nn.Embedding(shape[1], 6)
        self.cell = nn.GRU(6, 6, batch_first=True)
        self.head = nn.Linear(6, n_classes)
        self.sites = (Site("words", "token", (shape[1], 6), "VF"),)
        self.begun, self.state = 0, None

    def begin(self) -> None:
        self.begun, self.state = self.begun + 1, None

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        rows, state = self.cell(noise.embed("words", x, self.table.weight), self.state)
        self.state = state.detach()
        logits: Tensor = self.head(rows)
        return logits


class Nodes(nn.Module):
    """A model of a graph, without a replica axis."""

    eats = ("graph",)

    def __init__(self, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(shape[1], n_classes)
        self.sites = (Site("nodes", "activation", shape, "NF"),)

    def attach(self, graph: Graph, device: torch.device) -> None:
        self.features = graph.features.to(device)

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        logits: Tensor = self.head(noise("nodes", self.features[None])[0])
        return logits[x]


@pytest.mark.parametrize(("model", "table"), [("Reader", running_text()), ("Nodes", graph_table())])
def test_states_and_graphs_are_for_one_run_alone(model: str, table: Any) -> None:
    spec = make_spec(
        f"test_vmap_check.{model}", variant="embedding" if model == "Reader" else "standard", rate=0.3, epochs=2
    )
    spec = spec.model_copy(
        update={"data": spec.data.model_copy(update={"n_train": None}), "metric": {"loss": spec.metric["loss"]}}
    )
    done = Trained(spec, table=table)
    assert done[spec].status == "completed"
    assert done[spec].notes == ["trained unstacked: it has a state or a graph of its own, which vmap cannot stack"]
    if model == "Reader":
        # Two epochs, each with two evaluations after it, and the test.
        (module,) = done.cohort.replicas.model._module  # type: ignore[misc, union-attr]
        assert module.begun == 2 * 3 + 1
