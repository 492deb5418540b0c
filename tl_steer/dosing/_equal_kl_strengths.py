"""The strength of each direction at one KL, before any text is written."""

from collections.abc import Sequence

from tl_steer.directions import AnyDirection
from tl_steer.dosing._equal_kl import NEAR, NextTokenKL, strengths_at_kl
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import TokenIds
from tl_steer.scopes import Scope


def equal_kl_strengths(
    model: SteerableModel,
    prompts: Sequence[TokenIds],
    directions: Sequence[AnyDirection],
    kl: float,
    *,
    way: int,
    scope: Scope,
) -> list[tuple[float, float]]:
    """Bring directions of any hook points to one mean KL of the token after the prompts.

    Args:
        model: Any TransformerLens model.
        prompts: To be continued, as token ids.
        directions: One or more.
        kl: Nats.
        way: 1 to steer along the directions, -1 to steer away.
        scope: Which tokens are steered.

    Returns:
        The strength of each, with the sign of ``way``, and the KL that it has.
    """
    measure = NextTokenKL.on_rows(model, prompts)
    found: dict[int, tuple[float, float]] = {}
    for hook_name in dict.fromkeys(each.hook_name for each in directions):
        here = [n for n, each in enumerate(directions) if each.hook_name == hook_name]
        # Strengths that are tried are positive.
        turned = [directions[n] if way > 0 else -directions[n] for n in here]
        strengths, reached = strengths_at_kl(measure, turned, kl, scope=scope)
        several = zip((way * strengths).tolist(), reached.tolist(), strict=True)
        found.update(zip(here, several, strict=True))
    return [found[number] for number in range(len(directions))]


def unreached(
    strength: float, reached: float, direction: AnyDirection, kl: float, most: float
) -> str:
    """Why a direction has no strength at that KL, in words; empty where it has."""
    dose = direction.dose(strength)
    if reached < (1 - NEAR) * kl:
        return f"KL {reached:.3g} nats at dose {dose:.3g}, and no more was found"
    if dose > most:
        return f"KL {reached:.3g} nats only at dose {dose:.3g}, over {most:g}"
    return ""
