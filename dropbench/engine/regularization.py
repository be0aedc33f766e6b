"""The regularizers of a stack: their strengths, one per replica, their random numbers and their state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dropbench.data.base import Table
from dropbench.data.batch import Batch
from dropbench.dropout import schedule
from dropbench.engine import statistics
from dropbench.engine.draws import OwnDraws
from dropbench.engine.incoming import axes_into_units, vectors
from dropbench.engine.learned import LearnedRates
from dropbench.engine.members import Members
from dropbench.engine.noise import StackNoise
from dropbench.engine.replicas import Replicas
from dropbench.engine.stack import state
from dropbench.engine.tape import Tape
from dropbench.planning.outline import Outline
from dropbench.planning.regularizers import given, in_order
from dropbench.regularizers.base import Member, Regularizer, Slot, Tensors
from dropbench.spec import RegularizerSpec, RunSpec

FRESH = "fresh"
"""The prefix of the streams from which a second pass draws its masks; a third pass draws from `fresh2`, and so on."""


@dataclass
class Active:
    """One regularizer of a stack.

    Attributes
    ----------
    name : str
        The name of its option.
    part : Regularizer
        The regularizer itself.
    nominal : Tensor
        The strengths without a schedule, [K].
    none_at : float
        The strength that means "off".
    factors : list
        Each replica's schedule, a function of the share of training that is done; empty if all are constant.
    draws : OwnDraws
        Its random numbers.
    kept : dict
        Its state, [K, ...] by name.
    strength : Tensor
        The current strengths, [K].
    """

    name: str
    part: Regularizer
    nominal: Tensor
    none_at: float
    factors: list[Callable[[float], float]]
    draws: OwnDraws
    kept: dict[str, Tensor]
    strength: Tensor

    def narrow(self, replicas: Tensor) -> None:
        """Keeps only the replicas at these places."""
        self.nominal, self.strength = self.nominal[replicas], self.strength[replicas]
        self.factors = [self.factors[k] for k in replicas.tolist()] if self.factors else []
        self.draws = self.draws.narrowed(replicas)
        self.kept = {name: tensor[replicas] for name, tensor in self.kept.items()}


class Regularization:
    """All regularizers of a stack, in the order in which they act."""

    def __init__(
        self, specs: Sequence[RunSpec], model: nn.Module, noise: StackNoise, outline: Outline, table: Table
    ) -> None:
        """Creates the regularizers in their state before the first update.

        Parameters
        ----------
        specs : Sequence[RunSpec]
            The runs. Their strengths may differ; a run that lacks a regularizer of another run gets the strength "off".
        model : nn.Module
            The stack.
        noise : StackNoise
            Its noise. Passes with fresh masks use the same rates and draw from other streams.
        outline : Outline
            The description of the runs' model.
        table : Table
            Their data.
        """
        self._model = model.model if isinstance(model, LearnedRates) else model
        self._vectors = vectors(self._model)
        self.given = given(outline, table, specs[0].train)
        device = next(model.parameters()).device
        first = {r.name: r for s in specs for r in s.regularizers}
        self._active = [self._made(spec, part, specs, device) for spec, part in in_order(first.values())]
        parts = [one.part for one in self._active]
        self.passes = any(part.passes for part in parts)
        self.watches = any(part.watches for part in parts)
        self.twice = any(part.twice for part in parts)
        self._inputs_need_gradient = any(part.inputs_need_gradient for part in parts)
        batch = outline.noise_batch(specs[0].train.batch_size)
        further = max((one.part.further(one.nominal) for one in self._active), default=0)
        self.fresh = [noise.forked(_opening(place), batch) for place in range(further)]

    def _made(self, spec: RegularizerSpec, part: Regularizer, specs: Sequence[RunSpec], device: torch.device) -> Active:
        of = [next((r for r in s.regularizers if r.name == spec.name), None) for s in specs]
        strengths = [spec.none_at if r is None else r.value for r in of]
        nominal = torch.tensor(strengths, dtype=torch.float32, device=device)
        factors = [
            schedule.constant if r is None else schedule.resolve(r.schedule.target, r.schedule.options) for r in of
        ]
        scheduled = any(r is not None and r.scheduled for r in of)
        draws = OwnDraws([s.seed for s in specs], f"regularizer/{spec.name}", device)
        kept = part.state(self._seen_by(part))
        return Active(spec.name, part, nominal, spec.none_at, factors if scheduled else [], draws, kept, nominal)

    def __bool__(self) -> bool:
        return bool(self._active)

    def tensors(self) -> dict[str, Tensor]:
        """Returns parameters and buffers of the model, [K, ...] by name, without learned dropout rates."""
        return {name: tensor.detach() for name, tensor in state(self._model).items()}

    def _seen_by(self, part: Regularizer) -> Tensors:
        """Returns the tensors that a regularizer of the slots `weights` and `average` gets."""
        trained = {name: p.detach() for name, p in self.parameters().items()}
        return Tensors(self.tensors() if part.slot == "average" else trained, axes_into_units(self._model))

    def parameters(self) -> dict[str, Tensor]:
        """Returns the trained parameters, [K, ...] by name, of which gradients can be taken."""
        return {name: p for name, p in self._model.named_parameters() if p.requires_grad}

    def weights(self) -> list[Tensor]:
        """Returns the trained parameters except biases, scales and shifts."""
        return [p for name, p in self.parameters().items() if name not in self._vectors]

    def slot(self, *slots: Slot) -> Iterator[Active]:
        """Yields the regularizers of these slots, in order."""
        return (one for one in self._active if one.part.slot in slots)

    def at(self, done: float) -> None:
        """Sets the strengths to their scheduled values after a share `done` of training, in [0, 1]."""
        for one in self._active:
            if one.factors:
                factors = torch.tensor([f(done) for f in one.factors], dtype=torch.float32, device=one.nominal.device)
                one.strength = one.none_at + (one.nominal - one.none_at) * factors

    def examples(self, batch: Batch) -> Batch:
        """Returns the batch to train on, after the regularizers that change examples, mix them or change inputs."""
        batch = replace(batch, clean=batch.x)
        for one in self.slot("examples", "mixing", "inputs"):
            batch = one.part.examples(batch, one.strength, one.draws, self.given)
        if self._inputs_need_gradient:
            batch = replace(batch, x=batch.x.detach().requires_grad_())
        return batch

    @torch.no_grad()
    def gradient(self, updates: int) -> None:
        """Changes the gradients before an update; `updates` is the number of updates done so far."""
        for one in self.slot("gradient"):
            parameters = [p for p in self.parameters().values() if p.grad is not None]
            one.part.gradient(parameters, one.strength, one.draws, updates)

    @torch.no_grad()
    def updated(self, done: float) -> None:
        """Changes the weights after an update. done: the share of training that is done, including that update."""
        for one in self.slot("weights", "average"):
            one.part.weights(self._seen_by(one.part), one.strength, one.kept, done)

    @contextmanager
    def evaluated(self, replicas: Replicas, done: float) -> Iterator[Replicas]:
        """Context manager that returns the replicas as they are evaluated, with averaged weights in their model if any.

        The model's own weights are restored at its end. done: the share of training that is done.
        """
        own: dict[str, Tensor] = {}
        for one in self.slot("average"):
            tensors = self._seen_by(one.part)
            stand_ins = one.part.evaluated(tensors, one.strength, one.kept)
            own = {name: tensors[name].clone() for name in stand_ins}
            _fill(tensors, stand_ins)
            if one.part.renews_statistics and self.given.batch_norm:
                others = statistics.others(own, stand_ins)
                before = statistics.renew(replicas, self._model, one.name, others)
                own = before | own
        try:
            yield self.ensembled(replicas, torch.arange(len(replicas), device=replicas.device), [done] * len(replicas))
        finally:
            _fill(self.tensors(), own)

    def ensembled(self, replicas: Replicas, rows: Tensor, done: Sequence[float]) -> Replicas:
        """Returns these replicas, which have the places `rows` in the stack, with the further networks of their ensembles.

        Their model must have the weights that are evaluated after the share `done` of training, given for each replica.
        """
        others: list[Member] = []
        for one in self.slot("average"):
            kept = {name: tensor[rows] for name, tensor in one.kept.items()}
            shares = torch.tensor(done, dtype=torch.float64, device=replicas.device)
            others += one.part.ensemble(one.strength[rows], kept, shares)
        return replace(replicas, members=Members(others) if others else None)

    def record(self, noise: StackNoise) -> None:
        """Starts recording all draws, so that they can be repeated after `rewind`."""
        self._tapes(noise, Tape)

    def rewind(self, noise: StackNoise) -> None:
        """Repeats all draws since `record`, from the first one."""
        for stack in self._noises(noise):
            stack.rewind()
        for one in self._active:
            if one.draws.tape is not None:
                one.draws.tape.rewind()

    def forget(self, noise: StackNoise) -> None:
        """Ends the recording after an update, so that the next draws are new."""
        self._tapes(noise, lambda: None)

    def _tapes(self, noise: StackNoise, made: Callable[[], Tape | None]) -> None:
        for stack in self._noises(noise):
            stack.tape(made)
        for one in self._active:
            one.draws.tape = made()

    def _noises(self, noise: StackNoise) -> list[StackNoise]:
        return [noise, *self.fresh]

    def scale_rates(self, factors: Tensor) -> None:
        """Sets the dropout rates of passes with fresh masks: see `StackNoise.scale_rates`."""
        for fresh in self.fresh:
            fresh.scale_rates(factors)

    def narrow(self, replicas: Tensor) -> None:
        """Keeps only the replicas at these places; the model has been narrowed already."""
        for one in self._active:
            one.narrow(replicas)
        self.fresh = [fresh.narrowed(replicas) for fresh in self.fresh]

    def filled(self) -> Iterator[tuple[str, Tensor]]:
        """Yields references to the regularizers' state, [K, ...] by name, which training changes in place."""
        for one in self._active:
            yield from ((f"{one.name}/{name}", tensor) for name, tensor in one.kept.items())

    def states(self) -> dict[str, Tensor]:
        """Returns the states of the random streams by name, one row per replica."""
        own = {f"{one.name}": one.draws.states() for one in self._active}
        for place, fresh in enumerate(self.fresh):
            own |= {f"{_opening(place)}/{name}": states for name, states in fresh.states().items()}
        return own

    def resume(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Continues from the result of `states`, given one mapping per replica."""
        for one in self._active:
            one.draws.resume([row[one.name] for row in states])
        for place, fresh in enumerate(self.fresh):
            opening = f"{_opening(place)}/"
            fresh.resume(
                [{k.removeprefix(opening): v for k, v in row.items() if k.startswith(opening)} for row in states]
            )


def _opening(place: int) -> str:
    return FRESH if place == 0 else f"{FRESH}{place + 1}"


@torch.no_grad()
def _fill(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, value in values.items():
        tensors[name].copy_(value)
