"""The protocol that `dropbench advise` chooses: arms, training, learning rates and seeds that fit into the given time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dropbench.config.several import OWN_RATES, USUAL
from dropbench.config.swept import COUNTS
from dropbench.config.typed import setting
from dropbench.data.split import batch_sizes
from dropbench.errors import UsageError
from dropbench.planning.checks import training_examples
from dropbench.planning.own_rates import keeping
from dropbench.planning.plan import compose_one, single
from dropbench.planning.sources import load
from dropbench.planning.variants import arm_rates
from dropbench.spec import DropoutSpec
from dropbench.store import ADVISE
from dropbench.values import count

if TYPE_CHECKING:
    from dropbench.config.compose import Composer
    from dropbench.planning.outline import Outline
    from dropbench.settings import Settings
    from dropbench.sites import Site
    from dropbench.spec import RunSpec

TUNED = "train.lr"
FACTORS = (0.3, 1, 3)
"""Learning rates that are tried for each arm, as multiples of the default one."""
TUNING_SEEDS = 2
WIDEN = 2
"""How often a learning rate beyond these is tried for all arms, where the best of one is the smallest or the largest."""
FEWEST = 6
"""The fewest seeds with which anything can be confirmed."""
_BESIDE = (("spatial", 0.2), ("locked", 0.25), ("stochastic_depth", 0.2))
"""Variants and rates that are tried in addition to `standard`, if they have a site in the model."""
AS_WRITTEN = "as written"
"""The arm that has the dropout of a user's network itself."""
_UPDATES, _EPOCHS, _FEWEST_EPOCHS = 3000, (10, 200), 5
_PATIENCE = 5
"""A run stops early after epochs / _PATIENCE epochs without improvement, but at least three."""
_HOPED = 4
"""How many seeds are planned, as a multiple of those that would fit if no run stopped early."""
MOST = 400
"""The most seeds of the comparison, however much time there is; the tuning seeds come after them."""
_TRIED = len(FACTORS) + 1
"""Learning rates for which time is planned; how many it takes depends on the results."""
_SHARE = 0.8
"""The share of the time that is planned; the rest is a reserve."""


@dataclass(frozen=True)
class Protocol:
    """What is going to be compared, and how.

    Parameters
    ----------
    overrides : tuple of str
        The overrides that were typed and those that were chosen in addition.
    tune : tuple of str
        As for `--tune`.
    arms : int
        Number of arms, including the baseline.
    epochs : int
        The most epochs of a run.
    at_most : int
        The most seeds of the comparison.
    """

    overrides: tuple[str, ...]
    tune: tuple[str, ...]
    arms: int
    epochs: int
    at_most: int = MOST

    @property
    def first(self) -> int:
        """Number of runs before anything can be confirmed: the tuning, and the first seeds of the comparison."""
        return self.arms * (_TRIED * TUNING_SEEDS + FEWEST)

    def __str__(self) -> str:
        """Describes the protocol in a sentence that is shown before training."""
        return (
            f"{count(self.arms, 'arm')}, each at the best of {len(FACTORS)} or more learning rates on validation data; then "
            f"up to {self.at_most} fresh seeds, compared as they finish; a run has up to "
            f"{count(self.epochs, 'epoch')} and stops early"
        )


def protocol(overrides: Sequence[str], composer: Composer) -> Protocol:
    """Chooses what to compare for a model and data. `fitted` then adapts it to the time.

    Raises
    ------
    UsageError
        For keys that are chosen here, and for runs that cannot be trained.
    """
    for key in ("dropout", "study", "seed", *COUNTS):
        if typed := [text for text in overrides if text.partition("=")[0].partition(".")[0].partition("/")[0] == key]:
            raise UsageError(f"{typed[0]}: advise chooses this itself; leave it out, or use dropbench sweep")
    plan = single([*overrides, "dropout=none"], composer)
    (spec,) = plan.specs
    if spec.run_id in plan.failed:
        raise UsageError(plan.failed[spec.run_id])
    outline = plan.outlines[spec.run_id]
    beside = [(name, rate) for name, rate in _BESIDE if _fits(name, rate, outline.sites, composer)]
    arms: dict[str, dict[str, Any]] = {f"{n} {rate:g}": {"dropout": n, "dropout.rate": rate} for n, rate in beside}
    if _has_own(outline, composer):
        arms = {AS_WRITTEN: {"dropout": OWN_RATES}} | arms
    chosen = [f"study={ADVISE}", *([setting("study.arms", arms)] if arms else [])]
    epochs = spec.train.epochs if _typed(overrides, "train.epochs", "train.updates") else _epochs(spec, plan.settings)
    lr = spec.train.lr
    chosen += [*_unless(overrides, "train.epochs", epochs), *_stopping(overrides, epochs)]
    tuned = ",".join(f"{lr * factor:.2g}" for factor in FACTORS)
    typed = [text for text in overrides if text.partition("=")[0] != TUNED]
    return Protocol((*typed, *chosen), (f"{TUNED}={tuned}",), 4 + len(arms), epochs)


