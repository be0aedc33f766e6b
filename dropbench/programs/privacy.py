"""A membership attack on a network trained with dropout, and on one trained by differentially private steps."""

from __future__ import annotations

import warnings
from importlib.util import find_spec

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from dropbench.programs.network import Weights, fitted, logits, split, start

if find_spec("opacus") is None:
    raise ImportError(
        "it takes its private steps from opacus, which is not installed: pip install 'dropbench[privacy]'"
    )

N_TRAIN, STEPS, RATE = 200, 600, 0.5
LOT, EPOCHS, CLIP, NOISE, PRIVATE_LR = 50, 25, 1.0, 4.0, 0.5
"""For the private steps. LOT: the expected number of examples per step; an epoch has N_TRAIN / LOT steps. CLIP: the largest
norm of an example's gradient. NOISE: the standard deviation of the noise relative to CLIP."""


def exposed(seed: int) -> float:
    """Returns how much higher the attack's area under the ROC curve is against dropout than against private steps."""
    return attack(seed, _with_dropout(seed)) - attack(seed, privately(seed))


def against_private(seed: int) -> float:
    """Returns how far the attack is above chance against private steps: its area under the ROC curve minus .5."""
    return attack(seed, privately(seed)) - 0.5


def attack(seed: int, network: Weights) -> float:
    """Returns the area under the ROC curve for telling 200 training digits from 500 others by their loss (Yeom et al. 2018)."""
    (x, y), (others, labels) = split(seed)
    x, y = x[:N_TRAIN], y[:N_TRAIN]
    seen, new = (cross_entropy(logits(network, a), b, reduction="none").double() for a, b in ((x, y), (others, labels)))
    above = (seen[:, None] < new).double() + (seen[:, None] == new).double() / 2
    return above.mean().item()


def privately(seed: int) -> Weights:
    """Trains by 100 steps of DP-SGD, with no other randomness than that of the seed.

    The gradient of each example is clipped to norm CLIP, and normal noise is added to their sum, which is divided by the
    lot's expected size; each example joins a step's lot independently at random. By Opacus' accountant the steps are
    (1.85, 0.001)-differentially private.

    References
    ----------
    Abadi et al. 2016 (arXiv:1607.00133); Yousefpour et al. 2021, "Opacus" (arXiv:2109.12298).
    """
    from opacus import PrivacyEngine

    (x, y), _ = split(seed)
    x, y = x[:N_TRAIN], y[:N_TRAIN]
    network = _module(start(seed, x.shape[1]))
    draw = Generator().manual_seed(seed + 10**6)
    with warnings.catch_warnings():
        # Opacus recommends random numbers that nobody can predict, where these are to be the same at every start; and torch
        # says that its hooks also run for the first layer, whose inputs have no gradient.
        warnings.filterwarnings("ignore", "Secure RNG turned off|Full backward hook is firing")
        model, optimizer, lots = PrivacyEngine().make_private(
            module=network,
            optimizer=torch.optim.SGD(network.parameters(), lr=PRIVATE_LR),
            data_loader=DataLoader(TensorDataset(x, y), batch_size=LOT, generator=draw),
            noise_multiplier=NOISE,
            max_grad_norm=CLIP,
            noise_generator=draw,
        )
        for _ in range(EPOCHS):
            for examples, labels in lots:
                optimizer.zero_grad()
                cross_entropy(model(examples), labels).backward()
                optimizer.step()
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    return [w.detach() for layer in layers for w in (layer.weight.T, layer.bias)]


def _module(weights: Weights) -> nn.Sequential:
    """Returns the network of `logits` as a torch module with these weights."""

    def layer(weight: Tensor, bias: Tensor) -> nn.Linear:
        made = nn.Linear(*weight.shape)
        made.load_state_dict({"weight": weight.T, "bias": bias})
        return made

    first, second, last = map(layer, weights[::2], weights[1::2])
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)


def _with_dropout(seed: int) -> Weights:
    (x, y), _ = split(seed)
    return fitted(x[:N_TRAIN], y[:N_TRAIN], RATE, seed, STEPS)
