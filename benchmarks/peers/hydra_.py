r"""Hydra: a script with @hydra.main around the plain loop, swept by --multirun with its joblib launcher.

python -m benchmarks.peers.hydra_ --multirun hydra/launcher=joblib hydra.launcher.n_jobs=2 rate=0.1,0.5 seed=0,1 \
    workload=digits-20 epochs=20 splits=splits.npz out=results hydra.sweep.dir=outputs
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import hydra
import torch
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from benchmarks.peers.job import Job
from benchmarks.peers.plain import train
from benchmarks.workloads import WORKLOADS


@dataclass
class Config:
    """The settings of the command line: the workload and one of its runs."""

    workload: str = MISSING
    epochs: int = MISSING
    splits: Path = MISSING
    out: Path = MISSING
    rate: float = 0.5
    seed: int = 0


ConfigStore.instance().store(name="config", node=Config)


@hydra.main(version_base=None, config_path=None, config_name="config")
def main(cfg: Config) -> float:
    """Train one run and return its test accuracy."""
    torch.set_num_threads(1)  # two jobs on two cores
    work = replace(WORKLOADS[cfg.workload], epochs=cfg.epochs)
    return train(Job(work, cfg.rate, cfg.seed, cfg.splits, cfg.out))


if __name__ == "__main__":
    main()
