"""Metrics that were asked for and measure nothing on this model and data: said before anything trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dropbench.planning.outline import Outline
from dropbench.spec import RunSpec

_LOOKED_UP = {"tokens": "words", "text": "words", "graph": "nodes"}
"""What the examples of a view are where they are no numbers."""


def measures_nothing(spec: RunSpec, outline: Outline, needs: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each metric of a run that has nothing to measure.

    Parameters
    ----------
    spec : RunSpec
        The run.
    outline : Outline
        Its model on its data.
    needs : mapping
        What a metric's YAML says that there must be: `numbers` (examples that are numbers) or `units` (sites behind hidden
        layers).
    """
    for name in spec.metric:
        need = needs.get(name)
        if need == "numbers" and outline.view in _LOOKED_UP:
            kind = _LOOKED_UP[outline.view]
            yield (
                f"metric={name} measures nothing on data={spec.data.name}: it changes the numbers of an example, and these "
                f"are {kind}; leave it out"
            )
        if need == "units" and not outline.units:
            yield (
                f"metric={name} measures nothing on model={spec.model.name}: it looks at the units behind hidden layers, and "
                "the model declares no site there; leave it out"
            )


def not_taken(spec: RunSpec, unfit: Iterable[str]) -> Iterator[str]:
    """A sentence for each metric that was asked for by name and does not fit what the model is trained for."""
    for name in unfit:
        yield f"metric={name} is none for what model={spec.model.name} is trained for, and is not measured; leave it out"
