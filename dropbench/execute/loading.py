"""Loads a stored run as an ordinary module."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from dropbench import identity
from dropbench.config.paths import own_folders
from dropbench.engine.trained import TrainedModel, further, network
from dropbench.errors import UsageError
from dropbench.execute.stored_parts import stored_part
from dropbench.spec import DataSpec, DropoutSpec
from dropbench.store import Record, Skipped, read, tensors
from dropbench.store.record import WEIGHTS
from dropbench.store.safely import Damaged

_MISFIT = (LookupError, TypeError, ValueError, RuntimeError, AttributeError)
"""The exceptions that may be raised if a file of weights does not fit a model."""


def load_model(
    run: str | Path,
    *,
    table: Any = None,
    conf: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    data_root: str | Path | None = None,
) -> TrainedModel:
    """Returns the network of a run that kept its weights. See `dropbench.load_model`, which also finds given objects.

    table: the Table with the graph, if it was given as an object.
    """
    folder, record, extra = Path(run).expanduser(), with_weights(run), _folders(conf)
    held, about = _kept(folder, record)
    model = stored_part("model", record.config["model"], (), record, extra)
    variants = {
        str(node["name"]): stored_part("dropout", node, tuple(DropoutSpec.model_fields), record, extra)
        for node in identity.variants(record.config)
    }
    graph = _graph(record, extra, _root(data_root), table) if about.get("axes") == "N" else None
    bf16 = record.config["train"].get("precision") == "bf16"
    try:
        made = network(model.cls, model.options, held, about, graph)
        acting = {name: part.cls(**part.options) for name, part in variants.items()}
        members = further(model.cls, model.options, held, about, graph)
        return TrainedModel(made, acting, held, about, bf16, members).eval()
    except _MISFIT as error:
        told = " ".join(str(error).split())
        raise UsageError(f"{folder / WEIGHTS} does not fit model={record.config['model']['name']}: {told}") from error


def with_weights(run: str | Path) -> Record:
    """Returns the record of a run that stored its weights. Raises UsageError for any other folder."""
    if not str(run).strip():
        raise UsageError("no run was given: give the folder of a run, such as results/runs/4df5aad9e191")
    folder = Path(run).expanduser()
    record = read(folder)
    if isinstance(record, Skipped):
        raise UsageError(f"{folder} cannot be loaded as a run: {record.reason}{_instead(folder)}")
    if record.weights != WEIGHTS:
        raise UsageError(
            f"run {record.run_id} stored no weights: train it again with train.save=best --force, or choose a run with weights"
        )
    return record


def _instead(folder: Path) -> str:
    """Returns which folder to give in place of one that holds no run: one in it, if it holds results, or one of that name."""
    if (folder / "record.json").exists():
        return ""
    inside = sorted(run.parent for run in (folder / "runs").glob("*/record.json"))
    usual = Path("results/runs") / folder.name
    named = [usual] if (usual / "record.json").is_file() else []
    example = next(iter((*named, *inside)), "results/runs/4df5aad9e191")
    return f"; give the folder of a run, such as {example}"


def _kept(folder: Path, record: Record) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        held, about = tensors.read(folder / WEIGHTS)
    except Damaged as error:
        raise UsageError(f"{folder / WEIGHTS}: {error}") from error
    if about.get("run_id") != record.run_id:
        raise UsageError(f"{folder / WEIGHTS} holds the weights of another run, {about.get('run_id')}")
    return held, about


def _graph(record: Record, extra: Sequence[Path], root: Path, table: Any) -> Any:
    """Returns the graph of the run's nodes. Raises UsageError if it is missing or has changed."""
    where = "that was given"
    if table is None:
        if identity.given(str(record.config["data"]["name"])):
            raise UsageError(
                f"run {record.run_id} was trained on a graph that a program gave: give it again, data=table"
            )
        data = stored_part("data", record.config["data"], tuple(DataSpec.model_fields), record, extra)
        table, where = data.cls(root, False, **data.options), f"in {root}"
    if table.fingerprint != record.data_fingerprint:
        raise UsageError(f"run {record.run_id} was trained on a graph that differs from data '{table.name}' {where}")
    return table.graph


def _root(given: str | Path | None) -> Path:
    return Path(given or os.environ.get("DROPBENCH_DATA") or "data").expanduser()


def _folders(conf: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Returns the user's folders and adds them to `sys.path`, so that their modules can be imported, as with `--conf`."""
    folders = [folder.resolve() for folder in own_folders(conf)]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"conf={folder}: there is no such folder")
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    return folders
