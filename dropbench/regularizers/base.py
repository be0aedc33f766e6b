"""The contract of a regularizer: at which points of an update it acts, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol, get_args

from pydantic import BeforeValidator
from torch import Tensor

from dropbench.data.batch import Batch
from dropbench.values import word

SiteName = Annotated[str, BeforeValidator(word)]
Slot = Literal["examples", "mixing", "inputs", "loss", "pass", "gradient", "weights", "average"]
"""Where in an update a regularizer acts, in the order of the update, whatever the order in which they are typed.

examples: changes each training example by itself (cutout). mixing: mixes examples and their targets (mixup); one at most.
inputs: changes what the model is given, after that (noise). loss: adds to the loss, or changes it. pass: decides at which
weights gradients are taken (SAM); one at most. gradient: changes the gradient, after clipping. weights: changes the weights
after the optimizer's update. average: decides which weights are evaluated and kept; one at most.

Within a slot they act in the order of their names.
"""
SLOTS: tuple[Slot, ...] = get_args(Slot)
ALONE: frozenset[Slot] = frozenset({"mixing", "pass", "average"})
"""Slots that hold one regularizer at most."""


@dataclass(frozen=True)
class Given:
    """What a regularizer is told of the model and the data before it trains: see `Regularizer.supports`."""

    task: str
    """What is learnt: "classify", "regress", "reconstruct" or "predict_next"."""
    view: str
    """How the model sees an example: "flat", "image", "sequence", "tokens", "text" or "graph"."""
    shape: tuple[int, ...]
    """An example as the model is given it; of running text and words to look up, none of it is numbers."""
    image: tuple[int, int, int] | None
    """(channels, height, width) where the data are images, also where the model sees them flat."""
    columns: tuple[int, ...]
    """Of a table, for each input the place of the column that it comes from: the levels of a category have one. Else none."""
    batch_norm: bool
    own_noise: bool
    """Whether the model draws random numbers of its own."""
    sites: Mapping[str, int]
    """How many steps an example has at each site of an activation inside the model, in order; 1 where it is no sequence."""
    whole: tuple[str, ...] | None
    """Those of `sites` that no shortcut goes past; None where that is not known, as of a user's network."""
    cycles: int | None = None
    """How many cycles of equal length the learning rate has; None where it has no restarts."""

    @property
    def numbers(self) -> bool:
        """Whether an example is numbers, not words or nodes to look up."""
        return self.view not in ("tokens", "text", "graph")


class Draws(Protocol):
    """A regularizer's own random numbers: those of each run follow from its seed alone, so the arms of a seed share them."""

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """float32 in [0, 1), [K, *shape]."""
        ...

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Standard normals, float32, [K, *shape]."""
        ...

    def permutation(self, n: int) -> Tensor:
        """A permutation of 0..n-1 for each replica, int64 [K, n]."""
        ...


class Step(Protocol):
    """An update that is underway, of K replicas."""

    @property
    def batch(self) -> Batch:
        """What the model was given, as the slots before `loss` left it."""
        ...

    @property
    def output(self) -> Tensor:
        """What the model made of it with the noise on, [K, B, ...]; gradients flow through it."""
        ...

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        """The weights that are trained, [K, ...] by name: the model's, without learned dropout rates."""
        ...

    @property
    def weights(self) -> list[Tensor]:
        """Those of `parameters` that are no biases, nor scales and shifts of normalisation."""
        ...

    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        """The mean loss of each replica, [K], without what regularizers make of it."""
        ...

    def replay(self, x: Tensor) -> Tensor:
        """The output for other inputs [K, B, ...] under the same dropout masks. Batch norm's statistics stay as they are."""
        ...

    @property
    def further(self) -> int:
        """How many passes under fresh masks there are in an update: as many as the run of the stack has that has most."""
        ...

    def again(self, place: int = 0) -> Tensor:
        """The output for the same inputs under fresh dropout masks, those of `place` in 0..further-1. Needs `fresh_masks`.

        Each place has random numbers of its own, and its pass is made once, whoever asks for it.
        """
        ...

    def activations(self, site: str | None) -> Tensor:
        """What came to a site in the pass behind `output`, [K, B, ...], before the noise there. Needs `watches`.

        None: the last of `Given.sites`.
        """
        ...

    def objective(self) -> Tensor:
        """What is minimised, [K], computed once more at the weights as they are now, with the same masks and draws."""
        ...


class Tensors(dict[str, Tensor]):
    """Tensors of a model by name, [K, ...].

    Attributes
    ----------
    incoming : Mapping of str to tuple of int
        Of each that holds weights of units, the axes that come into a unit, counted with the replica axis: all others tell
        units apart. Biases, and what normalisation learns, are not in it.
    """

    def __init__(self, tensors: Mapping[str, Tensor], incoming: Mapping[str, tuple[int, ...]] | None = None) -> None:
        super().__init__(tensors)
        self.incoming = dict(incoming or {})

    def matrix(self, name: str) -> Tensor:
        """A tensor of `incoming` as a matrix of each replica, [K, units, what comes into each]."""
        into, tensor = self.incoming[name], self[name]
        units = [axis for axis in range(1, tensor.ndim) if axis not in into]
        return tensor.permute(0, *units, *into).flatten(1 + len(units)).flatten(1, len(units))


