"""Sites: the named places in a model where noise may act.

A model names its sites and calls `noise` there, without knowing which variant acts. A variant sees a site's kind and axes,
without knowing the model. Models and variants import this package, but not each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "activation",
    "feedforward",
    "weight",
    "recurrent",
    "candidate",
    "transition",
    "recurrent_weight",
    "branch",
    "pair",
    "attention",
    "token",
    "edge",
    "patch",
]
"""The kind of tensor at a site.

activation: the output of a layer. feedforward: the same, inside a transformer's feed-forward block.
weight: weights and bias of a dense layer. recurrent_weight: the hidden-to-hidden weights of a recurrent layer.
recurrent: the state that these weights multiply. candidate: the update that an LSTM or GRU adds to its state.
transition: the step from a recurrent layer's old state to its new one.
branch: the whole branch of a residual block. pair: two parallel branches, before their mean is taken.
attention: attention weights. token: the rows of an embedding.
edge: the edges of a graph. patch: the presence of an image's patches in a transformer.
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A place where a variant may act.

    `shape` is the shape of one example, without the replica and batch axes, and `axes` has a letter for each of its entries:
    F features, C channels, H height, W width, T time, and I and O a weight's inputs and outputs. From the letters a variant
    such as `spatial` knows a sequence (TF) from a map (CHW), instead of guessing from the number of axes. Further letters: A
    attention heads and S the steps attended to (ATS), V words of a vocabulary (VF), N nodes (NF) and E edges of a graph,
    which counts as one example, and P the two branches of a pair (PF, PCHW).
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    axes: str
    depth: float | None = None
    """For a branch: its depth in the network, in (0, 1]; the last one is at 1."""
    reader: str | None = None
    """For an activation: the model's parameter that multiplies it next, if there is exactly one."""
    follows: str | None = None
    """For an activation: the name of the activation function before it, if known."""
    own: float | None = None
    """The rate of the user's own dropout layer at this site: see `models.module`."""
    own_variant: str | None = None
    """The variant that does what that layer does; None if there is none."""
    asked: bool = False
    """Whether noise acts there only if the site is named explicitly: see `sites.placement.place`."""

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.axes):
            raise ValueError(f"site {self.name}: shape {self.shape} and axes {self.axes!r} differ in length")