def fitted(protocol: Protocol, seconds: float, minutes: float, overrides: Sequence[str]) -> Protocol:
    """Returns the protocol with epochs and seeds that fit into the time.

    Parameters
    ----------
    protocol : Protocol
        As returned by `protocol`.
    seconds : float
        The estimated duration of its tuning.
    minutes : float
        The available time.
    overrides : sequence of str
        The overrides that were typed; they are kept.
    """
    a_run, there = seconds / (protocol.arms * len(FACTORS) * TUNING_SEEDS), 60 * minutes * _SHARE
    epochs = protocol.epochs
    if a_run * protocol.first > there and not _typed(overrides, "train.epochs", "train.updates"):
        epochs = max(_FEWEST_EPOCHS, int(epochs * there / (a_run * protocol.first)))
        a_run *= epochs / protocol.epochs
    # Runs that stop early take less time; those for which there is no time left are not trained.
    at_most = int(_HOPED * (there / (a_run * protocol.arms) - _TRIED * TUNING_SEEDS)) if a_run else MOST
    kept = [text for text in protocol.overrides if text.partition("=")[0] not in ("train.epochs", "train.patience")]
    kept += [*_unless(overrides, "train.epochs", epochs), *_stopping(overrides, epochs)]
    typed = [text for text in overrides if text.partition("=")[0] in ("train.epochs", "train.patience")]
    return Protocol((*kept, *typed), protocol.tune, protocol.arms, epochs, max(FEWEST, min(MOST, at_most)))


def could_be_fitted(epochs: int, protocol: Protocol) -> bool:
    """Returns whether `fitted` could have chosen this number of epochs for the protocol, so that nobody need have typed it."""
    return min(_FEWEST_EPOCHS, protocol.epochs) <= epochs <= protocol.epochs


def _typed(overrides: Sequence[str], *keys: str) -> bool:
    return any(text.partition("=")[0] in keys for text in overrides)


def _unless(overrides: Sequence[str], key: str, value: object) -> list[str]:
    return [] if _typed(overrides, key, "train.updates") else [setting(key, value)]


def _stopping(overrides: Sequence[str], epochs: int) -> list[str]:
    return [] if _typed(overrides, "train.patience") else [setting("train.patience", max(3, epochs // _PATIENCE))]


def _epochs(spec: RunSpec, settings: Settings) -> int:
    """Returns a number of epochs that gives about the same number of updates, whatever the amount of data."""
    table = load(spec.data, settings)
    if table.axes == "W":  # an epoch of running text is long
        return spec.train.epochs
    steps = len(batch_sizes(training_examples(spec.data, table), spec.train.batch_size))
    return min(max(round(_UPDATES / steps), _EPOCHS[0]), _EPOCHS[1])


def _has_own(outline: Outline, composer: Composer) -> bool:
    """Returns whether the network has dropout of its own that can be kept, and that no arm of the study has."""
    kept = keeping(outline, composer)
    study = composer.compose({"study": f"study={ADVISE}"}).study
    assert study is not None
    others = [
        (f"dropout={USUAL}", setting("dropout.rate", arm["dropout.rate"]))
        for arm in study.arms.values()
        if "dropout.rate" in arm
    ]
    return bool(kept.words) and not kept.left and kept.words not in others


def _fits(name: str, rate: float, sites: tuple[Site, ...], composer: Composer) -> bool:
    """Returns whether a variant would act anywhere in the model."""
    dropout: DropoutSpec = compose_one([f"dropout={name}", f"dropout.rate={rate}"], composer).spec.dropout
    return bool(arm_rates(dropout, sites))
