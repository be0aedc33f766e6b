"""The class or function that a `_target_` names, and whether it takes the options given to it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from dropbench.config.messages import invalid
from dropbench.errors import UsageError


def locate(target: str) -> Any:
    """The class or function that a `_target_` names. Raises UsageError where it cannot be imported."""
    from hydra.utils import get_object

    # Hydra logs what it raises, and a log without a handler goes to the console.
    logging.getLogger("hydra.utils").addHandler(logging.NullHandler())
    try:
        return get_object(target)
    except (ImportError, ValueError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UsageError(f"_target_: {target} cannot be imported: {reason}") from error


@cache
def _options_model(target: str) -> Any:
    """A pydantic model of a target's keyword-only arguments: what may stand in its YAML, and of what type."""
    from typing import get_type_hints

    from pydantic import ConfigDict, create_model

    part = locate(target)
    hints = get_type_hints(part.__init__ if inspect.isclass(part) else part, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if p.default is p.empty else p.default)
        for name, p in inspect.signature(part).parameters.items()
        if p.kind is p.KEYWORD_ONLY
    }
    return create_model("Options", __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields)


def checked_options(group: str, target: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` checked against the target's annotations, converted to them, defaults filled in."""
    from pydantic import ValidationError

    try:
        return dict(_options_model(target).model_validate(dict(given)).model_dump(mode="json"))
    except ValidationError as error:
        raise invalid(group, error, list(_options_model(target).model_fields)) from error
