r"""How much a set of texts repeats itself: across texts (distinct-n) and within one (repetition).

A text may come as a string or as tokens. A string is cut into lower-case words and punctuation
marks ("It's good." is `it's`, `good`, `.`); give tokens for languages without spaces between words.
An n-gram never runs from one text into the next.
"""

import math
import re
from collections.abc import Hashable, Iterator, Sequence
from itertools import chain

from tl_steer.arguments import Count, checked
from tl_steer.errors import DataError

_WORD_OR_MARK = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@checked
def distinct_n(texts: Sequence[str | Sequence[Hashable]], n: Count) -> float:
    """The share of n-grams that are different ones, over all the texts together.

    ``distinct-n = different n-grams / all n-grams``, both counted over the whole set, so a phrase
    that comes back in another text counts as a repetition. It falls as texts are added: compare
    only sets of about equally many and equally long texts.

    Source: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation
    Models", https://aclanthology.org/N16-1014 (which divides by the number of words; dividing by
    the number of n-grams keeps 1 reachable for every n).

    Args:
        texts: Strings, or the tokens of each text.
        n: Words or tokens in an n-gram, at least 1.

    Returns:
        Over 0 and at most 1; NaN where no text has n tokens, for then nothing was measured: a
        set of empty texts is neither diverse nor dull. A text with fewer than n tokens, the
        empty one among them, adds nothing.

    Raises:
        DataError: `n` is less than 1, or one string came instead of several texts.
    """
    grams = list(chain.from_iterable(_ngrams_of_each(texts, n)))
    return len(set(grams)) / len(grams) if grams else math.nan


@checked
def repetition(texts: Sequence[str | Sequence[Hashable]], *, n: Count = 4) -> float:
    """The share of n-grams that repeat an earlier one of the same text, averaged over texts.

    For one text ``1 − different n-grams / all n-grams``; then the plain mean over the texts. Text
    that runs in circles is near 1.

    Source: seq-rep-n of Welleck et al. 2019, "Neural Text Generation with Unlikelihood Training",
    https://arxiv.org/abs/1908.04319

    Args:
        texts: Strings, or the tokens of each text.
        n: Words or tokens in an n-gram, at least 1.

    Returns:
        At least 0 and under 1; NaN where no text has n tokens. A text with fewer than n tokens
        is left out of the mean.

    Raises:
        DataError: `n` is less than 1, or one string came instead of several texts.
    """
    shares = [1 - len(set(grams)) / len(grams) for grams in _ngrams_of_each(texts, n) if grams]
    return math.fsum(shares) / len(shares) if shares else math.nan


def _ngrams_of_each(
    texts: Sequence[str | Sequence[Hashable]], n: int
) -> Iterator[list[tuple[Hashable, ...]]]:
    if n < 1:
        raise DataError(f"n={n}: an n-gram has at least one token. Give 1, 2, 3, …")
    if isinstance(texts, str):
        raise DataError(f"Expected a list of texts, got one string ({texts[:40]!r}). Write [text].")
    for text in texts:
        tokens = _WORD_OR_MARK.findall(text.lower()) if isinstance(text, str) else list(text)
        yield list(zip(*(tokens[start:] for start in range(n)), strict=False))
