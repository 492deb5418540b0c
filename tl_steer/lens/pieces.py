"""A text, cut at its tokens."""

from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import TokenIds, spans


def pieces(model: SteerableModel, text: str, row: TokenIds) -> list[str]:
    """The part of a text that each of its tokens covers.

    What a tokenizer skips goes to the token after it. A prepended token, and a later part of one
    character, cover nothing: there the token's own name stands, or nothing.

    Args:
        model: Whose tokenizer it was.
        text: The text.
        row: What ``tokenize`` made of it.
    """
    if not getattr(model.tokenizer, "is_fast", False):
        return [str(model.tokenizer.decode([token])) for token in row]
    (places,) = spans(model, [text], [row])
    found, done = [], 0
    for token, (_, end) in zip(row, places, strict=True):
        found.append(text[done:end] or str(model.tokenizer.decode([token])).strip("\ufffd"))
        done = max(done, end)
    return found
