"""The contract of a regularizer: where in an update it acts, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol, get_args

from pydantic import BeforeValidator
from torch import Tensor

from dropbench.data.batch import Batch
from dropbench.values import word

SiteName = Annotated[str, BeforeValidator(word)]
Slot = Literal["examples", "mixing", "inputs", "loss", "pass", "gradient", "weights", "average"]
"""The places in an update at which a regularizer can act, in the order of the update.

examples: changes each training example on its own (cutout). mixing: mixes examples and their targets (mixup); at most one.
inputs: changes the model's inputs afterwards (noise). loss: changes the loss or adds to it. pass: decides at which weights
gradients are taken (SAM); at most one. gradient: changes the gradient, after clipping. weights: changes the weights after
the optimizer's update. average: decides which weights are evaluated and stored; at most one.

Within a slot, regularizers act in alphabetical order, not in the order in which they were typed.
"""
SLOTS: tuple[Slot, ...] = get_args(Slot)
_PIECE = 2**17
"""float32 numbers of which three tensors fit the second-level cache of a server's processor."""
ALONE: frozenset[Slot] = frozenset({"mixing", "pass", "average"})
"""Slots that hold at most one regularizer."""


@dataclass(frozen=True)
class Given:
    """The facts about model and data that a regularizer gets before training: see `Regularizer.supports`."""

    task: str
    """The task: "classify", "regress", "reconstruct" or "predict_next"."""
    view: str
    """The form in which the model receives an example: "flat", "image", "sequence", "tokens", "text" or "graph"."""
    shape: tuple[int, ...]
    """The shape of an example as the model receives it. Running text and words are integers to look up, not numbers."""
    image: tuple[int, int, int] | None
    """(channels, height, width) if the data are images, even if the model receives them flat."""
    columns: tuple[int, ...]
    """For a table, the index of the column that each input comes from; all levels of a category have the same. Else empty."""
    batch_norm: bool
    own_noise: bool
    """Whether the model itself draws random numbers."""
    sites: Mapping[str, int]
    """The activation sites inside the model, in order, with the number of steps of an example; 1 if it is not a sequence."""
    whole: tuple[str, ...] | None
    """Those of `sites` that no shortcut bypasses; None if unknown, as for a user's network."""
    cycles: int | None = None
    """The number of the learning rate's cycles, of equal length; None if it has no restarts."""

    @property
    def numbers(self) -> bool:
        """Whether an example consists of numbers, not of words or nodes to look up."""
        return self.view not in ("tokens", "text", "graph")


class Draws(Protocol):
    """A regularizer's own random numbers. They depend on the run's seed only, so the arms of a seed share them."""

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """Returns uniform float32 numbers in [0, 1), [K, *shape]."""
        ...

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Returns standard normal numbers, float32 [K, *shape]."""
        ...

    def permutation(self, n: int) -> Tensor:
        """Returns a permutation of 0..n-1 for each replica, int64 [K, n]."""
        ...


class Step(Protocol):
    """The current update of K replicas."""

    @property
    def batch(self) -> Batch:
        """The batch that the model received, after the slots before `loss`."""
        ...

    @property
    def output(self) -> Tensor:
        """The model's output for the batch with the noise on, [K, B, ...]; gradients flow through it."""
        ...

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The model's trained parameters, [K, ...] by name, without learned dropout rates."""
        ...

    @property
    def weights(self) -> list[Tensor]:
        """All `parameters` except biases and the scales and shifts of normalisation."""
        ...

    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        """Returns the mean loss of each replica, [K], before regularizers change it."""
        ...

    def replay(self, x: Tensor) -> Tensor:
        """Returns the output for other inputs [K, B, ...], with the same masks. Batch norm's statistics do not change."""
        ...

    @property
    def further(self) -> int:
        """The number of passes under fresh masks in an update: the largest number that a run of the stack asks for."""
        ...

    def again(self, place: int = 0) -> Tensor:
        """Returns the output for the same inputs under fresh dropout masks, number `place` of 0..further-1.

        Needs `fresh_masks`. Each place has its own random numbers. Its pass is computed once, even if several regularizers
        ask for it.
        """
        ...

    def activations(self, site: str | None) -> Tensor:
        """Returns a site's activations in the pass of `output`, [K, B, ...], before the noise there. Needs `watches`.

        `site` None is the last of `Given.sites`.
        """
        ...

    def objective(self) -> Tensor:
        """Returns the objective, [K], computed again at the current weights, with the same masks and draws."""
        ...


class Tensors(dict[str, Tensor]):
    """Tensors of a model by name, [K, ...].

    Attributes
    ----------
    incoming : Mapping of str to tuple of int
        For each tensor of unit weights, the axes of a unit's inputs, counting the replica axis. The other axes number the
        units. Biases and the parameters of normalisation are not included.
    """

    def __init__(self, tensors: Mapping[str, Tensor], incoming: Mapping[str, tuple[int, ...]] | None = None) -> None:
        super().__init__(tensors)
        self.incoming = dict(incoming or {})

    def matrix(self, name: str) -> Tensor:
        """Returns a tensor of `incoming` as one matrix per replica, [K, units, inputs of a unit]."""
        into, tensor = self.incoming[name], self[name]
        units = [axis for axis in range(1, tensor.ndim) if axis not in into]
        return tensor.permute(0, *units, *into).flatten(1 + len(units)).flatten(1, len(units))


