"""A map of the user's own: h' = h + α(f(h) − h)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.errors import NonFiniteError
from tl_steer.interventions._guarded import require_alike
from tl_steer.interventions._protocol import Edit, per_site
from tl_steer.lens.context import Context
from tl_steer.lens.places import Place, name_at
from tl_steer.scopes import Scope, as_scope, everywhere
from tl_steer.strengths import Strength, as_strength

Function = Callable[[Tensor, Context], Tensor]
"""From activations ``Float[Tensor, "batch pos *site"]`` and the pass to activations of the same
shape and dtype. Attention scores and patterns come as ``batch query head key``."""


@checked
@dataclass(frozen=True, eq=False)
class Custom:
    """Apply your own function: ``h' = h + α(f(h, context) − h)``, which is ``f`` for α = 1.

    Use it like any other intervention, with any scope and strength, at any hook point, attention
    scores included. The :class:`~tl_steer.lens.context.Context` says which tokens it is given. So
    that text comes out the same with and without a cache, and in any batch, a token's result may
    depend only on the token itself, its position, and what stands before it.

    Raises:
        SteerError: If it cannot be called; while the model runs, if the result is not a tensor of
            the same shape, dtype and device.
        NonFiniteError: For a strength that is NaN or infinite; in debug mode, while the model runs,
            for a result with NaN, or with an infinity where there was none.
    """

    function: Function
    """``f``. It gets a copy, which it may change, and must return its result."""

    at: Place
    """The hook point: its name, or the number of a layer for the residual stream after it."""

    strength: Strength = 1.0
    """α: 0 does nothing, 1 applies the function."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens; a plain slice means absolute positions. The function sees all of them."""

    reads: tuple[str, ...] = field(default=(), kw_only=True)
    """Hook names that the function asks ``context.read`` for; none may come after ``at``."""

    debug: bool = field(default=False, kw_only=True)
    """Look for NaN and infinity in every result, which waits for the device at every token."""

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        object.__setattr__(self, "at", name_at(self.at))
        as_strength(self.strength, hook_name=self.hook_name)
        object.__setattr__(self, "scope", as_scope(self.scope))

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return str(self.at)

    @property
    def needs_context(self) -> bool:
        """The function is always told of the pass."""
        return True

    def edit(self) -> Edit:
        """Prepare ``h ↦ h + α(f(h) − h)``, in float32 or better, rounded once."""

        def custom(acts: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            found: Any = self.function(acts.clone(), context)  # type: ignore[arg-type]
            require_alike(found, acts, f"{self.at}: the function {self.function!r}")
            self._check(found, acts)
            share = per_site(strength, acts)
            wide = torch.promote_types(acts.dtype, torch.float32)
            mixed = (acts.to(wide) + share * (found.to(wide) - acts.to(wide))).to(acts.dtype)
            # What the function left alone stays, also where it is the −∞ of masked attention.
            return torch.where((share == 1) | (found == acts), found, mixed)

        return custom

    def _check(self, found: Tensor, acts: Tensor) -> None:
        if self.debug:
            wrong = found.isnan() | (found.isinf() & acts.isfinite())
            if bool(wrong.any()):
                raise NonFiniteError(
                    f"{self.at}: {int(wrong.sum())} of the {found.numel()} numbers that the "
                    f"function {self.function!r} returned are NaN or infinite."
                )
