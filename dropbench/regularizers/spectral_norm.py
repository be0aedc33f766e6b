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
"""Steps of the power iteration before training; then one an update, since weights change little."""
_TINY = 1e-12


class SpectralNorm(Regularizer):
    """After each update W ← W / max(1, σ(W) / λ): the largest singular value σ of no weight matrix is above λ.

    Gouk, Frank, Pfahringer & Cree 2021, "Regularisation of Neural Networks by Enforcing Lipschitz Continuity",
    arXiv:1804.04368, algorithm 2: a projection. Miyato et al. 2018, arXiv:1802.05957 ("spectral normalization") divide by σ in
    the forward pass instead, so that σ is 1 always, and take gradients through that. σ is found as theirs is: by power
    iteration, from below, of the matrix whose rows are the units, which for a convolution is not that of the convolution as a
    linear map. Transposed convolutions of a user's network stay as they are.
    """

    slot: ClassVar[Slot] = "weights"
    by_share: ClassVar[bool] = False

    def __init__(self, *, limit: Annotated[float, Ge(0)] = 1.0) -> None:
        """limit: λ, the largest singular value that is allowed; 0 allows any."""

    @override
    def state(self, tensors: Tensors) -> dict[str, Tensor]:
        begun = {}
        for name in _limited(tensors):
            matrices = tensors.matrix(name)
            # From the longest row, which is orthogonal to the singular vector that is looked for in no matrix but 0.
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
    """A step of power iteration: changes the right singular vectors [K, I] of [K, units, I]; returns the values so far, [K]."""
    values = []
    # One replica after the other, each from memory of its own: a product must not depend on what lies beside it.
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
