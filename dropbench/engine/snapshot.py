"""Snapshots of replicas in the middle of training, with all they need to continue elsewhere and end with the same bits."""

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
"""Parts of the names of tensors that a stack has only for sites where any replica has a learned rate: see `engine.learned`."""


class Unfit(ValueError):
    """Raised if a saved state does not belong to the run that should continue from it."""


@dataclass(frozen=True)
class State:
    """One replica in the middle of training.

    Attributes
    ----------
    run_id : str
        The id of its run.
    epoch, step : int
        The current epoch, from 1, and how many of its updates are done.
    tensors : Mapping[str, Tensor]
        Its rows of the stack's tensors: `model/*`, `moment/*`, `kept/*`, `best/*`, `stream/*`, `drawn/*`, `batches/*` and
        `carried/*`.
    told : Mapping[str, Any]
        Everything else, as JSON-compatible values: history, early stopping, sums over the current epoch.
    """

    run_id: str
    epoch: int
    step: int
    tensors: Mapping[str, Tensor]
    told: Mapping[str, Any]

    def alone(self) -> State:
        """Returns a copy with its own tensors, because sending a row of a stack to another process sends the whole stack."""
        return replace(self, tensors={name: t.clone() for name, t in self.tensors.items()})


@dataclass(frozen=True)
class Snapshot:
    """Replicas at the same point of training: their tensors [K, ...] and, by run id in that order, their other values."""

    epoch: int
    step: int
    tensors: Mapping[str, Tensor]
    runs: Mapping[str, Mapping[str, Any]]

    def state(self, run_id: str) -> State:
        """Returns the state of one run."""
        k = list(self.runs).index(run_id)
        return State(run_id, self.epoch, self.step, {name: t[k] for name, t in self.tensors.items()}, self.runs[run_id])


def snapshot(training: Training) -> Snapshot:
    """Returns the state of a training between two updates of an epoch. The tensors are the stack's own, not copies."""
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
    """Puts a training that has not begun into these states: one per replica, in any order, all at the same point of training.

    Raises
    ------
    Unfit
        If the states do not fit these runs. The training cannot be used after that.
    """
    try:
        of = {state.run_id: state for state in states}
        _resume(training, [of[spec.run_id] for spec in training.replicas.specs])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # other names, types, lengths or shapes
        raise Unfit(f"{type(error).__name__}: {error}".splitlines()[0]) from error


def _resume(training: Training, states: Sequence[State]) -> None:
    replicas, underway, first = training.replicas, training.underway, states[0]
    for name, whole in _filled(training):
        for row, state in zip(whole, states, strict=True):
            # A stack has learned rates at every site where any of its replicas has noise. A replica without noise there may
            # come from a stack that lacked these tensors; its rate is 0 and stays 0.
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
    """Yields references to the stacked tensors that training changes in place, by name."""
    model = training.replicas.model
    names = [name for name, _ in model.named_parameters()]
    yield from ((f"model/{name}", t.detach()) for name, t in stack.state(model).items())
    for i, moments in enumerate(training.optimizer.moments()):
        yield from ((f"moment/{i}/{name}", t) for name, t in zip(names, moments, strict=True))
    yield from ((f"kept/{name}", t) for name, t in training.regularization.filled())
    yield from ((f"best/{name}", t) for name, t in training.early_stopping.weights().items())


def _under(prefix: str, state: State) -> dict[str, Tensor]:
    """Returns the tensors whose names have a prefix, by their names without it."""
    return {name.removeprefix(prefix): t for name, t in state.tensors.items() if name.startswith(prefix)}
