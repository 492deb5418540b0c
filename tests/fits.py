"""Settings of a fit among a method's other arguments."""

from dataclasses import fields
from typing import Any

import tl_steer as ts

_NAMES = [each.name for each in fields(ts.trained.Fit)]


def fitted(arguments: dict[str, Any], **usual: Any) -> dict[str, Any]:
    """Put those arguments that are a fit's into one, over the usual ones."""
    named = {name: arguments[name] for name in _NAMES if name in arguments}
    others = {name: value for name, value in arguments.items() if name not in named}
    return {**others, "fit": ts.trained.Fit(**{**usual, **named})}
