"""Any nn.Module as it is: where its dropouts are found, and that noise in their place is what it says."""

from __future__ import annotations

import warnings
from typing import Any

import plain_networks
import pytest
import torch
from noise_kit import VARIANTS
from torch import Tensor, nn
from training import Trained, cohort_of, differences, make_spec, states_at

from dropbench.data.views import Shape
from dropbench.dropout.base import Variant
from dropbench.engine.noise import StackNoise
from dropbench.engine.user_module import Plain, PlainNoise
from dropbench.errors import UsageError
from dropbench.models.module import Module
from dropbench.sites import Site
from dropbench.sites.noise import Noise
from dropbench.sites.own_draws import seeded

FLAT, IMAGE, SEQUENCE, TOKENS = (
    Shape((64,), "flat"),
    Shape((1, 8, 8), "image"),
    Shape((7, 6), "sequence"),
    Shape((9, 50), "tokens"),
)
HOST = "dropbench.models.module.Module"


def made(name: str, shape: Shape, sites: list[str] | None = None, **args: Any) -> Module:
    with seeded(3):
        return Module(shape, 5, target=f"plain_networks.{name}", args=args, sites=sites)


def original(name: str, **args: Any) -> nn.Module:
    with seeded(3):
        network: nn.Module = getattr(plain_networks, name)(**args)
    return network


def acting(model: Module, variant: Variant, rate: float, batch: int, placement: set[str] | None = None) -> Noise:
    """The noise of one run: at these sites, or at all that the variant supports."""
    able = [s.name for s in model.sites if variant.supports(s) is None]
    rates = {name: rate for name in able if placement is None or name in placement}
    return PlainNoise(StackNoise(variant, model.sites, [rates], [0], batch, torch.device("cpu")))


class Watching(Noise):
    """Keeps what went in and what came out at each site."""

    def __init__(self, inner: Noise) -> None:
        self.inner = inner
        self.seen: dict[str, list[tuple[Tensor, Tensor]]] = {}

    def __call__(self, site: str, x: Tensor) -> Tensor:
        out = self.inner(site, x)
        self.seen.setdefault(site, []).append((x.detach(), out.detach()))
        return out

    def possible(self, site: str) -> bool:
        return self.inner.possible(site)


def told(model: Module) -> dict[str, tuple[str, str, tuple[int, ...], float | None]]:
    return {s.name: (s.kind, s.axes, s.shape, s.own) for s in model.sites}


def test_dropouts_of_a_perceptron_are_sites_in_the_order_of_a_forward() -> None:
    assert told(made("perceptron", FLAT, in_features=64)) == {
        "input": ("activation", "F", (64,), None),
        "0.weight": ("weight", "IO", (64, 64), None),
        "2": ("activation", "F", (64,), 0.3),
        "3.weight": ("weight", "IO", (64, 64), None),
        "5": ("activation", "F", (64,), 0.3),
        "6.weight": ("weight", "IO", (64, 5), None),
    }


def test_readers_and_functions_before_are_known_where_modules_say_them() -> None:
    sites = {s.name: s for s in made("perceptron", FLAT, in_features=64).sites}
    assert (sites["2"].reader, sites["2"].follows) == ("net.3.weight", "relu")
    assert "net.3.weight" in dict(made("perceptron", FLAT, in_features=64).named_parameters())


def test_maps_vectors_and_a_dropout_that_is_called_twice() -> None:
    found = told(made("Convolutions", IMAGE))
    assert found["maps"] == ("activation", "CHW", (6, 4, 4), 0.25)
    assert found["drop"] == ("activation", "F", (96,), 0.5)
    assert found["drop@2"] == ("activation", "F", (16,), 0.5)
    assert found["hidden.weight"] == ("weight", "IO", (96, 16), None)


def test_channels_are_found_where_they_have_been_moved() -> None:
    """A dense layer over channels that come last, and then back, as in ConvNeXt; steps of a convolution turned round."""
    assert told(made("Moved", IMAGE, in_channels=1)) == {
        "input": ("activation", "CHW", (1, 8, 8), None),
        "last": ("activation", "CHW", (6, 8, 8), 0.1),
        "first": ("activation", "CHW", (6, 8, 8), 0.1),
        "steps": ("activation", "TF", (64, 6), 0.1),
        "turned": ("activation", "TF", (64, 6), 0.1),
        "head.weight": ("weight", "IO", (6, 5), None),
    }


def test_steps_and_examples_on_one_axis_are_told_apart() -> None:
    """Noise on weights is of an example, and a dense layer over several rows of one has none."""
    found = told(made("Folded", SEQUENCE, input_size=6))
    assert found["drop"] == ("activation", "TF", (7, 8), 0.1)
    assert "steps.weight" not in found and "head.weight" in found


