"""What is set beside a direction: which vectors, and at which strengths."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from tl_steer.activations import Activations
from tl_steer.arguments import Confidence, Index, Seed, checked
from tl_steer.controls import (
    DIRECTION,
    INSTRUCTION,
    NONE,
    ORTHOGONAL,
    RANDOM,
    SHUFFLED,
    orthogonal_directions,
    random_directions,
    shuffled_directions,
)
from tl_steer.directions import AnyDirection, LayerRun
from tl_steer.dosing import NEAR, equal_kl_strengths
from tl_steer.errors import DataError, SteerError
from tl_steer.experiments._cell import PromptSet
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import Scope


@checked
@dataclass(frozen=True, eq=False)
class Controls:
    """What a direction is compared with.

    Raises:
        DataError: For fewer than two random directions, or a confidence that cannot be.
        SteerError: For a KL or dose that cannot be.
    """

    kl: float = 0.2
    """What all vectors are brought to: mean ``KL(steered ‖ unsteered)`` of the token after the
    prompts, in nats."""

    dose: float | None = None
    """Give all vectors this relative dose ``‖αv‖ / ‖h‖`` instead, whatever their KL."""

    n_random: Index = 30
    """Random directions, 2 or more. With fewer than 30, their spread is itself a rough estimate,
    and ``p_value`` cannot be small; see ``sigma_above``."""

    n_orthogonal: Index = 4
    """Random directions at right angles to the direction."""

    shuffled: Activations | None = None
    """Activations with vectors, of the texts that the directions were computed from: as many mean
    differences of shuffled labels as random directions."""

    instruction: str | None = None
    """Put before each prompt as it is, in place of a vector; so end it with a space or a line
    break."""

    confidence: Confidence = 0.95
    """Of the intervals."""

    seed: Seed = 0
    """Of the directions and the bootstrap; the sampling has its own."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot be."""
        numbers = {"kl": self.kl, "dose": 1.0 if self.dose is None else self.dose}
        for name, number in numbers.items():
            if not (math.isfinite(number) and number > 0):
                raise SteerError(f"{name}={number}: a finite number over 0 is wanted.")
        if self.n_random < 2 or self.n_orthogonal < 0:
            raise DataError(
                f"n_random={self.n_random}, n_orthogonal={self.n_orthogonal}: 2 or more, best 30, "
                "and 0 or more."
            )
        if not 0 < self.confidence < 1:
            raise DataError(f"confidence={self.confidence}: a share between 0 and 1 is wanted.")


@dataclass(frozen=True, eq=False)
class Condition:
    """One thing that is done, and what it is called beside one direction."""

    key: str
    """The same for what is done once for several directions."""

    kind: str
    name: str
    direction: AnyDirection | None = None
    before: str = ""
    """Text that is put before the prompt."""


def conditions_of(name: str, direction: AnyDirection, controls: Controls) -> list[Condition]:
    """A direction, its controls, and no steering.

    Random directions and those of shuffled labels know nothing of the direction: all directions of
    a hook point have the same, each at the norm of the direction beside which it stands. Each run
    of layers has its own, for its norm is several.
    """
    seed, n = controls.seed, controls.n_random
    here = name if isinstance(direction, LayerRun) else direction.hook_name
    several = {
        (RANDOM, here): random_directions(direction, n, seed=seed),
        # Other draws than the random directions themselves.
        (ORTHOGONAL, name): orthogonal_directions(direction, controls.n_orthogonal, seed=seed + n),
    }
    if controls.shuffled is not None:
        made = shuffled_directions(direction, controls.shuffled, n, seed=seed)
        several[SHUFFLED, here] = made
    found = [Condition(f"{DIRECTION} {name}", DIRECTION, DIRECTION, direction)]
    for (kind, shared), directions in several.items():
        found += [
            Condition(f"{kind} {number}, {shared}", kind, f"{kind} {number}", each)
            for number, each in enumerate(directions, start=1)
        ]
    if controls.instruction:
        found.append(Condition(INSTRUCTION, INSTRUCTION, INSTRUCTION, before=controls.instruction))
    return [*found, Condition(NONE, NONE, NONE)]


def strengths_of(
    model: SteerableModel,
    prompts: PromptSet,
    conditions: Mapping[str, Condition],
    controls: Controls,
    scope: Scope,
) -> dict[str, float]:
    """By key, the strength at which each vector is added; 0 for what is no vector.

    Raises:
        SteerError: For a direction in question that does not reach the KL.
    """
    found = dict.fromkeys(conditions, 0.0)
    vectors = {key: one.direction for key, one in conditions.items() if one.direction is not None}
    if controls.dose is not None:
        return found | {key: one.strength_for(dose=controls.dose) for key, one in vectors.items()}
    several = equal_kl_strengths(
        model, prompts.tokens(model), list(vectors.values()), controls.kl, way=1, scope=scope
    )
    for key, (strength, reached) in zip(vectors, several, strict=True):
        if conditions[key].kind == DIRECTION and reached < (1 - NEAR) * controls.kl:
            raise SteerError(
                f"{key.removeprefix(DIRECTION).lstrip()} changes the token after the prompts by "
                f"{reached:.3g} nats at most, and kl={controls.kl:g} was asked for. Ask for less, "
                "steer some of the prompt, or give a dose=."
            )
        found[key] = strength
    return found


def unique(several: Sequence[Sequence[Condition]]) -> dict[str, Condition]:
    """By key, what is to be done, each once."""
    found: dict[str, Condition] = {}
    for one in chain.from_iterable(several):
        found.setdefault(one.key, one)
    return found
