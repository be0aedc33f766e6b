"""The training loop: one cohort, from seeds to results. A run by itself is a cohort of one."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from hydra.utils import get_object
from torch import Tensor

from dropbench.data.base import Table
from dropbench.dropout import schedule
from dropbench.engine import gradients, stack, vmap_check
from dropbench.engine.batches import Batch, batches_for
from dropbench.engine.early_stopping import Watch
from dropbench.engine.evaluate import evaluate
from dropbench.engine.learned import LearnedRates
from dropbench.engine.lr_schedule import lr_factor
from dropbench.engine.noise import StackNoise
from dropbench.engine.objective import losses
from dropbench.engine.optimizer import StackedOptimizer
from dropbench.engine.probe import Probed, is_probe, probe
from dropbench.engine.result import Listener, Progress, Row, RunResult
from dropbench.engine.uncertainty import uncertainty
from dropbench.hardware.memory import Peak
from dropbench.planning.outline import outline
from dropbench.planning.variants import arm_rates, variant
from dropbench.spec import RunSpec

_NORM_SAMPLES = 4
_EVAL_BYTES = 4 * 2**20


class Cohort:
    """Runs that train as one stacked model.

    They share everything but seed, rates, placement, learning rate and weight decay; an arm without dropout may join arms of
    any one variant, at rate 0. A replica that stops early or diverges is taken out of the stack, and costs nothing after.
    """

    def __init__(
        self,
        specs: Sequence[RunSpec],
        table: Table,
        device: torch.device,
        others: Mapping[str, Tensor] | None = None,
    ) -> None:
        """`others` are the examples that metrics set those of the table against: see `outline.others`."""
        # Neighbours with the same optimizer settings are updated by one kernel call.
        self.specs = sorted(specs, key=lambda s: (s.train.lr, s.train.weight_decay, s.seed, s.run_id))
        self.device = device
        self.size = len(self.specs)
        self._fingerprint = table.fingerprint
        first = self.specs[0]
        self.train = first.train
        seeds = [s.seed for s in self.specs]
        plan = outline(first.model, table)
        sites = plan.sites
        self.task = plan.task
        self.eval = first.eval
        self.others = others
        self.batches = batches_for(
            table, first.data, plan.view, self.train.batch_size, self.train.augment, seeds, device
        )
        self.model = stack.build(first.model, plan, seeds, device, self.train, table.graph)
        self.rates = {s.run_id: arm_rates(s.dropout, sites) for s in self.specs}
        noisy = next((s.dropout for s in self.specs if self.rates[s.run_id]), first.dropout)
        self.noise = StackNoise(
            variant(noisy),
            sites,
            [self.rates[s.run_id] for s in self.specs],
            seeds,
            plan.noise_batch(self.train.batch_size),
            device,
        )
        self.parameter_count = sum(p[0].numel() for p in self.model.parameters())
        if learned := self.noise.learned():
            self.model = LearnedRates(self.model, learned).to(device)
        self.parameters = list(self.model.parameters())
        self.optimizer = StackedOptimizer(
            self.parameters,
            self.train,
            [s.train.lr for s in self.specs],
            [s.train.weight_decay for s in self.specs],
            undecayed=[name.startswith("logit_") for name, _ in self.model.named_parameters()] if learned else (),
        )
        measured = {name: partial(get_object(m.target), **m.options) for name, m in first.metric.items()}
        self.metrics = {name: m for name, m in measured.items() if not is_probe(m)}
        self.probes = {name: m for name, m in measured.items() if is_probe(m)}
        self.sites = sites
        # Of one replica's making, not the stack's: see evaluate(). A graph is computed whole, whatever is asked of it.
        widest = max((math.prod(s.shape) for s in sites if s.kind in ("activation", "feedforward")), default=1)
        self.chunk = len(table.y) if table.graph is not None else max(128, min(1024, _EVAL_BYTES // (4 * widest)))
        self.noise_chunk = plan.noise_batch(self.chunk)
        self.notes = [] if plan.stacked else [vmap_check.note(first.model, plan, self.train, str(device))]
        self.schedules = {
            s.run_id: schedule.resolve(s.dropout.schedule.target, s.dropout.schedule.options) for s in self.specs
        }
        self.scheduled = any(s.dropout.schedule.name != "constant" for s in self.specs)
        self.watch = Watch(self.train, self.model, self.size)
        self.history: dict[str, list[Row]] = {s.run_id: [] for s in self.specs}
        self._ones = torch.ones(self.size, device=device)
        self._started = time.perf_counter()
        self._memory = Peak(device)

    def run(self, listen: Listener = lambda progress: None) -> Iterator[RunResult]:
        """Trains, and yields each run as soon as it is finished."""
        for epoch in range(1, self.train.epochs + 1):
            began = time.perf_counter()
            mean_loss, norms, factor = self._train_epoch(epoch)
            diverged = ~torch.isfinite(mean_loss)
            due = epoch % self.train.eval_every == 0 or epoch == self.train.epochs
            scores = self._scores() if due else {}
            for score in scores.values():
                diverged |= ~torch.isfinite(score).to(diverged.device)
            self._record(epoch, scores, norms, factor, time.perf_counter() - began)
            listen(Progress(epoch, self.train.epochs, {s.run_id: self.history[s.run_id][-1] for s in self.specs}))
            over = self.watch.update(epoch, scores, self.model)
            yield from self._retire(epoch, diverged.tolist(), over)
            if not self.specs:
                return

    def _train_epoch(self, epoch: int) -> tuple[Tensor, Tensor, float]:
        """The mean training loss and gradient norm of each replica, [K] each, and the last learning-rate factor."""
        steps = self.batches.steps
        sampled = {round(i * (steps - 1) / (_NORM_SAMPLES - 1)) for i in range(_NORM_SAMPLES)}
        total = torch.zeros(len(self.specs), device=self.device)
        norms: list[Tensor] = []
        factor = 1.0
        stack.begin(self.model)
        # The rates at the middle of each step: warm-up then starts above zero.
        progress = [epoch - 1 + (step + 0.5) / steps for step in range(steps)]
        dropout = self._schedule(self.specs, [[p] * len(self.specs) for p in progress])
        for step, batch in enumerate(self.batches.epoch()):
            factor = lr_factor(self.train, progress[step])
            if dropout is not None:
                self.noise.schedule(dropout[step])
            loss, norm = self.train_step(batch, factor, step in sampled)
            total += loss
            if norm is not None and step in sampled:  # of the same few steps where clipping measures them all
                norms.append(norm)
        # Not by `mean(0)`, which adds a column of a matrix in another order than a vector.
        return total / steps, sum(norms[1:], norms[0]) / len(norms), factor

    def _schedule(self, specs: Sequence[RunSpec], epochs: Sequence[Sequence[float]]) -> Tensor | None:
        """What the schedules of runs multiply their dropout rates by, [len(epochs), K], so many epochs of training into each.

        Of all steps at once, so that nothing waits for an accelerator in between. None if no rate ever changes.
        """
        if not self.scheduled:
            return None
        own = [self.schedules[s.run_id] for s in specs]
        table = [[at(e / self.train.epochs) for at, e in zip(own, each, strict=True)] for each in epochs]
        return torch.tensor(table, dtype=torch.float32, device=self.device)

    def train_step(self, batch: Batch, factor: float, measure: bool = False) -> tuple[Tensor, Tensor | None]:
        """One update of every replica: its loss, and its gradient norm before clipping where that is asked for, [K]."""
        each = self._losses(batch)
        for parameter in self.parameters:
            parameter.grad = None
        objective = each
        if isinstance(self.model, LearnedRates):
            objective = each + self.model.penalty(self.noise, self.batches.sizes()["train"])
        # Replicas share no weights, so the gradient of their sum is each replica's own gradient.
        objective.backward(self._ones[: len(objective)])
        limit = self.train.grad_clip
        norm = gradients.gradient_norm(self.parameters) if measure or limit is not None else None
        if norm is not None and limit is not None:
            gradients.clip(self.parameters, norm, limit)
        self.optimizer.step(factor)
        if self.train.max_norm is not None:
            gradients.max_norm(self.model, self.train.max_norm)
        return each.detach(), norm

    def _losses(self, batch: Batch) -> Tensor:
        """Each replica's mean loss over its batch, [K], with the noise on."""
        with self._autocast():
            output = self.model(batch.x, self.noise)
        return losses(self.task, output, batch, self.train.label_smoothing)

    def _scores(self) -> dict[str, Tensor]:
        """Training and validation metrics and their difference, all in evaluation mode, [K] each."""
        train = self.evaluate("train")
        val = self.evaluate("val")
        scores = {f"train_{m}": v for m, v in train.items()} | {f"val_{m}": v for m, v in val.items()}
        return scores | {f"gap_{m}": train[m] - val[m] for m in train}

    def evaluate(self, part: str) -> dict[str, Tensor]:
        """Each metric of each replica over `train`, `val` or `test`, in evaluation mode, [K]."""
        with self._autocast():
            return evaluate(self.model, self.noise, self.batches, part, self.metrics, self.chunk, self.task)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.train.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _record(self, epoch: int, scores: dict[str, Tensor], norms: Tensor, factor: float, seconds: float) -> None:
        columns = {name: value.tolist() for name, value in (*scores.items(), ("grad_norm", norms))}
        lrs = self.optimizer.lrs(factor)
        force = {site: rate.tolist() for site, rate in self.noise.rates().items()}
        memory = self._memory.mb()
        for k, spec in enumerate(self.specs):
            acting = self.rates[spec.run_id]
            row: Row = {"epoch": epoch, "updates": epoch * self.batches.steps, "lr": lrs[k]}
            row |= {name: values[k] for name, values in columns.items()}
            # A site where no replica has a rate above 0 has no noise, and what a run records does not tell.
            row |= {f"rate/{site}": force[site][k] if site in force else 0.0 for site in acting}
            row["seconds"] = seconds / len(self.specs)
            if memory is not None:
                row["peak_memory_mb"] = memory
            self.history[spec.run_id].append(row)

    def _retire(self, epoch: int, diverged: list[bool], over: list[bool]) -> Iterator[RunResult]:
        """Takes finished replicas out of the stack and yields their results."""
        last = epoch == self.train.epochs
        done = [k for k in range(len(self.specs)) if diverged[k] or over[k] or last]
        if not done:
            return
        leaving = torch.tensor(done, device=self.device)
        scores = self._test(leaving, epoch)
        results = [
            self._diverged(k, epoch) if diverged[k] else self._completed(k, {m: v[i] for m, v in scores.items()}, epoch)
            for i, k in enumerate(done)
        ]
        staying = [k for k in range(len(self.specs)) if k not in done]
        self.specs = [self.specs[k] for k in staying]
        if staying:
            self._narrow(torch.tensor(staying, device=self.device))
        yield from results

    def _test(self, replicas: Tensor, epoch: int) -> dict[str, list[Any]]:
        """Test metrics of some replicas at their chosen epochs, the only time the test split is read.

        With them what `eval.mode` adds, on validation too, and what probes find on all parts: a number a replica, or a row.
        """
        everyone = len(replicas) == len(self.specs)
        kept = self.model, self.noise, self.batches
        if not everyone:
            self.model = stack.extract(self.model, replicas)
            self.noise, self.batches = self.noise.narrowed(replicas), self.batches.narrowed(replicas)
        self.watch.restore(self.model, replicas)
        last = [self.watch.chosen(k, epoch) - 0.5 / self.batches.steps for k in replicas.tolist()]
        if (dropout := self._schedule([self.specs[k] for k in replicas.tolist()], [last])) is not None:
            self.noise.schedule(dropout[0])
        scores = {f"test_{name}": value.tolist() for name, value in self.evaluate("test").items()}
        for part in ("val", "test") if self.eval.mode != "deterministic" else ():
            scores |= {f"{part}_{name}": value.tolist() for name, value in self._uncertainty(part).items()}
        if self.probes:
            seeds = [self.specs[k].seed for k in replicas.tolist()]
            passes = self.eval.passes or 0 if self.eval.mode == "mc" else 0
            network = Probed(self.model, self.noise, self.batches, self.chunk, self.sites, seeds, passes, self.others)
            with self._autocast():
                scores |= {name: value.tolist() for name, value in probe(self.probes, network).items()}
        self.model, self.noise, self.batches = kept
        return scores

    def _uncertainty(self, part: str) -> dict[str, Tensor]:
        with self._autocast():
            at_a_time = self.chunk, self.noise_chunk
            return uncertainty(self.eval, self.model, self.noise, self.batches, part, self.metrics, *at_a_time)

    def _narrow(self, replicas: Tensor) -> None:
        stack.narrow(self.model, replicas)
        self.optimizer.narrow(replicas)
        self.watch.narrow(replicas)
        self.noise = self.noise.narrowed(replicas)
        self.batches = self.batches.narrowed(replicas)

    def _completed(self, k: int, test: dict[str, Any], epoch: int) -> RunResult:
        spec = self.specs[k]
        chosen = self.watch.chosen(k, epoch)
        row = self.history[spec.run_id][chosen - 1]
        metrics = {name: v for name, v in row.items() if name.startswith(("train_", "val_", "gap_"))}
        rows = {name: v for name, v in test.items() if isinstance(v, list)}
        numbers = {name: v for name, v in test.items() if name not in rows}
        return replace(self._result(spec, None, metrics | numbers, chosen), arrays=rows)

    def _diverged(self, k: int, epoch: int) -> RunResult:
        return self._result(self.specs[k], f"the loss was not finite in epoch {epoch}", {}, None)

    def _result(self, spec: RunSpec, reason: str | None, metrics: Row, chosen: int | None) -> RunResult:
        history = self.history[spec.run_id]
        return RunResult(
            spec=spec,
            status="completed" if reason is None else "diverged",
            reason=reason,
            metrics=metrics,
            history=history,
            chosen_epoch=chosen,
            sizes=self.batches.sizes(),
            parameters=self.parameter_count,
            rates=self.rates[spec.run_id],
            fingerprint=self._fingerprint,
            seconds=sum(row["seconds"] for row in history),
            cohort_size=self.size,
            peak_memory_mb=max((row["peak_memory_mb"] for row in history if "peak_memory_mb" in row), default=None),
            notes=self.notes,
            learned_rates={s: history[chosen - 1][f"rate/{s}"] for s in self.rates[spec.run_id]}
            if chosen is not None and isinstance(self.model, LearnedRates)
            else {},
        )
