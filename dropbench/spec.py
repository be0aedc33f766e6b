"""The typed, frozen description of one run, and the ids that are its hashes.

Everything that changes a run's numbers is in here: device, paths, worker counts and loggers are in `dropbench.settings`, so
that a run found on another machine, or trained by other workers, is the same run. `dropbench.identity` says what of it is
hashed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from dropbench import identity
from dropbench.values import word

SiteName = Annotated[str, BeforeValidator(word)]
Rate = Annotated[float, Field(ge=0, lt=1)]
"""Probability that an element is dropped."""
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
"""A list of texts, of which one by itself may be typed without brackets."""
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(gt=0, le=10**9)]
"""Of what is counted, up to what nobody means."""
Task = Literal["classify", "regress", "predict_next", "reconstruct"]
"""What a model is trained for: its class says so in `task`; one that says nothing tells classes, or numbers where the data have
numbers to predict."""
BatchNorm = Literal["none", "before_activation", "after_activation", "after_dropout"]


class Frozen(BaseModel):
    """A table of fields that cannot be changed and takes no others."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=(), allow_inf_nan=False
    )


class Component(Frozen):
    """A part named by its import path (`_target_`), with the keyword-only arguments of its constructor as options.

    source: a hash of the code where the part is a user's, None where it is dropbench's own, which `version` stands for.
    """

    name: str
    target: str = Field(alias="_target_")
    version: int = 1
    source: str | None = None
    options: dict[str, Any] = {}

    @property
    def code(self) -> str:
        """The import path of the code that runs, which is a user's where `target` takes a network of theirs."""
        return identity.code(self.target, self.options)


CONSTANT = Component(name="constant", target="dropbench.dropout.schedule.constant")
"""The schedule of a rate that stays as it is."""


