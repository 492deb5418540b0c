"""Several steerings as the rows of one batch."""

from collections.abc import Hashable, Sequence
from typing import cast

from tl_steer.directions import Direction
from tl_steer.interventions import Add
from tl_steer.scopes import Scope, as_scope
from tl_steer.steering._steering import Steering
from tl_steer.strengths import Numbers, as_strength


def can_merge(steering: Steering | None) -> bool:
    """Tell whether a steering can share a batch: additions, by numbers, of one setting for all."""
    return steering is None or all(
        isinstance(each, Add) and each.n_rows is None and not callable(each.strength)
        for each in steering.active
    )


def merged(steerings: Sequence[Steering | None], *, times: int) -> Steering:
    """Put steerings into one: its first rows do what the first says, the next what the second says.

    Additions at one hook point with one scope become one addition with a direction and a strength
    for each row; where a steering has none there, its strength is zero, which is nothing to the
    last bit.

    Args:
        steerings: Each one such that :func:`can_merge`; ``None`` does nothing.
        times: Rows of each.
    """
    slots: dict[Hashable, dict[int, tuple[Direction, float]]] = {}
    places: dict[Hashable, tuple[str, Scope]] = {}
    slot: Hashable
    for number, steering in enumerate(steerings):
        seen: dict[Hashable, int] = {}
        for each in () if steering is None else steering.active:
            add = cast(Add, each)
            strength = cast(Numbers, as_strength(add.strength, hook_name=add.hook_name))
            place = (add.hook_name, as_scope(add.scope))
            # Two additions at one place of one steering stay two.
            seen[place] = seen.get(place, 0) + 1
            slot = (*place, add.directions[0].vector.shape, seen[place])
            slots.setdefault(slot, {})[number] = (add.directions[0], float(strength.values))
            places[slot] = place
    adds = []
    for slot, of_steering in slots.items():
        hook_name, scope = places[slot]
        anything = next(iter(of_steering.values()))[0]
        settings = [
            of_steering.get(number, (anything, 0.0))
            for number in range(len(steerings))
            for _ in range(times)
        ]
        directions, strengths = zip(*settings, strict=True)
        adds.append(Add(list(directions), list(strengths), scope=scope, at=hook_name))
    return Steering(*adds)
