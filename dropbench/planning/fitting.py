"""Which runs of a plan fit their model and data, and what would fit in place of those that do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dropbench.config.compose import Composer
from dropbench.config.options import options
from dropbench.config.parts import part_of
from dropbench.errors import UsageError
from dropbench.planning.checks import check, no_others, no_schedule
from dropbench.planning.outline import NoView, Outline, outline, takes
from dropbench.planning.size import too_large
from dropbench.planning.sources import load
from dropbench.spec import RunSpec, Settings

if TYPE_CHECKING:
    from dropbench.data.base import Table


def fitting(
    specs: Sequence[RunSpec], settings: Settings, skip: bool, composer: Composer
) -> tuple[list[RunSpec], dict[str, Outline], list[str]]:
    """The specs that can be trained, their outlines by run id, and each distinct reason why others cannot.

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
    outline_of: dict[str, Outline] = {}
    on_data: dict[str, tuple[Table, Outline] | str] = {}
    reasons: dict[str, None] = {}
    for arm, spec in arms.items():
        key = f"{spec.model.model_dump_json()} {spec.data.target} {spec.data.options}"
        if key not in on_data:
            on_data[key] = _on_data(spec, settings, composer)
        model = on_data[key]
        reason = model if isinstance(model, str) else _unfit(spec, *model, settings, composer)
        if reason is not None:
            reasons[reason] = None
        elif not isinstance(model, str):
            outline_of[arm] = model[1]
    if reasons and not (skip and outline_of):
        raise UsageError("\n".join(reasons))
    fit = [s for s in specs if s.arm_id in outline_of]
    return fit, {s.run_id: outline_of[s.arm_id] for s in fit}, list(reasons)


def _on_data(spec: RunSpec, settings: Settings, composer: Composer) -> tuple[Table, Outline] | str:
    """The data and the model on it, or why they cannot be: the data is not here, or the model takes no such data."""
    try:
        table = load(spec.data, settings)
        model = outline(spec.model, table)
        return too_large(spec.model, model) or (table, model)
    except NoView as error:
        models = _options_that("model", lambda model: takes(model, table), composer)
        return f"{error}: {', '.join(models) or 'there is none'}"
    except UsageError as error:
        return str(error)


def _unfit(spec: RunSpec, table: Table, model: Outline, settings: Settings, composer: Composer) -> str | None:
    """Why this arm cannot be trained, with the variants that would fit where its own has no site; or None."""
    reason = no_schedule(spec) or check(spec, table, model) or no_others(spec, table, settings)
    if reason is None or " has no site in " not in reason:
        return reason
    variants = _options_that("dropout", lambda v: any(v().supports(s) is None for s in model.sites), composer)
    sites = ", ".join(s.name for s in model.sites)
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
