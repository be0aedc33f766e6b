"""Claim: every variant drops what its rate says, has the mean and variance of its theory, and costs little beside a step.

For each variant of conf/dropout, with the options that change what is drawn, and one site of each kind in each model of
conf/model on images of 28 × 28: how much is dropped, the moments of what comes out, and what a training step costs.

    python benchmarks/variants.py [results/reference/variants.csv] [--quick]

n: 16 seeds of 40 steps of 16 examples; costs are medians of 7 rounds of 10 training steps of 4 replicas in batches of 64,
one thread, with and without the variant in turn. The file opens with the hardware and the versions it was made by.

drop_fraction is that of independent draws (elements that share a draw count once; elements that lie under one block are
taken a block apart), its interval Wilson's of 95 %; empty where nothing becomes zero. The mean and variance are those of the
output for normal inputs of variance 1 and mean `input_mean`, the interval Student's over seeds; empty theory where none is
written down here. cost is the median training step over that without noise; low and high are the extreme rounds.
"""

from __future__ import annotations

import argparse
import csv
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from dropbench.config import Composer, composer, options
from dropbench.data.base import Table
from dropbench.dropout.base import Variant
from dropbench.engine.loop import Cohort
from dropbench.engine.noise import StackNoise
from dropbench.execute.record import versions
from dropbench.outline import outline, variant
from dropbench.sites import Site
from dropbench.spec import RunSpec

CPU = torch.device("cpu")
RATES = (0.1, 0.5)
SEEDS, BATCH = 16, 16
MORE_OPTIONS: dict[str, list[dict[str, Any]]] = {
    "dropblock": [{"block_size": 2}, {"block_size": 7}, {"shared": "true"}],
    "recurrent": [{"each_step": "true"}],
}
MODEL_OPTIONS = {"rnn": {"model.layers": 2}}  # a sequence between layers is a site
Moments = Callable[[float, float], tuple[float, float]]


def inverted(rate: float, mean: float) -> tuple[float, float]:
    """The mean and variance of x m for m of mean 1 and variance rate / (1 - rate), x of variance 1."""
    return mean, (1 + mean**2) / (1 - rate) - mean**2


def unscaled(rate: float, mean: float) -> tuple[float, float]:
    keep = 1 - rate
    return keep * mean, keep * (1 + mean**2) - (keep * mean) ** 2


THEORY: Mapping[str, Moments] = {
    **dict.fromkeys(
        ("standard", "gaussian", "spatial", "locked", "dropconnect", "dropblock", "recurrent"),
        inverted,
    ),
    **dict.fromkeys(("classic", "unscaled"), unscaled),
    "alpha": lambda rate, mean: (0.0, 1.0),
}
INPUT_MEAN = {"alpha": 0.0}
"""Where it is not 1: alpha dropout's theory is of standardised inputs."""


def images(n: int = 400) -> Table:
    x = torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    return Table("noise", x, torch.arange(n) % 10, "CHW", 10)


def compose(c: Composer, model: str, name: str, given: Mapping[str, Any], **rest: object) -> RunSpec:
    told = {
        "model": model,
        "dropout": name,
        **MODEL_OPTIONS.get(model, {}),
        **{f"dropout.{k}": v for k, v in {**given, **rest}.items()},
    }
    return c.compose({key: f"{key}={value}" for key, value in told.items()}).spec


def through(noise: StackNoise, site: Site, x: Tensor) -> Tensor | None:
    """What comes out of a site for x, or None for a kind that is not measured here. At a weight, x is weight over bias."""
    if site.kind == "activation":
        return noise(site.name, x)
    if site.kind == "recurrent":
        act = noise.steps(site.name)
        assert act is not None
        return torch.stack([act(state, t) for t, state in enumerate(x.unbind(2))], 2)
    if site.kind == "weight":
        rows = torch.eye(site.shape[0] + 1, site.shape[0]).expand(
            len(x), -1, -1
        )  # the last one is zero: the bias alone
        out = noise.affine(site.name, rows, x[:, :-1], x[:, -1:], lambda z: z)
        return torch.cat([out[:, :-1] - out[:, -1:], out[:, -1:]], 1)
    return None


def independent(made: Variant, site: Site, values: Tensor) -> Tensor:
    for axis, n in enumerate(made.noise_shape(site, BATCH), 1):
        values = values.narrow(axis, 0, 1) if n == 1 else values
    block = getattr(made, "block_size", 1)
    return values if block == 1 else values[..., ::block, ::block]


