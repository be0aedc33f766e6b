"""The contract of a variant: what shares a draw, what is drawn, and how it acts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor
from typing_extensions import override

from dropbench.sites import Kind, Site

LEVELS = 2**16
"""A draw is 16 bits, so a rate is met to within 2⁻¹⁷; see `kept_levels`."""

Then = Callable[[Tensor], Tensor]


class Variant:
    """One way to inject noise into a stack of K replicas; by default inverted dropout of activations, element by element.

    Tensors handed to a variant have the replica axis first, and `rate` has one entry a replica, shaped [K, 1, ...] to
    broadcast. A variant holds no state and draws nothing itself: the engine gives it numbers from the run's own
    `mask/<site>` stream, so that the arms of one seed share them.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"activation"})
    """The kinds of site on which it can act."""
    draws: ClassVar[Literal["bits", "normal"]] = "bits"
    """What its noise is made of: 16 uniform bits a draw, or a standard normal."""
    scales: ClassVar[bool] = True
    """Whether what `mask` keeps is scaled by 1 / keep in training."""
    learned: ClassVar[bool] = False
    """Whether the rate is learned: see `Learned`."""
    multiplies: ClassVar[bool] = True
    """Whether in training it multiplies a site's tensor by the mask, and that is all: `act` as it is here."""
    rests: ClassVar[bool] = True
    """Whether nothing happens in evaluation: `evaluate` as it is here."""
    flips: ClassVar[bool] = True
    """Whether each draw is dropped or kept by itself, at the rate: `mask` as it is here."""

    def __init_subclass__(cls) -> None:
        """A class that overrides `act`, `evaluate` or `mask` need not say that it is no longer as it was here."""
        super().__init_subclass__()
        for declared, method in (("multiplies", "act"), ("rests", "evaluate"), ("flips", "mask")):
            if declared not in cls.__dict__ and getattr(cls, method) is not getattr(Variant, method):
                setattr(cls, declared, False)

    def supports(self, site: Site) -> str | None:
        """None where the variant can act, else the reason why not."""
        # The hidden layer of a feed-forward block is an activation like others.
        if site.kind in self.kinds or (site.kind == "feedforward" and "activation" in self.kinds):
            return None
        return f"acts on {' and '.join(sorted(self.kinds))} sites, and {site.name} is of kind {site.kind}"

    def warns(self, site: Site) -> str | None:
        """What to know before using the variant at a site where it can act but is not what it seems; None for nothing."""
        return None

    def site_rate(self, site: Site, rate: float) -> float:
        """The rate of one site where the common rate is `rate`."""
        return rate

    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        """The shape of one replica's draw for a batch: 1 on each axis along which elements share a draw.

        The batch axis comes first, except for weights, which the whole batch shares.
        """
        return (batch, *site.shape)

    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        """What multiplies the site's tensor, from `noise` [K, *noise_shape]: int16 if `draws` is bits, else float32."""
        return Keeping(rate, dtype, self.scales).mask(noise)

    def act(self, x: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        """Training: a pure function of the site's tensor [K, ...] and the mask."""
        return x * mask

    def evaluate(self, x: Tensor, rate: Tensor) -> Tensor:
        """Evaluation: deterministic; the identity for every variant that preserves the expectation in training."""
        return x


class AtWeights(Variant, ABC):
    """A variant of weight sites, which sees a dense layer's input and weights; shapes as in `sites.noise.Noise.affine`.

    Its draws are one a unit of the layer and example, unless it says otherwise.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"weight"})
    multiplies: ClassVar[bool] = False
    rests: ClassVar[bool] = False

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch, site.shape[1])

    @abstractmethod
    def act_affine(self, x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor, rate: Tensor, then: Then) -> Tensor:
        """Training: `then(x @ weight + bias)` under the mask."""

    @abstractmethod
    def evaluate_affine(self, x: Tensor, weight: Tensor, bias: Tensor, rate: Tensor, then: Then) -> Tensor:
        """Evaluation, deterministic."""


class AtTransitions(Variant, ABC):
    """A variant of transition sites: it makes m new + (1 - m) old of the old and the new state, m its mask."""

    kinds: ClassVar[frozenset[Kind]] = frozenset({"transition"})
    multiplies: ClassVar[bool] = False
    rests: ClassVar[bool] = False

    @abstractmethod
    def expected(self, rate: Tensor) -> Tensor:
        """What stands for the mask in evaluation."""


class Learned(Variant, ABC):
    """A variant whose rate is a parameter, trained with the weights; `dropout.rate` is where it starts.

    The engine keeps the logit of the rate, log(rate / (1 - rate)), which for Gaussian noise is log α, and hands the variant
    its sigmoid as `rate`, through which gradients flow. An arm that starts at rate 0 stays there. No weight decay acts on it.
    """

    learned: ClassVar[bool] = True

    def rate_shape(self, site: Site) -> tuple[int, ...]:
        """The shape of one replica's rate: a single number, unless a variant learns more of them."""
        return ()

    @abstractmethod
    def penalty(self, site: Site, rate: Tensor, reader: Tensor | None, n_train: int) -> Tensor:
        """What is added to the mean loss of an example, [K]: the prior's share of the objective.

        `rate` [K, *rate_shape]; `reader` [K, ...] is the parameter that `site.reader` names.
        """


class Keeping:
    """What masks need of a rate, made once for as long as the rate stays: up to which draw an element is kept, and the scale.

    `keep` is that of `kept_levels`: rounded, and the scale is that of the rounded value.
    """

    def __init__(self, rate: Tensor, dtype: torch.dtype, scales: bool = True) -> None:
        """`rate` in [0, 1) broadcasts over the bits; `dtype` is that of the masks."""
        kept = kept_levels(rate)
        self._threshold = _threshold(kept)
        self._scale = (LEVELS / kept).to(dtype) if scales else None
        self._dtype = dtype

    def mask(self, bits: Tensor) -> Tensor:
        """0 where an element is dropped; 1 where it is kept, or 1 / keep with a scale, so that the mean is exactly 1."""
        mask = _compared(bits, self._threshold, self._dtype)
        return mask if self._scale is None else mask.mul_(self._scale)


def keep_mask(bits: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where an element is dropped and 1 / keep where it is kept ("inverted" scaling): see `Keeping`."""
    return Keeping(rate, dtype).mask(bits)


def kept_levels(rate: Tensor) -> Tensor:
    """How many of the 65,536 values of a draw keep an element: 1 - rate rounded to a multiple of 2⁻¹⁶, and never none."""
    return torch.round((1 - rate) * LEVELS).clamp_(min=1)


def one_where_kept(bits: Tensor, kept: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where an element is dropped and 1 where it is kept, for `kept` of `kept_levels`.

    `bits` are int16, uniform over all 65,536 values. Comparing integers straight into floats costs a fifteenth of
    drawing floats (docs/engine.md).
    """
    return _compared(bits, _threshold(kept), dtype)


def _threshold(kept: Tensor) -> Tensor:
    # For `<= kept - 32769`, not `< kept - 32768`: the latter is out of int16's range at rate 0.
    return (kept - (LEVELS // 2 + 1)).to(torch.int16)


def _compared(bits: Tensor, threshold: Tensor, dtype: torch.dtype) -> Tensor:
    # The mask lies in memory as the bits do, which is the order of what it multiplies, and is written in that order: this
    # comparison is eleven times slower across it.
    mask = torch.empty_like(bits, dtype=dtype)
    if mask.is_contiguous():
        return torch.le(bits, threshold, out=mask)
    order = sorted(range(bits.ndim), key=mask.stride, reverse=True)
    torch.le(bits.permute(order), threshold.permute(order), out=mask.permute(order))
    return mask


def widened(rate: Tensor, like: Tensor) -> Tensor:
    """A number of each replica, [K, 1, ...], at every element of `like` [K, ...], for a rate that is to get a gradient.

    Broadcasting would do, but for how the gradient is added up: here replica by replica, not in an order that depends on K.
    """
    if not rate.requires_grad or rate.device.type != "cpu":
        return rate
    return torch.stack([r.expand(like.shape[1:]) for r in rate.unbind(0)])
