"""Converts the weights of a stack to those of single runs for storage, by their names in a model without a replica axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dropbench.engine.learned import LearnedRates
from dropbench.engine.replicas import Replicas
from dropbench.engine.result import LOGIT, MEMBER, Arrays, Weights
from dropbench.engine.user_module import Ordinary


def weights(replicas: Replicas, epochs: Sequence[int]) -> list[Weights]:
    """Returns the weights of each replica, which are now those of `epochs`.

    It must be called after a pass through the model, because a pass sets the learned rates.
    """
    tensors = {**_tensors(replicas.model), **replicas.batches.preprocessing()}
    learned = replicas.noise.learned()
    rates = {label: rate.tolist() for label, rate in replicas.noise.rates().items()}

    def has(name: str, k: int) -> bool:
        """Returns False for the learned rate of a site where other replicas have noise but this one has none."""
        return not name.startswith(LOGIT) or learned[name.removeprefix(LOGIT)].acts[k]

    return [
        Weights(
            arrays={name: _array(t[k]) for name, t in tensors.items() if has(name, k)} | _members(replicas, k),
            rates={label: rate[k] for label, rate in rates.items() if rate[k] > 0},
            epoch=epoch,
        )
        for k, epoch in enumerate(epochs)
    ]


@torch.no_grad()
def fill(model: nn.Module, held: Sequence[Mapping[str, Tensor]]) -> None:
    """Copies stored weights of runs of the same kind into the replicas of a stack.

    Raises
    ------
    ValueError
        If they are the weights of another model.
    """
    for name, tensor in _tensors(model).items():
        for k, one in enumerate(held):
            if name.startswith(LOGIT) and name not in one:
                continue  # this run has no noise there
            if name not in one or one[name].shape != tensor.shape[1:]:
                raise ValueError(f"the stored weights are of another model: {name} does not fit")
            tensor[k].copy_(one[name])


def _members(replicas: Replicas, k: int) -> Arrays:
    """Returns the weights of the further networks of a replica that is an ensemble."""
    model = replicas.model.model if isinstance(replicas.model, LearnedRates) else replicas.model
    names = {held_as: name for name, held_as in model.names.items()} if isinstance(model, Ordinary) else {}
    others = [] if replicas.members is None else [m for m in replicas.members.others if bool(m.counts[k])]
    return {
        f"{MEMBER}{i}/{names.get(name, name)}": _array(t[k])
        for i, m in enumerate(others)
        for name, t in m.weights.items()
    }


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Returns the tensors of a stack, [K, ...], by their names in a model without a replica axis."""
    logits: dict[str, Tensor] = {}
    if isinstance(model, LearnedRates):
        logits = {f"{LOGIT}{site}": logit for site, logit in model.logits().items()}
        model = model.model
    if isinstance(model, Ordinary):
        own = {name: getattr(model, held_as) for name, held_as in model.names.items()}
    else:
        own = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {**own, **logits}


def _array(tensor: Tensor) -> NDArray[Any]:
    tensor = tensor.detach().cpu()
    # NumPy has no bfloat16; float32 represents all of its values.
    array: NDArray[Any] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()
    return array
