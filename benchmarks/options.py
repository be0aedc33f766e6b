"""Claim: an option costs at most a tenth of a step, or of an evaluation, and a variant three, but where its arithmetic is more.

It measures each variant of conf/dropout at rate 0.5, each key of `train` that changes what is computed, each regularizer of
conf/regularizer and each metric of conf/metric, on a model that it fits, with one run and with a stack of 16.

    python -m benchmarks.options [results/reference/options.csv] [--quick] [--only variant,train,regularizer,metric]

A step is an update, including drawing its batch. At the end of an epoch, training and validation examples are evaluated, and
some options store weights or swap them. A metric is evaluated on training, validation and test examples, and compared with the
same for `metric=[loss]`. A probe is a metric that needs the network and is measured once per run; its cost is given as a
multiple of an evaluation of all three parts.

There are 5 rounds, or fewer if they take long, each with about 60 ms without the option and then with it, on one thread, in
processor time. cost is the median over rounds of the ratio of the two times; low and high are the extreme rounds. Data are
random: 3,000 images of 28 × 28, rows of numbers, texts, a running text, a graph of 300 nodes. With `--only`, the file's rows of
other kinds are kept; with `--missing`, all its rows are.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks import variants
from dropbench.config.compose import Composed, Composer, composer
from dropbench.config.options import options
from dropbench.data.base import Table
from dropbench.engine.build import build
from dropbench.engine.evaluate import evaluate
from dropbench.engine.lr_schedule import decay_factor, lr_factor, momentum_at
from dropbench.engine.probe import probe
from dropbench.engine.scores import validated
from dropbench.engine.train import Training
from dropbench.errors import UsageError
from dropbench.execute.environment import versions
from dropbench.hardware.blas import products, use_threads
from dropbench.planning.measured import measures_nothing, of_task
from dropbench.planning.outline import outline
from dropbench.planning.regularizers import cannot
from dropbench.planning.variants import variant
from dropbench.spec import TrainSpec

BASE = "loss"
"""The metric that is always measured, because training monitors it."""
KINDS = ("variant", "train", "regularizer", "metric")
RUNS = (1, 16)
"""Sizes of stacks."""
Given = Mapping[str, str]
"""Values of overrides, by key."""
NETWORKS: dict[str, tuple[Given, str]] = {
    "mlp": ({"model": "mlp"}, "images"),
    "wide": ({"model": "mlp", "model.widths": "[1024,1024,1024]"}, "images"),
    "batch_norm": ({"model": "mlp", "model.batch_norm": "before_activation"}, "images"),
    "numbers": ({"model": "mlp"}, "numbers"),
    "cnn": ({"model": "cnn"}, "images"),
    "lm": ({"model": "lm", "model.hidden": "64"}, "running"),
    "transformer": ({"model": "transformer"}, "texts"),
    "gcn": ({"model": "gcn"}, "graph"),
    "vit": ({"model": "transformer", "model.branches": "layer"}, "images"),
    "resnet": ({"model": "resnet", "model.depth": "8", "model.two_branches": "true"}, "images"),
}
"""Networks with their overrides and data; a variant, regularizer or metric is measured on the first network that it fits."""
SGD: Given = {"train.optimizer": "sgd"}
DECAY: Given = {"train.optimizer": "adamw", "train.weight_decay": "0.01"}
TRAIN: dict[str, tuple[str, Given, Given]] = {
    "optimizer=sgd": ("mlp", SGD, {}),
    "optimizer=adamw": ("mlp", {"train.optimizer": "adamw"}, {}),
    "nesterov": ("mlp", {"train.nesterov": "true"}, SGD),
    "momentum_start": ("mlp", {"train.momentum_start": "0.5"}, SGD),
    "beta2": ("mlp", {"train.beta2": "0.99"}, {}),
    "weight_decay": ("mlp", DECAY, {"train.optimizer": "adamw"}),
    "decay_schedule": ("mlp", {"train.decay_schedule": "flat_cos"}, DECAY),
    "decay_exempt": ("mlp", {"train.decay_exempt": "vectors"}, DECAY),
    "schedule": ("mlp", {"train.schedule": "cosine"}, {}),
    "warmup_epochs": ("mlp", {"train.warmup_epochs": "5"}, {}),
    "max_norm": ("mlp", {"train.max_norm": "2"}, {}),
    "grad_clip": ("mlp", {"train.grad_clip": "1"}, {}),
    "label_smoothing": ("mlp", {"train.label_smoothing": "0.1"}, {}),
    "class_weights": ("mlp", {"train.class_weights": "balanced"}, {}),
    "patience": ("mlp", {"train.patience": "5"}, {}),
    "precision": ("mlp", {"train.precision": "bf16"}, {}),
    "augment.crop": ("mlp", {"train.augment.crop": "2"}, {}),
    "augment.flip": ("mlp", {"train.augment.flip": "0.5"}, {}),
    "augment.rotation": ("mlp", {"train.augment.rotation": "10"}, {}),
    "augment.erase": ("mlp", {"train.augment.erase": "0.5"}, {}),
    "loss=huber": ("numbers", {"train.loss": "huber"}, {}),
    "loss=gaussian": ("numbers", {"train.loss": "gaussian"}, {}),
    "noise": ("numbers", {"train.noise": "1"}, {"train.loss": "gaussian"}),
}
"""By name: the network, the overrides of the option, and the overrides of both sides."""
NOTHING_COMPUTED = {
    *("name", "epochs", "updates", "stop_at", "batch_size", "lr", "momentum", "momentum_epochs"),
    *("step_every", "step_first", "step_factor", "cycles", "monitor", "restore_best", "eval_every"),
}
"""Keys of `train` that add no computation to a step: amounts, frequencies and choices of values."""
WIDE = ("optimizer=sgd", "weight_decay", "max_norm", "grad_clip", "patience", "precision")
"""Keys that are also measured on the wide network, with one run, because their cost depends on the number of weights."""
AT_AN_EPOCHS_END = ("patience", "ema", "swa", "snapshot_ensemble")
"""Options that do something at the end of an epoch."""
CPU = torch.device("cpu")
_PART_S = 0.06
"""The approximate duration of one measurement, with or without the option, in seconds."""
_LONGEST_S = 4.0
"""The longest time for all rounds of an option, in seconds."""


def numbers() -> Table:
    """Return rows of 20 numbers, with a number to predict."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 20, generator=generator)
    return Table("numbers", x, x[:, :5].sum(1), "F", 1, task="regress")


