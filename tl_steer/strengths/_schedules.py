"""Strengths that follow the generated index: how many tokens the model has written so far.

Of a token at position ``t`` of a row whose prompt has ``P`` tokens, the index is ``i = t − P``: 0
for the first token that the model wrote. The activations of that token decide on the second one;
the first one was drawn from the last token of the prompt, so that what prompt tokens get matters.
They get the strength of index 0, or none with ``on_prompt=False``; the intervention's scope still
decides which tokens are touched at all.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from tl_steer.arguments import Count, Index, Positive, checked
from tl_steer.errors import NonFiniteError, SteerError
from tl_steer.lens.context import Context
from tl_steer.lens.on_device import OnDevice
from tl_steer.shapes import Acts, Positions, TokenStrengths

_AT_ONCE = 64


@checked
@dataclass(frozen=True)
class FirstTokens:
    """The same strength for the first ``n`` generated tokens, then none.

    ``α(i) = strength if i < n else 0``. With ``n = 0`` only the prompt is steered.

    Raises:
        SteerError: For a negative ``n``.
        NonFiniteError: For a strength that is NaN or infinite.
    """

    n: Index
    """How many generated tokens."""

    strength: float = 1.0
    """α of the first tokens."""

    on_prompt: bool = field(default=True, kw_only=True)
    """Whether prompt tokens get the strength too; otherwise they get 0."""

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Give the strength to tokens before the n-th."""
        # Compared before prompt tokens become index 0, so that n = 0 leaves the prompt steered.
        early = (context.generated_index < self.n) * float(self.strength)
        return early if self.on_prompt else torch.where(context.generated, early, 0.0)


@checked
@dataclass(frozen=True)
class LinearDecay:
    """From full strength down to none, in a straight line: ``α(i) = strength · max(1 − i/n, 0)``.

    Raises:
        SteerError: For an ``n`` that is zero or negative.
        NonFiniteError: For a strength that is NaN or infinite.
    """

    n: Count
    """The index from which on nothing is added."""

    strength: float = 1.0
    """α at index 0."""

    on_prompt: bool = field(default=True, kw_only=True)
    """Whether prompt tokens get the strength of index 0; otherwise they get 0."""

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Give each token what its index says."""
        index = _index_from_zero(context).float()
        line = self.strength * (1 - index / self.n).clamp(min=0)
        return _with_prompt(line, context, self.on_prompt)


@checked
@dataclass(frozen=True)
class ExponentialDecay:
    """Half as strong after every so many tokens: ``α(i) = strength · 2^(−i / half_life)``.

    Raises:
        SteerError: For a half-life that is zero or negative.
        NonFiniteError: For numbers that are NaN or infinite.
    """

    half_life: Positive
    """Generated tokens until the strength is halved."""

    strength: float = 1.0
    """α at index 0."""

    on_prompt: bool = field(default=True, kw_only=True)
    """Whether prompt tokens get the strength of index 0; otherwise they get 0."""

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Give each token what its index says."""
        index = _index_from_zero(context).float()
        curve = self.strength * torch.exp2(-index / self.half_life)
        return _with_prompt(curve, context, self.on_prompt)


@checked
@dataclass(frozen=True)
class WarmUp:
    """From nothing up to full strength, in a straight line: ``α(i) = strength · min(i/n, 1)``.

    The prompt gets what index 0 gets, which is nothing; ``on_prompt`` does not exist here.

    Raises:
        SteerError: For an ``n`` that is zero or negative.
        NonFiniteError: For a strength that is NaN or infinite.
    """

    n: Count
    """The index from which on the strength is full."""

    strength: float = 1.0
    """α in the end."""

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Give each token what its index says."""
        return self.strength * (_index_from_zero(context).float() / self.n).clamp(max=1)


@checked
@dataclass(frozen=True, eq=False)
class ByIndex:
    """A function of your own, from the generated index to a strength: ``α(i) = function(i)``.

    ``ByIndex(lambda i: 4.0 if i % 2 else 1.0)``. It is plain Python, called once for each index and
    ahead of need, from 0 on, so that it has to know a number for any of them.

    Raises:
        SteerError: For something that is no function, or returns no number.
        NonFiniteError: When it returns NaN or infinity.
    """

    function: Callable[[int], float]
    """From 0, 1, 2, … to α."""

    on_prompt: bool = field(default=True, kw_only=True)
    """Whether prompt tokens get the strength of index 0; otherwise they get 0."""

    def __post_init__(self) -> None:
        """Ask for the first number."""
        _number(self.function, 0)

    @cached_property
    def _numbers(self) -> "_Table":
        return _Table(self.function)

    def __call__(self, acts: Acts, context: Context) -> TokenStrengths:
        """Look up what the function says of each token's index."""
        numbers = self._numbers.of_first(context.whole_positions.shape[1], acts)
        return _with_prompt(numbers[_index_from_zero(context)], context, self.on_prompt)


def _index_from_zero(context: Context) -> Positions:
    return context.generated_index.clamp(min=0)


def _with_prompt(strengths: TokenStrengths, context: Context, on_prompt: bool) -> TokenStrengths:
    return strengths if on_prompt else torch.where(context.generated, strengths, 0.0)


class _Table:
    """What a function says of the first so many indices, kept where it is needed."""

    def __init__(self, function: Callable[[int], float]) -> None:
        self._function = function
        self._known: list[float] = []
        self._on_device = OnDevice()

    def of_first(self, count: int, acts: Acts) -> Tensor:
        """Return at least the first ``count`` numbers, ``Float[Tensor, "index"]``."""
        if count > len(self._known):
            # Many at once, because a copy waits for the GPU.
            count = max(count, _AT_ONCE, 2 * len(self._known))
            self._known += [_number(self._function, i) for i in range(len(self._known), count)]
            self._on_device = OnDevice(torch.tensor(self._known, dtype=torch.float32))
        (numbers,) = self._on_device(acts)
        return numbers


def _number(function: Callable[[int], float], index: int) -> float:
    found = function(index)
    try:
        number = float(found)
    except (TypeError, ValueError, RuntimeError) as error:
        raise SteerError(
            f"ByIndex: expected a number from the function, got {found!r} for index {index}."
        ) from error
    if not math.isfinite(number):
        raise NonFiniteError(f"ByIndex: the function returned {number} for index {index}.")
    return number
