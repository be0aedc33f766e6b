"""The workloads as data, so that dropbench and every peer train the same runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

Run = tuple[float, int]
"""A dropout rate and a seed."""
LR, WEIGHT_DECAY = 1e-3, 0.01
"""The settings of AdamW, which are torch's defaults."""
TENTHS = tuple(i / 10 for i in range(10))


@dataclass(frozen=True)
class Net:
    """A network with dropout.

    Attributes
    ----------
    kind : {"mlp", "cnn", "gru", "lstm"}
        cnn: 3×3 convolution blocks that halve the map, then dense layers. gru, lstm: one recurrent layer over the rows of an
        image, with one mask per sequence on the state that the hidden-to-hidden weights multiply, and a linear map of the
        last state.
    widths : tuple of int
        Units of the dense layers, for mlp and cnn.
    channels : tuple of int
        Channels of the blocks, for cnn.
    hidden : int
        Units of the recurrent layer, for gru and lstm.
    """

    kind: Literal["mlp", "cnn", "gru", "lstm"]
    widths: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    hidden: int = 0

    def overrides(self) -> list[str]:
        """Return the overrides for this network in dropbench."""
        if self.kind == "mlp":
            return ["model=mlp", f"model.widths={_listed(self.widths)}", "dropout=standard"]
        if self.kind == "cnn":
            told = [f"model.channels={_listed(self.channels)}", f"model.head_widths={_listed(self.widths)}"]
            return ["model=cnn", *told, "dropout=standard"]
        return ["model=rnn", f"model.cell={self.kind}", f"model.hidden={self.hidden}", "dropout=recurrent"]