class DropoutSpec(Component):
    """A variant of dropout and where it acts.

    rate: probability that an element is dropped, at every site. rates: by name or pattern of a site, in place of `rate` there.
    placement: names or patterns of the sites, None: all that fit but the input. schedule: of the rate over training.
    """

    rate: Rate = 0.0
    rates: dict[SiteName, Rate] = {}
    placement: tuple[SiteName, ...] | None = None
    schedule: Component = CONSTANT

    @field_validator("rates", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("placement", mode="before")
    @classmethod
    def _one_pattern_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(word(value), str) else value

    @property
    def silent(self) -> bool:
        """Whether it drops nothing anywhere, so that it is `NONE` under another name."""
        return identity.silent(self.rate, self.rates)


class RegularizerSpec(Component):
    """A regularizer beside dropout.

    strength: the option that says how strong it is. none_at: the value of it that is none. schedule: of the strength over
    training, a factor between none and the whole of it.
    """

    strength: str
    none_at: float = 0.0
    schedule: Component = CONSTANT

    @property
    def value(self) -> float:
        """How strong it is, without a schedule."""
        return float(self.options[self.strength])

    @property
    def scheduled(self) -> bool:
        """Whether its strength changes over training."""
        return self.schedule.name != CONSTANT.name

    @property
    def silent(self) -> bool:
        """Whether it does nothing, so that the arm is one without it."""
        return self.value == self.none_at


NONE = DropoutSpec(name="none", target="dropbench.dropout.none.NoDropout")
"""The variant of an arm without dropout, whatever the variant at rate 0 was called."""

Region = Annotated[str, BeforeValidator(str), Field(pattern=r"^\d+(\.\d*)?(pp|%)?$")]
"""Half the width of a region of equivalence as it is typed: `0.2pp` (points), `1%` (of the baseline's mean) or `0.01`."""


class Declaration(Frozen):
    """How the numbers of a metric are to be read.

    direction: which of two values is better. range: the least and the largest value there is, null where there is no bound.
    unit: `percent` for a fraction that people read in percent, `nats`, or nothing. region: differences within it count as none
    unless a report is asked for another.
    """

    direction: Literal["higher", "lower", "neither"] = "neither"
    range: tuple[float | None, float | None] = (None, None)
    unit: str = ""
    region: Region = "1%"


class MetricSpec(Component, Declaration):
    """A metric and how to read what it gives.

    also: for the names other than its own under which it gives numbers, patterns such as `fgsm_*_accuracy`, how to read those.
    What is not said there of such a number is as in `Declaration`, not as of the metric itself.
    """

    also: dict[str, Declaration] = {}
    tasks: tuple[Task, ...] = ()
    """Of models that it can be taken for; none: all."""
    of_task: dict[str, Declaration] = {}
    """How to read it where a model is trained for that task, for which the name stands for another number."""


class DataSpec(Component):
    """A data set and its split.

    n_train: how many examples to train on, None: all that are left. val_fraction, test_fraction: of all examples, where there
    is no official split. split_seed: of a split that is the same for all seeds, None: each seed has its own. label_noise: share
    of training labels that are another class's.
    """

    n_train: Positive | None = None
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    split_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    label_noise: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def called(self) -> str:
        """What they are called: those of a user's file as the file is."""
        return identity.data_name({"name": self.name, **self.options})


class Augment(Frozen):
    """Image augmentation: the largest shift in pixels, chance of a flip, largest angle in degrees, chance of an erasure."""

    crop: Annotated[int, Field(ge=0, le=10**9)] = 0
    flip: Annotated[float, Field(ge=0, le=1)] = 0.0
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    erase: Annotated[float, Field(ge=0, le=1)] = 0.0

    def __bool__(self) -> bool:
        return any((self.crop, self.flip, self.rotation, self.erase))


class TrainSpec(Frozen):
    """Optimizer, learning rate and the regularizers beside dropout; `conf/train/default.yaml` says what each key means.

    epochs: with `updates` it follows from them and the data, is right once those have been loaded, and is part of no id.
    stop_at: the epoch after which a run ends although its schedules go on, None: the last.
    """

    name: str = "default"
    epochs: Positive
    updates: Positive | None = None
    stop_at: Positive | None = None
    batch_size: Positive
    optimizer: Literal["sgd", "adam", "adamw"]
    lr: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    nesterov: bool
    momentum_start: Annotated[float, Field(ge=0, lt=1)] | None = None
    momentum_epochs: Annotated[float, Field(gt=0, le=10**9)] | None = None
    beta2: Annotated[float, Field(ge=0, lt=1)] | None = None
    weight_decay: Annotated[float, Field(ge=0)]
    decay_schedule: Literal["constant", "flat_cos"] = "constant"
    decay_exempt: Names | None = Field(None, validate_default=True)
    """Names or patterns of the parameters on which no weight decay acts, `vectors` among them for all that have one axis; None
    where there is no weight decay, whatever was given."""
    schedule: Literal["constant", "cosine", "cosine_restarts", "step", "coslog4"]
    warmup_epochs: Annotated[float, Field(ge=0, le=10**9)]
    step_every: Positive
    step_factor: Annotated[float, Field(gt=0, le=1)]
    step_first: Positive | None = None
    cycles: Positive | None = None
    label_smoothing: Fraction
    loss: Literal["mse", "huber", "gaussian"] | None = None
    noise: Annotated[float, Field(gt=0)] | None = None
    max_norm: Annotated[float, Field(gt=0)] | None
    grad_clip: Annotated[float, Field(gt=0)] | None
    patience: Positive | None
    monitor: str
    class_weights: Literal["balanced"] | None = None
    restore_best: bool
    eval_every: Positive
    precision: Literal["fp32", "bf16"]
    augment: Augment

    @property
    def says_variance(self) -> bool:
        """Whether a network that predicts a number says beside it how sure it is."""
        return self.loss == "gaussian" and self.noise is None

    @property
    def restarts(self) -> int | None:
        """How many cycles the learning rate has, of a schedule with restarts."""
        return (self.cycles or 5) if self.schedule == "cosine_restarts" else None

    @field_validator("decay_exempt", mode="after")
    @classmethod
    def _of_weight_decay(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        return tuple(sorted(set(value))) if value and info.data.get("weight_decay") else None

    @field_validator("monitor", mode="after")
    @classmethod
    def _of_validation(cls, value: str) -> str:
        if not re.fullmatch(r"val_\w+", value):
            raise ValueError("val_ and the name of a metric, such as val_accuracy")
        return value

    @property
    def monitored(self) -> str:
        """The metric by which a run stops early and chooses its epoch, on validation data."""
        return self.monitor.removeprefix("val_")

    def length(self, steps: int) -> float:
        """How long training is in epochs of so many `steps`: a fraction where the last is cut."""
        return self.epochs if self.updates is None else self.updates / steps


class EvalSpec(Frozen):
    """How metrics are taken: with the noise off, or over `passes` with it on."""

    mode: Literal["deterministic", "mc", "ensemble"] = "deterministic"
    passes: Annotated[int, Field(ge=2, le=10**9)] | None = Field(None, validate_default=True)
    """None where the mode is deterministic, whatever was given, so that the same run reads the same; else 30 for None."""

    @field_validator("passes", mode="after")
    @classmethod
    def _of_a_mode_with_noise(cls, value: int | None, info: ValidationInfo) -> int | None:
        return None if info.data.get("mode") == "deterministic" else value or 30


class RunSpec(Frozen):
    """One arm, one seed.

    variants: what the configuration calls `dropout`, in the order in which they act where several act at one site.
    regularizers: those beside dropout and the keys of `train`, by name. data_fingerprint: of the data that it is trained
    on, None until that has been loaded: the run's id is not known before.
    """

    model: Component
    variants: Annotated[tuple[DropoutSpec, ...], Field(min_length=1, alias="dropout")]
    regularizers: Annotated[tuple[RegularizerSpec, ...], Field(alias="regularizer")] = ()
    data: DataSpec
    train: TrainSpec
    eval: EvalSpec = EvalSpec()
    metric: dict[str, MetricSpec]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    data_fingerprint: str | None = None

    @field_validator("variants", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return value if isinstance(value, (list, tuple)) else (value,)

    @property
    def dropout(self) -> DropoutSpec:
        """The arm's one variant. Raises ValueError where it has several."""
        (one,) = self.variants
        return one

    @property
    def sources(self) -> dict[str, str]:
        """Hashes of the sources of the user's parts, by import path."""
        return {part.code: part.source for part in self._parts() if part.source is not None}

    @property
    def to_the_end(self) -> RunSpec:
        """The same run to its last epoch."""
        if self.train.stop_at is None:
            return self
        return self.model_copy(update={"train": self.train.model_copy(update={"stop_at": None})})

    @cached_property
    def _hashes(self) -> tuple[str, str]:
        return identity.arm_hashes(self.as_dict(), self.data_fingerprint, self.sources)

    @cached_property
    def _ids(self) -> dict[str, str]:
        return identity.under(self._hashes, self.seed)

    @property
    def kin(self) -> tuple[int, ...]:
        """What runs have alike that were made of one another by `under`, for as long as one of them is there.

        Where it is equal, runs differ in their seed alone; runs may differ in nothing else and not have it alike.
        """
        return tuple(id(getattr(self, name)) for name in _BUT_SEED)

    def under(self, seed: int) -> Self:
        """The same arm under another seed, from 0 to 2**63 - 1. What they share is there once, and hashed once."""
        _ = self._hashes  # so that the copy has them
        return self.model_copy(update={"seed": seed})

    @property
    def setting_id(self) -> str:
        """The id of the configuration alone: see `dropbench.identity`."""
        return self._ids["setting_id"]

    @property
    def arm_id(self) -> str:
        """The same on this data and with these sources: runs that share it are repetitions of one arm."""
        return self._ids["arm_id"]

    @property
    def run_id(self) -> str:
        """The arm under its seed."""
        return self._ids["run_id"]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Without the ids, which pydantic would copy with the rest. `dropout` may be given for a list of one of `variants`.

        What is hashed of an arm stays for its run under another seed.
        """
        update = dict(update or {})
        if "dropout" in update:
            update["variants"] = (update.pop("dropout"),)
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_ids", None)
        if update.keys() != {"seed"}:
            copied.__dict__.pop("_hashes", None)
        return copied

    def as_dict(self) -> dict[str, Any]:
        """Plain values under the names that the configuration uses, options beside the other keys of their component.

        A list of one variant reads as that variant. What is known of parts and data but not typed is left out: hashes, and how
        to read metrics.
        """
        how = dict.fromkeys(("source", *Declaration.model_fields, "also", "of_task", "tasks"), True)
        tree: dict[str, Any] = self.model_dump(
            mode="json",
            by_alias=True,
            exclude={"data_fingerprint": True, "metric": {"__all__": how}},
        )
        del tree["train"]["updates" if self.train.updates is None else "epochs"]  # a run has one of the two
        variants, regularizers = tree["dropout"], tree.pop("regularizer")
        for regularizer in regularizers:
            if regularizer["none_at"] == 0:  # as it mostly is, and is taken to be where it is not said
                del regularizer["none_at"]
        several = [*variants, *regularizers]
        parts = [tree["model"], tree["data"], *tree["metric"].values(), *several, *(v["schedule"] for v in several)]
        for part in parts:
            part.pop("source", None)
            part.update(part.pop("options"))
        beside = {"regularizer": {r["name"]: r for r in regularizers}} if regularizers else {}
        return {**tree, "dropout": variants[0] if len(variants) == 1 else variants, **beside}

    def _parts(self) -> Iterator[Component]:
        yield from (self.model, self.data, *self.metric.values())
        for variant in self.variants:
            yield from (variant, variant.schedule)
        for regularizer in self.regularizers:
            yield from (regularizer, regularizer.schedule)


_BUT_SEED = tuple(name for name in RunSpec.model_fields if name != "seed")
