"""Claim: dropbench gives what an ordinary PyTorch loop gives for a 784-512-512-10 network on 1,000 MNIST digits.

The loop below is written as torch's own tutorials teach: nn.Sequential, nn.Dropout, torch.optim.Adam, shuffled batches. It
shares no code with dropbench. Adam 1e-3, batches of 100, 150 epochs, rates .2 on the input and .5 on hidden units, a fresh
1,000 training images for each seed, test error on all 10,000 test images.

    python benchmarks/plain_mnist.py DATA_ROOT --seeds 8 [--init torch|he] [--scale unit|standard]

and the same by dropbench:

    dropbench sweep study=three_arm model=mlp 'model.widths=[512,512]' data=mnist data.n_train=1000 'seed=range(0,8)' \
        'dropout.rates={input: 0.2, "*": 0.5}' train.batch_size=100 train.epochs=150 data.root=DATA_ROOT

Figures, hardware, versions and n: results/reference/mnist_1000.md.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropbench.data.mnist import load  # for the file format alone


def network(dropout: bool, init: str) -> nn.Sequential:
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


def test_error(x: Tensor, y: Tensor, xt: Tensor, yt: Tensor, seed: int, dropout: bool, init: str) -> float:
    """Percent."""
    torch.manual_seed(seed)
    rows = torch.randperm(len(x))[:1000]
    x, y = x[rows], y[rows]
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
        return 100 * (net(xt).argmax(1) != yt).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--init", choices=("torch", "he"), default="torch")
    parser.add_argument("--scale", choices=("unit", "standard"), default="unit")
    args = parser.parse_args()
    torch.set_num_threads(1)
    table = load(Path(args.root), False)
    x = table.x.flatten(1)
    if args.scale == "standard":
        x = (x - 0.1307) / 0.3081
    train, test = x[:60000], x[60000:]
    errors = {
        dropout: [
            test_error(train, table.y[:60000], test, table.y[60000:], seed, dropout, args.init)
            for seed in range(args.seeds)
        ]
        for dropout in (False, True)
    }
    gains = [a - b for a, b in zip(errors[False], errors[True], strict=True)]
    for name, values in (("none", errors[False]), ("dropout", errors[True]), ("paired gain", gains)):
        print(f"{name:12s} {statistics.mean(values):6.2f}  sd {statistics.stdev(values):.2f}  n {len(values)}")


if __name__ == "__main__":
    main()
