"""Finds reasons why an arm cannot be trained, and warnings about arms that can."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dropbench.config.parts import locate
from dropbench.data import augment, text
from dropbench.data.split import batch_sizes, split
from dropbench.errors import UsageError, nearest
from dropbench.identity import HOST
from dropbench.planning.decay import VECTORS, exempt
from dropbench.planning.outline import Outline, constructor
from dropbench.planning.regularizers import cannot, idle, one_descent
from dropbench.planning.sources import others
from dropbench.planning.trial import LATE, needs_two
from dropbench.planning.variants import arm_rates, keys, places, together, variant
from dropbench.process.apart import PartFailed, apart
from dropbench.settings import Settings
from dropbench.spec import CONSTANT, Component, DataSpec, RunSpec, TrainSpec
from dropbench.values import written

if TYPE_CHECKING:
    from dropbench.data.base import Table

_TOLD = 3
"""The most parts of a module that a sentence names."""


def warnings(spec: RunSpec, outline: Outline) -> list[str]:
    """Returns warnings about this arm: about its sites with noise, about noise elsewhere, and about settings without effect."""
    sites = {s.name: s for s in outline.sites}
    acting = [variant(v) for v in spec.variants]
    return [
        *([_own_noise(spec.model, outline.own_noise)] if outline.own_noise else []),
        *([_idle(spec.model.name, outline.idle)] if outline.idle else []),
        *([_single(spec.model.name, outline.single)] if outline.single else []),
        *([_heads(spec.model.name, outline.heads)] if outline.heads else []),
        *([_one_layer(spec.model.name, outline.one_layer)] if outline.one_layer else []),
        *([_normalised(spec.model)] if outline.probabilities and outline.task == "classify" else []),
        *idle(spec, outline),
        *one_descent(spec),
        *(
            warning
            for p in places(spec.variants, outline.sites)
            if p.rate and (warning := acting[p.slot].warns(sites[p.site]))
        ),
        *_another_recipe(spec),
        *_idle_settings(spec.train),
    ]


def _another_recipe(spec: RunSpec) -> Iterator[str]:
    """Yields a warning if a model is not trained with a recipe that it was made for."""
    recipes = getattr(locate(spec.model.target), "recipes", ())
    if recipes and spec.train.name not in recipes:
        meant = " or ".join(f"train={name}" for name in recipes)
        yield f"model={spec.model.name} is made for {meant}, and learns slowly at learning rates that suit other networks"


def _idle_settings(train: TrainSpec) -> Iterator[str]:
    """Yields a warning for each training setting that has no effect with the others."""
    if train.decay_schedule != "constant" and not train.weight_decay:
        yield f"train.decay_schedule={train.decay_schedule} has no effect, because train.weight_decay is 0"
    if train.cycles is not None and train.restarts is None:
        yield f"train.cycles={train.cycles} has no effect with train.schedule={train.schedule}; only cosine_restarts uses it"
    if train.beta2 is not None and train.optimizer == "sgd":
        yield f"train.beta2={train.beta2:g} has no effect with train.optimizer=sgd; only adam and adamw use it"
    if train.momentum_start is not None and train.optimizer != "sgd":
        told = f"train.momentum_start={train.momentum_start:g}"
        yield f"{told} has no effect with train.optimizer={train.optimizer}; only sgd uses it"
    if train.momentum_epochs is not None and train.momentum_start is None:
        yield f"train.momentum_epochs={train.momentum_epochs:g} has no effect without train.momentum_start, such as 0.5"


def _own_noise(model: Component, parts: Sequence[str]) -> str:
    instead = "use nn.Dropout" if model.target == HOST else "use noise(site, x)"
    acts = (
        f"this noise acts in every arm, so even the arm called none has noise; {instead} instead, or remove the noise"
    )
    if late := [part.removesuffix(LATE) for part in parts if part.endswith(LATE)]:
        return (
            f"model={model.name} is noisy in evaluation, where two passes over the same examples should agree: {_some(late)} "
            f"draws random numbers itself or keeps something from earlier batches; {acts}"
        )
    return f"model={model.name} draws random numbers of its own ({_some(parts)}): {acts}"


def _idle(model: str, parts: Sequence[str]) -> str:
    told = f"dropout that is never called as a module, so dropbench cannot use it as a site ({_some(parts)})"
    return f"model={model} has {told}: it is off in every arm"


def _single(model: str, name: str) -> str:
    return (
        f"model={model} returns a single number beside its logits ({name}), such as a part of the loss: training does not use "
        "it, and minimises the loss of the logits alone; what it adds to the loss can be a regularizer (docs/regularizers.md)"
    )


def _heads(model: str, names: Sequence[str]) -> str:
    return (
        f"model={model} returns more outputs of the shape of its logits ({_some(names)}), such as those of auxiliary heads: "
        "training does not use them, and minimises the loss of the logits alone"
    )


def _one_layer(model: str, names: Sequence[str]) -> str:
    return (
        f"model={model}: torch's dropout of a recurrent network of one layer ({_some(names)}) does nothing, because it acts "
        "between layers; call an nn.Dropout after it in the forward, if there is to be one"
    )


def _normalised(model: Component) -> str:
    return (
        f"model={model.name} outputs probabilities, which are taken for logits: the loss applies a softmax to them once more, "
        "so the network trains slowly and its probabilities are too even; leave out the softmax at the end of its forward"
    )


def _some(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:_TOLD])}{f' and {len(parts) - _TOLD} more' if len(parts) > _TOLD else ''}"


def check(spec: RunSpec, table: Table, outline: Outline) -> str | None:
    """Returns why this arm cannot be trained, or None.

    Reasons are too few examples, too small a batch, augmentation of data without images, predictions that cannot be averaged, a
    variant without a site, a pattern that matches none, and parts that do not fit together.
    """
    try:
        augment.check(spec.train.augment, table.name, table.axes)
        if outline.view == "text":
            text.check(table, spec.data, spec.train.batch_size)
            n_train = 0
        else:
            n_train = training_examples(spec.data, table)
        acting = [arm_rates(v, outline.sites, key) for v, key in zip(spec.variants, keys(spec.variants), strict=True)]
    except UsageError as error:
        return str(error)
    if outline.batch_norm and n_train and (reason := _no_variance(spec, table, outline, n_train)):
        return reason
    if outline.task == "classify" and bool((table.y == table.y[0]).all()):
        return f"data '{table.name}' have a single class, so model={spec.model.name} has nothing to learn"
    if outline.own_noise and spec.eval.mode != "deterministic":
        return (
            f"eval.mode={spec.eval.mode} keeps on only the noise at dropbench's sites, but model={spec.model.name} draws "
            f"noise itself ({outline.own_noise[0]}); use noise(site, x) instead, or eval.mode=deterministic"
        )
    if spec.eval.mode != "deterministic" and outline.task not in ("classify", "regress"):
        return (
            f"eval.mode={spec.eval.mode} averages predictions of classes or numbers, but model={spec.model.name} makes none; "
            "type eval.mode=deterministic"
        )
    if reason := _no_loss(spec, table, outline) or _no_weight(spec, outline) or cannot(spec, outline, table):
        return reason
    idle = [i for i, rates in enumerate(acting) if not rates]
    return _no_site(spec, idle[0], outline) if idle else together(spec.variants, outline.sites)


def _no_variance(spec: RunSpec, table: Table, outline: Outline, n_train: int) -> str | None:
    """Returns why batch norm cannot be trained with these batches, or None. One example is enough if it is a map or a graph."""
    sizes = batch_sizes(n_train, spec.train.batch_size)
    construct = constructor(spec.model, outline.shape, outline.n_classes)
    if 1 not in sizes:
        return None
    needs = partial(needs_two, construct, outline.shape, table, outline.stacked)
    try:
        if not apart(spec.model.code, f"model={spec.model.name}", needs):
            return None
    except PartFailed:  # its training reports the error
        return None
    batch = "each batch" if set(sizes) == {1} else f"the last batch of {n_train} examples"
    return (
        f"train.batch_size={spec.train.batch_size} is too small for batch norm in model={spec.model.name}: {batch} would be a "
        f"single example, which has no variance; it must be at least {3 if n_train % 2 else 2}"
    )


def _no_loss(spec: RunSpec, table: Table, outline: Outline) -> str | None:
    """Returns why the loss does not fit what is to be predicted, or None."""
    train = spec.train
    if train.noise is not None and train.loss != "gaussian":
        return f"train.noise={train.noise:g} is the standard deviation of train.loss=gaussian; add that loss, or leave it out"
    if outline.task != "regress":
        if train.loss is not None:
            return (
                f"train.loss={train.loss} is a loss for numbers, but model={spec.model.name} on data '{table.name}' "
                "predicts none; leave it out, or read the target as a number: data.task=regress"
            )
        return None
    if train.class_weights is not None:
        weights = f"train.class_weights={train.class_weights}"
        return f"{weights} weighs classes, but data '{table.name}' have numbers to predict; leave it out"
    if train.label_smoothing:
        smoothing = f"train.label_smoothing={train.label_smoothing:g}"
        instead = "type train=realmlp_numbers" if train.name == "realmlp" else "leave it out"
        return f"{smoothing} is for classes, but data '{table.name}' have numbers to predict; {instead}"
    if train.loss != "gaussian" and "gaussian_nll" in spec.metric:
        return "metric=gaussian_nll needs a network that predicts a variance: type train.loss=gaussian, or leave it out"
    return None


def _no_weight(spec: RunSpec, outline: Outline) -> str | None:
    """Returns a message about a pattern in `train.decay_exempt` that matches no parameter, or None."""
    for pattern in spec.train.decay_exempt or ():
        if not exempt(outline.weights, (pattern,)) and pattern != VECTORS:
            known = [VECTORS, *outline.weights]
            return (
                f"train.decay_exempt={written([pattern])}: model={spec.model.name} has no such parameter; "
                f"{nearest(pattern, known)}"
            )
    return None


def no_schedule(spec: RunSpec) -> str | None:
    """Returns why this arm cannot have its schedule of the rate, or None."""
    for dropout, key in zip(spec.variants, keys(spec.variants), strict=True):
        name = dropout.schedule.name
        if name != CONSTANT.name and getattr(locate(dropout.target), "learned", False):
            return (
                f"dropout={dropout.name} learns its rate, so {key.replace('.', '/')}/schedule={name} has no effect; "
                "leave the schedule out, or choose a variant that does not learn its rate"
            )
    return None


def no_others(spec: RunSpec, table: Table, settings: Settings) -> str | None:
    """Returns why this arm cannot be compared with the data that its metrics name, or None."""
    try:
        others(spec, table, settings)
    except UsageError as error:
        return str(error)
    return None


def _no_site(spec: RunSpec, slot: int, outline: Outline) -> str | None:
    """Returns why one of its variants acts at no site, or None if it is the one that drops nothing by design."""
    dropout, key = spec.variants[slot], keys(spec.variants)[slot]
    idle = variant(dropout)
    if not idle.kinds:
        return None
    sites = outline.sites
    if spec.model.target == HOST and dropout.placement is None and "activation" in idle.kinds:
        return _no_layer(outline, f"model={spec.model.name}", dropout.name, key)
    able = [s for s in sites if idle.supports(s) is None]
    # Sites that must be named explicitly are no help to users who did not name them.
    if possible := [s.name for s in able if not s.asked] or [s.name for s in able]:
        if dropout.placement is None:
            return (
                f"dropout={dropout.name} acts in model={spec.model.name} only at sites that you name; type "
                f"{key}.placement={written(possible)}"
            )
        return (
            f"{key}.placement={written(dropout.placement)} leaves dropout={dropout.name} without a site in "
            f"model={spec.model.name}; include at least one of {', '.join(possible)}"
        )
    near = [reason for s in outline.usual if s.kind in idle.kinds and (reason := idle.supports(s))]
    why = (
        near[-1]
        if near
        else f"acts on {' and '.join(sorted(idle.kinds))} sites, and the model has none{_pairs(idle.kinds)}"
    )
    return f"dropout={dropout.name} has no site in model={spec.model.name}: it {why}"


def _no_layer(outline: Outline, model: str, variant: str, key: str) -> str:
    """Returns the message for a user's network without a dropout layer that is called: why there is none, and what to do."""
    told = f"{model} has no dropout layer that could become a site of dropout={variant}"
    because = []
    if outline.own_noise:
        drawing = _some([part.removesuffix(LATE) for part in outline.own_noise])
        because.append(f"noise of its own ({drawing}), such as F.dropout, cannot be taken over")
    if outline.idle:
        because.append(f"{_some(outline.idle)} is never called")
    if outline.one_layer:
        because.append(
            f"torch's dropout of a recurrent network of one layer ({_some(outline.one_layer)}) does nothing (it acts "
            "between layers)"
        )
    ways = ["call an nn.Dropout in its forward"]
    if outline.parts:
        example, few = _named(outline.parts), _some(outline.parts)
        named = f"name parts after which noise may act, such as model.sites=[{example}] (its parts: {few})"
        ways = [*ways, named] if because else [named]
    if outline.view != "tokens":
        ways.append(f"let it act on the input: {key}.placement=[input]")
    return f"{told}{', because ' if because else ''}{' and '.join(because)}: {', or '.join(ways)}"


def _pairs(kinds: Collection[str]) -> str:
    """Returns a hint how to get sites that models have only with certain options."""
    return (
        " (model.two_branches=true makes them: of resnet, and of mlp with model.skip=true)" if "pair" in kinds else ""
    )


def _named(parts: Sequence[str]) -> str:
    """Returns an example of a part: one that is neither first nor last, if possible."""
    return parts[min(len(parts) // 2, max(0, len(parts) - 2))]


def training_examples(data: DataSpec, table: Table) -> int:
    """Returns the number of training examples, which is the same for every seed. Raises UsageError if there are too few."""
    parts = split(
        table,
        n_train=data.n_train,
        val_fraction=data.val_fraction,
        test_fraction=data.test_fraction,
        label_noise=data.label_noise,
        split_draws=_zeros,
        noise_draws=_zeros,
    )
    return len(parts.train)


def _zeros(n: int) -> NDArray[np.uint64]:
    return np.zeros(n, dtype=np.uint64)
