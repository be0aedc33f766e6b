"""Measures metrics that are asked for after runs have finished, from the weights that they kept, without training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from dropbench.config.yaml import as_yaml
from dropbench.execute.cohorts import Cohort, cohorts
from dropbench.execute.keeping import kept_files
from dropbench.hardware.blas import choose, use_threads
from dropbench.planning.outline import Outline
from dropbench.planning.regularizers import ensembles
from dropbench.settings import Settings
from dropbench.spec import RunSpec
from dropbench.store import Record, Store, derived, lacking
from dropbench.store.record import WEIGHTS, record_from
from dropbench.store.safely import Damaged

_OF_ANY_METRIC = ("mc_entropy", "mc_mutual_information")
"""Metrics that `eval.mode=mc` adds whatever the metrics, so that a record has them already."""


@dataclass(frozen=True)
class Finished:
    """A finished run that kept the tested weights, with its record and its spec as it is asked for now."""

    spec: RunSpec
    record: Record
    folder: Path

    @property
    def lacking(self) -> RunSpec:
        """The run with only those metrics that its record lacks."""
        names = lacking(self.record, self.spec.as_dict()["metric"], self.spec.sources)
        return self.spec.model_copy(update={"metric": {name: self.spec.metric[name] for name in names}})


def measurable(specs: Sequence[RunSpec], store: Store) -> list[Finished]:
    """Returns the finished runs whose metrics can be measured from weights: those that kept the weights of the chosen epoch."""
    found = []
    done = store.done(s.run_id for s in specs)
    for spec in specs:
        record = done.get(spec.run_id)
        # Ensembles must be trained again, because metrics are measured from the weights of a single network.
        if record is not None and record.status == "completed" and record.weights == WEIGHTS and not ensembles(spec):
            folder = store.folder(spec.run_id)
            if _of_its_test(folder / WEIGHTS, record):
                found.append(Finished(spec, record, folder))
    return found


def measured(
    finished: Sequence[Finished], outlines: Mapping[str, Outline], settings: Settings, device: str, store: Store
) -> Iterator[str]:
    """Measures from their weights the metrics that these runs lack, and yields the id of each run whose record has them now.

    What a record and the files with it had does not change, to the last bit. The history gets no new column, which would need
    the weights of every epoch. A run for which a metric raises or is not finite is left unchanged; training it again will show
    the reason.

    Parameters
    ----------
    finished : sequence of Finished
        The runs.
    outlines : mapping
        The outline of each run's model, by run id.
    settings : Settings
        The settings, which tell where the data are.
    device : str
        The device to compute on.
    store : Store
        The store of the runs.
    """
    use_threads(settings.execute.threads)
    choose(settings.execute.products)
    of_lighter = {(lighter := one.lacking).run_id: (lighter, one) for one in finished}
    own_outlines = {run: outlines[one.spec.run_id] for run, (_, one) in of_lighter.items()}
    for cohort in cohorts([lighter for lighter, _ in of_lighter.values()], own_outlines, settings, device, 1):
        runs = {s.run_id: of_lighter[s.run_id][1] for s in cohort.specs}
        with suppress(Exception):
            for run, scores in _scores(cohort, runs, settings, device):
                if all(isfinite(v) for v in scores.values() if not isinstance(v, list)):
                    _replace(runs[run], scores, store)
                    yield runs[run].spec.run_id


def _of_its_test(file: Path, record: Record) -> bool:
    from dropbench.store import tensors

    try:
        about = tensors.read_about(file)
    except Damaged:
        return False
    return (about.get("run_id"), about.get("epoch")) == (record.run_id, record.chosen_epoch)


def _scores(
    cohort: Cohort, runs: Mapping[str, Finished], settings: Settings, device: str
) -> list[tuple[str, dict[str, Any]]]:
    """Returns the metrics of each run of a cohort, with its run id in the cohort."""
    import torch

    from dropbench.engine.build import build
    from dropbench.engine.scores import measured
    from dropbench.engine.weights import fill
    from dropbench.planning.sources import load, others
    from dropbench.store import tensors

    first = cohort.specs[0]
    table = load(first.data, settings)
    training = build(cohort.specs, cohort.outline, table, torch.device(device), others(first, table, settings))
    order = [s.run_id for s in training.replicas.specs]
    fill(training.replicas.model, [tensors.read(runs[run].folder / WEIGHTS)[0] for run in order])
    epochs = [runs[run].record.chosen_epoch or 0 for run in order]
    return list(zip(order, measured(training.replicas, training.schedules, epochs), strict=True))


def _replace(one: Finished, scores: Mapping[str, Any], store: Store) -> None:
    record, spec = one.record, one.spec
    new = {
        name: value
        for name, value in scores.items()
        if name not in record.metrics or name.partition("_")[2] not in _OF_ANY_METRIC
    }
    rows = {name: value for name, value in new.items() if isinstance(value, list)}
    numbers = {name: value for name, value in new.items() if name not in rows}
    declared = {name: metric.model_dump() for name, metric in spec.metric.items()}
    tree = asdict(record)
    replaced = record_from(
        {
            **tree,
            "config": {**record.config, "metric": spec.as_dict()["metric"]},
            "metrics": {**record.metrics, **numbers},
            "arrays": {**record.arrays, **rows},
            "measures": {**tree["measures"], **derived.measures(numbers, declared, record.task or "classify")},
            "sources": {**record.sources, **spec.sources},
        }
    )
    store.write(replaced, [], as_yaml(replaced.config), beside=kept_files(one.folder))
