"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._attends import AttendsTo
from ._attention import Attention as Attention, require_heads as require_heads
from ._characters import Characters
from ._combined import (
    AllOf,
    AnyOf,
    Not,
    passes_over_prompt as passes_over_prompt,
)
from ._conditions import CosineAbove, ProjectionAbove
from ._keys import Keys as Keys
from ._keywords import Keywords, Regex
from ._latched import Latched
from ._nth_generated import NthGenerated
from ._parts import check_part_fits as check_part_fits
from ._per_prompt import PerPrompt
from ._positions import (
    Positions,
    Scope,
    as_scope as as_scope,
    everywhere,
    generated,
    last_prompt_token,
    prompt,
)
from ._roles import Turns as Turns, role
from ._sentences import Sentences
from ._statistics import projection as projection
from ._threshold import Threshold as Threshold, fit_threshold

__all__ = [
    "AllOf",
    "AnyOf",
    "AttendsTo",
    "Characters",
    "CosineAbove",
    "Keywords",
    "Latched",
    "Not",
    "NthGenerated",
    "PerPrompt",
    "Positions",
    "ProjectionAbove",
    "Regex",
    "Scope",
    "Sentences",
    "everywhere",
    "fit_threshold",
    "generated",
    "last_prompt_token",
    "prompt",
    "role",
]
