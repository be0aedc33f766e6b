"""Where and how runs are carried out: nothing here changes a run's numbers, so nothing here is in its id."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_serializer

from dropbench.spec import Frozen, Positive

OF_TRAIN = ("loggers", "save", "extendable")
"""Keys of `train` that are settings and no part of a run."""


RAY = "ray"
"""The option of `execute` that trains on a Ray cluster."""
OF_RAY = ("address", "cpus", "gpus")
"""Its own keys."""


class Interval(Frozen):
    """How often something is done: every so many seconds, every so many epochs or, with neither, never."""

    seconds: float | None = None
    epochs: int | None = None

    def __bool__(self) -> bool:
        return self.seconds is not None or self.epochs is not None

    @model_serializer
    def _written(self) -> str | int:
        return self.epochs or (f"{self.seconds:g}s" if self.seconds else "off")


class SlurmSpec(Frozen):
    """What each task of an array job asks a Slurm cluster for, and how many tasks there may be."""

    cluster: Literal["slurm", "local"] = "slurm"
    tasks: Annotated[int, Field(gt=0, le=10_000)] = 50
    parallel: Positive | None = None
    """Tasks at a time; None: as many as the cluster allows."""
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: Annotated[int, Field(gt=0)] = 240
    """Minutes."""
    cpus: Annotated[int, Field(gt=0, le=1024)] = 4
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    memory: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """GB."""
    setup: tuple[str, ...] = ()
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @field_validator("partition", "account", "qos", mode="before")
    @classmethod
    def _name(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @field_validator("time", mode="before")
    @classmethod
    def _minutes(cls, value: Any) -> int:
        """From `90min`, `4h`, `2d`, or as Slurm writes it: `12:00:00`, `1-12:00:00`."""
        text = str(value).strip()
        if simple := re.fullmatch(r"(\d{1,6}(?:\.\d+)?) ?(min|h|d)", text):
            return math.ceil(float(simple[1]) * {"min": 1, "h": 60, "d": 1440}[simple[2]])
        if clock := re.fullmatch(r"(?:(\d{1,4})-)?(\d{1,4}):(\d\d):(\d\d)", text):
            days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
            return 1440 * days + 60 * hours + minutes + math.ceil(seconds / 60)
        raise ValueError("a time such as 90min, 4h, 2d or 1-12:00:00")

    @field_validator("memory", mode="before")
    @classmethod
    def _gigabytes(cls, value: Any) -> float | None:
        if value is None:
            return None
        if found := re.fullmatch(r"(\d{1,9}(?:\.\d+)?) ?(MB|GB|TB|M|G|T)", str(value).strip(), re.IGNORECASE):
            return float(found[1]) * {"M": 1 / 1024, "G": 1, "T": 1024}[found[2][0].upper()]
        raise ValueError("an amount such as 8GB or 500MB")


class ExecuteSpec(Frozen):
    """How many processes train, with how many threads each, how many runs are stacked in one model, and when it is saved."""

    name: str = "local"
    workers: Annotated[int, Field(gt=0, le=1024)] | Literal["auto"]
    threads: Annotated[int, Field(gt=0, le=1024)]
    cohort: Positive | Literal["auto"]
    checkpoint: Interval = Interval(seconds=30)
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Seconds that a cohort may train without the end of an epoch."""
    address: str | None = None
    """Of a Ray cluster; None: one that is started on this machine."""
    cpus: Annotated[float, Field(gt=0, le=1024)] | Literal["auto"] = "auto"
    gpus: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = "auto"
    """Processors and cards that a cohort takes of a cluster's node."""
    products: Literal["auto", "mkl", "torch", "openblas", "onednn"] = "auto"
    """By which library matrices are multiplied on a CPU: see hardware/blas.py. What workers are given is never `auto`."""
    slurm: SlurmSpec | None = None
    """Of an array job on a cluster; None: this command trains."""

    @field_validator("timeout", mode="before")
    @classmethod
    def _off(cls, value: Any) -> Any:
        return None if value is False or value == "off" else value

    @field_validator("checkpoint", mode="before")
    @classmethod
    def _interval(cls, value: Any) -> Any:
        """From `30s`, `2min`, a number of epochs, or `off`."""
        if isinstance(value, Interval):
            return value
        text = "off" if value is None or value is False else str(value).strip()
        if text == "off":
            return Interval()
        timed = re.fullmatch(r"(\d{1,9}(?:\.\d+)?) ?(s|min|h)", text)
        if timed and float(timed[1]):
            return Interval(seconds=float(timed[1]) * {"s": 1, "min": 60, "h": 3600}[timed[2]])
        if re.fullmatch(r"[1-9]\d{0,8}", text):
            return Interval(epochs=int(text))
        raise ValueError("a time such as 30s or 2min, a number of epochs such as 5, or off")


class Settings(Frozen):
    """Where and how runs are carried out: nothing here changes a run's numbers, so nothing here is in its id."""

    device: str
    """`auto`, one as torch names it, or several cards: `cuda:0,cuda:1`."""
    results: Path
    execute: ExecuteSpec
    data_root: Path | None = Field(None, validation_alias="data.root")
    data_download: bool = Field(False, validation_alias="data.download")
    train_loggers: tuple[Literal["csv", "tensorboard", "mlflow"], ...] = Field((), validation_alias="train.loggers")
    train_save: Literal["best", "last"] | None = Field(None, validation_alias="train.save")
    train_extendable: bool = Field(False, validation_alias="train.extendable")
    eval_keep: Literal["auto", "probabilities"] | None = Field("auto", validation_alias="eval.keep")
    gone_on_with: bool = False
    """Whether runs that end at `train.stop_at` are kept as they are then, for longer ones to go on with: rungs of a search."""

    @field_validator("device", mode="before")
    @classmethod
    def _several_devices(cls, value: Any) -> Any:
        """`[cuda:0,cuda:1]` and `"cuda:0, cuda:1"` are one text, `cuda:0,cuda:1`."""
        names = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else None
        return value if names is None else ",".join(str(name).strip() for name in names)

    @field_validator("train_save", "eval_keep", mode="before")
    @classmethod
    def _none_is_nothing(cls, value: Any) -> Any:
        return None if value == "none" else value

    @field_validator("train_loggers", mode="before")
    @classmethod
    def _one_name_is_a_list(cls, value: Any) -> Any:
        if isinstance(value, str):
            return (value,)
        return tuple(dict.fromkeys(value or ())) if value is None or isinstance(value, list) else value
