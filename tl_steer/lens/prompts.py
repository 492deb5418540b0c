"""Prompts as a person has them: one text or many, or token ids."""

from collections.abc import Sequence
from typing import Annotated, Any

from tl_steer.arguments import Words
from tl_steer.errors import DataError
from tl_steer.lens.protocol import SteerableModel
from tl_steer.lens.tokens import Chat, TokenIds, pad_id, tokenize

Prompts = Annotated[
    str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]],
    Words("a text, a list of texts, or token ids", "texts or token ids"),
]
"""One text or many; or token ids, of one prompt or of each, in lists or a tensor."""


def read_prompts(
    model: SteerableModel, prompts: Prompts, *, prepend_bos: bool | None, chat: Chat | None
) -> tuple[tuple[str, ...], list[TokenIds]]:
    """Turn prompts into token ids, and token ids into texts; those that are there already stay.

    Raises:
        SteerError: When the model has no tokenizer.
        DataError: For a text without a token or beyond the context; for ids that the model lacks,
            that are padded, or that came with settings for texts.
    """
    if isinstance(prompts, str):
        texts: tuple[str, ...] = (prompts,)
        return texts, tokenize(model, texts, prepend_bos=prepend_bos, chat=chat)
    given: list[Any] = list(prompts)
    if not given:
        return (), []
    if all(isinstance(each, str) for each in given):
        texts = tuple(str(each) for each in given)
        return texts, tokenize(model, texts, prepend_bos=prepend_bos, chat=chat)
    if given and all(isinstance(each, int) for each in given):
        given = [given]
    rows: list[TokenIds] = [tuple(each) for each in given]
    if prepend_bos is not None or chat is not None:
        raise DataError(
            "token ids are read as they are. Leave prepend_bos= and chat= out, or give texts."
        )
    for number, row in enumerate(rows):
        _require_ids(model, row, number)
    return tuple(str(model.tokenizer.decode(list(row))) for row in rows), rows


def _require_ids(model: SteerableModel, row: TokenIds, number: int) -> None:
    """Refuse anything but rows of this model's tokens, and padding, which would be read as text."""
    largest = int(model.cfg.d_vocab) - 1
    wrong = [token for token in row if not 0 <= token <= largest]
    if wrong or not row:
        came = f"token id {wrong[0]}" if wrong else "no token id"
        raise DataError(f"prompt {number} holds {came}; this model has ids 0 to {largest}.")
    padding, bos = pad_id(model), model.tokenizer.bos_token_id
    means_more = padding in (bos, model.tokenizer.eos_token_id)
    # One of them may begin or end a text, where the tokenizer has no other to pad with.
    run = (padding,) * (2 if means_more else 1)
    if row[: len(run)] == run or row[-len(run) :] == run:
        raise DataError(
            f"prompt {number} is padded with token {padding}, which the model would read as text. "
            "Give each row without its padding, as a list of lists."
        )
