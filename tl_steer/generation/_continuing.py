"""Continuing prompts in batches: each row with random numbers and settings of its own."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.errors import NonFiniteError
from tl_steer.generation._recording import Recorder, Recording
from tl_steer.generation._sampling import Sampling, draw_tokens
from tl_steer.generation._written import Written
from tl_steer.lens.cache_names import pass_cache_on
from tl_steer.lens.forward import Decoder
from tl_steer.lens.holding import held
from tl_steer.lens.paths import model_of
from tl_steer.lens.protocol import Host, device_of, dtype_of, overflow_advice
from tl_steer.lens.reads_padding import reads_padding
from tl_steer.lens.tokens import TokenIds, eos_ids, pad, pad_id
from tl_steer.steering import Marked, Steered, Steering

Heard = Callable[[Sequence[int], Sequence[list[int]]], None]
"""Is given the numbers of the requests of a batch, and the tokens of each so far."""


@dataclass(frozen=True, eq=False)
class Request:
    """One continuation that is asked for."""

    prompt: TokenIds
    uniforms: Float[Tensor, " step"]
    """A random number for each token that may be written."""

    reading: Hashable = None
    """Requests with equal prompts and equal readings read the prompt once, together: their settings
    do the same to it."""

    label: str = field(default="", repr=False)
    """What the condition is called where something goes wrong."""


@dataclass(frozen=True)
class Continuation:
    """What was written."""

    tokens: list[int]
    """Up to the end-of-text token, if there is one."""

    log_probs: list[float]
    """Of each token, as the model was steered, at temperature 1."""

    finished: bool
    """Whether the text ended by itself."""

    seen: Any = None
    """What was taken down of it, where somebody did."""


def continued(
    model: Host,
    requests: Sequence[Request],
    sampling: Sampling,
    steering: Steering | None = None,
    *,
    max_tokens: int | None = None,
    marked: Marked | None = None,
    recorder: Recorder | None = None,
    heard: Heard | None = None,
) -> Iterator[tuple[list[int], list[Continuation]]]:
    """Write what is asked for, in batches of requests of like length.

    A prompt that several requests of a batch share is read once, and its keys and values are
    handed to all of them.

    Args:
        model: Any TransformerLens model or its twin, in inference mode.
        requests: All for as many tokens as the sampling says.
        sampling: How tokens are drawn; its seed and number of samples are in the requests.
        steering: What to do meanwhile; settings per row are for the requests.
        max_tokens: Padded tokens in a batch, continuations included; by default from memory.
        marked: Takes down whether scopes mark anything.
        recorder: Takes down what happens meanwhile.
        heard: Is called after every token.

    Yields:
        The numbers of the requests of a batch, and what was written for them.

    Raises:
        NonFiniteError: When logits become NaN or infinite, with the condition and the prompt.
    """
    writer = Writer(model, requests, sampling, steering, marked or Marked(), recorder, heard)
    lengths = [len(each.prompt) + sampling.max_new_tokens for each in requests]
    limit = default_room(model) if max_tokens is None else max_tokens
    unpadded = reads_padding(model_of(model))
    for batch in length_sorted(lengths, max_tokens=limit, unpadded=unpadded):
        yield from halving(writer.write, batch)


def default_room(model: Host) -> int:
    """Padded tokens that a batch may have when text is written."""
    # Keys, values and residuals of every layer; logits of one position a row.
    per_token = (
        (3 * int(model.cfg.n_layers) + 40) * int(model.cfg.d_model) * dtype_of(model).itemsize
    )
    return 4 * default_max_tokens(device_of(model), bytes_per_token=4 * per_token)


@dataclass(eq=False)
class Writer:
    model: Host
    requests: Sequence[Request]
    sampling: Sampling
    steering: Steering | None
    marked: Marked
    recorder: Recorder | None = None
    heard: Heard | None = None
    cached: bool = True
    """Whether the model was seen to keep what it reads, or not seen yet."""

    def write(self, index: list[int]) -> list[Continuation]:
        asked = [self.requests[number] for number in index]
        device = device_of(self.model)
        uniform = torch.stack([each.uniforms for each in asked]).to(device)
        ends = torch.tensor(eos_ids(self.model) if self.sampling.stop_at_eos else [], device=device)
        own = None if self.steering is None else self.steering.rows(index)
        first, reader = _read_together(asked)
        reading = None if own is None else own.rows(first)
        prompts = pad([asked[row].prompt for row in first], side="left", pad_id=pad_id(self.model))
        written = Written(len(index), self.sampling.max_new_tokens, ends)
        record = None if self.recorder is None else self.recorder.begin()
        if record is not None:
            record.reads(prompts.tokens.shape[1])
        with held(self.model), _around(self.model, reading, self.marked, record) as live:
            decoder, logits = Decoder.begin(self.model, prompts.to(device), cached=self.cached)
            self.cached = decoder.cached

            def go_on_with(rows: list[int], settings: Steering | None) -> None:
                decoder.select(rows)
                if live is not None and settings is not None:
                    live.select(rows, settings)

            if reader != list(range(len(first))):
                go_on_with(reader, own)
                logits = logits[reader]
                if record is not None:
                    record.select(reader)
            for step in range(self.sampling.max_new_tokens):
                drawn = draw_tokens(self.sampling, logits, uniform[:, step])
                written.add(step, logits, drawn)
                if record is not None:
                    record.draws(logits)
                if self.heard is not None:
                    self.heard(index, written.so_far(step + 1))
                if written.is_time(step):
                    self._require_finite(written, index)
                    going = written.look()
                    if not going:
                        break
                    if len(going) < len(drawn):
                        written.go_on_with(going)
                        go_on_with(going, None if own is None else own.rows(written.going))
                        drawn, uniform = drawn[going], uniform[going]
                        if record is not None:
                            record.leave_all_but(going)
                if step + 1 < self.sampling.max_new_tokens:
                    if record is not None:
                        record.reads(1)
                    logits = decoder.step(drawn[:, None])
        self._require_finite(written, index)
        seen = [None] * len(index) if record is None else record.rows(len(index))
        return [
            _continuation(ids, logs, set(ends.tolist()), own)
            for (ids, logs), own in zip(written.texts(), seen, strict=True)
        ]

    def _require_finite(self, written: Written, index: Sequence[int]) -> None:
        failed = written.failed()
        if failed is None:
            return
        number, step = index[failed[0]], failed[1]
        row = self.requests[number]
        prompt = self.model.tokenizer.decode(row.prompt)
        acts = [] if self.steering is None else [*self.steering.rows([number]).active]
        where = f"Acting: {'; '.join(map(repr, acts))}. Lower the strength."
        nowhere = "Nothing of tl_steer acts: look at the model's weights, and at other hooks on it."
        raise NonFiniteError(
            f"{row.label}: the logits of token {step} after {prompt!r} hold NaN or infinity. "
            f"{where if acts else nowhere}{overflow_advice(self.model)}"
        )


@contextmanager
def _around(
    model: Host, steering: Steering | None, marked: Marked, record: Recording | None
) -> Iterator[Steered | None]:
    """What has to be on the model while it writes."""
    if steering is None and record is None:
        with pass_cache_on(model):
            yield None
    else:
        with Steered(model, steering or Steering(), marked=marked, watch=record) as live:
            yield live


def _read_together(asked: Sequence[Request]) -> tuple[list[int], list[int]]:
    """Rows whose prompts are to be read, and for each row which of these it goes on from."""
    readers: dict[Hashable, int] = {}
    first: list[int] = []
    reader: list[int] = []
    for row, each in enumerate(asked):
        number = readers.setdefault((each.prompt, each.reading), len(readers))
        if number == len(first):
            first.append(row)
        reader.append(number)
    return first, reader


def until_the_end(ids: list[int], ends: set[int]) -> list[int]:
    """Tokens up to the first that ends a text, and with it."""
    last = next((number for number, token in enumerate(ids) if token in ends), len(ids))
    return ids[: last + 1]


def _continuation(ids: list[int], logs: list[float], ends: set[int], seen: Any) -> Continuation:
    kept = until_the_end(ids, ends)
    return Continuation(kept, logs[: len(kept)], kept[-1] in ends, seen)
