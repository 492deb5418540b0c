"""What a chat template writes at a text's end, where somebody reads the last token."""

import warnings
from collections.abc import Sequence

from tl_steer.activations._reads import LastToken, Read
from tl_steer.data import last_response
from tl_steer.errors import SteerError, TemplateTokenWarning
from tl_steer.lens.protocol import SteerableModel


def warn_of_template_tokens(model: SteerableModel, texts: Sequence[str], read: Read) -> None:
    """Warn where ``LastToken`` reads a token that the chat template wrote and nobody said.

    Warns:
        TemplateTokenWarning: With the first such text's end.
    """
    if not isinstance(read, LastToken) or not getattr(model.tokenizer, "chat_template", None):
        return
    endings = _endings(model)
    ended = [text for text in texts if text.rstrip().endswith(endings)] if endings else []
    if ended:
        warnings.warn(
            f"LastToken reads the end of {ended[0][-24:]!r}, which the chat template "
            f"wrote{f', as in {len(ended)} texts' if len(ended) > 1 else ''}. For the answer's own "
            "last token, use last_response_token(model). To read this one without a warning, use "
            "TokenAt(-1).",
            TemplateTokenWarning,
            stacklevel=3,
        )


def _endings(model: SteerableModel) -> tuple[str, ...]:
    """What stands after an answer, and what stands before one that is to follow."""
    try:
        marks = last_response(model)
    except SteerError:
        # A template whose turns cannot be told apart: then its tokens cannot be, either.
        return ()
    return tuple(mark.strip() for mark in (marks.before, marks.after) if mark.strip())
