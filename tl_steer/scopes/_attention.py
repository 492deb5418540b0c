"""How much each token attends to some others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tl_steer.errors import HookNameError, MismatchError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.lens.hook_names import heads_of, order_of
from tl_steer.lens.places import Places, name_at, several
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes._given import one_by_one
from tl_steer.scopes._keys import Keys
from tl_steer.scopes._positions import Scope
from tl_steer.shapes import TokenStrengths

_PATTERN = "attn.hook_pattern"


@stored_as("Attention")
@dataclass(frozen=True)
class Attention:
    """The share of a token's attention that goes to the tokens of a scope, from 0 to 1.

    ``Σ_k A[head, query, k]`` over the tokens ``k`` that the scope marks, then the mean over heads,
    or the largest. Cached tokens are among them. In models with grouped queries each query head has
    a pattern of its own, and counts as one head.

    Raises:
        HookNameError: For hook points that are no attention patterns.
        SteerError: For a scope that reads activations.
    """

    keys: Keys

    at: tuple[str, ...]
    """Hook names of attention patterns, such as ``blocks.7.attn.hook_pattern``."""

    heads: tuple[int, ...] | None = None
    """Which heads, in each of these layers; ``None`` for all."""

    strongest: bool = field(default=False, kw_only=True)
    """Whether the largest share of any head counts, instead of the mean over heads."""

    def __init__(
        self,
        keys: Scope | slice,
        at: Places,
        heads: Sequence[int] | int | None = None,
        *,
        strongest: bool = False,
    ) -> None:
        """Take a scope, one hook name or layer or several, and heads."""
        names = tuple(name_at(each, site=_PATTERN) for each in several(at))
        for name in names:
            order_of(name)
            if not name.endswith(_PATTERN):
                raise HookNameError(
                    f'{name!r}: expected an attention pattern, such as "blocks.7.{_PATTERN}".'
                )
        numbers = None if heads is None else one_by_one((heads,))
        if not names or numbers == ():
            raise HookNameError("Expected at least one attention pattern and one head, got none.")
        object.__setattr__(self, "keys", Keys(keys))
        object.__setattr__(self, "at", names)
        object.__setattr__(self, "heads", numbers)
        object.__setattr__(self, "strongest", strongest)

    @property
    def reads(self) -> tuple[str, ...]:
        """The attention patterns."""
        return self.at

    def check_fits(self, model: SteerableModel) -> None:
        """Refuse a model that lacks one of the heads."""
        require_heads(model, self.heads, self.at[0])

    def __call__(self, context: Context) -> TokenStrengths:
        """Return the share for each token of this pass."""
        keys = context.mask(self.keys)
        shares = torch.cat([self._shares(context.read(name), keys, name) for name in self.at], 1)
        return shares.amax(1) if self.strongest else shares.mean(1)

    def _shares(self, pattern: Tensor, keys: Tensor, name: str) -> Tensor:
        """``Float[Tensor, "batch head pos"]``."""
        if pattern.shape[-1] != keys.shape[-1]:
            raise MismatchError(
                f"{name}: {pattern.shape[-1]} tokens are attended to, but {keys.shape[-1]} are "
                "known. Caches of a fixed or sliding length are not supported here."
            )
        if self.heads is not None:
            # Views, and no index that would have to be copied to the device.
            pattern = torch.stack([pattern[:, head] for head in self.heads], dim=1)
        marked = keys.to(pattern.device)[:, None]
        return torch.where(marked, pattern.float(), 0.0).sum(-1)


def require_heads(model: SteerableModel, heads: Sequence[int] | None, name: str) -> None:
    """Refuse heads that a model lacks.

    Raises:
        HookNameError: With the heads that there are.
    """
    n_heads = heads_of(model, name)
    wrong = [head for head in heads or () if not 0 <= head < n_heads]
    if wrong:
        raise HookNameError(f"{name}: no head {wrong[0]}; this model has heads 0 to {n_heads - 1}.")
