"""The plain loop under joblib: two processes with one thread each, the fairest competitor on two cores.

python -m benchmarks.peers.joblib_ digits-20 --epochs 20 --runs 0.1:0,0.5:0 --splits splits.npz --out results
"""

from __future__ import annotations

import torch
from joblib import Parallel, delayed

from benchmarks.peers.job import Job, jobs
from benchmarks.peers.plain import train


def on_one_thread(job: Job) -> float:
    """Train one run on one thread and return its test accuracy."""
    torch.set_num_threads(1)
    return train(job)


def main() -> None:
    """Train the runs in two processes."""
    Parallel(n_jobs=2)(delayed(on_one_thread)(job) for job in jobs())


if __name__ == "__main__":
    main()
