"""The typed, frozen description of one run, and its ids, which are hashes.

It contains everything that changes a run's numbers. Device, paths, worker counts and loggers are in `dropbench.settings`, so
that a run trained on another machine, or by other workers, is the same run. `dropbench.identity` defines what is hashed.
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
"""A list of texts; a single one may be typed without brackets."""
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(gt=0, le=10**9)]
"""A count, with an upper limit beyond any sensible value."""
Task = Literal["classify", "regress", "predict_next", "reconstruct"]
"""What a model is trained for. Its class declares it in `task`; without that it predicts classes, or numbers if the data's
targets are numbers."""
BatchNorm = Literal["none", "before_activation", "after_activation", "after_dropout"]


class Frozen(BaseModel):
    """A pydantic model whose fields cannot be changed and that accepts no others."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, protected_namespaces=(), allow_inf_nan=False
    )


class Component(Frozen):
    """A part named by its import path (`_target_`), with the keyword-only arguments of its constructor as options.

    source: a hash of the code of a user's part; None for dropbench's own parts, which `version` identifies.
    """

    name: str
    target: str = Field(alias="_target_")
    version: int = 1
    source: str | None = None
    options: dict[str, Any] = {}

    @property
    def code(self) -> str:
        """The import path of the code that runs; if `target` is the part that runs a user's network, the network's path."""
        return identity.code(self.target, self.options)


CONSTANT = Component(name="constant", target="dropbench.dropout.schedule.constant")
"""The schedule of a rate that does not change."""


