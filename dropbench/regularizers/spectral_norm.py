"""A limit to the largest singular value of each weight matrix (Gouk et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor
from typing_extensions import override

from dropbench.regularizers.base import Regularizer, Slot, Tensors, per_replica

_FIRST = 20
"""Steps of the power iteration before training. Later there is one step per update, since weights change little."""
_TINY = 1e-12


class SpectralNorm(Regularizer):
    """W ← W / max(1, σ(W) / λ) after each update, so that no weight matrix has a singular value σ above λ.

    Gouk, Frank, Pfahringer & Cree 2021, "Regularisation of Neural Networks by Enforcing Lipschitz Continuity",
    arXiv:1804.04368, algorithm 2: a projection. Miyato et al. 2018, arXiv:1802.05957 ("spectral normalization") instead
    divide by σ in the forward pass, so that σ is always 1, and differentiate through the division. σ is found as in that
    paper: by power iteration, which approaches it from below, for the matrix whose rows are the units. For a convolution
    this is not the largest singular value of the convolution as a linear map. Transposed convolutions of a user's network
    are not changed.
    """

    slot: ClassVar[Slot] = "weights"
    by_share: ClassVar[bool] = False

    def __init__(self, *, limit: Annotated[float, Ge(0)] = 1.0) -> None:
        """limit: λ, the largest singular value allowed; 0 is no limit."""

    @override
    def state(self, tensors: Tensors) -> dict[str, Tensor]:
        begun = {}
        for name in _limited(tensors):
            matrices = tensors.matrix(name)
            # Start from the longest row. It is never orthogonal to the singular vector sought, unless the matrix is 0.
            longest = [m.square().sum(1).argmax() for m in matrices.unbind(0)]
            begun[name] = torch.stack([m[i] for m, i in zip(matrices.unbind(0), longest, strict=True)])
            for _ in range(_FIRST):
                _iterate(matrices, begun[name])
        return begun

    @override
    def weights(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor], done: float) -> None:
        for name, right in state.items():
            largest = _iterate(tensors.matrix(name), right)
            share = torch.where(strength > 0, strength / largest.clamp(min=_TINY), torch.inf).clamp(max=1)
            tensors[name].mul_(per_replica(share, tensors[name]))


def _limited(tensors: Tensors) -> list[str]:
    return [name for name in tensors if name in tensors.incoming]


def _iterate(matrices: Tensor, right: Tensor) -> Tensor:
    """Does a step of power iteration: updates the right singular vectors [K, I] of [K, units, I]; returns the values, [K]."""
    values = []
    # One replica at a time, each from its own memory: a product must not depend on its neighbours in memory.
    for k, matrix in enumerate(matrices.unbind(0)):
        m = matrix.clone(memory_format=torch.contiguous_format)
        left = _unit(m @ _unit(right[k].clone()))
        back = m.T @ left
        right[k].copy_(back)
        values.append(torch.linalg.vector_norm(back))
    return torch.stack(values)


def _unit(v: Tensor) -> Tensor:
    unit: Tensor = v / torch.linalg.vector_norm(v).clamp(min=_TINY)
    return unit
