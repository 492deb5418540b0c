"""Settings one by one, put into the values that experiments take them in."""

from dataclasses import fields
from typing import Any


def grouped(settings: dict[str, Any], **values: type) -> dict[str, Any]:
    """``{"kl": 0.1, "rows": 2}`` as ``{"search": Search(kl=0.1), "run": Run(rows=2)}``."""
    left = dict(settings)
    found = {}
    for name, kind in values.items():
        own = {each.name: left.pop(each.name) for each in fields(kind) if each.name in left}
        if own:
            found[name] = kind(**own)
    return left | found
