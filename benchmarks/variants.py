"""Claim: every variant drops what its rate says, has the mean and variance of its theory, and costs little beside a step.

For each variant of conf/dropout, with the options that change its random draws, at one site of each kind and layout that a
model has: the dropped fraction, the moments of the output, and the cost of a training step.

    python -m benchmarks.variants [results/reference/variants.csv] [--quick] [--only NAME,NAME]

There are 16 seeds of 40 steps of 16 examples. Costs are medians of 7 rounds of 5 training steps of 4 replicas in batches of 64,
on one thread, with and without the variant in turn, in processor time. The file starts with the hardware and the versions that
it was made with. The data are random: images of 28 × 28, texts of 20 words out of 500, a running text, a graph of 300 nodes.

drop_fraction is the share of independent draws that are dropped, with Wilson's 95 % interval. Elements that share a draw count
once; for dropped blocks, elements one block apart are taken. It is empty if nothing becomes zero, or if the input decides what
does. mean and variance are those of the output for normal inputs of variance 1 and mean `input_mean`, with Student's 95 %
interval over seeds; theory is empty for variants that are not in THEORY. cost is the median training step divided by the median
step without noise; low and high are the extreme rounds.
"""

from __future__ import annotations

import argparse
import csv
import math
import platform
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from dropbench.config.compose import Composer, composer
from dropbench.config.options import options
from dropbench.data.base import Graph, Table
from dropbench.dropout.base import Variant
from dropbench.engine.build import build
from dropbench.engine.noise import StackNoise
from dropbench.execute.environment import versions
from dropbench.hardware.blas import use_threads
from dropbench.planning.outline import outline
from dropbench.planning.variants import variant
from dropbench.sites import Site
from dropbench.sites.noise import Noise
from dropbench.spec import RunSpec

CPU = torch.device("cpu")
RATES = (0.1, 0.5)
SEEDS, BATCH = 16, 16
MORE_OPTIONS: dict[str, list[dict[str, Any]]] = {
    "dropblock": [{"block_size": 2}, {"block_size": 7}, {"shared": "true"}],
    "dropconnect": [{"per": "example"}],
    "recurrent": [{"each_step": "true"}, {"where": "candidate"}],
    "embedding": [{"per": "batch"}],
    "stochastic_depth": [{"per": "batch"}, {"per": "example"}],
    "shake_shake": [{"per": "batch"}],
    "standout": [{"slope": 0}],
}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mlp": ("mlp", "images", {"widths": "[64,64]"}),
    "realmlp": ("realmlp", "images", {"widths": "[64,64]"}),
    "cnn": ("cnn", "images", {}),
    "rnn": ("rnn", "images", {"layers": 2}),  # a sequence between layers is a site
    "transformer": ("transformer", "texts", {}),
    "vit": ("transformer", "images", {"branches": "layer"}),  # patches and whole layers are sites
    "resnet": ("resnet", "images", {"depth": 8, "two_branches": "true"}),
    "gcn": ("gcn", "graph", {}),
    "lm": ("lm", "running", {"hidden": 64}),
    "autoencoder": ("autoencoder", "images", {}),
}
"""The networks, in the order in which their sites are used, each with its model, its data and its options."""
OF_A_USER = {"module"}
"""Models that wrap a user's network and have no sites of their own kind."""
BY_INPUT = {"concrete", "standout", "shake_drop", "shake_shake"}
"""Variants that do not drop elements by the rate alone: concrete's masks are soft, standout's depend on the input, ShakeDrop
multiplies what it does not keep by a random number, and Shake-Shake does so with two branches."""
Moments = Callable[[float, float], tuple[float, float]]
"""A function of (rate, mean of the input): the mean and variance of the output."""


def inverted(rate: float, mean: float) -> tuple[float, float]:
    """Return the mean and variance of x m for m with mean 1 and variance rate / (1 - rate), and x with variance 1."""
    return mean, (1 + mean**2) / (1 - rate) - mean**2


def unscaled(rate: float, mean: float) -> tuple[float, float]:
    """Return the mean and variance of x m for m of zeros and ones with mean 1 - rate, and x with variance 1."""
    keep = 1 - rate
    return keep * mean, keep * (1 + mean**2) - (keep * mean) ** 2


