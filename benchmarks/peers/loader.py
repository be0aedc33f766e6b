"""A PyTorch loop over a DataLoader, as torch's own tutorials teach: shuffled batches, no workers.

python -m benchmarks.peers.loader digits-20 --epochs 20 --runs 0.1:0 --splits splits.npz --out results
"""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.peers.job import Job, jobs
from benchmarks.peers.setup import SCORED_AT_ONCE, built, parts
from benchmarks.workloads import LR

Loader = DataLoader[tuple[torch.Tensor, ...]]


def train_loop(loader: Loader, net: nn.Module, loss_of: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Train for one epoch."""
    net.train()
    for x, y in loader:
        loss = loss_of(net(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


def test_loop(loader: Loader, net: nn.Module, loss_of: nn.Module) -> tuple[float, float]:
    """Return the mean loss over batches, and the accuracy."""
    net.eval()
    loss = correct = n = 0
    with torch.no_grad():
        for x, y in loader:
            logits = net(x)
            loss += loss_of(logits, y).item()
            correct += (logits.argmax(1) == y).sum().item()
            n += len(y)
    return loss / len(loader), correct / n


def train(job: Job) -> None:
    """Train one run."""
    sets = [TensorDataset(*part) for part in parts(job)]
    net = built(job, tuple(sets[0].tensors[0].shape[1:]))
    shuffled = DataLoader(sets[0], batch_size=job.work.batch_size, shuffle=True)
    scored, val, test = (DataLoader(s, batch_size=SCORED_AT_ONCE) for s in sets)
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR)
    history = []
    for _ in range(job.work.epochs):
        train_loop(shuffled, net, loss_of, optimizer)
        history.append((*test_loop(scored, net, loss_of), *test_loop(val, net, loss_of)))
    job.done(test_loop(test, net, loss_of)[1])


def main() -> None:
    """Train the runs one after the other."""
    for job in jobs():
        train(job)


if __name__ == "__main__":
    main()
