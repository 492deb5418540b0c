"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Of what is written and read; the defaults take an hour of a processor's time."""

    tokens: int = 32
    """Written for each prompt."""

    batches: tuple[int, ...] = (1, 8)

    texts: int = 256
    """Read in batches."""

    long_text: int = 4000
    """Tokens of a long text, at most half of the model's context."""

    swept_prompts: int = 8
    swept_tokens: int = 16


WHOLE = Sizes()
QUICK = Sizes(tokens=8, texts=24, long_text=500, swept_prompts=2, swept_tokens=6)
