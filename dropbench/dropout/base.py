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
"""The number of values of a 16-bit draw. A rate is met to within 2⁻¹⁷; see `kept_levels`."""

Then = Callable[[Tensor], Tensor]


class Variant:
    """A way to inject noise into a stack of K replicas; the default is inverted dropout of single activations.

    The tensors passed to a variant have the replica axis first. `rate` has one entry per replica and the shape [K, 1, ...],
    so that it broadcasts. A variant holds no state and draws no random numbers itself. The engine passes it numbers from the
    run's `mask/<site>` stream, so the arms of one seed share them.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"activation"})
    """The kinds of site on which it can act."""
    draws: ClassVar[Literal["bits", "normal"]] = "bits"
    """The kind of random numbers that it needs: 16 uniform bits per draw, or standard normals."""
    scales: ClassVar[bool] = True
    """Whether kept elements are scaled by 1 / keep in training."""
    learned: ClassVar[bool] = False
    """Whether the rate is a trained parameter: see `Learned`."""
    multiplies: ClassVar[bool] = True
    """Whether training only multiplies the site's tensor by the mask, as `act` does in this class."""
    rests: ClassVar[bool] = True
    """Whether it does nothing in evaluation, as `evaluate` in this class."""
    flips: ClassVar[bool] = True
    """Whether each draw is dropped independently with probability `rate`, as `mask` does in this class."""

    def __init_subclass__(cls) -> None:
        """Sets `multiplies`, `rests` or `flips` to False in a class that overrides the method and does not declare it."""
        super().__init_subclass__()
        for declared, method in (("multiplies", "act"), ("rests", "evaluate"), ("flips", "mask")):
            if declared not in cls.__dict__ and getattr(cls, method) is not getattr(Variant, method):
                setattr(cls, declared, False)

    def supports(self, site: Site) -> str | None:
        """Returns None if the variant can act at the site, else the reason why it cannot."""
        # The hidden layer of a feed-forward block is an activation like others.
        if site.kind in self.kinds or (site.kind == "feedforward" and "activation" in self.kinds):
            return None
        return f"acts on {' and '.join(sorted(self.kinds))} sites, and {site.name} is of kind {site.kind}"

    def warns(self, site: Site) -> str | None:
        """Returns a warning if the variant can act at the site but does something unexpected there, else None."""
        return None

    def site_rate(self, site: Site, rate: float) -> float:
        """Returns the rate of one site for the common rate `rate`."""
        return rate

    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        """Returns the shape of one replica's draw for a batch, with size 1 on each axis along which elements share a draw.

        The batch axis comes first. Masks of weights have none, since the whole batch shares them.
        """
        return (batch, *site.shape)

    def mask(self, noise: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
        """Returns the factor of the site's tensor. `noise` [K, *noise_shape] is int16 if `draws` is "bits", else float32."""
        return Keeping(rate, dtype, self.scales).mask(noise)

    def act(self, x: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        """Returns the site's tensor [K, ...] under the mask, for training. It is a pure function."""
        return x * mask

    def evaluate(self, x: Tensor, rate: Tensor) -> Tensor:
        """Returns the site's tensor for evaluation: deterministic, and unchanged if training preserves the expectation."""
        return x


class AtWeights(Variant, ABC):
    """A variant that acts on weight sites and sees a dense layer's input and weights; shapes as in `sites.noise.Noise.affine`.

    By default there is one draw for each unit of the layer and each example.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({"weight"})
    multiplies: ClassVar[bool] = False
    rests: ClassVar[bool] = False

    @override
    def noise_shape(self, site: Site, batch: int) -> tuple[int, ...]:
        return (batch, site.shape[1])

    @abstractmethod
    def act_affine(self, x: Tensor, weight: Tensor, bias: Tensor, mask: Tensor, rate: Tensor, then: Then) -> Tensor:
        """Returns `then(x @ weight + bias)` under the mask, for training."""

    @abstractmethod
    def evaluate_affine(self, x: Tensor, weight: Tensor, bias: Tensor, rate: Tensor, then: Then) -> Tensor:
        """Returns the same for evaluation, where it is deterministic."""


class AtTransitions(Variant, ABC):
    """A variant that acts on transition sites: it returns m · new + (1 - m) · old for its mask m and the two states."""

    kinds: ClassVar[frozenset[Kind]] = frozenset({"transition"})
    multiplies: ClassVar[bool] = False
    rests: ClassVar[bool] = False

    @abstractmethod
    def expected(self, rate: Tensor) -> Tensor:
        """Returns what takes the place of the mask in evaluation."""


class Learned(Variant, ABC):
    """A variant whose rate is a parameter that is trained with the weights; it starts at `dropout.rate`.

    The engine keeps the logit of the rate, log(rate / (1 - rate)), which is log α for Gaussian noise. It passes the sigmoid
    of the logit to the variant as `rate`, and gradients flow through it. An arm that starts at rate 0 stays there. Weight
    decay does not act on the rate.
    """

    learned: ClassVar[bool] = True

    def rate_shape(self, site: Site) -> tuple[int, ...]:
        """Returns the shape of one replica's rate: a single number, unless the variant learns several."""
        return ()

    @abstractmethod
    def penalty(self, site: Site, rate: Tensor, reader: Tensor | None, n_train: int) -> Tensor:
        """Returns what the prior adds to the mean loss per example, [K].

        `rate` is [K, *rate_shape]; `reader` [K, ...] is the parameter that `site.reader` names.
        """


class Keeping:
    """Makes masks for one rate. The threshold and the scale are computed once and used as long as the rate stays.

    The keep probability is rounded as in `kept_levels`, and the scale belongs to the rounded value.
    """

    def __init__(self, rate: Tensor, dtype: torch.dtype, scales: bool = True) -> None:
        """`rate` in [0, 1) broadcasts over the bits; `dtype` is the type of the masks."""
        kept = kept_levels(rate)
        self._threshold = _threshold(kept)
        self._scale = (LEVELS / kept).to(dtype) if scales else None
        self._dtype = dtype

    def mask(self, bits: Tensor) -> Tensor:
        """Returns 0 where an element is dropped and, where it is kept, 1, or 1 / keep with scaling: a mean of exactly 1."""
        mask = _compared(bits, self._threshold, self._dtype)
        return mask if self._scale is None else mask.mul_(self._scale)


def keep_mask(bits: Tensor, rate: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns 0 where an element is dropped and 1 / keep where it is kept ("inverted" scaling): see `Keeping`."""
    return Keeping(rate, dtype).mask(bits)


def kept_levels(rate: Tensor) -> Tensor:
    """Returns how many of the 65,536 values of a draw keep an element: (1 - rate) · 65,536, rounded, and at least 1."""
    return torch.round((1 - rate) * LEVELS).clamp_(min=1)


def one_where_kept(bits: Tensor, kept: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns 0 where an element is dropped and 1 where it is kept; `kept` comes from `kept_levels`.

    `bits` are int16, uniform over all 65,536 values. Comparing integers straight into floats costs a fifteenth of drawing
    floats (docs/engine.md).
    """
    return _compared(bits, _threshold(kept), dtype)


def _threshold(kept: Tensor) -> Tensor:
    # For a comparison `<= kept - 32769` and not `< kept - 32768`, which is out of int16's range at rate 0.
    return (kept - (LEVELS // 2 + 1)).to(torch.int16)


def _compared(bits: Tensor, threshold: Tensor, dtype: torch.dtype) -> Tensor:
    # The mask gets the memory layout of the bits, which is that of the tensor it multiplies. The comparison runs in that
    # order: across it, it is eleven times slower.
    mask = torch.empty_like(bits, dtype=dtype)
    if mask.is_contiguous():
        return torch.le(bits, threshold, out=mask)
    order = sorted(range(bits.ndim), key=mask.stride, reverse=True)
    torch.le(bits.permute(order), threshold.permute(order), out=mask.permute(order))
    return mask


def widened(rate: Tensor, like: Tensor) -> Tensor:
    """Expands one number per replica, [K, 1, ...], to the shape of `like` [K, ...], for a rate that gets a gradient.

    Broadcasting gives the same values, but adds up the gradient in an order that depends on K. Here each replica's gradient
    is added up by itself.
    """
    if not rate.requires_grad or rate.device.type != "cpu":
        return rate
    return torch.stack([r.expand(like.shape[1:]) for r in rate.unbind(0)])