def test_sites_may_be_placed_behind_named_parts() -> None:
    found = told(made("Convolutions", IMAGE, sites=["o*", "hidden"]))
    assert found["one"] == ("activation", "CHW", (4, 8, 8), None)
    assert found["hidden"] == ("activation", "F", (16,), None)
    with pytest.raises(
        UsageError, match=r"model.sites: .*Convolutions has no submodule 'hiden'; did you mean 'hidden'"
    ):
        made("Convolutions", IMAGE, sites=["hiden"])


NETWORKS = [
    ("perceptron", FLAT, {"in_features": 64}),
    ("Convolutions", IMAGE, {"in_channels": 1}),
    ("Residual", FLAT, {"in_features": 64}),
    *(("Rows", SEQUENCE, {"input_size": 6, "kind": kind}) for kind in ("LSTM", "GRU", "RNN")),
    ("Rows", SEQUENCE, {"input_size": 6, "batch_first": False, "both": True}),
    ("Rows", SEQUENCE, {"input_size": 6, "packed": True, "both": True}),
    ("Moved", IMAGE, {"in_channels": 1}),
    ("Folded", SEQUENCE, {"input_size": 6}),
    ("Words", TOKENS, {"vocab_size": 50}),
    ("Positions", TOKENS, {"vocab_size": 50}),
    ("Encoder", TOKENS, {"vocab_size": 50}),
    ("Encoder", TOKENS, {"vocab_size": 50, "batch_first": False}),
    *(
        ("Attending", SEQUENCE, {"input_size": 6, **options})
        for options in (
            {"batch_first": True},
            {"add_bias_kv": True, "add_zero_attn": True},
            {"bias": False, "batch_first": True, "kdim": 6, "vdim": 6},
        )
    ),
]


