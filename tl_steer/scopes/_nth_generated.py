"""The n-th token that the model writes."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from tl_steer.arguments import checked
from tl_steer.errors import SteerError
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.context import Context
from tl_steer.scopes._given import one_by_one
from tl_steer.shapes import TokenMask


@stored_as("NthGenerated")
@checked
@dataclass(frozen=True)
class NthGenerated:
    """Some of the generated tokens, counted from 0: ``NthGenerated(0)``, ``NthGenerated(0, 2)``.

    What is done at the n-th shows in the token after it; the first generated token is drawn at
    ``last_prompt_token``.

    Raises:
        SteerError: For no whole number, or a negative one: where a text will end is not known.
    """

    which: tuple[int, ...]

    def __init__(self, *which: int | Iterable[int]) -> None:
        """Take numbers; ``NthGenerated(range(5))`` is the first five."""
        numbers = one_by_one(which)
        if not numbers or min(numbers) < 0:
            raise SteerError(
                f"NthGenerated{numbers!r}: expected numbers from 0, which is the first generated "
                "token."
            )
        object.__setattr__(self, "which", numbers)

    def __call__(self, context: Context) -> TokenMask:
        """Mark those tokens."""
        numbers = context.generated_index
        return torch.stack([numbers == number for number in self.which]).any(0)
