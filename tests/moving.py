"""A loop over a cache whose rows move, beside whole passes that need no cache."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from making import SITES, direction
from scopes_of import BY_TEXT, SCOPES
from strengths_of import SITE, STRENGTHS
from torch import Tensor

import tl_steer as ts
from tl_steer.lens.forward import Decoder, run_logits
from tl_steer.lens.protocol import is_bridge
from tl_steer.lens.tokens import Batch, pad

WHOLE_PROMPT = {*BY_TEXT, "characters", "by the prompt"}
"""What a token gets of these depends on all of the prompt."""

THE_END = {
    "prompt", "generated", "last_prompt_token", "Positions(-3)", "Positions(-3, -1)",
    "Positions(1, -1)", "some generated", "FirstTokens", "FirstTokens, not the prompt",
    "LinearDecay", "ExponentialDecay", "WarmUp", "ByIndex", "Multiply", "HoldProjection, PI",
    "ProbeGated, of what is written", "ProbeGated, of a function",
}  # fmt: skip
"""These depend on where it ends."""

REMEMBERS = {
    "latched", "by the prompt", "from the first", "HoldProjection, PI",
    "HoldProjection, PI over all", "ProbeGated", "ProbeGated, of what is written",
    "ProbeGated, of a function",
}  # fmt: skip
"""What earlier tokens left behind decides."""

PROMPTS = ((5, 6, 7, 8, 9), (3, 4), (20, 21, 6, 5, 13, 14, 7))


class Loop:
    """Reads prompts, then whatever it is told to, one token a row and step."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]] = PROMPTS) -> None:
        self.model = model
        self.rows = [list(row) for row in prompts]
        self.lengths = [len(row) for row in prompts]
        batch = pad([tuple(row) for row in prompts], side="left", pad_id=0)
        self.decoder, self.logits = Decoder.begin(model, batch)

    def step(self, *tokens: int) -> None:
        """One more token in each row."""
        self.rows = [[*row, token] for row, token in zip(self.rows, tokens, strict=True)]
        self.logits = self.decoder.step(torch.tensor(tokens)[:, None])

    def move(self, *index: int) -> None:
        """Let each row go on from another one, as beam search does."""
        self.decoder.select(index)
        self.rows = [self.rows[row] for row in index]
        self.lengths = [self.lengths[row] for row in index]

    def crop(self, tokens: int) -> None:
        """Take back the last tokens of each row."""
        decoder: Any = self.decoder
        decoder.mask, decoder.tokens = decoder.mask[:, :-tokens], decoder.tokens[:, :-tokens]
        self.rows = [row[:-tokens] for row in self.rows]
        if is_bridge(self.model):
            decoder._cache.crop(-tokens)
            return
        cache = decoder._cache
        cache.previous_attention_mask = cache.previous_attention_mask[:, :-tokens]
        for entry in cache.entries:
            entry.past_keys = entry.past_keys[:, :-tokens]
            entry.past_values = entry.past_values[:, :-tokens]

    def again(self) -> "Loop":
        """Another loop that goes on from a copy of the cache."""
        other = copy.copy(self)
        other.decoder = copy.copy(self.decoder)
        other.decoder._cache = copy.deepcopy(self.decoder._cache)
        return other

    def expected(self, steering: ts.Steering) -> Tensor:
        """The same rows in one pass, whose prompts' lengths are said."""
        batch = pad([tuple(row) for row in self.rows], side="left", pad_id=0)
        with ts.steer(self.model, steering, prompt_lengths=self.lengths):
            return run_logits(self.model, batch)[:, -1]

    def pieces(self, at: int) -> None:
        """Read the prompts again, in two pieces."""
        batch = pad([tuple(row) for row in self.rows], side="left", pad_id=0)
        first = Batch(batch.tokens[:, :at], batch.real[:, :at])
        self.decoder, _ = Decoder.begin(self.model, first)
        self.decoder.mask = batch.real
        self.decoder.tokens = batch.tokens
        self.logits = self.decoder._go_on(batch.tokens[:, at:])


OF_EACH_KIND = (
    "everywhere", "generated", "last_prompt_token", "slice(1, 4)", "Positions(-3)", "keywords",
    "latched", "by the prompt", "from the first", "together", "ByIndex", "HoldProjection, PI",
    "HoldProjection, PI over all", "ProbeGated",
)  # fmt: skip
"""What depends on nothing, on positions, on the end of the prompt, on text, and on what is
remembered."""


def steerings(model: Any, names: Sequence[str] = ()) -> Iterator[tuple[str, ts.Steering]]:
    """Every scope and every strength that is a function, or those that are named."""
    for name in names or [*SCOPES, *STRENGTHS]:
        if name in SCOPES:
            add = ts.Add(direction(model, SITES[3]), 3.0, scope=SCOPES[name](model))
        else:
            add = ts.Add(direction(model, SITE), STRENGTHS[name](model))
        yield name, ts.Steering(add)
