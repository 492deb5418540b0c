"""Attention emphasis: s' = s + αb for the tokens of a span, before the softmax."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Annotated

import torch
from torch import Tensor

from tl_steer.arguments import Range, checked
from tl_steer.errors import HookNameError, SteerError
from tl_steer.interventions._protocol import Edit, per_site
from tl_steer.lens.context import Context
from tl_steer.lens.hook_names import order_of
from tl_steer.lens.places import Place, name_at
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import Keys, Scope, as_scope, everywhere, require_heads
from tl_steer.strengths import Strength, as_strength

_SCORES = "attn.hook_attn_scores"

Bias = Callable[[Tensor, Tensor], Tensor]
"""From log-odds ``Float[Tensor, "batch query head"]`` of the span, where it is seen at all, and a
strength that goes with them, to what is added to the span's scores, of the same shape."""


@checked
@dataclass(frozen=True)
class Rescale:
    """Multiply the span's attention by a factor, and renormalise: ``b = log factor``.

    This is PASTA (Zhang et al. 2023, https://arxiv.org/abs/2311.02262), which multiplies the
    attention to all *other* tokens by a small α and renormalises: ``factor = 1/α``, 100 there. In
    its code the tokens that have been generated since are not scaled down; here they are.

    Raises:
        SteerError: For a factor that is not over 0, or infinite.
    """

    factor: Annotated[float, Range("over 0, such as 100", over=0)]

    def __call__(self, log_odds: Tensor, strength: Tensor) -> Tensor:
        """Return ``α log factor``, whatever the attention is."""
        return (strength * log(self.factor)).expand_as(log_odds)


@checked
@dataclass(frozen=True)
class AtLeast:
    """Lift the span's attention to a share ψ where it is lower: ``b = logit ψ − logit c``.

    ``c`` is the share it has, in each head, for each token; where it is ψ or more, nothing is done.
    The idea is SpotLight's (Venkateswaran and Contractor 2025, https://arxiv.org/abs/2505.12025),
    whose bias ``log(ψ/c)`` ends at ``ψ / (1 + ψ − c)``, a little under ψ; this one ends at ψ.

    Raises:
        SteerError: For a share that is not between 0 and 1.
    """

    share: Annotated[float, Range("between 0 and 1, such as 0.2", over=0, under=1)]

    def __call__(self, log_odds: Tensor, strength: Tensor) -> Tensor:
        """Return ``α (logit ψ − logit c)`` where that is a gain."""
        return strength * (log(self.share / (1 - self.share)) - log_odds).clamp(min=0)


@checked
@dataclass(frozen=True, eq=False)
class Emphasize:
    """Let tokens attend more to a span: ``s' = s + αb`` for the scores of its tokens.

    Adding to scores before the softmax multiplies what follows from them, and the softmax
    renormalises. What is masked stays masked. Heads matter: PASTA emphasises only in those that a
    profile over tasks found useful.

    Raises:
        HookNameError: For a hook point that has no attention scores.
        NonFiniteError: For a strength that is NaN or infinite.
        SteerError: For keys that are chosen by reading activations.
    """

    keys: Scope | slice
    """Whom to attend to: a scope of text or positions, such as ``Keywords("politely")``. A word
    that the model writes counts from the token on that completes it."""

    at: Place
    """The hook point, such as ``blocks.7.attn.hook_attn_scores``; 7 is the same."""

    by: Bias
    """How much: ``Rescale(100)`` or ``AtLeast(0.2)``."""

    strength: Strength = 1.0
    """α: 1 does what is said, 0 nothing, between them a part, in log-odds."""

    heads: Sequence[int] | None = field(default=None, kw_only=True)
    """Which heads; ``None`` for all."""

    scope: Scope | slice = field(default=everywhere, kw_only=True)
    """Which tokens attend more; a plain slice means absolute positions."""

    needs_context = True

    def __post_init__(self) -> None:
        """Check what can be checked without a model."""
        name = name_at(self.at, site=_SCORES)
        object.__setattr__(self, "at", name)
        order_of(name)
        if not name.endswith(_SCORES):
            raise HookNameError(f'{name!r}: expected attention scores, "blocks.7.{_SCORES}".')
        if self.heads is not None and not len(self.heads):
            raise HookNameError(
                f"{self.at}: expected at least one head, got none. For all heads, write heads=None."
            )
        as_strength(self.strength, hook_name=name)
        object.__setattr__(self, "scope", as_scope(self.scope))
        object.__setattr__(self, "keys", Keys(self.keys).scope)

    @property
    def hook_name(self) -> str:
        """Where it acts."""
        return str(self.at)

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model that lacks one of the heads.

        Raises:
            HookNameError: With the heads that there are.
        """
        require_heads(model, self.heads, self.hook_name)

    def edit(self) -> Edit:
        """Prepare ``s ↦ s + αb``, in float32, rounded once."""
        keys, by, heads = Keys(self.keys), self.by, self.heads

        def emphasize(scores: Tensor, strength: Tensor, context: Context | None) -> Tensor:
            if context is None:
                raise SteerError("Emphasize needs to know the text, and this pass came without it.")
            marked = context.mask(keys).to(scores.device)[:, :, None]
            # Masked scores are -inf, or the lowest number that there is.
            seen = scores > torch.finfo(scores.dtype).min / 2
            span = seen & marked
            if heads is not None:
                span = span & _only(heads, scores)
            inside, outside = (
                scores.float().masked_fill(~part, -torch.inf).logsumexp(-1)
                for part in (span, seen & ~marked)
            )
            known = (inside > -torch.inf) & (outside > -torch.inf)
            log_odds = torch.where(known, inside - outside, 0.0)
            bias = torch.where(known, by(log_odds, per_site(strength, log_odds)), 0.0)
            return torch.where(span, (scores.float() + bias[..., None]).to(scores.dtype), scores)

        return emphasize


def _only(heads: Sequence[int], scores: Tensor) -> Tensor:
    """``Bool[Tensor, "1 1 head 1"]``, made where the scores are: a copy would be waited for."""
    numbers = torch.arange(scores.shape[2], device=scores.device)
    return torch.stack([numbers == head for head in heads]).any(0)[None, None, :, None]
