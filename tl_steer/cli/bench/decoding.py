"""Writing: against transformers' own generate and, where they are installed, other libraries."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from tl_steer.cli.bench.clock import Clock, Figure
from tl_steer.cli.bench.floors import bandwidth, weights_of
from tl_steer.cli.bench.others import others_of
from tl_steer.cli.bench.sizes import Sizes
from tl_steer.directions import Direction
from tl_steer.generation import generate
from tl_steer.interventions import Add
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import pad, pad_id, tokenize

BASE = "transformers' generate"
PROMPTS = (
    "This movie is",
    "I went to the cinema last night, and the film",
    "The plot",
    "As for the acting in this film, it was",
    "My opinion:",
    "The critics wrote that",
    "When the credits rolled, I",
    "The music in the last scene of the movie",
)


def small_directions(model: SteerableModel) -> list[Direction]:
    """One after each block; the strength 1.0 of it changes little."""
    generator = torch.Generator().manual_seed(0)
    width, found = int(model.cfg.d_model), []
    for layer in range(int(model.cfg.n_layers)):
        vector = torch.randn(width, generator=generator) / width
        found.append(Direction.of(vector, at=layer, model=model))
    return found


def decoding(model: SteerableModel, plain: Any, sizes: Sizes, clock: Clock) -> list[Figure]:
    """Greedy text: unsteered, with one addition, and with one after each block."""
    directions = small_directions(model)
    middle = len(directions) // 2
    every = [Add(each, 1.0) for each in directions]
    found: list[Figure] = []
    for batch in sizes.batches:
        prompts = [PROMPTS[row % len(PROMPTS)] for row in range(batch)]
        write = _theirs(model, plain, prompts, sizes.tokens)

        def ours(steering: Any, prompts: list[str] = prompts) -> Callable[[], Any]:
            return lambda: generate(
                model, prompts, steering, max_new_tokens=sizes.tokens, temperature=0.0,
                stop_at_eos=False, progress=False,
            )  # fmt: skip

        others, failing = others_of(plain, directions[middle].vector, middle, write)
        runs = {
            "tl_steer, unsteered": ours(None),
            "tl_steer, one addition": ours(every[middle]),
            "tl_steer, an addition a block": ours(every),
            **others,
        }
        part = f"writing, batch {batch}"
        figures = clock.ratios(part, BASE, write, runs)
        same = ours(None)().frame["tokens"].tolist() == write()
        note = "the same tokens" if same else "other tokens"
        found += [
            _noted(each, note if each.name == "tl_steer, unsteered" else "") for each in figures
        ]
        found += [
            Figure(part, name, BASE, 0.0, 0.0, 0.0, 0, 0.0, note) for name, note in failing.items()
        ]
        if batch == 1:
            found.append(_floor(plain, figures[2], sizes.tokens, clock))
    return found


def _noted(figure: Figure, note: str) -> Figure:
    return replace(figure, note=note)


def _floor(plain: Any, steered: Figure, tokens: int, clock: Clock) -> Figure:
    _, size = weights_of(plain, logits=True)
    floor = tokens * size / bandwidth(clock)
    share = floor / steered.seconds
    return Figure(
        "writing, batch 1", "share of the memory floor", "reading every weight once a token",
        share, share, share, 1, floor, "bytes of weights over the bandwidth of copying",
    )  # fmt: skip


def _theirs(
    model: SteerableModel, plain: Any, prompts: list[str], tokens: int
) -> Callable[[], list[list[int]]]:
    from transformers import GenerationConfig

    rows = tokenize(model, prompts)
    batch = pad(rows, side="left", pad_id=pad_id(model)).to(plain.device)
    settings = GenerationConfig(
        max_new_tokens=tokens, do_sample=False, pad_token_id=pad_id(model), eos_token_id=None
    )

    def write() -> list[list[int]]:
        with torch.inference_mode():
            found: Any = plain.generate(
                batch.tokens, attention_mask=batch.real.long(), generation_config=settings
            )
        new: list[list[int]] = found[:, batch.tokens.shape[1] :].tolist()
        return new

    return write