@dataclass(frozen=True)
class Member:
    """One of the networks of which an ensemble is made.

    Attributes
    ----------
    weights : dict of str to Tensor
        [K, ...] by name, in place of those of the model.
    counts : Tensor
        Of which replicas it is a member: bool [K].
    """

    weights: dict[str, Tensor]
    counts: Tensor


class Regularizer:
    """One idea, in a slot of the update of a stack of K replicas.

    It holds its options and no state. `strength` is given to it with one entry a replica, [K], so that a grid over strengths
    trains as one stack; a replica at the strength that is none must come out with the bits that it has without it. Random
    numbers come from `draws`, as many whatever the strengths are. Which option is the strength its YAML says.
    """

    slot: ClassVar[Slot]
    passes: ClassVar[bool] = False
    """Whether it computes the model's output more than once an update (`Step.replay`, `again` or `objective`)."""
    fresh_masks: ClassVar[bool] = False
    """Whether it calls `Step.again`; how often, `further` says."""
    inputs_need_gradient: ClassVar[bool] = False
    """Whether it takes the gradient of the loss with respect to the inputs."""
    twice: ClassVar[bool] = False
    """Whether it differentiates a gradient: such runs take operations that can be differentiated twice."""
    acts_at: ClassVar[tuple[str, ...]] = ()
    """Of slot `inputs`: the sites inside the model at which `at_site` is called."""
    watches: ClassVar[bool] = False
    """Whether it reads what comes to sites."""
    renews_statistics: ClassVar[bool] = False
    """Whether the weights of slot `average` are some that batch norm has never seen: its running statistics are then those of
    the training examples under them, with the noise on, in each replica that `evaluated` gives other weights than its own."""

    by_share: ClassVar[bool] = True
    """Of slots `weights` and `average`: whether what it does depends on the share of training that is done (`done`). Where it
    does not, say False: runs with it can then be trained for more epochs from where they ended."""

    def supports(self, given: Given) -> str | None:
        """None where it can be used, else the reason why not, as the end of a sentence: "mixes examples, and ..."."""
        return None

    def further(self, strengths: Tensor) -> int:
        """How many places of `Step.again` it asks for in each update, where strengths without their schedules are these, [K].

        So many whatever a schedule makes of them: what a run draws must not depend on those beside it.
        """
        return int(self.fresh_masks)

    def examples(self, batch: Batch, strength: Tensor, draws: Draws, given: Given) -> Batch:
        """Slots `examples`, `mixing`, `inputs`: the batch to train on in place of `batch`, whose tensors stay as they are."""
        return batch

    def at_site(self, x: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        """Slot `inputs`: in training, what stands in place of what comes to a site of `acts_at`, [K, B, ...]."""
        return x

    def loss(self, step: Step, loss: Tensor, strength: Tensor, draws: Draws) -> Tensor:
        """Slot `loss`: what is minimised, [K], in place of `loss` [K]."""
        return loss

    def gradients(self, step: Step, strength: Tensor) -> None:
        """Slot `pass`: called when the gradient of `Step.objective` is in `grad` of each parameter; leaves another there."""

    def gradient(self, parameters: Sequence[Tensor], strength: Tensor, draws: Draws, updates: int) -> None:
        """Slot `gradient`: changes `grad` of parameters [K, ...] in place. updates: how many are done."""

    def state(self, tensors: Tensors) -> dict[str, Tensor]:
        """What it keeps of a training, [K, ...] by name, as it is before the first update. tensors: see `weights`."""
        return {}

    def weights(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor], done: float) -> None:
        """Slots `weights` and `average`, after an update: changes the weights or its state in place.

        Parameters
        ----------
        tensors : Tensors
            Parameters of the model that are trained; in slot `average` all parameters, and buffers.
        strength : Tensor
            [K].
        state : Mapping of str to Tensor
            As `state` made it.
        done : float
            The share of training that is done, in (0, 1].
        """

    def evaluated(self, tensors: Tensors, strength: Tensor, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Slot `average`: what stands in place of tensors of these names while metrics are taken, [K, ...]."""
        return {}

    def ensemble(self, strength: Tensor, state: Mapping[str, Tensor], done: Tensor) -> Sequence[Member]:
        """Slot `average`: networks whose probabilities are averaged with those of the one that `evaluated` gives.

        Parameters
        ----------
        strength : Tensor
            [K].
        state : Mapping of str to Tensor
            As `state` made it.
        done : Tensor
            The share of training at which each replica is evaluated, float64 [K] in (0, 1]: where a run chooses an earlier
            epoch, less than is done.
        """
        return ()


def per_replica(strength: Tensor, like: Tensor) -> Tensor:
    """A number of each replica [K], to broadcast over a tensor [K, ...]."""
    return strength.view(-1, *(1,) * (like.ndim - 1))