@cache
def tables() -> dict[str, Table]:
    """Return random data by the names in NETWORKS."""
    generator = torch.Generator().manual_seed(0)
    images = Table("images", torch.rand(3000, 1, 28, 28, generator=generator), torch.arange(3000) % 10, "CHW", 10)
    return {**variants.tables(), "images": images, "numbers": numbers()}


@dataclass(frozen=True)
class Case:
    """An option on a network, with the overrides that use it, and those of the run without it."""

    kind: str
    name: str
    network: str
    runs: int
    given: Given
    both: Given


def compose(c: Composer, network: str, given: Given) -> Composed:
    """Return the configuration of a network with these options."""
    told = {**NETWORKS[network][0], **given}
    return c.compose({key: f"{key}={value}" for key, value in told.items()})


class Stack:
    """Runs in training, whose steps and evaluations can be repeated."""

    def __init__(self, c: Composer, network: str, runs: int, given: Given) -> None:
        table, first = tables()[NETWORKS[network][1]], compose(c, network, given).spec
        specs = [first.model_copy(update={"seed": seed}) for seed in range(runs)]
        built = outline(first.model, table, first.train.says_variance)
        self.training: Training = build(specs, built, table, CPU)
        self._batches = self._following()
        self._epoch = 0
        self.training.regularization.at(0.5)

    def _following(self) -> Iterator[Any]:
        while True:
            yield from self.training.replicas.batches.epoch()

    def step(self) -> None:
        """Take one update, as in the middle of training."""
        train, length = self.training.train, self.training.length
        at = length / 2
        batch = next(self._batches)
        now = lr_factor(train, at, length), decay_factor(train, at, length), momentum_at(train, at, length)
        self.training.train_step(batch, now[0], False, *now[1:])

    def epochs_end(self) -> None:
        """Do what is done at the end of an epoch, near the end of training."""
        self._epoch += 1
        training = self.training
        with training.regularization.evaluated(training.replicas, 0.9) as replicas:
            scores = validated(replicas)
            training.early_stopping.update(self._epoch, scores, training.replicas.model)

    def all_parts(self) -> None:
        """Compute the metrics on all three parts."""
        for part in ("train", "val", "test"):
            evaluate(self.training.replicas, part)

    def probed(self) -> None:
        """Measure the probes, which are measured once per run, on all three parts."""
        probe(self.training.replicas)


