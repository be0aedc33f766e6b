"""The protocol that `dropbench advise` chooses: arms, training, learning rates and seeds that fit the time there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropbench.config.typed import setting
from dropbench.data.split import batch_sizes
from dropbench.errors import UsageError
from dropbench.planning.checks import training_examples
from dropbench.planning.plan import compose_one, single
from dropbench.planning.sources import load
from dropbench.planning.variants import arm_rates
from dropbench.spec import DropoutSpec
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.settings import Settings
    from dropbench.sites import Site
    from dropbench.spec import RunSpec

STUDY = "advise"
TUNED = "train.lr"
FACTORS = (0.3, 1, 3)
"""Learning rates that are tried for each arm, in units of the usual one."""
TUNING_SEEDS = 2
FEWEST = 6
"""Seeds, under which anything can be confirmed at all."""
_BESIDE = (("spatial", 0.2), ("locked", 0.25), ("stochastic_depth", 0.2))
"""Variants and rates that are tried beside `standard` where they have a site in the model."""
_UPDATES, _EPOCHS, _FEWEST_EPOCHS = 3000, (10, 200), 5
_PATIENCE = 5
"""The share of training without improvement after which a run ends: one in so many epochs, at least three."""
_HOPED = 4
"""How many times as many seeds are planned for as would fit if no run stopped early."""
MOST = 400
"""Seeds of the comparison, however much time there is: those of the tuning come after."""
_SHARE = 0.8
"""Of the time for what is planned; what is left is for what was not foreseen."""


@dataclass(frozen=True)
class Protocol:
    """What is going to be compared, and how.

    Parameters
    ----------
    overrides : tuple of str
        What was typed and what was chosen beside it.
    tune : tuple of str
        As of `--tune`.
    arms : int
        Baseline included.
    epochs : int
        Of each run at most.
    at_most : int
        Seeds of the comparison.
    """

    overrides: tuple[str, ...]
    tune: tuple[str, ...]
    arms: int
    epochs: int
    at_most: int = MOST

    @property
    def first(self) -> int:
        """Runs until something can be confirmed: of the tuning, and of the first seeds of the comparison."""
        return self.arms * (len(FACTORS) * TUNING_SEEDS + FEWEST)

    def __str__(self) -> str:
        """As a sentence before anything trains."""
        return (
            f"{count(self.arms, 'arm')}, each at the best of {len(FACTORS)} learning rates on validation data; then up to "
            f"{self.at_most} fresh seeds, looked at as they come; a run has up to {count(self.epochs, 'epoch')} and stops early"
        )


def protocol(overrides: Sequence[str], composer: Composer) -> Protocol:
    """What to compare for a model and data; how much of it fits the time `fitted` says.

    Raises
    ------
    UsageError
        For keys that are chosen here, and for what cannot be trained.
    """
    for key in ("dropout", "study", "seed"):
        if typed := [text for text in overrides if text.partition("=")[0].partition(".")[0].partition("/")[0] == key]:
            raise UsageError(f"{typed[0]}: advise chooses this itself; leave it out, or use dropbench sweep")
    plan = single([*overrides, "dropout=none"], composer)
    (spec,) = plan.specs
    if spec.run_id in plan.failed:
        raise UsageError(plan.failed[spec.run_id])
    outline = plan.outlines[spec.run_id]
    beside = [(name, rate) for name, rate in _BESIDE if _fits(name, rate, outline.sites, composer)]
    arms = {f"{name} {rate:g}": {"dropout": name, "dropout.rate": rate} for name, rate in beside}
    chosen = [f"study={STUDY}", *([setting("study.arms", arms)] if arms else [])]
    epochs = spec.train.epochs if _typed(overrides, "train.epochs", "train.updates") else _epochs(spec, plan.settings)
    lr = spec.train.lr
    chosen += [*_unless(overrides, "train.epochs", epochs), *_stopping(overrides, epochs)]
    tuned = ",".join(f"{lr * factor:.2g}" for factor in FACTORS)
    typed = [text for text in overrides if text.partition("=")[0] != TUNED]
    return Protocol((*typed, *chosen), (f"{TUNED}={tuned}",), 4 + len(arms), epochs)


def fitted(protocol: Protocol, seconds: float, minutes: float, overrides: Sequence[str]) -> Protocol:
    """The same with epochs and seeds for the time there is.

    Parameters
    ----------
    protocol : Protocol
        As `protocol` chose it.
    seconds : float
        What its tuning would take.
    minutes : float
        The time there is.
    overrides : sequence of str
        What was typed, which stays.
    """
    tuning = protocol.arms * len(FACTORS) * TUNING_SEEDS
    a_run, there = seconds / tuning, 60 * minutes * _SHARE
    epochs = protocol.epochs
    if a_run * protocol.first > there and not _typed(overrides, "train.epochs", "train.updates"):
        epochs = max(_FEWEST_EPOCHS, int(epochs * there / (a_run * protocol.first)))
        a_run *= epochs / protocol.epochs
    # Runs that stop early take less; those that time is too short for are not trained.
    at_most = int(_HOPED * (there - a_run * tuning) / (a_run * protocol.arms)) if a_run else MOST
    kept = [text for text in protocol.overrides if text.partition("=")[0] not in ("train.epochs", "train.patience")]
    kept += [*_unless(overrides, "train.epochs", epochs), *_stopping(overrides, epochs)]
    typed = [text for text in overrides if text.partition("=")[0] in ("train.epochs", "train.patience")]
    return Protocol((*kept, *typed), protocol.tune, protocol.arms, epochs, max(FEWEST, min(MOST, at_most)))


def _typed(overrides: Sequence[str], *keys: str) -> bool:
    return any(text.partition("=")[0] in keys for text in overrides)


def _unless(overrides: Sequence[str], key: str, value: object) -> list[str]:
    return [] if _typed(overrides, key, "train.updates") else [setting(key, value)]


def _stopping(overrides: Sequence[str], epochs: int) -> list[str]:
    return [] if _typed(overrides, "train.patience") else [setting("train.patience", max(3, epochs // _PATIENCE))]


def _epochs(spec: RunSpec, settings: Settings) -> int:
    """So many that there are about as many updates, whatever the amount of data."""
    table = load(spec.data, settings)
    if table.axes == "W":  # of running text an epoch is long
        return spec.train.epochs
    steps = len(batch_sizes(training_examples(spec.data, table), spec.train.batch_size))
    return min(max(round(_UPDATES / steps), _EPOCHS[0]), _EPOCHS[1])


def _fits(name: str, rate: float, sites: tuple[Site, ...], composer: Composer) -> bool:
    """Whether a variant would act somewhere in the model."""
    dropout: DropoutSpec = compose_one([f"dropout={name}", f"dropout.rate={rate}"], composer).spec.dropout
    return bool(arm_rates(dropout, sites))
