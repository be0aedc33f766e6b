"""The regularizers of a stack: their strengths, one a replica, their random numbers and what they keep."""

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
"""Opens the names of the streams from which a second pass has its masks; the one after that has them from `fresh2`."""


@dataclass
class Active:
    """One regularizer of a stack.

    Attributes
    ----------
    name : str
        Its option's.
    part : Regularizer
        What it does.
    nominal : Tensor
        The strengths without a schedule, [K].
    none_at : float
        The strength that is none.
    factors : list
        Of each replica its schedule, a function of the share of training that is done; empty where all are constant.
    draws : OwnDraws
        Its random numbers.
    kept : dict
        What it keeps of the training, [K, ...] by name.
    strength : Tensor
        The strengths in force, [K].
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
        """Goes on with the replicas at these places only."""
        self.nominal, self.strength = self.nominal[replicas], self.strength[replicas]
        self.factors = [self.factors[k] for k in replicas.tolist()] if self.factors else []
        self.draws = self.draws.narrowed(replicas)
        self.kept = {name: tensor[replicas] for name, tensor in self.kept.items()}


class Regularization:
    """All of them, in the order in which they act."""

    def __init__(
        self, specs: Sequence[RunSpec], model: nn.Module, noise: StackNoise, outline: Outline, table: Table
    ) -> None:
        """As before the first update.

        Parameters
        ----------
        specs : Sequence[RunSpec]
            The runs. They may have different strengths; where one lacks a regularizer of another, its strength is none.
        model : nn.Module
            The stack.
        noise : StackNoise
            Its noise; what has fresh masks has them at the same rates, from streams of its own.
        outline : Outline
            What the runs build.
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
        """Parameters and buffers of the model, [K, ...] by name, without learned dropout rates."""
        return {name: tensor.detach() for name, tensor in state(self._model).items()}

    def _seen_by(self, part: Regularizer) -> Tensors:
        """What a regularizer of the slots `weights` and `average` is given."""
        trained = {name: p.detach() for name, p in self.parameters().items()}
        return Tensors(self.tensors() if part.slot == "average" else trained, axes_into_units(self._model))

    def parameters(self) -> dict[str, Tensor]:
        """The weights that are trained, [K, ...] by name, to take gradients of."""
        return {name: p for name, p in self._model.named_parameters() if p.requires_grad}

    def weights(self) -> list[Tensor]:
        """Those of them that are no biases, nor scales and shifts."""
        return [p for name, p in self.parameters().items() if name not in self._vectors]

    def slot(self, *slots: Slot) -> Iterator[Active]:
        """Those of these slots, in order."""
        return (one for one in self._active if one.part.slot in slots)

    def at(self, done: float) -> None:
        """Sets the strengths to those of a share of training, in [0, 1]."""
        for one in self._active:
            if one.factors:
                factors = torch.tensor([f(done) for f in one.factors], dtype=torch.float32, device=one.nominal.device)
                one.strength = one.none_at + (one.nominal - one.none_at) * factors

    def examples(self, batch: Batch) -> Batch:
        """The batch that is trained on in place of this one."""
        batch = replace(batch, clean=batch.x)
        for one in self.slot("examples", "mixing", "inputs"):
            batch = one.part.examples(batch, one.strength, one.draws, self.given)
        if self._inputs_need_gradient:
            batch = replace(batch, x=batch.x.detach().requires_grad_())
        return batch

    @torch.no_grad()
    def gradient(self, updates: int) -> None:
        """Changes the gradients before an update, of which so many are done."""
        for one in self.slot("gradient"):
            parameters = [p for p in self.parameters().values() if p.grad is not None]
            one.part.gradient(parameters, one.strength, one.draws, updates)

    @torch.no_grad()
    def updated(self, done: float) -> None:
        """Changes the weights after an update. done: the share of training, that update included."""
        for one in self.slot("weights", "average"):
            one.part.weights(self._seen_by(one.part), one.strength, one.kept, done)

    @contextmanager
    def evaluated(self, replicas: Replicas, done: float) -> Iterator[Replicas]:
        """These replicas as they are evaluated; their model has those weights for as long as the context lasts.

        done: the share of training.
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
        """These replicas, which are those at the places `rows` of the stack, with the networks that they are averaged with.

        Their model has the weights that were evaluated at a share of training, `done` of each.
        """
        others: list[Member] = []
        for one in self.slot("average"):
            kept = {name: tensor[rows] for name, tensor in one.kept.items()}
            shares = torch.tensor(done, dtype=torch.float64, device=replicas.device)
            others += one.part.ensemble(one.strength[rows], kept, shares)
        return replace(replicas, members=Members(others) if others else None)

    def record(self, noise: StackNoise) -> None:
        """What is drawn from now on can be drawn again after `rewind`."""
        self._tapes(noise, Tape)

    def rewind(self, noise: StackNoise) -> None:
        """All that was drawn since `record` is drawn again, from its beginning."""
        for stack in self._noises(noise):
            stack.rewind()
        for one in self._active:
            if one.draws.tape is not None:
                one.draws.tape.rewind()

    def forget(self, noise: StackNoise) -> None:
        """The update is done: what is drawn is new."""
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
        """Goes on with the replicas at these places only; the model has been narrowed already."""
        for one in self._active:
            one.narrow(replicas)
        self.fresh = [fresh.narrowed(replicas) for fresh in self.fresh]

    def filled(self) -> Iterator[tuple[str, Tensor]]:
        """References to what they keep, [K, ...] by name, which training changes in place."""
        for one in self._active:
            yield from ((f"{one.name}/{name}", tensor) for name, tensor in one.kept.items())

    def states(self) -> dict[str, Tensor]:
        """Where the streams of random numbers are, a row a replica by name."""
        own = {f"{one.name}": one.draws.states() for one in self._active}
        for place, fresh in enumerate(self.fresh):
            own |= {f"{_opening(place)}/{name}": states for name, states in fresh.states().items()}
        return own

    def resume(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Goes on from there, given what `states` said of each replica."""
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
