"""The dense block that models share: product, activation, batch norm and noise, in a chosen order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from annotated_types import Gt
from torch import Tensor, nn

from dropbench.nn.activation import Activation, Parametric, function, gain
from dropbench.nn.linear import Linear
from dropbench.nn.norm import BatchNorm
from dropbench.sites import Site
from dropbench.sites.noise import Noise

Positive = Annotated[int, Gt(0)]
# `after_dropout` is there to be measured and not recommended: the statistics that batch norm gathers under noise do not
# fit the network without noise that is evaluated (variance shift, Li et al. 2019, arXiv:1801.05134).
BatchNormPlace = Literal["none", "before_activation", "after_activation", "after_dropout"]


class DenseBlock(nn.Module):
    """A dense layer: x [K, B, I] to [K, B, O], with the sites `name` (the output) and `name.weight`.

    Parameters
    ----------
    replicas : int
        K.
    name : str
        Name of the output's site.
    inputs, outputs : int
        I and O.
    activation : str
        The function after the product.
    batch_norm : {"none", "before_activation", "after_activation", "after_dropout"}
        Where batch norm comes, if at all.
    reader : str, optional
        Name of the parameter that multiplies the output, if no batch norm comes between.
    parametric : bool
        Whether how much of the activation there is is learned for each unit: see `nn.activation.Parametric`.
    """

    def __init__(
        self,
        replicas: int,
        name: str,
        inputs: int,
        outputs: int,
        activation: Activation,
        batch_norm: BatchNormPlace,
        reader: str | None = None,
        parametric: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.linear = Linear(replicas, inputs, outputs, gain(activation))
        self.activation: Callable[[Tensor], Tensor] = (
            Parametric(replicas, outputs, activation) if parametric else function(activation)
        )
        self.batch_norm = batch_norm
        self.norm = None if batch_norm == "none" else BatchNorm(replicas, outputs)
        self.sites = (
            Site(f"{name}.weight", "weight", (inputs, outputs), "IO"),
            Site(
                name,
                "activation",
                (outputs,),
                "F",
                reader=None if batch_norm == "after_dropout" else reader,
                follows=None if batch_norm == "after_activation" else activation,
            ),
        )

    def forward(self, x: Tensor, noise: Noise) -> Tensor:
        """Maps x [K, B, I] to [K, B, O]."""
        norm = self.norm
        last = self.batch_norm == "after_dropout"
        then = self.activation if norm is None or last else partial(self._normalised, norm)
        x = noise.dense(self.name, x, self.linear.weight, self.linear.bias, then)
        return norm(x) if norm is not None and last else x

    def _normalised(self, norm: BatchNorm, x: Tensor) -> Tensor:
        out: Tensor = self.activation(norm(x)) if self.batch_norm == "before_activation" else norm(self.activation(x))
        return out
