"""Hands out, cohort by cohort, what a command has left to train, while other commands may train some of the same runs."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from dropbench.execute.cohort import Broken, Failure, Listener, Note, Retry
from dropbench.execute.cohorts import Cohort
from dropbench.execute.memory_limits import MemoryLimits
from dropbench.spec import RunSpec
from dropbench.store import Record, Store, lacking
from dropbench.store.claims import Claims
from dropbench.values import count

InTime = Callable[[Cohort], bool]
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 10.0

Marks = Mapping[str, tuple[int, int] | None]
"""By run id, the identity of the folder that holds the run's record; it changes when the run is trained again."""


def marks(specs: Sequence[RunSpec], store: Store) -> Marks:
    """Returns the marks of the runs that are stored now.

    It must be called before anything else looks at these runs, because later changes count as made by other commands.
    """
    runs = [s.run_id for s in specs]
    return {**dict.fromkeys(runs), **{run: mark(store.folder(run)) for run in store.there(runs)}}


def mark(folder: Path) -> tuple[int, int] | None:
    """Returns the mark of one folder, or None if there is no such folder."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


class Agenda:
    """The cohorts that wait, the runs that other commands train, and the rules for cohorts that break off.

    Parameters
    ----------
    cohorts : sequence of Cohort
        The cohorts in the order in which they are to be trained.
    store : Store
        The store in which other commands store what they train.
    claims : Claims
        The claims of this command.
    limits : MemoryLimits
        How large a cohort may be.
    listen : Listener
        Called when runs are tried again or other commands are waited for.
    before : Marks
        What was stored when this command began.
    retries : int
        How often a failed run is tried again.
    in_time : callable
        Whether a cohort that is begun now is expected to end in time. If not, it is left out, unless no cohort has begun yet,
        so that a command that is repeated makes progress.
    waits : bool
        Whether to wait for runs that other commands train and to take over those that they leave.
    """

    def __init__(
        self,
        cohorts: Sequence[Cohort],
        store: Store,
        claims: Claims,
        limits: MemoryLimits,
        listen: Listener,
        before: Marks,
        retries: int = 0,
        in_time: InTime = lambda cohort: True,
        waits: bool = True,
    ) -> None:
        self._waits = waits
        self._fresh = deque(cohorts)
        self._of_others: list[Cohort] = []
        self._large: list[Cohort] = []
        """Single runs that ran out of memory while others were training; they wait until nothing else trains."""
        self._in_hand: set[str] = set()
        """The ids of runs that this command has claimed and not stored yet."""
        self._training: set[str] = set()
        self._exclusive: str | None = None
        """The id of a run in training beside which nothing else may train."""
        self._ended: list[Record] = []
        self._tried: Counter[str] = Counter()
        self._store, self._claims, self._limits, self._listen = store, claims, limits, listen
        self._before, self._retries, self._in_time = before, retries, in_time
        self._begun = False
        self._told: set[str] = set()
        self._pause = _FIRST_PAUSE_S

    @property
    def left(self) -> bool:
        """Whether there is something to train now, or possibly later, when other commands leave their runs."""
        return bool(self._fresh or self._large or (self._waits and self._of_others))

    def next(self) -> Cohort | None:
        """Returns the runs to train next, or None if other commands have all that is left or nothing else may train now."""
        if self._exclusive is not None:
            return None
        cohort = self._own() or self._left_by_others()
        if cohort is None and self._large and not self._training:
            cohort = self._large.pop(0)
            self._exclusive = cohort.specs[0].run_id
        if cohort is not None:
            self._training.update(s.run_id for s in cohort.specs)
        return cohort

    def _own(self) -> Cohort | None:
        while self._fresh:
            cohort = self._cut(self._fresh.popleft())
            if (not self._begun or self._in_time(cohort)) and (mine := self._claimed(cohort)):
                self._begun = True
                return mine
        return None

    def _left_by_others(self) -> Cohort | None:
        waiting, self._of_others = self._of_others, []
        for i, cohort in enumerate(waiting):
            if mine := self._claimed(cohort):
                self._of_others += waiting[i + 1 :]
                self._pause = _FIRST_PAUSE_S
                return mine
        return None

    def pause(self) -> float:
        """Returns the seconds to wait before asking again; reports, once, that other commands are waited for."""
        if self._of_others and not self._in_hand:
            runs = sum(map(len, self._of_others))
            self._say(
                f"waiting: other commands are training the {count(runs, 'run')} that {'is' if runs == 1 else 'are'} left"
            )
        self._pause, pause = min(2 * self._pause, _LAST_PAUSE_S), self._pause
        return pause

    def ended_elsewhere(self) -> list[Record]:
        """Returns the records of runs that other commands have ended, each record once."""
        ended, self._ended = self._ended, []
        return ended

    def give_back(self, cohort: Cohort) -> None:
        """Puts back a cohort that could not begin to train."""
        self.trained(s.run_id for s in cohort.specs)
        self._fresh.appendleft(cohort)

    def trained(self, run_ids: Iterable[str]) -> None:
        """Records that these runs are no longer in training, however that ended."""
        self._training.difference_update(run_ids)
        if self._exclusive not in self._training:
            self._exclusive = None

    def ended(self, run_id: str) -> bool:
        """Releases the claim of a run that is stored; returns False if another command had taken the run over meanwhile."""
        ours = self._claims.holds(run_id)
        self._in_hand.discard(run_id)
        self._claims.release([run_id])
        return ours

    def broken(self, broken: Broken) -> Failure | None:
        """Schedules what is left of a broken cohort again: in halves if memory ran out or may have, else each run alone.

        A run that broke off alone is tried again as often as `retries` allows. Returns its failure if it is not tried again.
        """
        runs = broken.cohort
        alone = self._exclusive is not None
        self.trained(s.run_id for s in runs.specs)
        if len(runs) > 1:
            halved = broken.out_of_memory is not False
            half = -(-len(runs) // 2)
            parts = [runs.part(0, half), runs.part(half, len(runs))] if halved else runs.singly()
            if broken.out_of_memory:
                self._limits.lower(runs, half)
            self._again(parts, broken.reason, "in two halves" if halved else "each alone")
            self._fresh.extendleft(reversed(parts))
            return None
        if not runs.specs:
            return None
        spec = runs.specs[0]
        if broken.out_of_memory is not False and not alone and self._training:
            self._again([runs], broken.reason, "once nothing else trains")
            self._large.append(runs)
            return None
        self._tried[spec.run_id] += 1
        if (tried := self._tried[spec.run_id]) <= self._retries:
            self._again([runs], broken.reason, f"retry {tried} of {self._retries}")
            self._fresh.append(runs)
            return None
        return Failure(spec, broken.reason, broken.traceback, broken.seconds)

    def _again(self, parts: Sequence[Cohort], reason: str, how: str) -> None:
        self._listen(Retry(tuple(s.run_id for part in parts for s in part.specs), reason, how))

    def _cut(self, cohort: Cohort) -> Cohort:
        """Returns the first runs of a cohort, as many as memory allows; the others become the next cohort."""
        most = self._limits.most(cohort) if len(cohort) > 1 else None
        if most is None or len(cohort) <= most:
            return cohort
        self._say(
            f"cohorts of this shape have at most {count(most, 'run')} from now on: larger ones ran out of memory here"
        )
        self._fresh.appendleft(cohort.part(most, len(cohort)))
        return cohort.part(0, most)

    def _claimed(self, cohort: Cohort) -> Cohort | None:
        """Claims and returns the runs of a cohort that no other command has and that have not ended.

        Runs that others have are kept and asked for again later.
        """
        taken = set(self._claims.take(s.run_id for s in cohort.specs))
        # Another command releases a claim only after it has stored the run, so the store is asked once the claim is ours.
        ended = {s.run_id: record for s in cohort.specs if (record := self._ended_since(s)) is not None}
        self._claims.release(ended)
        self._ended += ended.values()
        mine = Cohort(tuple(s for s in cohort.specs if s.run_id in taken - ended.keys()), cohort.outline)
        others = Cohort(tuple(s for s in cohort.specs if s.run_id not in taken | ended.keys()), cohort.outline)
        if others.specs:
            self._of_others.append(others)
        self._in_hand.update(s.run_id for s in mine.specs)
        return mine if mine.specs else None

    def _ended_since(self, spec: RunSpec) -> Record | None:
        """Returns the record of a run that another command has trained, or failed to train, since this command began."""
        if spec.run_id in self._in_hand:
            return None
        now = mark(self._store.folder(spec.run_id))
        if now is None or now == self._before.get(spec.run_id):
            return None
        record = self._store.find(spec.run_id)
        if not isinstance(record, Record):
            return None
        measured = record.status != "completed" or not lacking(record, spec.as_dict()["metric"], spec.sources)
        return record if measured else None

    def _say(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._listen(Note(text))
