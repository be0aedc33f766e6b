"""torch.func: all runs as one stacked model, like in PyTorch's tutorial on model ensembling, in two single-thread processes.

python -m benchmarks.peers.torch_func digits-20 --epochs 20 --runs 0.1:0,0.5:0 --splits splits.npz --out results

The runs must be a complete grid of rates and seeds. The tutorial vectorizes over one axis; here there is an outer axis of seeds
and an inner axis of rates, so that the runs of a seed share their examples, the order of these and the uniform random numbers
of their masks.
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
    """Dropout whose rate is a buffer, so that it can differ along a stack; `F.dropout` only takes a number."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.register_buffer("rate", torch.tensor(rate))
        self.rate: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Drop elements of x, of any shape, in training mode."""
        if not self.training:
            return x
        return x * ((torch.rand(x.shape) >= self.rate) / (1 - self.rate))


def stacked(net: Net, shape: Size, rates: Sequence[float], seeds: Sequence[int]) -> tuple[nn.Module, State, State]:
    """Return a module, of which only the structure is used, and the parameters and buffers of all runs."""
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
    """Replace every `nn.Dropout` in a module by one whose rate is a buffer, and return the module."""
    for name, child in list(module.named_children()):
        setattr(module, name, Dropout(child.p) if isinstance(child, nn.Dropout) else with_rate(child))
    return module


def over_runs(f: Callable[..., object]) -> Callable[..., object]:
    """Vectorize f(params, buffers, x, y) of one run over rates, which share x, y and random numbers, and over seeds."""
    over_rates = vmap(f, in_dims=(0, 0, None, None), randomness="same")
    return vmap(over_rates, in_dims=(0, 0, 0, 0), randomness="different")


class Ensemble:
    """The runs of some rates and seeds, trained together.

    Parameters
    ----------
    asked : Job
        The workload and the paths of its files.
    rates, seeds : sequence
        The rates and seeds; every pair is trained.
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
        """Train all runs on every example once."""
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
        """Return each run's mean loss in nats and accuracy, 0..1, [S, R] each, in evaluation mode."""
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
    """Train the runs of some rates and seeds on one thread."""
    torch.set_num_threads(1)
    ensemble = Ensemble(asked, rates, seeds)
    history = []
    for _ in range(asked.work.epochs):
        ensemble.epoch()
        history.append((*ensemble.score(ensemble.train_part), *ensemble.score(ensemble.val_part)))
    reached(asked, rates, seeds, ensemble.score(ensemble.test_part)[1].tolist())


def main() -> None:
    """Train the runs in two processes."""
    together(train, jobs())


if __name__ == "__main__":
    main()
