"""Which tokens a read would read, to look at before a capture."""

from collections.abc import Sequence

import pandas as pd

from tl_steer.activations._leave_out import LeaveOut
from tl_steer.activations._reader import Reader
from tl_steer.activations._reads import MeanOfTokens, Read
from tl_steer.activations._template_tokens import warn_of_template_tokens
from tl_steer.arguments import checked
from tl_steer.data import ContrastSet, plain_texts
from tl_steer.errors import DataError
from tl_steer.lens.pieces import pieces
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.tokens import tokenize


@checked
def tokens_read(
    model: SteerableModel,
    texts: ContrastSet | Sequence[str],
    read: Read = MeanOfTokens(),  # noqa: B008, frozen
    *,
    leave_out: LeaveOut = LeaveOut(),  # noqa: B008, frozen
    prepend_bos: bool | None = None,
) -> pd.DataFrame:
    """Show which tokens ``capture`` would read; the model does not run.

    Massive activations are unknown until it runs, so they are shown as read.

    Args:
        model: Its tokenizer is used.
        texts: A contrast set, or plain texts.
        read: As for ``capture``, like the others.
        leave_out: Tokens to leave out, unless ``read`` asks for them by index.
        prepend_bos: Whether texts begin with a beginning-of-text token.

    Returns:
        A row for each token: ``text`` (its number), ``token`` (what it covers), ``token_id`` and
        ``read``.

    Raises:
        DataError: For a text of which no token is read.

    Warns:
        TemplateTokenWarning: If ``LastToken`` reads a token of the chat template.

    Example:
        >>> shown = ts.activations.tokens_read(model, texts, ts.LastToken())
        >>> shown[shown["read"]]
    """
    require_steerable(model)
    plain = texts.texts if isinstance(texts, ContrastSet) else plain_texts(texts, "texts")
    if not plain:
        raise DataError("Expected at least one text, got none.")
    rows = tokenize(model, plain, prepend_bos=prepend_bos)
    warn_of_template_tokens(model, plain, read)
    reader = Reader(model, (), plain, rows, read, leave_out)
    found = []
    for number, (text, row) in enumerate(zip(plain, rows, strict=True)):
        (marked,) = reader.marked([number]).tolist()
        found += [
            {"text": number, "token": token, "token_id": ids, "read": is_read}
            for token, ids, is_read in zip(pieces(model, text, row), row, marked, strict=True)
        ]
    return pd.DataFrame(found)