def examples(shape: Shape, n: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    if shape.view != "tokens":
        return torch.randn(n, *shape, generator=generator)
    x = torch.randint(1, shape[1], (n, shape[0]), generator=generator)
    x[0, :4] = 0
    return x


@pytest.mark.parametrize(("name", "shape", "args"), NETWORKS)
@pytest.mark.parametrize(
    "variant", ["none", "standard", "attention", "dropconnect", "standout", "weight_drop", "embedding"]
)
def test_without_noise_it_is_the_network_in_evaluation(
    name: str, shape: Shape, args: dict[str, Any], variant: str
) -> None:
    """Whichever way it is computed: the variants have layers go other ways, at rate 0, in training too."""
    model, expected = made(name, shape, **args), original(name, num_classes=5, **args).eval()
    x = examples(shape, 5)
    noise = acting(model, VARIANTS[variant], 0.0, 5)
    if shape == IMAGE:
        x = x.to(memory_format=torch.channels_last)
    for training in (True, False):
        torch.testing.assert_close(model.train(training)(x, noise), expected(examples(shape, 5)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "shape", "args"), NETWORKS)
def test_gradients_reach_the_networks_own_parameters(name: str, shape: Shape, args: dict[str, Any]) -> None:
    model, expected = made(name, shape, **args), original(name, num_classes=5, **args).eval()
    x = examples(shape, 5)
    ways = ("standard", "attention", "dropconnect", "weight_drop", "embedding")
    for noise in (acting(model, VARIANTS[v], 0.0, 5) for v in ways):
        model.zero_grad()
        model.train()(x, noise).square().sum().backward()
        expected.zero_grad()
        expected(x).square().sum().backward()
        for own, other in zip(model.net.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(own.grad, other.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("name", "shape", "args"), NETWORKS)
@pytest.mark.parametrize("variant", ["standard", "attention", "stochastic_depth", "locked"])
def test_the_measured_fraction_is_the_rate(name: str, shape: Shape, args: dict[str, Any], variant: str) -> None:
    """At every site, dropout inside of torch's fused kernels too; and nothing else in it drops."""
    rate, n = 0.3, 400
    acts = VARIANTS[variant]
    model = made(name, shape, **args)
    watch = Watching(acting(model, acts, rate, n))
    before = torch.get_rng_state()
    model.train()(examples(shape, n), watch)
    assert torch.equal(before, torch.get_rng_state())  # nothing of its own was drawn
    reached = [s for s in model.sites if acts.supports(s) is None and s.kind != "recurrent"]
    for site in reached:
        ((given, out),) = watch.seen[site.name]
        some = given != 0
        draws = len(given) if acts.noise_shape(site, 1).count(1) == 1 + len(site.shape) else 0
        shared = variant in ("locked", "stochastic_depth") or bool(draws)
        tolerance = 0.08 if shared else 0.03
        assert abs(float((out[some] == 0).float().mean()) - rate) < tolerance, site
    assert reached or not any(acts.supports(s) is None for s in model.sites)


def test_a_table_of_words_is_a_site_and_one_of_positions_is_none() -> None:
    assert told(made("Positions", TOKENS, vocab_size=50)) == {
        "words.weight": ("token", "VF", (50, 16), None),
        "head.weight": ("weight", "IO", (16, 5), None),
    }


def test_a_word_that_is_dropped_is_zero_wherever_it_stands() -> None:
    model = made("Positions", TOKENS, vocab_size=50).train()
    x = examples(TOKENS, 300)
    seen: list[Tensor] = []
    model.net.words.register_forward_hook(lambda part, given, out: seen.append(out.detach()))
    model(x, acting(model, VARIANTS["embedding"], 0.3, 300))
    rows, table = seen[0], model.net.words.weight
    dropped = (rows == 0).all(-1)
    torch.testing.assert_close(rows[~dropped], table[x[~dropped]] / 0.7, rtol=1e-4, atol=1e-4)
    said = {(i, int(word)): bool(gone) for i in range(300) for word, gone in zip(x[i], dropped[i], strict=True)}
    assert all(said[i, int(w)] == bool(g) for i in range(300) for w, g in zip(x[i], dropped[i], strict=True))
    words = [gone for (_, word), gone in said.items() if word]  # the row of the padding is zero anyway
    assert abs(sum(words) / len(words) - 0.3) < 0.04


@pytest.mark.parametrize("stacked", [True, False])
def test_training_equals_the_same_network_written_for_dropbench_to_the_last_bit(
    stacked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not stacked:
        monkeypatch.setattr("dropbench.engine.stack.unstacked", lambda *run: "as it is")
    args = {"in_features": 64, "width": 64}
    common: dict[str, Any] = {"rate": 0.4, "epochs": 2, "seed": 2}
    one = make_spec(HOST, options={"target": "plain_networks.perceptron", "args": args}, **common)
    other = make_spec("test_module.Written", options={"width": 64}, **common)
    cohort, written = Trained(one), Trained(other)
    assert isinstance(cohort.cohort.replicas.model, Plain) != stacked
    assert cohort[one].history[-1]["train_loss"] == written[other].history[-1]["train_loss"]
    assert [r["val_loss"] for r in cohort[one].history] == [r["val_loss"] for r in written[other].history]
    assert cohort[one].metrics == written[other].metrics
    for a, b in zip(cohort.weights[one.run_id].values(), written.weights[other.run_id].values(), strict=True):
        assert torch.equal(a, b)


class Written(nn.Module):
    """The perceptron, as one writes it for dropbench."""

    eats = ("flat",)

    def __init__(self, shape: tuple[int, ...], n_classes: int, *, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(shape[0], width), nn.Linear(width, width), nn.Linear(width, n_classes)])
        self.sites = tuple(Site(name, "activation", (width,), "F") for name in ("2", "5"))

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        x = noise("2", torch.relu(self.layers[0](x)))
        x = noise("5", torch.relu(self.layers[1](x)))
        logits: Tensor = self.layers[2](x)
        return logits


@pytest.mark.parametrize("variant", ["dropconnect", "standard", "kingma", "standout", "concrete"])
def test_a_run_has_the_same_bits_beside_others(variant: str) -> None:
    options = {"target": "plain_networks.perceptron", "args": {"in_features": 64}}
    specs = [make_spec(HOST, options=options, variant=variant, rate=r, seed=s) for r in (0.2, 0.5) for s in (0, 1)]
    together = Trained(*specs)
    alone = Trained(specs[1])
    assert together[specs[1]].metrics == alone[specs[1]].metrics
    assert not isinstance(together.cohort.replicas.model, Plain)


def test_its_own_rates_do_not_count() -> None:
    a, b = (
        make_spec(
            HOST,
            options={"target": "plain_networks.perceptron", "args": {"in_features": 64, "width": 8, "p": p}},
            seed=4,
        )
        for p in (0.0, 0.9)
    )
    assert Trained(a)[a].metrics == Trained(b)[b].metrics


def test_the_users_class_is_left_as_it_is() -> None:
    before = dict(vars(nn.Dropout)), dict(vars(nn.Linear)), dict(vars(plain_networks.Convolutions))
    model = made("Convolutions", IMAGE)
    assert (dict(vars(nn.Dropout)), dict(vars(nn.Linear)), dict(vars(plain_networks.Convolutions))) == before
    assert type(model.net) is plain_networks.Convolutions and isinstance(model.net.drop, nn.Dropout)
    fresh = original("Convolutions", in_channels=1, num_classes=5)
    assert type(fresh.drop) is nn.Dropout and fresh.drop.p == 0.5
    assert model.net.state_dict().keys() == fresh.state_dict().keys()


def test_a_batch_of_shorter_sentences_takes_a_part_of_the_mask() -> None:
    model = made("Words", TOKENS, vocab_size=50)
    x = examples(TOKENS, 4)[:, 4:]
    assert model.train()(x, acting(model, VARIANTS["standard"], 0.5, 4)).shape == (4, 5)
    with pytest.raises(RuntimeError, match=r"at lstm an example has the shape \[18, 12\], .* it was \[9, 12\]"):
        model(examples(TOKENS, 4).repeat(1, 2), acting(model, VARIANTS["standard"], 0.5, 4))


def test_what_is_never_called_is_told() -> None:
    model = made("Functional", FLAT, in_features=64)
    assert model.idle == ("drop",) and model.parts == ("first", "head")
    with pytest.raises(UsageError, match=r"model\.sites: .*Functional never calls drop, .*; valid: first, head"):
        made("Functional", FLAT, in_features=64, sites=["drop"])


def test_every_part_can_be_a_site() -> None:
    parts = made("Encoder", TOKENS, vocab_size=50).parts
    assert {"embedding", "encoder", "encoder.layers.0.self_attn", "encoder.layers.1.linear2"} <= set(parts)
    assert "encoder.layers" not in parts  # a list of layers, which nobody calls
    for part in parts:
        assert part in {s.name for s in made("Encoder", TOKENS, vocab_size=50, sites=[part]).sites}


def test_cohort_of_noise_and_none_is_one_stack() -> None:
    options = {"target": "plain_networks.perceptron", "args": {"in_features": 64}}
    specs = [make_spec(HOST, options=options, rate=r) for r in (0.0, 0.5)]
    assert len(cohort_of(*specs).replicas) == 2


@pytest.mark.parametrize(("name", "args"), [("Convolutions", {"in_channels": 1}), ("perceptron", {"in_features": 64})])
def test_it_goes_on_from_where_it_was_saved(name: str, args: dict[str, Any]) -> None:
    """Trained one by one, and stacked."""
    run = make_spec(HOST, options={"target": f"plain_networks.{name}", "args": args}, rate=0.5)
    assert not differences(run, Trained(run), Trained(run, states=states_at(1, 2, run)))


class Causal(nn.Module):
    """A temporal convolutional network with torch's older `weight_norm`, as its authors published it."""

    def __init__(self, input_size: int, num_classes: int) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self.conv = nn.utils.weight_norm(nn.Conv1d(input_size, 8, 3, padding=2))
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(self.conv(x.transpose(1, 2))[..., :-2].relu())
        logits: Tensor = self.head(x[..., -1])
        return logits


def test_weights_that_are_computed_from_others_train_too() -> None:
    """The older `weight_norm` keeps a tensor that `deepcopy` refuses."""
    run = make_spec(HOST, options={"target": "test_module.Causal"}, rate=0.5, epochs=1)
    result = Trained(run)[run]
    assert result.status == "completed"


def compiled(in_features: int, num_classes: int) -> Any:
    def compiler(*given: object) -> Any:
        raise AssertionError("compiled")

    network = plain_networks.perceptron(in_features, num_classes)
    network[1] = torch.compile(network[1], backend=compiler)  # type: ignore[call-overload]
    return torch.compile(network, backend=compiler)


def test_what_torch_compiles_is_called_as_it_was_written() -> None:
    with seeded(3):
        model = Module(FLAT, 5, target="test_module.compiled")
    plain, x = made("perceptron", FLAT), examples(FLAT, 4)
    assert [s.name for s in model.sites] == [s.name for s in plain.sites]
    noise = acting(plain, VARIANTS["none"], 0.0, 4)
    assert torch.equal(model(x, noise), plain(x, noise))


@pytest.mark.parametrize("name", ["Attended", "Rows"])
def test_a_network_that_mixes_examples_is_refused(name: str) -> None:
    """Attention across examples too, whose outputs follow the order of the examples."""
    args = {"Attended": {"batch_first": False}, "Rows": {"batch_first": False, "mixed": True}}[name]
    options: dict[str, Any] = {"target": f"plain_networks.{name}", "args": args}
    with pytest.raises(UsageError, match=r"depends on the other examples of the batch"):
        Module.view_of([SEQUENCE], 5, "classify", **options)


def test_networks_without_a_stack_say_why() -> None:
    run = make_spec(HOST, options={"target": "plain_networks.Rows", "args": {"input_size": 8}}, rate=0.5, epochs=1)
    (note,) = Trained(run)[run].notes
    assert note.startswith("trained unstacked: vmap cannot stack it")
