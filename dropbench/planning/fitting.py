"""Finds the runs of a plan whose parts fit together, and alternatives for those that do not fit."""

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
        The outline of each spec that can be trained, by run id.
    reasons : list
        Each distinct reason why others cannot.
    failed : dict
        The runs whose user-defined model ends its process when it is built, by run id, with the reason: such a run counts as
        failed, and the others are trained.
    unplanned : list
        Why the data of others could not be read without ending the process: they have no final id and no record.
    """

    outlines: dict[str, Outline]
    reasons: list[str]
    failed: dict[str, str]
    unplanned: list[str]


@dataclass(frozen=True)
class _Unread:
    """Data whose user-defined loader ended its process or did not return."""

    reason: str


_Not = str | PartFailed | _Unread
"""Why something is not trained: it cannot be, or its model or its data would end the process."""


def fitting(specs: Sequence[RunSpec], settings: Settings, skip: bool, composer: Composer) -> Fitting:
    """Checks all specs, each arm once.

    Parameters
    ----------
    specs : sequence of RunSpec
        Whether one can be trained does not depend on the seed, so one spec of each arm is checked.
    settings : Settings
        They hold the folder of the data.
    skip : bool
        Whether specs that cannot be trained are left out, if any are left.
    composer : Composer
        Knows the options, among which fitting ones are looked for.

    Raises
    ------
    UsageError
        With all reasons, one per line, if something cannot be trained and is not to be left out.
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
    """Returns the data and the model's outline on it, or why there are none: no such data, or a model that cannot take it."""
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
    """Returns the arm's outline, or why it cannot be trained; if its variant has no site, with the variants that would fit."""
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
    """Returns the options of a group whose class fits."""
    from omegaconf import OmegaConf

    names = []
    for name, file in options(group, composer.extra).items():
        node: Any = OmegaConf.load(file)
        # A user's option may lack defaults or be faulty; it is not proposed.
        with suppress(TypeError, KeyError, AttributeError, UsageError):
            if fits(part_of(group, str(node["_target_"]))):
                names.append(name)
    return names
