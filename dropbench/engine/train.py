"""Trains a cohort, from the first step to the results."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from dropbench.data.batch import Batch
from dropbench.engine import divergence, gradients, stack
from dropbench.engine.early_stopping import EarlyStopping
from dropbench.engine.learned import LearnedRates
from dropbench.engine.lr_schedule import decay_factor, lr_factor, momentum_at
from dropbench.engine.optimizer import StackedOptimizer, paces_of
from dropbench.engine.rate_schedules import RateSchedules
from dropbench.engine.regularization import Regularization
from dropbench.engine.replicas import Replicas
from dropbench.engine.result import USUAL, Keep, Listener, Progress, Row, RunResult, Weights
from dropbench.engine.scores import Tested, tested, validated
from dropbench.engine.step import Update
from dropbench.engine.weights import weights
from dropbench.hardware.blas import products
from dropbench.hardware.memory import Peak
from dropbench.spec import RunSpec

_NORM_SAMPLES = 4


@dataclass
class Epoch:
    """The current epoch.

    Attributes
    ----------
    epoch : int
        Its number, from 1.
    loss : Tensor
        The sum of the losses of its updates so far, [K].
    norms : list[Tensor]
        The gradient norms of the sampled updates so far, [K] each.
    step : int
        The number of updates done.
    before : float
        The seconds that an earlier process spent on it.
    began : float
        The time at which this process began it, by `time.perf_counter`.
    """

    epoch: int
    loss: Tensor
    norms: list[Tensor] = field(default_factory=list)
    step: int = 0
    before: float = 0.0
    began: float = 0.0


class Training:
    """Trains replicas together. A replica that stops early or diverges leaves the stack and costs nothing from then on."""

    def __init__(
        self,
        replicas: Replicas,
        regularization: Regularization,
        rates: Mapping[str, dict[str, float]],
        fingerprint: str,
        parameter_count: int,
        notes: list[str],
        keep: Keep = USUAL,
    ) -> None:
        """Called by `engine.build.build`, which should be used instead.

        Parameters
        ----------
        replicas : Replicas
            The replicas to train, in place.
        regularization : Regularization
            Their regularizers, apart from dropout and those in `TrainSpec`.
        rates : Mapping[str, dict[str, float]]
            By run id, the nominal rates of the run's variants by their labels.
        fingerprint : str
            The fingerprint of the data, for the results.
        parameter_count : int
            The number of parameters of one replica's model, without learned rates.
        notes : list[str]
            Sentences for the user about how these runs train.
        keep : Keep
            What is kept of each run besides its numbers.
        """
        self.replicas, self.regularization = replicas, regularization
        self.size = len(replicas)
        self.train = replicas.train
        self.parameters = list(replicas.model.parameters())
        self.learns_rates = isinstance(replicas.model, LearnedRates)
        self._learned = {one.label for one in replicas.noise.learned().values()}
        self.optimizer = StackedOptimizer(
            self.parameters,
            self.train,
            [s.train.lr for s in replicas.specs],
            [s.train.weight_decay for s in replicas.specs],
            paces_of(replicas.model, self.train.decay_exempt or ()),
        )
        self.length = self.train.length(replicas.batches.steps)
        whole = math.ceil(self.length)
        self.epochs = whole if self.train.stop_at is None else min(whole, self.train.stop_at)
        self.schedules = RateSchedules(replicas.specs, replicas.device, self.length)
        self.early_stopping = EarlyStopping(self.train, replicas.model, self.size, replicas.monitored_direction)
        self.history: dict[str, list[Row]] = {s.run_id: [] for s in replicas.specs}
        self.parents: dict[str, str] = {}
        """By run id, the id of the shorter run that it continues."""
        self._keep = keep
        self._rates, self._fingerprint, self._parameter_count, self._notes = rates, fingerprint, parameter_count, notes
        self.underway = Epoch(1, torch.zeros(self.size, device=replicas.device))
        self._memory = Peak(replicas.device)

    def run(
        self,
        listen: Listener = lambda progress: None,
        after_update: Callable[[], None] = lambda: None,
    ) -> Iterator[RunResult]:
        """Trains from the current state on and yields each run as soon as it is finished.

        Parameters
        ----------
        listen : Listener
            Called at the end of each epoch.
        after_update : Callable
            Called after each update of the weights, when a snapshot can be taken. If it raises, the training ends.
        """
        for epoch in range(self.underway.epoch, self.epochs + 1):
            self.underway.began = time.perf_counter()
            loss, norms, factor = self._train_epoch(after_update)
            last = epoch == self.epochs
            specs, results = self.replicas.specs, []
            with self.regularization.evaluated(self.replicas, self._share(epoch)) as evaluated:
                scores = validated(evaluated) if last or epoch % self.train.eval_every == 0 else {}
                self._record(epoch, scores, norms, factor, self.seconds())
                listen(self.progress(epoch))
                over = self.early_stopping.update(epoch, scores, self.replicas.model)
                monitored = self.train.monitor if self.train.patience is not None else None
                diverged = divergence.of_epoch(epoch, loss, scores, monitored)
                leaving = [k for k in range(len(specs)) if diverged[k] or over[k] or last]
                if leaving:
                    results = self._results(leaving, diverged, epoch)
            staying = [k for k in range(len(specs)) if k not in leaving]
            if leaving and staying:
                self._narrow(torch.tensor(staying, device=self.replicas.device))
            yield from results
            if len(leaving) == len(specs):
                return
            self.underway = Epoch(epoch + 1, torch.zeros(len(self.replicas), device=self.replicas.device))

    def progress(self, epoch: int) -> Progress:
        """Returns the progress at the end of an epoch, from 1, that has ended."""
        rows = {s.run_id: self.history[s.run_id][epoch - 1] for s in self.replicas.specs}
        return Progress(epoch, self.epochs, rows)

    def note(self, text: str) -> None:
        """Adds a note about these runs to their results, unless it is there already."""
        if text not in self._notes:
            self._notes.append(text)

    def seconds(self) -> float:
        """Returns the seconds that the current epoch has taken so far."""
        return self.underway.before + time.perf_counter() - self.underway.began

    def _train_epoch(self, after_update: Callable[[], None]) -> tuple[Tensor, Tensor, float]:
        """Trains an epoch; returns each replica's mean loss and gradient norm, [K] each, and the last learning-rate factor."""
        specs, batches, underway = self.replicas.specs, self.replicas.batches, self.underway
        steps = self._updates_until(underway.epoch) - self._updates_until(underway.epoch - 1)
        sampled = {round(i * (steps - 1) / (_NORM_SAMPLES - 1)) for i in range(_NORM_SAMPLES)}
        # Schedules are evaluated at the middle of each step, so that warm-up starts above zero.
        progress = [underway.epoch - 1 + (step + 0.5) / batches.steps for step in range(steps)]
        rate_factors = self.schedules.factors(specs, [[p] * len(specs) for p in progress])
        if underway.step == 0:
            stack.begin(self.replicas.model)
        elif rate_factors is not None:  # if the epoch's evaluation comes next, it needs the rates of the last update
            self._scale_rates(rate_factors[underway.step - 1])
        for batch in batches.epoch(underway.step):
            if underway.step == steps:  # the last epoch is cut short by `train.updates`
                break
            step = underway.step
            if rate_factors is not None:
                self._scale_rates(rate_factors[step])
            self.regularization.at(progress[step] / self.length)
            loss, norm = self.train_step(
                batch,
                lr_factor(self.train, progress[step], self.length),
                step in sampled,
                decay_factor(self.train, progress[step], self.length),
                momentum_at(self.train, progress[step], self.length),
            )
            underway.loss += loss
            if norm is not None and step in sampled:  # clipping measures the norm at every step, but only these count
                underway.norms.append(norm)
            underway.step += 1
            after_update()
        norms = underway.norms
        # Not `mean(0)`, which adds up a column of a matrix in another order than a vector.
        factor = lr_factor(self.train, progress[-1], self.length)
        return underway.loss / steps, sum(norms[1:], norms[0]) / len(norms), factor

    def _updates_until(self, epoch: int) -> int:
        """Returns the number of updates from the beginning of training to the end of an epoch."""
        whole = epoch * self.replicas.batches.steps
        return whole if self.train.updates is None else min(whole, self.train.updates)

    def _share(self, epoch: int) -> float:
        """Returns the share of training that is done at the end of an epoch."""
        return self._updates_until(epoch) / (self.length * self.replicas.batches.steps)

    def train_step(
        self, batch: Batch, factor: float, measure: bool = False, decay: float = 1.0, momentum: float | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Makes one update of every replica; returns its loss [K] and, if asked for, its gradient norm before clipping [K].

        Learning rates are multiplied by `factor` and weight decays by `decay`, both in [0, 1]. `momentum` is SGD's momentum;
        None: the one in the settings. The norm is computed if `measure` is true or gradients are clipped, else it is None.
        """
        replicas = self.replicas
        for parameter in self.parameters:
            parameter.grad = None
        update = Update(replicas, self.regularization, batch)
        # Replicas share no weights, so the gradient of the sum of their losses gives each replica its own gradient.
        update.backward()
        update.close()
        limit = self.train.grad_clip
        norm = gradients.gradient_norm(self.parameters) if measure or limit is not None else None
        if norm is not None and limit is not None:
            gradients.clip(self.parameters, norm, limit)
        done = self._updates_until(self.underway.epoch - 1) + self.underway.step
        self.regularization.gradient(done)
        self.optimizer.step(factor, decay, momentum)
        if self.train.max_norm is not None:
            gradients.max_norm(replicas.model, self.train.max_norm)
        self.regularization.updated((done + 1) / (self.length * replicas.batches.steps))
        return update.loss.detach(), norm

    def _scale_rates(self, factors: Tensor) -> None:
        self.replicas.noise.scale_rates(factors)
        self.regularization.scale_rates(factors)

    def _record(self, epoch: int, scores: dict[str, Tensor], norms: Tensor, factor: float, seconds: float) -> None:
        """Appends a row to the history of each replica."""
        replicas = self.replicas
        columns = {name: value.tolist() for name, value in (*scores.items(), ("grad_norm", norms))}
        lrs = self.optimizer.lrs(factor)
        in_force = {site: rate.tolist() for site, rate in replicas.noise.rates().items()}
        memory = self._memory.mb()
        for k, spec in enumerate(replicas.specs):
            row: Row = {"epoch": epoch, "updates": self._updates_until(epoch), "lr": lrs[k]}
            row |= {name: values[k] for name, values in columns.items()}
            # A site where no replica has a rate above 0 has no noise, but its rate is recorded as 0 all the same.
            row |= {f"rate/{s}": in_force[s][k] if s in in_force else 0.0 for s in self._rates[spec.run_id]}
            row["seconds"] = seconds / len(replicas)
            if memory is not None:
                row["peak_memory_mb"] = memory
            self.history[spec.run_id].append(row)

    def _results(self, leaving: Sequence[int], diverged: Sequence[str | None], epoch: int) -> list[RunResult]:
        """Returns the results of the replicas at these places; diverged: the reason why each replica of the stack has."""
        device = self.replicas.device
        chosen_epochs = [self.early_stopping.chosen(k, epoch) for k in leaving]
        found = self._tested(torch.tensor(leaving, device=device), chosen_epochs, epoch)
        return [
            self._result(
                self.replicas.specs[k],
                chosen,
                found[i],
                diverged[k] or found[i].lost,
            )
            for i, (k, chosen) in enumerate(zip(leaving, chosen_epochs, strict=True))
        ]

    def _tested(self, leaving: Tensor, chosen_epochs: Sequence[int], epoch: int) -> list[Tested]:
        """Returns the test results of the replicas at these places at their chosen epochs; only here is the test split read."""
        replicas = self.replicas if len(leaving) == len(self.replicas) else self.replicas.extracted(leaving)
        last = self._last(replicas, leaving, epoch) if self._keep.weights == "last" else []
        self.early_stopping.restore(replicas.model, leaving)
        replicas = self.regularization.ensembled(replicas, leaving, [self._share(e) for e in chosen_epochs])
        rows = [self.history[s.run_id][e - 1] for s, e in zip(replicas.specs, chosen_epochs, strict=True)]
        found = tested(replicas, self.schedules, chosen_epochs, self._keep)
        lost = divergence.lost(replicas, rows, [one.scores for one in found])
        found = [replace(one, lost=reason) for one, reason in zip(found, lost, strict=True)]
        return [replace(one, weights=w) for one, w in zip(found, last, strict=True)] if last else found

    def _last(self, replicas: Replicas, leaving: Tensor, epoch: int) -> list[Weights]:
        """Returns the weights that are evaluated at the epoch that has just ended."""
        replicas = self.regularization.ensembled(replicas, leaving, [self._share(epoch)] * len(replicas))
        return weights(replicas, [epoch] * len(replicas))

    def _narrow(self, staying: Tensor) -> None:
        self.replicas = self.replicas.narrowed(staying)
        self.optimizer.narrow(staying)
        self.regularization.narrow(staying)
        self.early_stopping.narrow(staying)

    def _result(self, spec: RunSpec, chosen: int, test: Tested, reason: str | None) -> RunResult:
        """Returns the result of a run that has ended: the metrics of the chosen epoch, or the `reason` why it is lost."""
        diverged = reason is not None
        history, rates = self.history[spec.run_id], self._rates[spec.run_id]
        row = history[chosen - 1]
        measured: dict[str, Any] = {}
        if not diverged:
            measured = {name: v for name, v in row.items() if name.startswith(("train_", "val_", "gap_"))}
            measured.update({**test.scores, **test.probed})
        return RunResult(
            spec=spec,
            status="diverged" if diverged else "completed",
            reason=reason,
            metrics={name: v for name, v in measured.items() if not isinstance(v, list)},
            arrays={name: v for name, v in measured.items() if isinstance(v, list)},
            history=history,
            chosen_epoch=None if diverged else chosen,
            part_sizes=self.replicas.batches.part_sizes(),
            parameters=self._parameter_count,
            rates=rates,
            fingerprint=self._fingerprint,
            seconds=sum(row["seconds"] for row in history),
            cohort_size=self.size,
            peak_memory_mb=max((row["peak_memory_mb"] for row in history if "peak_memory_mb" in row), default=None),
            notes=self._notes,
            own_noise=list(self.replicas.outline.own_noise),
            task=self.replicas.outline.task,
            learned_rates={
                label: row[f"rate/{label}"]
                for label in rates
                if self.learns_rates and not diverged and (len(spec.variants) == 1 or label in self._learned)
            },
            weights=None if diverged else test.weights,
            predictions=None if diverged else test.predictions,
            test_classes={} if diverged else test.classes,
            parent=self.parents.get(spec.run_id),
            products=products(self.replicas.device.type),
        )
