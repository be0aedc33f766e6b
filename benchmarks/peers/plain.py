"""A plain PyTorch loop: batches gathered by index from tensors in memory, one run after the other, torch's own threads.

python -m benchmarks.peers.plain digits-20 --epochs 20 --runs 0.1:0,0.5:0 --splits splits.npz --out results
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from benchmarks.peers.job import Job, jobs
from benchmarks.peers.setup import built, parts, score
from benchmarks.workloads import LR


def train(job: Job) -> float:
    """Train one run and return its test accuracy."""
    train_part, val_part, test_part = parts(job)
    x, y = train_part
    net = built(job, tuple(x.shape[1:]))
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR)
    history = []
    for _ in range(job.work.epochs):
        net.train()
        for rows in torch.randperm(len(x)).split(job.work.batch_size):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=job.bf16):
                loss = F.cross_entropy(net(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
        with torch.autocast("cpu", torch.bfloat16, enabled=job.bf16):
            history.append((*score(net, train_part), *score(net, val_part)))
    with torch.autocast("cpu", torch.bfloat16, enabled=job.bf16):
        accuracy = score(net, test_part)[1]
    job.done(accuracy)
    return accuracy


def main() -> None:
    """Train the runs one after the other."""
    for job in jobs():
        train(job)


if __name__ == "__main__":
    main()