def fits(c: Composer, kind: str, name: str, network: str) -> bool:
    """Return whether a variant, a regularizer or a metric can be used on a network."""
    table = tables()[NETWORKS[network][1]]
    try:
        composed = compose(c, network, asked_for(kind, name)[0])
    except UsageError:  # a metric that does not fit the model's task
        return False
    spec, found = composed.spec, outline(composed.spec.model, table, composed.spec.train.says_variance)
    if kind == "variant":
        return any(s.name != "input" and variant(spec.dropout).supports(s) is None for s in found.sites)
    if kind == "regularizer":
        return cannot(spec, found, table) is None
    return name in of_task(spec, found.task) and not [*measures_nothing(spec, found, composed.needs)]


def asked_for(kind: str, name: str) -> tuple[Given, Given]:
    """Return the overrides with a variant, a regularizer or a metric, and the overrides without it."""
    if kind == "variant":
        return {"dropout": name, "dropout.rate": "0.5"}, {"dropout": "none"}
    if kind == "regularizer":
        return {"regularizer": f"[{name}]"}, {}
    more = {"train.loss": "gaussian"} if name == "gaussian_nll" else {}
    return {"metric": f"[{BASE},{name}]", **more}, {"metric": f"[{BASE}]", **more}


def cases(c: Composer, kinds: Collection[str]) -> Iterator[Case]:
    """Yield every option of these kinds, in one run and in a stack; raise AssertionError if one fits no network here."""
    given = {key.split("=")[0].partition(".")[0] for key in TRAIN}
    missing = {*TrainSpec.model_fields} - given - NOTHING_COMPUTED
    assert not missing, f"give {missing} a place in TRAIN"
    if "train" in kinds:
        for name, (network, told, both) in TRAIN.items():
            of_size = [(network, runs) for runs in RUNS] + ([("wide", 1)] if name in WIDE else [])
            yield from (Case("train", name, where, runs, {**both, **told}, both) for where, runs in of_size)
    for kind, group in (("variant", "dropout"), ("regularizer", "regularizer"), ("metric", "metric")):
        for name in sorted({*options(group)} - {BASE, "none"}) if kind in kinds else ():
            where = next((network for network in NETWORKS if fits(c, kind, name, network)), None)
            assert where is not None, f"no network of NETWORKS can be used with {kind}={name}"
            told, both = asked_for(kind, name)
            yield from (Case(kind, name, where, runs, told, both) for runs in RUNS)


def compared(c: Composer, case: Case) -> dict[str, tuple[Callable[[], None], Callable[[], None]]]:
    """Return the pairs of functions to time for an option, without and with it, by the name of what they do."""
    without, with_it = (Stack(c, case.network, case.runs, told) for told in (case.both, case.given))
    if case.kind != "metric":
        at_end = {"epoch's end": (without.epochs_end, with_it.epochs_end)} if case.name in AT_AN_EPOCHS_END else {}
        return {"step": (without.step, with_it.step), **at_end}
    if with_it.training.replicas.probes:
        return {"probe": (without.all_parts, with_it.probed)}
    return {"evaluation": (without.all_parts, with_it.all_parts)}


