"""torch.func: all runs as one stacked model, as PyTorch's tutorial on model ensembling does, in two processes of one thread.

python -m benchmarks.peers.torch_func digits-20 --epochs 20 --runs 0.1:0,0.5:0 --splits splits.npz --out results

The runs must be a whole grid of rates and seeds. The tutorial maps over one axis; here seeds are the outer one and rates the
inner one, so that the runs of a seed share their examples, the order of these and the uniform numbers behind their masks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from benchmarks.peers import arrays
from benchmarks.peers.job import Job, jobs, reached, together
from benchmarks.peers.nets import Size, network
from benchmarks.workloads import LR, Net

State = dict[str, Tensor]
"""Parameters or buffers by name, each [S, R, ...] for S seeds and R rates."""
Part = tuple[Tensor, Tensor]
"""Images [S, n, C, H, W] of each seed, and their classes [S, n]."""
SCORED_AT_ONCE = 1000


class Dropout(nn.Module):
    """Dropout whose rate is a buffer, so that it can differ along a stack: `F.dropout` takes a number."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.register_buffer("rate", torch.tensor(rate))
        self.rate: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Drops elements of x in training mode; any shape."""
        if not self.training:
            return x
        return x * ((torch.rand(x.shape) >= self.rate) / (1 - self.rate))


def stacked(net: Net, shape: Size, rates: Sequence[float], seeds: Sequence[int]) -> tuple[nn.Module, State, State]:
    """A module for its structure alone, and the parameters and buffers of all runs."""
    modules = []
    for seed in seeds:
        for rate in rates:
            torch.manual_seed(1000 * seed + round(100 * rate))
            modules.append(with_rate(network(net, shape, 10, rate)))
    state = (
        {name: value.detach().unflatten(0, (len(seeds), len(rates))) for name, value in each.items()}
        for each in stack_module_state(modules)
    )
    params, buffers = state
    return modules[0], params, buffers


def with_rate(module: nn.Module) -> nn.Module:
    """The module with every `nn.Dropout` in it replaced by one whose rate is a buffer."""
    for name, child in list(module.named_children()):
        setattr(module, name, Dropout(child.p) if isinstance(child, nn.Dropout) else with_rate(child))
    return module


def over_runs(f: Callable[..., object]) -> Callable[..., object]:
    """f(params, buffers, x, y) of one run mapped over rates, which share x and y and random numbers, and over seeds."""
    over_rates = vmap(f, in_dims=(0, 0, None, None), randomness="same")
    return vmap(over_rates, in_dims=(0, 0, 0, 0), randomness="different")


class Ensemble:
    """The runs of some rates and seeds, trained together.

    Parameters
    ----------
    asked : Job
        The workload and where its files are.
    rates, seeds : sequence
        All pairs of them are trained.
    """

    def __init__(self, asked: Job, rates: Sequence[float], seeds: Sequence[int]) -> None:
        self.work, self.rates, self.seeds = asked.work, rates, seeds
        self.train_part, self.val_part, self.test_part = (
            (torch.from_numpy(x), torch.from_numpy(y).long())
            for x, y in arrays.parts(asked.work.data, asked.splits, seeds)
        )
        self.shape: Size = tuple(self.train_part[0].shape[2:])
        self.base, self.params, self.buffers = stacked(asked.work.net, self.shape, rates, seeds)
        self.optimizer = torch.optim.AdamW(self.params.values(), lr=LR, fused=True)
        self._gradients = over_runs(grad(self._loss))
        self._scores = over_runs(self._score)
        self.updates = 0

    def epoch(self) -> None:
        """Trains all runs on every example once."""
        self.base.train()
        x, y = self.train_part
        which = torch.arange(len(self.seeds))[:, None]
        order = torch.stack([torch.randperm(x.shape[1]) for _ in self.seeds])
        for rows in order.split(self.work.batch_size, 1):
            gradients = self._gradients(self.params, self.buffers, x[which, rows], y[which, rows])
            for name, parameter in self.params.items():
                parameter.grad = gradients[name]  # type: ignore[index]
            self.optimizer.step()
            self.updates += 1

    @torch.no_grad()
    def score(self, part: Part) -> tuple[Tensor, Tensor]:
        """Mean loss in nats and accuracy, 0..1, of each run, [S, R] each, in evaluation mode."""
        self.base.eval()
        n = part[1].shape[1]
        pieces = zip(*(side.split(SCORED_AT_ONCE, 1) for side in part), strict=True)
        sums = [self._scores(self.params, self.buffers, x, y) for x, y in pieces]
        losses, correct = (torch.stack(list(values)).sum(0) for values in zip(*sums, strict=True))  # type: ignore[arg-type]
        return losses / n, correct / n

    def _loss(self, params: State, buffers: State, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(self.base, (params, buffers), (x,)), y)

    def _score(self, params: State, buffers: State, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        logits = functional_call(self.base, (params, buffers), (x,))
        return F.cross_entropy(logits, y, reduction="sum"), (logits.argmax(-1) == y).sum()


def train(asked: Job, rates: Sequence[float], seeds: Sequence[int]) -> None:
    """Carries out the runs of some rates and seeds on one thread."""
    torch.set_num_threads(1)
    ensemble = Ensemble(asked, rates, seeds)
    history = []
    for _ in range(asked.work.epochs):
        ensemble.epoch()
        history.append((*ensemble.score(ensemble.train_part), *ensemble.score(ensemble.val_part)))
    reached(asked, rates, seeds, ensemble.score(ensemble.test_part)[1].tolist())


def main() -> None:
    """Carries out the runs in two processes."""
    together(train, jobs())


if __name__ == "__main__":
    main()
