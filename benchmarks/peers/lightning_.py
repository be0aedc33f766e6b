"""PyTorch Lightning: one LightningModule and Trainer per run, without logger, checkpoints, progress bar and summary.

python -m benchmarks.peers.lightning_ digits-20 --epochs 20 --runs 0.1:0 --splits splits.npz --out results
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from dropbench.data._torchvision import torchvision

torchvision()  # Lightning imports it through torchmetrics, which fails beside a CPU-only torch unless it is imported already.

import lightning as L  # noqa: E402

from benchmarks.peers.job import Job, jobs  # noqa: E402
from benchmarks.peers.setup import SCORED_AT_ONCE, built, parts  # noqa: E402
from benchmarks.workloads import LR  # noqa: E402


class Classifier(L.LightningModule):
    """A network with cross-entropy and AdamW."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        x, y = batch
        return F.cross_entropy(self.net(x), y)

    def validation_step(self, batch: list[Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        """Score a batch of the training set, which is the first loader, or of the validation set, which is the second."""
        self._score(batch, "val" if dataloader_idx else "train")

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        """Score a batch of the test set."""
        self._score(batch, "test")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW with torch's defaults."""
        return torch.optim.AdamW(self.parameters(), lr=LR)

    def _score(self, batch: list[Tensor], part: str) -> None:
        x, y = batch
        logits = self.net(x)
        scores: dict[str, Any] = {
            f"{part}_loss": F.cross_entropy(logits, y),
            f"{part}_accuracy": (logits.argmax(1) == y).float().mean(),
        }
        self.log_dict(scores, on_epoch=True, add_dataloader_idx=False, batch_size=len(y))


def train(job: Job) -> None:
    """Train one run."""
    sets = [TensorDataset(*part) for part in parts(job)]
    classifier = Classifier(built(job, tuple(sets[0].tensors[0].shape[1:])))
    shuffled = DataLoader(sets[0], batch_size=job.work.batch_size, shuffle=True)
    scored, val, test = (DataLoader(s, batch_size=SCORED_AT_ONCE) for s in sets)
    trainer = L.Trainer(
        max_epochs=job.work.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(classifier, shuffled, [scored, val])
    (scores,) = trainer.test(classifier, test, verbose=False)
    job.done(scores["test_accuracy"])


def main() -> None:
    """Train the runs one after the other, without Lightning's advice and messages."""
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for job in jobs():
        train(job)


if __name__ == "__main__":
    main()
