"""What the peer scripts share: the command line, reading the data, and writing the results."""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.peers.nets import Size, network
from benchmarks.workloads import WORKLOADS, Workload

Part = tuple[Tensor, Tensor]
"""Images [n, C, H, W], normalised, and their classes [n]."""
SCORED_AT_ONCE = 1000
_FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes
    ----------
    splits : Path
        A file with the row numbers of each part for each seed, the same for all runners.
    out : Path
        The folder that results are written to.
    """

    work: Workload
    rate: float
    seed: int
    splits: Path
    out: Path
    bf16: bool = False

    def network(self, shape: Size) -> nn.Module:
        """The network of this run with its initial weights; seeds torch with a number of this run's own."""
        torch.manual_seed(1000 * self.seed + round(100 * self.rate))
        return network(self.work.net, shape, 10, self.rate)

    def done(self, accuracy: float) -> None:
        """Writes the test accuracy, the number of this process and the time."""
        report(self.out, self.rate, self.seed, accuracy, time.time())


def jobs() -> list[Job]:
    """The runs that the command line asks for."""
    args = arguments().parse_args()
    work = replace(WORKLOADS[args.workload], epochs=args.epochs)
    pairs = [run.split(":") for run in args.runs.split(",")]
    return [Job(work, float(rate), int(seed), args.splits, args.out, args.bf16) for rate, seed in pairs]


def arguments() -> argparse.ArgumentParser:
    """The command line of every peer but hydra."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--runs", required=True, help="rate:seed,rate:seed,...")
    parser.add_argument("--splits", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true")
    return parser


@cache
def read(data: str) -> Part:
    """All examples of a data set, images in 0..1."""
    if data == "digits":
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16, torch.tensor(bunch.target)
    # The files that torchvision keeps, without the seconds that importing torchvision takes.
    folder = Path(os.environ["DROPBENCH_DATA"]) / _FOLDERS[data] / "raw"
    images = [np.fromfile(folder / f"{p}-images-idx3-ubyte", np.uint8)[16:] for p in ("train", "t10k")]
    labels = [np.fromfile(folder / f"{p}-labels-idx1-ubyte", np.uint8)[8:] for p in ("train", "t10k")]
    pixels = np.concatenate(images).reshape(-1, 1, 28, 28)
    return torch.from_numpy(pixels).float().div_(255), torch.from_numpy(np.concatenate(labels)).long()


def parts(job: Job) -> tuple[Part, Part, Part]:
    """Training, validation and test examples, normalised with the mean and deviation of the training examples."""
    x, y = read(job.work.data)
    with np.load(job.splits) as rows:
        train, val, test = (torch.from_numpy(rows[f"{part}_{job.seed}"]) for part in ("train", "val", "test"))
    deviation, mean = torch.std_mean(x[train], correction=0)
    taken = [((x[rows] - mean) / deviation, y[rows]) for rows in (train, val, test)]
    return taken[0], taken[1], taken[2]


@torch.no_grad()
def score(net: nn.Module, part: Part) -> tuple[float, float]:
    """Mean loss in nats and accuracy, 0..1, in evaluation mode."""
    net.eval()
    loss = correct = 0.0
    for x, y in zip(*(side.split(SCORED_AT_ONCE) for side in part), strict=True):
        logits = net(x)
        loss += F.cross_entropy(logits, y, reduction="sum").item()
        correct += (logits.argmax(1) == y).sum().item()
    return loss / len(part[1]), correct / len(part[1])


def report(out: Path, rate: float, seed: int, accuracy: float, ended: float) -> None:
    """Writes the result of one run to a file of its own; `ended` is a moment of `time.time`."""
    out.mkdir(parents=True, exist_ok=True)
    told = {"rate": rate, "seed": seed, "accuracy": accuracy, "process": os.getpid(), "ended": ended}
    (out / f"{rate}-{seed}.json").write_text(json.dumps(told), encoding="utf-8")
