"""What to write where something else than a direction came."""

from collections.abc import Mapping
from typing import Any


def are_directions(value: Any) -> bool:
    """Whether something is directions by name, as estimators give them."""
    if not isinstance(value, Mapping) or not value:
        return False
    return all(hasattr(each, "provenance") for each in value.values())


def instead_of_direction(came: Any) -> str:
    """Of several directions one is to be taken; a vector is to be made one."""
    if are_directions(came):
        return (
            f"Of these {len(came)} directions, take one by its layer, directions[15]; "
            "Steering.at_layers(directions, dose=0.2) adds all of them."
        )
    return (
        "A vector of yours becomes one by Direction.of(vector, at=15, model=model), where 15 is "
        "the layer."
    )