@dataclass(frozen=True)
class Member:
    """One of the networks of an ensemble.

    Attributes
    ----------
    weights : dict of str to Tensor
        [K, ...] by name, used in place of the model's own.
    counts : Tensor
        Whether it is a member of each replica's ensemble: bool [K].
    """

    weights: dict[str, Tensor]
    counts: Tensor


class Regularizer:
    """A regularizer that acts in one slot of the update of a stack of K replicas.

    It holds its options but no state. `strength` has one entry per replica, [K], so that a grid over strengths trains as one
    stack. At the strength that means "off", a replica must give the same bits as without the regularizer. Random numbers
    come from `draws`, and their number must not depend on the strengths. The YAML says which option is the strength.
    """

    slot: ClassVar[Slot]
    passes: ClassVar[bool] = False
    """Whether it computes the model's output more than once per update (`Step.replay`, `again` or `objective`)."""
    fresh_masks: ClassVar[bool] = False
    """Whether it calls `Step.again`; `further` says how often."""
    inputs_need_gradient: ClassVar[bool] = False
    """Whether it takes the gradient of the loss with respect to the inputs."""
    twice: ClassVar[bool] = False
    """Whether it differentiates a gradient. Such runs use operations that can be differentiated twice."""
    acts_at: ClassVar[tuple[str, ...]] = ()
    """For slot `inputs`: the sites inside the model at which `at_site` is called."""
    watches: ClassVar[bool] = False
    """Whether it reads the activations at sites (`Step.activations`)."""
    renews_statistics: ClassVar[bool] = False
    """For slot `average`: whether batch norm has never seen the weights to be evaluated. Its running statistics are then
    computed again from the training examples, with the noise on, in each replica to which `evaluated` gives other weights
    than its own."""

    by_share: ClassVar[bool] = True
    """For slots `weights` and `average`: whether its effect depends on the share of training that is done (`done`). If
    False, finished runs can be trained for more epochs."""

    def supports(self, given: Given) -> str | None:
        """Returns None if it can be used, else the reason why not, as the end of a sentence: "mixes examples, and ..."."""
        return None

    def further(self, strengths: Tensor) -> int:
        """Returns how many places of `Step.again` it uses in each update, for strengths [K] without their schedules.

        The number does not change with the schedules, since a run's draws must not depend on the other runs of its stack.
        """
        return int(self.fresh_masks)

    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        """Slots `examples`, `mixing`, `inputs`: returns the batch to train on. It must not change the tensors of `batch`."""
        return batch

    def at_site(self, x: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        """Slot `inputs`: returns what replaces the activations x [K, B, ...] at a site of `acts_at` in training."""
        return x

    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        """Slot `loss`: returns the objective [K] that replaces `loss` [K]."""
        return loss

    def gradients(self, step: Step, strength: Tensor) -> None:
        """Slot `pass`: called when `grad` of each parameter holds the gradient of `Step.objective`; puts another one there."""

    def gradient(self, parameters: Sequence[Tensor], strength: Tensor, draws: Draws, updates: int) -> None:
        """Slot `gradient`: changes `grad` of parameters [K, ...] in place. updates: the number of updates done before."""

    def state(self, tensors: Tensors) -> dict[str, Tensor]:
        """Returns its state before the first update, tensors [K, ...] by name. tensors: see `weights`."""
        return {}

    def weights(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor], done: float) -> None:
        """Slots `weights` and `average`: changes the weights, or its state, in place after an update.

        Parameters
        ----------
        tensors : Tensors
            The trained parameters of the model; in slot `average` all parameters and buffers.
        strength : Tensor
            [K].
        state : Mapping of str to Tensor
            As returned by the method `state`.
        done : float
            The share of training that is done, in (0, 1].
        """

    def evaluated(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Slot `average`: returns the tensors [K, ...], by name, that replace the model's while metrics are computed."""
        return {}

    def ensemble(self, strength: Tensor, state: Mapping[str, Tensor], done: Tensor) -> Sequence[Member]:
        """Slot `average`: returns networks whose probabilities are averaged with those of the weights of `evaluated`.

        Parameters
        ----------
        strength : Tensor
            [K].
        state : Mapping of str to Tensor
            As returned by the method `state`.
        done : Tensor
            The share of training at which each replica is evaluated, float64 [K] in (0, 1]. It is less than the share done
            if a run chooses an earlier epoch.
        """
        return ()


def pieces(*tensors: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """The same few replicas of each of these stacked tensors at a time, of the largest some that fit a processor's cache.

    What takes several passes over them takes them there. As views: what is changed is changed in the whole.
    """
    of_one = max(t.numel() for t in tensors) // len(tensors[0])
    n = max(1, _PIECE // max(1, of_one)) if tensors[0].device.type == "cpu" else len(tensors[0])
    return zip(*(t.split(n) for t in tensors), strict=True)


def per_replica(strength: Tensor, like: Tensor) -> Tensor:
    """Reshapes one number per replica [K] so that it broadcasts over a tensor [K, ...]."""
    return strength.view(-1, *(1,) * (like.ndim - 1))