def cost(without: Callable[[], None], with_it: Callable[[], None], rounds: int) -> dict[str, Any]:
    """Measure milliseconds without and with an option, and their ratio; return columns of the file."""
    once = [_seconds(call) for call in (without, with_it)]
    repeats = [max(1, round(_PART_S / max(one, 1e-4))) for one in once]
    rounds = min(rounds, max(1, round(_LONGEST_S / sum(one * n for one, n in zip(once, repeats, strict=True)))))
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for call, n, taken in zip((without, with_it), repeats, times, strict=True):
            began = time.process_time()
            for _ in range(n):
                call()
            taken.append(1000 * (time.process_time() - began) / n)
    ratios = [b / a for a, b in zip(*times, strict=True)]
    return {
        "ms_without": statistics.median(times[0]),
        "ms": statistics.median(times[1]),
        "cost": statistics.median(ratios),
        "low": min(ratios),
        "high": max(ratios),
        "n": rounds,
    }


def _seconds(call: Callable[[], None]) -> float:
    """Return the approximate seconds of a call; the measurement is also the warm-up, which long calls do not need."""
    for _ in range(2):
        began = time.process_time()
        call()
        if (took := time.process_time() - began) > 1:
            break
    return took


def rows(c: Composer, kinds: Collection[str], rounds: int, there: Collection[Key] = ()) -> Iterator[dict[str, Any]]:
    """Yield the rows of the file, except those that are `there`."""
    for case in cases(c, kinds):
        if (case.kind, case.name, case.network, str(case.runs)) in there:
            continue
        for what, (without, with_it) in compared(c, case).items():
            where = {"kind": case.kind, "option": case.name, "network": case.network, "runs": case.runs, "what": what}
            yield where | cost(without, with_it, rounds)


COLUMNS = (
    *("kind", "option", "network", "runs", "what"),
    *("ms_without", "ms", "cost", "low", "high", "n"),
)


Key = tuple[str, ...]
"""What identifies a row: kind, option, network and number of runs."""


def kept(file: Path, kinds: Collection[str]) -> list[dict[str, str]]:
    """Return the file's rows of other kinds."""
    if not file.is_file():
        return []
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [row for row in csv.DictReader(lines) if row["kind"] not in kinds]


def main() -> None:
    """Measure and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=Path("results/reference/options.csv"))
    parser.add_argument("--quick", action="store_true", help="two rounds: whether it works at all")
    parser.add_argument("--only", default=",".join(KINDS), help="kinds, with commas between them")
    parser.add_argument("--missing", action="store_true", help="measure what the file has no row for")
    args = parser.parse_args()
    use_threads(1)
    kinds = args.only.split(",")
    found: list[dict[str, Any]] = list(kept(args.file, () if args.missing else kinds))
    there = {tuple(row[key] for key in COLUMNS[:4]) for row in found}
    with composer() as c:
        for row in rows(c, kinds, 2 if args.quick else 5, there):
            print(
                f"{row['option']:24} {row['network']:12} {row['runs']:2} {row['what']:12} {row['cost']:.2f}", flush=True
            )
            found.append(row | {k: f"{v:.4g}" for k, v in row.items() if isinstance(v, float)})
            write(args.file, found, quick=args.quick)
    print(args.file)


def write(file: Path, found: Sequence[Mapping[str, Any]], *, quick: bool) -> None:
    """Write the file with these rows."""
    told = ", ".join(f"{k} {v}" for k, v in versions().items())
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        out.write(f"# {(__doc__ or '').splitlines()[0]}\n")
        out.write(f"# python -m benchmarks.options{' --quick: not for citing' if quick else ''}\n")
        out.write(f"# {variants.processor()}, one thread, products by {products('cpu')}; {told}\n")
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(sorted(found, key=lambda row: KINDS.index(row["kind"])))


if __name__ == "__main__":
    main()
