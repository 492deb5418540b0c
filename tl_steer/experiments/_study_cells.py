"""What is run on the test prompts of a study: operating points, and what stands beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tl_steer.controls import INSTRUCTION, NONE
from tl_steer.directions import AnyDirection
from tl_steer.dosing import equal_kl_strengths
from tl_steer.experiments._cell import Cell, PromptSet
from tl_steer.experiments._grid import scope_name
from tl_steer.experiments._operating_point import OperatingPoint
from tl_steer.generation import Sampling
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import Scope


def at_kl_of(
    model: SteerableModel,
    named: Mapping[str, AnyDirection],
    kl: float,
    validation: PromptSet,
    scope: Scope,
) -> dict[str, OperatingPoint]:
    """Random directions, at the KL of the reference on the validation prompts."""
    several = equal_kl_strengths(
        model,
        validation.tokens(model),
        list(named.values()),
        max(kl, 1e-6),
        way=1,
        scope=scope,
    )
    return {
        name: OperatingPoint(name, each, strength)
        for (name, each), (strength, _) in zip(named.items(), several, strict=True)
    }


def operating_cells(
    sets: Sequence[PromptSet],
    samplings: Sequence[Sampling],
    points: Mapping[str, OperatingPoint],
    random: Mapping[str, OperatingPoint],
    instruction: str | None,
    scope: Scope,
) -> list[Cell]:
    """All operating points on all prompts with all seeds, and what stands beside them."""
    found = []
    for prompts in sets:
        told = None
        if instruction:
            told = replace(prompts, before=instruction)
        for sampling in samplings:
            found.append(Cell(NONE, None, 0.0, "", scope, prompts, sampling))
            found += [
                Cell(
                    one.name,
                    one.direction,
                    one.strength,
                    scope_name(scope),
                    scope,
                    prompts,
                    sampling,
                )
                for one in [*points.values(), *random.values()]
                if math.isfinite(one.strength)
            ]
            if told is not None:
                found.append(Cell(INSTRUCTION, None, 0.0, "", scope, told, sampling))
    return found
