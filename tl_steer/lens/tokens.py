"""Texts to token ids and back, padded and masked, without asking the model to guess.

Padding cannot be told by its token id (in many tokenizers it is the end-of-text token), so the
mask travels beside the tokens, always.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tl_steer.arguments import checked
from tl_steer.errors import DataError, SteerError
from tl_steer.files.characters import HALF
from tl_steer.files.stored_names import stored_as
from tl_steer.lens.chat_template import as_chat
from tl_steer.lens.protocol import Host, SteerableModel, context_length
from tl_steer.shapes import TokenMask, Tokens

TokenIds = tuple[int, ...]
Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Batch:
    """Token ids of several rows, padded to one length."""

    tokens: Tokens
    real: TokenMask

    def to(self, device: torch.device) -> "Batch":
        """Copy to a device."""
        return Batch(self.tokens.to(device), self.real.to(device))


@stored_as("Chat")
@checked
@dataclass(frozen=True)
class Chat:
    """Texts become the user's turn in the tokenizer's chat template.

    The prompt then ends where the assistant's answer begins.
    """

    system: str | None = None
    """The system's turn; ``None`` leaves it to the template."""

    def __post_init__(self) -> None:
        """Refuse anything that is not a text."""
        if not isinstance(self.system, str | None):
            raise SteerError(
                f"Chat(system={self.system!r}): expected a text, got a "
                f"{type(self.system).__name__}. None leaves it to the template."
            )


def tokenize(
    model: SteerableModel,
    texts: Sequence[str],
    *,
    prepend_bos: bool | None = None,
    chat: Chat | None = None,
) -> list[TokenIds]:
    """Turn texts into token ids.

    Args:
        model: Its tokenizer is used, and its ``cfg.default_prepend_bos``.
        texts: Any number of texts.
        prepend_bos: Whether a beginning-of-text token comes first. ``None`` does what
            TransformerLens does with this model, or leaves it to the chat template.
        chat: Puts each text into the chat template.

    Returns:
        One tuple of ids a text, unpadded.

    Raises:
        SteerError: When the model has no tokenizer, or its chat template refuses a turn or leaves
            one out.
        DataError: For a text without a token, with half of a character, or longer than the
            model's context.
    """
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise SteerError("this model has no tokenizer. Give it one: model.tokenizer = tokenizer.")
    if prepend_bos is None:
        prepend_bos = chat is None and _prepends_bos(model)
    prefix = (_require_bos(model),) if prepend_bos else ()
    for number, text in enumerate(texts):
        if HALF.search(text):
            raise DataError(
                f"text {number}, {text[:60]!r}, has half of a character (a lone surrogate), which "
                "no tokenizer takes. Was it cut in the middle, or read in the wrong encoding?"
            )
    if chat is not None:
        texts = _as_chat(model, texts, chat)
    rows = [
        prefix + tuple(int(token) for token in ids)
        for ids in tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    ]
    check_lengths(model, rows, texts)
    return rows


def check_lengths(
    model: SteerableModel, rows: Sequence[TokenIds], texts: Sequence[str], *, room: int = 0
) -> None:
    """Refuse rows that are empty or that leave no ``room`` in the model's context.

    Raises:
        DataError: Naming the first such text, its length and what fits.
    """
    longest = context_length(model)
    for number, (row, text) in enumerate(zip(rows, texts, strict=True)):
        if not row:
            raise DataError(f"text {number} has no token: {text!r}.")
        if len(row) + room > longest:
            asked = f" and {room} are to follow" if room else ""
            raise DataError(
                f"text {number} has {len(row)} tokens{asked}; this model's context holds {longest}."
                f" Shorten it: {text[:60]!r}…"
            )


def pad(rows: Sequence[TokenIds], *, side: Literal["left", "right"], pad_id: int) -> Batch:
    """Bring rows to one length.

    Args:
        rows: Token ids; not empty.
        side: ``left`` for generation, where all rows must end together; ``right`` elsewhere.
        pad_id: Any id of the vocabulary; the mask tells padding apart.
    """
    width = max(len(row) for row in rows)
    tokens = torch.full((len(rows), width), pad_id, dtype=torch.long)
    real = torch.zeros((len(rows), width), dtype=torch.bool)
    for number, row in enumerate(rows):
        where = slice(width - len(row), None) if side == "left" else slice(0, len(row))
        tokens[number, where] = torch.tensor(row, dtype=torch.long)
        real[number, where] = True
    return Batch(tokens, real)


def pad_id(model: Host) -> int:
    """An id to pad with."""
    tokenizer = model.tokenizer
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next((int(token) for token in known if token is not None), 0)


def is_bos(model: Host, tokens: Tensor) -> TokenMask:
    """True where the beginning-of-text token stands at a row's first position."""
    mask = torch.zeros_like(tokens, dtype=torch.bool)
    bos = model.tokenizer.bos_token_id
    if bos is not None:
        mask[:, 0] = tokens[:, 0] == bos
    return mask


def decode(model: Host, tokens: Sequence[int]) -> str:
    """Token ids to text, without special tokens."""
    text: str = model.tokenizer.decode(list(tokens), skip_special_tokens=True)
    return text


def spans(model: Host, texts: Sequence[str], rows: Sequence[TokenIds]) -> list[list[Span]]:
    """Which characters of its text each token covers; ``(0, 0)`` for a prepended one.

    Args:
        model: Its tokenizer must be a fast one, which keeps track of characters.
        texts: The texts.
        rows: What :func:`tokenize` made of them.

    Raises:
        SteerError: For a tokenizer that does not keep track.
    """
    if not getattr(model.tokenizer, "is_fast", False):
        raise SteerError(
            f"{type(model.tokenizer).__name__} does not say which characters a token covers. Load "
            "the fast tokenizer of this model (use_fast=True)."
        )
    encoded = model.tokenizer(
        list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    found = [[(int(start), int(end)) for start, end in row] for row in encoded["offset_mapping"]]
    return [[(0, 0)] * (len(row) - len(own)) + own for row, own in zip(rows, found, strict=True)]


def eos_ids(model: Host) -> list[int]:
    """The tokens that end a text, by the tokenizer and by the model's generation settings."""
    ends = {model.tokenizer.eos_token_id}
    settings = getattr(getattr(model, "original_model", None), "generation_config", None)
    more = getattr(settings, "eos_token_id", None)
    ends.update(more if isinstance(more, list) else [more])
    return sorted(int(token) for token in ends if token is not None)


def _as_chat(model: SteerableModel, texts: Sequence[str], chat: Chat) -> list[str]:
    before = [] if chat.system is None else [("system", chat.system)]
    return [as_chat(model, [*before, ("user", text)], begin_answer=True) for text in texts]


def _prepends_bos(model: SteerableModel) -> bool:
    wanted = bool(getattr(model.cfg, "default_prepend_bos", False))
    return wanted and model.tokenizer.bos_token_id is not None


def _require_bos(model: SteerableModel) -> int:
    bos: int | None = model.tokenizer.bos_token_id
    if bos is None:
        raise SteerError("prepend_bos=True, but this tokenizer has no beginning-of-text token.")
    return bos
