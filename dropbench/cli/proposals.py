"""Commands to type for what a report proposes: the runs of a diagnosis, or the report's sweep with further options."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropbench.config.paths import PATHS
from dropbench.errors import UsageError
from dropbench.identity import given

if TYPE_CHECKING:
    from dropbench.report.tables.comparison import Comparison, Diagnosis
    from dropbench.report.tables.report import Report
    from dropbench.store import StoredPlan


def with_commands(
    report: Report, paths: Sequence[Path], conf: Sequence[Path], *, arms: bool = False, confirm: str | None = None
) -> Report:
    """Return the report with the commands for its proposals, except those whose options have changed since.

    Parameters
    ----------
    report : Report
        Its diagnoses name whole configurations and seeds.
    paths : sequence of Path
        What the report was made from. The first path is, or lies in, the results folder that the commands add to.
    conf : sequence of Path
        The user's folders of options.
    arms : bool
        Whether to add the command of each arm too.
    confirm : str or None
        The command that trains the chosen arms under fresh seeds, if there is one for this report.
    """
    from dropbench.store import RUNS, Store

    first = paths[0] if paths else Path("results")
    root = next((p for p in (first, first.parent, first.parent.parent) if (p / RUNS).is_dir()), first)
    stored = Store(root).plans()
    return replace(
        report,
        comparisons=tuple(
            _Typist(c, report.configs, _of(c, stored), str(root), conf, confirm).told(arms=arms)
            for c in report.comparisons
        ),
    )


def data_root(plans: Iterable[StoredPlan], runs: Collection[str]) -> str | None:
    """Return the data folder that was last typed for these runs, or None: records do not say where their data lay."""
    typed = [
        text.partition("=")[2]
        for plan in sorted(plans, key=lambda p: p.created)
        if not set(runs).isdisjoint(plan.trained)
        for text in plan.overrides
        if text.startswith("data.root=")
    ]
    return typed[-1] if typed else None


def _of(comparison: Comparison, plans: Sequence[StoredPlan]) -> list[StoredPlan]:
    """Return the plans of a comparison's runs, oldest first."""
    runs = set(comparison.runs["run_id"])
    return sorted((p for p in plans if not runs.isdisjoint(p.every_run)), key=lambda p: p.created)


@dataclass(frozen=True)
class _Typist:
    """Writes the commands of one comparison.

    configs: by run id. plans: those of its runs. root: the results folder. confirm: the command with `--confirm`, if any.
    """

    comparison: Comparison
    configs: Mapping[str, Mapping[str, Any]]
    plans: Sequence[StoredPlan]
    root: str
    conf: Sequence[Path]
    confirm: str | None

    def told(self, *, arms: bool) -> Comparison:
        c = self.comparison
        return replace(
            c,
            typed={label: text for label in c.labels if (text := self._arm(label))} if arms else {},
            diagnosis=None if c.diagnosis is None else tuple(self._with_runs(d) for d in c.diagnosis),
            further=tuple(self._with_sweep(d) for d in c.further),
        )

    @property
    def _data_root(self) -> str | None:
        return data_root(self.plans, self.comparison.runs["run_id"].tolist())

    def _arm(self, label: str) -> str:
        """Return the command that runs an arm under its seeds again; empty if it cannot be typed."""
        from dropbench.planning.reproduce import commands

        c = self.comparison
        seeds = sorted({int(seed) for seed in c.runs_of(label)["seed"].tolist()})
        with suppress(UsageError):
            return commands([(self.configs[c.run_of(label)], seeds)], self.root, self.conf, data_root=self._data_root)[
                0
            ]
        return ""

    def _with_runs(self, told: Diagnosis) -> Diagnosis:
        """Add to a diagnosis the commands for the runs that it asks for."""
        from dropbench.planning.reproduce import commands

        if told.confirm and self.confirm is not None:
            return replace(told, commands=(self.confirm,))
        with suppress(UsageError):
            steps = [(s.config, s.seeds) for s in told.steps]
            told = replace(told, commands=tuple(commands(steps, self.root, self.conf, data_root=self._data_root)))
        return told

    def _with_sweep(self, told: Diagnosis) -> Diagnosis:
        """Add to a diagnosis the command of the whole sweep with further options, if one command can express it."""
        with suppress(UsageError):
            lines = self._as_typed(told.options) or self._as_stored(told.options)
            return replace(told, commands=tuple(lines) if len(lines) == 1 else ())
        return told

    def _as_typed(self, options: Sequence[str]) -> list[str]:
        """Write the command as typed for the newest plan of all these runs, the only way to name a study's arms; else empty."""
        from dropbench.planning.reproduce import decided, places, sweep

        runs = set(self.comparison.runs["run_id"])
        whole = [p for p in self.plans if runs <= set(p.every_run) and not (p.course and p.course.rule.confirms)]
        if not whole or any(map(given, whole[-1].overrides)):
            return []
        had = whole[-1].course.rule.options if whole[-1].course else []
        options = [*(had if options[0] not in had else []), *options]
        # Anybody may have written a plan in a results folder: only words that set a value are used, and no folder or option.
        typed = [text for text in whole[-1].overrides if "=" in text and not text.startswith(("-", *PATHS))]
        return [sweep([*decided(typed, options), *places(self.root, self._data_root)], self.conf, options)]

    def _as_stored(self, options: Sequence[str]) -> list[str]:
        """Write the commands from the configurations of the arms; it is one command if they form a grid."""
        from dropbench.planning.reproduce import commands

        c = self.comparison
        arms = [(self.configs[c.run_of(label)], sorted(set(c.runs_of(label)["seed"].tolist()))) for label in c.labels]
        return commands(arms, self.root, self.conf, data_root=self._data_root, options=options)