class DropoutSpec(Component):
    """A variant of dropout and where it acts.

    rate: the probability that an element is dropped, at every site. rates: rates that replace `rate` at some sites, by name or
    pattern of the site. placement: names or patterns of the sites; None: all that fit, except the input. schedule: the
    schedule of the rate over training.
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
    """A regularizer other than dropout.

    strength: the name of the option that is its strength. none_at: the value of that option that means "off". schedule: the
    schedule of the strength over training, as a factor from 0 ("off") to 1 (its full value).
    """

    strength: str
    none_at: float = 0.0
    schedule: Component = CONSTANT

    @property
    def value(self) -> float:
        """Its strength without a schedule."""
        return float(self.options[self.strength])

    @property
    def scheduled(self) -> bool:
        """Whether its strength changes over training."""
        return self.schedule.name != CONSTANT.name

    @property
    def silent(self) -> bool:
        """Whether it does nothing, so that the arm is the same without it."""
        return self.value == self.none_at


NONE = DropoutSpec(name="none", target="dropbench.dropout.none.NoDropout")
"""The variant of an arm without dropout, which replaces any variant at rate 0."""

Region = Annotated[str, BeforeValidator(str), Field(pattern=r"^\d+(\.\d*)?(pp|%)?$")]
"""Half the width of a region of equivalence, as one types it: `0.2pp` (points), `1%` (of the baseline's mean) or `0.01`."""


class Declaration(Frozen):
    """How the numbers of a metric are to be read.

    direction: which of two values is better. range: the smallest and the largest possible value, None if there is no bound.
    unit: `percent` for a fraction that is shown in percent, `nats`, or empty. region: the region of equivalence, unless a
    report is asked for another.
    """

    direction: Literal["higher", "lower", "neither"] = "neither"
    range: tuple[float | None, float | None] = (None, None)
    unit: str = ""
    region: Region = "1%"


class MetricSpec(Component, Declaration):
    """A metric and how to read its numbers.

    also: how to read further numbers that it returns under other names, by patterns such as `fgsm_*_accuracy`. Fields that are
    not given there have the defaults of `Declaration`, not the metric's own values.
    """

    also: dict[str, Declaration] = {}
    tasks: tuple[Task, ...] = ()
    """The tasks of models for which it can be measured; empty: all."""
    of_task: dict[str, Declaration] = {}
    """How to read it for models of certain tasks, for which its name stands for another number."""


class DataSpec(Component):
    """A data set and its split.

    n_train: the number of training examples; None: all that are left. val_fraction, test_fraction: shares of all examples, if
    there is no official split. split_seed: the seed of a split that all runs share; None: each run's seed has its own split.
    label_noise: the share of training labels that are replaced by another class.
    """

    n_train: Positive | None = None
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    split_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    label_noise: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def called(self) -> str:
        """The name of the data; for a user's file, the name of the file."""
        return identity.data_name({"name": self.name, **self.options})


class Augment(Frozen):
    """Image augmentation: largest shift in pixels, probability of a flip, largest angle in degrees, probability of erasing."""

    crop: Annotated[int, Field(ge=0, le=10**9)] = 0
    flip: Annotated[float, Field(ge=0, le=1)] = 0.0
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    erase: Annotated[float, Field(ge=0, le=1)] = 0.0

    def __bool__(self) -> bool:
        return any((self.crop, self.flip, self.rotation, self.erase))


class TrainSpec(Frozen):
    """Optimizer, learning rate, and the regularizers that are keys of `train`; conf/train/default.yaml explains each key.

    epochs: if `updates` is given, it follows from them and the data; it is correct only once the data have been loaded, and it
    is not part of any id. stop_at: the epoch after which a run ends although its schedules are longer; None: the last epoch.
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
    """Names or patterns of the parameters on which weight decay does not act; `vectors` stands for all biases, scales and
    shifts. None if there is no weight decay, whatever was given."""
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
        """Whether a network that predicts a number also predicts its variance."""
        return self.loss == "gaussian" and self.noise is None

    @property
    def restarts(self) -> int | None:
        """The number of cycles of the learning rate, or None if its schedule has no restarts."""
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
        """The metric on validation data by which a run stops early and chooses its epoch."""
        return self.monitor.removeprefix("val_")

    def length(self, steps: int) -> float:
        """Returns the length of training in epochs of `steps` updates; a fraction if the last epoch is cut short."""
        return self.epochs if self.updates is None else self.updates / steps


class EvalSpec(Frozen):
    """How metrics are computed: with the noise off, and in other modes also over `passes` passes with the noise on."""

    mode: Literal["deterministic", "mc", "ensemble"] = "deterministic"
    passes: Annotated[int, Field(ge=2, le=10**9)] | None = Field(None, validate_default=True)
    """The number of passes, by default 30. None in deterministic mode, so that equal runs have equal specs."""

    @field_validator("passes", mode="after")
    @classmethod
    def _of_a_mode_with_noise(cls, value: int | None, info: ValidationInfo) -> int | None:
        return None if info.data.get("mode") == "deterministic" else value or 30


_OF_RUN, _OF_ARM = ("run_id",), ("_hashes", "setting_id", "arm_id")
"""Cached properties that depend on the seed, and those that do not."""


class RunSpec(Frozen):
    """A run: one arm under one seed.

    variants: the key `dropout` of the configuration, in the order in which several variants act at one site. regularizers:
    those that are separate parts, sorted by name. data_fingerprint: the fingerprint of the data that it is trained on; None
    until the data have been loaded, because the run's id is not known before.
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
        """The arm's only variant. Raises ValueError if it has several."""
        (one,) = self.variants
        return one

    @property
    def sources(self) -> dict[str, str]:
        """The hashes of the sources of the user's parts, by import path."""
        return {part.code: part.source for part in self._parts() if part.source is not None}

    @property
    def to_the_end(self) -> RunSpec:
        """The same run without `train.stop_at`, so that it trains to its last epoch."""
        if self.train.stop_at is None:
            return self
        return self.model_copy(update={"train": self.train.model_copy(update={"stop_at": None})})

    @cached_property
    def _hashes(self) -> tuple[str, str]:
        return identity.arm_hashes(self.as_dict(), self.data_fingerprint, self.sources)

    @property
    def kin(self) -> tuple[int, ...]:
        """A key that is equal for runs that were derived from each other by `under`, as long as one of them exists.

        If it is equal, runs differ only in their seed. Runs that differ only in their seed need not have equal keys.
        """
        return tuple(id(getattr(self, name)) for name in _BUT_SEED)

    def under(self, seed: int) -> Self:
        """Returns the same arm under another seed, from 0 to 2**63 - 1. The runs share all other objects and the hashes."""
        _ = self.setting_id, self.arm_id  # computed now, so that the copy has them and the hashes too
        return self.model_copy(update={"seed": seed})

    @cached_property
    def setting_id(self) -> str:
        """The id of the configuration alone: see `dropbench.identity`."""
        return identity.under(self._hashes, self.seed)["setting_id"]

    @cached_property
    def arm_id(self) -> str:
        """The id of the configuration on this data with these sources; runs that share it are repetitions of one arm."""
        return identity.under(self._hashes, self.seed)["arm_id"]

    @cached_property
    def run_id(self) -> str:
        """The id of the arm under its seed."""
        return identity.under(self._hashes, self.seed)["run_id"]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Returns a copy with updated fields and without the cached ids; if only the seed changes, it keeps the arm's hashes.

        `dropout` may be updated in place of `variants`, for an arm of one variant.
        """
        update = dict(update or {})
        if "dropout" in update:
            update["variants"] = (update.pop("dropout"),)
        copied = super().model_copy(update=update, deep=deep)
        for name in _OF_RUN if update.keys() == {"seed"} else (*_OF_RUN, *_OF_ARM):
            copied.__dict__.pop(name, None)
        return copied

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values under the configuration's keys, with options next to the other keys of their component.

        A list of one variant is replaced by that variant. What is known about parts and data but cannot be typed is left out:
        hashes, and how to read metrics.
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
            if regularizer["none_at"] == 0:  # the usual value, which is the default if the key is missing
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
