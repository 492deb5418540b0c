"""Whether a continuation belongs to its prompt."""

import math

import pandas as pd

from tl_steer.arguments import Count, checked
from tl_steer.errors import DataError
from tl_steer.generation import Generations
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import TokenIds
from tl_steer.metrics._perplexity import log_probs


@checked
def relevance(
    model: SteerableModel,
    generations: Generations,
    *,
    max_tokens: Count | None = None,
    progress: bool = False,
) -> pd.Series:
    """Pointwise mutual information of each continuation and its prompt, in nats a token.

    ::

        relevance = mean over tokens of log p(token | prompt, before) − log p(token | before)

    under the model as it is now; ``before`` are the continuation's own tokens. Where the prompt's
    tokens begin with the beginning-of-text token, the second term begins with it too, and all
    tokens count. Elsewhere nothing stands before the continuation's first token, so that it has no
    probability of its own: it is left out of both terms, and the second one begins with it.

    Above 0, the prompt makes the continuation likelier than it is by itself. Around 0, it could
    follow any prompt. It falls along a text, since later tokens depend on the continuation's own
    beginning, so compare texts of similar length. Repetition, of itself or of the prompt, makes
    text predictable without merit; see :func:`~tl_steer.metrics.repetition`.

    Call it outside any ``steer`` block.

    Args:
        model: The one that wrote, unsteered, or another with the same tokenizer.
        generations: Of any number of conditions.
        max_tokens: Padded tokens in a batch; by default from memory.
        progress: Whether to show a progress bar.

    Returns:
        One number for each row of the frame, under its index; NaN where no token counts.

    Raises:
        DataError: For a continuation without a token, or one that with its prompt is beyond the
            model's context.
    """
    require_steerable(model)
    frame = generations.frame
    prompts = [tuple(int(token) for token in each) for each in frame["prompt_tokens"]]
    texts = [tuple(int(token) for token in each) for each in frame["tokens"]]
    if any(not prompt or not text for prompt, text in zip(prompts, texts, strict=True)):
        raise DataError("A prompt or a continuation has no token, so it has no probability.")
    bos = getattr(model.tokenizer, "bos_token_id", None)
    # How many tokens of each continuation have nothing before them.
    skipped = [int(prompt[0] != bos) for prompt in prompts]
    alone: list[tuple[TokenIds, TokenIds]] = [
        (text[:1], text[1:]) if skip else (prompt[:1], text)
        for prompt, text, skip in zip(prompts, texts, skipped, strict=True)
    ]
    counted = [number for number, (_, text) in enumerate(alone) if text]
    rows = [(prompts[n], texts[n]) for n in counted] + [alone[n] for n in counted]
    scored = log_probs(model, rows, max_tokens=max_tokens, progress=progress)
    found = [math.nan] * len(frame)
    pairs = zip(counted, scored[: len(counted)], scored[len(counted) :], strict=True)
    for number, given, by_itself in pairs:
        told = math.fsum(given[skipped[number] :]) - math.fsum(by_itself)
        found[number] = told / len(by_itself)
    return pd.Series(found, index=frame.index, name="relevance", dtype=float)
