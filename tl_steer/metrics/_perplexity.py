"""How likely the unsteered model finds a text."""

import math
from collections.abc import Sequence

import torch
from tqdm.auto import tqdm

from tl_steer.arguments import Count, checked
from tl_steer.batching import default_max_tokens, halving, length_sorted
from tl_steer.errors import DataError
from tl_steer.generation import Generations
from tl_steer.lens.forward import run_logits
from tl_steer.lens.paths import host_for
from tl_steer.lens.protocol import (
    SteerableModel,
    context_length,
    device_of,
    dtype_of,
    require_steerable,
)
from tl_steer.lens.tokens import TokenIds, pad, pad_id


@checked
def perplexity(
    model: SteerableModel,
    generations: Generations,
    *,
    max_tokens: Count | None = None,
    progress: bool = False,
) -> dict[str, float]:
    """Perplexity of continuations given their prompts, under the model as it is now.

    ``exp(−Σ log p(token | prompt, tokens before) / number of tokens)``, pooled over the tokens of
    each condition; a token that ends a text counts. Call it outside any ``steer`` block, so
    that the unsteered model judges the steered text.

    Args:
        model: The one that wrote, or another with the same tokenizer.
        generations: Of any number of conditions.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        One perplexity for each condition, in order.
    """
    require_steerable(model)
    frame = generations.frame
    rows = [
        (tuple(p), tuple(t)) for p, t in zip(frame["prompt_tokens"], frame["tokens"], strict=True)
    ]
    scored = log_probs(model, rows, max_tokens=max_tokens, progress=progress)
    sums = frame.assign(total=[sum(each) for each in scored], count=[len(each) for each in scored])
    by_condition = sums.groupby("condition", sort=False)[["total", "count"]].sum()
    return {
        str(name): math.exp(-float(row["total"]) / float(row["count"]))
        for name, row in by_condition.iterrows()
    }


def log_probs(
    model: SteerableModel,
    rows: Sequence[tuple[TokenIds, TokenIds]],
    *,
    max_tokens: int | None = None,
    progress: bool = False,
) -> list[list[float]]:
    """Natural log-probability of every token of continuations, given what stands before it.

    Args:
        model: Any TransformerLens model, steered or not.
        rows: Prompts and continuations, as token ids; both have at least one.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Raises:
        DataError: For an empty prompt or continuation, or one beyond the model's context.
    """
    if any(not prompt or not text for prompt, text in rows):
        raise DataError("A prompt or a continuation has no token, so it has no probability.")
    lengths = [len(prompt) + len(text) for prompt, text in rows]
    longest = context_length(model)
    if max(lengths, default=0) > longest:
        raise DataError(
            f"A prompt and its continuation have {max(lengths)} tokens; this model's context holds "
            f"{longest}."
        )
    if max_tokens is None:
        logits = 4 * int(model.cfg.d_vocab) * dtype_of(model).itemsize
        max_tokens = default_max_tokens(device_of(model), bytes_per_token=logits)
    found: dict[int, list[float]] = {}
    host = host_for(model)

    def score(index: list[int]) -> list[list[float]]:
        batch = pad([sum(rows[i], ()) for i in index], side="right", pad_id=pad_id(model))
        batch = batch.to(device_of(model))
        lengths = [len(rows[i][0]) for i in index]
        logits = run_logits(host, batch, prompt_lengths=lengths)[:, :-1].float()
        next_tokens = batch.tokens[:, 1:, None]
        chosen = (logits.gather(2, next_tokens)[..., 0] - logits.logsumexp(-1)).cpu()
        starts = [len(rows[i][0]) - 1 for i in index]
        return [
            chosen[row, start : start + len(rows[i][1])].tolist()
            for row, (i, start) in enumerate(zip(index, starts, strict=True))
        ]

    with torch.inference_mode(), tqdm(total=len(rows), desc="score", disable=not progress) as bar:
        for batch in length_sorted(lengths, max_tokens=max_tokens):
            for part, result in halving(score, batch):
                found.update(zip(part, result, strict=True))
                bar.update(len(part))
    return [found[i] for i in range(len(rows))]
