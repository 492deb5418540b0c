"""What the room has for users, in `__all__`, and for other rooms; loaded when first used."""

from ._activations import Activations, ClassMoments as ClassMoments
from ._capture import capture
from ._first_of_each import first_of_each as first_of_each
from ._leave_out import LeaveOut, norms_of as norms_of
from ._moments import Moments as Moments
from ._reader import Reader as Reader
from ._reads import (
    AnswerToken,
    EveryToken,
    LastToken,
    MeanOfTokens,
    Read,
    TextTokens as TextTokens,
    TokenAt,
)
from ._span_reads import InSpans, first_response_token, last_response_token, response_tokens
from ._tokens_read import tokens_read

__all__ = [
    "Activations",
    "AnswerToken",
    "EveryToken",
    "InSpans",
    "LastToken",
    "LeaveOut",
    "MeanOfTokens",
    "Read",
    "TokenAt",
    "capture",
    "first_response_token",
    "last_response_token",
    "response_tokens",
    "tokens_read",
]
