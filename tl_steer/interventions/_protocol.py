"""What an intervention is."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from tl_steer.arguments import means
from tl_steer.directions import Direction, are_directions
from tl_steer.lens.context import Context
from tl_steer.scopes import Scope
from tl_steer.strengths import Strength

Edit = Callable[[Tensor, Tensor, Context | None], Tensor]
"""From activations ``Float[Tensor, "batch pos *site"]``, a strength in float32 for each token (its
two axes may be 1, where one serves all), and the pass, to activations of the same shape and dtype.

The pass is ``None`` where nothing depends on it: for a single number as strength, the scope
``everywhere``, and an intervention that does not ask for it by ``needs_context = True``. Attention
scores come as ``batch query head key``.
"""


_MEMBERS = ("hook_name", "strength", "scope", "edit")


def instead_of_intervention(came: Any) -> str:
    """Say how to make an intervention from what came."""
    if isinstance(came, Direction):
        return "Say what to do with it: Add(direction, dose=0.2)."
    if are_directions(came):
        return (
            "Add one of them, Add(directions[15], dose=0.2), or several at once, "
            "Steering.at_layers(directions[10:19], dose=0.2)."
        )
    if isinstance(came, Tensor | np.ndarray):
        return (
            "Make a direction of it, and add that: "
            "Add(Direction.of(vector, at=15, model=model), dose=0.2)."
        )
    if isinstance(came, list | tuple) and came and all(isinstance(e, Intervention) for e in came):
        return "Write Steering(*interventions), with a star."
    missing = [name for name in _MEMBERS if not hasattr(came, name)]
    if len(missing) < len(_MEMBERS):
        return f"{type(came).__name__} lacks {' and '.join(missing)}; see docs/extending.md."
    return "Write Add(direction, dose=0.2), for example."


@means("an intervention", instead=instead_of_intervention)
@runtime_checkable
class Intervention(Protocol):
    """A change of the activations at one hook point, for the tokens of one scope.

    A frozen dataclass with its directions and strength as fields needs nothing else. It may also
    have ``reads``, the hook names that its edit asks ``Context.read`` for; ``needs_context =
    True``; ``check_fits(model)``, to refuse more than models its directions were not read from;
    and, for settings per row beyond the strength, ``n_rows`` and ``rows(index)``. An intervention
    that wraps another in a field ``intervention`` need not hand these on.
    """

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        ...

    @property
    def strength(self) -> Strength:
        """How strongly; zero does nothing."""
        ...

    @property
    def scope(self) -> Scope | slice:
        """Which tokens it touches; a plain slice means absolute positions."""
        ...

    def edit(self) -> Edit:
        """Prepare the map for a forward pass."""
        ...


def per_site(strength: Tensor, acts: Tensor) -> Tensor:
    """Give a strength as many axes as the activations have: ``batch pos 1 …``."""
    return strength.view(*strength.shape, *[1] * (acts.ndim - strength.ndim))
