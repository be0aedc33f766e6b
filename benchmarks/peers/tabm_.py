"""tabm: one packed ensemble of independent MLPs per rate, with one member per seed, in two single-thread processes.

python -m benchmarks.peers.tabm_ digits-20 --epochs 20 --runs 0.1:0,0.5:0 --splits splits.npz --out results

The runs must be a complete grid of rates and seeds. A packed ensemble has one `nn.Dropout` after each layer for all its
members, and therefore only one rate.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from tabm import LinearEnsemble, TabM
from torch import Tensor, nn

from benchmarks.peers import arrays
from benchmarks.peers.job import Job, jobs, reached, together
from benchmarks.workloads import LR, Net

Part = tuple[Tensor, Tensor]
"""Examples [n, k, features], one for each of k members, and their classes [n, k]."""
SCORED_AT_ONCE = 1000


def ensemble(net: Net, features: int, rate: float, k: int) -> TabM:
    """Return k independent MLPs of one rate, with initial weights like those of `nets.py`.

    Raises
    ------
    ValueError
        If the network is not an MLP whose layers all have one width, which is all that tabm supports.
    """
    if net.kind != "mlp" or len(set(net.widths)) != 1:
        raise ValueError(f"tabm has MLPs whose layers have one width, not {net}")
    made = TabM.make(
        arch_type="tabm-packed",
        k=k,
        n_num_features=features,
        n_blocks=len(net.widths),
        d_block=net.widths[0],
        d_out=10,
        dropout=rate,
    )
    layers = [m for m in made.modules() if isinstance(m, LinearEnsemble)]
    for layer in layers:
        bound = ((3 if layer is layers[-1] else 6) / layer.in_features) ** 0.5
        nn.init.uniform_(layer.weight, -bound, bound)
        nn.init.zeros_(layer.bias)
    return made


def epoch(model: TabM, part: Part, optimizer: torch.optim.Optimizer, batch_size: int) -> int:
    """Train on every example once, each member in its own order; return the number of updates."""
    model.train()
    x, y = part
    n, k = y.shape
    order = torch.stack([torch.randperm(n) for _ in range(k)], 1)
    batches = order.split(batch_size)
    which = torch.arange(k)
    for rows in batches:
        optimizer.zero_grad()
        logits = model(x[rows, which])
        # The loss is the sum of the members' mean losses, so that each member has the gradient that it would have alone.
        (F.cross_entropy(logits.flatten(0, 1), y[rows, which].flatten()) * k).backward()
        optimizer.step()
    return len(batches)


@torch.inference_mode()
def score(model: TabM, part: Part) -> tuple[Tensor, Tensor]:
    """Return each member's mean loss in nats and accuracy, 0..1, [k] each, in evaluation mode."""
    model.eval()
    losses, correct = torch.zeros(model.k), torch.zeros(model.k)
    for x, y in zip(*(side.split(SCORED_AT_ONCE) for side in part), strict=True):
        logits = model(x)
        losses += F.cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none").view_as(y).sum(0)
        correct += (logits.argmax(-1) == y).sum(0)
    return losses / len(part[1]), correct / len(part[1])


def train(asked: Job, rates: Sequence[float], seeds: Sequence[int]) -> None:
    """Train the runs of some rates and seeds on one thread, one rate after the other."""
    torch.set_num_threads(1)
    # Each seed has its own split, so members are scored on different examples; tabm warns that this may be unintended.
    warnings.filterwarnings("ignore", message="When training=False")
    train_part, val_part, test_part = (
        (torch.from_numpy(x).flatten(2).transpose(0, 1).contiguous(), torch.from_numpy(y).long().T.contiguous())
        for x, y in arrays.parts(asked.work.data, asked.splits, seeds)
    )
    for rate in rates:
        torch.manual_seed(round(100 * rate))
        model = ensemble(asked.work.net, train_part[0].shape[2], rate, len(seeds))
        optimizer = torch.optim.AdamW(model.parameters(), lr=LR, fused=True)
        history = []
        for _ in range(asked.work.epochs):
            epoch(model, train_part, optimizer, asked.work.batch_size)
            history.append((*score(model, train_part), *score(model, val_part)))
        reached(asked, [rate], seeds, score(model, test_part)[1][:, None].tolist())


def main() -> None:
    """Train the runs in two processes."""
    together(train, jobs())


if __name__ == "__main__":
    main()
