"""Whole texts, read once as the model is and once as it is steered: how far apart the two are."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.errors import NonFiniteError
from tl_steer.lens.forward import run_logits
from tl_steer.lens.hook_points import HookFunction, attached
from tl_steer.lens.paths import model_of
from tl_steer.lens.protocol import Host, device_of, overflow_advice
from tl_steer.lens.reads_padding import reads_padding
from tl_steer.lens.tokens import Batch, TokenIds, pad, pad_id
from tl_steer.scopes import Scope
from tl_steer.statistics import kl_divergence
from tl_steer.steering import Marked, Steered, Steering
from tl_steer.tracing._attention import Patterns, marked_keys
from tl_steer.tracing._distribution import Distribution
from tl_steer.tracing._recorder import Recorder, Recording, Seen

_COPIES = 8
"""Of the logits of a token, in float32, that live at once."""


@dataclass(frozen=True, eq=False)
class Read:
    """What a reading says of one text; a number belongs to the token that it is about."""

    log_prob: Float[ndarray, " token"]
    """NaN for the first token, here and below."""

    entropy: Float[ndarray, " token"]
    kl: Float[ndarray, " token"]
    likeliest: Int[ndarray, "token rank"]
    log_probs: Float[ndarray, "token rank"]

    attention: dict[str, Float[ndarray, "token head 3"]]
    """By hook name: the share that goes to the keys, steered and not, and how far it was
    rerouted."""

    seen: Seen | None
    """What stood at hook points, where that was asked for."""


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts, and how they are to be read."""

    host: Host
    prompts: Sequence[TokenIds]
    written: Sequence[TokenIds]
    steering: Steering | None
    """With settings for each text, or for all."""

    recorder: Recorder | None
    compares: bool
    """Whether they are read unsteered, too."""

    attention: tuple[str, ...]
    keys: Scope | slice | None
    ranks: int
    marked: Marked

    def read(self, max_tokens: int | None) -> Iterator[tuple[list[int], list[Read]]]:
        """Read them in batches; yields the numbers of some texts, and what was found."""
        lengths = [len(a) + len(b) for a, b in zip(self.prompts, self.written, strict=True)]
        model = model_of(self.host)
        per_token = 4 * _COPIES * int(model.cfg.d_vocab) + 4 * _COPIES * len(self.attention) * int(
            model.cfg.n_heads
        ) * max(lengths)
        limit = default_max_tokens(device_of(self.host), bytes_per_token=per_token)
        batches = length_sorted(
            lengths, max_tokens=max_tokens or limit, unpadded=reads_padding(model)
        )
        for batch in batches:
            yield from halving(self._read, batch)

    def _read(self, index: list[int]) -> list[Read]:
        rows = [self.prompts[i] + self.written[i] for i in index]
        batch = pad(rows, side="left", pad_id=pad_id(self.host)).to(device_of(self.host))
        lengths = [len(self.prompts[i]) for i in index]
        patterns = Patterns(
            None
            if self.keys is None
            else marked_keys(batch, lengths, self.host.tokenizer, self.keys)
        )
        record = None if self.recorder is None else self.recorder.begin()
        own = None if self.steering is None else self.steering.rows(index)
        if own is None:
            logits = self._run(batch, lengths, patterns.first(self.attention), own, record)
            patterns.same()
            before: Tensor | None = logits
        else:
            before = None
            if self.compares:
                before = self._run(batch, lengths, patterns.first(self.attention), None, None)
            logits = self._run(batch, lengths, patterns.second(self.attention), own, record)
        self._require_finite(batch, logits, own)
        log_probs = logits[:, :-1].log_softmax(-1)
        found = Distribution.of(log_probs, self.ranks)
        chosen = log_probs.gather(2, batch.tokens[:, 1:, None])[..., 0]
        kl = torch.full_like(chosen, torch.nan)
        if before is not None:
            kl = kl_divergence(log_probs, before[:, :-1].log_softmax(-1))
        numbers = torch.cat([torch.stack([chosen, found.entropy, kl], -1), found.log_probs], -1)
        values, ids = numbers.cpu().numpy(), found.likeliest.cpu().numpy()
        attention = {
            name: torch.stack([each[name] for each in patterns.found()], -1)
            .transpose(1, 2)
            .cpu()
            .numpy()
            for name in self.attention
        }
        seen = [None] * len(index) if record is None else record.rows(len(index))
        return [
            _of_row(row, len(tokens), values, ids, attention, seen[row])
            for row, tokens in enumerate(rows)
        ]

    def _run(
        self,
        batch: Batch,
        lengths: Sequence[int],
        looks: Mapping[str, HookFunction],
        own: Steering | None,
        record: Recording | None,
    ) -> Tensor:
        if record is not None:
            record.reads(batch.tokens.shape[1])
        with ExitStack() as stack:
            if own is not None or record is not None:
                steering = own or Steering()
                stack.enter_context(
                    Steered(self.host, steering, lengths, marked=self.marked, watch=record)
                )
            # After what steers: attention is looked at as it was made.
            stack.enter_context(attached(self.host, looks))
            return run_logits(self.host, batch, prompt_lengths=lengths).float()

    def _require_finite(self, batch: Batch, logits: Tensor, own: Steering | None) -> None:
        fine = torch.isfinite(logits).all(-1) | ~batch.real
        if not bool(fine.all()):
            acts = [] if own is None else [*own.active]
            raise NonFiniteError(
                "the logits hold NaN or infinity. "
                + (f"Acting: {'; '.join(map(repr, acts))}. Lower the strength." if acts else "")
                + overflow_advice(self.host)
            )


def _of_row(
    row: int,
    length: int,
    values: ndarray,
    ids: ndarray,
    attention: dict[str, ndarray],
    seen: Seen | None,
) -> Read:
    """What belongs to one row: of what was said at a token, the next one is meant."""
    about = slice(values.shape[1] + 1 - length, None)
    own = _behind_nothing(values[row, about], np.nan)
    return Read(
        own[:, 0],
        own[:, 1],
        own[:, 2],
        _behind_nothing(ids[row, about], -1),
        own[:, 3:],
        {name: each[row, -length:] for name, each in attention.items()},
        seen,
    )


def _behind_nothing(values: ndarray, nothing: float) -> ndarray:
    """Values for all tokens but the first, of which nothing is known."""
    first = np.full((1, values.shape[1]), nothing, dtype=values.dtype)
    return np.concatenate([first, values])
