"""Several strengths in one call, and what it takes to enter a block."""

from typing import Any

import torch

from tl_steer.cli.bench.clock import Clock, Figure
from tl_steer.cli.bench.decoding import PROMPTS, small_directions
from tl_steer.cli.bench.sizes import Sizes
from tl_steer.generation import Sampling, compare, generate
from tl_steer.interventions import Add
from tl_steer.lens.protocol import SteerableModel
from tl_steer.scopes import everywhere, generated
from tl_steer.steering import Steering, steer

STRENGTHS = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0)
"""With no steering, nine."""


def sweeping(model: SteerableModel, sizes: Sizes, clock: Clock) -> list[Figure]:
    """Nine strengths in one call, against a call of ``generate`` for each."""
    directions = small_directions(model)
    direction = directions[len(directions) // 2]
    prompts = [PROMPTS[row % len(PROMPTS)] for row in range(sizes.swept_prompts)]
    sampling = Sampling(sizes.swept_tokens, temperature=0.9, top_p=0.95, stop_at_eos=False)
    found: list[Figure] = []
    for name, scope in (("every token", everywhere), ("generated tokens", generated)):
        conditions: dict[str, Steering | None] = {"none": None} | {
            f"{strength}": Steering(Add(direction, strength, scope=scope)) for strength in STRENGTHS
        }

        def together(conditions: dict[str, Steering | None] = conditions) -> None:
            compare(model, prompts, conditions, sampling, progress=False)

        def apart(conditions: dict[str, Steering | None] = conditions) -> None:
            for each in conditions.values():
                generate(model, prompts, each, sampling, progress=False)

        found += clock.ratios(
            f"nine strengths, {name}", "one generate a strength", apart, {"one compare": together}
        )
    return found


def entering(model: SteerableModel, clock: Clock) -> list[Figure]:
    """A block with an addition after each block of the model, entered and left."""
    every = [Add(each, 1.0) for each in small_directions(model)]
    run: Any = model
    tokens = torch.tensor([[1]], device=clock.device)

    def block() -> None:
        for _ in range(10):
            with steer(model, every):
                pass

    @torch.inference_mode()
    def one_token() -> None:
        for _ in range(10):
            run(tokens)

    part = f"ten times entering and leaving a block with {len(every)} additions"
    return clock.ratios(part, "ten passes of one token", one_token, {"tl_steer": block})
