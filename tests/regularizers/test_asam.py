from __future__ import annotations

import torch
from torch import Tensor

from dropbench.regularizers.asam import ASAM


class Bowl:
    """A step whose objective is a polynomial of two parameters of each replica."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.parameters = {"layer.weight": weight.requires_grad_(), "layer.bias": bias.requires_grad_()}

    def objective(self) -> Tensor:
        weight, bias = self.parameters["layer.weight"], self.parameters["layer.bias"]
        return (weight**4).flatten(1).sum(1) + (weight.flatten(1).sum(1) * bias.sum(1)) ** 2 + (bias**2).sum(1)


def test_the_gradient_is_that_of_the_authors_code_replica_by_replica() -> None:
    """Their ascent step, written out for one model: T = |w| + eta for weights, 1 for biases; e = rho T (T g) / |T g|."""
    torch.manual_seed(0)
    weight, bias, rho, eta = torch.randn(3, 4, 2), torch.randn(3, 5), torch.tensor([0.5, 0.0, 2.0]), 0.1
    step = Bowl(weight.clone(), bias.clone())
    step.objective().sum().backward()
    ASAM(rho=0.5, eta=eta).gradients(step, rho)  # type: ignore[arg-type]
    for k in range(3):
        alone = Bowl(weight[k : k + 1].clone(), bias[k : k + 1].clone())
        alone.objective().sum().backward()
        w, b = (p.detach().clone() for p in alone.parameters.values())
        gw, gb = (p.grad.clone() for p in alone.parameters.values() if p.grad is not None)
        t = w.abs() + eta
        length = ((t * gw).square().sum() + gb.square().sum()).sqrt()
        there = Bowl(w + rho[k] * t * (t * gw) / length, b + rho[k] * gb / length)
        there.objective().sum().backward()
        for name, parameter in step.parameters.items():
            torch.testing.assert_close(parameter.grad[k], there.parameters[name].grad[0], rtol=1e-4, atol=1e-4)  # type: ignore[index]
    assert torch.equal(step.parameters["layer.weight"], weight)  # where they were


def test_the_neighbourhood_does_not_care_for_the_scale_of_two_layers() -> None:
    """What the paper is for: w → a w in one factor and w / a in the other moves both factors by the same share."""
    torch.manual_seed(1)
    first, second = torch.randn(1, 6), torch.randn(1, 6)

    class Product:
        def __init__(self, a: float) -> None:
            self.parameters = {"a.weight": (a * first).requires_grad_(), "b.weight": (second / a).requires_grad_()}

        def objective(self) -> Tensor:
            one, other = self.parameters.values()
            return (one * other).sum(1).square()

    moved = []
    for a in (1.0, 8.0):
        step = Product(a)
        step.objective().sum().backward()
        directions = ASAM(eta=0.0).directions(step.parameters)
        moved.append([d / p.detach() for d, p in zip(directions, step.parameters.values(), strict=True)])
    for small, large in zip(*moved, strict=True):
        torch.testing.assert_close(small, large)
