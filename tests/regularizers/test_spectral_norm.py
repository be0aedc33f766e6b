from __future__ import annotations

from typing import Any

import pytest
import torch
from regularized import of, with_regularizers
from training import Trained, cohort_of, make_spec

from dropbench.engine.incoming import axes_into_units
from dropbench.regularizers.base import Tensors
from dropbench.regularizers.spectral_norm import SpectralNorm


def largest(matrices: torch.Tensor) -> torch.Tensor:
    return torch.linalg.matrix_norm(matrices.double(), 2)


@pytest.mark.parametrize(("model", "options"), [("mlp", {}), ("cnn", {}), ("rnn", {}), ("normed.Normed", {})])
def test_no_matrix_of_a_trained_network_is_above_the_limit(model: str, options: dict[str, Any]) -> None:
    spec = make_spec(model, options=options, lr=0.003)
    run = with_regularizers(spec, of("spectral_norm", 0.6))
    cohort = Trained(run).cohort
    tensors = dict(cohort.replicas.model.named_parameters())
    matrices = Tensors(tensors, axes_into_units(cohort.replicas.model))
    assert len(matrices.incoming) >= 2
    plain = Trained(spec).cohort.replicas.model
    unlimited = Tensors(dict(plain.named_parameters()), axes_into_units(plain))
    for name in matrices.incoming:
        assert largest(unlimited.matrix(name)).item() > 0.7
        assert 0.5 < largest(matrices.matrix(name)).item() < 0.64  # found from below


def test_it_is_the_projection_that_singular_values_give() -> None:
    torch.manual_seed(0)
    whole = torch.randn(3, 5, 7) * torch.tensor([1.0, 0.1, 1.0]).view(-1, 1, 1)
    limits = torch.tensor([1.5, 1.5, 0.0])
    tensors = Tensors({"layer.weight": whole.clone(), "layer.bias": torch.ones(3, 7)}, {"layer.weight": (1,)})
    assert torch.equal(tensors.matrix("layer.weight"), whole.transpose(1, 2))
    part = SpectralNorm()
    state = part.state(tensors)
    for _ in range(50):
        part.weights(tensors, limits, state, 0.0)
    assert largest(whole[1]) < 1.5 < largest(whole[0])
    torch.testing.assert_close(tensors["layer.weight"][0].double(), whole[0].double() * 1.5 / largest(whole[0]))
    assert torch.equal(tensors["layer.weight"][1:], whole[1:]) and bool((tensors["layer.bias"] == 1).all())


def test_a_convolution_is_the_matrix_of_its_units() -> None:
    spec = make_spec("cnn")
    tensors = cohort_of(with_regularizers(spec, of("spectral_norm"))).regularization
    kept = dict(tensors.filled())
    # Kernels of 3 x 3 over one channel into four units: what comes into a unit are nine numbers.
    assert kept["spectral_norm/blocks.0.conv.weight"].shape == (1, 9)
    assert not any("bias" in name for name in kept)
