"""Directions that know nothing, or nothing of what a direction is said to know."""

from dataclasses import replace

import torch

from tl_steer.activations import Activations
from tl_steer.directions import Direction, differences
from tl_steer.errors import DataError, MismatchError

# Far from the small seeds that a random direction in question may have been made with: it must not
# be among its own controls.
_SEEDS = 7_000_000


def random_directions(direction: Direction, n: int, *, seed: int = 0) -> list[Direction]:
    """Random directions of the same norm at the same hook point.

    Args:
        direction: The one that is in question.
        n: How many.
        seed: Of the draws; they are others than those of ``direction.random_like(seed)``.
    """
    return [direction.random_like(_SEEDS + seed + number) for number in range(n)]


def orthogonal_directions(direction: Direction, n: int, *, seed: int = 0) -> list[Direction]:
    """What random directions have at right angles to a direction, at the same norm.

    ``w = r − (r·v̂) v̂``, brought to the norm of ``v``. An effect of theirs has nothing to do with
    the direction.

    Args:
        direction: The one that is in question.
        n: How many.
        seed: Of the draws.

    Raises:
        NonFiniteError: For the zero vector, and where activations have one dimension only.
    """
    return [
        _at_norm(each.orthogonal_to(direction), direction)
        for each in random_directions(direction, n, seed=seed)
    ]


def shuffled_directions(
    direction: Direction, activations: Activations, n: int, *, seed: int = 0
) -> list[Direction]:
    """Mean differences of the same activations under shuffled labels, at the same norm.

    These lie where texts vary anyway, unlike random directions, and know nothing of the classes.
    Labels are exchanged within pairs, where the texts are paired. Each is brought to the norm of
    the direction.

    Args:
        direction: The one that is in question.
        activations: Of texts of two classes, with vectors, at the direction's hook point; best
            those that it was computed from.
        n: How many.
        seed: Of the shuffling.

    Raises:
        MismatchError: For activations of another model.
        HookNameError: When the hook point was not captured.
        DataError: For moments only, or texts without two classes.
    """
    differs = direction.provenance.model.difference(activations.model)
    if differs:
        raise MismatchError(f"the direction and the activations are of two models ({differs}).")
    name = direction.hook_name
    vectors, classes = activations[name], activations.classes(name)
    labels = activations.is_positive
    if labels is None or bool(classes.all()) or not bool(classes.any()):
        raise DataError(f"{name}: texts of one class have no labels to shuffle.")
    here = replace(
        activations,
        hook_names=(name,),
        vectors={name: vectors},
        text_index={name: activations.text_index[name]},
    )
    generator = torch.Generator().manual_seed(seed)
    found = []
    for number in range(n):
        if activations.paired:
            first = torch.rand(len(labels) // 2, generator=generator) < 0.5
            drawn = torch.cat([first, ~first])
        else:
            drawn = labels[torch.randperm(len(labels), generator=generator)]
        vector = differences(replace(here, is_positive=drawn))[name]
        made = replace(
            direction,
            vector=vector.float().view(direction.vector.shape),
            provenance=direction.provenance.as_result_of(
                f"mean difference of shuffled labels (seed {seed}, {number})"
            ),
        )
        found.append(_at_norm(made, direction))
    return found


def _at_norm(direction: Direction, like: Direction) -> Direction:
    return direction.unit * like.norm
