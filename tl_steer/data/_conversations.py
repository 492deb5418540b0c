"""Prompts with their responses, as the chat template writes them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tl_steer.arguments import checked
from tl_steer.data._texts import plain_texts, short
from tl_steer.errors import DataError, SteerError
from tl_steer.lens.chat_template import as_chat, rendered
from tl_steer.lens.protocol import SteerableModel, require_steerable
from tl_steer.lens.turns import Opening, closing, marker_pattern, separators, turn_spans

# Words that no template writes of itself.
_ASKED, _ANSWERED = "tlsteerasked", "tlsteeranswered"


@checked
def conversations(
    model: SteerableModel,
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    system: str | None = None,
) -> list[str]:
    """Write each prompt and its response as a conversation of two turns.

    The tokenizer's chat template writes the user's turn and the assistant's answer, closes the
    answer, and begins no third turn. The text contains its special tokens, so read it with
    ``ts.capture(…, prepend_bos=False)``.

    Args:
        model: Its tokenizer must have a chat template.
        prompts: The user's turns.
        responses: The assistant's answers, one for each.
        system: The system's turn; ``None`` leaves it to the template.

    Returns:
        One text for each prompt, e.g. for a ``ContrastSet``.

    Raises:
        SteerError: If the tokenizer has no chat template, or it refuses or omits a turn.
        DataError: For anything but texts, or unequal numbers of prompts and responses.
    """
    require_steerable(model)
    asked = plain_texts(prompts, "prompts")
    answered = plain_texts(responses, "responses")
    if len(asked) != len(answered):
        raise DataError(
            f"Got {len(asked)} prompts and {len(answered)} responses. Give one response for each "
            "prompt."
        )
    before = [] if system is None else [("system", system)]
    return [
        as_chat(model, [*before, ("user", prompt), ("assistant", response)])
        for prompt, response in zip(asked, answered, strict=True)
    ]


@dataclass(frozen=True)
class LastResponse:
    """Finds the assistant's last answer in a conversation; a ``find`` for ``InSpans``."""

    after: str
    """What the chat template writes between a prompt and the answer to it."""

    before: str
    """What it writes after the answer."""

    others: tuple[Opening, ...] = field(default=(), repr=False)
    """What else it writes between turns, and whose turn begins there."""

    def __call__(self, text: str) -> list[tuple[int, int]]:
        """Return the first character of the last answer, and the one after its last.

        Nothing where no answer is begun. An answer that is not closed goes on to the next turn, or
        to the text's end.
        """
        openings = sorted({("assistant", self.after), *self.others}, key=lambda each: -len(each[1]))
        *_, (start, end) = [(0, 0), *turn_spans(text, "assistant", openings)]
        if self.before:
            closes, answer = marker_pattern(self.before), text[start:end]
            closed = re.search(rf"(?:{closes})\Z", answer) or re.search(closes, answer)
            end = start + closed.start() if closed else end
        return [(start, end)] if end > start else []


def last_response(model: SteerableModel) -> LastResponse:
    """Learn from the chat template where answers begin and end.

    It is asked to write conversations of known words; what it puts between them and after the last
    are the marks.

    Raises:
        SteerError: For a tokenizer without a chat template, or one that does not write out turns.
    """
    written = rendered(model, [("user", _ASKED), ("assistant", _ANSWERED)])
    before, _, after = written.rpartition(_ANSWERED)
    _, found, between = before.rpartition(_ASKED)
    if not found or not between.strip():
        raise SteerError(
            "this tokenizer's chat template writes nothing between a prompt and its answer, so "
            f"that answers cannot be found: {short(written)}. Use InSpans with a pattern."
        )
    try:
        around = separators(model)
    except SteerError:
        return LastResponse(between, after)  # It writes one question and one answer, no more.
    others = {("assistant", each): None for each in around.to_answer} | {
        ("user", around.to_user): None
    }
    return LastResponse(between, (*closing(around.after_answer), after)[0], tuple(others))