@dataclass(frozen=True)
class Workload:
    """A sweep of `rates` × `seeds`. Training and validation sets are scored after every epoch, the test set at the end.

    Attributes
    ----------
    timed : mapping of str to int
        The runners, and how many runs each actually trains; the time of the remaining runs is extrapolated.
    n_train : int or None
        The number of training examples; None for all that are not validation or test examples.
    minutes : float
        The approximate duration of 5 blocks on two processors.
    """

    name: str
    title: str
    data: Literal["digits", "mnist", "fashion_mnist"]
    net: Net
    epochs: int
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    timed: Mapping[str, int]
    batch_size: int = 64
    n_train: int | None = None
    minutes: float = 1.0
    extra: tuple[str, ...] = field(default=())
    """Further overrides for dropbench."""

    def overrides(self) -> list[str]:
        """Return the overrides for this training in dropbench, without rates and seeds."""
        n_train = [] if self.n_train is None else [f"data.n_train={self.n_train}"]
        optimizer = ["train.optimizer=adamw", f"train.lr={LR}", f"train.weight_decay={WEIGHT_DECAY}"]
        size = [f"train.epochs={self.epochs}", f"train.batch_size={self.batch_size}"]
        return [f"data={self.data}", *n_train, *self.net.overrides(), *optimizer, *size, *self.extra]

    def grid(self) -> list[str]:
        """Return the overrides for the rates and seeds in dropbench."""
        return [f"dropout.rate={','.join(map(str, self.rates))}", f"seed={','.join(map(str, self.seeds))}"]

    def runs(self, n: int | None = None) -> list[Run]:
        """Return the first n runs, in an order that starts with every seed and with rates from the whole range."""
        rates, step = len(self.rates), max(1, round(len(self.rates) / len(self.seeds)))
        diagonals = [
            (self.rates[(step * place + turn) % rates], seed)
            for turn in range(rates)
            for place, seed in enumerate(self.seeds)
        ]
        return diagonals[:n]

    def product(self, n: int) -> tuple[list[float], list[int]]:
        """Return rates and seeds of about n runs for a peer that only runs whole grids: at most two seeds, and spread rates."""
        if n >= len(self.rates) * len(self.seeds):
            return list(self.rates), list(self.seeds)
        seeds = list(self.seeds[: min(2, len(self.seeds), n)])
        wanted = max(1, min(n // len(seeds), len(self.rates)))
        spread = [self.rates[round((i + 0.5) * len(self.rates) / wanted - 0.5)] for i in range(wanted)]
        return spread, seeds


def quick(work: Workload) -> Workload:
    """Return a much smaller workload that only shows whether everything works; its figures mean nothing."""
    sizes = {"digits": None, "mnist": 500, "fashion_mnist": 200}
    smaller = replace(
        work,
        epochs=2,
        rates=work.rates[-5:-2] if len(work.rates) > 5 else work.rates,
        seeds=work.seeds[:2],
        n_train=sizes[work.data],
    )
    return replace(smaller, timed={runner: min(4, n) for runner, n in work.timed.items()})


def _listed(numbers: Sequence[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"


ALL = 10**6
_DIGITS = Net("mlp", (128, 128))
_STACKED = {"jax": ALL, "torch.func": ALL}
_MLP = {**_STACKED, "tabm": ALL}
_JAX = {"jax one process": ALL, "jax compiled before": ALL}
_EVERY = {"dropbench": ALL, "joblib": ALL, "plain": 5, "loader": 5, "lightning": 4, "hydra": 8, "skorch": 4}
WORKLOADS = {
    work.name: work
    for work in (
        Workload(
            "digits-20",
            "MLP 64-128-128-10 on digits, 20 epochs, 10 rates × 5 seeds",
            "digits",
            _DIGITS,
            20,
            TENTHS,
            tuple(range(5)),
            {**_EVERY, "one loader script": 1, **_MLP, **_JAX},
            minutes=5.5,
        ),
        Workload(
            "digits-100",
            "MLP 64-128-128-10 on digits, 100 epochs, 10 rates × 5 seeds",
            "digits",
            _DIGITS,
            100,
            TENTHS,
            tuple(range(5)),
            {"dropbench": ALL, "joblib": 10, "plain": 4, "lightning": 5, **_MLP, **_JAX},
            minutes=6,
        ),
        Workload(
            "mnist-256",
            "MLP 784-256-256-10 on 10,000 MNIST digits, 10 epochs, 5 rates × 4 seeds",
            "mnist",
            Net("mlp", (256, 256)),
            10,
            (0.1, 0.2, 0.3, 0.5, 0.7),
            tuple(range(4)),
            {"dropbench": ALL, "dropbench bf16": ALL, "joblib": ALL, "joblib bf16": 8, "plain": 2, **_MLP},
            batch_size=128,
            n_train=10_000,
            minutes=6,
        ),
        Workload(
            "mnist-1024",
            "MLP 784-1024-1024-10 on 10,000 MNIST digits, 2 epochs, 2 rates × 2 seeds",
            "mnist",
            Net("mlp", (1024, 1024)),
            2,
            (0.2, 0.5),
            (0, 1),
            {"dropbench": ALL, "dropbench bf16": ALL, "joblib": ALL, "joblib bf16": ALL, **_MLP},
            batch_size=128,
            n_train=10_000,
            minutes=3,
        ),
        Workload(
            "cnn",
            "CNN conv32-conv64-fc128 on 2,000 Fashion-MNIST images, 4 epochs, 2 rates × 2 seeds",
            "fashion_mnist",
            Net("cnn", (128,), (32, 64)),
            4,
            (0.2, 0.5),
            (0, 1),
            {"dropbench": ALL, "dropbench bf16": ALL, "joblib": ALL, "joblib bf16": ALL, **_STACKED},
            n_train=2_000,
            minutes=5,
        ),
        Workload(
            "cnn-digits",
            "CNN conv16-conv32-fc64 on digits (8×8), 10 epochs, 5 rates × 4 seeds",
            "digits",
            Net("cnn", (64,), (16, 32)),
            10,
            (0.0, 0.1, 0.2, 0.3, 0.4),
            tuple(range(4)),
            {"dropbench": ALL, "joblib": 10, "plain": 4, **_STACKED},
            minutes=1.3,
        ),
        *(
            Workload(
                cell,
                f"{cell.upper()} 128 over 28 image rows with recurrent masks, 2,000 MNIST digits, 4 epochs, 2 rates × 2 seeds",
                "mnist",
                Net(cell, hidden=128),
                4,
                (0.2, 0.5),
                (0, 1),
                {"dropbench": ALL, "joblib": ALL, "plain": 2, **_STACKED},
                n_train=2_000,
                minutes=minutes,
            )
            for cell, minutes in (("gru", 2.1), ("lstm", 2.3))
        ),
    )
}
