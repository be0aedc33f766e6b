"""Shared by the peers that train one run after the other: reading the data into tensors, and scoring."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.peers import arrays
from benchmarks.peers.job import Job
from benchmarks.peers.nets import Size, network

Part = tuple[Tensor, Tensor]
"""Images [n, C, H, W], normalised, and their classes [n]."""
SCORED_AT_ONCE = 1000


def built(job: Job, shape: Size) -> nn.Module:
    """Return the network of a run with its initial weights; seeds torch with a number that depends on the run."""
    torch.manual_seed(1000 * job.seed + round(100 * job.rate))
    return network(job.work.net, shape, 10, job.rate)


@cache
def read(data: str) -> Part:
    """Return all examples of a data set, with images in 0..1."""
    if data == "digits":
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return torch.tensor(bunch.images, dtype=torch.float32)[:, None] / 16, torch.tensor(bunch.target)
    pixels, labels = arrays.read(data)
    return torch.from_numpy(pixels).float().div_(255), torch.from_numpy(labels).long()


def parts(job: Job) -> tuple[Part, Part, Part]:
    """Return training, validation and test examples, normalised with the mean and sd of the training examples."""
    x, y = read(job.work.data)
    with np.load(job.splits) as rows:
        train, val, test = (torch.from_numpy(rows[f"{part}_{job.seed}"]) for part in ("train", "val", "test"))
    deviation, mean = torch.std_mean(x[train], correction=0)
    taken = [((x[rows] - mean) / deviation, y[rows]) for rows in (train, val, test)]
    return taken[0], taken[1], taken[2]


@torch.no_grad()
def score(net: nn.Module, part: Part) -> tuple[float, float]:
    """Return the mean loss in nats and the accuracy, 0..1, in evaluation mode."""
    net.eval()
    loss = correct = 0.0
    for x, y in zip(*(side.split(SCORED_AT_ONCE) for side in part), strict=True):
        logits = net(x)
        loss += F.cross_entropy(logits, y, reduction="sum").item()
        correct += (logits.argmax(1) == y).sum().item()
    return loss / len(part[1]), correct / len(part[1])
