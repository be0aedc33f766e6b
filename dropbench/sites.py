"""Sites: the named places in a model where noise may act, and which of them a placement chooses.

A model names its sites and asks `noise` to act there; it never learns which variant does. A variant looks at a
site's kind and axes and never learns which model it belongs to. Both know this file and nothing else of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, Protocol

from dropbench.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import Tensor, nn

Kind = Literal[
    "activation",
    "feedforward",
    "weight",
    "recurrent",
    "candidate",
    "transition",
    "recurrent_weight",
    "branch",
    "attention",
    "token",
    "edge",
]
"""What noise meets at a site.

activation: what a layer puts out. feedforward: the same, inside a transformer's feed-forward block.
weight: a dense layer's product, weights and bias. recurrent_weight: the hidden-to-hidden weights of a recurrent layer.
recurrent: the state that a recurrent layer multiplies by them. candidate: what an LSTM or GRU would add to its state.
transition: the step from a recurrent layer's old state to its new one.
branch: the branch of a residual block, as a whole. attention: attention weights. token: the rows of an embedding.
edge: the edges of a graph.
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A place where a variant may act.

    `shape` is one example's, without the replica and batch axes, and `axes` has a letter for each of its entries:
    F features, C channels, H height, W width, T time, and I, O for a weight's incoming and outgoing sides. The
    letters are what let `spatial` tell a sequence (TF) from a map (CHW) instead of guessing from the number of axes.
    Further ones: A attention heads and S the steps attended to (ATS), V words of a vocabulary (VF), N nodes (NF) and
    E edges of a graph, which is one example by itself.
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

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.axes):
            raise ValueError(f"site {self.name}: shape {self.shape} and axes {self.axes!r} differ in length")


class Noise(Protocol):
    """What a model is handed beside its input: the only way by which it meets a variant."""

    def __call__(self, site: str, x: Tensor) -> Tensor:
        """`x` [K, B, *site.shape] after the noise of that site."""
        ...

    def affine(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        """`then(x @ weight + bias)` under a weight site's noise; x [K, B, I], weight [K, I, O], bias [K, 1, O].

        `then` is what follows the product (normalisation, activation): moment-matched inference averages over it.
        """
        ...

    def dense(self, site: str, x: Tensor, weight: Tensor, bias: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
        """A dense layer under the noise of the sites `site`.weight and `site`: `affine` and a call, in one."""
        return self(site, self.affine(f"{site}.weight", x, weight, bias, then))

    def steps(self, site: str) -> Callable[[Tensor, int], Tensor] | None:
        """For a recurrent or candidate site: a function of (state [K, B, H], step), or None where no noise acts."""
        ...

    def transition(self, site: str) -> Callable[[Tensor, Tensor, int], Tensor] | None:
        """For a transition site: a function of (old state, new state, step), [K, B, H], or None where no noise acts."""
        ...

    def branch(self, site: str, branch: nn.Module, x: Tensor, *beside: Tensor) -> Tensor:
        """`branch(x, noise, *beside)` under a branch site's noise; where a replica drops it for a whole batch it is not
        computed.

        x [K, B, ...]; the result [K, B, *site.shape]. A dropped branch gives zeros. `beside` are what else the branch needs of
        each replica, [K, ...], such as which steps are padding.
        """
        ...

    def embed(self, site: str, ids: Tensor, table: Tensor) -> Tensor:
        """Rows of `table` [K, V, F] for `ids` [K, B, T] under a token site's noise: [K, B, T, F]."""
        ...

    def acts(self, site: str) -> bool:
        """Whether there will be noise there now: a model may go a faster way round a site where there is none."""
        ...


def matches(name: str, pattern: str) -> bool:
    """Whether a site's name fits a glob pattern such as `hidden.*`."""
    return fnmatchcase(name, pattern)


def place(names: Sequence[str], placement: Sequence[str] | None, rates: Mapping[str, float]) -> list[str]:
    """The sites, in the model's order, that noise is placed on.

    Patterns are globs, read in order; one that opens with `-` takes sites away: `["*", "-input"]`, or `["-input"]` for
    short. Without a placement noise goes everywhere but to the input, and to any site that `rates` names more closely
    than by `*`.

    Raises UsageError for a pattern that fits no site.
    """
    chosen = ["*", "-input", *(p for p in rates if p != "*")] if placement is None else list(placement)
    given = [("dropout.placement", p, p.removeprefix("-")) for p in placement or ()]
    given += [("dropout.rates", p, p) for p in rates]  # in which a `-` means nothing
    for key, pattern, bare in given:
        if not any(matches(n, bare) for n in names):
            raise UsageError(f"{key}: no site here fits '{pattern}'; {nearest(pattern, names)}")
    on = dict.fromkeys(names, chosen[0].startswith("-") if chosen else False)
    for pattern in chosen:
        for name in names:
            if matches(name, pattern.removeprefix("-")):
                on[name] = not pattern.startswith("-")
    return [n for n in names if on[n]]


def rate_at(name: str, rate: float, rates: Mapping[str, float]) -> float:
    """The rate of one site: its own entry, else that of the longest pattern that fits, else `rate`."""
    if name in rates:
        return rates[name]
    fitting = [p for p in rates if matches(name, p)]
    return rates[max(fitting, key=len)] if fitting else rate


class Supporter(Protocol):
    """As much of a variant as placement needs."""

    def supports(self, site: Site) -> str | None: ...

    def site_rate(self, site: Site, rate: float) -> float: ...


def site_rates(
    variant: Supporter,
    sites: Sequence[Site],
    rate: float,
    rates: Mapping[str, float],
    placement: Sequence[str] | None,
) -> dict[str, float]:
    """The rate of every site on which a variant acts, in the model's order; empty where it can act on none.

    A rate given for a site in `rates` is that site's; what a variant makes of the common one is its own affair.
    """
    able = {s.name: s for s in sites if variant.supports(s) is None}
    if not able:
        return {}
    return {n: rate_at(n, variant.site_rate(able[n], rate), rates) for n in place(list(able), placement, rates)}
