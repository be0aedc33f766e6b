"""`advise` answers whether dropout helps on a model and data, and returns the answer as an object."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from dropbench.api.answer import Answer
from dropbench.api.arguments import checked
from dropbench.api.call import call, spoken
from dropbench.api.objects import as_settings, typed
from dropbench.api.overrides import Folders, Override, words
from dropbench.config.paths import own_folders
from dropbench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from dropbench.cli.advise import Told

_LEAST = 0.1
"""The fewest minutes in which anything can be compared, as for the command."""


class Advised:
    """The answer of `advise`. `print` shows its sentences; a notebook shows the page that explains them.

    Parameters
    ----------
    told : Told
        What the command prints.
    conf : sequence of Path
        The folders of options, for the commands that the report proposes.
    """

    def __init__(self, told: Told, conf: list[Path]) -> None:
        self._told, self._conf = told, conf

    @property
    def decision(self) -> str:
        """`use` the arm, `leave` dropout out, or `unknown`."""
        return self._told.decision

    @property
    def arm(self) -> str:
        """The arm to use now; the baseline without dropout, unless another is confirmed to be better."""
        return self._told.arm

    @property
    def sentences(self) -> list[str]:
        """The advice in words: three sentences, or one if the time was over before anything could be compared."""
        return [spoken(sentence) for sentence in self._told.sentences]

    @property
    def command(self) -> str | None:
        """The command that trains the arm; None if no command line can, for example on data that were given as objects."""
        return self._told.command

    @property
    def config(self) -> Path | None:
        """The YAML file with the arm's configuration; None if nothing could be compared."""
        return self._told.config

    @property
    def page(self) -> Path | None:
        """The HTML page that explains the advice with every number; None if nothing could be compared."""
        return self._told.page

    @cached_property
    def report(self) -> Answer:
        """The comparison behind the advice, as `sweep` returns it."""
        from dropbench.cli.outcome import compared

        with call():
            return Answer(compared(self._told.kept, self._told.store, self._conf), [self._told.kept])

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


@checked("setting")
def advise(
    *overrides: Override,
    data: Any = None,
    target: str | None = None,
    model: Any = None,
    conf: Folders = (),
    minutes: float = 5.0,
    quiet: bool = False,
) -> Advised:
    """Find out whether dropout helps on a model and data, as `dropbench advise` does.

    It compares a baseline with dropout at three rates and with other variants that fit the model, and tunes the learning rate
    of each. Then it adds fresh seeds until the answer is settled or the time is over. The same call continues.

    Parameters
    ----------
    *overrides : str or mapping
        Settings of model, data and training, as for `sweep`. The function itself chooses `dropout`, `study` and `seed`.
    data, target, model : optional
        Objects, as for `sweep`.
    conf : path, or several
        Folders with your own options.
    minutes : float
        How many minutes it may take, at least 0.1.
    quiet : bool
        Whether only errors and warnings are printed.

    Returns
    -------
    Advised
        The decision, the arm, the sentences, and the report behind them.

    Raises
    ------
    UsageError
        For what cannot be trained, for settings that are chosen here, and if runs failed: one sentence.
    KeyboardInterrupt
        On Ctrl-C, after the runs in training are saved. The same call continues from there.
    """
    if not minutes >= _LEAST:
        raise UsageError(f"minutes={minutes}: it must be at least {_LEAST}")
    with call(trains=True):
        from dropbench.api.telling import Telling
        from dropbench.cli.advise import Spare, compared, told
        from dropbench.config.compose import composer

        class Sparing(Telling, Spare):
            """Words messages for Python, and leaves out what tuning found."""

        shown = Sparing(quiet)
        with as_settings(data, target, model) as objects:
            extra = [*own_folders(conf), *objects.conf]
            if objects.note is not None:
                shown.note(objects.note)
            with composer(extra) as c:
                course, done = compared(typed(words(overrides), objects), extra, c, shown, minutes=minutes)
            assert done is not None  # it was no dry run
            found = told(course, done, extra, shown)
            if found is None:
                where = str(done.store.root)
                raise UsageError(
                    f"no advice: runs failed or could not be planned; db.load({where!r}) shows what was trained"
                )
            return Advised(found, extra)
