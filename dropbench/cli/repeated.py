"""`dropbench train --from`: repeats a stored run with exactly its settings, or refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dropbench.errors import UsageError
from dropbench.settings import OF_TRAIN

if TYPE_CHECKING:
    from dropbench.spec import RunSpec
    from dropbench.store import Record

BESIDE = (
    "results=",
    "device=",
    "execute",
    "data.root=",
    "data.download=",
    *(f"train.{key}=" for key in OF_TRAIN),
    "eval.keep=",
)
"""The beginnings of overrides that change no result."""


@dataclass(frozen=True)
class Repeated:
    """A stored run, and the overrides that were typed beside it.

    Parameters
    ----------
    record : Record
        The run to repeat. Its parts are looked up by name in conf/ and the folders of --conf, never by a path in the record.
    folder : Path
        The run's folder.
    typed : sequence
        Overrides of where and how it is trained; overrides of what is trained would make it another run.
    """

    record: Record
    folder: Path
    typed: Sequence[str]

    @classmethod
    def of(cls, run: str, typed: Sequence[str]) -> Repeated:
        """Return a stored run. Raises UsageError if there is none, it cannot be read, or an override might change the run."""
        from dropbench.cli.found import found
        from dropbench.config.paths import plain_path
        from dropbench.store import Skipped, read

        for text in typed:
            if not text.startswith(BESIDE):
                raise UsageError(
                    f"--from repeats a run exactly, but {text} might change it; leave it out: only settings of where and "
                    "how a run is trained can be added, such as results=DIR, device=cpu or data.root=DIR"
                )
        results = [text.partition("=")[2] for text in typed if text.startswith("results=")]
        folder = found(run, plain_path("results", results[-1]) if results else Path("results"))
        record = read(folder)
        if isinstance(record, Skipped):
            raise UsageError(f"--from {run}: {record.reason}")
        return cls(record, folder, typed)

    def overrides(self, conf: Sequence[Path]) -> list[str]:
        """Return the overrides that repeat the run. Raises UsageError if one of its parts is no longer an option."""
        from dropbench.planning.reproduce import overrides

        keys = {text.partition("=")[0] for text in self.typed}
        try:
            whole = [*overrides(self.record.config, conf), f"seed={self.record.seed}"]
        except UsageError as error:
            own = ", ".join(self.record.sources)
            hint = f"; {own} is code of your own: name the folder of its YAML with --conf DIR" if own else ""
            raise UsageError(f"--from {self.folder}: {error}{hint}") from error
        root = self.folder.absolute().parent.parent
        results = [] if "results" in keys else [f"results={root}"]
        return [*(text for text in whole if text.partition("=")[0] not in keys), *results, *self.typed]

    def changed(self, spec: RunSpec) -> list[str]:
        """Return a sentence for each change of data or code since. Raises UsageError if the settings themselves differ."""
        from dropbench.planning.reproduce import leaves

        told = f"--from {self.folder}"
        if spec.setting_id != self.record.setting_id or spec.seed != self.record.seed:
            now, then = leaves(spec.as_dict(), ()), leaves(self.record.config, ())
            keys = sorted(k for k in now.keys() | then.keys() if now.get(k, ...) != then.get(k, ...)) or ["seed"]
            raise UsageError(
                f"{told}: the run cannot be repeated exactly, because the files of its options have changed since: "
                f"{', '.join(keys[:3])} would differ"
            )
        notes = []
        if spec.data_fingerprint != self.record.data_fingerprint:
            notes.append(
                f"its data have changed since ({self.record.data_fingerprint} then, {spec.data_fingerprint} now): "
                f"this is another run, {spec.run_id}"
            )
        for part, code in spec.sources.items():
            if self.record.sources.get(part) != code:
                notes.append(
                    f"the code of {part} has changed since, or is not known: this is another run, {spec.run_id}"
                )
        return notes