def shaken(rate: float, mean: float) -> tuple[float, float]:
    """Return the mean and variance of x m for m = 1 with probability 1 - rate, else uniform in (-1, 1); x has variance 1."""
    keep = 1 - rate
    return keep * mean, (keep + rate / 3) * (1 + mean**2) - (keep * mean) ** 2


def weighed(rate: float, mean: float) -> tuple[float, float]:
    """Return the mean and variance of x m for m uniform in (1 - 2 rate, 1 + 2 rate), and x with variance 1."""
    return mean, (1 + (2 * rate) ** 2 / 3) * (1 + mean**2) - mean**2


THEORY: Mapping[str, Moments] = {
    **dict.fromkeys(
        (
            *("standard", "gaussian", "spatial", "locked", "dropconnect", "dropblock", "recurrent", "weight_drop"),
            *("embedding", "stochastic_depth", "layer_drop", "attention", "node_features", "kingma"),
        ),
        inverted,
    ),
    **dict.fromkeys(("classic", "unscaled", "drop_edge", "patch_dropout", "zoneout", "standout slope=0"), unscaled),
    "alpha": lambda rate, mean: (0.0, 1.0),
    "shake_drop": shaken,
    "shake_shake": weighed,
}
INPUT_MEAN = {"alpha": 0.0}
"""The mean of the inputs if it is not 1: the theory of alpha dropout is for inputs with mean 0."""


def tables() -> dict[str, Table]:
    """Return random data of each kind, by the names in MODELS."""
    generator = torch.Generator().manual_seed(0)

    def whole(high: int, *shape: int) -> Tensor:
        return torch.randint(high, shape, generator=generator)

    classes = torch.arange(400) % 10
    pairs = whole(300, 2, 900)
    low, high = pairs.min(0).values, pairs.max(0).values
    edges = torch.stack([low, high])[:, low != high].unique(dim=1)
    graph = Graph(torch.rand(300, 50, generator=generator), edges)
    text = whole(500, 20_001)
    rows = torch.arange(20_000)
    return {
        "images": Table("images", torch.rand(400, 1, 28, 28, generator=generator), classes, "CHW", 10),
        "texts": Table("texts", whole(499, 400, 20) + 1, classes, "T", 10, vocabulary=500),
        "graph": Table("graph", torch.arange(300)[:, None], classes[:300], "N", 10, graph=graph),
        "running": Table(
            *("running", text[:-1, None], text[1:], "W", 500),
            test=rows[15_000:],
            val=rows[10_000:15_000],
            vocabulary=500,
            window=20,
        ),
    }


def compose(c: Composer, network: str, name: str, given: Mapping[str, Any], **rest: object) -> RunSpec:
    """Return a run of a network with a variant, whose options are `given` and `rest`."""
    model, _, options_of = MODELS[network]
    told = {
        "model": model,
        "dropout": name,
        **{f"model.{k}": v for k, v in options_of.items()},
        **{f"dropout.{k}": v for k, v in {**given, **rest}.items()},
    }
    return c.compose({key: f"{key}={value}" for key, value in told.items()}).spec


class Same(torch.nn.Module):
    """A branch that is the identity."""

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Return x."""
        return x


def through(noise: StackNoise, site: Site, x: Tensor) -> Tensor:
    """Return the output of a site for x. At a weight, x is the weight; at a transition, the new state, and the old one is 0."""
    if site.kind in ("recurrent", "candidate"):
        act = noise.steps(site.name)
        assert act is not None
        return torch.stack([act(state, t) for t, state in enumerate(x.unbind(2))], 2)
    if site.kind == "transition":
        mix = noise.transition(site.name)
        assert mix is not None
        return torch.stack([mix(torch.zeros_like(new), new, t) for t, new in enumerate(x.unbind(2))], 2)
    if site.kind == "weight":
        rows = torch.eye(site.shape[0]).expand(len(x), -1, -1)
        return noise.affine(site.name, rows, x, torch.zeros(len(x), 1, site.shape[1]), lambda z: z)
    if site.kind == "branch":
        return noise.branch(site.name, Same(), x)
    if site.kind == "token":
        return noise.embed(site.name, torch.arange(site.shape[0]).expand(len(x), BATCH, -1), x)
    return noise(site.name, x)


def shape_of(site: Site) -> tuple[int, ...]:
    """Return the shape of one replica's x for `through`."""
    if site.kind in ("weight", "token", "recurrent_weight"):
        return site.shape
    return (1 if site.axes in ("NF", "E") else BATCH), *site.shape  # a graph is one example


