"""Settings for where and how runs are carried out. They do not change a run's numbers and are not part of its id."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_serializer

from dropbench.spec import Frozen, Positive

OF_TRAIN = ("loggers", "save", "extendable")
"""The keys of `train` that are settings and not part of a run."""


RAY = "ray"
"""The option of `execute` that trains on a Ray cluster."""
OF_RAY = ("address", "cpus", "gpus")
"""The keys that only this option has."""


class Interval(Frozen):
    """How often something is done: at an interval of `seconds`, or of `epochs`; never if neither is given."""

    seconds: float | None = None
    epochs: int | None = None

    def __bool__(self) -> bool:
        return self.seconds is not None or self.epochs is not None

    @model_serializer
    def _written(self) -> str | int:
        return self.epochs or (f"{self.seconds:g}s" if self.seconds else "off")


class SlurmSpec(Frozen):
    """The resources that each task of an array job requests from a Slurm cluster, and the number of tasks."""

    cluster: Literal["slurm", "local"] = "slurm"
    tasks: Annotated[int, Field(gt=0, le=10_000)] = 50
    parallel: Positive | None = None
    """The number of tasks that run at the same time; None: as many as the cluster allows."""
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: Annotated[int, Field(gt=0)] = 240
    """The time limit in minutes."""
    cpus: Annotated[int, Field(gt=0, le=1024)] = 4
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    memory: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The memory in GB."""
    setup: tuple[str, ...] = ()
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)

    @field_validator("partition", "account", "qos", mode="before")
    @classmethod
    def _name(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @field_validator("time", mode="before")
    @classmethod
    def _minutes(cls, value: Any) -> int:
        """Converts `90min`, `4h`, `2d`, or Slurm's own forms `12:00:00` and `1-12:00:00`, to minutes."""
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
    """How many processes train, with how many threads, how many runs are stacked in one model, and when they are saved."""

    name: str = "local"
    workers: Annotated[int, Field(gt=0, le=1024)] | Literal["auto"]
    threads: Annotated[int, Field(gt=0, le=1024)]
    cohort: Positive | Literal["auto"]
    checkpoint: Interval = Interval(seconds=30)
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """The largest time in seconds from one end of an epoch of a cohort to the next; None: no limit."""
    address: str | None = None
    """The address of a Ray cluster; None: a cluster is started on this machine."""
    cpus: Annotated[float, Field(gt=0, le=1024)] | Literal["auto"] = "auto"
    gpus: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = "auto"
    """The processors (`cpus`) and cards (`gpus`) of a cluster's node that a cohort takes."""
    products: Literal["auto", "mkl", "torch", "openblas", "onednn"] = "auto"
    """The library that multiplies matrices on a CPU: see hardware/blas.py. Workers never get `auto`."""
    slurm: SlurmSpec | None = None
    """The settings of an array job on a Slurm cluster; None: this command trains."""

    @field_validator("timeout", mode="before")
    @classmethod
    def _off(cls, value: Any) -> Any:
        return None if value is False or value == "off" else value

    @field_validator("checkpoint", mode="before")
    @classmethod
    def _interval(cls, value: Any) -> Any:
        """Converts `30s`, `2min`, a number of epochs, or `off`, to an Interval."""
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
    """Where and how runs are carried out. Settings do not change a run's numbers and are not part of its id."""

    device: str
    """`auto`, a device by torch's name, or several cards: `cuda:0,cuda:1`."""
    results: Path
    execute: ExecuteSpec
    data_root: Path | None = Field(None, validation_alias="data.root")
    data_download: bool = Field(False, validation_alias="data.download")
    train_loggers: tuple[Literal["csv", "tensorboard", "mlflow"], ...] = Field((), validation_alias="train.loggers")
    train_save: Literal["best", "last"] | None = Field(None, validation_alias="train.save")
    train_extendable: bool = Field(False, validation_alias="train.extendable")
    eval_keep: Literal["auto", "probabilities"] | None = Field("auto", validation_alias="eval.keep")
    gone_on_with: bool = False
    """Whether runs that end at `train.stop_at` are saved there, so that longer runs can continue: rungs of a search."""

    @field_validator("device", mode="before")
    @classmethod
    def _several_devices(cls, value: Any) -> Any:
        """Converts both `[cuda:0,cuda:1]` and `"cuda:0, cuda:1"` to the text `cuda:0,cuda:1`."""
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
