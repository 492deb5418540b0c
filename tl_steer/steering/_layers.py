"""Several layers at once: one addition each, with the strength divided among them."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from tl_steer.arguments import Words
from tl_steer.directions import Direction, require_directions
from tl_steer.errors import MismatchError, SteerError
from tl_steer.interventions import Add, warn_if_large
from tl_steer.scopes import Scope

OneStrength = Annotated[float, Words("one number as the strength", "numbers")]
OneDose = Annotated[float, Words("one number as the dose", "numbers")]


def divided(
    directions: Mapping[str, Direction] | Sequence[Direction],
    strength: float | None,
    dose: float | None,
    scope: Scope | slice,
) -> tuple[dict[str, Add], str]:
    """Make an addition for each direction, and say how the strength was divided.

    Args:
        directions: One for each layer.
        strength: Of all together; each gets ``strength / √n``.
        dose: The same as a dose; one of the two.
        scope: Which tokens.

    Returns:
        Additions by name, ``layer_10``, and a line for people.

    Raises:
        MismatchError: For two directions of one hook point.
        SteerError: For both a strength and a dose.
    """
    several: Any = directions
    found = require_directions(tuple(several.values()) if isinstance(several, Mapping) else several)
    places = [each.hook_name for each in found]
    if len({*places}) < len(places):
        raise MismatchError(
            f"at_layers: expected one direction a hook point, got {', '.join(places)}. For several "
            "at one hook point, write Steering(Add(one), Add(other))."
        )
    if strength is not None and dose is not None:
        raise SteerError(
            f"at_layers(…, {strength!r}, dose={dose!r}): give a strength or a dose, not both."
        )
    if dose is None:
        kind, total = "strength", 1.0 if strength is None else strength
        each_gets = total / math.sqrt(len(found))
        strengths = [each_gets] * len(found)
    else:
        kind, total = "dose", dose
        each_gets = total / math.sqrt(len(found))
        strengths = [each.strength_for(dose=each_gets) for each in found]
        # The whole is what text feels; a share of it says little.
        warn_if_large(abs(total), places[0])
    one_site = len({each.layer for each in found}) == len(found)
    names = [f"layer_{each.layer}" if one_site else each.hook_name for each in found]
    additions = {
        name: Add(each, alpha, scope=scope)
        for name, each, alpha in zip(names, found, strengths, strict=True)
    }
    return additions, f"{kind} {total:.3g} / √{len(found)} = {each_gets:.3g} at each"