def measured(made: Variant, name: str, site: Site, rate: float, steps: int) -> dict[str, Any] | None:
    noise = StackNoise(made, [site], [{site.name: rate}] * SEEDS, range(SEEDS), BATCH, CPU)
    shape = (site.shape[0] + 1, site.shape[1]) if site.kind == "weight" else (BATCH, *site.shape)
    mean = INPUT_MEAN.get(name, 1.0)
    generator = torch.Generator().manual_seed(0)
    dropped = n = 0
    sums = torch.zeros(2, SEEDS, dtype=torch.float64)
    for _ in range(steps):
        x = torch.randn(SEEDS, *shape, generator=generator).add_(mean).requires_grad_()
        out = through(noise, site, x)
        if out is None:
            return None
        (slope,) = torch.autograd.grad(out.sum(), x)
        # What is dropped is what x has no influence on: alpha dropout puts a constant there. The sum of `through` over a
        # weight's rows takes the bias away again, and its slope with it; a dropped weight is a zero.
        drawn = independent(made, site, out.detach() if site.kind == "weight" else slope)
        dropped += int((drawn == 0).sum())
        n += drawn.numel()
        flat = out.detach().flatten(1).double()
        sums += torch.stack([flat.mean(1), flat.square().mean(1)])
    means, squares = sums / steps
    found: dict[str, Any] = {"n": n}
    if made.draws == "bits":
        low, high = stats.binomtest(dropped, n).proportion_ci(method="wilson")
        found |= {"drop_fraction": dropped / n, "drop_low": low, "drop_high": high}
    theory = THEORY[name](rate, mean) if name in THEORY else (None, None)
    found["input_mean"] = mean
    for what, values, expected in (("mean", means, theory[0]), ("variance", squares - means**2, theory[1])):
        half = float(stats.t.ppf(0.975, SEEDS - 1)) * float(values.std()) / math.sqrt(SEEDS)
        centre = float(values.mean())
        found |= {what: centre, f"{what}_low": centre - half, f"{what}_high": centre + half, f"{what}_theory": expected}
    return found


def cost(noisy: RunSpec, plain: RunSpec, table: Table, rounds: int, steps: int) -> dict[str, Any]:
    cohorts = [Cohort([s.model_copy(update={"seed": k}) for k in range(4)], table, CPU) for s in (plain, noisy)]
    batch = next(cohorts[0].batches.epoch())
    times: list[list[float]] = [[], []]
    for turn in range(rounds + 1):
        for cohort, taken in zip(cohorts, times, strict=True):
            began = time.perf_counter()
            for _ in range(steps):
                cohort.train_step(batch, 1.0)
            if turn:  # the first is for warming up
                taken.append(1000 * (time.perf_counter() - began) / steps)
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


def rows(c: Composer, quick: bool) -> Iterable[dict[str, Any]]:
    table = images()
    for model in options("model"):
        plain = compose(c, model, "none", {})
        seen = outline(plain.model, table).sites
        for name in options("dropout"):
            for given in ({}, *MORE_OPTIONS.get(name, [])):
                made = variant(compose(c, model, name, given).dropout)
                # One site of each kind; the first that is not the input, which is noisy only where it is asked for.
                kinds = {(s.kind, s.axes): s for s in reversed(seen) if made.supports(s) is None and s.name != "input"}
                for site in reversed(kinds.values()):
                    timing: dict[str, Any] | None = None
                    for rate in RATES:
                        found = measured(made, name, site, rate, 2 if quick else 40)
                        if found is None:
                            print(f"{name} at {site.name}: a site of kind {site.kind} is not measured here")
                            continue
                        if timing is None:
                            noisy = compose(c, model, name, given, rate=rate, placement=f"[{site.name}]")
                            timing = cost(noisy, plain, table, 2 if quick else 7, 2 if quick else 10)
                        label = " ".join(f"{k}={v}" for k, v in given.items())
                        where = {"model": model, "site": site.name, "kind": site.kind, "axes": site.axes}
                        shape = "x".join(map(str, site.shape))
                        yield (
                            {"variant": name, "options": label}
                            | where
                            | {"shape": shape, "rate": rate}
                            | found
                            | timing
                        )


COLUMNS = (
    *("variant", "options", "model", "site", "kind", "axes", "shape", "rate"),
    *("n", "drop_fraction", "drop_low", "drop_high", "input_mean"),
    *(f"{what}{part}" for what in ("mean", "variance") for part in ("", "_low", "_high", "_theory")),
    *("step_ms_none", "step_ms", "cost", "cost_low", "cost_high", "cost_n"),
)


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(named)} × {named[0]}" if named else platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=Path("results/reference/variants.csv"))
    parser.add_argument("--quick", action="store_true", help="few draws and two short rounds: whether it works at all")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.file.parent.mkdir(parents=True, exist_ok=True)
    with composer() as c, args.file.open("w", newline="") as file:
        file.write(f"# {(__doc__ or '').splitlines()[0]}\n")
        file.write(f"# python benchmarks/variants.py{' --quick: not for citing' if args.quick else ''}\n")
        file.write(f"# {processor()}, one thread; {', '.join(f'{k} {v}' for k, v in versions().items())}\n")
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for row in rows(c, args.quick):
            numbers = {k: f"{v:.6g}" for k, v in row.items() if isinstance(v, (float, np.floating))}
            writer.writerow(row | numbers)
            file.flush()
    print(args.file)


if __name__ == "__main__":
    main()
