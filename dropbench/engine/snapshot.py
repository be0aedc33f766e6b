"""Replicas in the middle of training: all that each of them needs to go on elsewhere, and end with the same bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dropbench.engine import stack
from dropbench.engine.carried import carried, carry

if TYPE_CHECKING:
    from dropbench.engine.train import Training


_LEARNED = ("/logit_", "/on_")
"""In the names of what a stack holds for the sites where any of its replicas has a learned rate: see `engine.learned`."""


class Unfit(ValueError):
    """A state is not one of the run that was to go on with it."""


@dataclass(frozen=True)
class State:
    """One replica in the middle of training.

    Attributes
    ----------
    run_id : str
        Whose it is.
    epoch, step : int
        The epoch that is underway, from 1, and how many of its updates are done.
    tensors : Mapping[str, Tensor]
        Its rows of those of the stack: `model/*`, `moment/*`, `kept/*`, `best/*`, `stream/*`, `drawn/*`,
        `batches/*` and `carried/*`.
    told : Mapping[str, Any]
        What is no tensor, as JSON can say it: history, early stopping, sums over the epoch that is underway.
    """

    run_id: str
    epoch: int
    step: int
    tensors: Mapping[str, Tensor]
    told: Mapping[str, Any]

    def alone(self) -> State:
        """The same with tensors of its own: with a row of a stack the whole stack would be sent to another process."""
        return replace(self, tensors={name: t.clone() for name, t in self.tensors.items()})


@dataclass(frozen=True)
class Snapshot:
    """Some replicas at one place in training: tensors [K, ...], and by run id, in that order, what is no tensor."""

    epoch: int
    step: int
    tensors: Mapping[str, Tensor]
    runs: Mapping[str, Mapping[str, Any]]

    def state(self, run_id: str) -> State:
        """That of one run."""
        k = list(self.runs).index(run_id)
        return State(run_id, self.epoch, self.step, {name: t[k] for name, t in self.tensors.items()}, self.runs[run_id])


def snapshot(training: Training) -> Snapshot:
    """Where a training is, between two updates of an epoch. Its tensors are those of the stack itself, not copies."""
    replicas, underway = training.replicas, training.underway
    tensors = {**dict(_filled(training)), **{f"batches/{n}": t for n, t in replicas.batches.states().items()}}
    tensors |= {f"stream/{n}": states for n, states in replicas.noise.states().items()}
    tensors |= {f"drawn/{n}": t for n, t in training.regularization.states().items()}
    states, forms = carried(replicas.model)
    tensors |= {f"carried/{n}": t for n, t in states.items()}
    norms = [norm.tolist() for norm in underway.norms]
    runs = {
        spec.run_id: {
            "history": training.history[spec.run_id],
            "best": training.early_stopping.best(k),
            "loss": underway.loss[k].item(),
            "norms": [norm[k] for norm in norms],
            "seconds": training.seconds(),
            "carried": forms,
            "parent": training.parents.get(spec.run_id),
        }
        for k, spec in enumerate(replicas.specs)
    }
    return Snapshot(underway.epoch, underway.step, tensors, runs)


@torch.no_grad()
def resume(training: Training, states: Sequence[State]) -> None:
    """Has a training that has not begun go on from these states, one a replica in any order, and all of one place.

    Raises
    ------
    Unfit
        Where they are not of these runs. The training is then of no more use.
    """
    try:
        of = {state.run_id: state for state in states}
        _resume(training, [of[spec.run_id] for spec in training.replicas.specs])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # of other names, kinds, lengths and shapes
        raise Unfit(f"{type(error).__name__}: {error}".splitlines()[0]) from error


def _resume(training: Training, states: Sequence[State]) -> None:
    replicas, underway, first = training.replicas, training.underway, states[0]
    for name, whole in _filled(training):
        for row, state in zip(whole, states, strict=True):
            # A rate is learned, and noise drawn, at the sites where any replica of the stack has noise. One that has none there
            # may come from a stack without them, and its rate is 0 and stays so.
            if name in state.tensors or not any(learned in name for learned in _LEARNED):
                row.copy_(state.tensors[name])
    replicas.noise.resume([_under("stream/", state) for state in states])
    training.regularization.resume([_under("drawn/", state) for state in states])
    replicas.batches.resume([_under("batches/", state) for state in states])
    rows = [_under("carried/", state) for state in states]
    together = {name: torch.stack([row[name] for row in rows]).to(replicas.device) for name in rows[0]}
    carry(replicas.model, together, first.told["carried"])
    training.early_stopping.resume([tuple(s.told["best"]) for s in states])
    for spec, state in zip(replicas.specs, states, strict=True):
        training.history[spec.run_id] = [dict(row) for row in state.told["history"]]
        if (parent := state.told.get("parent")) is not None:
            training.parents[spec.run_id] = parent
    underway.epoch, underway.step, underway.before = first.epoch, first.step, first.told["seconds"]
    device = replicas.device
    underway.loss = torch.tensor([s.told["loss"] for s in states], dtype=torch.float32, device=device)
    norms = zip(*(s.told["norms"] for s in states), strict=True)
    underway.norms = [torch.tensor(norm, dtype=torch.float32, device=device) for norm in norms]
    training.optimizer.resume((first.epoch - 1) * replicas.batches.steps + first.step)


def _filled(training: Training) -> Iterator[tuple[str, Tensor]]:
    """References to the stacked tensors that training changes in place, by name."""
    model = training.replicas.model
    names = [name for name, _ in model.named_parameters()]
    yield from ((f"model/{name}", t.detach()) for name, t in stack.state(model).items())
    for i, moments in enumerate(training.optimizer.moments()):
        yield from ((f"moment/{i}/{name}", t) for name, t in zip(names, moments, strict=True))
    yield from ((f"kept/{name}", t) for name, t in training.regularization.filled())
    yield from ((f"best/{name}", t) for name, t in training.early_stopping.weights().items())


def _under(prefix: str, state: State) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): t for name, t in state.tensors.items() if name.startswith(prefix)}
