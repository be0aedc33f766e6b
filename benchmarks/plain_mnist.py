"""Claim: dropbench has the same results as an ordinary PyTorch loop for a 784-512-512-10 network on 1,000 MNIST digits.

The loop below is written as torch's own tutorials teach: nn.Sequential, nn.Dropout, torch.optim.Adam, shuffled batches. Adam
1e-3, batches of 100, 150 epochs, rates .2 on the input and .5 on hidden units, 1,000 training images drawn anew by each seed,
test error on all 10,000 test images. It shares with dropbench only the code that reads the files and, with
`--splits dropbench`, the choice of the 1,000 images, so that the two can be compared seed by seed.

    python benchmarks/plain_mnist.py DATA_ROOT --seeds 8 [--init torch|he] [--scale unit|standard] [--splits own|dropbench]

Figures, hardware, versions and n: results/reference/mnist_1000.md.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.data.base import Table
from dropbench.data.mnist import load
from dropbench.engine.example_batches import split_for
from dropbench.spec import DataSpec


def network(dropout: bool, init: str) -> nn.Sequential:
    """Return a 784-512-512-10 network, with or without dropout, with torch's initial weights or those of He et al. 2015."""
    layers: list[nn.Module] = [nn.Dropout(0.2)] if dropout else []
    for inputs, outputs in ((784, 512), (512, 512)):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()] + ([nn.Dropout(0.5)] if dropout else [])
    net = nn.Sequential(*layers, nn.Linear(512, 10))
    if init == "he":
        for layer in net:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear" if layer.out_features == 10 else "relu")
                nn.init.zeros_(layer.bias)
    return net


def training_rows(table: Table, seed: int, splits: str) -> Tensor:
    """Return the row numbers of the 1,000 training images, drawn here or by dropbench."""
    if splits == "dropbench":
        return split_for(table, DataSpec(name="mnist", target="dropbench.data.mnist.load", n_train=1000), seed).train
    torch.manual_seed(seed)
    return torch.randperm(60000)[:1000]


def percent_wrong(table: Table, rows: Tensor, seed: int, dropout: bool, init: str, scale: str) -> float:
    """Train one network on these rows and return its test error in percent; `scale` is the scaling of the inputs."""
    images = table.x.flatten(1)
    if scale == "standard":
        images = (images - images[rows].mean()) / images[rows].std()
    x, y = images[rows], table.y[rows]
    torch.manual_seed(seed)
    net = network(dropout, init)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(150):
        net.train()
        for batch in torch.randperm(len(x)).split(100):
            optimizer.zero_grad()
            F.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
    net.eval()
    with torch.no_grad():
        return 100 * (net(images[60000:]).argmax(1) != table.y[60000:]).double().mean().item()


def main() -> None:
    """Print errors by seed, and the means of the errors and of the paired gain of dropout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--init", choices=("torch", "he"), default="torch")
    parser.add_argument("--scale", choices=("unit", "standard"), default="unit")
    parser.add_argument("--splits", choices=("own", "dropbench"), default="own")
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = load(args.root, False)
    errors: dict[str, list[float]] = {"none": [], "dropout": []}
    for seed in range(args.seeds):
        rows = training_rows(table, seed, args.splits)
        for name, percents in errors.items():
            percents.append(percent_wrong(table, rows, seed, name == "dropout", args.init, args.scale))
        print(f"seed {seed:2d}  none {errors['none'][-1]:.2f}  dropout {errors['dropout'][-1]:.2f}", flush=True)
    errors["paired gain"] = [a - b for a, b in zip(errors["none"], errors["dropout"], strict=True)]
    for name, values in errors.items():
        print(f"{name:12s} {statistics.mean(values):6.2f}  sd {statistics.stdev(values):.2f}  n {len(values)}")


if __name__ == "__main__":
    main()
