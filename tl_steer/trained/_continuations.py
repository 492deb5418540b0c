"""How likely a model finds continuations, with gradients, and how large its activations are."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.errors import DataError, NonFiniteError, SteerError
from tl_steer.lens.forward import run_logits, run_to_layer
from tl_steer.lens.hook_names import layer_of
from tl_steer.lens.protocol import SteerableModel, device_of, dtype_of, overflow_advice
from tl_steer.lens.tokens import Batch, Chat, TokenIds, check_lengths, pad, pad_id, tokenize
from tl_steer.trained._frozen import reading, wide

Row = tuple[TokenIds, TokenIds]
"""A prompt and what follows it."""

_SCALE_ROWS = 64
_MASSIVE = 10.0


def rows_of(
    model: SteerableModel,
    prompts: Sequence[str],
    texts: Sequence[str],
    *,
    chat: Chat | None = None,
) -> list[Row]:
    """Tokenize prompts and continuations, each on its own, as they are when a model generates.

    Raises:
        DataError: For one without a token, or where both are too long for the model's context.
    """
    before = tokenize(model, prompts, chat=chat)
    after = tokenize(model, texts, prepend_bos=False)
    joined = [p + t for p, t in zip(before, after, strict=True)]
    check_lengths(model, joined, [p + t for p, t in zip(prompts, texts, strict=True)])
    return list(zip(before, after, strict=True))


def padded(model: SteerableModel, rows: Sequence[TokenIds]) -> Batch:
    """Put rows on the model's device, padded on the right."""
    return pad(rows, side="right", pad_id=pad_id(model)).to(device_of(model))


def log_probs(model: SteerableModel, rows: Sequence[Row]) -> Float[Tensor, " row"]:
    """Sum of ``log p(token | tokens before)`` over each continuation, in nats; differentiable.

    Whatever sits on the model acts. One batch: the caller bounds its size.
    """
    batch = padded(model, [prompt + text for prompt, text in rows])
    counted = torch.zeros_like(batch.real[:, 1:])
    for number, (prompt, text) in enumerate(rows):
        counted[number, len(prompt) - 1 : len(prompt) - 1 + len(text)] = True
    # Picked before they are widened: the other positions' logits are most of the memory.
    logits = wide(run_logits(model, batch)[:, :-1][counted])
    chosen = logits.gather(1, batch.tokens[:, 1:][counted][:, None])[:, 0]
    each = chosen - logits.logsumexp(-1)
    row = counted.nonzero()[:, 0]
    sums: Tensor = each.new_zeros(len(rows)).index_add(0, row, each)
    return sums


@dataclass(frozen=True, eq=False)
class Batches:
    """How examples are grouped for the model."""

    lengths: Sequence[int]
    """Tokens of each example."""

    max_tokens: int
    """Padded tokens in a batch."""

    def of(self, rows: Sequence[int]) -> list[list[int]]:
        """Group some examples, sorted by length."""
        index = list(rows)
        found = length_sorted([self.lengths[i] for i in index], max_tokens=self.max_tokens)
        return [[index[i] for i in batch] for batch in found]


def batches(model: SteerableModel, lengths: Sequence[int], max_tokens: int | None) -> Batches:
    """Bound batches by what a backward pass keeps: every block's activations, and the logits.

    Raises:
        SteerError: For a limit under 1.
    """
    if max_tokens is not None and max_tokens < 1:
        raise SteerError(f"max_tokens={max_tokens}: expected at least 1 token in a batch.")
    if max_tokens is None:
        kept = 40 * int(model.cfg.d_model) * int(model.cfg.n_layers) + 4 * int(model.cfg.d_vocab)
        max_tokens = default_max_tokens(
            device_of(model), bytes_per_token=kept * dtype_of(model).itemsize
        )
    return Batches(lengths, max_tokens)


def mean_norm(model: SteerableModel, rows: Sequence[TokenIds], at: str) -> float:
    """Mean norm of the activations at a hook point, over the tokens that ``capture`` would keep.

    One pass over at most 64 of the rows, stopped at that block. The first token of a row is left
    out, and so is any of over ten times the median norm.

    Raises:
        DataError: When no token is left.
        NonFiniteError: For NaN or infinity, or where all activations are zero.
    """
    rows = sorted(rows[:_SCALE_ROWS], key=len)
    if len(rows[-1]) < 2:
        raise DataError(
            "No text has a second token, and the first of each is left out. Give longer texts."
        )
    norms: list[Tensor] = []

    def run(index: list[int]) -> Tensor:
        batch = padded(model, [rows[i] for i in index])
        with reading(model, at) as passed:
            run_to_layer(model, batch, layer_of(at))
        batch.real[:, 0] = False
        kept: Tensor = wide(passed[0].flatten(2)).norm(dim=-1)[batch.real]
        return kept

    with torch.inference_mode():
        for batch in batches(model, [len(row) for row in rows], None).of(range(len(rows))):
            norms += [found.cpu() for _, found in halving(run, batch)]
    every = torch.cat(norms)
    if not bool(torch.isfinite(every).all()):
        raise NonFiniteError(f"{at}: the activations hold NaN or infinity.{overflow_advice(model)}")
    mean = float(every[every <= _MASSIVE * every.median()].mean())
    if not mean > 0:
        raise NonFiniteError(f"{at}: all activations are zero, so there is no scale.")
    return mean
