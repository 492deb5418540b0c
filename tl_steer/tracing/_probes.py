"""Which directions are projected on, and at which hook points."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from tl_steer.arguments import Words
from tl_steer.directions import Direction, Directions
from tl_steer.errors import DataError
from tl_steer.interventions import Intervention, wrapped
from tl_steer.lens.on_device import OnDevice
from tl_steer.lens.places import Places, hook_names
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.sites import ATTENTION_SITES
from tl_steer.steering import Steering

DirectionsLike = Annotated[
    Direction | Directions | Mapping[str, Direction | Directions] | Sequence[Direction],
    Words(
        "a Direction, Directions, a list of them or a name for each",
        "Directions",
        'Write directions={"joy": joy[15], "formality": formality[15]}, for example.',
    ),
]
"""Directions to look along: one, or one a layer, or several, which may have names."""

ALONE = "direction"
"""What a direction is called to which nobody gave a name."""


@dataclass(frozen=True, eq=False)
class Probes:
    """Unit vectors by hook name."""

    names: Mapping[str, tuple[str, ...]]
    """Names of the directions at each hook point, in order."""

    units: Mapping[str, Tensor]
    """``Float[Tensor, "direction width"]``."""

    @classmethod
    def of(
        cls,
        model: SteerableModel,
        given: DirectionsLike | None,
        at: Places | None,
        steerings: Sequence[Steering],
    ) -> "Probes":
        """Find them.

        Args:
            model: The one to be read.
            given: By the user; without, those of the steerings, where these act.
            at: Hook points, where they are not those at which the directions were read.
            steerings: What will act.

        Raises:
            MismatchError: For a direction of another model, or of another width than a hook point.
            NonFiniteError: For a zero direction.
            HookNameError: For hook points that the model lacks, or at which there is no direction.
            DataError: For no direction, where some are given.
        """
        places = None if at is None else hook_names(model, at)
        found: dict[str, dict[str, Direction]] = {}
        several = _own(steerings) if given is None else _named(given)
        for name, place, direction in _placed(several, places):
            direction.check_fits(model, place)
            found.setdefault(place, {})[name] = direction.unit
        return cls(
            {place: tuple(own) for place, own in found.items()},
            {
                place: torch.stack([each.vector.flatten() for each in own.values()])
                for place, own in found.items()
            },
        )

    def along(self, places: Sequence[str]) -> OnDevice:
        """Vectors of several names of one hook point, ``Float[Tensor, "width direction"]``."""
        several = [self.units[place] for place in places if place in self.units]
        return OnDevice(torch.cat(several).T.contiguous()) if several else OnDevice()


_Named = tuple[str, str | None, Direction | Directions]


def _placed(
    several: Sequence[_Named], places: Sequence[str] | None
) -> Iterator[tuple[str, str, Direction]]:
    for name, acts_at, each in several:
        if isinstance(each, Direction):
            for place in places or (acts_at or each.hook_name,):
                yield name, place, each
        else:
            for place in places or tuple(each):
                yield name, place, each[place]


def _named(given: Any) -> list[_Named]:
    if isinstance(given, Direction):
        return [(ALONE, None, given)]
    if not len(given):
        raise DataError("no direction came; give one, or leave directions= out.")
    if isinstance(given, Directions):
        return [(ALONE, None, given)]
    if isinstance(given, Mapping):
        return [(str(name), None, each) for name, each in given.items()]
    alone = len(given) == 1
    return [
        (ALONE if alone else str(number), None, each) for number, each in enumerate(given, start=1)
    ]


def _own(steerings: Sequence[Steering]) -> list[_Named]:
    """The directions that act, called as what they are part of."""
    found: dict[tuple[int, str], _Named] = {}
    taken: set[tuple[str, str]] = set()
    for steering in steerings:
        for name, each in steering.acting.items():
            for direction in _within(each):
                key, label = (id(direction), each.hook_name), ALONE if name.isdigit() else name
                if key in found or each.hook_name.endswith(ATTENTION_SITES):
                    continue
                number = 2
                while (label, each.hook_name) in taken:
                    label, number = f"{label.split(' (')[0]} ({number})", number + 1
                taken.add((label, each.hook_name))
                found[key] = (label, each.hook_name, direction)
    return list(found.values())


def _within(intervention: Intervention) -> Iterator[Direction]:
    inner: Any = intervention
    while wrapped(inner) is not None:
        inner = wrapped(inner)
    for part in fields(inner) if is_dataclass(inner) else ():
        value = getattr(inner, part.name)
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, Direction) and bool(each.vector.any()):
                yield each
