"""skorch: NeuralNetClassifier under scikit-learn's GridSearchCV, with one fold per seed.

    python -m benchmarks.peers.skorch_ digits-20 --epochs 20 --runs 0.1:0,0.5:0 --splits splits.npz --out results

The runs must be a complete grid of rates and seeds. A fold trains on a seed's training and validation rows, of which skorch
itself uses a fifth for validation, and is tested on the seed's test rows. After every epoch the accuracy on the training rows
is measured too; as their loss, skorch's running loss is used, which saves a pass over them.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochScoring
from torch import Tensor, nn

from benchmarks.peers.job import jobs, report
from benchmarks.peers.nets import network
from benchmarks.peers.setup import read
from benchmarks.workloads import LR, Net


class Module(nn.Module):
    """The module that skorch builds; the search is over the argument `rate`."""

    def __init__(self, net: Net, shape: tuple[int, int, int], rate: float = 0.5) -> None:
        super().__init__()
        self.net = network(net, shape, 10, rate)

    def forward(self, x: Tensor) -> Tensor:
        """Map images x [B, C, H, W] to logits [B, classes]."""
        logits: Tensor = self.net(x)
        return logits


def main() -> None:
    """Search over the rates, and write the result of each rate and fold."""
    asked = jobs()
    job = asked[0]
    rates, seeds = (list(dict.fromkeys(values)) for values in zip(*((j.rate, j.seed) for j in asked), strict=True))
    x, y = read(job.work.data)
    with np.load(job.splits) as rows:
        folds = [(np.concatenate([rows[f"train_{s}"], rows[f"val_{s}"]]), rows[f"test_{s}"]) for s in seeds]
    used = np.unique(np.concatenate([train for train, _ in folds]))
    x = (x - x[used].mean()) / x[used].std()
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        Module,
        module__net=job.work.net,
        module__shape=tuple(x.shape[1:]),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=LR,
        batch_size=job.work.batch_size,
        max_epochs=job.work.epochs,
        iterator_train__shuffle=True,
        callbacks=[EpochScoring("accuracy", on_train=True, use_caching=False, lower_is_better=False, name="train_acc")],
        verbose=0,
    )
    ended = []

    def accuracy(fitted: NeuralNetClassifier, x: np.ndarray, y: np.ndarray) -> float:
        right = float((fitted.predict(x) == y).mean())
        ended.append((right, time.time()))
        return right

    search = GridSearchCV(net, {"module__rate": rates}, cv=folds, scoring=accuracy, refit=False)
    search.fit(x.numpy(), y.numpy())
    # GridSearchCV takes the candidates in order, and for each of them the folds in order.
    for (rate, seed), (right, moment) in zip(((r, s) for r in rates for s in seeds), ended, strict=True):
        report(job.out, rate, seed, right, moment)


if __name__ == "__main__":
    main()
