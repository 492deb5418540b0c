"""Reading activations, against a bare pass of the plain model over the same batches."""

from collections.abc import Sequence
from typing import Any

import torch

from tl_steer.activations import capture
from tl_steer.batching import length_sorted
from tl_steer.cli.bench.clock import Clock, Figure
from tl_steer.cli.bench.floors import throughput, weights_of
from tl_steer.cli.bench.sizes import Sizes
from tl_steer.lens.protocol import SteerableModel, device_of, dtype_of
from tl_steer.lens.tokens import Batch, pad, pad_id, tokenize

BASE = "a bare pass of the base model"
_TOGETHER = 512
_SENTENCE = "The film was long, and the plot had more turns than anybody could follow. "
_WORDS = "the film was very good and i loved the plot of it so much that we saw a movie"


def reading(model: SteerableModel, plain: Any, sizes: Sizes, clock: Clock) -> list[Figure]:
    """Many short texts at every block, and a long one in the middle."""
    few = [" ".join(_unequal(number)) for number in range(sizes.texts)]
    long_text = _long(model, min(sizes.long_text, int(model.cfg.n_ctx) // 2))
    middle = int(model.cfg.n_layers) // 2
    batches, alone = _batches(model, few), _batches(model, [long_text])
    part = f"reading {len(few)} texts"
    found = clock.ratios(
        part,
        BASE,
        lambda: _bare(plain, batches),
        {
            "capture, all residuals": lambda: capture(
                model, few, at="hook_resid_post", max_tokens=_TOGETHER, progress=False
            )
        },
    )
    numbers, _ = weights_of(plain, logits=False)
    operations = 2 * numbers * sum(int(each.real.sum()) for each in batches)
    floor = operations / throughput(clock, dtype_of(model))
    share = floor / found[1].seconds
    tokens = alone[0].tokens.shape[1]
    return [
        *found,
        Figure(
            part, "share of the arithmetic floor", "multiplying with every weight once a token",
            share, share, share, 1, floor, "operations over the throughput of large matrices",
        ),
        *clock.ratios(
            f"reading a text of {tokens} tokens",
            BASE,
            lambda: _bare(plain, alone),
            {
                f"capture, after block {middle} only": lambda: capture(
                    model, [long_text], at=middle, progress=False
                )
            },
        ),
    ]  # fmt: skip


def _unequal(number: int) -> list[str]:
    length = 6 + number * 7919 % 43
    words = _WORDS.split()
    return [words[(number * 31 + place * 17) % len(words)] for place in range(length)]


def _long(model: SteerableModel, tokens: int) -> str:
    each = len(tokenize(model, [_SENTENCE], prepend_bos=False)[0])
    return (_SENTENCE * max(1, tokens // each)).strip()


def _batches(model: SteerableModel, texts: Sequence[str]) -> list[Batch]:
    rows = tokenize(model, list(texts))
    several = length_sorted([len(row) for row in rows], max_tokens=_TOGETHER)
    device = device_of(model)
    return [
        pad([rows[i] for i in batch], side="right", pad_id=pad_id(model)).to(device)
        for batch in several
    ]


@torch.inference_mode()
def _bare(plain: Any, batches: Sequence[Batch]) -> None:
    for batch in batches:
        plain.base_model(batch.tokens, attention_mask=batch.real.long(), use_cache=False)
