"""One update of a stack: implements `regularizers.base.Step`, the interface that regularizers get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial

from torch import Tensor
from typing_extensions import override

from dropbench.data.batch import Batch
from dropbench.engine.carried import carried, carry
from dropbench.engine.learned import LearnedRates
from dropbench.engine.mixing import mixed_at
from dropbench.engine.noise import StackNoise
from dropbench.engine.regularization import Active, Regularization
from dropbench.engine.replicas import Replicas
from dropbench.nn.cross_entropy import laid_out
from dropbench.nn.twice import differentiable_twice
from dropbench.regularizers.base import Step


class Update(Step):
    """The forward passes of one update, and the objective computed from them."""

    def __init__(self, replicas: Replicas, regularization: Regularization, batch: Batch) -> None:
        """Computes loss and objective with the noise on. `close` must be called at the end."""
        self._replicas, self._regularization = replicas, regularization
        self._seen: dict[str, Tensor] = {}
        self._again: dict[int, Tensor] = {}
        if regularization.passes:
            self._began = carried(replicas.model)
            regularization.record(replicas.noise)
        self._batch = regularization.examples(batch)
        self.loss, self._minimised = self._computed()
        """The mean loss of each replica with the noise on, [K], which a run without regularizers minimises."""

    def backward(self) -> None:
        """Computes the gradient with which the update is made and leaves it in `grad` of each parameter."""
        # Not `backward(ones)`: it gives the same bits, but torch imports SymPy for it, a third of a second per process.
        self._minimised.sum().backward()
        for one in self._regularization.slot("pass"):
            one.part.gradients(self, one.strength)

    def close(self) -> None:
        """Frees what is kept for further passes."""
        if self._regularization.passes:
            self._regularization.forget(self._replicas.noise)

    @property
    @override
    def batch(self) -> Batch:
        return self._batch

    @property
    @override
    def output(self) -> Tensor:
        return self._output

    @property
    @override
    def parameters(self) -> Mapping[str, Tensor]:
        return self._regularization.parameters()

    @property
    @override
    def weights(self) -> list[Tensor]:
        return self._regularization.weights()

    @override
    def losses(self, output: Tensor, batch: Batch) -> Tensor:
        return self._replicas.losses_of(output, batch)

    @override
    def replay(self, x: Tensor) -> Tensor:
        self._replicas.noise.rewind()
        with self._undisturbed():
            return self._forward(x, self._replicas.noise)

    @property
    @override
    def further(self) -> int:
        return len(self._regularization.fresh)

    @override
    def again(self, place: int = 0) -> Tensor:
        assert place < self.further, "it declares no fresh_masks, or too few"
        if place not in self._again:
            with self._undisturbed():
                self._again[place] = self._forward(self._batch.x, self._regularization.fresh[place])
        return self._again[place]

    @override
    def activations(self, site: str | None) -> Tensor:
        return self._seen[site or list(self._regularization.given.sites)[-1]]

    @override
    def objective(self) -> Tensor:
        self._regularization.rewind(self._replicas.noise)
        with self._undisturbed():
            return self._computed()[1]

    def _computed(self) -> tuple[Tensor, Tensor]:
        replicas, noise = self._replicas, self._replicas.noise
        self._again.clear()
        if self._regularization.watches:
            noise = noise.edited(self._see)
        self._output = self._forward(self._batch.x, noise)
        if any(self._regularization.slot("loss")) and replicas.outline.task in ("classify", "predict_next"):
            self._output = self._output.view_as(self._output)  # so that this hook runs before any on the model's output
            self._output.register_hook(laid_out)
        loss = objective = self.losses(self._output, self._batch)
        if isinstance(replicas.model, LearnedRates):
            objective = loss + replicas.model.penalty(replicas.noise, replicas.batches.part_sizes()["train"])
        for one in self._regularization.slot("loss"):
            objective = one.part.loss(self, objective, one.strength, one.draws)
        return loss, objective

    def _forward(self, x: Tensor, noise: StackNoise) -> Tensor:
        for one in self._regularization.slot("inputs"):
            if one.part.acts_at:
                noise = noise.edited(partial(_acting, one))
        if (mixed := self._batch.mixed) is not None and mixed.at:
            noise = noise.edited(partial(mixed_at, mixed))
        foreign = not self._replicas.outline.stacked
        twice = differentiable_twice(foreign) if self._regularization.twice else nullcontext()
        with twice, self._replicas.autocast():
            output: Tensor = self._replicas.model(x, noise)
        return output

    def _see(self, site: str, x: Tensor) -> Tensor:
        self._seen[site] = x
        return x

    @contextmanager
    def _undisturbed(self) -> Iterator[None]:
        """Context manager for a further pass, which starts from the first pass's carried state and keeps running statistics."""
        model = self._replicas.model
        buffers = [(part, name, b) for part in model.modules() for name, b in part.named_buffers(recurse=False)]
        ended = carried(model)
        carry(model, *self._began)
        # The pass gets copies, because the first pass is still to be differentiated and its buffers must not change.
        for part, name, buffer in buffers:
            setattr(part, name, buffer.clone())
        try:
            yield
        finally:
            carry(model, *ended)
            for part, name, buffer in buffers:
                setattr(part, name, buffer)


def _acting(one: Active, site: str, x: Tensor) -> Tensor:
    return one.part.at_site(x, one.strength, one.draws) if site in one.part.acts_at else x