def independent(tried: Variant, site: Site, values: Tensor) -> Tensor:
    """Return the values [K, *shape], with only one of each group that shares a draw."""
    shape = tried.noise_shape(site, values.shape[1])
    for axis, n in enumerate(shape, 1) if site.kind != "weight" else ():
        values = values.narrow(axis, 0, 1) if n == 1 else values
    block = getattr(tried, "block_size", 1)
    return values if block == 1 else values[..., ::block, ::block]


def measured(tried: Variant, name: str, label: str, site: Site, rate: float, steps: int) -> dict[str, Any]:
    """Measure the dropped fraction at a site, and the moments of the output beside theory; return columns of the file."""
    batch = site.shape[0] if site.kind == "weight" else BATCH
    noise = StackNoise(tried, [site], [{site.name: rate}] * SEEDS, range(SEEDS), batch, CPU)
    mean = INPUT_MEAN.get(name, 1.0)
    generator = torch.Generator().manual_seed(0)
    dropped = n = 0
    sums = torch.zeros(2, SEEDS, dtype=torch.float64)
    for _ in range(steps):
        x = torch.randn(SEEDS, *shape_of(site), generator=generator).add_(mean).requires_grad_()
        out = through(noise, site, x)
        if site.kind in ("weight", "token"):
            # Here a gradient would be a sum over examples, so zeros in the output are counted instead.
            drawn = independent(tried, site, out.detach())
        else:
            # An element is dropped if x has no influence on it. Its output need not be zero: alpha dropout uses a constant.
            (slope,) = torch.autograd.grad(out.sum(), x)
            drawn = independent(tried, site, slope)
        dropped += int((drawn == 0).sum())
        n += drawn.numel()
        flat = out.detach().flatten(1).double()
        sums += torch.stack([flat.mean(1), flat.square().mean(1)])
    means, squares = sums / steps
    cells: dict[str, Any] = {"n": n}
    if tried.draws == "bits" and name not in BY_INPUT:
        low, high = stats.binomtest(dropped, n).proportion_ci(method="wilson")
        cells |= {"drop_fraction": dropped / n, "drop_low": low, "drop_high": high}
    known = THEORY.get(f"{name} {label}", THEORY.get(name))
    theory = known(rate, mean) if known else (None, None)
    cells["input_mean"] = mean
    for what, values, expected in (("mean", means, theory[0]), ("variance", squares - means**2, theory[1])):
        half = float(stats.t.ppf(0.975, SEEDS - 1)) * float(values.std()) / math.sqrt(SEEDS)
        centre = float(values.mean())
        cells |= {what: centre, f"{what}_low": centre - half, f"{what}_high": centre + half, f"{what}_theory": expected}
    return cells


def cost(noisy: RunSpec, plain: RunSpec, table: Table, rounds: int, steps: int) -> dict[str, Any]:
    """Measure milliseconds of a training step with and without a variant, and their ratio; return columns of the file."""
    built = outline(plain.model, table)
    trainings = [build([s.model_copy(update={"seed": k}) for k in range(4)], built, table, CPU) for s in (plain, noisy)]
    batch = next(trainings[0].replicas.batches.epoch())
    times: list[list[float]] = [[], []]
    for turn in range(rounds + 1):
        for training, taken in zip(trainings, times, strict=True):
            began = time.process_time()
            for _ in range(steps):
                training.train_step(batch, 1.0)
            if turn:  # the first turn is a warm-up
                taken.append(1000 * (time.process_time() - began) / steps)
    ratios = [b / a for a, b in zip(*times, strict=True)]
    without, with_noise = (statistics.median(t) for t in times)
    return {
        "step_ms_none": without,
        "step_ms": with_noise,
        "cost": with_noise / without,
        "cost_low": min(ratios),
        "cost_high": max(ratios),
        "cost_n": rounds,
    }


