"""`load_model` returns the network of a stored run, also of one that was given as a Python object."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.api.call import call
from dropbench.api.objects import held, known_network, network_path
from dropbench.api.overrides import Folders
from dropbench.errors import UsageError
from dropbench.identity import given

if TYPE_CHECKING:
    from dropbench.data.base import Table
    from dropbench.engine.trained import TrainedModel
    from dropbench.store import Record


def load_model(
    run: str | Path,
    *,
    model: Any = None,
    data: Table | None = None,
    conf: Folders = (),
    data_root: str | Path | None = None,
) -> TrainedModel:
    """Return the network of a run that kept its weights (`train.save=best` or `last`), in evaluation mode.

    Parameters
    ----------
    run : str or Path
        The run's folder, `results/runs/<id>`.
    model : class or function, optional
        The one that `train` or `sweep` was given as `model=`. It is needed if the run was trained by another process and the
        class or function cannot be imported, for example because it was defined in a notebook or a script.
    data : Table, optional
        The data with a graph that `train` or `sweep` was given as `data=`. Other data are not needed.
    conf : path, or several
        The folders of options (`--conf`) with the user's own parts. No other code of the user is imported.
    data_root : str or Path, optional
        The folder of data sets, needed only to find a graph, which is part of the network. By default the folder in the
        environment variable DROPBENCH_DATA, or `data`.

    Returns
    -------
    TrainedModel
        An ordinary module: `model(x)` takes examples in the form that the network receives, `model.predict(rows)` raw rows.

    Raises
    ------
    UsageError
        If there is no such run, it kept no weights, its parts do not exist any more, or `model` is another network.
    """
    with call():
        from dropbench.execute.loading import load_model as stored
        from dropbench.execute.loading import with_weights

        with _reachable(run, with_weights(run), model):
            return stored(run, table=data, conf=conf, data_root=data_root)


def _reachable(run: str | Path, record: Record, model: Any) -> AbstractContextManager[None]:
    """Return a context manager in which the run's network can be found by its import path.

    Raises UsageError if it cannot be found, or if `model` is another network.
    """
    node = record.config["model"]
    path = str(node.get("target") or "").replace(":", ".", 1)
    given_path = None if model is None else network_path(model)
    name = path.rpartition(".")[2]
    if not given(path):
        if given_path not in (None, path):
            was = f"model={node['name']}" + (f" model.target={path}" if path else "")
            raise UsageError(
                f"{run} was trained with {was}, which is found by its name; leave out model={model.__name__}"
            )
        return nullcontext()
    if model is not None and model.__name__ != name:
        raise UsageError(f"{run} was trained with model={name} and not with {model.__name__}; give model={name}")
    if (found := model or known_network(record.sources.get(path))) is None:
        raise UsageError(
            f"{run} was trained with model={name}, a class or function of a program that cannot be imported; give it "
            f"here too: load_model(..., model={name})"
        )
    return held(found)
