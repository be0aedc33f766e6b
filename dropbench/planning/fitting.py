"""Which runs of a plan fit their model and data, and what would fit in place of those that do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dropbench.config.compose import Composer
from dropbench.config.options import options
from dropbench.config.parts import part_of
from dropbench.errors import UsageError
from dropbench.planning.checks import check, no_others, no_schedule
from dropbench.planning.measured import unmonitored
from dropbench.planning.outline import NoView, Outline, outline, takes
from dropbench.planning.size import too_large
from dropbench.planning.sources import load
from dropbench.process.apart import PartDied, PartFailed
from dropbench.settings import Settings
from dropbench.spec import RunSpec

if TYPE_CHECKING:
    from dropbench.data.base import Table


@dataclass(frozen=True)
class Fitting:
    """Which specs can be trained.

    Attributes
    ----------
    outlines : dict
        What each of them builds, by run id.
    reasons : list
        Each distinct reason why others cannot be.
    failed : dict
        Why a user's model cannot even be built without an end to its process, by run id: such a run has failed, and the others
        are trained.
    unplanned : list
        Why the data of others could not be read without an end to the process: they have no id that holds, and no record.
    """

    outlines: dict[str, Outline]
    reasons: list[str]
    failed: dict[str, str]
    unplanned: list[str]


@dataclass(frozen=True)
class _Unread:
    """Data whose loader, a user's, ended its process or did not come to an end."""

    reason: str


_Not = str | PartFailed | _Unread
"""Why something is not trained: it cannot be, it would end its process, or its data does."""


def fitting(specs: Sequence[RunSpec], settings: Settings, skip: bool, composer: Composer) -> Fitting:
    """Looks at all specs, each arm once.

    Parameters
    ----------
    specs : sequence of RunSpec
        What can be does not depend on the seed, so one of each arm is looked at.
    settings : Settings
        Where the data lies.
    skip : bool
        Whether what cannot be is left out, as long as something is left.
    composer : Composer
        Knows the options, among which what would fit is looked for.

    Raises
    ------
    UsageError
        With all reasons, a line each, where something cannot be and is not to be left out.
    """
    arms: dict[str, RunSpec] = {}
    for spec in specs:
        arms.setdefault(spec.arm_id, spec)
    on_data: dict[str, tuple[Table, Outline] | _Not] = {}
    answers: dict[str, Outline | _Not] = {}
    for arm, spec in arms.items():
        key = f"{spec.model.model_dump_json()} {spec.data.target} {spec.data.options} {spec.train.says_variance}"
        if key not in on_data:
            on_data[key] = _on_data(spec, settings, composer)
        found = on_data[key]
        answers[arm] = _answer(spec, *found, settings, composer) if isinstance(found, tuple) else found
    outline_of = {arm: answer for arm, answer in answers.items() if isinstance(answer, Outline)}
    failed = {arm: str(answer) for arm, answer in answers.items() if isinstance(answer, PartFailed)}
    unread = dict.fromkeys(answer.reason for answer in answers.values() if isinstance(answer, _Unread))
    reasons = dict.fromkeys(answer for answer in answers.values() if isinstance(answer, str))
    if not outline_of:
        reasons |= dict.fromkeys((*failed.values(), *unread))
    if reasons and not (skip and outline_of):
        raise UsageError("\n".join(reasons))
    return Fitting(
        {s.run_id: outline_of[s.arm_id] for s in specs if s.arm_id in outline_of},
        list(reasons),
        {s.run_id: failed[s.arm_id] for s in specs if s.arm_id in failed},
        list(unread),
    )


def _on_data(spec: RunSpec, settings: Settings, composer: Composer) -> tuple[Table, Outline] | _Not:
    """The data and the model on it, or why they cannot be: the data is not here, or the model takes no such data."""
    try:
        table = load(spec.data, settings)
    except PartDied as error:
        return _Unread(str(error))
    except UsageError as error:
        return str(error)
    try:
        model = outline(spec.model, table, spec.train.says_variance)
        return too_large(spec.model, model) or (table, model)
    except NoView as error:
        models = _options_that("model", lambda model: takes(model, table), composer)
        return f"{error}: {', '.join(models) or 'there is none'}"
    except PartFailed as error:
        return error
    except UsageError as error:
        return str(error)


def _answer(spec: RunSpec, table: Table, model: Outline, settings: Settings, composer: Composer) -> Outline | str:
    """What this arm builds, or why it cannot be trained, with the variants that would fit where its own has no site."""
    reason = (
        no_schedule(spec)
        or check(spec, table, model)
        or unmonitored(spec, model.task)
        or no_others(spec, table, settings)
    )
    if reason is None:
        return model
    if " has no site in " not in reason:
        return reason
    variants = _options_that("dropout", lambda v: any(v().supports(s) is None for s in model.sites), composer)
    sites = ", ".join(s.name for s in model.usual)
    return f"{reason}; sites: {sites}; variants that fit: {', '.join(variants) or 'none'}"


def _options_that(group: str, fits: Callable[[Any], bool], composer: Composer) -> list[str]:
    """The options of a group whose class fits."""
    from omegaconf import OmegaConf

    names = []
    for name, file in options(group, composer.extra).items():
        node: Any = OmegaConf.load(file)
        # A user's own may have options without a default, or a fault: it is not proposed.
        with suppress(TypeError, KeyError, AttributeError, UsageError):
            if fits(part_of(group, str(node["_target_"]))):
                names.append(name)
    return names