@dataclass(frozen=True)
class Case:
    """A variant with some options at one site of a network."""

    network: str
    name: str
    given: dict[str, Any]
    site: Site

    @property
    def label(self) -> str:
        """The options as text."""
        return " ".join(f"{k}={v}" for k, v in self.given.items())


def cases(c: Composer, data: Mapping[str, Table], only: Collection[str]) -> list[Case]:
    """Return each variant and its options at one site of each kind and layout; raise AssertionError if one has no site."""
    missing = set(options("model")) - {model for model, _, _ in MODELS.values()} - OF_A_USER
    assert not missing, f"give {missing} a place in MODELS"
    given_to = [(name, given) for name in only for given in ({}, *MORE_OPTIONS.get(name, []))]
    tried = [(name, given, variant(compose(c, "mlp", name, given).dropout)) for name, given in given_to]
    found: dict[tuple[str, str, str, str], Case] = {}
    for network, (_, of, _) in MODELS.items():
        sites = outline(compose(c, network, "none", {}).model, data[of]).sites
        for name, given, acting in tried:
            for site in sorted(sites, key=lambda s: math.prod(s.shape)):
                # The smallest site of each kind and layout; not the input, which gets noise only on request.
                if acting.supports(site) is None and site.name != "input":
                    case = Case(network, name, given, site)
                    found.setdefault((name, case.label, site.kind, site.axes), case)
    nowhere = set(only) - {name for name, *_ in found} - {"none"}
    assert not nowhere, f"no network of MODELS has a site for {nowhere}"
    return list(found.values())


def rows(c: Composer, quick: bool, only: Collection[str]) -> Iterable[dict[str, Any]]:
    """Yield the rows of the file: each variant and its options, at one site of each kind and layout, at each rate."""
    data = tables()
    for case in cases(c, data, only):
        network, name, site = case.network, case.name, case.site
        table, plain = data[MODELS[network][1]], compose(c, network, "none", {})
        tried = variant(compose(c, network, name, case.given).dropout)
        noisy = compose(c, network, name, case.given, rate=RATES[0], placement=f"[{site.name}]")
        timing = cost(noisy, plain, table, *((2, 2) if quick else (7, 5)))
        where = {"model": network, "site": site.name, "kind": site.kind, "axes": site.axes}
        where["shape"] = "x".join(map(str, site.shape))
        for rate in RATES:
            figures = measured(tried, name, case.label, site, rate, 2 if quick else 40)
            yield {"variant": name, "options": case.label} | where | {"rate": rate} | figures | timing


COLUMNS = (
    *("variant", "options", "model", "site", "kind", "axes", "shape", "rate"),
    *("n", "drop_fraction", "drop_low", "drop_high", "input_mean"),
    *(f"{what}{part}" for what in ("mean", "variance") for part in ("", "_low", "_high", "_theory")),
    *("step_ms_none", "step_ms", "cost", "cost_low", "cost_high", "cost_n"),
)


def processor() -> str:
    """Return the number of processors and their model."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(named)} × {named[0]}" if named else platform.processor()


def main() -> None:
    """Write the file, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=Path("results/reference/variants.csv"))
    parser.add_argument("--quick", action="store_true", help="few draws and two short rounds: whether it works at all")
    parser.add_argument("--only", default=",".join(options("dropout")), help="variants, with commas between them")
    args = parser.parse_args()
    use_threads(1)
    args.file.parent.mkdir(parents=True, exist_ok=True)
    with composer() as c, args.file.open("w", newline="") as file:
        file.write(f"# {(__doc__ or '').splitlines()[0]}\n")
        file.write(f"# python -m benchmarks.variants{' --quick: not for citing' if args.quick else ''}\n")
        file.write(f"# {processor()}, one thread; {', '.join(f'{k} {v}' for k, v in versions().items())}\n")
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for row in rows(c, args.quick, args.only.split(",")):
            numbers = {k: f"{v:.6g}" for k, v in row.items() if isinstance(v, (float, np.floating))}
            writer.writerow(row | numbers)
            file.flush()
    print(args.file)


if __name__ == "__main__":
    main()
