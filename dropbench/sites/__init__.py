"""Sites: the named places in a model where noise may act.

A model names its sites and asks `noise` to act there; it never learns which variant does. A variant looks at a
site's kind and axes and never learns which model it belongs to. Both know this room and nothing else of each other.
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
"""What noise meets at a site.

activation: what a layer puts out. feedforward: the same, inside a transformer's feed-forward block.
weight: a dense layer's product, weights and bias. recurrent_weight: the hidden-to-hidden weights of a recurrent layer.
recurrent: the state that a recurrent layer multiplies by them. candidate: what an LSTM or GRU would add to its state.
transition: the step from a recurrent layer's old state to its new one.
branch: the branch of a residual block, as a whole. pair: two branches beside each other, before their mean is taken.
attention: attention weights. token: the rows of an embedding.
edge: the edges of a graph. patch: which patches of an image a transformer sees.
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A place where a variant may act.

    `shape` is one example's, without the replica and batch axes, and `axes` has a letter for each of its entries:
    F features, C channels, H height, W width, T time, and I, O for a weight's incoming and outgoing sides. The
    letters are what let `spatial` tell a sequence (TF) from a map (CHW) instead of guessing from the number of axes.
    Further ones: A attention heads and S the steps attended to (ATS), V words of a vocabulary (VF), N nodes (NF) and
    E edges of a graph, which is one example by itself, and P the two of a pair of branches (PF, PCHW).
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    axes: str
    depth: float | None = None
    """Of a branch: how far down the network, in (0, 1]; the last one is at 1."""
    reader: str | None = None
    """Of an activation: the model's parameter that multiplies it next, if one alone does."""
    follows: str | None = None
    """Of an activation: the name of the function that it comes out of, if that is known."""
    own: float | None = None
    """The rate that a dropout of a user's module has there by itself: see `models.module`."""
    asked: bool = False
    """Whether noise comes there only where it is asked for by name: see `sites.placement.place`."""

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.axes):
            raise ValueError(f"site {self.name}: shape {self.shape} and axes {self.axes!r} differ in length")
